//! `bayes` on families of two or three tasks, beside the enumeration of all that may happen.

mod common;
#[path = "common/hidden.rs"]
mod hidden;

use common::{Support, begin, mdp, random_mdp, shape_of};
use hidden::{Size, random_hidden, shape_of_hidden};
use serde_json::{Value, json};
use tiresias_agents::{AgentError, Context, Method, Percept, Prior, Shape, registry};
use tiresias_model::family::{Family, Regime, RewardGrid, Task, TaskRequest};
use tiresias_model::random::Key;
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, ModelError, Reward, Space};

/// As many tasks as models, each as likely, with the noise of their rewards.
#[derive(Clone)]
struct Few(Vec<Model>, Vec<f64>);

impl Few {
    fn certain(models: &[Model]) -> Self {
        Self(models.to_vec(), vec![0.0; models.len()])
    }
}

impl Family for Few {
    fn name(&self) -> &'static str {
        "few"
    }

    fn description(&self) -> &'static str {
        "A few tasks."
    }

    fn splits(&self) -> &'static [(&'static str, &'static str)] {
        &[("train", "all")]
    }

    fn horizon(&self) -> usize {
        3
    }

    fn task(&self, request: &TaskRequest) -> Result<Task, ModelError> {
        let index = (request.index % self.0.len() as u64) as usize;
        let (model, reward_noise) = (self.0[index].clone(), self.1[index]);
        Ok(Task { model, true_model: 0, parameters: Vec::new(), reward_noise })
    }

    fn reward_grid(&self) -> RewardGrid {
        RewardGrid { low: -3.0, high: 3.0, step: 0.1 }
    }

    fn max_symbols(&self) -> usize {
        5
    }
}

fn bayes(tasks: &[Model], shape: &Shape, options: Value) -> Box<dyn Method> {
    bayes_of(Few::certain(tasks), shape, options).unwrap()
}

fn bayes_of(family: Few, shape: &Shape, mut options: Value) -> Result<Box<dyn Method>, AgentError> {
    options["particles"] = json!(6 * family.0.len());
    let (split, regime) = ("train".into(), shape.regime);
    let request = TaskRequest { split, index: 0, seed: 1, regime, horizon: shape.horizon, models: 1, alpha: 1.0 };
    let prior = Prior { family: Box::new(family), request };
    registry::entry("bayes").unwrap().make(options, 0, shape, &prior)
}

/// One of several worlds: how likely, and where it may be; a world whose state is seen is in one.
#[derive(Debug, Clone)]
struct Possible {
    world: usize,
    mass: Vec<f64>,
}

/// What may be seen: a symbol, and a reward in millionths, 0 where it is not shown.
type Seen = (usize, i64);

/// The rules of the game: the worlds, and whether rewards are shown. Worlds are single models.
struct Game<'a> {
    worlds: &'a [Model],
    rewards: bool,
}

