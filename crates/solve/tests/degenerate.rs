//! The small and the odd: one state, one action, one observation, discounts of 0 and 1, costs, no rewards, nothing but terminal
//! states, states that cannot be reached. Every solver finds the value that arithmetic gives; models and policies survive their
//! files.

use tiresias_model::format::{ReadOptions, read};
use tiresias_model::{Kind, Model, Policy};
use tiresias_solve::formats::{AlphaPolicy, PolicyFormat};
use tiresias_solve::{
    BackwardInduction, CornerBounds, Estimate, Exact, Faces, Limits, ModifiedPolicyIteration, Plans, PolicyIteration,
    Search, Solution, Solver, ValueIteration, auto, no_hook,
};

/// A model, its horizon (0 for none), and the value at its start.
const MODELS: &[(&str, usize, f64)] = &[
    // One of everything: 2 a step.
    ("discount: 0.5 states: 1 actions: 1 observations: 1 T: * identity O: * uniform R: * : * : * : * 2", 0, 4.0),
    ("discount: 0.5 states: 1 actions: 1 observations: 1 T: * identity O: * uniform R: * : * : * : * 2", 3, 3.5),
    // Nothing is ever seen: guessing one of two gives 3 or -1.
    (
        "discount: 0.9 states: 2 actions: 2 observations: 1 T: * identity O: * uniform R: * : * : * : * -1
        R: 0 : 0 : * : * 3 R: 1 : 1 : * : * 3",
        0,
        10.0,
    ),
    // Everything is seen, a step late: the first guess is worth 1, all others 3.
    (
        "discount: 0.9 states: 2 actions: 2 observations: 2 T: * identity O: * identity R: * : * : * : * -1
        R: 0 : 0 : * : * 3 R: 1 : 1 : * : * 3",
        0,
        28.0,
    ),
    // One action that costs 1.
    ("discount: 0.9 values: cost states: 2 actions: 1 observations: 2 T: * uniform O: * uniform R: * : * : * : * 1", 0, -10.0),
    // The future is worth nothing: the better mean of 1 and 4 against 3 and 3.
    (
        "discount: 0 states: 2 actions: 2 observations: 2 T: * identity O: * identity R: 0 : 0 : * : * 1 R: 0 : 1 : * : * 4
        R: 1 : * : * : * 3",
        0,
        3.0,
    ),
    // The future is worth as much as the present.
    ("discount: 1 states: 2 actions: 2 observations: 2 T: * uniform O: * identity R: 0 : 0 : * : * 1 R: 1 : 1 : * : * 1", 4, 3.5),
    // No rewards at all.
    ("discount: 0.9 states: 3 actions: 2 observations: 2 T: * uniform O: * uniform", 0, 0.0),
    ("discount: 1 states: 3 actions: 2 observations: 2 T: * uniform O: * uniform", 5, 0.0),
    // It is all over at the start.
    ("discount: 0.9 states: 2 actions: 2 observations: 2 E: 0 1 T: * uniform O: * uniform R: * : * : * : * 7", 0, 0.0),
    // An absorbing state is none that ends: 1 a step for ever, against 5 once.
    (
        "discount: 0.9 states: go stay actions: 1 observations: 1 start: go T: * : * : stay 1 O: * uniform
        R: * : go : * : * 5 R: * : stay : * : * 1",
        0,
        14.0,
    ),
    (
        "discount: 0.9 states: go stay actions: 1 observations: 1 start: go E: stay T: * : * : stay 1 O: * uniform
        R: * : go : * : * 5 R: * : stay : * : * 1",
        0,
        5.0,
    ),
    // What cannot be reached pays a million.
    (
        "discount: 0.5 states: 3 actions: 2 observations: 2 start: 0 T: * identity T: 1 : 0 : 0 0 T: 1 : 0 : 1 1 O: * uniform
        R: * : 2 : * : * 1000000 R: * : 1 : * : * 1 R: 0 : 0 : * : * 0.25",
        0,
        1.0,
    ),
];

fn model(text: &str, horizon: usize) -> Model {
    let options = ReadOptions { horizon: (horizon > 0).then_some(horizon), ..ReadOptions::default() };
    read("odd.pomdp", text.as_bytes(), &options).unwrap_or_else(|error| panic!("{error}")).model
}

