//! The linear program of pruning, as a matrix game: is there a point of the simplex where every column is positive?
//!
//! One player picks a point `x` of the simplex (a belief), the other a mixture `λ` of columns `c_u`; the first gets `x · Σ λ_u c_u`.
//! A point with `x · c_u > 0` for all `u` is a *witness*; a mixture with `Σ λ_u c_u <= 0` in every row proves that there is none.
//! Both answers are verified by direct evaluation on the data, so the simplex method that finds them need not be trusted: its
//! rounding can only end in [`Verdict::Unclear`].

use super::budget::Budget;

/// Added to every entry of a column (which is at most 1 in size), so that the game is a linear program with a known start.
const SHIFT: f64 = 1.25;
/// Smallest pivot, and smallest relative gain of an entering column.
const PIVOT: f64 = 1e-11;

/// A point counts as a witness at once when every column is this much above 0. Where regions merely touch, rounding makes points
/// that are above by less; those are believed only when the proof to the contrary fails, or sets would fill with slivers.
pub(super) const CLEAR: f64 = 1e-12;

/// The columns of one game. They need not be stored: the game asks for the ones it uses.
pub(crate) trait Columns {
    /// Numbers in all columns: what pricing costs, at most.
    fn entries(&self) -> usize;

    /// The column whose product with `point` is least, and that product up to a positive factor; `None` when there are none.
    fn least(&mut self, point: &[f64]) -> Option<(usize, f64)>;

    /// Writes column `id`, divided by its largest entry in size, and returns `1 / size` when the column is a margin (a bound on
    /// what dropping a vector loses, in units of value), 0 when it only keeps the point inside a region.
    fn column(&self, id: usize, out: &mut [f64]) -> f64;
}

/// The answer of a game.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// [`Game::point`] makes every column positive.
    Above,
    /// At every point, some margin is at most this, which is at most the tolerance asked for.
    Below(f64),
    /// Rounding kept either from being proved.
    Unclear,
}

/// A revised simplex method with a dense inverse: `rows` constraints, any number of columns. A pivot costs O(rows²) and one
/// pricing of the columns.
pub(crate) struct Game {
    rows: usize,
    /// Inverse of the basis, row-major.
    inverse: Vec<f64>,
    /// Values of the basic variables.
    level: Vec<f64>,
    /// By basis position: whether it holds a column (or a slack), its entries, and its share in margins.
    used: Vec<bool>,
    columns: Vec<f64>,
    share: Vec<f64>,
    price: Vec<f64>,
    entering: Vec<f64>,
    direction: Vec<f64>,
    /// The point that the last test ended with.
    pub point: Vec<f64>,
}

impl Game {
    pub fn new(rows: usize) -> Self {
        let zeros = || vec![0.0; rows];
        Self {
            rows,
            inverse: vec![0.0; rows * rows],
            level: zeros(),
            used: vec![false; rows],
            columns: vec![0.0; rows * rows],
            share: zeros(),
            price: zeros(),
            entering: zeros(),
            direction: zeros(),
            point: zeros(),
        }
    }

    /// What a game of this many rows holds.
    pub fn bytes(rows: usize) -> usize {
        16 * rows * rows + 64 * rows
    }

    /// Plays the game, beginning at [`point`](Self::point). A run that stalls is repeated with unequal right-hand sides, where
    /// ties between rows (which make it stall) are broken; the proofs do not depend on them.
    pub fn test(&mut self, columns: &mut impl Columns, tolerance: f64, budget: &Budget) -> Verdict {
        for spread in [0.0, 1e-6] {
            let verdict = self.run(columns, tolerance, spread, budget);
            if verdict != Verdict::Unclear {
                return verdict;
            }
        }
        Verdict::Unclear
    }

