//! Tasks drawn from a family, weighed by how well they explain what was seen.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

use tiresias_model::family::Task;
use tiresias_model::{Kernel, Model, ModelError, memory};

use crate::{AgentError, Percept, Prior, Shape, Trajectories};

/// Rewards that differ by more are not the same.
const SAME_REWARD: f64 = 1e-6;
/// A likelihood below this goes on as a logarithm.
const TINY: f64 = 1e-100;
/// Deviations of a reward beyond which lookahead does not reckon.
const FAR: f64 = 3.0;
/// Distinct tasks between two looks at the memory that is left.
const BETWEEN_LOOKS: usize = 1 << 10;

/// States that are possible, and their masses, which need not sum to 1.
pub(crate) type Mass = Vec<(u32, f64)>;

/// One decision and what came of it, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Move {
    pub action: usize,
    pub seen: Option<usize>,
    pub reward: Option<f64>,
}

/// What is known of a task: episodes of it, the last of which goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    episodes: Vec<Episode>,
}

#[derive(Debug, Clone, Default)]
struct Episode {
    first: Option<usize>,
    moves: Vec<Move>,
}

impl Evidence {
    /// A support, and an episode that has yet to begin.
    pub fn new(support: Trajectories<'_>) -> Self {
        let episode = |i| {
            let moves =
                support.steps(i).map(|step| Move { action: step.action, seen: step.next, reward: Some(step.reward) });
            Episode { first: support.steps(i).next().and_then(|step| step.seen), moves: moves.collect() }
        };
        let mut episodes: Vec<_> = (0..support.count()).map(episode).collect();
        episodes.push(Episode::default());
        Self { episodes }
    }

    fn query(&mut self) -> &mut Episode {
        self.episodes.last_mut().expect("there is always the one that goes on")
    }

    /// The episode begins, with what is seen before its first decision.
    pub fn begin(&mut self, seen: Option<usize>) {
        self.query().first = seen;
    }

    /// Decisions in all.
    pub fn decisions(&self) -> usize {
        self.episodes.iter().map(|episode| episode.moves.len()).sum()
    }

    /// The episode goes on.
    pub fn push(&mut self, step: Move) {
        self.query().moves.push(step);
    }

    /// What each action was seen to earn, each thing once: (state before, where it is seen, action, reward). Without the last decision of
    /// an episode where that has a final reward mixed in.
    fn rewards(&self, observed: bool, horizon: usize, last: bool) -> Vec<(Option<usize>, usize, f64)> {
        let mut found = Vec::new();
        for Episode { first, moves } in &self.episodes {
            let mut before = *first;
            for (stage, step) in moves.iter().enumerate() {
                let claim = step.reward.map(|reward| (before.filter(|_| observed), step.action, reward));
                if let Some(claim) = claim.filter(|claim| (last || stage + 1 < horizon) && !found.contains(claim)) {
                    found.push(claim);
                }
                before = step.seen;
            }
        }
        found
    }
}

/// A distinct task of the pool.
struct Particle {
    model: Model,
    /// Its share of all draws.
    share: f64,
    /// Standard deviation of its rewards around what the model pays.
    noise: f64,
    /// By model of its cloud: values of who sees the state, `[stage][state]`, stages 0 to H; made when first needed.
    values: Box<[OnceLock<Box<[f64]>>]>,
}

/// A task that may be the one, the model of its cloud that moves the world, and where the episode may be in it. Masses include the
/// posterior weight.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mind {
    particle: u32,
    model: u32,
    pub mass: Mass,
}

/// What [`Pool::select`] finds.
pub(crate) struct Selected {
    pub minds: Vec<Mind>,
    /// Whether they explain the rewards, too.
    pub rewards: bool,
    /// Whether there were more than are kept.
    pub cut: bool,
}

/// Tasks drawn from a family: an empirical prior.
pub(crate) struct Pool {
    observed: bool,
    horizon: usize,
    /// Whether rewards are noisy: in all tasks, or in none.
    noisy: bool,
    particles: Vec<Particle>,
    /// Particles with the same rewards.
    groups: Vec<Vec<u32>>,
    /// The most hypotheses that are kept.
    cap: usize,
}