impl Game<'_> {
    fn horizon(&self) -> usize {
        self.worlds[0].horizon().unwrap()
    }

    /// What an action pays, and all that may be seen after it, by enumerating worlds, states, next states and observations.
    fn play(&self, stage: usize, now: &[Possible], action: usize) -> (f64, Vec<(Seen, Vec<Possible>)>) {
        let (mut paid, mut after): (f64, Vec<(Seen, Vec<Possible>)>) = (0.0, Vec::new());
        for Possible { world, mass } in now {
            let model = &self.worlds[*world];
            let s = model.states().len();
            let dynamics = &model.dynamics()[0];
            for (state, to) in (0..s).flat_map(|state| (0..s).map(move |to| (state, to))) {
                let moves = mass[state] * dynamics.transition.get(action * s + state, to);
                for o in 0..model.observations().map_or(s, tiresias_model::Space::len) {
                    let reads = dynamics
                        .observation
                        .as_ref()
                        .map_or(f64::from(u8::from(o == to)), |q| q.get(action * s + to, o));
                    if moves * reads == 0.0 {
                        continue;
                    }
                    let mut reward = model.realised_reward(state, action, to, o);
                    if stage + 1 == self.horizon() && !model.final_reward().is_empty() {
                        reward += model.discount() * model.final_reward()[to];
                    }
                    paid += moves * reads * reward;
                    let seen = (o, if self.rewards { (reward * 1e6).round() as i64 } else { 0 });
                    if !after.iter().any(|(other, _)| *other == seen) {
                        after.push((seen, Vec::new()));
                    }
                    let possible = &mut after.iter_mut().find(|(other, _)| *other == seen).unwrap().1;
                    if !possible.iter().any(|p| p.world == *world) {
                        possible.push(Possible { world: *world, mass: vec![0.0; s] });
                    }
                    possible.iter_mut().find(|p| p.world == *world).unwrap().mass[to] += moves * reads;
                }
            }
        }
        (paid, after)
    }

    /// The Bayes-adaptive optimum.
    fn best(&self, stage: usize, now: &[Possible]) -> f64 {
        if stage == self.horizon() {
            return 0.0;
        }
        let q = |action| {
            let (paid, after) = self.play(stage, now, action);
            paid + self.discount() * after.iter().map(|(_, now)| self.best(stage + 1, now)).sum::<f64>()
        };
        (0..self.worlds[0].actions().len()).map(q).fold(f64::NEG_INFINITY, f64::max)
    }

    /// What each deterministic policy of the history earns.
    fn all_policies(&self, stage: usize, now: &[Possible]) -> Vec<f64> {
        if stage == self.horizon() {
            return vec![0.0];
        }
        let mut values = Vec::new();
        for action in 0..self.worlds[0].actions().len() {
            let (paid, after) = self.play(stage, now, action);
            let mut sums = vec![paid];
            for (_, now) in after {
                let next = self.all_policies(stage + 1, &now);
                sums = sums.iter().flat_map(|x| next.iter().map(move |y| x + self.discount() * y)).collect();
            }
            values.extend(sums);
        }
        values
    }

    /// What a method earns after `history`, its agent being told only what may be seen.
    fn earned(
        &self,
        method: &dyn Method,
        shape: &Shape,
        support: &Support,
        history: &[Percept],
        now: &[Possible],
    ) -> f64 {
        let stage = history.len() - 1;
        if stage == self.horizon() {
            return 0.0;
        }
        let key = Key::named(1, &["test"], &[]);
        let mut agent = method.begin(&Context { shape, support: support.columns(), key, episode: 0 }).unwrap();
        let actions: Vec<usize> = history.iter().map(|percept| agent.act(*percept).unwrap()).collect();
        let (paid, after) = self.play(stage, now, actions[stage]);
        let next = |((o, reward), now): &(Seen, Vec<Possible>)| {
            let reward = self.rewards.then_some(*reward as f64 / 1e6);
            let percept = Percept { seen: Some(*o), reward, told: None };
            self.earned(method, shape, support, &[history, &[percept]].concat(), now)
        };
        paid + self.discount() * after.iter().map(next).sum::<f64>()
    }

    /// Over all starts, each with what is seen of it: the sum of what `value` says. `weights` are those of the worlds.
    fn starts(&self, weights: &[f64], mut value: impl FnMut(&[Percept], &[Possible]) -> f64) -> f64 {
        let possible = |keep: &dyn Fn(usize) -> bool| -> Vec<Possible> {
            let mass =
                |world: usize| self.worlds[world].start().iter().enumerate().map(move |(s, p)| (s, p * weights[world]));
            let kept = |world| mass(world).map(|(s, p)| if keep(s) { p } else { 0.0 }).collect();
            (0..self.worlds.len()).map(|world| Possible { world, mass: kept(world) }).collect()
        };
        if self.worlds[0].observations().is_some() {
            return value(&[Percept::default()], &possible(&|_| true));
        }
        let states = 0..self.worlds[0].states().len();
        states.map(|state| value(&[common::seen(state)], &possible(&|s| s == state))).sum()
    }

    fn discount(&self) -> f64 {
        self.worlds[0].discount()
    }
}

