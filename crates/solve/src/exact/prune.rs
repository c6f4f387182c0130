//! Fewer vectors, the same maximum: pruning one set, and the cross-sum of two.
//!
//! Every vector that is dropped comes with a proof that the kept ones are nowhere more than the tolerance below it, so a set
//! loses at most the tolerance, once. What cannot be proved is kept.

use std::borrow::Cow;

use rayon::prelude::*;

use super::budget::Budget;
use super::game::{CLEAR, Columns, Game, Verdict};
use super::vectors::{Vectors, dot};

/// A pruned set (or part of one) and the most that dropping the others loses at any point.
pub(crate) struct Pruned {
    pub vectors: Vectors,
    pub loss: f64,
}

/// What all prunings of a stage share.
pub(crate) struct Pruner<'a> {
    pub budget: &'a Budget,
    /// The most that one pruning may lose at any point, in units of value.
    pub tolerance: f64,
}

impl Pruner<'_> {
    /// The vectors of `set` that are needed somewhere on the simplex (Lark's filter, in White 1991).
    pub fn prune(&self, set: &Vectors) -> Pruned {
        let dim = set.dim;
        // One point is often that of many vectors in a row.
        let points =
            (0..set.len()).filter(|&i| i == 0 || set.point(i) != set.point(i - 1)).map(|i| set.point(i).into());
        let corners = (0..dim).map(|s| (0..dim).map(|t| f64::from(u8::from(s == t))).collect());
        let (kept, loss) = self.filter(set, &[], points.chain(corners));
        let mut vectors = Vectors::new(set.dim);
        for (i, point) in kept {
            vectors.push(set.row(i).iter().copied(), set.actions[i], &point);
        }
        Pruned { vectors, loss }
    }

    /// The needed sums `a + b`, with the actions of `a`. Sums are best where `a` is best in its set and `b` in its own, so that
    /// for every `a` only the `b` needed in *its* region are looked for (the restricted-region form of incremental pruning:
    /// Cassandra, Littman, Zhang 1997; Zhang and Liu 1997; Feng and Zilberstein 2004). Regions are independent of each other.
    /// The result is counted as held by the budget.
    pub fn cross(&self, a: &Vectors, b: &Vectors) -> Pruned {
        let mut seeds = vec![Vec::new(); a.len()];
        (0..a.len()).for_each(|i| seeds[i].push(a.point(i)));
        for j in (0..b.len()).take_while(|_| !self.budget.spent()) {
            self.budget.work(a.values.len());
            let point = b.point(j);
            let value = |i: usize| dot(a.row(i), point);
            let best = (1..a.len()).fold(0, |best, i| if value(i) > value(best) { i } else { best });
            seeds[best].push(point);
        }
        let parts: Vec<Pruned> = (0..a.len())
            .into_par_iter()
            .map(|i| {
                let mut vectors = Vectors::new(a.dim);
                if self.budget.spent() {
                    return Pruned { vectors, loss: 0.0 };
                }
                self.budget.work(a.values.len());
                let (kept, loss) = self.filter(b, &region(a, i), seeds[i].iter().map(|&seed| seed.into()));
                for (j, point) in kept {
                    vectors.push(a.row(i).iter().zip(b.row(j)).map(|(a, b)| a + b), a.actions[i], &point);
                }
                self.budget.hold(vectors.bytes());
                Pruned { vectors, loss }
            })
            .collect();
        let mut out = Pruned { vectors: Vectors::new(a.dim), loss: 0.0 };
        for part in parts {
            out.vectors.append(part.vectors);
            out.loss = out.loss.max(part.loss);
        }
        out
    }

    /// Whether `vector - shift` is nowhere more than the tolerance above all of `set`.
    pub fn below(&self, vector: &[f64], shift: f64, set: &Vectors, game: &mut Game) -> bool {
        let vector: Vec<f64> = vector.iter().map(|v| v - shift).collect();
        let walls = &mut Vec::new();
        let mut race = Race { region: &[], walls, rivals: &set.values, candidate: &vector, scale: 1.0 };
        game.point.fill(1.0 / vector.len() as f64);
        matches!(game.test(&mut race, self.tolerance, self.budget), Verdict::Below(_))
    }

    /// The candidates needed at some point of the simplex where every row of `region` is at least 0, each with a point where it
    /// is; and the most that leaving out the others loses there. O(candidates) games.
    fn filter<'s>(
        &self,
        candidates: &Vectors,
        region: &[f64],
        seeds: impl Iterator<Item = Cow<'s, [f64]>>,
    ) -> (Vec<(usize, Vec<f64>)>, f64) {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            Open,
            Kept,
            Dropped,
        }
        let (dim, n) = (candidates.dim, candidates.len());
        let mut states = vec![State::Open; n];
        let mut kept: Vec<(usize, Vec<f64>)> = Vec::new();
        let mut rivals: Vec<f64> = Vec::new();
        // Sets of one or two vectors often need no game, whose inverse has dim² entries.
        let mut game: Option<Game> = None;
        let mut walls = Vec::new();
        let mut loss = 0.0_f64;
        for seed in seeds {
            if self.budget.spent() {
                return (kept, loss);
            }
            self.budget.work(candidates.values.len());
            let best = best_at(candidates, &seed, |_| true);
            if states[best] == State::Open {
                states[best] = State::Kept;
                rivals.extend(candidates.row(best));
                kept.push((best, seed.into_owned()));
            }
        }
        let scale = 1.0 / candidates.scale().max(f64::MIN_POSITIVE);
        let centre = vec![1.0 / dim as f64; dim];
        for i in 0..n {
            if self.budget.spent() {
                break;
            }
            while states[i] == State::Open {
                self.budget.work(rivals.len());
                let candidate = candidates.row(i);
                if rivals.chunks_exact(dim).any(|rival| rival.iter().zip(candidate).all(|(r, c)| r >= c)) {
                    states[i] = State::Dropped;
                    break;
                }
                if game.is_none() {
                    self.budget.hold(Game::bytes(dim));
                    if self.budget.spent() {
                        self.budget.free(Game::bytes(dim));
                        return (kept, loss);
                    }
                }
                // A point inside the region to begin from; the last one found is as good as any.
                let game = game.get_or_insert_with(|| Game::new(dim));
                game.point.copy_from_slice(kept.last().map_or(&centre, |k| &k.1));
                let mut race = Race { region, walls: &mut walls, rivals: &rivals, candidate, scale };
                let found = match game.test(&mut race, self.tolerance, self.budget) {
                    Verdict::Below(lost) => {
                        states[i] = State::Dropped;
                        loss = loss.max(lost);
                        continue;
                    }
                    Verdict::Above => best_at(candidates, &game.point, |k| states[k] == State::Open),
                    Verdict::Unclear if self.budget.spent() => break,
                    Verdict::Unclear => i,
                };
                states[found] = State::Kept;
                rivals.extend(candidates.row(found));
                kept.push((found, game.point.clone()));
            }
        }
        if game.is_some() {
            self.budget.free(Game::bytes(dim));
        }
        (kept, loss)
    }
}