impl Pool {
    /// Draws `count` tasks; those that are the same become one. What is kept of a posterior is its `cap` likeliest hypotheses.
    /// [`AgentError::Unfit`] where the rewards of some are noisy and those of others are not: their likelihoods cannot be compared.
    pub fn draw(prior: &Prior, shape: &Shape, count: u64, cap: usize) -> Result<Self, AgentError> {
        let (mut particles, mut groups): (Vec<Particle>, Vec<Vec<u32>>) = (Vec::new(), Vec::new());
        let (mut by_hash, mut by_reward): (HashMap<u64, Vec<u32>>, HashMap<u64, usize>) = Default::default();
        let mut bytes = 0;
        for index in 0..count {
            let Task { model, reward_noise, .. } = prior.draw(index)?;
            check_noise(reward_noise, &particles)?;
            check_shape(&model, shape)?;
            let alike = by_hash.entry(hash(&model)).or_default();
            let twin = |other: &Particle| other.noise == reward_noise && same(&other.model, &model);
            if let Some(&i) = alike.iter().find(|&&i| twin(&particles[i as usize])) {
                particles[i as usize].share += 1.0 / count as f64;
                continue;
            }
            let i = particles.len() as u32;
            alike.push(i);
            let group = *by_reward.entry(reward_hash(&model)).or_insert(groups.len());
            // Two tables with one hash are told apart by the first member.
            let alone = groups.get(group).is_some_and(|members| {
                let first = &particles[members[0] as usize].model;
                first.reward() != model.reward() || first.terminal_states() != model.terminal_states()
            });
            if group == groups.len() || alone {
                groups.push(vec![i]);
            } else {
                groups[group].push(i);
            }
            bytes += bytes_of(&model, shape.horizon);
            if particles.len() % BETWEEN_LOOKS == BETWEEN_LOOKS - 1 {
                // What is still to come, if it goes on like this.
                let rest = (bytes as f64 / (index + 1) as f64 * (count - index) as f64) as usize;
                memory::check(rest, || format!("a pool of {count} tasks"), "lower particles")
                    .map_err(ModelError::from)?;
            }
            let values = model.dynamics().iter().map(|_| OnceLock::new()).collect();
            particles.push(Particle { model, share: 1.0 / count as f64, noise: reward_noise, values });
        }
        let noisy = particles.first().is_some_and(|first| first.noise > 0.0);
        Ok(Self { observed: shape.observed(), horizon: shape.horizon, noisy, particles, groups, cap })
    }

    /// Bytes that it takes once all that may be planned is.
    pub fn bytes(&self) -> usize {
        self.particles.iter().map(|particle| bytes_of(&particle.model, self.horizon)).sum()
    }

    /// The task of a hypothesis.
    pub fn model(&self, mind: &Mind) -> &Model {
        &self.particles[mind.particle as usize].model
    }

    /// The likeliest hypotheses given `evidence`, with masses that sum to 1. Where no task of the pool explains it, those that explain
    /// all but the rewards; where there is none either, draws from the prior, in which the episode is at its start.
    ///
    /// First every reward table is held against each different reward that was seen, then what is left walks through the evidence until it
    /// is ruled out: O(tables · different rewards + tasks left · models · decisions · entries of the rows that their beliefs reach).
    pub fn select(&self, evidence: &Evidence) -> Selected {
        let mut scratch = Scratch::default();
        for rewards in [true, false] {
            let found = self.explaining(evidence, rewards, &mut scratch);
            if !found.is_empty() {
                let cut = found.len() > self.cap;
                let minds = self.keep(found, |particle, m| {
                    let query = &evidence.episodes[evidence.episodes.len() - 1..];
                    self.walk(particle, m, query, rewards, &mut scratch);
                    scratch.now.clone()
                });
                return Selected { minds, rewards, cut };
            }
        }
        let all = (0..self.particles.len()).flat_map(|i| self.hypotheses(i as u32)).collect();
        let query = evidence.episodes.last().expect("there is always the one that goes on");
        let seen = query.moves.last().map_or(query.first, |step| step.seen);
        let minds = self.keep(all, |particle, _| {
            let start = self.particles[particle as usize].model.start();
            match seen.filter(|&state| self.observed && state < start.len()) {
                Some(state) => vec![(state as u32, 1.0)],
                None => positive(start),
            }
        });
        Selected { minds, rewards: false, cut: false }
    }