    fn run(&mut self, columns: &mut impl Columns, tolerance: f64, spread: f64, budget: &Budget) -> Verdict {
        self.start(spread);
        let turns = 60 + 20 * self.rows;
        let price = 2 * self.rows * self.rows + columns.entries();
        for turn in 0..turns {
            budget.work(price);
            if (turn % 16 == 0 || self.rows > 64) && budget.spent() {
                return Verdict::Unclear;
            }
            let slack = self.cheapest_slack();
            if let Some(row) = slack {
                // A negative price: less of this row is better than more.
                for r in 0..self.rows {
                    self.direction[r] = self.inverse[r * self.rows + row];
                }
                if !self.pivot(None) {
                    return Verdict::Unclear;
                }
            } else {
                let Some((id, margin)) = columns.least(&self.point) else { return Verdict::Above };
                if margin > CLEAR {
                    return Verdict::Above;
                }
                let share = columns.column(id, &mut self.entering);
                if share > 0.0 && 1.0 <= share * tolerance {
                    // The vector and its rival are the same up to the tolerance.
                    return Verdict::Below(1.0 / share);
                }
                let worth: f64 = self.price.iter().zip(&self.entering).map(|(p, c)| p * (c + SHIFT)).sum();
                if worth >= 1.0 - PIVOT {
                    return if margin > 0.0 { Verdict::Above } else { Verdict::Unclear };
                }
                for (r, row) in self.inverse.chunks_exact(self.rows).enumerate() {
                    self.direction[r] = row.iter().zip(&self.entering).map(|(i, c)| i * (c + SHIFT)).sum();
                }
                if !self.pivot(Some(share)) {
                    return Verdict::Unclear;
                }
            }
            if let Some(loss) = self.proof(tolerance) {
                return Verdict::Below(loss);
            }
        }
        Verdict::Unclear
    }

    /// Every slack basic: no column used yet.
    fn start(&mut self, spread: f64) {
        let rows = self.rows;
        self.inverse.fill(0.0);
        for r in 0..rows {
            self.inverse[r * rows + r] = 1.0;
            // Spread without a pattern: multiples of the golden ratio.
            self.level[r] = 1.0 + spread * ((r + 1) as f64 * 0.618_033_988_749_894_9).fract();
        }
        self.used.fill(false);
        self.share.fill(0.0);
        self.price.fill(0.0);
    }

    fn cheapest_slack(&self) -> Option<usize> {
        let sum: f64 = self.price.iter().map(|p| p.abs()).sum();
        let (mut row, mut least) = (None, -PIVOT * sum);
        for (r, &price) in self.price.iter().enumerate() {
            if price < least {
                (row, least) = (Some(r), price);
            }
        }
        row
    }

    /// Brings the variable with this direction into the basis: a column with its share, or a slack. False when no pivot is safe.
    fn pivot(&mut self, column: Option<f64>) -> bool {
        let rows = self.rows;
        let (mut leave, mut least) = (None::<usize>, f64::INFINITY);
        for r in 0..rows {
            let step = self.direction[r];
            if step > PIVOT {
                let ratio = self.level[r].max(0.0) / step;
                // Among ties the largest pivot is the safest.
                let close = 1e-13 * (1.0 + ratio);
                let better = match leave {
                    None => true,
                    Some(l) if (ratio - least).abs() <= close => step > self.direction[l],
                    Some(_) => ratio < least,
                };
                if better {
                    (leave, least) = (Some(r), ratio.min(least));
                }
            }
        }
        let Some(leave) = leave else { return false };
        let scale = 1.0 / self.direction[leave];
        let step = self.level[leave].max(0.0) * scale;
        self.inverse[leave * rows..][..rows].iter_mut().for_each(|v| *v *= scale);
        let (before, rest) = self.inverse.split_at_mut(leave * rows);
        let (pivot, after) = rest.split_at_mut(rows);
        let others = before.chunks_exact_mut(rows).chain(after.chunks_exact_mut(rows));
        for (r, row) in (0..rows).filter(|&r| r != leave).zip(others) {
            let factor = self.direction[r];
            if factor != 0.0 {
                row.iter_mut().zip(pivot.iter()).for_each(|(v, p)| *v -= factor * p);
                self.level[r] -= factor * step;
            }
        }
        self.level[leave] = step;
        self.used[leave] = column.is_some();
        self.share[leave] = column.unwrap_or(0.0);
        if column.is_some() {
            self.columns[leave * rows..][..rows].copy_from_slice(&self.entering);
        }
        self.reprice();
        true
    }

    /// Prices and the point they stand for.
    fn reprice(&mut self) {
        self.price.fill(0.0);
        for (row, _) in self.inverse.chunks_exact(self.rows).zip(&self.used).filter(|(_, used)| **used) {
            self.price.iter_mut().zip(row).for_each(|(p, v)| *p += v);
        }
        let sum: f64 = self.price.iter().map(|p| p.max(0.0)).sum();
        if sum > 0.0 {
            self.point.iter_mut().zip(&self.price).for_each(|(x, p)| *x = p.max(0.0) / sum);
        }
    }

