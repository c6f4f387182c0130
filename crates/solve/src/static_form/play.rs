//! Playing a static solution: a plan is drawn before the first decision and then kept to.

use super::{Plan, StaticSolution};
use crate::formats::Controller;

/// Someone who keeps to a plan.
#[derive(Debug, Clone, Copy)]
pub struct Player<'a> {
    controller: &'a Controller,
    stage: usize,
    node: usize,
}

impl StaticSolution {
    /// The plan that a uniform number in [0, 1) draws.
    pub fn drawn(&self, draw: f64) -> &Plan {
        let mut left = draw;
        let chosen = self.mixture.iter().find(|one| {
            left -= one.probability;
            left < 0.0
        });
        // Probabilities may sum to a little less than 1.
        &chosen.unwrap_or(&self.mixture[self.mixture.len() - 1]).plan
    }
}

impl Plan {
    /// Begins the plan, in `state` where the first state is seen. `None` for a state that the start rules out, of which the plan says nothing.
    pub fn begin(&self, state: Option<usize>) -> Option<Player<'_>> {
        let first = self.controllers.iter().find(|first| first.state.is_none() || first.state == state)?;
        Some(Player { controller: &first.controller, stage: 0, node: 0 })
    }
}

impl Player<'_> {
    /// What the plan does now.
    pub fn action(&self) -> usize {
        self.controller.nodes(self.stage)[self.node].action as usize
    }

    /// Goes on after the plan's own action and what was seen then: the observation, or the state where it is seen.
    pub fn observe(&mut self, seen: usize) {
        let next = self.controller.nodes(self.stage)[self.node].next[seen];
        let stays = if self.controller.horizon().is_none() { self.node } else { 0 };
        self.node = next.map_or(stays, |node| node as usize);
        self.stage += 1;
    }
}
