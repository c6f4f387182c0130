//! Which sets of states a belief can be spread over.

use std::collections::{BTreeSet, VecDeque};

use tiresias_model::Model;

use crate::belief::backup::{Scratch, Sparse, sparse};

/// The most states a face may have.
pub(crate) const MOST_STATES: usize = 3;
/// The most supports looked at before giving up.
const MOST_SUPPORTS: usize = 3_000;

/// The maximal supports of the beliefs that some actions, models and observations lead to from the start distribution, in
/// lexicographic order; `None` when one has more than three states or there are too many.
pub(crate) fn faces(model: &Model) -> Option<Vec<Vec<u32>>> {
    let mut seen = BTreeSet::new();
    let mut queue: VecDeque<Sparse> = VecDeque::from([sparse(model.start())]);
    let mut scratch = Scratch::new(model);
    while let Some(belief) = queue.pop_front() {
        let mut found: Vec<Vec<u32>> = Vec::new();
        for action in 0..model.actions().len() {
            for m in 0..model.dynamics().len() {
                scratch.successors(model, m, &belief, action, |_, joint| {
                    found.push(joint.iter().map(|&(s, _)| s).collect());
                });
            }
        }
        for support in found {
            if support.len() > MOST_STATES || seen.len() > MOST_SUPPORTS {
                return None;
            }
            if !seen.contains(&support) {
                // Only the support matters from here on, so any positive masses do.
                queue.push_back(support.iter().map(|&s| (s, 1.0)).collect());
                seen.insert(support);
            }
        }
    }
    let within = |small: &[u32], large: &[u32]| small.iter().all(|s| large.contains(s));
    let maximal = |f: &&Vec<u32>| !seen.iter().any(|g| g.len() > f.len() && within(f, g));
    Some(seen.iter().filter(maximal).cloned().collect())
}
