//! Sets around the rows of a fitted MDP that hold the true rows with a stated probability.
//!
//! Both sets are around the shares of the transitions seen, without the prior, of which their theorems speak. `coverage` is of all
//! rows together (by the union bound over all of them), so that the values which a robust solver finds bound the true ones with that probability.
//! The number of transitions from a state and action is taken as given, as is usual; where it was chosen by what was seen on the way, the
//! theorems hold for each number, not for the one that came of it.

use std::collections::HashMap;

use statrs::function::beta::beta_reg;
use tiresias_model::{Ambiguity, Dynamics, Kernel, Model, Support, memory};

use crate::mdp::transition;
use crate::{FitError, MdpFit};

impl MdpFit {
    /// The robust MDP with an L1 ball around each row: `‖p - p̂‖₁ ≤ sqrt(2 / n · ln((2^S - 2) / δ))` with `δ = (1 - coverage) / rows` and at
    /// most 2 (Weissman, Ordentlich, Seroussi, Verdú, Weinberger, "Inequalities for the L1 deviation of the empirical distribution", 2003).
    /// The support is all S states. A row never seen has the radius 2: nature chooses freely.
    ///
    /// [`FitError::Option`] where `coverage` is not in [0, 1).
    pub fn l1(&self, coverage: f64) -> Result<Model, FitError> {
        let share = self.miss(coverage)?;
        let s = self.counts.states as f64;
        // ln(2^S - 2), which is -∞ where there is one state.
        let subsets = s * std::f64::consts::LN_2 + (-(1.0 - s).exp2()).ln_1p();
        let radius = |(row, &n): (usize, &f64)| match n {
            _ if self.counts.is_over(row) => 0.0,
            0.0 => 2.0,
            n => (2.0 / n * (subsets - share.ln()).max(0.0)).sqrt().min(2.0),
        };
        let radius = self.counts.moves.iter().enumerate().map(radius).collect();
        self.robust(Ambiguity::L1 { radius, support: Support::All })
    }

    /// The bounded-parameter MDP with the interval of Clopper and Pearson ("The use of confidence or fiducial limits illustrated in the
    /// case of the binomial", 1934) for each entry: `P(s'|s,a)` is below or above it with probability `(1 - coverage) / (rows · S)` at most.
    /// Entries of a row never seen lie in [0, 1].
    ///
    /// [`FitError::Option`] where `coverage` is not in [0, 1). 60 incomplete beta functions for each pair of counts (of a transition and of its
    /// row) that occurs, and 12 bytes for each of A·S·S upper bounds.
    pub fn interval(&self, coverage: f64) -> Result<Model, FitError> {
        let (s, rows) = (self.counts.states, self.counts.moved.rows());
        let miss = self.miss(coverage)? / s as f64;
        memory::check(
            memory::product(&[rows, s, 12]),
            || "upper bounds of all transitions".into(),
            "merge some states",
        )?;
        let mut known = HashMap::new();
        let mut bounds = |k: f64, n: f64| *known.entry((k as u64, n as u64)).or_insert_with(|| interval(k, n, miss));
        let (mut lower, mut upper) = (Kernel::new(s), Kernel::with_capacity(s, rows, rows * s));
        let mut row = vec![(0.0, 1.0); s];
        for (r, &n) in self.counts.moves.iter().enumerate() {
            if self.counts.is_over(r) {
                row.fill((0.0, 0.0));
                row[r % s] = (1.0, 1.0);
            } else {
                row.fill(bounds(0.0, n));
                self.counts.moved.pairs(r).for_each(|(next, k)| row[next] = bounds(k, n));
            }
            lower.push_row(row.iter().map(|&(low, _)| low).enumerate());
            upper.push_row(row.iter().map(|&(_, high)| high).enumerate());
        }
        self.robust(Ambiguity::Interval { lower, upper })
    }

    /// How often the set of one row may miss it.
    fn miss(&self, coverage: f64) -> Result<f64, FitError> {
        if !(0.0..1.0).contains(&coverage) {
            return Err(FitError::option("coverage", &coverage, "at least 0 and below 1"));
        }
        let rows = (0..self.counts.moved.rows()).filter(|&row| !self.counts.is_over(row)).count();
        Ok((1.0 - coverage) / rows as f64)
    }

    fn robust(&self, sets: Ambiguity) -> Result<Model, FitError> {
        let mut parts = self.model.to_builder();
        parts.dynamics = vec![Dynamics { transition: transition(&self.counts, &self.support, 0.0), observation: None }];
        parts.ambiguity = Some(sets);
        Ok(parts.build()?)
    }
}

/// Bounds on the probability of what happened `k` times of `n` which both hold but with probability `miss`.
fn interval(k: f64, n: f64, miss: f64) -> (f64, f64) {
    // A binomial variable is at least k with probability I_p(k, n - k + 1), and at most k with I_{1-p}(n - k, k + 1).
    let (at_least, at_most) = (|p| beta_reg(k, n - k + 1.0, p), |p: f64| beta_reg(n - k, k + 1.0, 1.0 - p));
    let low = match k {
        0.0 => 0.0,
        k => crossing((0.0, k / n), |p| at_least(p) <= miss / 2.0).0,
    };
    let high = match n - k {
        0.0 => 1.0,
        _ => crossing((k / n, 1.0), |p| at_most(p) > miss / 2.0).1,
    };
    (low, high)
}

/// Where `holds` turns false between two numbers, as the closest ones that were looked at on either side.
fn crossing((mut yes, mut no): (f64, f64), holds: impl Fn(f64) -> bool) -> (f64, f64) {
    for _ in 0..60 {
        let middle = 0.5 * (yes + no);
        if holds(middle) { yes = middle } else { no = middle }
    }
    (yes, no)
}
