//! `NumPy`'s `RandomState(seed).shuffle`, number for number: for splits that other people's code fixed with it. Everything else
//! draws from [`crate::random`].

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// MT19937 (Matsumoto and Nishimura, "Mersenne twister", ACM Transactions on Modeling and Computer Simulation 8, 1998).
struct Twister {
    state: [u32; WORDS],
    next: usize,
}

impl Twister {
    fn new(seed: u32) -> Self {
        let mut state = [seed; WORDS];
        for i in 1..WORDS {
            let before = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9D2C_5680;
        y ^= (y << 15) & 0xEFC6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..WORDS {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7FFF_FFFF);
            let odd = if y & 1 == 1 { 0x9908_B0DF } else { 0 };
            self.state[i] = self.state[(i + MIDDLE) % WORDS] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// Uniform in `0..=most`: as many low bits as `most` has, drawn again while they are too large.
    fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.word() & mask;
            if value <= most {
                return value;
            }
        }
    }
}

/// Shuffles as `numpy.random.RandomState(seed).shuffle(items)` does: Fisher and Yates from the end. Fewer than 2^32 items.
pub(super) fn shuffle<T>(seed: u32, items: &mut [T]) {
    let mut twister = Twister::new(seed);
    for i in (1..items.len()).rev() {
        items.swap(i, twister.up_to(i as u32) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `MT19937()._legacy_seeding(seed)`, `random_raw` in `NumPy` 2.4.6; the first are also in the authors' own test output.
    #[test]
    fn words_are_numpys() {
        let words = |seed, n| {
            let mut twister = Twister::new(seed);
            (0..n).map(|_| twister.word()).collect::<Vec<_>>()
        };
        assert_eq!(words(5489, 3), [3_499_211_612, 581_869_302, 3_890_346_734]);
        assert_eq!(words(0, 3), [2_357_136_044, 2_546_248_239, 3_071_714_933]);
        assert_eq!(words(0, 1003)[1002], 1_602_172_539);
    }

    /// `RandomState(seed).permutation(n)` in `NumPy` 2.4.6.
    #[test]
    fn shuffles_are_numpys() {
        let mut items: Vec<u64> = (0..12).collect();
        shuffle(7, &mut items);
        assert_eq!(items, [7, 10, 2, 5, 0, 1, 11, 8, 3, 6, 9, 4]);
        let mut items: Vec<u64> = (0..1000).collect();
        shuffle(u32::MAX, &mut items);
        assert_eq!(items[..5], [94, 405, 819, 632, 217]);
        assert_eq!(items.iter().zip(0..).map(|(a, b)| a * b).sum::<u64>(), 249_935_792);
        shuffle(1, &mut items[..0]);
    }
}