/// MDPs of one shape whose rewards are few, so that some tasks agree on some.
fn tasks(seed: u64, count: usize, horizon: usize) -> Vec<Model> {
    let fits = |model: &Model| (model.states().len(), model.actions().len()) == (2, 2);
    let found = (0..).map(|i| random_mdp(1_000 * seed + i)).filter(fits).take(count);
    let shaped = found.enumerate().map(|(i, model)| {
        let mut parts = model.to_builder();
        (parts.horizon, parts.discount) = (Some(horizon), if seed.is_multiple_of(2) { 1.0 } else { 0.9 });
        if seed.is_multiple_of(3) {
            parts.final_reward = vec![0.5 * i as f64, 1.0];
        }
        if let Reward::StateAction(rewards) = &mut parts.reward {
            rewards.iter_mut().for_each(|r| *r = r.signum());
        }
        parts.build().unwrap()
    });
    shaped.collect()
}

/// POMDPs of one shape.
fn hidden_tasks(seed: u64, count: usize, horizon: usize) -> Vec<Model> {
    let size = Size { states: 2, actions: 2, observations: 2, models: 1, horizon };
    // Seeds of one kind of reward, discount and final reward.
    (0..count as u64).map(|i| random_hidden(seed + 30 * i, size, seed.is_multiple_of(4), 1.0)).collect()
}

fn even(count: usize) -> Vec<f64> {
    vec![1.0 / count as f64; count]
}

#[test]
fn full_lookahead_is_the_bayes_adaptive_optimum_and_belief_averages_are_no_more() {
    for seed in 0..24 {
        let hidden = seed % 2 == 1;
        let (count, horizon) = (2 + seed as usize % 2, 3);
        let worlds = if hidden { hidden_tasks(seed, 3, horizon) } else { tasks(seed, count, horizon) };
        let shape = if hidden { shape_of_hidden(&worlds[0]) } else { shape_of(&worlds[0]) };
        let game = Game { worlds: &worlds, rewards: !hidden };
        let weights = even(worlds.len());
        let best = game.starts(&weights, |_, now| game.best(0, now));
        let earned = |lookahead: usize| {
            let method = bayes(&worlds, &shape, json!({ "lookahead": lookahead }));
            let support = Support::new(horizon);
            game.starts(&weights, |history, now| game.earned(&*method, &shape, &support, history, now))
        };
        let (full, none) = (earned(3), earned(0));
        assert!((full - best).abs() < 1e-9, "seed {seed}: {full} {best}");
        assert!(none <= best + 1e-9, "seed {seed}: {none} {best}");
    }
}

#[test]
fn no_deterministic_policy_of_the_history_beats_full_lookahead() {
    for seed in 0..20 {
        let worlds = tasks(seed, 3, 2);
        let shape = shape_of(&worlds[0]);
        let game = Game { worlds: &worlds, rewards: true };
        let method = bayes(&worlds, &shape, json!({ "lookahead": 2 }));
        let support = Support::new(2);
        game.starts(&even(3), |history, now| {
            let earned = game.earned(&*method, &shape, &support, history, now);
            let all = game.all_policies(0, now);
            assert!(all.len() > 4);
            let best = all.into_iter().fold(f64::NEG_INFINITY, f64::max);
            assert!((earned - best).abs() < 1e-9, "seed {seed}: {earned} {best}");
            0.0
        });
    }
}

/// The likelihood of a support in a world, by enumerating all paths of states.
fn likelihood(model: &Model, support: &Support, rewards: bool) -> f64 {
    let (s, horizon) = (model.states().len(), support.horizon);
    let steps = support.columns().steps(0).collect::<Vec<_>>();
    let observations = model.observations().map(tiresias_model::Space::len);
    let mut total = 0.0;
    for path in 0..s.pow(horizon as u32 + 1) {
        let state = |t: usize| path / s.pow(t as u32) % s;
        let mut p = model.start()[state(0)];
        if observations.is_none() && steps[0].seen != Some(state(0)) {
            continue;
        }
        for (t, step) in steps.iter().enumerate() {
            let (from, to) = (state(t), state(t + 1));
            p *= model.dynamics()[0].transition.get(step.action * s + from, to);
            let pays = |o: usize| {
                let last = t + 1 == horizon && !model.final_reward().is_empty();
                let end = if last { model.discount() * model.final_reward()[to] } else { 0.0 };
                !rewards || (model.realised_reward(from, step.action, to, o) + end - step.reward).abs() < 1e-6
            };
            let readings =
                (0..observations.unwrap_or(s)).filter(|&o| step.next.is_none_or(|next| next == o) && pays(o));
            p *= readings
                .map(|o| match &model.dynamics()[0].observation {
                    Some(kernel) => kernel.get(step.action * s + to, o),
                    None => f64::from(u8::from(o == to)),
                })
                .sum::<f64>();
        }
        total += p;
    }
    total
}

