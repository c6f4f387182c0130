//! Random models.

use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};

/// What a random model looks like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub states: usize,
    pub actions: usize,
    /// 0 when the state is seen.
    pub observations: usize,
    pub models: usize,
    /// Outcomes a row at most.
    pub outcomes: usize,
    /// 0..4: R(a), R(s,a), R(s,a,s'), R(s,a,s',o); the last only with observations.
    pub reward: usize,
    pub terminal: bool,
    pub horizon: Option<usize>,
}

/// A model drawn from a seed: sparse rows, a start distribution with zeros, a final reward where there is a horizon.
pub fn model(shape: Shape, seed: u64) -> Model {
    let mut draw = Key::named(seed, &["random model"], &[]).sequence();
    let Shape { states: s, actions: a, observations: o, models, .. } = shape;
    let dynamics = (0..models)
        .map(|_| Dynamics {
            transition: kernel(&mut draw, s * a, s, shape.outcomes),
            observation: (o > 0).then(|| kernel(&mut draw, s * a, o, shape.outcomes)),
        })
        .collect();
    let mut rewards = |n: usize| (0..n).map(|_| draw.between(-3.0, 3.0)).collect::<Vec<_>>();
    let reward = match shape.reward {
        0 => Reward::Action(rewards(a)),
        1 => Reward::StateAction(rewards(a * s)),
        3 if o > 0 => Reward::Full(Kernel::from_dense(s * o, &rewards(a * s * s * o))),
        _ => Reward::Transition(Kernel::from_dense(s, &rewards(a * s * s))),
    };
    let final_reward = if shape.horizon.is_some() { rewards(s) } else { Vec::new() };
    let mut start = vec![0.0; s];
    distribution(&mut draw, s, shape.outcomes).into_iter().for_each(|(i, p)| start[i] += p);
    ModelBuilder {
        name: "random".into(),
        states: Space::unnamed("states", s).unwrap(),
        actions: Space::unnamed("actions", a).unwrap(),
        observations: (o > 0).then(|| Space::unnamed("observations", o).unwrap()),
        reward,
        start,
        discount: 0.9,
        horizon: shape.horizon,
        terminal: if shape.terminal { vec![s - 1] } else { Vec::new() },
        final_reward,
        dynamics,
        alpha: 0.75,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

fn kernel(draw: &mut Sequence, rows: usize, columns: usize, outcomes: usize) -> Kernel {
    let mut kernel = Kernel::new(columns);
    (0..rows).for_each(|_| kernel.push_row(distribution(draw, columns, outcomes)));
    kernel
}

fn distribution(draw: &mut Sequence, columns: usize, outcomes: usize) -> Vec<(usize, f64)> {
    let n = draw.integer(1, outcomes as u32);
    let mut row: Vec<(usize, f64)> =
        (0..n).map(|_| (draw.integer(0, columns as u32 - 1) as usize, draw.between(0.01, 1.0))).collect();
    let total: f64 = row.iter().map(|&(_, p)| p).sum();
    row.iter_mut().for_each(|(_, p)| *p /= total);
    row
}