/// The allowed candidate that is best at `point`; among equals the lexicographically largest, which none of them is above.
fn best_at(candidates: &Vectors, point: &[f64], allowed: impl Fn(usize) -> bool) -> usize {
    let (mut best, mut value) = (usize::MAX, f64::NEG_INFINITY);
    for i in (0..candidates.len()).filter(|&i| allowed(i)) {
        let row = candidates.row(i);
        let here = dot(row, point);
        if best == usize::MAX || here > value || here == value && row > candidates.row(best) {
            (best, value) = (i, here);
        }
    }
    best
}

/// The rows `a_i - a_k`, each divided by its largest entry: at least 0 where `a_i` is best.
fn region(a: &Vectors, i: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(a.values.len());
    for k in (0..a.len()).filter(|&k| k != i) {
        let size = a.row(i).iter().zip(a.row(k)).fold(0.0_f64, |m, (x, y)| m.max((x - y).abs()));
        if size > 0.0 {
            out.extend(a.row(i).iter().zip(a.row(k)).map(|(x, y)| (x - y) / size));
        }
    }
    out
}

/// A candidate against its rivals, inside a region.
struct Race<'a> {
    region: &'a [f64],
    /// The region's rows that some race entered: nearly always the only ones that matter.
    walls: &'a mut Vec<usize>,
    rivals: &'a [f64],
    candidate: &'a [f64],
    /// Brings margins to the size of the region's products.
    scale: f64,
}

impl Columns for Race<'_> {
    fn entries(&self) -> usize {
        // Of the region, the walls that were met are priced at every turn, all of it at the last ones only.
        self.rivals.len() + self.walls.len() * self.candidate.len()
    }

    fn least(&mut self, point: &[f64]) -> Option<(usize, f64)> {
        let dim = point.len();
        let mut least: Option<(usize, f64)> = None;
        for &k in self.walls.iter() {
            let value = dot(&self.region[k * dim..][..dim], point);
            if least.is_none_or(|l| value < l.1) {
                least = Some((k, value));
            }
        }
        let mut rival: Option<(usize, f64)> = None;
        for (l, row) in self.rivals.chunks_exact(dim).enumerate() {
            let value = dot(row, point);
            if rival.is_none_or(|r| value > r.1) {
                rival = Some((l, value));
            }
        }
        if let Some((l, value)) = rival {
            let margin = self.scale * (dot(self.candidate, point) - value);
            if least.is_none_or(|l| margin < l.1) {
                least = Some((self.region.len() / dim + l, margin));
            }
        }
        if least.is_some_and(|l| l.1 < -CLEAR) {
            return least;
        }
        // Only a point that may be a witness is held against the whole region; and one where the columns in use are at 0, which
        // would not get further with them.
        let mut wall = None;
        for (k, row) in self.region.chunks_exact(dim).enumerate() {
            let value = dot(row, point);
            if least.is_none_or(|l| value < l.1) {
                (least, wall) = (Some((k, value)), Some(k));
            }
        }
        self.walls.extend(wall);
        least
    }

    fn column(&self, id: usize, out: &mut [f64]) -> f64 {
        let dim = out.len();
        let regions = self.region.len() / dim;
        if id < regions {
            out.copy_from_slice(&self.region[id * dim..][..dim]);
            return 0.0;
        }
        let rival = &self.rivals[(id - regions) * dim..][..dim];
        let mut size = 0.0_f64;
        for ((o, c), r) in out.iter_mut().zip(self.candidate).zip(rival) {
            *o = c - r;
            size = size.max(o.abs());
        }
        if size == 0.0 {
            return f64::INFINITY;
        }
        out.iter_mut().for_each(|o| *o /= size);
        1.0 / size
    }
}

