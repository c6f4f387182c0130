//! What a policy does in every state, where states are seen.

use napi::bindgen_prelude::{Float64Array, Uint32Array};
use tiresias_guard::napi;

use crate::errors::{Result, invalid};
use crate::solve::Solution;

/// The decisions of one stage, one entry a state.
#[napi(object, object_from_js = false)]
pub struct StateTable {
    /// The actions taken.
    pub actions: Uint32Array,
    /// Point estimates of the states' values.
    pub values: Float64Array,
    /// What each action can lose at most.
    pub regret_bounds: Float64Array,
}

#[napi]
impl Solution {
    /// What is done at a stage in every state, what the state is worth and what the action can lose at most: a backup of each.
    /// `INVALID_ARGUMENT` where the state is hidden.
    #[napi]
    pub fn state_table(&self, stage: f64) -> Result<StateTable> {
        let stage = self.stage(stage)?;
        let policy = &self.inner.policy;
        let states = 0..self.model.states().len();
        let values: Option<Vec<f64>> = states.clone().map(|state| policy.state_value(stage, state)).collect();
        let values =
            values.ok_or_else(|| invalid("a table by state is of states that are seen; this model's are hidden"))?;
        let (actions, regrets): (Vec<u32>, Vec<f64>) = states
            .map(|state| policy.label_in_state(stage, state))
            .map(|(action, regret)| (action as u32, regret))
            .unzip();
        Ok(StateTable {
            actions: Uint32Array::new(actions),
            values: Float64Array::new(values),
            regret_bounds: Float64Array::new(regrets),
        })
    }
}
