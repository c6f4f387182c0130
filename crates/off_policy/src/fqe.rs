//! Fitted Q evaluation with a table: Q(o, a) = mean reward + γ · mean of Σ π(a'|h') Q(o', a') over the logged steps with (o, a).
//!
//! H. Le, C. Voloshin, Y. Yue, "Batch policy learning under constraints", ICML 2019. With a table the fit is the exact evaluation of
//! the model that the logged frequencies make; the target's probabilities at the logged next step take the place of a policy's row.

use rustc_hash::FxHashSet;
use tiresias_model::memory::{self, product};

use crate::log::{Log, Probability, Units};
use crate::work::Workers;
use crate::{Error, Fit};

/// What comes after a step.
pub(crate) enum Next {
    /// Another one.
    Step(usize),
    /// Nothing: the episode ended.
    End,
    /// The record stops.
    Unknown,
}

/// Which cells a table has, and which symbols ever followed each.
pub(crate) struct Shape {
    pub fit: Fit,
    pub actions: usize,
    pub horizon: usize,
    /// Cells of one layer: symbols · actions.
    pub width: usize,
    /// The slots of cell c are `starts[c]..starts[c + 1]`.
    pub starts: Vec<usize>,
    /// The symbol of every slot, ascending within a cell.
    pub next: Vec<u32>,
}

impl Shape {
    /// O(steps), and O(n log n) in the different transitions of all units.
    pub fn new<P: Probability>(log: &Log<P>, units: &Units, workers: &Workers, fit: Fit) -> Result<Self, Error> {
        let layers = if fit == Fit::Staged { log.horizon } else { 1 };
        let stages = if fit == Fit::Stationary { 1 } else { log.horizon };
        let bytes = product(&[layers.max(stages), log.symbols, log.actions, 8]);
        memory::check(bytes, || "a table of action values".into(), "use fewer observations, or a stationary fit")?;
        let mut shape = Self {
            fit,
            actions: log.actions,
            horizon: log.horizon,
            width: log.symbols * log.actions,
            starts: vec![0; layers * log.symbols * log.actions + 1],
            next: Vec::new(),
        };
        let parts = workers.map("fit", units.episodes.clone(), |_, episodes| {
            let mut pairs = FxHashSet::default();
            for episode in episodes {
                for (stage, step) in log.trajectories.range(episode).enumerate() {
                    if let Next::Step(next) = shape.after(log, episode, step) {
                        pairs.insert((shape.cell(stage, log.symbol(step), log.action(step)), log.symbol(next) as u32));
                    }
                }
            }
            pairs
        })?;
        // In an order of their own, whatever the sets' is.
        let mut pairs: Vec<_> = parts.into_iter().flatten().collect();
        pairs.sort_unstable();
        pairs.dedup();
        for &(cell, symbol) in &pairs {
            shape.starts[cell + 1] += 1;
            shape.next.push(symbol);
        }
        for cell in 1..shape.starts.len() {
            shape.starts[cell] += shape.starts[cell - 1];
        }
        Ok(shape)
    }

    pub fn cells(&self) -> usize {
        self.starts.len() - 1
    }

    /// The first cell that a stage reads.
    pub fn base(&self, stage: usize) -> usize {
        if self.fit == Fit::Staged { stage * self.width } else { 0 }
    }

    pub fn cell(&self, stage: usize, symbol: usize, action: usize) -> usize {
        self.base(stage) + symbol * self.actions + action
    }

    /// The slot of a symbol after a cell, which it was seen after.
    pub fn slot(&self, cell: usize, symbol: usize) -> usize {
        let slots = self.starts[cell]..self.starts[cell + 1];
        let place = self.next[slots].binary_search(&(symbol as u32)).expect("every pair of the log has a slot");
        self.starts[cell] + place
    }

    /// What comes after a step. In a staged fit a record that stops has ended: later stages are no business of its stage's cells.
    pub fn after<P: Probability>(&self, log: &Log<P>, episode: usize, step: usize) -> Next {
        if step + 1 < log.columns.offsets[episode + 1] {
            Next::Step(step + 1)
        } else if log.columns.terminated[episode] || self.fit == Fit::Staged {
            Next::End
        } else {
            Next::Unknown
        }
    }
}

/// What a fit needs to know of some episodes; sums of two groups add up.
#[derive(Clone)]
pub(crate) struct Evidence {
    pub episodes: f64,
    /// Steps of a cell.
    pub steps: Vec<f64>,
    /// Rewards of a cell.
    pub rewards: Vec<f64>,
    /// Steps of a cell after which it is known what came.
    pub followed: Vec<f64>,
    /// The target's probabilities at the next step, by slot and action.
    pub next: Vec<f64>,
    /// The target's probabilities at the first step, by symbol and action.
    pub start: Vec<f64>,
}

