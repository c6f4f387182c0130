//! What counts as a distribution, wherever one is given: in a model file of any format, as a start, as a belief.

use std::borrow::Cow;

/// How far the sum of a distribution may be from 1, by the decimals that were written: within it the numbers are divided by their
/// sum, beyond it they are refused.
pub const TOLERANCE: f64 = 1e-5;
/// A sum that is off by more than this is told of: binary fractions of decimals that sum to 1 are off by less.
const WORTH_SAYING: f64 = 1e-9;

/// What a sum says of its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// They are a distribution.
    One,
    /// They are one after division by their sum, and that is worth saying.
    Rounded,
    /// They are none.
    Wrong,
}

/// How far a sum of `terms` numbers may be from 1. Each number was rounded once when it was read, and the sum once for each term:
/// by half of `EPSILON` at most, so a row whose decimals are within [`TOLERANCE`] is never refused for what binary made of them.
fn within(terms: usize) -> f64 {
    TOLERANCE + (terms as f64 + 1.0) * f64::EPSILON
}

/// What to make of `sum`, the sum of `terms` numbers that are probabilities each.
pub fn judge(sum: f64, terms: usize) -> Sum {
    match (sum - 1.0).abs() {
        off if off <= WORTH_SAYING => Sum::One,
        off if off <= within(terms) => Sum::Rounded,
        // A sum that is no number comes here too.
        _ => Sum::Wrong,
    }
}

/// Whether a number may stand in a distribution; it may be above 1 by as much as a sum may.
#[inline]
pub fn is_probability(p: f64) -> bool {
    (0.0..=1.0 + TOLERANCE + 2.0 * f64::EPSILON).contains(&p)
}

/// What keeps numbers from being a distribution, in words; `None` where they are one, give or take their rounding.
pub fn problem(probabilities: &[f64]) -> Option<String> {
    if let Some(p) = probabilities.iter().find(|p| !p.is_finite() || **p < 0.0) {
        return Some(format!("holds {p}, which is not a probability"));
    }
    // The sum of nothing is -0, which nobody writes.
    let sum = probabilities.iter().sum::<f64>() + 0.0;
    (judge(sum, probabilities.len()) == Sum::Wrong).then(|| format!("{}, not 1", sums_to(sum)))
}

/// By how much a distribution is off, in words, where that is worth saying.
pub fn rounding(probabilities: &[f64]) -> Option<String> {
    let sum = probabilities.iter().sum::<f64>();
    (judge(sum, probabilities.len()) == Sum::Rounded).then(|| sums_to(sum))
}

/// The numbers as a distribution, divided by their sum where that is off by more than the last digits; what is wrong otherwise.
pub fn distribution(probabilities: &[f64]) -> Result<Cow<'_, [f64]>, String> {
    if let Some(problem) = problem(probabilities) {
        return Err(problem);
    }
    let mut numbers = Cow::Borrowed(probabilities);
    if is_off(probabilities) {
        renormalise(numbers.to_mut());
    }
    Ok(numbers)
}

/// A sum in words, without the digits that only binary fractions have.
pub(crate) fn sums_to(sum: f64) -> String {
    let short = (sum * 1e9).round() / 1e9;
    // A sum that is refused must not look like one that is not.
    if judge(short, 0) == judge(sum, 0) { format!("sums to {short}") } else { format!("sums to {sum}") }
}

fn is_off(probabilities: &[f64]) -> bool {
    (probabilities.iter().sum::<f64>() - 1.0).abs() > 1e-12
}

/// Divides by the sum, unless that is 1 up to rounding already: so a distribution written to a file reads back bit for bit.
pub(crate) fn renormalise(probabilities: &mut [f64]) {
    if is_off(probabilities) {
        let sum: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= sum);
    }
}
