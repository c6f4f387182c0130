//! Where a controller is when it is started in node 0: in which nodes and states, and how often.

use tiresias_model::Model;

use super::controller::Node;

/// What is left of the visits to come when counting stops, as a share of all.
const LEFT: f64 = 1e-4;

/// Discounted visits by stage of the values, `[node][state]`: with a horizon one a decision, without one all decisions together. They
/// are those of one more decision after the other until less than a ten thousandth is left.
pub(super) fn visits(stages: &[Vec<Node>], model: &Model) -> Vec<Vec<f64>> {
    let discount = model.discount();
    let mut now = start(stages, model);
    let Some(horizon) = model.horizon() else {
        let (mut sum, mut left) = (now.clone(), discount);
        // Ends: less is left after every decision, and the discount is below 1 where there is no horizon.
        while left > LEFT {
            now = step(&stages[0], &now, stages[0].len(), model);
            sum.iter_mut().zip(&now).for_each(|(sum, now)| *sum += now);
            left *= discount;
        }
        return vec![sum];
    };
    let layer = |stage: usize| &stages[if stages.len() == 1 { 0 } else { stage }];
    let mut all = Vec::with_capacity(horizon);
    for stage in 1..horizon {
        let next = step(layer(stage - 1), &now, layer(stage).len(), model);
        all.push(std::mem::replace(&mut now, next));
    }
    all.push(now);
    all
}

/// The same nodes without the successors that no history leads to.
pub(super) fn support(stages: &[Vec<Node>], model: &Model) -> Vec<Vec<Node>> {
    let states = model.states().len();
    let mut known: Vec<Vec<bool>> = stages.iter().map(|nodes| vec![false; nodes.len() * states]).collect();
    let mut bare = stages.to_vec();
    bare.iter_mut().flatten().for_each(|node| node.next.fill(None));
    let mut open: Vec<(usize, usize)> = (0..states).filter(|&s| model.start()[s] > 0.0).map(|s| (0, s)).collect();
    open.iter().for_each(|&(_, place)| known[0][place] = true);
    // Ends: each node is met once in each state.
    while let Some((stage, place)) = open.pop() {
        let (number, from) = (place / states, place % states);
        let node = &stages[stage][number];
        let after = stage + usize::from(stages.len() > 1);
        for (o, to, _) in outcomes(model, node.action as usize, from) {
            let Some(next) = node.next[o] else { continue };
            bare[stage][number].next[o] = Some(next);
            let place = next as usize * states + to;
            if !std::mem::replace(&mut known[after][place], true) {
                open.push((after, place));
            }
        }
    }
    bare
}

fn start(stages: &[Vec<Node>], model: &Model) -> Vec<f64> {
    let mut mass = vec![0.0; stages[0].len() * model.states().len()];
    mass[..model.states().len()].copy_from_slice(model.start());
    mass
}

/// The discounted mass over `after` nodes and all states after one decision.
fn step(nodes: &[Node], mass: &[f64], after: usize, model: &Model) -> Vec<f64> {
    let states = model.states().len();
    let mut next = vec![0.0; after * states];
    for (node, mass) in nodes.iter().zip(mass.chunks_exact(states)) {
        for (from, &mass) in mass.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
            for (o, to, p) in outcomes(model, node.action as usize, from) {
                if let Some(node) = node.next[o] {
                    next[node as usize * states + to] += model.discount() * mass * p;
                }
            }
        }
    }
    next
}

/// What may follow an action in a state: observation, next state and probability.
fn outcomes(model: &Model, action: usize, from: usize) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
    let states = model.states().len();
    let dynamics = &model.dynamics()[0];
    let kernel = dynamics.observation.as_ref().expect("checked: a POMDP");
    dynamics
        .transition
        .pairs(action * states + from)
        .flat_map(move |(to, p)| kernel.pairs(action * states + to).map(move |(o, q)| (o, to, p * q)))
}
