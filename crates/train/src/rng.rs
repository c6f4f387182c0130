//! A counter-based generator: a stream is named by its keys, so no draw depends on how many were made elsewhere.

/// `SplitMix64` (Steele, Lea, Flood 2014), seeded by hashing a list of keys.
pub struct Rng(u64);

impl Rng {
    /// The stream with this name.
    pub fn new(keys: &[u64]) -> Self {
        let mut rng = Self(0x7469_7265_7369_6173);
        for &key in keys {
            rng.0 = rng.next_u64() ^ key;
        }
        rng
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[-bound, bound)`.
    pub fn uniform(&mut self, bound: f32) -> f32 {
        let unit = (self.next_u64() >> 40) as f32 / (1u64 << 24) as f32;
        (2.0 * unit - 1.0) * bound
    }

    /// Nearly normal, mean 0 and variance 1: the sum of twelve uniforms (Irwin and Hall). It has the normal's first three moments,
    /// ends at ±6, and needs no library function, so that a seed means the same numbers on every machine.
    pub fn bell(&mut self) -> f32 {
        let halves = |x: u64| (x >> 32) + (x & 0xffff_ffff);
        let sum: u64 = (0..6).map(|_| halves(self.next_u64())).sum();
        (sum as f64 / (1u64 << 32) as f64 - 6.0) as f32
    }

    /// Uniform in `0..n` (Lemire's multiplication; its bias below 2⁻³² is of no matter for a shuffle).
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// Fisher and Yates' shuffle of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}
