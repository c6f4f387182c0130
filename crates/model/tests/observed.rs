//! The observed part of a state, against its definition carried out naively.

use proptest::prelude::*;
use std::ops::ControlFlow;
use tiresias_model::format::{ReadOptions, read};

use tiresias_model::{
    Dynamics, Kernel, Model, ModelBuilder, Reward, Space, observed_component, observed_component_while,
};

fn model(s: usize, a: usize, o: usize, start: Vec<f64>, dynamics: Vec<(Vec<f64>, Vec<f64>)>) -> Model {
    ModelBuilder {
        name: String::new(),
        states: Space::unnamed("states", s).unwrap(),
        actions: Space::unnamed("actions", a).unwrap(),
        observations: Some(Space::unnamed("observations", o).unwrap()),
        reward: Reward::Action(vec![0.0; a]),
        start,
        discount: 0.9,
        horizon: None,
        terminal: vec![],
        final_reward: vec![],
        dynamics: dynamics
            .into_iter()
            .map(|(t, q)| Dynamics {
                transition: Kernel::from_dense(s, &t),
                observation: Some(Kernel::from_dense(o, &q)),
            })
            .collect(),
        alpha: 1.0,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// Rows of a stochastic matrix from bits: uniform over the columns whose bit is set, over the first if none is.
fn rows(bits: &[u8], count: usize, columns: usize) -> Vec<f64> {
    (0..count)
        .flat_map(|r| {
            let mask = match bits[r % bits.len()] as usize % (1 << columns) {
                0 => 1,
                mask => mask,
            };
            (0..columns).map(move |c| if mask >> c & 1 == 1 { 1.0 / f64::from(mask.count_ones()) } else { 0.0 })
        })
        .collect()
}

/// Merges cells until cell, action and observation determine the next cell.
fn naively(model: &Model) -> Vec<usize> {
    let (s, a, o) = (model.states().len(), model.actions().len(), model.observations().unwrap().len());
    let mut cell: Vec<usize> = (0..s).collect();
    let mut occurs = vec![false; s];
    loop {
        let before = (cell.clone(), occurs.clone());
        // The start, and each cell of states that occur.
        let mut sources = vec![(0..s).filter(|&i| model.start()[i] > 0.0).collect::<Vec<_>>()];
        sources.extend((0..s).map(|c| (0..s).filter(|&i| cell[i] == c && before.1[i]).collect()));
        for source in sources {
            for action in 0..a {
                for seen in 0..o {
                    let next: Vec<usize> = (0..s)
                        .filter(|&n| {
                            model.dynamics().iter().any(|d| {
                                d.observation.as_ref().unwrap().get(action * s + n, seen) > 0.0
                                    && source.iter().any(|&i| d.transition.get(action * s + i, n) > 0.0)
                            })
                        })
                        .collect();
                    for &n in &next {
                        occurs[n] = true;
                        let (low, high) = (cell[n].min(cell[next[0]]), cell[n].max(cell[next[0]]));
                        cell.iter_mut().filter(|c| **c == high).for_each(|c| *c = low);
                    }
                }
            }
        }
        if before == (cell.clone(), occurs.clone()) {
            break;
        }
    }
    // What does not occur shares a cell; numbers in the order of first states.
    let label: Vec<usize> = (0..s).map(|i| if occurs[i] { cell[i] } else { s }).collect();
    let mut order: Vec<usize> = Vec::new();
    label.iter().for_each(|l| {
        if !order.contains(l) {
            order.push(*l);
        }
    });
    let occurring = order.iter().filter(|&&l| l < s).count();
    if occurring == 1 {
        return Vec::new();
    }
    label.iter().map(|l| order.iter().position(|m| m == l).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn cells_are_the_finest_that_observations_determine(
        s in 1_usize..7,
        a in 1_usize..4,
        o in 1_usize..4,
        models in 1_usize..3,
        bits in proptest::collection::vec(any::<u8>(), 1..60),
    ) {
        let start = rows(&bits, 1, s);
        let dynamics = (0..models)
            .map(|m| (rows(&bits[m % bits.len()..], a * s, s), rows(&bits[(7 * m + 3) % bits.len()..], a * s, o)))
            .collect();
        let model = model(s, a, o, start, dynamics);
        let expected = naively(&model);
        let found = observed_component(&model).unwrap_or_default();
        prop_assert_eq!(found.iter().map(|&c| c as usize).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_mdp_sees_every_state() {
    let text = "discount: 0.9\nstates: 3\nactions: 1\nT: * uniform";
    let mdp = read("a.mdp", text.as_bytes(), &ReadOptions::default()).unwrap().model;
    assert_eq!(observed_component(&mdp), Some(vec![0, 1, 2]));
}

#[test]
fn tiger_hides_everything() {
    let tiger = read("tiger.pomdp", include_bytes!("data/tiger.pomdp"), &ReadOptions::default()).unwrap().model;
    assert_eq!(observed_component(&tiger), None);
}

#[test]
fn who_asks_is_asked_whether_to_go_on_and_heard() {
    let model = tiresias_model::classic::by_name("rock-sample:4,4").unwrap();
    let found = observed_component(&model);
    assert!(found.is_some());
    let (mut asked, mut read) = (0, 0);
    let whole = observed_component_while(&model, |entries| {
        (asked, read) = (asked + 1, read + entries);
        true
    });
    assert_eq!(whole, ControlFlow::Continue(found));
    assert!(asked > 1 && read > asked, "{asked} times, {read}");
    for most in [1, asked / 2] {
        let mut left = most;
        let cut = observed_component_while(&model, |_| {
            left -= 1;
            left > 0
        });
        assert_eq!((cut, left), (ControlFlow::Break(()), 0));
    }
}
