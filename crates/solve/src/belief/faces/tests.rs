//! The certificate itself, for ambiguous models: at every belief on a face, a stage's interpolants enclose one Bellman backup of
//! the next stage's. (Tangents and interpolants of a convex value bound it for another reason, and need not be so nested.)

use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};

use super::bounds::{FaceBounds, Stages};
use super::geometry::{Geometry, face_maps};
use super::lattice::Lattice;
use super::overlay::Overlay;
use super::solver::Faces;
use super::sweep::{Criterion, Sweep};
use crate::belief::backup::{Bracket, Scratch, ValueBounds, backup};
use crate::belief::bounds::{BeliefBounds, Refined};
use crate::belief::corners::Corners;
use crate::limits::Watch;
use crate::policy::Body;
use crate::{Limits, Solver, no_hook};

fn row(draw: &mut Sequence, columns: usize) -> Vec<(usize, f64)> {
    let weights: Vec<f64> =
        (0..columns).map(|_| if draw.uniform() < 0.2 { 0.0 } else { draw.uniform() + 1e-3 }).collect();
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 { weights.iter().map(|w| w / sum).enumerate().collect() } else { vec![(0, 1.0)] }
}

fn random_model(seed: u64, alpha: f64, actions: usize) -> Model {
    let mut draw = Key::named(seed, &["certificate"], &[]).sequence();
    let (s, o) = (3, 2);
    let mut kernel = |columns: usize| {
        let mut kernel = Kernel::new(columns);
        (0..actions * s).for_each(|_| kernel.push_row(row(&mut draw, columns)));
        kernel
    };
    let dynamics = (0..3).map(|_| Dynamics { transition: kernel(s), observation: Some(kernel(o)) }).collect();
    let rewards = (0..actions * s).map(|_| draw.between(-2.0, 2.0)).collect();
    ModelBuilder {
        name: "certificate".into(),
        states: Space::unnamed("states", s).unwrap(),
        actions: Space::unnamed("actions", actions).unwrap(),
        observations: Some(Space::unnamed("observations", o).unwrap()),
        reward: Reward::StateAction(rewards),
        start: vec![0.2, 0.3, 0.5],
        discount: 0.9 + 0.1 * draw.uniform(),
        horizon: Some(6),
        terminal: Vec::new(),
        final_reward: (0..s).map(|_| draw.between(-2.0, 2.0)).collect(),
        dynamics,
        alpha,
        ambiguity: None,
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

fn bounds(model: &Model, divisions: usize) -> BeliefBounds {
    let solver = Faces { first_divisions: divisions, most_divisions: divisions };
    let policy = solver.solve(model, &Limits::with_gap(0.0), &no_hook).unwrap().policy;
    let Body::Belief(bounds) = policy.body() else { panic!("a belief solver returns bounds on beliefs") };
    bounds.clone()
}

/// The triangulation without the linear bounds, which know nothing of values drawn at random.
struct Alone<'a>(&'a FaceBounds, &'a Corners);

impl ValueBounds for Alone<'_> {
    fn bracket(&self, stage: usize, belief: &[(u32, f64)]) -> Bracket {
        self.0.on_faces(stage, belief).unwrap_or_else(|| self.1.bracket(stage, belief))
    }
}

/// Looks at `points` random beliefs a face and stage.
fn check(model: &Model, bounds: &BeliefBounds, points: usize, draw: &mut Sequence) {
    let Refined::Faces(faces) = &bounds.refined else { return };
    for stage in 1..model.horizon().unwrap() {
        for face in &faces.faces {
            for _ in 0..points {
                let mut belief: Vec<(u32, f64)> = face.states.iter().map(|&s| (s, draw.uniform().powi(3))).collect();
                belief.retain(|p| p.1 > 0.0);
                let here = faces.on_faces(stage, &belief).unwrap();
                let alone = Alone(faces, &bounds.corners);
                let (lower, upper) = backup(model, &belief, stage + 1, &alone, &mut Scratch::new(model)).bounds();
                let tiny = 1e-11 * (1.0 + lower.abs() + upper.abs());
                assert!(here.lower <= lower + tiny, "stage {stage}: {} above {lower}", here.lower);
                assert!(here.upper >= upper - tiny, "stage {stage}: {} below {upper}", here.upper);
            }
        }
    }
}

#[test]
fn interpolants_enclose_the_backup_on_random_models() {
    let mut draw = Key(5).sequence();
    for seed in 0..24 {
        for (alpha, divisions) in [(1.0, 1), (1.0, 3), (0.6, 4), (0.2, 2), (1.0, 7)] {
            let model = random_model(seed, alpha, 2 + seed as usize % 3);
            check(&model, &bounds(&model, divisions), 400, &mut draw);
        }
    }
}

#[test]
fn interpolants_enclose_the_backup_on_energy() {
    let mut draw = Key(6).sequence();
    for index in 0..6 {
        for (alpha, divisions) in [(1.0, 2), (1.0, 5), (0.5, 3), (0.1, 4)] {
            let request = TaskRequest {
                split: "train".into(),
                index,
                seed: 9,
                regime: Regime::Apomdp,
                horizon: 7,
                models: 3,
                alpha,
            };
            let model = family("energy").unwrap().task(&request).unwrap().model;
            check(&model, &bounds(&model, divisions), 60, &mut draw);
        }
    }
}

#[test]
fn one_sweep_encloses_the_backup_of_any_values() {
    // Values at random, with a peak or a pit at every vertex, leave no crossing without a say.
    let mut draw = Key(8).sequence();
    for seed in 0..60 {
        let mut builder = random_model(seed, if seed % 3 == 0 { 0.4 } else { 1.0 }, 2).to_builder();
        builder.horizon = Some(2);
        let model = builder.build().unwrap();
        for divisions in [2, 5, 12] {
            let mut bounds = bounds(&model, divisions);
            // A model that the linear bounds solve is not triangulated.
            let Refined::Faces(faces) = &mut bounds.refined else { continue };
            let Stages::Ambiguous(stages) = &mut faces.stages else { panic!("it is ambiguous") };
            for lanes in &mut stages[1] {
                let middle = draw.between(-1.0, 1.0);
                *lanes = [middle - 0.5 * draw.uniform(), middle, middle + 0.5 * draw.uniform(), 0.0];
            }
            let limits = Limits::default();
            let watch = Watch::new(&limits, &no_hook);
            let maps = face_maps(&model, &faces.faces, &watch).unwrap();
            let geometry = Geometry::new(&faces.faces, maps, divisions, &watch).unwrap();
            let overlay = Overlay::new(&geometry, &watch).unwrap();
            stages[0] = Sweep::default().run(&geometry, &overlay, Criterion::of(&model), &stages[1], &watch).unwrap();
            check(&model, &bounds, 500, &mut draw);
        }
    }
}

#[test]
fn places_reproduce_points() {
    let mut draw = Key(7).sequence();
    for divisions in [1, 2, 5, 16] {
        for corners in [1, 2, 3] {
            let lattice = Lattice { corners, divisions };
            let coordinates = lattice.coordinates();
            assert_eq!(coordinates.len(), lattice.vertices());
            let topology = lattice.topology();
            assert_eq!(topology.cells.len(), if corners == 1 { 0 } else { divisions.pow(corners as u32 - 1) });
            for cell in &topology.cells {
                for &edge in &cell.edges {
                    assert!(topology.edges[edge as usize].iter().all(|v| cell.vertices.contains(v)));
                }
                let distinct: std::collections::BTreeSet<_> = cell.edges.iter().collect();
                assert_eq!(distinct.len(), if corners == 3 { 3 } else { 1 });
            }
            for trial in 0..2_000 {
                let mut y = [draw.uniform(), draw.uniform(), draw.uniform()];
                if trial % 4 == 0 {
                    // Points on lattice lines and vertices, where rounding decides.
                    y = y.map(|v| (v * divisions as f64).floor() / divisions as f64);
                }
                y[corners..].fill(0.0);
                if y.iter().sum::<f64>() == 0.0 {
                    continue;
                }
                let place = lattice.place(y);
                let mut found = [0.0; 3];
                for (v, w) in place.vertex.into_iter().zip(place.weight) {
                    assert!(w >= -1e-15);
                    let c = coordinates[v as usize];
                    (0..3).for_each(|i| found[i] += w * c[i] as f64 / divisions as f64);
                }
                (0..3).for_each(|i| assert!((found[i] - y[i]).abs() < 1e-12, "{y:?} {found:?}"));
            }
        }
    }
}
