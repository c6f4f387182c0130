//! Numbers of any size, for products of a thousand ratios: a mantissa and a power of two, both kept exactly.

/// `mantissa · 2^exponent`, the mantissa in [1, 2), or zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub mantissa: f64,
    pub exponent: i32,
}

/// The exponent of zero. All others lie between it and its opposite, so that sums of two do not wrap.
const ZERO: i32 = i32::MIN / 2;

/// What moves numbers without an exponent of their own (below 2^-1022) among those that have one.
const LIFT: f64 = (1_u64 << 54) as f64;

impl Ratio {
    pub const ONE: Self = Self { mantissa: 1.0, exponent: 0 };
    pub const NONE: Self = Self { mantissa: 0.0, exponent: ZERO };

    /// A finite number that is not negative.
    #[inline]
    pub fn of(x: f64) -> Self {
        if x.is_normal() {
            let bits = x.to_bits();
            Self {
                mantissa: f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52)),
                exponent: (bits >> 52) as i32 - 1023,
            }
        } else if x == 0.0 || x.is_nan() {
            Self::NONE
        } else if x == f64::INFINITY {
            Self { mantissa: 1.0, exponent: 1024 }
        } else {
            let lifted = Self::of(x * LIFT);
            Self { exponent: lifted.exponent - 54, ..lifted }
        }
    }

    fn normal(mantissa: f64, exponent: i32) -> Self {
        if mantissa == 0.0 {
            return Self::NONE;
        }
        let own = Self::of(mantissa);
        Self { mantissa: own.mantissa, exponent: (own.exponent + exponent).clamp(ZERO + 1, -ZERO - 1) }
    }

    #[inline]
    pub fn times(self, other: Self) -> Self {
        Self::normal(self.mantissa * other.mantissa, self.exponent + other.exponent)
    }

    /// The other is not zero.
    #[inline]
    pub fn over(self, other: Self) -> Self {
        Self::normal(self.mantissa / other.mantissa, self.exponent - other.exponent)
    }

    pub fn plus(self, other: Self) -> Self {
        let scale = self.exponent.max(other.exponent);
        Self::normal(self.relative(scale) + other.relative(scale), scale)
    }

    #[inline]
    pub fn is_above(self, other: Self) -> bool {
        (self.exponent, self.mantissa) > (other.exponent, other.mantissa)
    }

    pub fn is_zero(self) -> bool {
        self.mantissa == 0.0
    }

    /// In units of `2^scale`, of its own size or larger; 0 where that is below 2^-1022.
    #[inline]
    pub fn relative(self, scale: i32) -> f64 {
        let shift = self.exponent.saturating_sub(scale);
        if shift < -1022 { 0.0 } else { self.mantissa * f64::from_bits(((shift + 1023) as u64) << 52) }
    }

    /// -∞ for zero.
    pub fn ln(self) -> f64 {
        if self.is_zero() {
            return f64::NEG_INFINITY;
        }
        libm::log(self.mantissa) + f64::from(self.exponent) * std::f64::consts::LN_2
    }
}

/// `x · 2^scale`, infinite where that is no double.
pub(crate) fn unscaled(scale: i32, x: f64) -> f64 {
    libm::scalbn(x, scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), Just(5e-324), Just(1e-310), Just(1.0), 0.0..1.0, (-300..0).prop_map(|e| 10_f64.powi(e))]
    }

    fn back(ratio: Ratio) -> f64 {
        unscaled(ratio.exponent, ratio.mantissa)
    }

    proptest! {
        #[test]
        fn it_is_the_number(a in number(), b in number()) {
            let (x, y) = (Ratio::of(a), Ratio::of(b));
            prop_assert_eq!(back(x), a);
            prop_assert!(x.is_zero() || (1.0..2.0).contains(&x.mantissa));
            prop_assert_eq!(x.is_above(y), a > b);
            prop_assert_eq!(back(x.plus(y)), a + b);
            // Exact where the double itself rounds only once.
            if (a * b).is_normal() {
                prop_assert_eq!(back(x.times(y)), a * b);
            }
            if (a / b).is_normal() {
                prop_assert_eq!(back(x.over(y)), a / b);
            }
        }
    }

    #[test]
    fn products_neither_vanish_nor_overflow() {
        let tiny = (0..10_000).fold(Ratio::ONE, |product, _| product.times(Ratio::of(1e-300)));
        let back = (0..10_000).fold(tiny, |product, _| product.over(Ratio::of(1e-300)));
        assert!((back.relative(0) - 1.0).abs() < 1e-11 && back.exponent.abs() <= 1);
        assert_eq!(tiny.relative(0), 0.0);
        assert!((tiny.ln() / (-3e6 * std::f64::consts::LN_10) - 1.0).abs() < 1e-12);
        let least = (0..2_000_000).fold(Ratio::ONE, |product, _| product.times(Ratio::of(1e-300)));
        assert!(least.is_above(Ratio::NONE) && !least.is_zero());
        let most = (0..2_000_000).fold(Ratio::ONE, |product, _| product.over(Ratio::of(1e-300)));
        let square = most.times(most).plus(Ratio::NONE);
        assert!(
            (1.0..2.0).contains(&square.relative(square.exponent)) && Ratio::NONE.relative(2 * most.exponent) == 0.0
        );
    }
}