impl Evidence {
    pub fn none(shape: &Shape) -> Self {
        Self {
            episodes: 0.0,
            steps: vec![0.0; shape.cells()],
            rewards: vec![0.0; shape.cells()],
            followed: vec![0.0; shape.cells()],
            next: vec![0.0; shape.next.len() * shape.actions],
            start: vec![0.0; shape.width],
        }
    }

    /// Bytes of one.
    pub fn bytes(shape: &Shape) -> usize {
        product(&[8, 3 * shape.cells() + shape.width + shape.next.len() * shape.actions])
    }

    pub fn count<P: Probability>(&mut self, log: &Log<P>, shape: &Shape, episode: usize) {
        self.episodes += 1.0;
        let steps = log.trajectories.range(episode);
        let first = log.symbol(steps.start) * shape.actions;
        for (sum, &p) in self.start[first..].iter_mut().zip(log.row(steps.start)) {
            *sum += p.into();
        }
        for (stage, step) in steps.enumerate() {
            let cell = shape.cell(stage, log.symbol(step), log.action(step));
            self.steps[cell] += 1.0;
            self.rewards[cell] += log.columns.rewards[step];
            match shape.after(log, episode, step) {
                Next::Unknown => continue,
                Next::End => {}
                Next::Step(next) => {
                    let slot = shape.slot(cell, log.symbol(next)) * shape.actions;
                    for (sum, &p) in self.next[slot..].iter_mut().zip(log.row(next)) {
                        *sum += p.into();
                    }
                }
            }
            self.followed[cell] += 1.0;
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.episodes += other.episodes;
        for (sums, others) in [
            (&mut self.steps, &other.steps),
            (&mut self.rewards, &other.rewards),
            (&mut self.followed, &other.followed),
            (&mut self.next, &other.next),
            (&mut self.start, &other.start),
        ] {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum += other;
            }
        }
    }

    /// Mean reward of a cell, 0 where it has none.
    pub fn mean_reward(&self, cell: usize) -> f64 {
        if self.steps[cell] > 0.0 { self.rewards[cell] / self.steps[cell] } else { 0.0 }
    }

    /// The mean over the steps of a cell of what its slots say by `value(slot, next symbol's first cell of a layer)`.
    fn mean_next(&self, shape: &Shape, cell: usize, values: &[f64]) -> f64 {
        if self.followed[cell] == 0.0 {
            return 0.0;
        }
        let mut sum = 0.0;
        for slot in shape.starts[cell]..shape.starts[cell + 1] {
            let row = &self.next[slot * shape.actions..][..shape.actions];
            let values = &values[shape.next[slot] as usize * shape.actions..][..shape.actions];
            sum += row.iter().zip(values).map(|(p, q)| p * q).sum::<f64>();
        }
        sum / self.followed[cell]
    }
}

/// Fitted action values.
pub(crate) struct Fitted {
    /// By stage (one for all in a stationary fit), symbol and action. 0 for a pair that was never seen.
    q: Vec<f64>,
    stationary: bool,
    width: usize,
}

impl Fitted {
    /// O(horizon · slots · actions); O(slots · actions / (1 - γ)) for a stationary fit.
    pub fn new(shape: &Shape, evidence: &Evidence, discount: f64) -> Self {
        let stationary = shape.fit == Fit::Stationary;
        let width = shape.width;
        let backup = |stage: usize, later: &[f64], now: &mut [f64]| {
            for (pair, value) in now.iter_mut().enumerate() {
                let cell = shape.base(stage) + pair;
                *value = evidence.mean_reward(cell) + discount * evidence.mean_next(shape, cell, later);
            }
        };
        if stationary {
            // From 0 the error shrinks by γ a sweep: after so many it is below rounding.
            let sweeps = (libm::log(1e-17) / libm::log(discount)).ceil() as u64;
            let (mut q, mut later) = (vec![0.0; width], vec![0.0; width]);
            for _ in 0..sweeps {
                std::mem::swap(&mut q, &mut later);
                backup(0, &later, &mut q);
                if q == later {
                    break;
                }
            }
            return Self { q, stationary, width };
        }
        let mut q = vec![0.0; shape.horizon * width];
        let after = vec![0.0; width];
        for stage in (0..shape.horizon).rev() {
            let (now, later) = q[stage * width..].split_at_mut(width);
            backup(stage, later.get(..width).unwrap_or(&after), now);
        }
        Self { q, stationary, width }
    }

    /// All pairs' values at a stage.
    pub fn stage(&self, stage: usize) -> &[f64] {
        let stage = if self.stationary { 0 } else { stage };
        &self.q[stage * self.width..][..self.width]
    }
}
