//! Bayes' rule over sparse beliefs, compiled for one model of the cloud.

use tiresias_model::{Kernel, Model};

/// A belief: states ascending, with positive masses.
pub(crate) type Sparse = Vec<(u32, f64)>;

/// The kernels of one model and what turns them around.
///
/// A belief can be pushed forward through its states' rows, or each state that may have made the observation can pull from its
/// predecessors. Sums run over the same states in the same order, so both give the same bits and the cheaper one is taken.
#[derive(Debug)]
pub(crate) struct SparseFilter<'a> {
    states: usize,
    symbols: usize,
    transition: &'a Kernel,
    observation: &'a Kernel,
    /// By `action * symbols + observation`: the states in which it can be made, and how likely it is there.
    likely: Lists,
    /// By `action * states + next`: the states that lead there, and how likely.
    before: Lists,
    /// By `action * symbols + observation`: entries of `before` that pulling reads.
    pulled: Vec<usize>,
    /// By action: the mean number of states that one leads to, rounded up.
    pushed: Vec<usize>,
}

/// Working memory of a filter.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// Zeros between two updates.
    dense: Vec<f64>,
    /// A bit a state: where `dense` was written.
    touched: Vec<u64>,
}

impl Scratch {
    pub fn new(states: usize) -> Self {
        Self { dense: vec![0.0; states], touched: vec![0; states.div_ceil(64)] }
    }
}

/// Writing and finding a place of a pushed belief costs about as much as reading this many entries.
const PUSH: usize = 3;

impl<'a> SparseFilter<'a> {
    /// The filter of model `m`, whose states are hidden. O(entries of its kernels).
    pub fn new(model: &'a Model, m: usize) -> Option<Self> {
        let dynamics = &model.dynamics()[m];
        let observation = dynamics.observation.as_ref()?;
        let (transition, states) = (&dynamics.transition, model.states().len());
        let (symbols, actions) = (observation.columns(), model.actions().len());
        let likely = Lists::turned(observation, actions, symbols, 1);
        // Sums of whole fours need no guess where they end, and what fills them up adds nothing; where most lists are shorter, it
        // would take more than it gives.
        let unit = if transition.entries() >= 2 * actions * states { 4 } else { 1 };
        let before = Lists::turned(transition, actions, states, unit);
        let cost = |at: usize| -> usize {
            let action = at / symbols;
            likely.of(at).iter().map(|&(next, _)| before.of(action * states + next as usize).len()).sum()
        };
        let pulled = (0..actions * symbols).map(cost).collect();
        let entries = |action: usize| (0..states).map(|state| transition.row(action * states + state).0.len()).sum();
        let pushed = (0..actions).map(entries).map(|entries: usize| entries.div_ceil(states)).collect();
        Some(Self { states, symbols, transition, observation, likely, before, pulled, pushed })
    }

    /// `out(s') = Q[a][s'][o] · Σ_s b(s) P[a][s][s']`, unnormalised, where it is positive; returns its sum.
    pub fn joint(
        &self,
        belief: &[(u32, f64)],
        action: usize,
        seen: usize,
        scratch: &mut Scratch,
        out: &mut Sparse,
    ) -> f64 {
        out.clear();
        let at = action * self.symbols + seen;
        if self.pulled[at] <= PUSH * self.pushed[action] * belief.len() {
            belief.iter().for_each(|&(state, mass)| scratch.dense[state as usize] = mass);
            let (likely, mut kept) = (self.likely.of(at), 0);
            out.resize(likely.len(), (0, 0.0));
            for &(next, q) in likely {
                let (fours, rest) = self.before.of(action * self.states + next as usize).as_chunks::<4>();
                let pull = |sum: f64, &(state, p): &(u32, f64)| sum + scratch.dense[state as usize] * p;
                let mass = rest.iter().fold(fours.iter().fold(0.0, |sum, four| four.iter().fold(sum, pull)), pull);
                let weighed = mass * q;
                // Nobody could foretell this branch.
                out[kept] = (next, weighed);
                kept += usize::from(weighed > 0.0);
            }
            out.truncate(kept);
            belief.iter().for_each(|&(state, _)| scratch.dense[state as usize] = 0.0);
        } else {
            self.push(belief, action, scratch, |next, mass| {
                let weighed = mass * self.observation.get(action * self.states + next as usize, seen);
                if weighed > 0.0 {
                    out.push((next, weighed));
                }
            });
        }
        out.iter().map(|(_, mass)| mass).sum()
    }

    /// Visits the states that `action` may lead to, ascending.
    fn push(&self, belief: &[(u32, f64)], action: usize, scratch: &mut Scratch, mut visit: impl FnMut(u32, f64)) {
        let (mut first, mut last) = (usize::MAX, 0);
        for &(state, mass) in belief {
            for (next, p) in self.transition.pairs(action * self.states + state as usize) {
                scratch.dense[next] += mass * p;
                scratch.touched[next / 64] |= 1 << (next % 64);
                (first, last) = (first.min(next / 64), last.max(next / 64));
            }
        }
        for word in first..=last {
            let mut bits = std::mem::take(&mut scratch.touched[word]);
            while bits != 0 {
                let next = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                visit(next as u32, std::mem::take(&mut scratch.dense[next]));
            }
        }
    }
}

/// Divides by the sum and rounds to 33 significant bits, so that beliefs which differ by rounding only are one; positive
/// probabilities stay positive.
pub(crate) fn normalise(belief: &mut Sparse, sum: f64) {
    let factor = 1.0 / sum;
    if factor.is_finite() {
        belief.iter_mut().for_each(|(_, p)| *p = rounded(*p * factor));
    } else {
        belief.iter_mut().for_each(|(_, p)| *p = rounded(*p / sum));
    }
}

