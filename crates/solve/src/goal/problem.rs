//! A model and an objective as a process that ends at the goal.

use rustc_hash::FxHashMap;
use tiresias_model::{Explicit, NamedReward, Objective, Quantity, Sense};

use super::process::{Aim, Process};
use crate::SolveError;

/// The states from which the goal is not reached yet. Reaching it ends the process, as does leaving the states to keep to. Whether a goal is seen
/// when it is reached is all the same: what a policy does after that counts for nothing.
pub(crate) struct Problem {
    pub aim: Aim,
    /// By live state, the start first. Empty where everything is over at the start.
    pub process: Process,
    /// By live state: which it is in the model.
    pub state: Vec<u32>,
    /// By live state: what is seen there, numbered without gaps; and by that, what it is in the model.
    pub seen: Vec<u32>,
    pub observation: Vec<u32>,
    /// By action of the process: which choice it is in the model.
    pub choice: Vec<u32>,
    /// The value where everything is over at the start.
    pub over: f64,
}

/// States where the process goes on, and those where it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Live,
    Goal,
    Lost,
}

impl Problem {
    /// O(states + transitions). Errors name a label or a reward that is not there, and a negative reward.
    pub fn new(model: &Explicit, objective: &Objective) -> Result<Self, SolveError> {
        let aim = match (&objective.quantity, objective.sense) {
            (Quantity::Reach { .. }, Sense::Max) => Aim::MaxReach,
            (Quantity::Reach { .. }, Sense::Min) => Aim::MinReach,
            (Quantity::Reward { .. }, Sense::Max) => Aim::MaxReward,
            (Quantity::Reward { .. }, Sense::Min) => Aim::MinReward,
        };
        let roles = roles(model, objective)?;
        let reward = reward(model, objective)?;
        let over = if aim.rewards() || roles[model.start] == Role::Lost { 0.0 } else { 1.0 };
        let mut problem = Self {
            aim,
            process: Process::new(),
            state: Vec::new(),
            seen: Vec::new(),
            observation: Vec::new(),
            choice: Vec::new(),
            over,
        };
        if roles[model.start] == Role::Live {
            problem.explore(model, &roles, reward);
        }
        Ok(problem)
    }

    /// Live states are numbered as they are met, from the start on.
    fn explore(&mut self, model: &Explicit, roles: &[Role], reward: Option<&NamedReward>) {
        let mut live = vec![u32::MAX; model.states()];
        let mut seen: FxHashMap<usize, u32> = FxHashMap::default();
        live[model.start] = 0;
        self.state.push(model.start as u32);
        let mut at = 0;
        // Ends: each state comes once.
        while at < self.state.len() {
            let state = self.state[at] as usize;
            for choice in model.choices(state) {
                for (to, _) in model.transition.pairs(choice) {
                    if roles[to] == Role::Live && live[to] == u32::MAX {
                        live[to] = self.state.len() as u32;
                        self.state.push(to as u32);
                    }
                }
            }
            let number = seen.len() as u32;
            let number = *seen.entry(model.observation(state)).or_insert(number);
            if number as usize == self.observation.len() {
                self.observation.push(model.observation(state) as u32);
            }
            self.seen.push(number);
            at += 1;
        }
        for live_state in 0..self.state.len() {
            let node = self.process.push_node();
            self.process.begin(node);
            for choice in model.choices(self.state[live_state] as usize) {
                let to = |role: Role| {
                    let pairs = model.transition.pairs(choice);
                    pairs.filter(|&(next, _)| roles[next] == role).map(|(_, p)| p).sum::<f64>() + 0.0
                };
                let goal = to(Role::Goal);
                let gain = reward.map_or(goal, |reward| reward.choice[choice]);
                let next = model.transition.pairs(choice).filter(|&(next, _)| roles[next] == Role::Live);
                self.process.push_action(node, gain, goal + to(Role::Lost), next.map(|(next, p)| (live[next], p)));
                self.choice.push(choice as u32);
            }
        }
    }

    /// Live states.
    pub fn states(&self) -> usize {
        self.state.len()
    }

    /// By what is seen: how many actions there are.
    pub fn actions_by_seen(&self) -> Vec<usize> {
        let mut actions = vec![0; self.observation.len()];
        (0..self.states()).for_each(|s| actions[self.seen[s] as usize] = self.process.actions(s).len());
        actions
    }
}

fn roles(model: &Explicit, objective: &Objective) -> Result<Vec<Role>, SolveError> {
    let labelled = |label: &str| {
        model.labelled(label).ok_or_else(|| SolveError::Unknown {
            what: "label",
            name: label.into(),
            known: model.labels.iter().map(|(name, _)| name.clone()).collect(),
        })
    };
    let mut roles = vec![Role::Live; model.states()];
    if let Quantity::Reach { through: Some(label) } = &objective.quantity {
        roles.fill(Role::Lost);
        labelled(label)?.iter().for_each(|&state| roles[state as usize] = Role::Live);
    }
    labelled(&objective.goal)?.iter().for_each(|&state| roles[state as usize] = Role::Goal);
    Ok(roles)
}

/// The reward that is asked for; none where a probability is.
fn reward<'m>(model: &'m Explicit, objective: &Objective) -> Result<Option<&'m NamedReward>, SolveError> {
    let Quantity::Reward { name } = &objective.quantity else { return Ok(None) };
    let found = match name {
        Some(name) => model.rewards.iter().find(|reward| reward.name == *name),
        None => model.rewards.first(),
    };
    let reward = found.ok_or_else(|| SolveError::Unknown {
        what: "reward",
        name: name.clone().unwrap_or_default(),
        known: model.rewards.iter().map(|reward| reward.name.clone()).collect(),
    })?;
    for state in 0..model.states() {
        if let Some(choice) = model.choices(state).find(|&choice| reward.choice[choice] < 0.0) {
            let (action, value) = (model.action_name(choice).into(), reward.choice[choice]);
            return Err(SolveError::Negative { state, action, value });
        }
    }
    Ok(Some(reward))
}
