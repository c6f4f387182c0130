//! A finite process that earns until it ends: what states, fixed policies and explored beliefs all come to.

use std::ops::Range;

/// What is looked for. Values are expected sums of gains until the process ends; for `Reach` a gain is the probability that the next
/// state is a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    MaxReach,
    MinReach,
    MaxReward,
    /// Among the policies that end surely: it is infinite where there are none.
    MinReward,
}

impl Aim {
    pub fn maximises(self) -> bool {
        matches!(self, Self::MaxReach | Self::MaxReward)
    }

    pub fn rewards(self) -> bool {
        matches!(self, Self::MaxReward | Self::MinReward)
    }

    /// The better of two values.
    #[inline]
    pub fn better(self, a: f64, b: f64) -> bool {
        if self.maximises() { a > b } else { a < b }
    }

    /// What is worse than any value.
    pub fn worst(self) -> f64 {
        if self.maximises() { f64::NEG_INFINITY } else { f64::INFINITY }
    }
}

/// Nodes, their actions, what these gain and where they lead. A node without actions is a leaf: its value is given, not computed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process {
    actions: Vec<(u32, u32)>,
    gain: Vec<f64>,
    end: Vec<f64>,
    offset: Vec<u32>,
    next: Vec<u32>,
    probability: Vec<f64>,
}

impl Process {
    pub fn new() -> Self {
        Self { offset: vec![0], ..Self::default() }
    }

    pub fn nodes(&self) -> usize {
        self.actions.len()
    }

    /// A leaf, until its actions are given.
    pub fn push_node(&mut self) -> usize {
        self.actions.push((0, 0));
        self.actions.len() - 1
    }

    /// The actions that are pushed from here on are those of `node`, until the next call.
    pub fn begin(&mut self, node: usize) {
        let now = self.gain.len() as u32;
        self.actions[node] = (now, now);
    }

    /// An action of `node`, which was begun last: what it gains at once, the probability that all ends with it, and else where it leads.
    pub fn push_action(&mut self, node: usize, gain: f64, end: f64, next: impl IntoIterator<Item = (u32, f64)>) {
        for (node, probability) in next.into_iter().filter(|&(_, p)| p > 0.0) {
            self.next.push(node);
            self.probability.push(probability);
        }
        self.gain.push(gain);
        self.end.push(end);
        self.offset.push(self.next.len() as u32);
        self.actions[node].1 += 1;
    }

    /// The actions of a node.
    #[inline]
    pub fn actions(&self, node: usize) -> Range<usize> {
        let (from, to) = self.actions[node];
        from as usize..to as usize
    }

    pub fn is_leaf(&self, node: usize) -> bool {
        self.actions(node).is_empty()
    }

    /// Actions of all nodes.
    pub fn action_count(&self) -> usize {
        self.gain.len()
    }

    #[inline]
    pub fn gain(&self, action: usize) -> f64 {
        self.gain[action]
    }

    /// The probability that all ends with an action.
    #[inline]
    pub fn end(&self, action: usize) -> f64 {
        self.end[action]
    }

    #[inline]
    pub fn successors(&self, action: usize) -> impl Iterator<Item = (usize, f64)> + Clone + '_ {
        let range = self.offset[action] as usize..self.offset[action + 1] as usize;
        self.next[range.clone()].iter().map(|&node| node as usize).zip(self.probability[range].iter().copied())
    }

    /// What an action is worth, given what nodes are.
    #[inline]
    pub fn value(&self, action: usize, values: &[f64]) -> f64 {
        self.gain[action] + self.successors(action).map(|(node, p)| p * values[node]).sum::<f64>()
    }

    pub fn bytes(&self) -> usize {
        8 * self.actions.len() + 20 * self.gain.len() + 12 * self.next.len()
    }
}

/// Proven bounds on the values of nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bounds {
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

impl Bounds {
    pub fn push(&mut self, lower: f64, upper: f64) {
        self.lower.push(lower);
        self.upper.push(upper.max(lower));
    }

    /// What holds of any `n` nodes.
    pub fn any(aim: Aim, n: usize) -> Self {
        let most = if aim.rewards() { f64::INFINITY } else { 1.0 };
        Self { lower: vec![0.0; n], upper: vec![most; n] }
    }

    /// How far apart they are; 0 where both are infinite.
    pub fn gap(&self, node: usize) -> f64 {
        if self.lower[node] == self.upper[node] { 0.0 } else { self.upper[node] - self.lower[node] }
    }

    /// The bound that a policy earns.
    pub fn earned(&self, aim: Aim) -> &[f64] {
        if aim.maximises() { &self.lower } else { &self.upper }
    }

    /// The bound that no policy betters.
    pub fn hoped(&self, aim: Aim) -> &[f64] {
        if aim.maximises() { &self.upper } else { &self.lower }
    }
}
