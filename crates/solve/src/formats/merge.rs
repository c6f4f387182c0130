//! Controllers with fewer nodes, for people to read.

use tiresias_model::{Kernel, Model};

use super::PolicyFileError;
use super::controller::{Controller, Node};
use super::reach::{reached, renumbered};
use super::refine::refined;
use super::visits::{support, visits};

/// Multiply-adds that merging may take: some seconds.
const MOST_WORK: f64 = 1e9;
/// Nodes that each node is held against when merges are tried, the nearest.
const NEAREST: usize = 4;
/// Merges that are tried in turn before a round gives up.
const TRIES: usize = 32;
/// A round merges this share of the nodes at most, so that what it knows of their values is not too old.
const SHARE: usize = 8;
/// Shares of the values' size to which a controller's are worked out.
const ROUNDING: f64 = 1e-10;

/// A controller with fewer nodes than another one, and what both are worth from the model's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// Its node 0 is the one to start in. All nodes can be reached from there; a node has no successor for an observation that
    /// never comes in it.
    pub controller: Controller,
    /// Nodes that there were.
    pub before: usize,
    /// What the controller was worth, started in its best node.
    pub value_before: f64,
    /// What it is worth now.
    pub value: f64,
    /// Whether no merge was left untried for want of work.
    pub complete: bool,
}

impl Controller {
    /// The controller with the fewest nodes that are found by merging and keep the start's value to within `loss`, in units of reward.
    ///
    /// Equal nodes come first, which loses nothing. Then nodes are replaced by others, whatever these do: what that costs is, to first
    /// order, what the one is worth more than the other at the states in which it is entered, weighed by how often it is (the
    /// performance difference of Kakade and Langford, ICML 2002). The least is tried first, and kept if the value of the whole, worked out
    /// anew, is still within `loss`.
    ///
    /// Errors: those of [`vectors`](Self::vectors).
    pub fn merged(&self, model: &Model, loss: f64) -> Result<Merged, PolicyFileError> {
        let first = Worked::new(&explicit(self.stages(), model), model)?;
        let value_before = first.value;
        let (mut best, mut work) = (Worked::new(&refined(&first.stages), model)?, 0.0);
        let least = value_before - loss - ROUNDING * best.size();
        // Ends: every round but the last leaves fewer nodes.
        let complete = loop {
            let cost = best.cost(model);
            if work + cost > MOST_WORK {
                break best.nodes() == best.stages.len();
            }
            work += cost;
            match round(&best, model, least, &mut work)? {
                Some(better) => best = better,
                None => break true,
            }
        };
        let stages = support(&best.stages, model);
        let order = reached(&stages, 0);
        let controller = Controller::new(renumbered(&stages, &order));
        Ok(Merged { controller, before: self.len(), value_before, value: best.value, complete })
    }
}

/// A controller whose node 0 is the best to start in and leads to all others, with its values.
struct Worked {
    stages: Vec<Vec<Node>>,
    /// By stage of the values, `[node][state]`.
    values: Vec<Vec<f64>>,
    value: f64,
}

impl Worked {
    fn new(stages: &[Vec<Node>], model: &Model) -> Result<Self, PolicyFileError> {
        let states = model.states().len();
        let values = Controller::new(stages.to_vec()).values_while(model, &|| false)?;
        let worth = |vector: &[f64]| model.start().iter().zip(vector).map(|(p, v)| p * v).sum::<f64>();
        let (start, value) = values[0]
            .chunks_exact(states)
            .map(worth)
            .enumerate()
            .fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best });
        let order = reached(stages, start as u32);
        let kept = |(stage, values): (usize, &Vec<f64>)| {
            let order = &order[layer(stages.len(), stage)];
            order.iter().flat_map(|&node| &values[node as usize * states..][..states]).copied().collect()
        };
        let values = values.iter().enumerate().map(kept).collect();
        Ok(Self { stages: renumbered(stages, &order), values, value })
    }

    fn nodes(&self) -> usize {
        self.stages.iter().map(Vec::len).sum()
    }

    fn size(&self) -> f64 {
        self.values.iter().flatten().fold(0.0, |most, value| most.max(value.abs()))
    }

    /// Multiply-adds of a look at all pairs of nodes.
    fn cost(&self, model: &Model) -> f64 {
        let pairs = |values: &Vec<f64>| values.len() as f64 * (values.len() / model.states().len()) as f64;
        self.values.iter().map(pairs).sum::<f64>() + self.evaluation(model)
    }

    /// Multiply-adds of working out the values.
    fn evaluation(&self, model: &Model) -> f64 {
        let dynamics = &model.dynamics()[0];
        let entries = dynamics.transition.entries() + dynamics.observation.as_ref().map_or(0, Kernel::entries);
        let sweep = self.nodes() as f64 * entries as f64 / model.actions().len() as f64;
        match model.horizon() {
            Some(horizon) => sweep * (horizon as f64 / self.stages.len() as f64),
            // As many sweeps as bring an error of 1 to 1e-11.
            None => sweep * (25.3 / (1.0 - model.discount())).min(1e5),
        }
    }
}

/// The nodes' stage behind a stage of the values.
fn layer(stages: usize, stage: usize) -> usize {
    if stages == 1 { 0 } else { stage }
}

/// A node of a stage to be replaced by another one.
#[derive(Clone, Copy)]
struct Merge {
    /// What it costs, to first order.
    cost: f64,
    stage: usize,
    from: u32,
    to: u32,
}

