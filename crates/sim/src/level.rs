//! Run-time choice of the SIMD level: one binary from baseline x86-64 to AVX-512.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use thiserror::Error;

pub(crate) use crate::isa::Isa;
use crate::isa::Portable;

/// The environment variable that caps the level: `baseline`, `avx2` or `avx512`.
pub const LEVEL_VARIABLE: &str = "TIRESIAS_SIMD";

/// Which instructions the lane loops are compiled for. The loops are portable Rust, compiled once a level, with look-ups in vector
/// registers from AVX2 on; every level gives the same numbers, bit for bit, because no level fuses, reorders or approximates an
/// operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every machine of the target has: SSE2 on x86-64, NEON on aarch64.
    Baseline,
    /// x86-64-v3: 256-bit integers.
    Avx2,
    /// x86-64-v4: 512-bit vectors and masks.
    Avx512,
}

/// A level's name that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("SIMD level {0:?}: expected baseline, avx2 or avx512")]
pub struct LevelError(String);

/// A loop to compile for every level. `run` must be `#[inline(always)]`, and so must all that it calls in its loops: only what
/// is inlined into the level's own function is compiled with its instructions.
pub(crate) trait Kernel {
    fn run<I: Isa>(self, isa: I);
}

#[cfg(target_arch = "x86_64")]
struct Op<K, I>(K, I);

#[cfg(target_arch = "x86_64")]
impl<K: Kernel, I: Isa> pulp::NullaryFnOnce for Op<K, I> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.0.run(self.1);
    }
}

impl Level {
    /// The levels of this machine, lowest first.
    pub fn available() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        let (avx2, avx512) = (pulp::x86::V3::try_new().is_some(), pulp::x86::V4::try_new().is_some());
        #[cfg(not(target_arch = "x86_64"))]
        let (avx2, avx512) = (false, false);
        let levels = [(Self::Baseline, true), (Self::Avx2, avx2), (Self::Avx512, avx512)];
        levels.into_iter().filter_map(|(level, there)| there.then_some(level)).collect()
    }

    /// The highest level of this machine that [`LEVEL_VARIABLE`] allows; a value that cannot be read allows all. Read once.
    pub fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| {
            let cap = std::env::var(LEVEL_VARIABLE).ok().and_then(|name| name.parse().ok()).unwrap_or(Self::Avx512);
            Self::available().into_iter().filter(|&level| level <= cap).max().unwrap_or(Self::Baseline)
        })
    }

    /// Runs a kernel compiled for this level, or for baseline where the machine lacks it.
    pub(crate) fn run(self, kernel: impl Kernel) {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Baseline => {}
            Self::Avx2 => {
                if let Some(simd) = pulp::x86::V3::try_new() {
                    return simd.vectorize(Op(kernel, simd));
                }
            }
            Self::Avx512 => {
                if let Some(simd) = pulp::x86::V4::try_new() {
                    return simd.vectorize(Op(kernel, simd));
                }
            }
        }
        kernel.run(Portable);
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::best()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(name: &str) -> Result<Self, LevelError> {
        let levels = [Self::Baseline, Self::Avx2, Self::Avx512];
        levels.into_iter().find(|level| level.to_string() == name).ok_or_else(|| LevelError(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_the_best_is_available() {
        for level in Level::available() {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!(Level::available().contains(&Level::best()));
        assert!("sse9".parse::<Level>().unwrap_err().to_string().contains("sse9"));
    }
}
