//! Which sets of states a belief can be spread over.

use std::collections::{BTreeSet, VecDeque};

use tiresias_model::Model;

use crate::belief::backup::{Scratch, Sparse, sparse};
use crate::limits::Late;

/// The most states a face may have.
pub(crate) const MOST_STATES: usize = 3;
/// The most supports looked at before giving up.
const MOST_SUPPORTS: usize = 3_000;

/// The maximal supports of the beliefs that some actions, models and observations lead to from the start distribution, in
/// lexicographic order; `None` when one has more than three states or there are too many. `spend` is told the masses looked at.
pub(crate) fn faces(
    model: &Model,
    mut spend: impl FnMut(usize) -> Result<(), Late>,
) -> Result<Option<Vec<Vec<u32>>>, Late> {
    let mut seen = BTreeSet::new();
    let mut queue: VecDeque<Sparse> = VecDeque::from([sparse(model.start())]);
    let mut scratch = Scratch::new(model);
    // Ends: there are finitely many supports, each comes once, and it spends.
    while let Some(belief) = queue.pop_front() {
        let mut found: Vec<Vec<u32>> = Vec::new();
        for action in 0..model.actions().len() {
            for m in 0..model.dynamics().len() {
                let mut looked = 1;
                scratch.successors(model, m, &belief, action, |_, joint| {
                    looked += joint.len();
                    // More states than a face may have are told by one more.
                    found.push(joint.iter().map(|&(s, _)| s).take(MOST_STATES + 1).collect());
                });
                spend(looked)?;
            }
        }
        for support in found {
            if support.len() > MOST_STATES || seen.len() > MOST_SUPPORTS {
                return Ok(None);
            }
            if !seen.contains(&support) {
                // Only the support matters from here on, so any positive masses do.
                queue.push_back(support.iter().map(|&s| (s, 1.0)).collect());
                seen.insert(support);
            }
        }
    }
    // What some support holds, but for itself.
    let mut within: BTreeSet<Vec<u32>> = BTreeSet::new();
    for face in &seen {
        for kept in 1..(1_usize << face.len()) - 1 {
            let part = face.iter().enumerate().filter(|(i, _)| (kept >> i) & 1 == 1);
            within.insert(part.map(|(_, &state)| state).collect());
        }
    }
    Ok(Some(seen.into_iter().filter(|face| !within.contains(face)).collect()))
}