/// A trajectory of `model` under random actions.
fn record(model: &Model, seed: u64) -> Support {
    let mut draw = Key::named(seed, &["record"], &[]).sequence();
    let (s, a, horizon) = (model.states().len(), model.actions().len(), model.horizon().unwrap());
    let mut sample = |row: Vec<(usize, f64)>| {
        let (mut u, mut last) = (draw.uniform(), 0);
        for (i, p) in row {
            last = i;
            if u < p {
                break;
            }
            u -= p;
        }
        last
    };
    let dynamics = &model.dynamics()[0];
    let mut support = Support::new(horizon);
    let mut state = sample(model.start().iter().copied().enumerate().collect());
    let mut seen = dynamics.observation.is_none().then_some(state);
    for t in 0..horizon {
        let action = sample((0..a).map(|action| (action, 1.0 / a as f64)).collect());
        let to = sample(dynamics.transition.pairs(action * s + state).collect());
        let o = dynamics.observation.as_ref().map_or(to, |kernel| sample(kernel.pairs(action * s + to).collect()));
        let end = if t + 1 == horizon && !model.final_reward().is_empty() {
            model.discount() * model.final_reward()[to]
        } else {
            0.0
        };
        support.push(seen, action, model.realised_reward(state, action, to, o) + end);
        (state, seen) = (to, Some(o));
    }
    support
}

#[test]
fn support_weighs_tasks_by_its_likelihood() {
    let (mut several, mut one) = (0, 0);
    for seed in 0..40 {
        let hidden = seed % 2 == 1;
        let mut worlds = if hidden { hidden_tasks(seed / 2, 3, 3) } else { tasks(seed, 3, 3) };
        if hidden {
            // Rewards that tell nothing, in half of the cases: else any would name the task.
            let rewards = if seed % 4 == 1 { worlds[0].reward().clone() } else { Reward::Action(vec![0.5, -0.25]) };
            let alike = |model: &Model| {
                let mut parts = model.to_builder();
                parts.reward = rewards.clone();
                parts.build().unwrap()
            };
            worlds = worlds.iter().map(alike).collect();
        }
        let shape = if hidden { shape_of_hidden(&worlds[0]) } else { shape_of(&worlds[0]) };
        let support = record(&worlds[seed as usize % 3], seed);
        let weights: Vec<f64> = worlds.iter().map(|world| likelihood(world, &support, true)).collect();
        match weights.iter().filter(|w| **w > 0.0).count() {
            0 => panic!("its own task explains it"),
            1 => one += 1,
            _ => several += 1,
        }
        let game = Game { worlds: &worlds, rewards: !hidden };
        let sum: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|w| w / sum).collect();
        let best = game.starts(&weights, |_, now| game.best(0, now));
        let method = bayes(&worlds, &shape, json!({ "lookahead": 3 }));
        // What the posterior rules out has no weight in what is earned.
        let earned = game.starts(&weights, |history, now| {
            let now: Vec<Possible> = now.iter().filter(|p| p.mass.iter().sum::<f64>() > 0.0).cloned().collect();
            if now.is_empty() { 0.0 } else { game.earned(&*method, &shape, &support, history, &now) }
        });
        assert!((earned - best).abs() < 1e-9, "seed {seed}: {earned} {best}");
    }
    assert!(several > 8 && one > 2, "{several} {one}");
}

