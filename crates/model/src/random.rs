//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//!
//! A draw is a pure function of (key, counter): no state to carry, so any thread may make any draw and the numbers are the same
//! for every thread count and order. A key names a stream (seed, family, split, task, purpose); a counter names a place in it.

mod draws;

use sha2::{Digest, Sha256};

pub use draws::Draws;

/// A 64-bit Philox key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub u64);

impl Key {
    /// The key of a stream named by `words` under `seed`: the first 8 bytes of a SHA-256 over an unambiguous encoding of them.
    pub fn named(seed: u64, words: &[&str], numbers: &[u64]) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        for word in words {
            hash.update((word.len() as u64).to_le_bytes());
            hash.update(word.as_bytes());
        }
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        let digest = hash.finalize();
        Self(u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes")))
    }

    /// The four 32-bit words at counter `(episode, step, lane)`.
    #[inline]
    pub fn block(self, episode: u64, step: u32, lane: u32) -> [u32; 4] {
        philox4x32_10([episode as u32, (episode >> 32) as u32, step, lane], [self.0 as u32, (self.0 >> 32) as u32])
    }

    /// A sequential view of the stream, for draws whose number is small and whose order is fixed.
    pub fn sequence(self) -> Sequence {
        Sequence { key: self, next: 0 }
    }
}

/// Draws one after the other from a key's stream.
#[derive(Debug, Clone)]
pub struct Sequence {
    key: Key,
    next: u64,
}

impl Sequence {
    /// Uniform in [0, 1) with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        let [a, b, ..] = self.key.block(self.next, 0, u32::MAX);
        self.next += 1;
        unit53(a, b)
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform integer in `low..=high`.
    pub fn integer(&mut self, low: u32, high: u32) -> u32 {
        low + (self.uniform() * f64::from(high - low + 1)) as u32
    }
}

/// Uniform in [0, 1) with 53 bits from two words.
#[inline]
pub fn unit53(a: u32, b: u32) -> f64 {
    let bits = (u64::from(a) << 21) ^ (u64::from(b) >> 11);
    (bits & ((1 << 53) - 1)) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Uniform in [0, 1) with 32 bits.
#[inline]
pub fn unit32(a: u32) -> f64 {
    f64::from(a) * (1.0 / 4_294_967_296.0)
}

/// The Philox4x32-10 bijection.
#[inline]
pub fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers from the Random123 distribution (`kat_vectors`, philox4x32, 10 rounds).
    #[test]
    fn known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }

    #[test]
    fn uniforms_stay_in_the_unit_interval() {
        assert_eq!(unit53(0, 0), 0.0);
        assert!(unit53(u32::MAX, u32::MAX) < 1.0);
        assert!(unit32(u32::MAX) < 1.0);
    }
}
