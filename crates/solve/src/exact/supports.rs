//! Which beliefs there are after a step: those on the supports that an action and an observation leave.

use rustc_hash::FxHashMap;
use tiresias_model::Model;

use crate::limits::Watch;

/// More supports than this are not told apart: one for all beliefs stands for them.
const MOST: usize = 512;

/// The inclusion-maximal sets of states that some (action, model, observation) leaves possible, from any belief. The values of
/// all later stages are asked for there only, which is less than the simplex of all states wherever observations exclude some.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Supports {
    /// Ascending states, by support.
    pub states: Vec<Vec<u32>>,
    /// `[branch][observation]`: the support that holds what is left; `None` when the observation cannot come.
    pub after: Vec<Vec<Option<usize>>>,
}

impl Supports {
    /// Of the successors, or, with `everywhere` or when it is late, all states as one support. O(entries of the kernels, and
    /// supports² · S).
    pub fn new(model: &Model, branches: &[(usize, usize)], everywhere: bool, watch: &Watch) -> Self {
        let s = model.states().len();
        let observations = model.observations().map_or(0, tiresias_model::Space::len);
        let mut left: Vec<Vec<Vec<u32>>> = Vec::with_capacity(branches.len());
        for &(action, m) in branches {
            let dynamics = &model.dynamics()[m];
            let mut reached = vec![false; s];
            (0..s).for_each(|from| dynamics.transition.pairs(action * s + from).for_each(|(to, _)| reached[to] = true));
            let mut by_observation = vec![Vec::new(); observations];
            let kernel = dynamics.observation.as_ref().expect("checked: the model has observations");
            for to in (0..s).filter(|&to| reached[to]) {
                kernel.pairs(action * s + to).for_each(|(o, _)| by_observation[o].push(to as u32));
            }
            left.push(by_observation);
        }
        let mut distinct: Vec<Vec<u32>> = left.iter().flatten().filter(|set| !set.is_empty()).cloned().collect();
        distinct.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        distinct.dedup();
        let mut states: Vec<Vec<u32>> = Vec::new();
        if everywhere || distinct.len() > MOST || watch.late() {
            states.push((0..s as u32).collect());
        } else {
            for set in distinct {
                if !states.iter().any(|larger| holds(larger, &set)) {
                    states.push(set);
                }
            }
        }
        // Many observations leave the same states.
        let mut homes: FxHashMap<&[u32], Option<usize>> = FxHashMap::default();
        let home = |set: &'_ Vec<u32>| states.iter().position(|support| holds(support, set));
        let mut after = Vec::with_capacity(left.len());
        for sets in &left {
            let all = sets
                .iter()
                .map(|set| if set.is_empty() { None } else { *homes.entry(set).or_insert_with(|| home(set)) });
            after.push(all.collect());
        }
        Self { states, after }
    }
}

/// Whether every state of `part` is in `whole`; both ascend.
pub(crate) fn holds(whole: &[u32], part: &[u32]) -> bool {
    part.len() <= whole.len() && part.iter().all(|s| whole.binary_search(s).is_ok())
}
