//! The dark room: find an unmarked goal on a grid, as in Lee et al., "Supervised pretraining can learn in-context reinforcement
//! learning" (the Decision-Pretrained Transformer), `NeurIPS` 2023.

use super::mersenne::shuffle;
use super::{Family, Regime, RewardGrid, Task, TaskRequest, check_request};
use crate::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

const SIDE: usize = 10;
const CELLS: usize = SIDE * SIDE;
const TRAIN: usize = 80;
/// Names and moves, in the authors' order.
const ACTIONS: [(&str, i64, i64); 5] = [("+x", 1, 0), ("-x", -1, 0), ("+y", 0, 1), ("-y", 0, -1), ("stay", 0, 0)];

/// A 10 × 10 grid, the cell (x, y) being state `10 x + y`. Moves are certain, walls stop them, and every step that ends at the
/// goal earns 1. A run begins at (0, 0). The task is where the goal is.
///
/// The 100 goals, ordered by x then y, are shuffled as the authors do (`NumPy`'s `RandomState(0).shuffle`); the first 80 are
/// `train`, the last 20 `test`. Task `i` of a split has its goal number `i`, from the start again after the last; the seed of the
/// request makes no difference.
#[derive(Debug, Clone, Copy)]
pub struct Darkroom;

impl Family for Darkroom {
    fn name(&self) -> &'static str {
        "darkroom"
    }

    fn description(&self) -> &'static str {
        "An unmarked goal on a 10 x 10 grid; the split of the Decision-Pretrained Transformer."
    }

    fn splits(&self) -> &'static [(&'static str, &'static str)] {
        &[("train", "80 goals"), ("test", "the other 20 goals")]
    }

    fn regimes(&self) -> &'static [Regime] {
        &[Regime::Mdp]
    }

    fn horizon(&self) -> usize {
        100
    }

    fn reward_grid(&self) -> RewardGrid {
        RewardGrid { low: 0.0, high: 1.0, step: 1.0 }
    }

    fn max_symbols(&self) -> usize {
        CELLS
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        check_request(self, request)?;
        let mut goals: Vec<usize> = (0..CELLS).collect();
        shuffle(0, &mut goals);
        let goals = if request.split == "train" { &goals[..TRAIN] } else { &goals[TRAIN..] };
        let goal = goals[(request.index % goals.len() as u64) as usize];
        let parameters = vec![("goal_x".into(), (goal / SIDE) as f64), ("goal_y".into(), (goal % SIDE) as f64)];
        Ok(Task { model: model(request, goal)?, true_model: 0, parameters, reward_noise: 0.0 })
    }
}

fn model(request: &TaskRequest, goal: usize) -> Result<Model, ModelError> {
    let stepped = |at: usize, by: i64| (at as i64 + by).clamp(0, SIDE as i64 - 1) as usize;
    let mut transition = Kernel::with_capacity(CELLS, ACTIONS.len() * CELLS, ACTIONS.len() * CELLS);
    let mut rewards = Vec::with_capacity(ACTIONS.len() * CELLS);
    for (_, by_x, by_y) in ACTIONS {
        for cell in 0..CELLS {
            let next = SIDE * stepped(cell / SIDE, by_x) + stepped(cell % SIDE, by_y);
            transition.push_row([(next, 1.0)]);
            rewards.push(f64::from(u8::from(next == goal)));
        }
    }
    ModelBuilder {
        name: format!("darkroom/{}/{}/{}", request.split, request.index, request.seed),
        states: Space::unnamed("states", CELLS)?,
        actions: Space::named("actions", ACTIONS.map(|(name, ..)| name))?,
        observations: None,
        reward: Reward::StateAction(rewards),
        start: (0..CELLS).map(|cell| f64::from(u8::from(cell == 0))).collect(),
        discount: 1.0,
        horizon: Some(request.horizon),
        terminal: Vec::new(),
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition, observation: None }],
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
}
