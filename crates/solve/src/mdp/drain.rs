//! The greedy step of nature's inner problem, for several rows at once.

/// Rows that are answered together, one a lane: every step is the same for all of them, so that lanes become vector registers.
pub(super) const LANES: usize = 8;
/// One number a row.
pub(super) type Lane = [f64; LANES];
/// Rounds before a row is left to sorting. A row of no more successors never is.
const ROUNDS: usize = 16;

/// Rows side by side: entry `j` of each row is in the `j`-th of every array. Shorter rows are padded with ceilings of 0.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The probability that draining starts from.
    pub ceiling: Vec<Lane>,
    /// What must stay of it; of no matter where nothing must.
    pub floor: Vec<Lane>,
    /// What the next state costs nature.
    pub cost: Vec<Lane>,
}

impl Rows {
    /// Room for so many entries; what is in them is of no matter where a lane is not filled.
    pub fn resize(&mut self, entries: usize) {
        for array in [&mut self.ceiling, &mut self.floor, &mut self.cost] {
            array.resize(entries, [0.0; LANES]);
        }
    }

    /// `Σ ceiling`.
    #[inline(always)]
    pub fn sum(&self) -> Lane {
        let mut sum = [0.0; LANES];
        self.ceiling.iter().for_each(|p| (0..LANES).for_each(|l| sum[l] += p[l]));
        sum
    }

    /// `Σ ceiling · cost`, in the order of the entries.
    #[inline(always)]
    pub fn total(&self) -> Lane {
        let mut total = [0.0; LANES];
        for (p, cost) in self.ceiling.iter().zip(&self.cost) {
            (0..LANES).for_each(|l| total[l] += p[l] * cost[l]);
        }
        total
    }

    /// The least cost of each row, and the probability of the states that cost `known` or, if less, that.
    #[inline(always)]
    pub fn least(&self, known: Lane) -> (Lane, Lane) {
        let mut least = known;
        for cost in &self.cost {
            (0..LANES).for_each(|l| least[l] = if cost[l] < least[l] { cost[l] } else { least[l] });
        }
        let mut there = [0.0; LANES];
        for (p, cost) in self.ceiling.iter().zip(&self.cost) {
            (0..LANES).for_each(|l| there[l] += if cost[l] == least[l] { p[l] } else { 0.0 });
        }
        (least, there)
    }

    /// Takes `left` of probability away, where it costs most first, and its cost from `total`: every round empties the states of the
    /// greatest cost that is left. Afterwards `left` is positive where a row needs more rounds than there are.
    #[inline(always)]
    pub fn drain<const FLOORS: bool>(&self, total: &mut Lane, left: &mut Lane) {
        let mut below = [f64::INFINITY; LANES];
        for _ in 0..ROUNDS {
            if left.iter().all(|&left| left <= 0.0) {
                return;
            }
            let mut top = [f64::NEG_INFINITY; LANES];
            for cost in &self.cost {
                for l in 0..LANES {
                    let cost = if cost[l] < below[l] { cost[l] } else { f64::NEG_INFINITY };
                    top[l] = if cost > top[l] { cost } else { top[l] };
                }
            }
            let mut room = [0.0; LANES];
            for ((p, floor), cost) in self.ceiling.iter().zip(&self.floor).zip(&self.cost) {
                for l in 0..LANES {
                    let slack = if FLOORS { p[l] - floor[l] } else { p[l] };
                    room[l] += if cost[l] == top[l] { slack } else { 0.0 };
                }
            }
            for l in 0..LANES {
                let taken = if room[l] < left[l] { room[l] } else { left[l] };
                let taken = if taken > 0.0 { taken } else { 0.0 };
                total[l] -= if taken > 0.0 { taken * top[l] } else { 0.0 };
                // Where nothing costs less, what is left is rounding.
                left[l] = if top[l] == f64::NEG_INFINITY { 0.0 } else { left[l] - taken };
            }
            below = top;
        }
    }
}
