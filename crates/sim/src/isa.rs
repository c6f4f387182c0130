//! Look-ups that a vector unit makes in registers, 16 lanes at a time.
//!
//! Everything else in this crate is portable loops that the compiler vectorises; a look-up in a table is what it cannot: it would
//! read memory a lane at a time. Permutations do 16 lanes in 1 (AVX-512) to 14 (AVX2, 32 entries) instructions. The instructions
//! come as safe functions of a proof that the machine has them (`pulp`).

#[cfg(target_arch = "x86_64")]
use pulp::{
    cast,
    x86::{V3, V4},
};

/// Lanes looked up together.
pub(crate) const GROUP: usize = 16;

/// The instructions of a SIMD level beyond what the compiler finds by itself.
pub(crate) trait Isa: Copy {
    /// Whether look-ups of words are made in registers.
    const WORDS: bool;
    /// Whether look-ups of doubles are.
    const REALS: bool;

    /// `table[index[lane]]`. `N` is 16 or 32, and every index is below it.
    fn words<const N: usize>(self, table: &[u32; N], index: [u32; GROUP]) -> [u32; GROUP];

    /// `table[index[lane]]`, `N` as for words.
    fn reals<const N: usize>(self, table: &[f64; N], index: [u8; GROUP]) -> [f64; GROUP];
}

/// `table[index[lane]]`, in registers where the machine can and the table is short.
#[inline(always)]
pub(crate) fn look_up<I: Isa, const L: usize>(isa: I, table: &[u32], index: &[u32; L], out: &mut [u32; L]) {
    let ((indices, _), (outs, _)) = (index.as_chunks::<GROUP>(), out.as_chunks_mut::<GROUP>());
    if I::WORDS
        && let Ok(table) = <&[u32; 16]>::try_from(table)
    {
        for (out, index) in outs.iter_mut().zip(indices) {
            *out = isa.words(table, *index);
        }
    } else if I::WORDS
        && let Ok(table) = <&[u32; 32]>::try_from(table)
    {
        for (out, index) in outs.iter_mut().zip(indices) {
            *out = isa.words(table, *index);
        }
    } else {
        for (out, &index) in out.iter_mut().zip(index) {
            *out = table[index as usize];
        }
    }
}

/// What every machine of the target has: look-ups go through memory.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Isa for Portable {
    const WORDS: bool = false;
    const REALS: bool = false;

    #[inline(always)]
    fn words<const N: usize>(self, table: &[u32; N], index: [u32; GROUP]) -> [u32; GROUP] {
        index.map(|i| table[i as usize])
    }

    #[inline(always)]
    fn reals<const N: usize>(self, table: &[f64; N], index: [u8; GROUP]) -> [f64; GROUP] {
        index.map(|i| table[usize::from(i)])
    }
}

/// `table[index[lane]]` of 2 or 4 eights: bits 3 and 4 of an index choose among them, moved to the sign, which a blend reads.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn among_eights(simd: V3, table: &[[u32; 8]], index: [u32; 8]) -> [u32; 8] {
    let index = cast(index);
    let bit3 = cast(simd.avx2._mm256_slli_epi32::<28>(index));
    let bit4 = cast(simd.avx2._mm256_slli_epi32::<27>(index));
    let a = cast(simd.avx2._mm256_permutevar8x32_epi32(cast(table[0]), index));
    let b = cast(simd.avx2._mm256_permutevar8x32_epi32(cast(table[1]), index));
    let low = simd.avx._mm256_blendv_ps(a, b, bit3);
    if table.len() == 2 {
        return cast(low);
    }
    let a = cast(simd.avx2._mm256_permutevar8x32_epi32(cast(table[2]), index));
    let b = cast(simd.avx2._mm256_permutevar8x32_epi32(cast(table[3]), index));
    let high = simd.avx._mm256_blendv_ps(a, b, bit3);
    cast(simd.avx._mm256_blendv_ps(low, high, bit4))
}