/// The controller after some merges, many at once while there are many nodes; `None` where no merge that was tried is worth `least`.
fn round(now: &Worked, model: &Model, least: f64, work: &mut f64) -> Result<Option<Worked>, PolicyFileError> {
    let merges = merges(now, model);
    let mut attempt = |batch: &[Merge]| -> Result<Option<Worked>, PolicyFileError> {
        *work += now.evaluation(model);
        let found = Worked::new(&refined(&replaced(&now.stages, batch)), model)?;
        Ok((found.value >= least).then_some(found))
    };
    let mut batch = together(&merges, now.value - least, (now.nodes() / SHARE).max(1));
    // Ends: halved every time.
    while batch.len() > 1 {
        if let Some(found) = attempt(&batch)? {
            return Ok(Some(found));
        }
        batch.truncate(batch.len() / 2);
    }
    for merge in merges.iter().take(TRIES) {
        if let Some(found) = attempt(&[*merge])? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The merges of each node with those that are nearest to it where it is entered, what costs least first.
fn merges(now: &Worked, model: &Model) -> Vec<Merge> {
    let states = model.states().len();
    let visits = visits(&now.stages, model);
    let mut merges = Vec::new();
    for (stage, nodes) in now.stages.iter().enumerate() {
        // One graph may serve all stages of a horizon.
        let times = || (0..now.values.len()).filter(|&time| layer(now.stages.len(), time) == stage);
        for from in 0..nodes.len() {
            let entered: Vec<(usize, usize, f64)> = times()
                .flat_map(|time| (0..states).map(move |s| (time, s)))
                .map(|(time, s)| (time, s, visits[time][from * states + s]))
                .filter(|&(_, _, often)| often > 0.0)
                .collect();
            let value = |(time, s): (usize, usize), node: usize| now.values[time][node * states + s];
            let cost = |to: usize| -> f64 {
                entered.iter().map(|&(time, s, often)| often * (value((time, s), from) - value((time, s), to))).sum()
            };
            let others = (0..nodes.len()).filter(|&to| to != from);
            let mut found: Vec<Merge> =
                others.map(|to| Merge { cost: cost(to), stage, from: from as u32, to: to as u32 }).collect();
            found.sort_by(|a, b| a.cost.total_cmp(&b.cost));
            merges.extend(found.into_iter().take(NEAREST));
        }
    }
    merges.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    merges
}

/// The first merges that can be made at once, `most` at most, and cost no more than `room` together.
fn together(merges: &[Merge], room: f64, most: usize) -> Vec<Merge> {
    let mut batch: Vec<Merge> = Vec::new();
    let mut spent = 0.0;
    for merge in merges {
        spent += merge.cost.max(0.0);
        if batch.len() == most || spent > room {
            break;
        }
        let clashes = |other: &Merge| {
            other.stage == merge.stage && (other.from == merge.from || other.from == merge.to || other.to == merge.from)
        };
        if batch.iter().any(clashes) {
            spent -= merge.cost.max(0.0);
        } else {
            batch.push(*merge);
        }
    }
    batch
}

/// The controller without the merged nodes: what led to them leads to others.
fn replaced(stages: &[Vec<Node>], batch: &[Merge]) -> Vec<Vec<Node>> {
    let staged = usize::from(stages.len() > 1);
    let instead: Vec<Vec<u32>> = (0..stages.len())
        .map(|stage| {
            let mut to: Vec<u32> = (0..stages[stage].len() as u32).collect();
            batch.iter().filter(|merge| merge.stage == stage).for_each(|merge| to[merge.from as usize] = merge.to);
            to
        })
        .collect();
    let led = |(stage, nodes): (usize, &Vec<Node>)| -> Vec<Node> {
        let next =
            |next: &Option<u32>| next.map(|next| instead.get(stage + staged).map_or(next, |to| to[next as usize]));
        nodes.iter().map(|node| Node { action: node.action, next: node.next.iter().map(next).collect() }).collect()
    };
    let left = |to: &Vec<u32>| (0..to.len() as u32).filter(|&node| to[node as usize] == node).collect();
    let order: Vec<Vec<u32>> = instead.iter().map(left).collect();
    renumbered(&stages.iter().enumerate().map(led).collect::<Vec<_>>(), &order)
}

/// The same controller with a successor for every observation that an action can bring, and none for others: what an unexpected one
/// does is said, too.
fn explicit(stages: &[Vec<Node>], model: &Model) -> Vec<Vec<Node>> {
    let (states, dynamics) = (model.states().len(), &model.dynamics()[0]);
    let Some(kernel) = &dynamics.observation else { return stages.to_vec() };
    let mut possible = vec![false; model.actions().len() * kernel.columns()];
    for row in 0..model.actions().len() * states {
        let action = row / states;
        for (to, _) in dynamics.transition.pairs(row) {
            kernel.pairs(action * states + to).for_each(|(o, _)| possible[action * kernel.columns() + o] = true);
        }
    }
    let ends = model.horizon() == Some(stages.len());
    let stage = |(stage, nodes): (usize, &Vec<Node>)| -> Vec<Node> {
        let last = ends && stage + 1 == stages.len();
        let node = |(number, node): (usize, &Node)| {
            let unexpected = if stages.len() == 1 { number as u32 } else { 0 };
            let next = node.next.iter().enumerate().map(|(o, next)| {
                let comes = possible[node.action as usize * kernel.columns() + o] && !last;
                comes.then(|| next.unwrap_or(unexpected))
            });
            Node { action: node.action, next: next.collect() }
        };
        nodes.iter().enumerate().map(node).collect()
    };
    stages.iter().enumerate().map(stage).collect()
}
