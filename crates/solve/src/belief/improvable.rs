//! Every kind of lower bound is nowhere above the backup of the next stage's under the action that its policy takes, which is why the
//! policy earns it (`docs/apomdp.md`).

use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};

use super::backup::{Sparse, ValueBounds, sparse};
use super::bounds::{BeliefBounds, Refined};
use crate::policy::Body;
use crate::{CornerBounds, Faces, Limits, Plans, Solver, no_hook};

fn kernel(draw: &mut Sequence, rows: usize, columns: usize) -> Kernel {
    let mut kernel = Kernel::new(columns);
    for _ in 0..rows {
        let row: Vec<f64> =
            (0..columns).map(|_| if draw.uniform() < 0.3 { 0.0 } else { draw.between(0.05, 1.0) }).collect();
        let (sum, first) = (row.iter().sum::<f64>(), draw.integer(0, columns as u32 - 1) as usize);
        let entry = |(c, p): (usize, f64)| (c, if sum > 0.0 { p / sum } else { f64::from(u8::from(c == first)) });
        kernel.push_row(row.into_iter().enumerate().map(entry).filter(|(_, p)| *p > 0.0));
    }
    kernel
}

fn random_model(draw: &mut Sequence, states: usize, horizon: Option<usize>, models: usize) -> Model {
    let (actions, observations) = (3, 2);
    let dynamics = (0..models).map(|_| Dynamics {
        transition: kernel(draw, actions * states, states),
        observation: Some(kernel(draw, actions * states, observations)),
    });
    ModelBuilder {
        name: "improvable".into(),
        states: Space::unnamed("states", states).unwrap(),
        actions: Space::unnamed("actions", actions).unwrap(),
        observations: Some(Space::unnamed("observations", observations).unwrap()),
        dynamics: dynamics.collect(),
        reward: Reward::StateAction((0..actions * states).map(|_| draw.between(-2.0, 2.0)).collect()),
        start: vec![1.0 / states as f64; states],
        discount: if horizon.is_some() { 1.0 } else { 0.8 },
        horizon,
        terminal: Vec::new(),
        final_reward: Vec::new(),
        alpha: [1.0, 0.6, 0.0][draw.integer(0, 2) as usize],
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

/// The form of the bounds, and the most by which a lower bound is above what continues it at some random beliefs.
fn excess(model: &Model, solver: &dyn Solver, draw: &mut Sequence) -> (&'static str, f64) {
    let solution = solver.solve(model, &Limits::with_gap(0.0), &no_hook).unwrap();
    let Body::Belief(bounds) = solution.policy.body() else { panic!("a belief solver returns bounds on beliefs") };
    let mut most = 0.0_f64;
    for stage in 1..model.horizon().unwrap_or(2) {
        for _ in 0..200 {
            let mut belief: Sparse = (0..model.states().len() as u32).map(|s| (s, draw.uniform().powi(4))).collect();
            if let Refined::Faces(faces) = &bounds.refined {
                // What is on no face cannot come about.
                let face = &faces.faces[draw.integer(0, faces.faces.len() as u32 - 1) as usize];
                belief.retain(|(s, _)| face.states.contains(s));
            }
            if draw.uniform() < 0.2 {
                belief.truncate(1 + belief.len() / 2);
            }
            most = most.max(above(model, bounds, stage, &belief));
        }
    }
    (bounds.form(), most)
}

/// How far the lower bound is above what is proven of the action that the policy takes, for mass 1.
fn above(model: &Model, bounds: &BeliefBounds, stage: usize, belief: &[(u32, f64)]) -> f64 {
    let mass: f64 = belief.iter().map(|(_, p)| p).sum();
    let mut dense = vec![0.0; model.states().len()];
    belief.iter().for_each(|&(s, p)| dense[s as usize] = p / mass);
    let assessment = bounds.assess(model, stage, &dense);
    bounds.bracket(stage, &sparse(&dense)).lower - assessment.lower[assessment.action()] - model.tie(assessment.value())
}

#[test]
fn no_lower_bound_is_above_the_backup_of_the_next() {
    let mut forms = std::collections::BTreeSet::new();
    for case in 0..30 {
        let mut draw = Key::named(case, &["improvable"], &[]).sequence();
        let horizon = (case % 3 != 0).then_some(5);
        let states = 2 + case as usize % 3;
        let model = random_model(&mut draw, states, horizon, 1 + case as usize % 4);
        let most_trials = u64::from(draw.integer(1, 150));
        let divisions = draw.integer(1, 9) as usize;
        let mut solvers: Vec<Box<dyn Solver>> =
            vec![Box::new(CornerBounds), Box::new(Plans { most_trials, ..Plans::default() })];
        if Faces::faces(&model).is_some() {
            solvers.push(Box::new(Faces { first_divisions: divisions, most_divisions: divisions }));
        }
        for solver in solvers {
            let (form, most) = excess(&model, &*solver, &mut draw);
            assert!(most <= 1e-11, "case {case}, {form}, α {}: {most} above", model.alpha());
            forms.insert(form);
        }
    }
    assert_eq!(forms.into_iter().collect::<Vec<_>>(), ["corners", "faces", "plans"]);
}
