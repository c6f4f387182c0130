//! Nodes of a controller that do the same for ever, made one.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::controller::Node;

/// The coarsest controller that does, after every history, what this one does: nodes are equal when they take the same action and go
/// on to equal nodes, whatever is seen (Moore 1956). It loses nothing.
pub(super) fn refined(stages: &[Vec<Node>]) -> Vec<Vec<Node>> {
    let classes = if let [nodes] = stages { vec![forever(nodes)] } else { staged(stages) };
    let quotient = |(stage, nodes): (usize, &Vec<Node>)| {
        let after = classes.get(stage + usize::from(stages.len() > 1));
        let mut out: Vec<Node> = Vec::new();
        for (node, &class) in nodes.iter().zip(&classes[stage]) {
            // Classes are numbered as their first nodes come.
            if class as usize == out.len() {
                let next = node.next.iter().map(|next| next.map(|next| after.map_or(0, |after| after[next as usize])));
                out.push(Node { action: node.action, next: next.collect() });
            }
        }
        out
    };
    stages.iter().enumerate().map(quotient).collect()
}

/// The classes of the nodes of a graph that follows itself.
fn forever(nodes: &[Node]) -> Vec<u32> {
    let mut classes = numbered(nodes.iter().map(|node| node.action));
    let mut count = 0;
    // Ends: every pass but the last finds more classes, and there are no more than nodes.
    loop {
        let found = classes.iter().max().map_or(0, |most| most + 1);
        if found == count {
            return classes;
        }
        count = found;
        classes = numbered(nodes.iter().zip(&classes).map(|(node, class)| (*class, follow(node, &classes))));
    }
}

/// The classes of the nodes of each stage, the last first.
fn staged(stages: &[Vec<Node>]) -> Vec<Vec<u32>> {
    let mut classes: Vec<Vec<u32>> = Vec::with_capacity(stages.len());
    for nodes in stages.iter().rev() {
        let after = classes.last().map_or(&[][..], |after| after);
        classes.push(numbered(nodes.iter().map(|node| (node.action, follow(node, after)))));
    }
    classes.reverse();
    classes
}

/// The classes that follow a node; none after the last decision.
fn follow(node: &Node, after: &[u32]) -> Vec<Option<u32>> {
    node.next.iter().map(|next| next.and_then(|next| after.get(next as usize).copied())).collect()
}

/// Equal keys get equal numbers, in the order in which they first come.
fn numbered<K: Hash + Eq>(keys: impl Iterator<Item = K>) -> Vec<u32> {
    let mut numbers: FxHashMap<K, u32> = FxHashMap::default();
    keys.map(|key| {
        let next = numbers.len() as u32;
        *numbers.entry(key).or_insert(next)
    })
    .collect()
}
