//! Mean rewards of hidden states that rewards did not help to estimate.
//!
//! The mean reward of those who believe `b` and do `a` is `Σ_s b(s) R(s,a)`, whatever else a reward hangs on, so that R(·,a) is found by linear
//! regression of rewards on the filter's beliefs. Means of rewards weighted by the probability of each state would lie too close together,
//! since every state's would be mixed with those of the states that it is mistaken for.

use super::climb::{Climb, Search};
use super::expect::{Sample, Watch};
use super::lanes::{add_outer, add_scaled};
use super::pass::{Passes, Room, forward};
use super::tables::Size;
use crate::FitError;

/// By action, over its decisions: `Σ b bᵀ` as `[a][s][s']` and `Σ b (r - mean)` as `[a][s]`, padded.
pub(crate) struct Moments {
    squares: Vec<f64>,
    products: Vec<f64>,
}

/// The moments of some episodes, given the mean of all rewards.
pub(crate) struct Beliefs<'a>(pub Passes<'a>, pub f64);

impl pulp::WithSimd for Beliefs<'_> {
    type Output = Moments;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> Moments {
        let Self(Passes { ready, data, episodes }, mean) = self;
        let Size { states, actions, .. } = ready.parameters.chances.size;
        let width = ready.parameters.chances.size.width();
        let (mut squares, mut products) = (vec![0.0; actions * states * width], vec![0.0; actions * width]);
        let mut room = Room::default();
        for &episode in episodes {
            let episode = data.episode(episode);
            forward(ready, &episode, &mut room);
            for (t, &reward) in episode.rewards.iter().enumerate() {
                let (belief, action) = (room.belief(t, width), usize::from(episode.actions[t]));
                add_outer(&belief[..states], belief, &mut squares[action * states * width..][..states * width]);
                add_scaled(reward - mean, belief, &mut products[action * width..][..width]);
            }
        }
        Moments { squares, products }
    }
}

impl Search {
    /// Mean rewards by action and state under a climb's model, `[a][s]`, padded: those of the model where rewards are part of it; otherwise
    /// `R` with the least `Σ (r - b·R)² + weight · Σ_s (R(s) - mean)²`, which is the shrunk mean of each state where beliefs are certain.
    /// 2·N·S² multiply-adds for N decisions, and A·S³/6.
    pub fn rewards(&self, sample: &Sample<'_>, climb: &Climb, watch: &Watch<'_>) -> Result<Vec<f64>, FitError> {
        if self.rewards_seen {
            return Ok(climb.expected.means(&self.prior));
        }
        let size = climb.parameters.chances.size;
        let (states, width) = (size.states, size.width());
        let Moments { squares, products } = sample.moments(&climb.parameters, self.prior.reward_mean, watch)?;
        let mut means = vec![self.prior.reward_mean; size.actions * width];
        for a in 0..size.actions {
            let row = |s: usize| squares[(a * states + s) * width..][..states].to_vec();
            let mut matrix: Vec<Vec<f64>> = (0..states).map(row).collect();
            let trace: f64 = (0..states).map(|s| matrix[s][s]).sum();
            // Without a weight, what data do not tell at all is still left at the mean.
            let weight = self.prior.reward_weight.max(1e-9 * (1.0 + trace));
            (0..states).for_each(|s| matrix[s][s] += weight);
            let mut away = products[a * width..][..states].to_vec();
            solve(&mut matrix, &mut away);
            means[a * width..].iter_mut().zip(&away).for_each(|(mean, away)| *mean += away);
        }
        Ok(means)
    }
}

impl Moments {
    pub fn add(&mut self, other: &Self) {
        for (sums, terms) in [(&mut self.squares, &other.squares), (&mut self.products, &other.products)] {
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
    }
}

/// Solves `matrix · x = right` for a positive definite matrix by Cholesky's factors, which take its place; `x` takes that of `right`.
fn solve(matrix: &mut [Vec<f64>], right: &mut [f64]) {
    let n = right.len();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..n {
        let (above, row) = matrix.split_at_mut(i);
        let row = &mut row[0];
        for (j, other) in above.iter().enumerate() {
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        row[i] = (row[i] - dot(&row[..i], &row[..i])).max(f64::MIN_POSITIVE).sqrt();
        right[i] = (right[i] - dot(&row[..i], &right[..i])) / row[i];
    }
    for i in (0..n).rev() {
        right[i] /= matrix[i][i];
        let (x, row) = (right[i], &matrix[i]);
        right[..i].iter_mut().zip(row).for_each(|(r, l)| *r -= x * l);
    }
}

#[cfg(test)]
mod tests {
    use super::solve;

    #[test]
    fn equations_are_solved() {
        let mut matrix = vec![vec![4.0, 2.0, 0.5], vec![2.0, 5.0, 1.0], vec![0.5, 1.0, 3.0]];
        let mut right = [4.0 - 4.0 + 1.5, 2.0 - 10.0 + 3.0, 0.5 - 2.0 + 9.0];
        solve(&mut matrix, &mut right);
        for (found, expected) in right.iter().zip([1.0, -2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{right:?}");
        }
    }
}
