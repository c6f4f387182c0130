//! Philox4x32-10 over lanes: the same words as [`Key::block`], for consecutive episodes.

use tiresias_model::random::Key;

use crate::stream::Purpose;

/// The four draws of a block in each of `L` lanes: `words[w][lane]`.
pub(crate) type Words<const L: usize> = [[u32; L]; 4];

/// Draws `4 · block ..` for `purpose` of episodes `first..first + L`.
///
/// Counter words are kept in the low halves of 64-bit lanes, whose high halves are never cleared: a widening multiplication
/// (`pmuludq`) reads low halves only, so a round is two products, two shifts and four exclusive ors a lane, at any vector width.
#[inline(always)]
pub(crate) fn words<const L: usize>(key: Key, first: u64, block: u32, purpose: Purpose, out: &mut Words<L>) {
    let [w0, w1, w2, w3] = out;
    for lane in 0..L {
        let episode = first.wrapping_add(lane as u64);
        let mut c = [episode, episode >> 32, u64::from(block), u64::from(purpose as u32)];
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
    use crate::level::{Isa, Kernel, Level};

    struct Draw<'a>(Key, u64, u32, &'a mut Words<64>);

    impl Kernel for Draw<'_> {
        #[inline(always)]
        fn run<I: Isa>(self, _: I) {
            words(self.0, self.1, self.2, Purpose::Observation, self.3);
        }
    }

    #[test]
    fn lanes_hold_the_scalar_words_at_every_level() {
        for level in Level::available() {
            // The second start crosses from the first counter word into the second.
            for (first, block) in [(0, 0), (u64::from(u32::MAX) - 5, 7), (u64::MAX - 3, u32::MAX)] {
                let (key, mut out) = (Key::named(first, &["lanes"], &[]), [[0; 64]; 4]);
                level.run(Draw(key, first, block, &mut out));
                for lane in 0..64 {
                    let expected = key.block(first.wrapping_add(lane as u64), block, 1);
                    assert_eq!([out[0][lane], out[1][lane], out[2][lane], out[3][lane]], expected);
                }
            }
        }
    }
}
