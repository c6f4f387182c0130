//! Which of many vectors may have the largest product with a belief.
//!
//! The products of all vectors with one belief read every entry once, so their cost is that of reading the set from the cache
//! that holds it. In single precision that is half as many bytes and half as many instructions. What rounding does to a product is
//! bounded, and the vectors whose products lie within that of the largest are few: those are left to double precision.

use std::cell::RefCell;
use std::cmp::Ordering;

/// Vectors in single precision, ordered for products with sparse beliefs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Screen {
    states: usize,
    vectors: usize,
    /// Blocks of [`WIDTH`] vectors, `[block][state][lane]`: the sums of a block stay in registers, and a sparse belief reads
    /// whole rows. Places without a vector hold 0 and are not looked at.
    blocks: Vec<[f32; WIDTH]>,
    /// The largest entry's size; infinite where single precision does not reach.
    largest: f64,
}

/// Vectors a block: four registers of 16.
const WIDTH: usize = 64;

impl Screen {
    /// Of vectors with `states` entries each, one after the other.
    pub fn new(states: usize, entries: &[f64]) -> Self {
        let vectors = entries.len() / states;
        let largest = entries.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let mut blocks = vec![[0.0; WIDTH]; vectors.div_ceil(WIDTH) * states];
        for (i, vector) in entries.chunks_exact(states).enumerate() {
            let rows = &mut blocks[i / WIDTH * states..][..states];
            rows.iter_mut().zip(vector).for_each(|(row, &value)| row[i % WIDTH] = value as f32);
        }
        Self { states, vectors, blocks, largest: if largest < 1e30 { largest } else { f64::INFINITY } }
    }

    /// Visits, in order, every vector whose product with the belief (positive entries, sum at most about 1) may be the largest.
    pub fn candidates(&self, belief: &[(u32, f64)], mut visit: impl FnMut(usize)) {
        thread_local! {
            static PRODUCTS: RefCell<Vec<[f32; WIDTH]>> = const { RefCell::new(Vec::new()) };
        }
        PRODUCTS.with_borrow_mut(|products| {
            products.resize(self.blocks.len() / self.states, [0.0; WIDTH]);
            let largest = self.products(belief, products);
            let least = ((f64::from(largest) - 2.0 * self.error(belief)) as f32).next_down();
            for (number, block) in products.iter().enumerate() {
                // Most blocks hold none, which one comparison a register tells. What is no number is a candidate.
                if !block.iter().fold(true, |none, &product| none & (product < least)) {
                    let lanes = (self.vectors - number * WIDTH).min(WIDTH);
                    let near = |&lane: &usize| !matches!(block[lane].partial_cmp(&least), Some(Ordering::Less));
                    (0..lanes).filter(near).for_each(|lane| visit(number * WIDTH + lane));
                }
            }
        });
    }

    /// What a product in single precision may be off by: with n entries the sum makes n - 1 roundings, the product and its two
    /// factors one each (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, §3.1), and what underflows is smaller
    /// still than the place left for second-order terms.
    fn error(&self, belief: &[(u32, f64)]) -> f64 {
        let mass: f64 = belief.iter().map(|(_, p)| p).sum();
        (belief.len() + 4) as f64 * f64::from(f32::EPSILON) * mass * self.largest
    }

    /// All products; returns the largest.
    fn products(&self, belief: &[(u32, f64)], products: &mut [[f32; WIDTH]]) -> f32 {
        // The loop is compiled for each SIMD level.
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let mut largest = f32::NEG_INFINITY;
                let mut number = 0;
                for (block, products) in self.blocks.chunks_exact(self.states).zip(products) {
                    let mut sums = [0.0; WIDTH];
                    for &(state, mass) in belief {
                        let (row, mass) = (&block[state as usize], mass as f32);
                        for lane in 0..WIDTH {
                            sums[lane] += mass * row[lane];
                        }
                    }
                    *products = sums;
                    let lanes = (self.vectors - number).min(WIDTH);
                    number += WIDTH;
                    largest = sums[..lanes].iter().fold(largest, |most, &sum| if sum > most { sum } else { most });
                }
                largest
            },
        )
    }
}