    /// Whether the mixture found so far proves that no point is above all columns by more than `tolerance`: what it proves.
    /// Evaluated on the columns themselves, rounding of the evaluation included.
    fn proof(&self, tolerance: f64) -> Option<f64> {
        let rows = self.rows;
        let (mut total, mut margin) = (0.0, 0.0);
        for r in (0..rows).filter(|&r| self.used[r]) {
            total += self.level[r].max(0.0);
            margin += self.level[r].max(0.0) * self.share[r];
        }
        // What the basis says; the sums below say whether it is true.
        if total <= 0.0 || 1.0 / total - SHIFT > 1e-9 + 2.0 * tolerance * margin / total {
            return None;
        }
        let mut worst = f64::NEG_INFINITY;
        for s in 0..rows {
            let sum: f64 =
                (0..rows).filter(|&r| self.used[r]).map(|r| self.level[r].max(0.0) * self.columns[r * rows + s]).sum();
            worst = worst.max(sum / total);
        }
        let worst = worst + (4 + rows) as f64 * f64::EPSILON;
        if worst <= 0.0 {
            return Some(0.0);
        }
        let loss = worst * total / margin;
        (loss <= tolerance).then_some(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    /// Columns as they are, all margins; `lie` is added to what pricing says.
    struct Given {
        columns: Vec<Vec<f64>>,
        lie: f64,
    }

    impl Columns for Given {
        fn entries(&self) -> usize {
            self.columns.iter().map(Vec::len).sum()
        }

        fn least(&mut self, point: &[f64]) -> Option<(usize, f64)> {
            let product = |c: &Vec<f64>| c.iter().zip(point).map(|(c, x)| c * x).sum::<f64>() + self.lie;
            self.columns.iter().map(product).enumerate().min_by(|a, b| a.1.total_cmp(&b.1))
        }

        fn column(&self, id: usize, out: &mut [f64]) -> f64 {
            out.copy_from_slice(&self.columns[id]);
            1.0
        }
    }

    fn play(columns: &[&[f64]], lie: f64) -> (Verdict, Vec<f64>) {
        let mut game = Game::new(columns[0].len());
        game.point.fill(1.0 / columns[0].len() as f64);
        let mut given = Given { columns: columns.iter().map(|c| c.to_vec()).collect(), lie };
        let verdict = game.test(&mut given, 1e-12, &Budget::new(&Limits::default()));
        (verdict, game.point)
    }

    #[test]
    fn small_games_have_their_known_answers() {
        // Matching pennies is worth 0; a little more or less decides.
        assert!(matches!(play(&[&[1.0, -1.0], &[-1.0, 1.0]], 0.0).0, Verdict::Below(loss) if loss <= 1e-12));
        assert_eq!(play(&[&[1.0, -0.9], &[-0.9, 1.0]], 0.0).0, Verdict::Above);
        assert_eq!(play(&[&[0.9, -1.0], &[-1.0, 0.9]], 0.0).0, Verdict::Below(0.0));
        // Rock, paper, scissors with a bonus on the first row.
        let (verdict, point) = play(&[&[0.1, 1.0, -1.0], &[-0.9, 0.0, 1.0], &[1.0, -1.0, 0.0]], 0.0);
        assert_eq!(verdict, Verdict::Above);
        assert!(point[0] * 0.1 + point[1] - point[2] > 0.0);
    }

    #[test]
    fn what_cannot_be_proved_is_unclear() {
        // Pricing says that a column is violated which is not, and no mixture proves it: numerical trouble, as seen from inside.
        assert_eq!(play(&[&[1.0, -0.9], &[-0.9, 1.0]], -0.5).0, Verdict::Unclear);
    }

    #[test]
    fn ties_everywhere_do_not_stall() {
        let columns: Vec<Vec<f64>> = (0..6)
            .flat_map(|i| (0..6).filter(move |&j| j != i).map(move |j| (i, j)))
            .map(|(i, j)| (0..6).map(|s| f64::from(u8::from(s == i)) - f64::from(u8::from(s == j))).collect())
            .collect();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        assert!(matches!(play(&columns, 0.0).0, Verdict::Below(loss) if loss <= 1e-12));
    }
}
