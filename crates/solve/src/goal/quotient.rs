//! A process with its end components drawn together, so that equations have one solution.
//!
//! Where nothing is gained and nothing ends, a policy may go round for ever: any value is a fixed point there. All nodes of such a component
//! are worth the same, as each is reached surely and for nothing from each, so that they are one class, which has the actions that lead out
//! (de Alfaro 1997; Haddad and Monmege, TCS 2018).

use std::ops::Range;

use super::components::{NONE, components, end_components};
use super::process::{Aim, Process};
use crate::limits::{Late, Watch};

/// What a class is, where it is not worked out from its actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its value is that of its actions.
    Open,
    /// A leaf, with a value of its own.
    Leaf,
    /// The goal can be avoided for ever, and is.
    Never,
    /// The process need not end, and then counts as infinite.
    Infinite,
}

/// Classes of nodes, and their actions without those that stay within.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quotient {
    /// By node.
    pub class: Vec<u32>,
    /// By class.
    pub fate: Vec<Fate>,
    first: Vec<u32>,
    /// By action: which it is in the process, what it gains, and whether it may end; both by turns that leave the class.
    original: Vec<u32>,
    gain: Vec<f64>,
    ends: Vec<bool>,
    offset: Vec<u32>,
    next: Vec<u32>,
    probability: Vec<f64>,
    /// Classes, what they lead to first; and where each set of those that lead to one another begins.
    order: Vec<u32>,
    blocks: Vec<u32>,
}

impl Quotient {
    /// O(nodes + transitions) for each round that end components take.
    pub fn new(process: &Process, aim: Aim, watch: &Watch) -> Result<Self, Late> {
        let idle = |action: usize| aim == Aim::MaxReward || process.gain(action) == 0.0;
        let component = end_components(process, idle, watch)?;
        let nodes = process.nodes();
        let mut this = Self { class: vec![NONE; nodes], first: vec![0], offset: vec![0], ..Self::default() };
        let mut of_component = vec![NONE; nodes];
        for node in 0..nodes {
            let together = component[node] != NONE;
            let known = if together { of_component[component[node] as usize] } else { NONE };
            if known != NONE {
                this.class[node] = known;
                continue;
            }
            this.class[node] = this.fate.len() as u32;
            if together {
                of_component[component[node] as usize] = this.class[node];
            }
            this.fate.push(match (together, aim) {
                _ if process.is_leaf(node) => Fate::Leaf,
                (true, Aim::MinReach) => Fate::Never,
                (true, Aim::MaxReward) => Fate::Infinite,
                _ => Fate::Open,
            });
        }
        let members = this.members();
        for class in 0..this.fate.len() {
            for &node in members.of(class) {
                for action in process.actions(node as usize) {
                    watch.spend(4)?;
                    this.push_action(process, class, action);
                }
            }
            this.first.push(this.original.len() as u32);
        }
        this.sort(watch)?;
        Ok(this)
    }

    /// Keeps an action, unless it never leaves the class. Those that only may stay are taken again until they leave.
    fn push_action(&mut self, process: &Process, class: usize, action: usize) {
        let start = self.next.len();
        let mut leaves = process.end(action);
        let mut stays = 0.0;
        for (node, p) in process.successors(action) {
            if self.class[node] as usize == class {
                stays += p;
            } else {
                leaves += p;
                self.next.push(self.class[node]);
                self.probability.push(p);
            }
        }
        if leaves == 0.0 {
            return;
        }
        let times = if stays == 0.0 { 1.0 } else { 1.0 / leaves };
        self.probability[start..].iter_mut().for_each(|p| *p *= times);
        self.original.push(action as u32);
        self.gain.push(process.gain(action) * times);
        self.ends.push(process.end(action) > 0.0);
        self.offset.push(self.next.len() as u32);
    }

    fn sort(&mut self, watch: &Watch) -> Result<(), Late> {
        let mut offset = vec![0];
        offset.extend((0..self.fate.len()).map(|class| self.offset[self.first[class + 1] as usize]));
        let found = components(&offset, &self.next, watch)?;
        self.order = (0..self.fate.len() as u32).collect();
        self.order.sort_by_key(|&class| found[class as usize]);
        let starts = |i: &usize| *i == 0 || found[self.order[*i] as usize] != found[self.order[i - 1] as usize];
        self.blocks = (0..self.order.len()).filter(starts).map(|i| i as u32).collect();
        self.blocks.push(self.order.len() as u32);
        Ok(())
    }

    pub fn classes(&self) -> usize {
        self.fate.len()
    }

    /// The nodes of each class.
    pub fn members(&self) -> Members {
        let mut first = vec![0_u32; self.fate.len() + 1];
        self.class.iter().for_each(|&class| first[class as usize + 1] += 1);
        for class in 0..self.fate.len() {
            first[class + 1] += first[class];
        }
        let mut place = first.clone();
        let mut nodes = vec![0; self.class.len()];
        for (node, &class) in self.class.iter().enumerate() {
            nodes[place[class as usize] as usize] = node as u32;
            place[class as usize] += 1;
        }
        Members { first, nodes }
    }

    /// Sets of classes that lead to one another, what they lead to first.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = &[u32]> + '_ {
        self.blocks.windows(2).map(|pair| &self.order[pair[0] as usize..pair[1] as usize])
    }

    #[inline]
    pub fn actions(&self, class: usize) -> Range<usize> {
        self.first[class] as usize..self.first[class + 1] as usize
    }

    /// The action of the process.
    pub fn original(&self, action: usize) -> usize {
        self.original[action] as usize
    }

    #[inline]
    pub fn gain(&self, action: usize) -> f64 {
        self.gain[action]
    }

    /// Whether all may end with an action.
    pub fn ends(&self, action: usize) -> bool {
        self.ends[action]
    }

    #[inline]
    pub fn successors(&self, action: usize) -> impl Iterator<Item = (usize, f64)> + Clone + '_ {
        let range = self.offset[action] as usize..self.offset[action + 1] as usize;
        self.next[range.clone()].iter().map(|&class| class as usize).zip(self.probability[range].iter().copied())
    }

    #[inline]
    pub fn value(&self, action: usize, values: &[f64]) -> f64 {
        self.gain[action] + self.successors(action).map(|(class, p)| p * values[class]).sum::<f64>()
    }

    /// The best action of a class by the values of classes, the first of several, and what it is worth; none where the class is never left.
    #[inline]
    pub fn best(&self, class: usize, aim: Aim, values: &[f64]) -> (Option<usize>, f64) {
        let mut best = (None, aim.worst());
        for action in self.actions(class) {
            let value = self.value(action, values);
            if best.0.is_none() || aim.better(value, best.1) {
                best = (Some(action), value);
            }
        }
        match best.0 {
            // Where nothing leads out, nothing more is gained; a cost to be paid until the end is paid for ever.
            None if aim.maximises() => (None, 0.0),
            _ => best,
        }
    }

    /// Numbers read by a backup of a class.
    pub fn work(&self, class: usize) -> usize {
        let actions = self.actions(class);
        4 + 2 * (self.offset[actions.end] - self.offset[actions.start]) as usize
    }
}

/// Nodes by class.
pub(crate) struct Members {
    first: Vec<u32>,
    nodes: Vec<u32>,
}

impl Members {
    pub fn of(&self, class: usize) -> &[u32] {
        &self.nodes[self.first[class] as usize..self.first[class + 1] as usize]
    }
}
