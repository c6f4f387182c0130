//! Where in the random stream a draw lies. The contract is in the crate's documentation.

use tiresias_model::random::Key;

/// What a draw is for: the last word of its Philox counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Draw 0 is the start state, draw `t + 1` the transition of stage `t`.
    State = 0,
    /// Draw `t + 1` is the observation that follows stage `t`.
    Observation = 1,
    /// Draw 0 picks a mixture's component, draw `t + 1` says whether stage `t` explores.
    Behaviour = 2,
    /// Draw `t + 1` is the random action of stage `t`.
    Action = 3,
    /// Draw `t + 1` is nature's choice at stage `t`.
    Nature = 4,
}

/// Draws a block holds.
pub(crate) const BLOCK: u32 = 4;

/// Draw `n` of an episode for a purpose: word `n mod 4` of the block at (episode, `n / 4`, purpose).
pub(crate) fn word(key: Key, episode: u64, purpose: Purpose, n: u32) -> u32 {
    key.block(episode, n / BLOCK, purpose as u32)[(n % BLOCK) as usize]
}

/// The draws of one episode for one purpose; keeps the block it read last.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    key: Key,
    episode: u64,
    purpose: Purpose,
    block: Option<u32>,
    words: [u32; BLOCK as usize],
}

impl Stream {
    pub(crate) fn new(key: Key, episode: u64, purpose: Purpose) -> Self {
        Self { key, episode, purpose, block: None, words: [0; BLOCK as usize] }
    }

    /// Draw `n`.
    pub(crate) fn word(&mut self, n: u32) -> u32 {
        let block = n / BLOCK;
        if self.block != Some(block) {
            self.words = self.key.block(self.episode, block, self.purpose as u32);
            self.block = Some(block);
        }
        self.words[(n % BLOCK) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_block_gives_the_words_of_the_counter_in_any_order() {
        let key = Key::named(7, &["stream"], &[]);
        let mut stream = Stream::new(key, 1 << 40, Purpose::Action);
        for n in [0, 1, 3, 4, 11, 10, 2, u32::MAX] {
            assert_eq!(stream.word(n), key.block(1 << 40, n >> 2, 3)[n as usize & 3]);
            assert_eq!(stream.word(n), word(key, 1 << 40, Purpose::Action, n));
        }
    }

    /// Correlations of 2^16 pairs of words lie within 5 standard deviations of 0, for every two purposes and places near by.
    #[test]
    fn purposes_stages_and_episodes_are_uncorrelated() {
        const EPISODES: u64 = 1 << 16;
        let purposes = [Purpose::State, Purpose::Observation, Purpose::Behaviour, Purpose::Action, Purpose::Nature];
        let key = Key::named(11, &["independence"], &[]);
        let centred = |x: u32| (f64::from(x) + 0.5) / 4_294_967_296.0 - 0.5;
        // Draws 3, 4 and 5 lie on both sides of a block's end.
        let places: Vec<_> = purposes.into_iter().flat_map(|p| [3, 4, 5].map(|n| (p, n))).collect();
        let columns: Vec<Vec<f64>> = places
            .iter()
            .map(|&(purpose, n)| (0..EPISODES).map(|e| centred(word(key, e, purpose, n))).collect())
            .collect();
        let near_zero = |products: &mut dyn Iterator<Item = f64>| {
            let correlation = 12.0 * products.sum::<f64>() / EPISODES as f64;
            assert!(correlation.abs() < 5.0 / (EPISODES as f64).sqrt(), "{correlation}");
        };
        for (i, x) in columns.iter().enumerate() {
            for y in &columns[..i] {
                near_zero(&mut x.iter().zip(y).map(|(x, y)| x * y));
            }
            near_zero(&mut x.iter().zip(x.iter().skip(1)).map(|(x, y)| x * y));
        }
    }
}
