//! The exact value of a stationary policy: `(I - γ P_π) V = r_π`.

use tiresias_model::Model;

use crate::Stopped;

/// `V_π` of the policy `actions` under the only model of the cloud, into `value`. O(S³) time, 8 S² bytes.
///
/// Gaussian elimination in the given order: the matrix is strictly diagonally dominant by rows, so that no pivot is small and no
/// entry grows beyond twice its size (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, Theorem 9.9).
pub(crate) fn exact_values(
    model: &Model,
    actions: &[u32],
    value: &mut [f64],
    pause: &mut dyn FnMut() -> Option<Stopped>,
) -> Result<(), Stopped> {
    let s = actions.len();
    let (transition, reward) = (&model.dynamics()[0].transition, model.expected_reward(0));
    let mut matrix = vec![0.0; s * s];
    for (state, &action) in actions.iter().enumerate() {
        let row = action as usize * s + state;
        value[state] = reward[row];
        matrix[state * s + state] = 1.0;
        transition.pairs(row).for_each(|(to, p)| matrix[state * s + to] -= model.discount() * p);
    }
    for pivot in 0..s {
        if let Some(reason) = if pivot % 16 == 15 { pause() } else { None } {
            return Err(reason);
        }
        let (done, below) = matrix.split_at_mut((pivot + 1) * s);
        let row = &done[pivot * s..];
        for (i, other) in below.chunks_exact_mut(s).enumerate().filter(|(_, other)| other[pivot] != 0.0) {
            let factor = other[pivot] / row[pivot];
            other[pivot..].iter_mut().zip(&row[pivot..]).for_each(|(o, r)| *o -= factor * r);
            value[pivot + 1 + i] -= factor * value[pivot];
        }
    }
    for state in (0..s).rev() {
        let row = &matrix[state * s..][..s];
        let known: f64 = row[state + 1..].iter().zip(&value[state + 1..]).map(|(m, v)| m * v).sum();
        value[state] = (value[state] - known) / row[state];
    }
    Ok(())
}
