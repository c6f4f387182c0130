//! Which of many vectors may have the largest product with a belief.
//!
//! The products of all vectors with one belief cost the time of reading every entry of the set once. Two bounds save most of it.
//! Beliefs are concentrated: after a few observations a handful of states hold nearly all the mass, and the others add to a product at
//! most their mass times the set's largest entry there. And single precision halves the bytes; what rounding does to a product is
//! bounded too. The vector that is best so far gets an exact product, and so do the few others whose bounds reach it.

use std::cell::RefCell;

/// Vectors in single precision, ordered for products with sparse beliefs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Screen {
    states: usize,
    vectors: usize,
    /// Blocks of [`WIDTH`] vectors, `[block][state][lane]`: the sums of a block stay in registers, and a sparse belief reads
    /// whole rows. Places without a vector hold -∞, which never is the largest.
    blocks: Vec<[f32; WIDTH]>,
    /// By state.
    columns: Vec<Column>,
    /// The largest entry's size; infinite where single precision does not reach.
    largest: f64,
}

/// What is known of a state's entries.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Column {
    /// The largest.
    high: f64,
    /// The share of a belief's mass up to which the state is left out.
    light: f64,
}

/// Fewer vectors than these are compared sooner than screened.
pub(crate) const FEW: usize = 32;

/// Vectors a block: four registers of 16.
const WIDTH: usize = 64;

/// A state is left out where its share of the mass times its spread is at most this share of the widest spread: with more left out,
/// the vectors that remain for exact products cost more than the states that are saved. (At 1e-4, on hallway with 911 vectors, 12 of
/// a belief's 41 states are kept.)
const LIGHT: f64 = 5e-5;

/// Products that are looked at together: one register.
const GROUP: usize = 16;

/// Working memory: the heavy states, the products with them, and the groups that hold large ones.
#[derive(Default)]
struct Scratch {
    heavy: Vec<(u32, f32)>,
    products: Vec<[f32; WIDTH]>,
    near: Vec<usize>,
}

impl Screen {
    /// Of vectors with `states` entries each, one after the other.
    pub fn new(states: usize, entries: &[f64]) -> Self {
        let vectors = entries.len() / states;
        let largest = entries.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let mut blocks = vec![[f32::NEG_INFINITY; WIDTH]; vectors.div_ceil(WIDTH) * states];
        for (i, vector) in entries.chunks_exact(states).enumerate() {
            let rows = &mut blocks[i / WIDTH * states..][..states];
            rows.iter_mut().zip(vector).for_each(|(row, &value)| row[i % WIDTH] = value as f32);
        }
        let range = |state: usize| {
            let column = entries.iter().skip(state).step_by(states);
            column.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (v.min(low), v.max(high)))
        };
        let range: Vec<(f64, f64)> = (0..states).map(range).collect();
        let widest = range.iter().fold(0.0_f64, |most, (low, high)| most.max(high - low));
        let column = |(low, high)| Column { high, light: LIGHT * widest / (high - low) };
        let columns = range.into_iter().map(column).collect();
        let largest = if largest < 1e30 { largest } else { f64::INFINITY };
        Self { states, vectors, blocks, columns, largest }
    }

    /// The first vector whose product with the belief (positive entries, of any sum) is the largest, and the product. `exact` gives
    /// products; it is asked for few.
    pub fn best(&self, belief: &[(u32, f64)], mut exact: impl FnMut(usize) -> f64) -> (usize, f64) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        SCRATCH.with_borrow_mut(|Scratch { heavy, products, near }| {
            // Shares of the mass, so that single precision reaches the least of beliefs; where there is no share, no number, which
            // lets every vector through.
            let share = total(belief).recip();
            let share = if share.is_finite() { share } else { f64::NAN };
            let (mut kept, mut light) = (0, 0.0);
            heavy.resize(belief.len(), (0, 0.0));
            for &(state, mass) in belief {
                let (column, mass) = (self.columns[state as usize], mass * share);
                let is_heavy = mass > column.light;
                // Nobody could foretell this branch.
                heavy[kept] = (state, mass as f32);
                kept += usize::from(is_heavy);
                light += if is_heavy { 0.0 } else { mass * column.high };
            }
            products.resize(self.blocks.len() / self.states, [0.0; WIDTH]);
            let largest = self.products(&heavy[..kept], products);
            let all = products.as_flattened();
            let lanes = |group: usize| group * GROUP..self.vectors.min((group + 1) * GROUP);
            groups_near(all, largest, near);
            // Where nothing reaches the largest, products are no numbers: any vector will do to begin with.
            let first = near.iter().find_map(|&group| lanes(group).find(|&i| reaches(all[i], largest))).unwrap_or(0);
            let mut best = (first, exact(first));
            let least = ((best.1 * share - light - self.error(belief.len())) as f32).next_down();
            groups_near(all, least, near);
            for i in near.iter().flat_map(|&group| lanes(group)) {
                if i != first && reaches(all[i], least) {
                    let value = exact(i);
                    if value > best.1 || (value == best.1 && i < best.0) {
                        best = (i, value);
                    }
                }
            }
            best
        })
    }

    /// More than a product in single precision may be off by: with n entries the sum makes n - 1 roundings of half a unit, the
    /// product and its two factors one each (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, §3.1). Whole units leave
    /// room for second-order terms, for what underflows, and for the roundings of double precision.
    fn error(&self, entries: usize) -> f64 {
        (entries + 4) as f64 * f64::from(f32::EPSILON) * self.largest
    }

    /// The products of all vectors with some states; returns the largest.
    fn products(&self, belief: &[(u32, f32)], products: &mut [[f32; WIDTH]]) -> f32 {
        let mut largest = [f32::NEG_INFINITY; WIDTH];
        // Loops over lanes are compiled for each SIMD level.
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (block, products) in self.blocks.chunks_exact(self.states).zip(products) {
                    let mut sums = [0.0; WIDTH];
                    for &(state, mass) in belief {
                        let row = &block[state as usize];
                        for lane in 0..WIDTH {
                            sums[lane] += mass * row[lane];
                        }
                    }
                    *products = sums;
                    for lane in 0..WIDTH {
                        largest[lane] = if sums[lane] > largest[lane] { sums[lane] } else { largest[lane] };
                    }
                }
            },
        );
        largest.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// Whether a product is at least so large, or no number, of which nothing is known.