    /// The models of a task's cloud, each as likely, with the logarithms of their prior weights.
    fn hypotheses(&self, particle: u32) -> impl Iterator<Item = (f64, u32, u32)> {
        let Particle { share, values, .. } = &self.particles[particle as usize];
        let weight = (share / values.len() as f64).ln();
        (0..values.len() as u32).map(move |m| (weight, particle, m))
    }

    /// Hypotheses that explain the evidence, with the logarithms of their posterior weights.
    fn explaining(&self, evidence: &Evidence, rewards: bool, scratch: &mut Scratch) -> Vec<(f64, u32, u32)> {
        let mut found = Vec::new();
        let claims = [false, true].map(|last| evidence.rewards(self.observed, self.horizon, last));
        for members in &self.groups {
            let model = &self.particles[members[0] as usize].model;
            if rewards && !self.noisy && !may_earn(model, &claims[usize::from(model.final_reward().is_empty())]) {
                continue;
            }
            for hypothesis in members.iter().flat_map(|&i| self.hypotheses(i)) {
                let (weight, particle, m) = hypothesis;
                let likelihood = self.walk(particle, m, &evidence.episodes, rewards, scratch);
                if likelihood > f64::NEG_INFINITY {
                    found.push((weight + likelihood, particle, m));
                }
            }
        }
        found
    }

    /// The likeliest, of equals the first drawn, with the masses that `place` says.
    fn keep(&self, mut found: Vec<(f64, u32, u32)>, mut place: impl FnMut(u32, u32) -> Mass) -> Vec<Mind> {
        found.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        found.truncate(self.cap);
        let most = found[0].0;
        let mind = |(weight, particle, model): (f64, u32, u32)| {
            let mut mass = place(particle, model);
            let sum: f64 = mass.iter().map(|(_, p)| p).sum();
            let scale = (weight - most).exp() / sum;
            mass.iter_mut().for_each(|(_, p)| *p *= scale);
            Mind { particle, model, mass }
        };
        let mut minds: Vec<Mind> = found.into_iter().map(mind).collect();
        normalise(&mut minds);
        minds
    }

    /// The logarithm of the likelihood of `episodes`; leaves in `scratch.now` where the last of them may be.
    fn walk(&self, particle: u32, m: u32, episodes: &[Episode], rewards: bool, scratch: &mut Scratch) -> f64 {
        let particle = &self.particles[particle as usize];
        let model = &particle.model;
        let (mut logarithm, mut likelihood) = (0.0, 1.0);
        for Episode { first, moves } in episodes {
            scratch.now.clear();
            match first.filter(|_| self.observed) {
                // A task may have fewer states than what the study's tasks show.
                Some(state) => scratch.now.extend(model.start().get(state).map(|&p| (state as u32, p))),
                None => scratch.now.extend(positive(model.start())),
            }
            let mut sum: f64 = scratch.now.iter().map(|(_, p)| p).sum();
            for (stage, step) in moves.iter().enumerate() {
                let step = Move { reward: step.reward.filter(|_| rewards), ..*step };
                sum = self.advance(particle, m as usize, stage, step, scratch);
                if sum < TINY {
                    if sum <= 0.0 {
                        return f64::NEG_INFINITY;
                    }
                    logarithm += sum.ln();
                    scratch.now.iter_mut().for_each(|(_, p)| *p /= sum);
                    sum = 1.0;
                }
            }
            likelihood *= sum;
            if likelihood < TINY {
                logarithm += likelihood.ln();
                likelihood = 1.0;
            }
        }
        logarithm + likelihood.ln()
    }

