//! From lanes side by side to episodes one after the other.

/// Stages kept side by side before they are turned.
pub(crate) const TILE: usize = 16;

/// Writes stages `from..from + stages` of every episode of an `episodes × horizon` block of bytes, 8 stages of 8 lanes as one 8 × 8
/// transposition in 64-bit words (Warren, "Hacker's Delight", 7-3), all groups of 8 lanes at once: 72 operations for 64 bytes in
/// each of as many words as a vector holds.
///
/// Tiles must come in the order of their stages: every row is written as 16 bytes where what follows it in the block is yet to be
/// written.
#[inline(always)]
pub(crate) fn turn<const L: usize>(
    plane: &[[u8; L]; TILE],
    (episodes, horizon): (usize, usize),
    (from, stages): (usize, usize),
    block: &mut [u8],
) {
    let mut turned = [[[0; 8]; 8]; TILE / 8];
    for (half, words) in turned.iter_mut().enumerate().take(stages.div_ceil(8)) {
        for stage in 0..8 {
            let (groups, _) = plane[8 * half + stage].as_chunks::<8>();
            for group in 0..L / 8 {
                words[stage][group] = u64::from_le_bytes(groups[group]);
            }
        }
        swap::<1>(words, 0x00FF_00FF_00FF_00FF);
        swap::<2>(words, 0x0000_FFFF_0000_FFFF);
        swap::<4>(words, 0x0000_0000_FFFF_FFFF);
    }
    // What 16 bytes write too much lies in the same row's next tile, or (in a row of one tile) in the next row.
    let spills = from == 0 || from + TILE <= horizon;
    for lane in 0..episodes.min(L) {
        let words = [turned[0][lane % 8][lane / 8].to_le_bytes(), turned[1][lane % 8][lane / 8].to_le_bytes()];
        let rest = &mut block[lane * horizon + from..];
        match rest.first_chunk_mut::<TILE>() {
            Some(row) if spills => {
                // Word by word: read back as 16 bytes, two stores of 8 would have to reach the cache first.
                let (row, _) = row.as_chunks_mut::<8>();
                (row[0], row[1]) = (words[0], words[1]);
            }
            _ => (0..stages.min(TILE)).for_each(|t| rest[t] = words[t / 8][t % 8]),
        }
    }
}

/// Exchanges the high half of every `2 · D` bytes in word `i` with the low half in word `i + D`.
#[inline(always)]
fn swap<const D: usize>(words: &mut [[u64; 8]; 8], low: u64) {
    for i in 0..8 {
        if i & D == 0 {
            for group in 0..8 {
                let (a, b) = (words[i][group], words[i + D][group]);
                let t = ((a >> (8 * D)) ^ b) & low;
                words[i][group] = a ^ (t << (8 * D));
                words[i + D][group] = b ^ t;
            }
        }
    }
}

/// [`turn`] for wider numbers, a lane at a time. Not inlined: such moves gain nothing from vectors, and here they have all registers.
#[inline(never)]
pub(crate) fn spread<T: Copy>(
    (episodes, horizon): (usize, usize),
    (from, stages): (usize, usize),
    block: &mut [T],
    value: impl Fn(usize, usize) -> T,
) {
    let stages = stages.min(TILE);
    for lane in 0..episodes {
        let row = &mut block[lane * horizon + from..][..stages];
        for t in 0..stages {
            row[t] = value(t, lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_any_shape_is_its_transposition() {
        for (episodes, horizon) in [(1, 1), (64, 1), (3, 7), (64, 10), (64, 15), (5, 16), (63, 17), (64, 40), (2, 100)]
        {
            let byte = |lane: usize, stage: usize| (lane * 31 + stage * 7 + 1) as u8;
            let mut block = vec![0; episodes * horizon];
            let mut from = 0;
            while from < horizon {
                // The first tile is one stage shorter, as in a rollout.
                let stages = if from == 0 { TILE - 1 } else { TILE }.min(horizon - from);
                let plane: [[u8; 64]; TILE] = std::array::from_fn(|t| {
                    std::array::from_fn(|lane| if t < stages { byte(lane, from + t) } else { 0xEE })
                });
                turn(&plane, (episodes, horizon), (from, stages), &mut block);
                from += stages;
            }
            for (i, &found) in block.iter().enumerate() {
                assert_eq!(found, byte(i / horizon, i % horizon), "{episodes} × {horizon}, step {i}");
            }
        }
    }
}