#[cfg(test)]
mod against_library;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Limits;

    const TOLERANCE: f64 = 1e-11;

    fn set(dim: usize, n: usize) -> impl Strategy<Value = Vectors> {
        // Whole numbers bring duplicates, ties and regions that only touch.
        let entry = prop_oneof![(-3..4_i32).prop_map(f64::from), -3.0..3.0_f64];
        prop::collection::vec(entry, dim * n).prop_map(move |values| {
            let mut set = Vectors::new(dim);
            values.chunks(dim).for_each(|row| set.push(row.iter().copied(), 0, &vec![1.0 / dim as f64; dim]));
            set
        })
    }

    fn points(dim: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
        let weights = prop::collection::vec(prop_oneof![1 => Just(0.0), 2 => 0.01..1.0_f64], dim);
        let point = weights.prop_map(|w| {
            let sum: f64 = w.iter().sum();
            w.iter().map(|v| if sum > 0.0 { v / sum } else { 1.0 / w.len() as f64 }).collect()
        });
        prop::collection::vec(point, 50)
    }

    fn check(full: &Vectors, pruned: &Pruned, points: &[Vec<f64>]) -> Result<(), TestCaseError> {
        let kept = &pruned.vectors;
        prop_assert!(pruned.loss <= 2.0 * TOLERANCE);
        for point in points {
            let (before, after) = (full.value(point), kept.value(point));
            prop_assert!(after >= before - pruned.loss - 1e-13 && after <= before + 1e-13, "{before} {after}");
        }
        for i in 0..kept.len() {
            let here = dot(kept.row(i), kept.point(i));
            prop_assert!(here >= kept.value(kept.point(i)) - 1e-9, "no witness");
        }
        Ok(())
    }

    #[test]
    fn pruning_changes_no_value_and_keeps_witnesses() {
        let budget = Budget::new(&Limits::default());
        let pruner = Pruner { budget: &budget, tolerance: TOLERANCE };
        for dim in [1, 2, 3, 6] {
            proptest!(ProptestConfig::with_cases(60), |(full in set(dim, 30), points in points(dim))| {
                check(&full, &pruner.prune(&full), &points)?;
            });
        }
    }

    #[test]
    fn cross_sums_equal_all_sums() {
        let budget = Budget::new(&Limits::default());
        let pruner = Pruner { budget: &budget, tolerance: TOLERANCE };
        for dim in [1, 2, 3, 6] {
            proptest!(ProptestConfig::with_cases(60), |(a in set(dim, 10), b in set(dim, 10), points in points(dim))| {
                let (a, b) = (pruner.prune(&a).vectors, pruner.prune(&b).vectors);
                let mut all = Vectors::new(dim);
                for i in 0..a.len() {
                    for j in 0..b.len() {
                        all.push(a.row(i).iter().zip(b.row(j)).map(|(x, y)| x + y), 0, &vec![1.0 / dim as f64; dim]);
                    }
                }
                let crossed = pruner.cross(&a, &b);
                check(&all, &crossed, &points)?;
                prop_assert!(crossed.vectors.len() <= pruner.prune(&all).vectors.len() + 2, "few needless sums");
            });
        }
    }

    #[test]
    fn a_maximum_of_tangents_needs_all_of_them_and_no_chord() {
        let mut full = Vectors::new(2);
        for k in 0..40 {
            let x = f64::from(k) / 39.0;
            full.push([-x * x, 2.0 * x - x * x], k, &[0.5, 0.5]);
        }
        for k in 0..39 {
            // Below the two tangents beside it, above neither.
            let row: Vec<f64> = (0..2).map(|s| 0.5 * (full.row(k)[s] + full.row(k + 1)[s]) - 1e-7).collect();
            full.push(row, 99, &[0.5, 0.5]);
        }
        let budget = Budget::new(&Limits::default());
        let pruned = Pruner { budget: &budget, tolerance: TOLERANCE }.prune(&full).vectors;
        assert_eq!(pruned.len(), 40);
        assert!(pruned.actions.iter().all(|&a| a != 99));
    }
}