    /// One decision: from `scratch.now` to where the world may be after it, there again. Returns the sum; what was not seen or not earned
    /// is not asked for.
    fn advance(&self, particle: &Particle, m: usize, stage: usize, step: Move, scratch: &mut Scratch) -> f64 {
        let Move { action, seen, reward } = step;
        let Particle { model, noise, .. } = particle;
        let s = model.states().len();
        let dynamics = &model.dynamics()[m];
        let Scratch { now, next, dense } = scratch;
        let last = stage + 1 == self.horizon;
        // A reward of a state and action is checked once, others at every outcome.
        let early = model.reward().is_state_action() && (!last || model.final_reward().is_empty());
        let fit = |state, to, o| {
            reward.map_or(1.0, |reward| likelihood(reward - earned(model, last, state, action, to, o), *noise))
        };
        next.clear();
        dense.resize(s, 0.0);
        for &(state, mass) in now.iter() {
            let state = state as usize;
            let once = if early { fit(state, 0, 0) } else { 1.0 };
            if once == 0.0 {
                continue;
            }
            let (mass, fit) = (mass * once, |to, o| if early { 1.0 } else { fit(state, to, o) });
            let row = action * s + state;
            match (seen, &dynamics.observation) {
                (Some(to), None) => {
                    let p = dynamics.transition.get(row, to);
                    if p > 0.0 {
                        dense[to] += mass * p * fit(to, to);
                    }
                }
                (Some(o), Some(kernel)) => {
                    for (to, p) in dynamics.transition.pairs(row) {
                        let q = kernel.get(action * s + to, o);
                        if q > 0.0 {
                            dense[to] += mass * p * q * fit(to, o);
                        }
                    }
                }
                (None, _) if early => dense[state] += mass,
                (None, readings) => {
                    for (to, p) in dynamics.transition.pairs(row) {
                        each_reading(readings.as_ref(), action * s + to, to, |o, q| {
                            dense[to] += mass * p * q * fit(to, o);
                        });
                    }
                }
            }
        }
        let mut sum = 0.0;
        for (state, mass) in dense.iter_mut().enumerate().filter(|(_, mass)| **mass > 0.0) {
            next.push((state as u32, *mass));
            sum += *mass;
            *mass = 0.0;
        }
        std::mem::swap(now, next);
        sum
    }

    /// What a decision at `stage` showed: hypotheses that rule it out go, the others' masses sum to 1 again. None may be left.
    pub fn update(&self, minds: &mut Vec<Mind>, stage: usize, step: Move) {
        let mut scratch = Scratch::default();
        minds.retain_mut(|mind| {
            std::mem::swap(&mut scratch.now, &mut mind.mass);
            let particle = &self.particles[mind.particle as usize];
            let sum = self.advance(particle, mind.model as usize, stage, step, &mut scratch);
            std::mem::swap(&mut scratch.now, &mut mind.mass);
            sum > 0.0
        });
        normalise(minds);
    }

    /// `Σ_minds Σ_s mass(s) Q(s, action)`: what the action is worth if task, model and state are seen afterwards.
    pub fn informed(&self, minds: &[Mind], stage: usize, action: usize) -> f64 {
        minds.iter().map(|mind| self.informed_one(mind, stage, action)).sum()
    }

    fn informed_one(&self, mind: &Mind, stage: usize, action: usize) -> f64 {
        let Particle { model, values, .. } = &self.particles[mind.particle as usize];
        let (s, m) = (model.states().len(), mind.model as usize);
        let values = values[m].get_or_init(|| self.plan(model, m));
        let next = &values[(stage + 1) * s..][..s];
        mind.mass.iter().map(|&(state, mass)| mass * q_value(model, m, action * s + state as usize, next)).sum()
    }

    /// Backward induction: O(H · entries of the kernel).
    fn plan(&self, model: &Model, m: usize) -> Box<[f64]> {
        let (s, a) = (model.states().len(), model.actions().len());
        let mut values = vec![0.0; (self.horizon + 1) * s];
        if !model.final_reward().is_empty() {
            values[self.horizon * s..].copy_from_slice(model.final_reward());
        }
        for stage in (0..self.horizon).rev() {
            let (before, after) = values.split_at_mut((stage + 1) * s);
            for (state, value) in before[stage * s..].iter_mut().enumerate() {
                let q = (0..a).map(|action| q_value(model, m, action * s + state, &after[..s]));
                *value = q.fold(f64::NEG_INFINITY, f64::max);
            }
        }
        values.into()
    }

