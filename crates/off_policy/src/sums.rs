//! One row of sums for every unit of episodes. Every estimate is a smooth function of such a row, so that a bootstrap adds rows and
//! never looks at an episode again.

use std::ops::Range;

use crate::Error;
use crate::doubly_robust::ActionValues;
use crate::log::{Log, Probability, Units};
use crate::occupancy::Influence;
use crate::ratio::Ratio;
use crate::weights::Weights;
use crate::work::Workers;

/// Entries of a row before the stages' own.
const HEAD: usize = 4;

/// The place of everything in a row: four sums over episodes, then four of every stage. Ratios are relative to the stage's scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub horizon: usize,
}

impl Layout {
    /// Episodes.
    pub const EPISODES: usize = 0;
    /// Returns.
    pub const RETURN: usize = 1;
    /// ρ of the last stage times the return.
    pub const WEIGHTED: usize = 2;
    /// What an episode adds to fitted Q evaluation.
    pub const FITTED: usize = 3;

    pub fn len(self) -> usize {
        HEAD + 4 * self.horizon
    }

    /// Four blocks of one entry a stage, in the order of the functions below.
    fn stages(self, block: usize) -> Range<usize> {
        HEAD + block * self.horizon..HEAD + (block + 1) * self.horizon
    }

    /// `ρ_t γ^t r_t`.
    pub fn earned(self) -> Range<usize> {
        self.stages(0)
    }

    /// `ρ_t`, of ended episodes too.
    pub fn weight(self) -> Range<usize> {
        self.stages(1)
    }

    /// `ρ_t γ^t (r_t - Q_t)`.
    pub fn surprise(self) -> Range<usize> {
        self.stages(2)
    }

    /// `ρ_{t-1} γ^t V_t`, relative to the scale of stage t - 1.
    pub fn expected(self) -> Range<usize> {
        self.stages(3)
    }
}

/// The rows of all units.
pub(crate) struct Sums {
    pub layout: Layout,
    pub rows: Vec<Vec<f64>>,
    pub total: Vec<f64>,
    /// Sums of squared ratios of every stage, relative to the square of its scale; of ended episodes too.
    pub squares: Vec<f64>,
}

impl Sums {
    /// O(steps · actions + units · horizon); 8 · (4 + 4 · horizon) bytes a unit.
    pub fn new<P: Probability>(
        log: &Log<P>,
        units: &Units,
        workers: &Workers,
        weights: &Weights,
        values: &ActionValues,
        influence: &Influence,
    ) -> Result<Self, Error> {
        let layout = Layout { horizon: log.horizon };
        let bytes = tiresias_model::memory::product(&[units.len(), 8, layout.len() + log.horizon]);
        tiresias_model::memory::check(bytes, || "sums of every unit and stage".into(), "ask for fewer units")?;
        let parts = workers.map("sums", units.episodes.clone(), |_, episodes| {
            unit_row(log, episodes, layout, weights, values, influence)
        })?;
        let mut total = vec![0.0; layout.len()];
        let mut squares = vec![0.0; log.horizon];
        let mut rows = Vec::with_capacity(parts.len());
        for (row, own) in parts {
            add(&mut total, &row);
            add(&mut squares, &own);
            rows.push(row);
        }
        Ok(Self { layout, rows, total, squares })
    }
}

fn add(sum: &mut [f64], row: &[f64]) {
    for (sum, entry) in sum.iter_mut().zip(row) {
        *sum += entry;
    }
}

/// The row of some episodes, and their squared ratios by stage.
fn unit_row<P: Probability>(
    log: &Log<P>,
    episodes: Range<usize>,
    layout: Layout,
    weights: &Weights,
    values: &ActionValues,
    influence: &Influence,
) -> (Vec<f64>, Vec<f64>) {
    let horizon = layout.horizon;
    let last_scale = weights.scale[horizon - 1];
    let mut row = vec![0.0; layout.len()];
    let mut squares = vec![0.0; horizon];
    // ρ and ρ² of episodes that have ended, by the first stage without them.
    let mut ended = vec![[Ratio::NONE; 2]; horizon + 1];
    let (head, stages) = row.split_at_mut(HEAD);
    let mut blocks = stages.chunks_exact_mut(horizon);
    let mut block = || blocks.next().expect("a row has four blocks");
    let (earned, weight, surprise, expected) = (block(), block(), block(), block());
    for episode in episodes {
        let steps = log.trajectories.range(episode);
        let length = steps.len();
        let (mut discount, mut before, mut sum) = (1.0, 1.0, 0.0);
        for (stage, step) in steps.enumerate() {
            let ratio = weights.scaled[step];
            let reward = log.columns.rewards[step];
            let (q, v) = values.at(log, episode, stage, step);
            earned[stage] += ratio * (discount * reward);
            weight[stage] += ratio;
            squares[stage] += ratio * ratio;
            surprise[stage] += ratio * (discount * (reward - q));
            expected[stage] += before * (discount * v);
            sum += discount * reward;
            before = ratio;
            discount *= log.discount;
        }
        let end = weights.ends[episode];
        head[Layout::EPISODES] += 1.0;
        head[Layout::RETURN] += sum;
        head[Layout::WEIGHTED] += end.relative(last_scale) * sum;
        head[Layout::FITTED] += influence.of(log, episode);
        if length < horizon {
            ended[length] = [ended[length][0].plus(end), ended[length][1].plus(end.times(end))];
        }
    }
    let [mut held, mut held_squares] = [Ratio::NONE; 2];
    for (stage, &scale) in weights.scale.iter().enumerate() {
        held = held.plus(ended[stage][0]);
        held_squares = held_squares.plus(ended[stage][1]);
        weight[stage] += held.relative(scale);
        squares[stage] += held_squares.relative(2 * scale);
    }
    (row, squares)
}
