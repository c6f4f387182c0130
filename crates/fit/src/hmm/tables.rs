//! A hidden Markov model's numbers: probabilities, or how often each thing is expected to have happened.

use super::lanes::LANES;
use crate::counts::shrunk_to;

/// Numbers of states, actions and symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub states: usize,
    pub actions: usize,
    pub symbols: usize,
    /// Whether some episode begins with a symbol.
    pub firsts: bool,
    /// Whether some episode ends by itself.
    pub ends: bool,
}

impl Size {
    /// States, padded for vector loops; what belongs to the padding is 0 in every table.
    pub fn width(&self) -> usize {
        self.states.next_multiple_of(LANES)
    }

    /// Where a transition may lead: to a state or, if episodes end, to the end.
    pub fn outcomes(&self) -> usize {
        self.states + usize::from(self.ends)
    }

    /// Numbers that [`Tables`] hold.
    pub fn numbers(&self) -> usize {
        use tiresias_model::memory::product;
        let [moved, shown] = [self.states, self.symbols].map(|n| product(&[self.actions, n + 1, self.width()]));
        moved.saturating_add(shown).saturating_add(product(&[self.symbols + 1, self.width()]))
    }
}

/// One number for each start, move, end and symbol. The last index is the state `s'` (or `s`) in `width` places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tables {
    pub size: Size,
    /// `[s]`: the state before the first action.
    pub start: Vec<f64>,
    /// `[o][s]`: the symbol before the first action; empty unless `firsts`.
    pub first: Vec<f64>,
    /// `[a][s][s']`: a move.
    pub moved: Vec<f64>,
    /// `[a][s]`: the end of the episode instead of a move; all 0 unless `ends`.
    pub ended: Vec<f64>,
    /// `[a][o][s']`: a symbol after a move.
    pub shown: Vec<f64>,
}

impl Tables {
    pub fn zeros(size: Size) -> Self {
        let Size { states, actions, symbols, firsts, .. } = size;
        let width = size.width();
        Self {
            size,
            start: vec![0.0; width],
            first: vec![0.0; if firsts { symbols * width } else { 0 }],
            moved: vec![0.0; actions * states * width],
            ended: vec![0.0; actions * width],
            shown: vec![0.0; actions * symbols * width],
        }
    }

    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.start, &other.start),
            (&mut self.first, &other.first),
            (&mut self.moved, &other.moved),
            (&mut self.ended, &other.ended),
            (&mut self.shown, &other.shown),
        ];
        for (sums, terms) in pairs {
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
    }

    /// Lets `change` rewrite every distribution, one after the other, always in the same order: the start; the first symbol of
    /// each state; where each action leads to from each state, the end last; the symbols of each action and state.
    pub fn each_row(&mut self, mut change: impl FnMut(&mut [f64])) {
        let Size { states, actions, symbols, firsts, ends } = self.size;
        let width = self.size.width();
        change(&mut self.start[..states]);
        let mut row = Vec::new();
        let mut column = |table: &mut [f64], s: usize, change: &mut dyn FnMut(&mut [f64])| {
            row.clear();
            row.extend((0..symbols).map(|o| table[o * width + s]));
            change(&mut row);
            (0..symbols).for_each(|o| table[o * width + s] = row[o]);
        };
        if firsts {
            (0..states).for_each(|s| column(&mut self.first, s, &mut change));
        }
        let mut outcomes = vec![0.0; self.size.outcomes()];
        for (row, moved) in self.moved.chunks_exact_mut(width).enumerate() {
            let end = &mut self.ended[row / states * width + row % states];
            outcomes[..states].copy_from_slice(&moved[..states]);
            if ends {
                outcomes[states] = *end;
            }
            change(&mut outcomes);
            moved[..states].copy_from_slice(&outcomes[..states]);
            if ends {
                *end = outcomes[states];
            }
        }
        for a in 0..actions {
            let table = &mut self.shown[a * symbols * width..][..symbols * width];
            (0..states).for_each(|s| column(table, s, &mut change));
        }
    }

    /// The mode of the posterior after these counts: `(n + weight / K) / (Σ n + weight)` for every distribution over K outcomes, which is even where
    /// that is 0 / 0. The prior is Dirichlet(1 + weight / K).
    pub fn mode(mut self, weight: f64) -> Self {
        self.each_row(|row| {
            let (sum, even) = (row.iter().sum::<f64>() + weight, 1.0 / row.len() as f64);
            row.iter_mut().for_each(|n| *n = if sum > 0.0 { (*n + weight * even) / sum } else { even });
        });
        self
    }

    /// The logarithm of the prior's density at these probabilities, up to a constant.
    pub fn log_prior(&self, weight: f64) -> f64 {
        let mut sum = 0.0;
        if weight > 0.0 {
            self.clone().each_row(|row| sum += weight / row.len() as f64 * row.iter().map(|p| p.ln()).sum::<f64>());
        }
        sum
    }

    /// `[a][s'][s]`: moves by where they lead to.
    pub fn transposed(&self) -> Vec<f64> {
        let (states, width) = (self.size.states, self.size.width());
        let mut out = vec![0.0; self.moved.len()];
        for (block, out) in self.moved.chunks_exact(states * width).zip(out.chunks_exact_mut(states * width)) {
            for s in 0..states {
                (0..states).for_each(|next| out[next * width + s] = block[s * width + next]);
            }
        }
        out
    }
}