#[test]
fn rewards_that_no_task_pays_are_left_out_and_then_the_prior_stands() {
    let mut mattered = 0;
    for seed in 0..20 {
        let worlds = tasks(seed, 3, 3);
        let shape = shape_of(&worlds[0]);
        let game = Game { worlds: &worlds, rewards: false };
        let method = bayes(&worlds, &shape, json!({ "lookahead": 3 }));
        let mut support = record(&worlds[0], seed);
        support.rewards[1] = 99.0;
        let weights: Vec<f64> = worlds.iter().map(|world| likelihood(world, &support, false)).collect();
        let sum: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|w| w / sum).collect();
        let best = game.starts(&weights, |_, now| game.best(0, now));
        let earned = game.starts(&weights, |history, now| game.earned(&*method, &shape, &support, history, now));
        assert!((earned - best).abs() < 1e-9, "seed {seed}: {earned} {best}");
        mattered += usize::from(weights.iter().any(|w| (w - 1.0 / 3.0).abs() > 0.1));
    }
    assert!(mattered > 5);
    // No task starts in state 1, and yet the support does: the prior, which is even.
    for seed in 0..10 {
        let start = |model: &Model| {
            let mut parts = model.to_builder();
            parts.start = vec![1.0, 0.0];
            parts.build().unwrap()
        };
        let worlds: Vec<Model> = tasks(seed, 3, 3).iter().map(start).collect();
        let shape = shape_of(&worlds[0]);
        let game = Game { worlds: &worlds, rewards: false };
        let method = bayes(&worlds, &shape, json!({ "lookahead": 3 }));
        let mut support = Support::new(3);
        (0..3).for_each(|_| support.push(Some(1), 0, 0.0));
        let now: Vec<Possible> = (0..3).map(|world| Possible { world, mass: vec![1.0 / 3.0, 0.0] }).collect();
        let first = {
            let key = Key(0);
            let mut agent =
                method.begin(&Context { shape: &shape, support: support.columns(), key, episode: 0 }).unwrap();
            agent.act(common::seen(0)).unwrap()
        };
        let q = |action| {
            let (paid, after) = game.play(0, &now, action);
            paid + game.discount() * after.iter().map(|(_, now)| game.best(1, now)).sum::<f64>()
        };
        assert!(q(first) >= q(1 - first) - 1e-9, "seed {seed}");
    }
}

#[test]
fn a_cloud_is_one_of_its_models_each_as_likely() {
    for seed in 0..12 {
        let size = Size { states: 2, actions: 2, observations: 2, models: 3, horizon: 3 };
        let cloud = random_hidden(seed, size, false, 1.0);
        let worlds: Vec<Model> = (0..3).map(|m| cloud.single(m)).collect();
        let shape = shape_of_hidden(&cloud);
        assert_eq!(shape.regime, Regime::Apomdp);
        let game = Game { worlds: &worlds, rewards: false };
        let best = game.starts(&even(3), |_, now| game.best(0, now));
        let method = bayes(&[cloud], &shape, json!({ "lookahead": 3 }));
        let support = Support::new(3);
        let earned = game.starts(&even(3), |history, now| game.earned(&*method, &shape, &support, history, now));
        assert!((earned - best).abs() < 1e-9, "seed {seed}: {earned} {best}");
    }
}

#[test]
fn where_all_that_were_kept_are_wrong_others_of_the_pool_are_looked_for() {
    // With one survivor and no support, the first task is kept, whatever it is; one transition that it rules out, and others are found.
    for seed in 0..10 {
        let mut worlds = tasks(seed, 2, 3);
        for (world, to) in worlds.iter_mut().zip([[1.0, 0.0], [0.0, 1.0]]) {
            let mut parts = world.to_builder();
            parts.dynamics[0].transition = tiresias_model::Kernel::from_dense(2, &to.repeat(4));
            *world = parts.build().unwrap();
        }
        let shape = shape_of(&worlds[0]);
        let method = bayes(&worlds, &shape, json!({ "survivors": 1, "lookahead": 0 }));
        for (world, model) in worlds.iter().enumerate() {
            let empty = Support::new(3);
            let key = Key(0);
            let mut agent =
                method.begin(&Context { shape: &shape, support: empty.columns(), key, episode: 0 }).unwrap();
            let mut state = 0;
            let mut reward = None;
            for stage in 0..3 {
                let action = agent.act(Percept { seen: Some(state), reward, told: None }).unwrap();
                let game = Game { worlds: std::slice::from_ref(model), rewards: true };
                if stage > 0 {
                    let mut mass = vec![0.0; 2];
                    mass[state] = 1.0;
                    let now = [Possible { world: 0, mass }];
                    let q = |action| {
                        let (paid, after) = game.play(stage, &now, action);
                        paid + game.discount() * after.iter().map(|(_, now)| game.best(stage + 1, now)).sum::<f64>()
                    };
                    assert!(q(action) >= q(1 - action) - 1e-9, "seed {seed}, world {world}, stage {stage}");
                }
                reward = Some(model.expected_reward(0)[action * 2 + state]);
                state = world;
            }
        }
    }
}

