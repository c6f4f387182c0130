//! The vector environment steps as single episodes do; batched beliefs are Bayes' rule.

mod common;

use std::sync::Arc;

use common::{Shape, model};
use proptest::prelude::*;
use tiresias_model::{Model, Space, belief, random::Key};
use tiresias_sim::{BeliefBatch, BeliefFilter, Environments, EnvironmentsError, Episode, Level, NatureRule, World};

/// Some action that differs between lanes and stages.
fn act(model: &Model, lane: usize, stage: usize) -> u8 {
    ((lane * 13 + stage * 5 + lane / 7) % model.actions().len()) as u8
}

fn shapes() -> impl Strategy<Value = Shape> {
    let sizes = (1usize..20, 1usize..6, 0usize..6, 1usize..4, 1usize..12);
    (sizes, 0usize..4, any::<bool>(), prop::option::of(1usize..6)).prop_map(
        |((states, actions, observations, models, outcomes), reward, terminal, horizon)| Shape {
            states,
            actions,
            observations,
            models,
            outcomes,
            reward,
            terminal,
            horizon,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn environments_are_episodes(shape in shapes(), seed in any::<u64>(), len in 1usize..200, resampled in any::<bool>()) {
        // One model where the state is hidden: the episode's own filter must know the model that moves the world.
        let shape = if shape.observations > 0 { Shape { models: 1, ..shape } } else { shape };
        let model = Arc::new(model(shape, seed));
        let nature = if resampled { NatureRule::Resampled } else { NatureRule::Fixed(0) };
        let (world, key) = (World { model: &model, policy: None, nature }, Key(seed));
        for level in Level::available() {
            let mut environments = Environments::new(model.clone(), nature, key, len, level).unwrap();
            let (mut seen, mut rewards) = (vec![0; len], vec![0.0; len]);
            environments.reset(seed, &mut seen);
            let mut episodes: Vec<_> = (0..len).map(|i| Episode::start(&world, key, seed.wrapping_add(i as u64))).collect();
            for stage in 0..6 {
                for (lane, episode) in episodes.iter().enumerate() {
                    prop_assert_eq!(seen[lane], episode.seen().map_or(-1, |o| o as i32));
                    prop_assert_eq!(environments.states()[lane] as usize, episode.state());
                }
                let actions: Vec<u8> = (0..len).map(|lane| act(&model, lane, stage)).collect();
                environments.step(&actions, &mut rewards, &mut seen);
                for (lane, episode) in episodes.iter_mut().enumerate() {
                    prop_assert_eq!(rewards[lane], episode.step(&world, actions[lane].into()).unwrap().reward);
                }
                prop_assert_eq!(environments.stage(), stage + 1);
            }
        }
    }

    #[test]
    fn batched_beliefs_are_bayes_rule(shape in shapes(), seed in any::<u64>(), len in 1usize..100) {
        let model = model(shape, seed);
        let (s, symbols) = (model.states().len(), model.observations().map_or(model.states().len(), Space::len));
        for (m, level) in (0..shape.models).flat_map(|m| Level::available().into_iter().map(move |level| (m, level))) {
            let filter = BeliefFilter::<f64>::new(&model, m);
            let narrow = BeliefFilter::<f32>::new(&model, m);
            let mut batch = BeliefBatch::new(model.start(), len);
            let mut singles = BeliefBatch::<f32>::new(model.start(), len);
            let mut reference = vec![model.start().to_vec(); len];
            let (mut logs, mut narrow_logs, mut out) = (vec![0.0; len], vec![0.0; len], vec![0.0; s]);
            for stage in 0..5 {
                let actions: Vec<u8> = (0..len).map(|lane| act(&model, lane, stage)).collect();
                let seen: Vec<i32> = (0..len).map(|lane| ((lane * 3 + stage) % symbols) as i32).collect();
                let before = reference.clone();
                let impossible = batch.update(&filter, &actions, &seen, &mut logs, level);
                singles.update(&narrow, &actions, &seen, &mut narrow_logs, level);
                let mut expected_impossible = 0;
                for lane in 0..len {
                    let (action, o) = (usize::from(actions[lane]), seen[lane] as usize);
                    let likelihood = belief::update(&model, m, &before[lane], action, o, &mut out);
                    if likelihood > 0.0 {
                        reference[lane].copy_from_slice(&out);
                    } else {
                        expected_impossible += 1;
                    }
                    prop_assert_eq!(logs[lane], likelihood.ln());
                    prop_assert_eq!(batch.belief(lane).collect::<Vec<_>>(), reference[lane].clone());
                    prop_assert_eq!(filter.update(&before[lane], action, o, &mut out), likelihood.ln());
                    prop_assert_eq!(&out, &reference[lane]);
                    for (x, y) in singles.belief(lane).zip(&reference[lane]) {
                        prop_assert!((f64::from(x) - y).abs() < 1e-4, "{} {}", x, y);
                    }
                }
                prop_assert_eq!(impossible, expected_impossible);
            }
        }
    }
}

#[test]
fn a_lane_can_be_set_and_keeps_its_belief_when_nothing_explains_what_it_saw() {
    let shape = Shape {
        states: 4,
        actions: 1,
        observations: 0,
        models: 1,
        outcomes: 1,
        reward: 0,
        terminal: false,
        horizon: None,
    };
    let model = model(shape, 1);
    let (next, _) = model.dynamics()[0].transition.row(2);
    let other = (next[0] as i32 + 1) % 4;
    let mut batch = BeliefBatch::<f32>::new(model.start(), 20);
    for lane in [3, 17] {
        batch.set(lane, &[0.0, 0.0, 1.0, 0.0]);
    }
    let mut logs = vec![0.0; 20];
    let filter = BeliefFilter::new(&model, 0);
    let mut seen = vec![next[0] as i32; 20];
    seen[17] = other;
    batch.update(&filter, &[0; 20], &seen, &mut logs, Level::best());
    assert_eq!((logs[3], logs[17]), (0.0, f64::NEG_INFINITY));
    assert_eq!(batch.belief(17).collect::<Vec<_>>(), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(batch.belief(3).nth(next[0] as usize), Some(1.0));
}

#[test]
fn what_cannot_be_stepped_says_why() {
    let shape = Shape {
        states: 4,
        actions: 2,
        observations: 3,
        models: 2,
        outcomes: 2,
        reward: 0,
        terminal: false,
        horizon: None,
    };
    let model = Arc::new(model(shape, 1));
    let made = Environments::new(model.clone(), NatureRule::Oracle, Key(1), 8, Level::best());
    assert_eq!(made.unwrap_err(), EnvironmentsError::Nature);
    let mut made = Environments::new(model, NatureRule::Resampled, Key(1), 0, Level::best()).unwrap();
    assert!(made.is_empty());
    made.step(&[], &mut [], &mut []);
}
