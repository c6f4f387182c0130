//! The fixed point of an affine map, where sweeping would take for ever.
//!
//! A sweep of `x ← c + γ P x` takes the (1 - γ)-th part off what is missing; the restarted GMRES method (Saad and Schultz, SIAM J. Sci. Stat.
//! Comput. 1986) needs as many sweeps as `P` has eigenvalues that matter. What it comes to is no bound: who needs one looks at what a
//! last sweep changes.

use crate::limits::{Late, Watch};

/// Directions that are kept between two restarts: that many copies of `x`.
pub(crate) const DIRECTIONS: usize = 48;
/// Restarts, each of which has to take off half of what is missing.
const RESTARTS: usize = 40;
/// What is missing is rounding, as a share of the largest value.
const ROUNDING: f64 = 1e-15;
/// Whatever is missing by less is nothing: its squares and quotients would not be numbers.
const NOTHING: f64 = 1e-290;
/// A direction that is left with less than this share of its length is made of those before.
const DEPENDENT: f64 = 1e-13;

/// Takes `x` closer to the fixed point of `map`, which writes what it makes of its first argument into its second, is affine, and reads `cost`
/// numbers. O(directions · (cost + directions · length)) a restart.
pub(crate) fn fixed_point(
    map: &mut dyn FnMut(&[f64], &mut [f64]),
    cost: usize,
    x: &mut [f64],
    watch: &Watch,
) -> Result<(), Late> {
    let mut constant = vec![0.0; x.len()];
    map(&vec![0.0; x.len()], &mut constant);
    let mut missing = vec![0.0; x.len()];
    let mut last = f64::INFINITY;
    for _ in 0..RESTARTS {
        map(x, &mut missing);
        missing.iter_mut().zip(&*x).for_each(|(m, x)| *m -= x);
        let largest = missing.iter().fold(0.0_f64, |most, m| most.max(m.abs()));
        let scale = x.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let gains = largest <= 0.5 * last;
        if largest <= ROUNDING * scale || largest <= NOTHING || !gains {
            break;
        }
        last = largest;
        let step = correction(map, cost, &constant, &missing, watch)?;
        x.iter_mut().zip(step).for_each(|(x, step)| *x += step);
    }
    Ok(())
}

/// What to add so that least is missing, out of the directions that the map makes of what is missing.
fn correction(
    map: &mut dyn FnMut(&[f64], &mut [f64]),
    cost: usize,
    constant: &[f64],
    missing: &[f64],
    watch: &Watch,
) -> Result<Vec<f64>, Late> {
    let length = norm(missing);
    let mut basis = vec![scaled(missing, 1.0 / length)];
    // By column: the upper triangle that rotations make of the projections, and what they make of the right side.
    let mut triangle: Vec<Vec<f64>> = Vec::new();
    let mut rotations: Vec<(f64, f64)> = Vec::new();
    let mut right = vec![length];
    let mut next = vec![0.0; missing.len()];
    while triangle.len() < DIRECTIONS.min(missing.len()) {
        watch.spend(cost + missing.len() * (4 + triangle.len()))?;
        let from = &basis[triangle.len()];
        map(from, &mut next);
        next.iter_mut().zip(from).zip(constant).for_each(|((next, from), constant)| *next = from - (*next - constant));
        let before = norm(&next);
        let mut column: Vec<f64> = Vec::with_capacity(basis.len() + 1);
        for old in &basis {
            let part: f64 = old.iter().zip(&next).map(|(a, b)| a * b).sum();
            next.iter_mut().zip(old).for_each(|(next, old)| *next -= part * old);
            column.push(part);
        }
        let rest = norm(&next);
        for (i, &(cos, sin)) in rotations.iter().enumerate() {
            let (a, b) = (column[i], column[i + 1]);
            (column[i], column[i + 1]) = (cos * a + sin * b, cos * b - sin * a);
        }
        let done = rest <= DEPENDENT * before;
        let (a, b) = (column[triangle.len()], if done { 0.0 } else { rest });
        let size = a.hypot(b);
        if size == 0.0 {
            break;
        }
        let (cos, sin) = (a / size, b / size);
        column[triangle.len()] = size;
        rotations.push((cos, sin));
        let old = right[triangle.len()];
        right[triangle.len()] = cos * old;
        right.push(-sin * old);
        triangle.push(column);
        if done || right[triangle.len()].abs() <= ROUNDING * length {
            break;
        }
        basis.push(scaled(&next, 1.0 / rest));
    }
    // Backwards through the triangle.
    let mut weights = right[..triangle.len()].to_vec();
    for i in (0..weights.len()).rev() {
        let known: f64 = (i + 1..weights.len()).map(|j| triangle[j][i] * weights[j]).sum();
        weights[i] = (weights[i] - known) / triangle[i][i];
    }
    let mut step = vec![0.0; missing.len()];
    for (direction, weight) in basis.iter().zip(weights) {
        step.iter_mut().zip(direction).for_each(|(step, d)| *step += weight * d);
    }
    Ok(step)
}

fn norm(of: &[f64]) -> f64 {
    // The largest entry apart, so that no square overflows or vanishes.
    let largest = of.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    if largest == 0.0 { 0.0 } else { largest * of.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt() }
}

fn scaled(of: &[f64], by: f64) -> Vec<f64> {
    of.iter().map(|x| x * by).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fixed_point;
    use crate::limits::Watch;
    use crate::{Limits, no_hook};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A random chain at any discount: what comes out changes by rounding only when the map is applied once more.
        #[test]
        fn what_comes_out_stays(
            (states, weights, rewards) in (1_usize..70).prop_flat_map(|n| (
                Just(n),
                proptest::collection::vec(0.0_f64..1.0, n * n),
                proptest::collection::vec(-100.0_f64..100.0, n),
            )),
            sparse in any::<bool>(),
            nines in 1_i32..7,
        ) {
            let discount = 1.0 - 10.0_f64.powi(-nines);
            let chain: Vec<Vec<f64>> = weights
                .chunks(states)
                .map(|row| {
                    let row: Vec<f64> = row.iter().map(|w| if sparse && *w < 0.9 { 1e-9 } else { *w + 1e-9 }).collect();
                    let sum: f64 = row.iter().sum();
                    row.into_iter().map(|w| w / sum).collect()
                })
                .collect();
            let mut map = |x: &[f64], out: &mut [f64]| {
                for ((out, row), reward) in out.iter_mut().zip(&chain).zip(&rewards) {
                    *out = reward + discount * row.iter().zip(x).map(|(p, x)| p * x).sum::<f64>();
                }
            };
            let limits = Limits::default();
            let mut x = vec![0.0; states];
            prop_assert!(fixed_point(&mut map, states * states, &mut x, &Watch::new(&limits, &no_hook)).is_ok());
            let mut after = x.clone();
            map(&x, &mut after);
            let scale = x.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
            for (x, after) in x.iter().zip(after) {
                prop_assert!((x - after).abs() <= 1e-11 * scale, "{x} {after} of {scale}");
            }
        }
    }
}
