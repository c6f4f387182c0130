//! The lockstep path gives the scalar path's numbers, bit for bit.

mod common;

use common::{Shape, model};
use proptest::prelude::*;
use tiresias_model::random::Key;
use tiresias_model::{Model, Policy, Tabular};
use tiresias_sim::{Batch, Behaviour, Level, NatureRule, Record, RolloutSpec, Simulator, rollout, rollout_into};

const BEHAVIOURS: [&str; 6] = [
    "oracle",
    "random",
    "epsilon:0.3",
    "epsilon:1",
    "mixture:oracle=1,random=1",
    "mixture:epsilon:0.1=1,epsilon:0.7=3",
];

/// Some action for every stage and state. `hidden` keeps it from saying that it is a table, which forces the scalar path.
struct Scattered {
    actions: usize,
    staged: bool,
    hidden: bool,
}

impl Policy for Scattered {
    fn action(&self, stage: usize, belief: &[f64]) -> usize {
        let likeliest = (0..belief.len()).fold(0, |best, s| if belief[s] > belief[best] { s } else { best });
        self.action_in_state(stage, likeliest, belief.len())
    }

    fn action_in_state(&self, stage: usize, state: usize, _: usize) -> usize {
        (state * 7 + if self.staged { stage * 3 } else { 0 }) % self.actions
    }

    fn tabular(&self) -> Option<Tabular> {
        let stages = if self.staged { Tabular::Staged } else { Tabular::Stationary };
        (!self.hidden).then_some(stages)
    }
}

/// The episodes, one after the other: a policy that hides its table, or beliefs where there is none, force the scalar path.
fn scalar(spec: &RolloutSpec<'_>, policy: Option<&dyn Policy>) -> Batch {
    let reference = rollout(&RolloutSpec { policy, record_beliefs: true, ..*spec }).unwrap();
    Batch { beliefs: Vec::new(), ..reference }
}

fn levels_agree(model: &Model, staged: bool, behaviour: &str, nature: NatureRule, size: (usize, usize), first: u64) {
    let table = Scattered { actions: model.actions().len(), staged, hidden: false };
    let asked = Scattered { hidden: true, ..table };
    let behaviour: Behaviour = behaviour.parse().unwrap();
    for with_policy in [true, false] {
        if behaviour.needs_oracle() && !with_policy {
            continue;
        }
        let spec = RolloutSpec {
            model,
            policy: with_policy.then_some(&table as &dyn Policy),
            behaviour: &behaviour,
            nature,
            horizon: size.1,
            first_episode: first,
            episodes: size.0,
            key: Key::named(first, &["lockstep"], &[]),
            record_beliefs: false,
        };
        let expected = scalar(&spec, with_policy.then_some(&asked as &dyn Policy));
        let mut batch = Batch::default();
        let simulator = Simulator::new(&spec);
        for level in Level::available() {
            // A compiled simulator takes any piece: a few lanes, a block, and what is left.
            let (mut begin, mut sizes) = (0, [1, 5, 64, 17].into_iter().cycle());
            while begin < size.0 {
                let n = sizes.next().unwrap().min(size.0 - begin);
                simulator.run(first.wrapping_add(begin as u64), n, Record::ALL, level, &mut batch).unwrap();
                let steps = begin * size.1..(begin + n) * size.1;
                assert_eq!(batch.states, expected.states[steps.clone()]);
                assert_eq!(batch.actions, expected.actions[steps.clone()]);
                assert_eq!(batch.rewards, expected.rewards[steps]);
                assert_eq!(batch.returns, expected.returns[begin..begin + n]);
                begin += n;
            }
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| rollout_into(&spec, Record::ALL, level, &mut batch)).unwrap();
                assert_eq!(batch, expected, "{level}, {threads} threads");
            }
            let some = Record { states: false, rewards: false, ..Record::ALL };
            rollout_into(&spec, some, level, &mut batch).unwrap();
            assert!(batch.states.is_empty() && batch.rewards.is_empty());
            assert_eq!((&batch.observations, &batch.actions), (&expected.observations, &expected.actions));
            assert_eq!(batch.returns, expected.returns);
            rollout_into(&spec, Record::RETURNS, level, &mut batch).unwrap();
            assert!(batch.observations.is_empty() && batch.actions.is_empty());
            assert_eq!(batch.returns, expected.returns);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn lockstep_is_the_scalar_path(
        (states, actions, models, outcomes) in (1usize..40, 1usize..6, 1usize..4, 1usize..14),
        (reward, terminal, staged, resampled) in (0usize..3, any::<bool>(), any::<bool>(), any::<bool>()),
        (episodes, horizon, modelled, own) in (1usize..400, 1usize..40, any::<bool>(), 1usize..40),
        (behaviour, seed) in (0usize..6, any::<u64>()),
    ) {
        let own = modelled.then_some(own);
        let shape = Shape { states, actions, observations: 0, models, outcomes, reward, terminal, horizon: own };
        let model = model(shape, seed);
        let nature = if resampled { NatureRule::Resampled } else { NatureRule::Fixed(models - 1) };
        levels_agree(&model, staged, BEHAVIOURS[behaviour], nature, (episodes, horizon), seed);
    }
}

/// Episode numbers that need more than one counter word, and a batch that crosses from one word into two.
#[test]
fn episodes_beyond_a_word() {
    let shape = Shape {
        states: 12,
        actions: 3,
        observations: 0,
        models: 2,
        outcomes: 4,
        reward: 2,
        terminal: false,
        horizon: Some(9),
    };
    let model = model(shape, 5);
    levels_agree(&model, true, "epsilon:0.5", NatureRule::Resampled, (333, 9), u64::from(u32::MAX) - 40);
}

/// More episodes than a piece of parallel work.
#[test]
fn several_pieces() {
    let shape = Shape {
        states: 10,
        actions: 3,
        observations: 0,
        models: 1,
        outcomes: 2,
        reward: 1,
        terminal: true,
        horizon: Some(5),
    };
    levels_agree(&model(shape, 6), true, "oracle", NatureRule::Fixed(0), (2500, 5), 7);
}

/// Many actions: the byte of a random action and the table's byte reach 255.
#[test]
fn two_hundred_and_fifty_six_actions() {
    let shape = Shape {
        states: 3,
        actions: 256,
        observations: 0,
        models: 1,
        outcomes: 3,
        reward: 1,
        terminal: false,
        horizon: None,
    };
    levels_agree(&model(shape, 8), false, "epsilon:0.5", NatureRule::Fixed(0), (500, 8), 0);
}
