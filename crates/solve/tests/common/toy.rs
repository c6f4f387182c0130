//! Krale's toy (RPOMDPs.jl, 2026): in states 3 and 4 there are 70 for certain; going on pays 100 or 200 by an action that must be right, and
//! an unknown turn decides which.

use tiresias_model::{Dynamics, Kernel, ModelBuilder, Reward, Space};

const END: usize = 8;
const STATES: usize = 9;
const ACTIONS: usize = 2;

/// Rows of moves; from state 4 action 0 leads to 6 with `p` and to 7 with `q`.
pub fn moves(p: f64, q: f64) -> Kernel {
    let mut rows = vec![0.0; ACTIONS * STATES * STATES];
    for action in 0..ACTIONS {
        let mut set = |from: usize, to: usize, p: f64| rows[(action * STATES + from) * STATES + to] = p;
        set(0, 1, 0.5);
        set(0, 2, 0.5);
        set(1, 3, 0.5);
        set(1, 4, 0.5);
        set(2, 4, 1.0);
        if action == 0 {
            set(3, 5, 1.0);
            set(4, 6, p);
            set(4, 7, q);
        } else {
            set(3, END, 1.0);
            set(4, END, 1.0);
        }
        (5..=END).for_each(|state| set(state, END, 1.0));
    }
    Kernel::from_dense(STATES, &rows)
}

/// The toy of four decisions with these likelihoods of the turn, one a model of the cloud.
pub fn parts(likely: &[f64]) -> ModelBuilder {
    let sees = |row: usize| if row % STATES == 2 { [0.0, 1.0] } else { [1.0, 0.0] };
    let sight: Vec<f64> = (0..ACTIONS * STATES).flat_map(sees).collect();
    let mut reward = vec![0.0; ACTIONS * STATES];
    for (action, state, r) in [(1, 3, 70.0), (1, 4, 70.0), (0, 5, 100.0), (0, 6, 100.0), (1, 7, 200.0)] {
        reward[action * STATES + state] = r;
    }
    let mut start = vec![0.0; STATES];
    start[0] = 1.0;
    let one = |&p: &f64| Dynamics { transition: moves(p, 1.0 - p), observation: Some(Kernel::from_dense(2, &sight)) };
    ModelBuilder {
        name: "toy".into(),
        states: Space::unnamed("states", STATES).unwrap(),
        actions: Space::unnamed("actions", ACTIONS).unwrap(),
        observations: Some(Space::unnamed("observations", 2).unwrap()),
        reward: Reward::StateAction(reward),
        start,
        discount: 1.0,
        horizon: Some(4),
        terminal: vec![END],
        final_reward: Vec::new(),
        dynamics: likely.iter().map(one).collect(),
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
}
