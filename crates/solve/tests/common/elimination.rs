//! What a controller is worth, by linear equations.

use tiresias_model::Model;
use tiresias_solve::formats::Controller;

/// Where a controller is after an observation that it did not expect: where it was.
pub fn after(controller: &Controller, node: usize, observation: usize) -> usize {
    controller.nodes(0)[node].next[observation].map_or(node, |next| next as usize)
}

/// The value of each node and state, by elimination on the linear equations V = r + γ P V.
pub fn solved(model: &Model, controller: &Controller) -> Vec<f64> {
    let (s, n) = (model.states().len(), controller.nodes(0).len());
    let size = n * s;
    let mut rows = vec![vec![0.0; size + 1]; size];
    let dynamics = &model.dynamics()[0];
    for (node, from) in (0..n).flat_map(|node| (0..s).map(move |from| (node, from))) {
        let action = controller.nodes(0)[node].action as usize;
        let row = &mut rows[node * s + from];
        row[node * s + from] += 1.0;
        row[size] = model.expected_reward(0)[action * s + from];
        for (to, p) in dynamics.transition.pairs(action * s + from) {
            for (o, q) in dynamics.observation.as_ref().unwrap().pairs(action * s + to) {
                row[after(controller, node, o) * s + to] -= model.discount() * p * q;
            }
        }
    }
    for pivot in 0..size {
        let best = (pivot..size).max_by(|&a, &b| rows[a][pivot].abs().total_cmp(&rows[b][pivot].abs())).unwrap();
        rows.swap(pivot, best);
        let top = rows[pivot].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != pivot) {
            let factor = row[pivot] / top[pivot];
            row.iter_mut().zip(&top).for_each(|(value, top)| *value -= factor * top);
        }
    }
    (0..size).map(|i| rows[i][size] / rows[i][i]).collect()
}