    /// The expected reward of an action, and what may be seen after it with the hypotheses that explain it, where `rewards` says that
    /// rewards are seen, too: noisy ones as the interval of one deviation that they fall into, so that what this is worth is no more than
    /// what seeing them is. Masses are not divided by the probability of what is seen.
    pub fn outcomes(&self, minds: &[Mind], stage: usize, action: usize, rewards: bool) -> (f64, Vec<Vec<Mind>>) {
        let last = stage + 1 == self.horizon;
        let mut outcomes: HashMap<(usize, i64), usize> = HashMap::new();
        let mut groups: Vec<Vec<Mind>> = Vec::new();
        let mut mean = 0.0;
        for mind in minds {
            let Particle { model, noise, .. } = &self.particles[mind.particle as usize];
            let m = mind.model as usize;
            let s = model.states().len();
            let dynamics = &model.dynamics()[m];
            for &(state, mass) in &mind.mass {
                let row = action * s + state as usize;
                mean += mass * model.expected_reward(m)[row];
                for (to, p) in dynamics.transition.pairs(row) {
                    each_reading(dynamics.observation.as_ref(), action * s + to, to, |o, q| {
                        let reward = earned(model, last, state as usize, action, to, o);
                        each_sight(reward, *noise, rewards, |sight, r| {
                            let group = *outcomes.entry((o, sight)).or_insert_with(|| {
                                groups.push(Vec::new());
                                groups.len() - 1
                            });
                            add(&mut groups[group], mind, to as u32, mass * p * q * r);
                        });
                    });
                }
            }
        }
        (mean, groups)
    }
}

/// Refuses certain rewards beside noisy ones: a probability beside a density.
fn check_noise(noise: f64, others: &[Particle]) -> Result<(), AgentError> {
    if others.first().is_none_or(|other| (other.noise > 0.0) == (noise > 0.0)) {
        return Ok(());
    }
    Err(AgentError::Unfit {
        name: "bayes".into(),
        problem:
            "some tasks of this family pay certain rewards and others noisy ones, whose likelihoods cannot be compared"
                .into(),
        remedy: "leave it out, or use posterior-sampling".into(),
    })
}

/// How likely a reward is that lies so far from what a task pays: whether it is that, or the density of Gaussian noise but for a factor
/// that all share.
fn likelihood(error: f64, noise: f64) -> f64 {
    if noise == 0.0 {
        return f64::from(u8::from(error.abs() <= SAME_REWARD));
    }
    (-0.5 * (error / noise).powi(2)).exp() / noise
}

/// Calls `each` with what may be seen of a reward and how likely it is: nothing, the reward itself, or the interval of one deviation
/// that noise puts it into.
fn each_sight(reward: f64, noise: f64, shown: bool, mut each: impl FnMut(i64, f64)) {
    if !shown {
        return each(0, 1.0);
    }
    if noise == 0.0 {
        return each((reward / SAME_REWARD).round() as i64, 1.0);
    }
    let below = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    let z = reward / noise;
    let (first, last) = ((z - FAR).floor(), (z + FAR).floor());
    let mut before = 0.0;
    for interval in first as i64..=last as i64 {
        // The outermost have what lies beyond them, so that they sum to 1.
        let after = if interval == last as i64 { 1.0 } else { below((interval + 1) as f64 - z) };
        each(interval, after - before);
        before = after;
    }
}

/// Adds to the mass of `to` in the hypothesis `of`, the last of `group` or a new one.
fn add(group: &mut Vec<Mind>, of: &Mind, to: u32, mass: f64) {
    let is_of = |mind: &Mind| (mind.particle, mind.model) == (of.particle, of.model);
    if !group.last().is_some_and(is_of) {
        group.push(Mind { mass: Vec::new(), ..*of });
    }
    let masses = &mut group.last_mut().expect("it was pushed").mass;
    match masses.iter_mut().find(|(state, _)| *state == to) {
        Some((_, sum)) => *sum += mass,
        None => masses.push((to, mass)),
    }
}

/// Room for one walk.
#[derive(Debug, Default)]
struct Scratch {
    now: Mass,
    next: Mass,
    dense: Vec<f64>,
}

fn positive(distribution: &[f64]) -> Mass {
    distribution.iter().enumerate().filter(|(_, p)| **p > 0.0).map(|(state, &p)| (state as u32, p)).collect()
}

