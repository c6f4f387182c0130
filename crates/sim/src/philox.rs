//! Philox4x32-10 over lanes: the same words as [`Key::block`], for consecutive episodes at one stage.

use tiresias_model::random::Key;

/// Lanes stepped together. A multiple of every level's vector width, long enough to hide the latency of the look-ups, short
/// enough that a block's arrays stay in the first-level cache.
pub(crate) const LANES: usize = 64;

/// One number a lane.
pub(crate) type Lane<T> = [T; LANES];

/// The four words of each lane: `words[w][lane]`.
pub(crate) type Words = [Lane<u32>; 4];

/// The words at counter `(first + lane, step, purpose)` for every lane.
///
/// Counter words are kept in the low halves of 64-bit lanes, whose high halves are never cleared: a widening multiplication
/// (`pmuludq`) reads low halves only, so a round is two products, two shifts and four exclusive ors a lane, at any vector width.
#[inline(always)]
pub(crate) fn words(key: Key, first: u64, step: u32, purpose: u32, out: &mut Words) {
    let [w0, w1, w2, w3] = out;
    for lane in 0..LANES {
        let episode = first.wrapping_add(lane as u64);
        let mut c = [episode, episode >> 32, u64::from(step), u64::from(purpose)];
        let (mut k0, mut k1) = (key.0 as u32, (key.0 >> 32) as u32);
        for _ in 0..10 {
            let a = (c[0] & LOW) * 0xD251_1F53;
            let b = (c[2] & LOW) * 0xCD9E_8D57;
            c = [(b >> 32) ^ c[1] ^ u64::from(k0), b, (a >> 32) ^ c[3] ^ u64::from(k1), a];
            (k0, k1) = (k0.wrapping_add(0x9E37_79B9), k1.wrapping_add(0xBB67_AE85));
        }
        (w0[lane], w1[lane], w2[lane], w3[lane]) = (c[0] as u32, c[1] as u32, c[2] as u32, c[3] as u32);
    }
}

const LOW: u64 = 0xFFFF_FFFF;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::{Kernel, Level};

    struct Draw<'a>(Key, u64, u32, &'a mut Words);

    impl Kernel for Draw<'_> {
        #[inline(always)]
        fn run(self) {
            words(self.0, self.1, self.2, 1, self.3);
        }
    }

    #[test]
    fn lanes_hold_the_scalar_words_at_every_level() {
        for level in Level::available() {
            // The second start crosses from the first counter word into the second.
            for (first, step) in [(0, 0), (u64::from(u32::MAX) - 5, 7), (u64::MAX - 3, u32::MAX)] {
                let (key, mut out) = (Key::named(first, &["lanes"], &[]), [[0; LANES]; 4]);
                level.run(Draw(key, first, step, &mut out));
                for lane in 0..LANES {
                    let expected = key.block(first.wrapping_add(lane as u64), step, 1);
                    assert_eq!([out[0][lane], out[1][lane], out[2][lane], out[3][lane]], expected);
                }
            }
        }
    }
}
