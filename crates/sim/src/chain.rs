//! A model compiled for lockstep: what moves the world, as tables of integers.

use tiresias_model::random::Key;
use tiresias_model::{Model, Reward};

use crate::NatureRule;
use crate::episode::{BEFORE, NATURE_LANE};
use crate::philox::{LANES, Lane, Words, words};
use crate::rows::{Draw, Guided, Rows, Table};

/// Start distribution, transitions and rewards of a model whose nature has no memory. Row `(m·S + s)·A + a` holds the outcomes of
/// action `a` in state `s` under model `m`, each with its reward: the rows that compete for a step lie together.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    states: u32,
    actions: u32,
    /// Models that nature draws from at each step; 1 when it is fixed.
    models: u32,
    start: Guided,
    rows: Table,
    /// The last stage and what it adds by state reached, `γ · final`.
    last: Option<(u32, Vec<f64>)>,
}

/// The models that nature picks from at each step: one, or all of them uniformly. `None` when the pick depends on a policy.
pub(crate) fn cloud(model: &Model, nature: NatureRule) -> Option<std::ops::Range<usize>> {
    let models = model.dynamics().len();
    match nature {
        NatureRule::Fixed(m) => Some(m..m + 1),
        NatureRule::Oracle if models == 1 => Some(0..1),
        NatureRule::Oracle => None,
        NatureRule::Resampled => Some(0..models),
    }
}

impl Chain {
    /// `None` when nature needs a policy or the row numbers do not fit a word. O(entries of P, times log for rewards by next
    /// state). A reward that depends on the observation is left 0.
    pub(crate) fn new(model: &Model, nature: NatureRule) -> Option<Self> {
        let cloud = cloud(model, nature)?;
        let (s, a, models) = (model.states().len(), model.actions().len(), cloud.len());
        // Below this the scalar path's f64 products are exact, so integer products are the same numbers.
        if a > 256 || models > 1 << 16 || models * s * a > u32::MAX as usize {
            return None;
        }
        let seen = matches!(model.reward(), Reward::Full(_));
        let reward = |state, action, next| if seen { 0.0 } else { model.realised_reward(state, action, next, next) };
        let mut rows = Rows::default();
        for m in cloud {
            let kernel = &model.dynamics()[m].transition;
            for (state, action) in (0..s * a).map(|i| (i / a, i % a)) {
                let pairs = kernel.pairs(action * s + state);
                rows.push(pairs.map(|(next, p)| (next as u32, reward(state, action, next), p)));
            }
        }
        let mut start = Rows::default();
        let possible = model.start().iter().enumerate().filter(|&(_, &p)| p > 0.0);
        start.push(possible.map(|(state, &p)| (state as u32, 0.0, p)));
        let last = model.horizon().filter(|_| !model.final_reward().is_empty()).map(|horizon| {
            let added = model.final_reward().iter().map(|r| model.discount() * r).collect();
            (horizon as u32 - 1, added)
        });
        let (states, actions, models) = (s as u32, a as u32, models as u32);
        Some(Self { states, actions, models, start: Guided::new(&start), rows: Table::new(&rows), last })
    }

    /// Draws the start states by word 0 of the draws before the first decision.
    #[inline(always)]
    pub(crate) fn start(&self, word: &Lane<u32>, state: &mut Lane<u32>) {
        for lane in 0..LANES {
            state[lane] = self.start.draw(0, word[lane]).0;
        }
    }

    /// The model that moves each lane at `stage`, counted within the cloud that nature draws from.
    #[inline(always)]
    pub(crate) fn models(&self, key: Key, first: u64, stage: u32, model: &mut Lane<u32>) {
        if self.models == 1 {
            return model.fill(0);
        }
        let mut draws: Words = [[0; LANES]; 4];
        words(key, first, stage, NATURE_LANE, &mut draws);
        for lane in 0..LANES {
            model[lane] = scaled(draws[0][lane], self.models);
        }
    }

    /// The row of `(model, state, action)` in every lane.
    #[inline(always)]
    pub(crate) fn row(&self, model: &Lane<u32>, state: &Lane<u32>, action: &Lane<u8>, row: &mut Lane<u32>) {
        for lane in 0..LANES {
            row[lane] = (model[lane] * self.states + state[lane]) * self.actions + u32::from(action[lane]);
        }
    }

    /// One step of every lane: `state` becomes the next state by `word`, `reward` the step's.
    #[inline(always)]
    pub(crate) fn step(
        &self,
        stage: u32,
        row: &Lane<u32>,
        word: &Lane<u32>,
        state: &mut Lane<u32>,
        reward: &mut Lane<f64>,
    ) {
        self.rows.draw(row, word, state, reward);
        if let Some((last, added)) = &self.last
            && *last == stage
        {
            for lane in 0..LANES {
                reward[lane] += added[state[lane] as usize];
            }
        }
    }

    /// The words of the draws before the first decision.
    #[inline(always)]
    pub(crate) fn before(key: Key, first: u64, draws: &mut Words) {
        words(key, first, BEFORE, 0, draws);
    }
}

/// `⌊word · n / 2³²⌋`: what the scalar path's `(word · 2⁻³² · n) as usize` is while `n` has at most 21 bits.
#[inline(always)]
pub(crate) fn scaled(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}