/// The same with the state seen.
fn observed(model: &Model) -> Model {
    let mut parts = model.to_builder();
    parts.observations = None;
    parts.dynamics[0].observation = None;
    parts.build().unwrap()
}

/// Every solver that takes the model.
fn solvers(model: &Model) -> Vec<Box<dyn Solver>> {
    let endless = model.horizon().is_none();
    if model.kind() == Kind::Mdp {
        let mut all: Vec<Box<dyn Solver>> = vec![auto(model)];
        if endless {
            all.extend([
                Box::new(ValueIteration) as Box<dyn Solver>,
                Box::new(ModifiedPolicyIteration::default()),
                Box::new(PolicyIteration::default()),
            ]);
        } else {
            all.push(Box::new(BackwardInduction));
        }
        return all;
    }
    let mut all: Vec<Box<dyn Solver>> = vec![
        auto(model),
        Box::new(Search::default()),
        Box::new(Exact::default()),
        Box::new(Plans::default()),
        Box::new(CornerBounds),
    ];
    if Faces::faces(model).is_some() {
        all.extend([Box::new(Faces::default()) as Box<dyn Solver>, Box::new(Estimate::default())]);
    }
    all
}

fn solved(model: &Model, solver: &dyn Solver) -> Solution {
    let solution = solver.solve(model, &Limits::with_gap(1e-7), &no_hook);
    solution.unwrap_or_else(|error| panic!("{}: {error}", solver.name()))
}

#[test]
fn every_solver_finds_the_value() {
    for &(text, horizon, value) in MODELS {
        let model = model(text, horizon);
        for solver in solvers(&model) {
            let solution = solved(&model, &*solver);
            let (name, lower, upper) = (solver.name(), solution.lower, solution.upper);
            assert!(lower <= value + 1e-9 && value - 1e-9 <= upper, "{name}: {value} in [{lower}, {upper}]\n{text}");
            // Linear bounds and triangulations are as close as they can be, not as one asks them to.
            let proves = !["corners", "estimate", "faces"].contains(&solution.stats.solver);
            assert!(!proves || upper - lower <= 1e-6, "{name}: [{lower}, {upper}], {:?}\n{text}", solution.stopped);
            assert!(solution.policy.action(0, model.start()) < model.actions().len());
            let again = Solution::load(&solution.save(), &model).unwrap();
            assert_eq!((again.lower, again.upper, again.stopped), (lower, upper, solution.stopped));
        }
    }
}

#[test]
fn seeing_the_state_is_worth_at_least_as_much_to_every_solver() {
    for &(text, horizon, value) in MODELS {
        let model = observed(&model(text, horizon));
        let values: Vec<f64> = solvers(&model)
            .into_iter()
            .map(|solver| {
                let solution = solved(&model, &*solver);
                assert!(solution.gap() <= 1e-6, "{}: {:?}\n{text}", solver.name(), solution.stopped);
                solution.value()
            })
            .collect();
        assert!(values.iter().all(|v| (v - values[0]).abs() < 1e-6), "{values:?}\n{text}");
        assert!(values[0] >= value - 1e-6, "{} below {value}\n{text}", values[0]);
    }
}

#[test]
fn models_and_policies_survive_their_files() {
    for &(text, horizon, value) in MODELS {
        let model = model(text, horizon);
        let options = ReadOptions { horizon: model.horizon(), ..ReadOptions::default() };
        for other in [&model, &observed(&model)] {
            for (name, text) in [("odd.pomdp", other.to_pomdp().unwrap()), ("odd.json", other.to_json())] {
                let again = read(name, text.as_bytes(), &options).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!((&again.model, &again.warnings[..]), (other, &[][..]), "{name}");
            }
        }
        let vectors = AlphaPolicy::from_solved(&solved(&model, &Search::default()).policy).unwrap();
        for (name, format) in
            [("p.alpha", PolicyFormat::Alpha), ("p.pg", PolicyFormat::Graph), ("p.policy", PolicyFormat::Sarsop)]
        {
            if horizon > 0 && format == PolicyFormat::Sarsop {
                continue;
            }
            let texts = vectors.write(format, &model).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            let files: Vec<(&str, &str)> = texts.iter().map(|text| (name, text.as_str())).collect();
            let again =
                AlphaPolicy::read(&files, Some(format), &model).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let found = again.value(0, model.start());
            assert!((found - value).abs() < 1e-6, "{name}: {found} for {value}\n{text}");
        }
    }
}
