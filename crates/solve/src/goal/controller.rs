//! The policy that earns what is proven: a finite controller.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::beliefs::Beliefs;
use super::plans::Plan;
use super::problem::Problem;
use super::process::Bounds;
use super::quotient::{Fate, Quotient};
use super::tighten::by_class;
use tiresias_model::Explicit;

/// A policy with finite memory: in each of its nodes it plays an action and goes on by what is seen, or follows a memoryless plan from there on. The first node is
/// where it starts; there is none where all is over at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Controller {
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// The plans that nodes follow.
    pub plans: Vec<Randomised>,
}

/// A node of a [`Controller`].
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The belief there: states of the model, ascending, and their probabilities.
    pub belief: Vec<(u32, f64)>,
    /// What is done.
    pub act: Move,
}

/// What is done in a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// Plays an action.
    Play {
        /// Its place among the actions of every state of the belief.
        action: usize,
        /// By what is seen next: the node to go on with. What is not here ends all, or cannot be seen.
        next: Vec<(u32, usize)>,
    },
    /// Follows a plan until the end: an index into [`Controller::plans`].
    Follow(usize),
}

/// A memoryless plan: by observation, the probabilities of the actions there, by their place.
#[derive(Debug, Clone, PartialEq)]
pub struct Randomised {
    /// Observations, ascending, each with its probabilities.
    pub weights: Vec<(u32, Vec<f64>)>,
}

impl Controller {
    /// The name of the action that is certain to come first; none where a plan draws it, or all is over.
    pub fn first_action<'m>(&self, model: &'m Explicit) -> Option<&'m str> {
        let place = match &self.nodes.first()?.act {
            Move::Play { action, .. } => *action,
            Move::Follow(plan) => {
                let weights = &self.plans[*plan].weights;
                let at = weights.binary_search_by_key(&(model.observation(model.start) as u32), |pair| pair.0).ok()?;
                weights[at].1.iter().position(|weight| *weight == 1.0)?
            }
        };
        Some(model.action_name(model.choices(model.start).start + place))
    }
}

/// All that is known when a controller is made.
pub(super) struct Known<'a> {
    pub problem: &'a Problem,
    pub beliefs: &'a Beliefs,
    pub plans: &'a [Plan],
    pub bounds: &'a Bounds,
    /// Of the beliefs that there were when it was made; those expanded since count as leaves.
    pub quotient: &'a Quotient,
}

impl Known<'_> {
    /// O(nodes that the policy comes to), and the square of a component's size for each component.
    pub fn controller(&self) -> Controller {
        let aim = self.problem.aim;
        let values = by_class(self.quotient, self.bounds);
        let members = self.quotient.members();
        let mut routes: FxHashMap<u32, FxHashMap<u32, usize>> = FxHashMap::default();
        let (mut number, mut order, mut open) = (FxHashMap::default(), Vec::new(), VecDeque::from([0_u32]));
        number.insert(0, 0);
        // Ends: each belief comes once.
        while let Some(node) = open.pop_front() {
            // A solve that stopped at once has no classes.
            let Some(&class) = self.quotient.class.get(node as usize) else {
                order.push(Node { belief: self.belief(node as usize), act: Move::Follow(self.plan(node as usize)) });
                continue;
            };
            let route = routes.entry(class).or_insert_with(|| {
                // Where the goal is avoided, ways out are not wanted.
                let out = match self.quotient.fate[class as usize] {
                    Fate::Open => self.quotient.best(class as usize, aim, values.earned(aim)).0,
                    _ => None,
                };
                self.route(members.of(class as usize), out.map(|action| self.quotient.original(action)))
            });
            let leaf = self.quotient.fate[class as usize] == Fate::Leaf;
            let act = match route.get(&node).filter(|_| !leaf) {
                None => Move::Follow(self.plan(node as usize)),
                Some(&action) => {
                    let next = self.beliefs.process.successors(action).map(|(to, _)| {
                        let fresh = number.len();
                        let at = *number.entry(to as u32).or_insert(fresh);
                        if at == fresh {
                            open.push_back(to as u32);
                        }
                        let seen = self.problem.seen[self.beliefs.a_state(to)];
                        (self.problem.observation[seen as usize], at)
                    });
                    let next = next.collect();
                    Move::Play { action: action - self.beliefs.process.actions(node as usize).start, next }
                }
            };
            order.push(Node { belief: self.belief(node as usize), act });
        }
        let plans = self.plans.iter().map(|plan| {
            let mut weights: Vec<(u32, Vec<f64>)> =
                self.problem.observation.iter().copied().zip(plan.weights.iter().cloned()).collect();
            weights.sort_unstable_by_key(|pair| pair.0);
            Randomised { weights }
        });
        Controller { nodes: order, plans: plans.collect() }
    }

    /// A belief over the states of the model.
    fn belief(&self, node: usize) -> Vec<(u32, f64)> {
        let belief = self.beliefs.of(node).map(|(state, p)| (self.problem.state[state as usize], p));
        let mut belief: Vec<(u32, f64)> = belief.collect();
        belief.sort_unstable_by_key(|pair| pair.0);
        belief
    }

    /// By member of a class: the action that takes it to where `out` is played, or that stays within for ever where there is none.
    fn route(&self, members: &[u32], out: Option<usize>) -> FxHashMap<u32, usize> {
        let process = &self.beliefs.process;
        let mut route = FxHashMap::default();
        if let Some(out) = out {
            let owner = members.iter().find(|&&node| process.actions(node as usize).contains(&out));
            route.extend(owner.map(|&node| (node, out)));
        }
        let class = self.quotient.class[members[0] as usize];
        let stays = |action: usize| {
            let idle = process.gain(action) == 0.0 && process.end(action) == 0.0;
            idle && process.successors(action).all(|(to, _)| self.quotient.class.get(to) == Some(&class))
        };
        // Ends: each round but the last adds a member.
        loop {
            let before = route.len();
            for &node in members {
                let leads = |action: &usize| {
                    stays(*action)
                        && (out.is_none()
                            || process.successors(*action).any(|(to, _)| route.contains_key(&(to as u32))))
                };
                if route.contains_key(&node) {
                    continue;
                }
                if let Some(action) = process.actions(node as usize).find(leads) {
                    route.insert(node, action);
                }
            }
            if route.len() == before {
                return route;
            }
        }
    }

    /// The plan that is worth most at a belief.
    fn plan(&self, node: usize) -> usize {
        let aim = self.problem.aim;
        let values = self.plans.iter().map(|plan| plan.at(self.beliefs.of(node)));
        let best = values.enumerate().reduce(|best, next| if aim.better(next.1, best.1) { next } else { best });
        best.map_or(0, |(plan, _)| plan)
    }
}
