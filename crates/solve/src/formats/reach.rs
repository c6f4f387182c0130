//! Which nodes of a controller can be reached, and numbers for these alone.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::controller::Node;

/// By stage, the nodes that can be reached from node `start` of the first one, in the order in which they are. Where there is one
/// stage it follows itself.
pub(super) fn reached(stages: &[Vec<Node>], start: u32) -> Vec<Vec<u32>> {
    let staged = usize::from(stages.len() > 1);
    let mut known: Vec<Vec<bool>> = stages.iter().map(|nodes| vec![false; nodes.len()]).collect();
    let mut order: Vec<Vec<u32>> = vec![Vec::new(); stages.len()];
    let mut open = VecDeque::from([(0, start)]);
    known[0][start as usize] = true;
    order[0].push(start);
    // Ends: each node is met once.
    while let Some((stage, node)) = open.pop_front() {
        let after = stage + staged;
        if after == stages.len() {
            continue;
        }
        for &next in stages[stage][node as usize].next.iter().flatten() {
            if !std::mem::replace(&mut known[after][next as usize], true) {
                order[after].push(next);
                open.push_back((after, next));
            }
        }
    }
    order
}

/// The nodes of `order` alone, numbered in that order. A successor that is not among them is none.
pub(super) fn renumbered(stages: &[Vec<Node>], order: &[Vec<u32>]) -> Vec<Vec<Node>> {
    let staged = usize::from(stages.len() > 1);
    let numbers: Vec<FxHashMap<u32, u32>> =
        order.iter().map(|nodes| nodes.iter().copied().zip(0..).collect()).collect();
    let renumbered = |(stage, nodes): (usize, &Vec<u32>)| {
        let number = |next: &Option<u32>| next.and_then(|next| numbers.get(stage + staged)?.get(&next).copied());
        let node = |&node: &u32| {
            let Node { action, next } = &stages[stage][node as usize];
            Node { action: *action, next: next.iter().map(number).collect() }
        };
        nodes.iter().map(node).collect()
    };
    order.iter().enumerate().map(renumbered).collect()
}