/// Arms of these means.
fn arms(means: &[f64], horizon: usize) -> Model {
    let mut transition = tiresias_model::Kernel::new(1);
    means.iter().for_each(|_| transition.push_row([(0, 1.0)]));
    mdp(1, means.len(), horizon, 1.0, transition, means.to_vec())
}

#[test]
fn noisy_rewards_weigh_tasks_by_their_density() {
    // Bayes' rule on three tasks whose noise differs, after rewards of all sizes, in support and episode alike.
    let (means, noise) = ([[0.0, 0.6], [0.5, 0.1], [1.0, 0.7]], [0.3, 0.5, 0.2]);
    let worlds = means.map(|means| arms(&means, 6));
    let shape = shape_of(&worlds[0]);
    let family = Few(worlds.to_vec(), noise.to_vec());
    let method = bayes_of(family, &shape, json!({ "lookahead": 0 })).unwrap();
    for seed in 0..200 {
        let mut draw = Key(seed).sequence();
        let mut logs = [0.0f64; 3];
        let mut learn = |arm: usize, reward: f64| {
            for ((log, means), noise) in logs.iter_mut().zip(means).zip(noise) {
                let z: f64 = (reward - means[arm]) / noise;
                *log -= 0.5 * z * z + f64::ln(noise);
            }
            logs
        };
        let (mut support, mut after) = (Support::new(1), [0.0; 3]);
        for _ in 0..seed % 3 {
            let (arm, reward) = (usize::from(draw.uniform() < 0.5), draw.uniform() * 1.6 - 0.3);
            support.push(Some(0), arm, reward);
            after = learn(arm, reward);
        }
        let mut agent = begin(&*method, &shape, &support, 0, 0);
        let mut reward = None;
        for stage in 0..6 {
            let arm = agent.act(Percept { seen: Some(0), reward, told: None }).unwrap();
            let most = after.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let worth = |arm: usize| -> f64 { after.iter().zip(means).map(|(w, m)| (w - most).exp() * m[arm]).sum() };
            assert!(worth(arm) >= worth(1 - arm) - 1e-9, "seed {seed}, stage {stage}");
            let drawn = draw.uniform() * 1.6 - 0.3;
            after = learn(arm, drawn);
            reward = Some(drawn);
        }
    }
}

#[test]
fn lookahead_tries_what_may_be_better() {
    // A known arm of 0.5 beside one that is worth 1 in 9 of 20 tasks and 0 in the others: trying it costs 0.05 once and gains up to
    // 0.45 · 0.5 a decision from then on. Who averages values never tries.
    let worlds: Vec<Model> = (0..20).map(|i| arms(&[0.5, if i < 9 { 1.0 } else { 0.0 }], 8)).collect();
    let shape = shape_of(&worlds[0]);
    for (lookahead, first) in [(0, 0), (1, 1), (3, 1)] {
        let family = Few(worlds.clone(), vec![0.2; 20]);
        let method = bayes_of(family, &shape, json!({ "lookahead": lookahead })).unwrap();
        let mut agent = begin(&*method, &shape, &Support::new(8), 0, 0);
        assert_eq!(agent.act(common::seen(0)).unwrap(), first, "lookahead {lookahead}");
        // What it learns it uses: a pull near 1 is followed by another, one near 0 is not.
        if first == 1 {
            for (paid, then) in [(0.9, 1), (0.1, 0)] {
                let mut agent = begin(&*method, &shape, &Support::new(8), 0, 0);
                agent.act(common::seen(0)).unwrap();
                let percept = Percept { seen: Some(0), reward: Some(paid), told: None };
                assert_eq!(agent.act(percept).unwrap(), then, "lookahead {lookahead} after {paid}");
            }
        }
    }
}