#[cfg(target_arch = "x86_64")]
impl Isa for V3 {
    const WORDS: bool = true;
    const REALS: bool = false;

    #[inline(always)]
    fn words<const N: usize>(self, table: &[u32; N], index: [u32; GROUP]) -> [u32; GROUP] {
        let (eights, _) = table.as_chunks::<8>();
        let [low, high]: [[u32; 8]; 2] = cast(index);
        cast([among_eights(self, eights, low), among_eights(self, eights, high)])
    }

    #[inline(always)]
    fn reals<const N: usize>(self, table: &[f64; N], index: [u8; GROUP]) -> [f64; GROUP] {
        Portable.reals(table, index)
    }
}

#[cfg(target_arch = "x86_64")]
impl Isa for V4 {
    const WORDS: bool = true;
    const REALS: bool = true;

    #[inline(always)]
    fn words<const N: usize>(self, table: &[u32; N], index: [u32; GROUP]) -> [u32; GROUP] {
        let (parts, _) = table.as_chunks::<16>();
        let index = cast(index);
        cast(if N == 16 {
            self.avx512f._mm512_permutexvar_epi32(index, cast(parts[0]))
        } else {
            self.avx512f._mm512_permutex2var_epi32(cast(parts[0]), index, cast(parts[1]))
        })
    }

    #[inline(always)]
    fn reals<const N: usize>(self, table: &[f64; N], index: [u8; GROUP]) -> [f64; GROUP] {
        let (eights, _) = table.as_chunks::<8>();
        let mut wide = [[0u64; 8]; 2];
        for lane in 0..GROUP {
            wide[lane / 8][lane % 8] = u64::from(index[lane]);
        }
        cast([reals_among_eights(self, eights, wide[0]), reals_among_eights(self, eights, wide[1])])
    }
}

/// `table[index[lane]]` of 2 or 4 eights: bit 4 of an index chooses among pairs of them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn reals_among_eights(simd: V4, table: &[[f64; 8]], index: [u64; 8]) -> [f64; 8] {
    let index = cast(index);
    let low = simd.avx512f._mm512_permutex2var_pd(cast(table[0]), index, cast(table[1]));
    if table.len() == 2 {
        return cast(low);
    }
    let high = simd.avx512f._mm512_permutex2var_pd(cast(table[2]), index, cast(table[3]));
    let bit4 = simd.avx512f._mm512_test_epi64_mask(index, cast([16u64; 8]));
    cast(simd.avx512f._mm512_mask_blend_pd(bit4, low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::{Kernel, Level};

    struct Check;

    impl Kernel for Check {
        #[inline(always)]
        fn run<I: Isa>(self, isa: I) {
            let short: [u32; 16] = std::array::from_fn(|i| 0x8000_0001 + 7 * i as u32);
            let long: [u32; 32] = std::array::from_fn(|i| u32::MAX - (i * i) as u32);
            let few: [f64; 16] = std::array::from_fn(|i| -0.5 * i as f64);
            let many: [f64; 32] = std::array::from_fn(|i| 0.25 * i as f64);
            for turn in 0..32 {
                let index: [u32; 16] = std::array::from_fn(|i| (5 * i as u32 + turn) % 32);
                assert_eq!(isa.words(&long, index), index.map(|i| long[i as usize]));
                let bytes = index.map(|i| i as u8);
                assert_eq!(isa.reals(&many, bytes), bytes.map(|i| many[usize::from(i)]));
                let index = index.map(|i| i % 16);
                assert_eq!(isa.words(&short, index), index.map(|i| short[i as usize]));
                let bytes = index.map(|i| i as u8);
                assert_eq!(isa.reals(&few, bytes), bytes.map(|i| few[usize::from(i)]));
            }
        }
    }

    #[test]
    fn every_level_looks_up_what_the_table_holds() {
        Level::available().into_iter().for_each(|level| level.run(Check));
    }
}