#[inline(always)]
#[allow(clippy::inline_always)] // Only what is inlined is compiled for the SIMD level.
fn reaches(product: f32, least: f32) -> bool {
    product >= least || product.is_nan() || least.is_nan()
}

/// The numbers of the groups with a product that [`reaches`] so far. Most have none.
fn groups_near(products: &[f32], least: f32, near: &mut Vec<usize>) {
    near.clear();
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (number, group) in products.as_chunks::<GROUP>().0.iter().enumerate() {
                if group.iter().fold(0, |any, &product| any | u32::from(reaches(product, least))) != 0 {
                    near.push(number);
                }
            }
        },
    );
}

/// The mass of a belief, in four sums, so that an addition need not wait for the one before.
fn total(belief: &[(u32, f64)]) -> f64 {
    let (fours, rest) = belief.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for four in fours {
        (0..4).for_each(|i| sums[i] += four[i].1);
    }
    sums.into_iter().sum::<f64>() + rest.iter().map(|(_, mass)| mass).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use tiresias_model::random::{Key, Sequence};

    use super::*;

    fn product(vector: &[f64], belief: &[(u32, f64)]) -> f64 {
        belief.iter().map(|&(state, p)| p * vector[state as usize]).sum()
    }

    /// Masses that fall by `decay` from one state to the next, some states left out.
    fn belief(draw: &mut Sequence, states: usize, decay: f64) -> Vec<(u32, f64)> {
        let mut masses: Vec<f64> = (0..states).map(|i| decay.powi(i as i32) * draw.between(0.1, 1.0)).collect();
        (1..states).rev().for_each(|i| masses.swap(i, draw.integer(0, i as u32) as usize));
        let sum: f64 = masses.iter().sum();
        let kept = masses.into_iter().enumerate().filter(|_| draw.uniform() < 0.8);
        kept.map(|(state, mass)| (state as u32, mass / sum)).collect()
    }

    #[test]
    fn the_best_vector_is_the_first_of_the_best_by_exact_products() {
        let mut draw = Key::named(1, &["screen"], &[]).sequence();
        let (mut visited, mut all) = (0, 0);
        for case in 0..300 {
            let (states, vectors) = (1 + case % 40, 1 + (case * 7) % 200);
            // Values of every size, with ties and near ties; beyond single precision in the last.
            let size = [1.0, 1e-20, 1e12, 1e36][case % 4];
            let shift = if case % 3 == 0 { 100.0 * size } else { 0.0 };
            let mut entries: Vec<f64> = (0..states * vectors).map(|_| shift + size * draw.between(-1.0, 1.0)).collect();
            for i in (3..vectors).step_by(3) {
                entries.copy_within((i - 1) * states..i * states, i * states);
                entries[i * states] *= if i % 2 == 0 { 1.0 + 1e-12 } else { 1.0 };
            }
            let screen = Screen::new(states, &entries);
            for decay in [1.0, 0.7, 0.1] {
                // Of every mass, down to where no share of it is a number.
                let mass = [1.0, 1.0, 1e-30, 1e-60, 1e-310][(case / 4) % 5];
                let belief: Vec<(u32, f64)> = belief(&mut draw, states, decay)
                    .into_iter()
                    .map(|(s, p)| (s, p * mass))
                    .filter(|(_, p)| *p > 0.0)
                    .collect();
                let products: Vec<f64> = entries.chunks(states).map(|vector| product(vector, &belief)).collect();
                let expected = (0..vectors).fold(0, |best, i| if products[i] > products[best] { i } else { best });
                let mut asked = 0;
                let found = screen.best(&belief, |i| {
                    asked += 1;
                    products[i]
                });
                assert_eq!(found, (expected, products[expected]));
                if mass > 1e-300 {
                    (visited, all) = (visited + asked, all + vectors);
                }
            }
        }
        // It would be no screen if it let everything through. A fourth of the sets is beyond single precision and asks for all.
        assert!(visited * 3 < all, "{visited} of {all}");
    }
}