/// Mean rewards by action and state, and the variance around them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rewards {
    /// `[a][s]`, padded.
    pub means: Vec<f64>,
    /// The same everywhere, above 0.
    pub variance: f64,
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameters {
    pub chances: Tables,
    /// `None` where rewards say nothing of the state.
    pub rewards: Option<Rewards>,
}

/// What is expected of the episodes, given the model and all that was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expected {
    pub counts: Tables,
    /// `[a][s]`, padded: decisions, and the sums of their rewards.
    pub paid: Vec<f64>,
    pub earned: Vec<f64>,
    /// All rewards, squared.
    pub squares: f64,
    pub log_likelihood: f64,
}

/// What is believed before data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prior {
    /// Of each distribution.
    pub weight: f64,
    /// Of the mean of all rewards in each mean reward.
    pub reward_weight: f64,
    /// Mean of all rewards.
    pub reward_mean: f64,
    /// Variance of a reward around its mean; it counts for one reward, and keeps the fitted variance above 0.
    pub reward_variance: f64,
}

impl Expected {
    pub fn zeros(size: Size) -> Self {
        let counts = Tables::zeros(size);
        let rows = size.actions * size.width();
        Self { counts, paid: vec![0.0; rows], earned: vec![0.0; rows], squares: 0.0, log_likelihood: 0.0 }
    }

    pub fn add(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        for (sums, terms) in [(&mut self.paid, &other.paid), (&mut self.earned, &other.earned)] {
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        self.squares += other.squares;
        self.log_likelihood += other.log_likelihood;
    }

    /// Mean rewards by action and state, each shrunk towards the mean of all.
    pub fn means(&self, prior: &Prior) -> Vec<f64> {
        shrunk_to(prior.reward_mean, &self.paid, &self.earned, prior.reward_weight)
    }

    /// The mode of the posterior if these counts were seen. `rewards_seen` tells whether rewards are part of the model.
    pub fn mode(&self, prior: &Prior, rewards_seen: bool) -> Parameters {
        let rewards = rewards_seen.then(|| {
            let means = self.means(prior);
            let rows = means.iter().zip(&self.paid).zip(&self.earned);
            // Σ (r - mean)², and what the prior adds.
            let misses = rows.fold(self.squares, |sum, ((mean, paid), earned)| {
                sum + mean * (mean * paid - 2.0 * earned) + prior.reward_weight * (mean - prior.reward_mean).powi(2)
            });
            // What is left of equal rewards is rounding.
            let variance = (misses.max(0.0) + prior.reward_variance) / (self.paid.iter().sum::<f64>() + 1.0);
            Rewards { means, variance }
        });
        Parameters { chances: self.counts.clone().mode(prior.weight), rewards }
    }
}

impl Parameters {
    /// The logarithm of the prior's density, up to a constant: what the posterior adds to the likelihood.
    pub fn log_prior(&self, prior: &Prior) -> f64 {
        let rewards = self.rewards.as_ref().map_or(0.0, |Rewards { means, variance }| {
            // The padding's means are the mean of all.
            let off: f64 = means.iter().map(|mean| (mean - prior.reward_mean).powi(2)).sum();
            -0.5 * (variance.ln() + (prior.reward_variance + prior.reward_weight * off) / variance)
        });
        self.chances.log_prior(prior.weight) + rewards
    }
}