fn normalise(minds: &mut [Mind]) {
    let sum: f64 = minds.iter().flat_map(|mind| mind.mass.iter().map(|(_, p)| p)).sum();
    minds.iter_mut().flat_map(|mind| &mut mind.mass).for_each(|(_, p)| *p /= sum);
}

fn q_value(model: &Model, m: usize, row: usize, next: &[f64]) -> f64 {
    let ahead: f64 = model.dynamics()[m].transition.pairs(row).map(|(to, p)| p * next[to]).sum();
    model.expected_reward(m)[row] + model.discount() * ahead
}

/// What a step pays; the last one's is with the final reward.
fn earned(model: &Model, last: bool, state: usize, action: usize, to: usize, o: usize) -> f64 {
    let reward = model.realised_reward(state, action, to, o);
    if last && !model.final_reward().is_empty() { reward + model.discount() * model.final_reward()[to] } else { reward }
}

fn each_reading(readings: Option<&Kernel>, row: usize, state: usize, mut each: impl FnMut(usize, f64)) {
    match readings {
        Some(kernel) => kernel.pairs(row).for_each(|(o, q)| each(o, q)),
        None => each(state, 1.0),
    }
}

/// Whether the reward table holds all that was earned, in the states where it was, or in any where that was not seen. Rewards that depend
/// on more than a state and an action are not looked into.
fn may_earn(model: &Model, claims: &[(Option<usize>, usize, f64)]) -> bool {
    let s = model.states().len();
    let table = model.expected_reward(0);
    let fits = |state: usize, action: usize, reward: f64| (table[action * s + state] - reward).abs() <= SAME_REWARD;
    !model.reward().is_state_action()
        || claims.iter().all(|&(state, action, reward)| match state {
            Some(state) => state < s && fits(state, action, reward),
            None => (0..s).any(|state| fits(state, action, reward)),
        })
}

/// Tasks may differ in states and observations, but show no more than the study's, and have the same actions.
fn check_shape(model: &Model, shape: &Shape) -> Result<(), AgentError> {
    let symbols = model.observations().map_or(model.states().len(), tiresias_model::Space::len);
    if symbols <= shape.symbols && model.actions().len() == shape.actions {
        return Ok(());
    }
    let problem = format!("{} differs in shape from the tasks that it is to stand for", model.name());
    Err(AgentError::Method(format!("{problem}; leave it out for a family whose tasks differ in their actions")))
}

fn bytes_of(model: &Model, horizon: usize) -> usize {
    let values = (horizon + 1) * model.states().len() * size_of::<f64>() + size_of::<OnceLock<Box<[f64]>>>();
    size_of::<Particle>() + model.bytes() + model.dynamics().len() * values
}

fn reward_hash(model: &Model) -> u64 {
    let mut hasher = DefaultHasher::new();
    model.expected_reward(0).iter().for_each(|r| r.to_bits().hash(&mut hasher));
    hasher.finish()
}

fn hash(model: &Model) -> u64 {
    let mut hasher = DefaultHasher::new();
    reward_hash(model).hash(&mut hasher);
    let mut kernel = |kernel: &Kernel| {
        kernel.rows_from(0).for_each(|(columns, probabilities)| {
            columns.hash(&mut hasher);
            probabilities.iter().for_each(|p| p.to_bits().hash(&mut hasher));
        });
    };
    for dynamics in model.dynamics() {
        kernel(&dynamics.transition);
        dynamics.observation.iter().for_each(&mut kernel);
    }
    hasher.finish()
}

/// Whether two tasks differ in name only.
fn same(one: &Model, other: &Model) -> bool {
    let parts = |model: &Model| (model.discount(), model.horizon(), model.terminal_states());
    one.dynamics() == other.dynamics()
        && one.reward() == other.reward()
        && one.start() == other.start()
        && one.final_reward() == other.final_reward()
        && parts(one) == parts(other)
}

impl Move {
    /// What an agent that did `action` sees of it.
    pub fn shown(action: usize, percept: Percept) -> Self {
        Self { action, seen: percept.seen, reward: percept.reward }
    }
}