#[test]
fn what_noisy_rewards_teach_is_worth_no_more_than_seeing_them_and_hardly_less() {
    // Two decisions; a sure arm, and one of 0.2 or 0.7 behind noise. Below some sure reward it pays to try the other first: by Simpson's
    // rule over what may be earned, and by what the agent does.
    const UNSURE: [f64; 2] = [0.2, 0.7];
    for noise in [0.15, 0.3, 0.6] {
        let density =
            |x: f64, mean: f64| (-0.5 * ((x - mean) / noise).powi(2)).exp() / (noise * std::f64::consts::TAU.sqrt());
        let best = |sure: f64, x: f64| {
            let [a, b] = UNSURE.map(|mean| 0.5 * density(x, mean));
            (sure * (a + b)).max(UNSURE[0] * a + UNSURE[1] * b)
        };
        let pays = |sure: f64| {
            let (low, n) = (0.45 - 12.0 * noise, 4000);
            let step = 24.0 * noise / f64::from(n);
            let weight = |i: i32| if i == 0 || i == n { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
            let after = (0..=n).map(|i| weight(i) * best(sure, low + f64::from(i) * step)).sum::<f64>() * step / 3.0;
            0.45 + after > sure + sure.max(0.45)
        };
        let tries = |sure: f64| {
            let worlds = UNSURE.map(|mean| arms(&[sure, mean], 2));
            let shape = shape_of(&worlds[0]);
            let method = bayes_of(Few(worlds.to_vec(), vec![noise; 2]), &shape, json!({ "lookahead": 2 })).unwrap();
            begin(&*method, &shape, &Support::new(2), 0, 0).act(common::seen(0)).unwrap() == 1
        };
        let edge = |pays: &dyn Fn(f64) -> bool| {
            let (mut low, mut high) = (0.4, 0.7);
            for _ in 0..30 {
                let middle = 0.5 * (low + high);
                if pays(middle) { low = middle } else { high = middle }
            }
            low
        };
        let (exact, found) = (edge(&pays), edge(&tries));
        assert!(found <= exact + 1e-6, "noise {noise}: {found} above {exact}");
        assert!(found - 0.45 > 0.8 * (exact - 0.45), "noise {noise}: {found} far below {exact}");
    }
}

#[test]
fn as_evidence_grows_tasks_that_were_not_kept_come_back() {
    // Ten tasks, of which two are kept while nothing is known; in each a different arm is good.
    let worlds: Vec<Model> = (0..10)
        .map(|good| arms(&std::array::from_fn::<f64, 10, _>(|arm| f64::from(u8::from(arm == good))), 60))
        .collect();
    let shape = shape_of(&worlds[0]);
    let method = bayes_of(Few(worlds, vec![0.5; 10]), &shape, json!({ "survivors": 4, "lookahead": 0 })).unwrap();
    for good in 0..10 {
        let mut draw = Key(good as u64).sequence();
        let mut agent = begin(&*method, &shape, &Support::new(60), 0, 0);
        let (mut reward, mut last) = (None, 0);
        for _ in 0..60 {
            last = agent.act(Percept { seen: Some(0), reward, told: None }).unwrap();
            reward = Some(f64::from(u8::from(last == good)) + draw.uniform() - 0.5);
        }
        assert_eq!(last, good);
    }
}

/// Tasks of two and of three states: the task is the one whose states were seen, whatever else the pool holds.
#[test]
fn tasks_may_differ_in_their_states() {
    // Action 0 stays, action 1 goes round; the last state pays for staying in a world of two, and for going on in a world of three.
    let world = |states: usize, good: usize| {
        let mut transition = Kernel::new(states);
        (0..states).for_each(|s| transition.push_row([(s, 1.0)]));
        (0..states).for_each(|s| transition.push_row([((s + 1) % states, 1.0)]));
        let mut reward = vec![0.0; 2 * states];
        reward[good * states + states - 1] = 1.0;
        ModelBuilder {
            name: format!("{states}"),
            states: Space::unnamed("states", states).unwrap(),
            actions: Space::unnamed("actions", 2).unwrap(),
            observations: None,
            reward: Reward::StateAction(reward),
            start: vec![1.0 / states as f64; states],
            discount: 0.9,
            horizon: Some(3),
            terminal: Vec::new(),
            final_reward: Vec::new(),
            dynamics: vec![Dynamics { transition, observation: None }],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
        .unwrap()
    };
    let worlds = [world(2, 0), world(3, 1)];
    let shape = Shape { regime: Regime::Mdp, symbols: 3, actions: 2, horizon: 3, discount: 0.9 };
    let method = bayes(&worlds, &shape, json!({}));
    let support = Support::new(3);
    let context = Context { shape: &shape, support: support.columns(), key: Key(0), episode: 0 };
    // Seen in the third state: this is the world of three, where going on from there pays.
    let mut agent = method.begin(&context).unwrap();
    assert_eq!(agent.act(common::seen(2)).unwrap(), 1);
    // Seen in the second state, and paid for staying: the world of two.
    let mut agent = method.begin(&context).unwrap();
    assert_eq!(agent.act(common::seen(1)).unwrap(), 0);
    assert_eq!(agent.act(Percept { seen: Some(1), reward: Some(1.0), told: None }).unwrap(), 0);
    // What no task of the pool explains is acted upon all the same, in a state that some of them do not have.
    let mut agent = method.begin(&context).unwrap();
    assert_eq!(agent.act(common::seen(2)).unwrap(), 1);
    agent.act(Percept { seen: Some(2), reward: Some(0.25), told: None }).unwrap();
    // A task that shows more than the study's is none of it.
    let small = Shape { symbols: 2, ..shape.clone() };
    assert!(bayes_of(Few::certain(&worlds), &small, json!({})).err().unwrap().to_string().contains("differs in shape"));
}

#[test]
fn what_it_cannot_do_is_said() {
    let worlds = tasks(0, 2, 3);
    let shape = shape_of(&worlds[0]);
    let (split, regime) = ("train".into(), Regime::Mdp);
    let request = TaskRequest { split, index: 0, seed: 1, regime, horizon: 3, models: 1, alpha: 1.0 };
    let prior = Prior { family: Box::new(Few::certain(&worlds)), request };
    let entry = registry::entry("bayes").unwrap();
    for (options, words) in [
        (json!({ "particles": 0 }), "particles is 0"),
        (json!({ "survivors": 0 }), "survivors is 0"),
        (json!({ "lookahead": 9 }), "lookahead is 9"),
        (json!({ "depth": 1 }), "depth"),
    ] {
        let problem = entry.make(options, 0, &shape, &prior).err().unwrap().to_string();
        assert!(problem.contains("bayes") && problem.contains(words), "{problem}");
    }
    let mixed = bayes_of(Few(worlds.clone(), vec![0.0, 0.3]), &shape, json!({})).err().unwrap().to_string();
    assert!(mixed.contains("certain rewards and others noisy ones"), "{mixed}");
    let other = Shape { actions: 3, ..shape.clone() };
    let problem = entry.make(json!({ "particles": 4 }), 0, &other, &prior).err().unwrap().to_string();
    assert!(problem.contains("differs in shape"), "{problem}");
    let method = bayes(&worlds, &shape, json!({}));
    let support = Support::new(3);
    let context = Context { shape: &shape, support: support.columns(), key: Key(0), episode: 0 };
    for seen in [None, Some(2)] {
        let problem =
            method.begin(&context).unwrap().act(Percept { seen, ..Percept::default() }).unwrap_err().to_string();
        assert!(problem.contains("one of 2 symbols"), "{problem}");
    }
    let mut agent = method.begin(&context).unwrap();
    for _ in 0..3 {
        agent.act(common::seen(0)).unwrap();
    }
    assert!(agent.act(common::seen(0)).unwrap_err().to_string().contains("begin another"));
}