fn rounded(p: f64) -> f64 {
    f64::from_bits((p.to_bits() + (1 << 19)) & !((1 << 20) - 1)).max(f64::MIN_POSITIVE)
}

/// Lists of pairs, end to end.
#[derive(Debug)]
struct Lists {
    offsets: Vec<usize>,
    pairs: Vec<(u32, f64)>,
}

impl Lists {
    /// Each action's rows of `kernel` turned: list `action * columns + column` holds the rows with that column, ascending, then
    /// pairs of 0 up to a multiple of `unit`.
    fn turned(kernel: &Kernel, actions: usize, columns: usize, unit: usize) -> Self {
        let rows = kernel.rows() / actions;
        let mut offsets = vec![0_usize; actions * columns + 1];
        let list = |row: usize, column: usize| row / rows * columns + column;
        for row in 0..kernel.rows() {
            kernel.pairs(row).for_each(|(column, _)| offsets[list(row, column) + 1] += 1);
        }
        for i in 1..offsets.len() {
            offsets[i] = offsets[i - 1] + offsets[i].next_multiple_of(unit);
        }
        let mut free = offsets.clone();
        let mut pairs = vec![(0, 0.0); offsets[offsets.len() - 1]];
        for row in 0..kernel.rows() {
            for (column, p) in kernel.pairs(row) {
                let place = &mut free[list(row, column)];
                pairs[*place] = ((row % rows) as u32, p);
                *place += 1;
            }
        }
        Self { offsets, pairs }
    }

    #[inline]
    fn of(&self, list: usize) -> &[(u32, f64)] {
        &self.pairs[self.offsets[list]..self.offsets[list + 1]]
    }
}

#[cfg(test)]
mod tests {
    use tiresias_model::random::Key;
    use tiresias_model::{Dynamics, ModelBuilder, Reward, Space, belief};

    use super::*;

    /// A random model of 70 states, so that a belief reaches over more than one word of bits.
    fn model(outcomes: usize) -> Model {
        let mut draw = Key::named(3, &["sparse filter"], &[]).sequence();
        let (s, a, o) = (70, 2, 6);
        let mut kernel = |columns: usize| {
            let mut kernel = Kernel::new(columns);
            for _ in 0..s * a {
                let row: Vec<f64> = (0..outcomes).map(|_| draw.between(0.1, 1.0)).collect();
                let sum: f64 = row.iter().sum();
                kernel.push_row(row.iter().map(|p| (draw.integer(0, columns as u32 - 1) as usize, p / sum)));
            }
            kernel
        };
        let dynamics = vec![Dynamics { transition: kernel(s), observation: Some(kernel(o)) }];
        ModelBuilder {
            name: "random".into(),
            states: Space::unnamed("states", s).unwrap(),
            actions: Space::unnamed("actions", a).unwrap(),
            observations: Some(Space::unnamed("observations", o).unwrap()),
            reward: Reward::Action(vec![0.0; a]),
            start: vec![1.0 / s as f64; s],
            discount: 0.9,
            horizon: None,
            terminal: Vec::new(),
            final_reward: Vec::new(),
            dynamics,
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
        .unwrap()
    }

    #[test]
    fn pushed_and_pulled_beliefs_are_bayes_rule_bit_for_bit() {
        for outcomes in [1, 3, 20] {
            let model = model(outcomes);
            let filter = SparseFilter::new(&model, 0).unwrap();
            let pushes =
                SparseFilter { pulled: vec![usize::MAX; filter.pulled.len()], ..SparseFilter::new(&model, 0).unwrap() };
            let pulls = SparseFilter { pulled: vec![0; filter.pulled.len()], ..SparseFilter::new(&model, 0).unwrap() };
            let (mut scratch, mut dense) = (Scratch::new(70), vec![0.0; 70]);
            let mut belief: Sparse = vec![(2, 0.25), (40, 0.5), (69, 0.25)];
            for step in 0..20 {
                let (action, mut followed) = (step % 2, false);
                let whole = |belief: &Sparse| {
                    let mut whole = vec![0.0; 70];
                    belief.iter().for_each(|&(state, p)| whole[state as usize] = p);
                    whole
                };
                let before = belief.clone();
                for seen in 0..6 {
                    let sum = belief::joint(&model, 0, &whole(&before), action, seen, &mut dense);
                    let expected: Sparse = (0..70).filter(|&s| dense[s] > 0.0).map(|s| (s as u32, dense[s])).collect();
                    for filter in [&filter, &pushes, &pulls] {
                        let mut out = vec![(7, 7.0)];
                        let found = filter.joint(&before, action, seen, &mut scratch, &mut out);
                        assert_eq!(out, expected);
                        assert!((found - sum).abs() < 1e-15);
                    }
                    if sum > 0.0 && !followed {
                        (belief, followed) = (expected, true);
                        normalise(&mut belief, sum);
                        assert!((belief.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn rounding_keeps_33_bits_and_what_is_positive() {
        let mut belief: Sparse =
            vec![(0, 1.0 + 2.0_f64.powi(-32)), (1, 1.0 + 2.0_f64.powi(-40)), (2, 1e-320), (3, 0.1)];
        normalise(&mut belief, 1.0);
        assert_eq!((belief[0].1, belief[1].1), (1.0 + 2.0_f64.powi(-32), 1.0));
        assert!(belief[2].1 > 0.0);
        assert!((belief[3].1 - 0.1).abs() < 0.1 * 2.0_f64.powi(-33));
        // Sums below the smallest normal number have no finite inverse.
        let mut tiny: Sparse = vec![(0, 3e-310), (1, 1e-310)];
        normalise(&mut tiny, 4e-310);
        assert!((tiny[0].1 - 0.75).abs() < 1e-9 && (tiny[1].1 - 0.25).abs() < 1e-9);
    }
}
