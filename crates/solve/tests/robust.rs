//! Ambiguity sets: nature's inner problem against a linear program, whole solves against the enumeration of its vertices.

mod common;

use common::{Size, observed, runner};
use microlp::{ComparisonOp, OptimizationDirection, Problem};
use proptest::prelude::*;
use tiresias_model::random::Key;
use tiresias_model::{Ambiguity, Dynamics, Kernel, Model, ModelBuilder, Policy, Reward, Space, Support};
use tiresias_solve::{
    BackwardInduction, Limits, ModifiedPolicyIteration, PolicyIteration, Solution, Solver, Stopped, ValueIteration,
    auto, no_hook,
};

fn rows(model: &Model) -> usize {
    model.states().len() * model.actions().len()
}

fn with(model: &Model, ambiguity: Ambiguity) -> Model {
    let mut parts = model.to_builder();
    parts.ambiguity = Some(ambiguity);
    parts.build().unwrap()
}

fn ball(model: &Model, radius: f64, support: Support) -> Model {
    with(model, Ambiguity::L1 { radius: vec![radius; rows(model)], support })
}

/// Bounds as far below and above the nominal probabilities as `below` and `above` say, entry by entry.
fn between(model: &Model, below: &[f64], above: &[f64]) -> Model {
    let s = model.states().len();
    let nominal: Vec<f64> = (0..rows(model) * s).map(|i| model.dynamics()[0].transition.get(i / s, i % s)).collect();
    let bound = |by: &[f64], sign: f64| {
        let moved = nominal.iter().zip(by.iter().cycle()).map(|(p, d)| (p + sign * d).clamp(0.0, 1.0));
        Kernel::from_dense(s, &moved.collect::<Vec<_>>())
    };
    with(model, Ambiguity::Interval { lower: bound(below, -1.0), upper: bound(above, 1.0) })
}

/// MDPs with a set of any kind around every row.
fn ambiguous(size: Size) -> impl Strategy<Value = Model> {
    let wide = || prop::collection::vec(prop_oneof![1 => Just(0.0), 2 => 0.0..0.6_f64, 1 => Just(1.0)], 7);
    let radii = prop::collection::vec(prop_oneof![1 => Just(0.0), 4 => 0.0..1.5_f64, 1 => Just(2.5)], 5);
    (observed(size), radii, wide(), wide(), 0..3).prop_map(|(model, radii, below, above, kind)| {
        let radius = (0..rows(&model)).map(|row| radii[row % radii.len()]).collect();
        match kind {
            0 => with(&model, Ambiguity::L1 { radius, support: Support::Nominal }),
            1 => with(&model, Ambiguity::L1 { radius, support: Support::All }),
            _ => between(&model, &below, &above),
        }
    })
}

fn endless(model: &Model, discount: f64) -> Model {
    let mut parts = model.to_builder();
    (parts.discount, parts.horizon, parts.final_reward) = (discount, None, Vec::new());
    parts.build().unwrap()
}

fn at(states: usize, state: usize) -> Vec<f64> {
    (0..states).map(|s| f64::from(u8::from(s == state))).collect()
}

/// What the transition to `next` is worth: its reward (without the part that hangs on the action alone) and what follows.
fn worth(model: &Model, row: usize, next: usize, values: &[f64]) -> f64 {
    let (state, action) = (row % model.states().len(), row / model.states().len());
    model.realised_reward(state, action, next, 0) + model.discount() * values[next]
}

/// The least or greatest mean worth over the set of a row, by a linear program.
fn by_program(model: &Model, row: usize, values: &[f64], direction: OptimizationDirection) -> f64 {
    let s = model.states().len();
    if model.is_terminal(row % s) {
        return worth(model, row, row % s, values);
    }
    let mut problem = Problem::new(direction);
    let nominal = &model.dynamics()[0].transition;
    let bounds = |j: usize| match model.ambiguity().unwrap() {
        Ambiguity::L1 { support: Support::Nominal, .. } if nominal.get(row, j) == 0.0 => (0.0, 0.0),
        Ambiguity::L1 { .. } => (0.0, 1.0),
        Ambiguity::Interval { lower, upper } => (lower.get(row, j), upper.get(row, j)),
    };
    let p: Vec<_> = (0..s).map(|j| problem.add_var(worth(model, row, j, values), bounds(j))).collect();
    problem.add_constraint(p.iter().map(|&p| (p, 1.0)), ComparisonOp::Eq, 1.0);
    if let Ambiguity::L1 { radius, .. } = model.ambiguity().unwrap() {
        let distance: Vec<_> = (0..s).map(|_| problem.add_var(0.0, (0.0, 2.0))).collect();
        for j in 0..s {
            problem.add_constraint([(p[j], 1.0), (distance[j], -1.0)], ComparisonOp::Le, nominal.get(row, j));
            problem.add_constraint([(p[j], 1.0), (distance[j], 1.0)], ComparisonOp::Ge, nominal.get(row, j));
        }
        problem.add_constraint(distance.iter().map(|&d| (d, 1.0)), ComparisonOp::Le, radius[row]);
    }
    problem.solve().unwrap().objective()
}

#[test]
fn the_inner_problem_is_what_a_linear_program_says() {
    for (states, cases) in [(1, 10), (2, 40), (5, 80), (30, 15)] {
        let size = Size { states, actions: 2, observations: 1, models: 1, horizon: 1 };
        let check = |(model, values): (Model, Vec<f64>)| {
            let mut parts = model.to_builder();
            parts.final_reward.clone_from(&values);
            let model = parts.build().unwrap();
            let solution = BackwardInduction.solve(&model, &Limits::default(), &no_hook).unwrap();
            for row in 0..rows(&model) {
                let least = by_program(&model, row, &values, OptimizationDirection::Minimize);
                let greatest = by_program(&model, row, &values, OptimizationDirection::Maximize);
                let expected = model.alpha() * least + (1.0 - model.alpha()) * greatest;
                let found = solution.policy.q_values(0, &at(states, row % states))[row / states];
                prop_assert!((found - expected).abs() < 1e-7, "row {row}: {found}, the program says {expected}");
            }
            Ok(())
        };
        let values = prop::collection::vec(prop_oneof![3 => -5.0..5.0_f64, 1 => Just(1.0)], states);
        runner(cases).run(&(ambiguous(size), values), check).unwrap();
    }
}

/// All vertices of a set of distributions over three states, given by inequalities `normal · p ≤ limit`.
fn vertices(inequalities: &[([f64; 3], f64)]) -> Vec<[f64; 3]> {
    let mut found = Vec::new();
    for (i, (a, x)) in inequalities.iter().enumerate() {
        for (b, y) in &inequalities[..i] {
            // p2 = 1 - p0 - p1 leaves two equations in two unknowns.
            let [a0, a1, b0, b1] = [a[0] - a[2], a[1] - a[2], b[0] - b[2], b[1] - b[2]];
            let (determinant, x, y) = (a0 * b1 - a1 * b0, x - a[2], y - b[2]);
            if determinant.abs() > 1e-9 {
                let (p0, p1) = ((x * b1 - y * a1) / determinant, (a0 * y - b0 * x) / determinant);
                found.push([p0, p1, 1.0 - p0 - p1]);
            }
        }
    }
    let inside = |p: &[f64; 3]| {
        inequalities.iter().all(|(normal, limit)| (0..3).map(|i| normal[i] * p[i]).sum::<f64>() <= limit + 1e-9)
    };
    found.retain(inside);
    found
}

fn inequalities(model: &Model, row: usize) -> Vec<([f64; 3], f64)> {
    let unit = |j: usize, sign: f64| std::array::from_fn(|i| if i == j { sign } else { 0.0 });
    let nominal: [f64; 3] = std::array::from_fn(|j| model.dynamics()[0].transition.get(row, j));
    let mut all: Vec<([f64; 3], f64)> = (0..3).map(|j| (unit(j, -1.0), 0.0)).collect();
    match model.ambiguity().unwrap() {
        Ambiguity::L1 { radius, support } => {
            for code in 0..8 {
                let signs: [f64; 3] = std::array::from_fn(|j| if code >> j & 1 == 1 { 1.0 } else { -1.0 });
                let centre: f64 = (0..3).map(|j| signs[j] * nominal[j]).sum();
                all.push((signs, radius[row] + centre));
            }
            let left_out = (0..3).filter(|&j| *support == Support::Nominal && nominal[j] == 0.0);
            all.extend(left_out.map(|j| (unit(j, 1.0), 0.0)));
        }
        Ambiguity::Interval { lower, upper } => {
            all.extend((0..3).map(|j| (unit(j, 1.0), upper.get(row, j))));
            all.extend((0..3).map(|j| (unit(j, -1.0), -lower.get(row, j))));
        }
    }
    all
}

/// `Q_t(s, a)`: nature tries every vertex of its set, then the whole game again.
fn q(model: &Model, stage: usize, state: usize, action: usize) -> f64 {
    let values: Vec<f64> = (0..3).map(|next| value(model, stage + 1, next)).collect();
    let row = action * 3 + state;
    if model.is_terminal(state) {
        return model.discount() * values[state];
    }
    let means = vertices(&inequalities(model, row)).into_iter();
    let means: Vec<f64> = means.map(|p| (0..3).map(|j| p[j] * worth(model, row, j, &values)).sum()).collect();
    let (low, high) = (means.iter().copied().fold(f64::MAX, f64::min), means.iter().copied().fold(f64::MIN, f64::max));
    model.alpha() * low + (1.0 - model.alpha()) * high
}

fn value(model: &Model, stage: usize, state: usize) -> f64 {
    if Some(stage) == model.horizon() {
        return model.final_reward().get(state).copied().unwrap_or(0.0);
    }
    (0..model.actions().len()).map(|a| q(model, stage, state, a)).fold(f64::MIN, f64::max)
}

#[test]
fn backward_induction_finds_what_trying_every_vertex_finds() {
    let size = Size { states: 3, actions: 2, observations: 1, models: 1, horizon: 3 };
    let check = |model: Model| {
        let solution = auto(&model).solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap();
        prop_assert_eq!((solution.stats.solver, solution.stopped), ("backward-induction", Stopped::Converged));
        let exact: f64 = (0..3).map(|s| model.start()[s] * value(&model, 0, s)).sum();
        prop_assert!((solution.lower - exact).abs() < 1e-7 && solution.lower == solution.upper);
        for (stage, state) in [(0, 0), (1, 1), (2, 2)] {
            let found = solution.policy.q_values(stage, &at(3, state));
            for action in 0..2 {
                prop_assert!((found[action] - q(&model, stage, state, action)).abs() < 1e-7);
            }
        }
        Ok(())
    };
    runner(60).run(&ambiguous(size), check).unwrap();
}

const FEW: Size = Size { states: 5, actions: 3, observations: 1, models: 1, horizon: 4 };

#[test]
fn a_set_of_one_distribution_changes_no_bit() {
    let check = |model: Model| {
        for model in [endless(&model, 0.95), model] {
            let plain = auto(&model).solve(&model, &Limits::with_gap(1e-6), &no_hook).unwrap();
            let sets =
                [ball(&model, 0.0, Support::Nominal), ball(&model, 0.0, Support::All), between(&model, &[0.0], &[0.0])];
            for set in sets {
                let robust = auto(&set).solve(&set, &Limits::with_gap(1e-6), &no_hook).unwrap();
                // Rewards of transitions are added in another order.
                let tiny = if model.reward().is_state_action() { 0.0 } else { 1e-9 };
                prop_assert!((robust.lower - plain.lower).abs() <= tiny && (robust.upper - plain.upper).abs() <= tiny);
                for state in 0..5 {
                    let pair = [&robust, &plain].map(|s| s.policy.q_values(0, &at(5, state)));
                    prop_assert!(pair[0].iter().zip(&pair[1]).all(|(x, y)| (x - y).abs() <= tiny));
                }
            }
        }
        Ok(())
    };
    runner(30).run(&observed(FEW), check).unwrap();
}

fn solved(model: &Model) -> Solution {
    auto(model).solve(model, &Limits::with_gap(1e-8), &no_hook).unwrap()
}

#[test]
fn values_fall_with_the_radius_and_with_caution() {
    let check = |(model, forever): (Model, bool)| {
        let mut parts = if forever { endless(&model, 0.9) } else { model }.to_builder();
        parts.alpha = 1.0;
        let model = parts.build().unwrap();
        let below = |higher: &Solution, lower: &Solution| {
            (0..5)
                .all(|state| lower.policy.bounds(0, &at(5, state)).0 <= higher.policy.bounds(0, &at(5, state)).1 + 1e-9)
        };
        for support in [Support::Nominal, Support::All] {
            let cautious: Vec<Solution> =
                [0.0, 0.1, 0.5, 1.0, 2.0].iter().map(|&r| solved(&ball(&model, r, support))).collect();
            prop_assert!(cautious.windows(2).all(|pair| below(&pair[0], &pair[1])));
            let attitudes: Vec<Solution> = [0.0, 0.3, 0.7, 1.0]
                .iter()
                .map(|&alpha| {
                    let mut parts = ball(&model, 0.6, support).to_builder();
                    parts.alpha = alpha;
                    solved(&parts.build().unwrap())
                })
                .collect();
            prop_assert!(attitudes.windows(2).all(|pair| below(&pair[0], &pair[1])));
        }
        let anywhere = solved(&ball(&model, 0.6, Support::All));
        prop_assert!(below(&solved(&ball(&model, 0.6, Support::Nominal)), &anywhere));
        let [narrow, wide] = [0.1, 0.3].map(|by| solved(&between(&model, &[by], &[by])));
        prop_assert!(below(&narrow, &wide));
        // No entry of an L1 ball is further than half the radius from the nominal one.
        let half = solved(&between(&model, &[0.3], &[0.3]));
        prop_assert!(below(&anywhere, &half));
        Ok(())
    };
    runner(20).run(&(observed(FEW), any::<bool>()), check).unwrap();
}

#[test]
fn discounted_bounds_hold_the_value_of_a_long_horizon() {
    let check = |model: Model| {
        let forever = endless(&model, 0.9);
        let mut parts = forever.to_builder();
        parts.horizon = Some(300);
        let exact = solved(&parts.build().unwrap());
        let solvers: [&dyn Solver; 2] = [&ValueIteration, &ModifiedPolicyIteration::default()];
        for solver in solvers {
            for gap in [1.0, 1e-2, 1e-8] {
                let solution = solver.solve(&forever, &Limits::with_gap(gap), &no_hook).unwrap();
                prop_assert_eq!(solution.stopped, Stopped::Converged);
                prop_assert!(solution.gap() <= gap);
                for state in 0..5 {
                    // The last sweep left out no action that is best.
                    let best = solution.policy.q_values(0, &at(5, state)).into_iter().fold(f64::MIN, f64::max);
                    prop_assert!((solution.policy.value(0, &at(5, state)) - best).abs() < 1e-10);
                    let (low, high) = solution.policy.bounds(0, &at(5, state));
                    let value = exact.policy.value(0, &at(5, state));
                    prop_assert!(low <= value + 1e-9 && value <= high + 1e-9, "{low} {value} {high}");
                }
            }
            let limits = Limits { time: Some(std::time::Duration::ZERO), ..Limits::with_gap(0.0) };
            let cut = solver.solve(&forever, &limits, &no_hook).unwrap();
            prop_assert!(cut.lower <= exact.upper + 1e-9 && exact.lower <= cut.upper + 1e-9);
        }
        let refused = PolicyIteration::default().solve(&forever, &Limits::default(), &no_hook).unwrap_err();
        prop_assert!(refused.to_string().contains("modified-policy-iteration"));
        Ok(())
    };
    runner(25).run(&ambiguous(FEW), check).unwrap();
}

#[test]
fn an_mdp_of_natures_answers_has_the_robust_values() {
    let check = |model: Model| {
        let forever = endless(&model, 0.9);
        let robust = solved(&forever);
        let mut parts = forever.to_builder();
        parts.ambiguity = None;
        parts.dynamics[0].transition = robust.policy.nature_kernel(0).unwrap();
        let nature = solved(&parts.build().unwrap());
        // The answers belong to values that are good to the gap.
        prop_assert!((robust.value() - nature.value()).abs() < 1e-6, "{} {}", robust.value(), nature.value());

        let staged = solved(&model);
        for stage in 0..4 {
            let kernel = staged.policy.nature_kernel(stage).unwrap();
            for row in 0..rows(&model) {
                let (state, action) = (row % 5, row / 5);
                let pairs: Vec<(usize, f64)> = kernel.pairs(row).collect();
                prop_assert_eq!(&staged.policy.nature_row(stage, state, action).unwrap(), &pairs);
                prop_assert!((pairs.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-12);
                check_inside(&model, row, &kernel)?;
                let next = |s: usize| {
                    if stage == 3 {
                        model.final_reward().get(s).copied().unwrap_or(0.0)
                    } else {
                        staged.policy.value(stage + 1, &at(5, s))
                    }
                };
                let values: Vec<f64> = (0..5).map(next).collect();
                let mean: f64 = pairs.iter().map(|&(s, p)| p * worth(&model, row, s, &values)).sum();
                let q = staged.policy.q_values(stage, &at(5, state))[action];
                prop_assert!((mean - q).abs() < 1e-9, "{mean} {q}");
            }
        }
        Ok(())
    };
    runner(25).run(&ambiguous(FEW), check).unwrap();
}

/// The sets are convex, so the mixture of two answers is in them as well.
fn check_inside(model: &Model, row: usize, kernel: &Kernel) -> Result<(), TestCaseError> {
    let nominal = &model.dynamics()[0].transition;
    match model.ambiguity().unwrap() {
        Ambiguity::L1 { radius, support } => {
            let far: f64 = (0..5).map(|j| (kernel.get(row, j) - nominal.get(row, j)).abs()).sum();
            prop_assert!(far <= radius[row] + 1e-12);
            let fits = |j: usize| *support == Support::All || nominal.get(row, j) > 0.0 || kernel.get(row, j) == 0.0;
            prop_assert!((0..5).all(fits));
        }
        Ambiguity::Interval { lower, upper } => {
            let fits = |j| (lower.get(row, j) - 1e-12..=upper.get(row, j) + 1e-12).contains(&kernel.get(row, j));
            prop_assert!((0..5).all(fits));
        }
    }
    Ok(())
}

#[test]
fn a_cloud_whose_states_are_seen_through_observations_is_worth_the_same() {
    let size = Size { states: 3, actions: 2, observations: 1, models: 3, horizon: 3 };
    let check = |(model, state): (Model, usize)| {
        let mut parts = model.to_builder();
        // Nothing is seen before the first action, so the first state must be known.
        parts.start = at(3, state);
        let seen = parts.clone().build().unwrap();
        parts.observations = Some(Space::unnamed("observations", 3).unwrap());
        let identity: Vec<f64> = (0..2 * 3).flat_map(|row| at(3, row % 3)).collect();
        parts.dynamics.iter_mut().for_each(|d| d.observation = Some(Kernel::from_dense(3, &identity)));
        let hidden = parts.build().unwrap();
        let exact = solved(&seen);
        let through = auto(&hidden).solve(&hidden, &Limits::with_gap(1e-6), &no_hook).unwrap();
        prop_assert!(through.lower <= exact.upper + 1e-9 && exact.lower <= through.upper + 1e-9);
        prop_assert!(through.gap() <= 1e-6, "{} {}", through.lower, through.upper);
        // And nature's answers, mixed, are a model that is worth the same.
        let kernel = exact.policy.nature_kernel(0).unwrap();
        for action in 0..2 {
            let row = action * 3 + state;
            let mean: f64 = kernel.pairs(row).map(|(s, p)| p * exact.policy.value(1, &at(3, s))).sum();
            if seen.reward().is_state_action() {
                let q = seen.expected_reward(0)[row] + seen.discount() * mean;
                prop_assert!((q - exact.policy.q_values(0, &at(3, state))[action]).abs() < 1e-9);
            }
        }
        Ok(())
    };
    runner(30).run(&(observed(size), 0..3_usize), check).unwrap();
}

/// 20,000 states that reach far and near, and rows long enough that nature has to sort.
fn large(interval: bool, horizon: Option<usize>) -> Model {
    let (s, a) = (20_011, 2);
    let mut draws = Key::named(5, &["large"], &[]).sequence();
    let (mut kernel, mut lower, mut upper) = (Kernel::new(s), Kernel::new(s), Kernel::new(s));
    for row in 0..a * s {
        let successors = if row % 40 == 0 { 25 } else { 4 };
        let columns: Vec<usize> = (0..successors).map(|k| (row % s + k * k * 700) % s).collect();
        let share = 1.0 / successors as f64;
        let wide = draws.between(0.0, 1.0);
        kernel.push_row(columns.iter().map(|&c| (c, share)));
        lower.push_row(columns.iter().map(|&c| (c, share * (1.0 - wide))));
        upper.push_row(columns.iter().map(|&c| (c, (share * (1.0 + 2.0 * wide)).min(1.0))));
    }
    let reward = (0..a * s).map(|_| draws.uniform()).collect();
    let ambiguity = if interval {
        Ambiguity::Interval { lower, upper }
    } else {
        let radius = (0..a * s).map(|_| draws.between(0.0, 1.9)).collect();
        Ambiguity::L1 { radius, support: Support::All }
    };
    ModelBuilder {
        name: "made".into(),
        states: Space::unnamed("states", s).unwrap(),
        actions: Space::unnamed("actions", a).unwrap(),
        observations: None,
        reward: Reward::StateAction(reward),
        start: at(s, 0),
        discount: 0.9,
        horizon,
        terminal: vec![17],
        final_reward: Vec::new(),
        dynamics: vec![Dynamics { transition: kernel, observation: None }],
        alpha: 0.7,
        ambiguity: Some(ambiguity),
        observation_ambiguity: None,
    }
    .build()
    .unwrap()
}

#[test]
fn any_number_of_threads_gives_the_same_bits_and_files() {
    let ours: [(&dyn Solver, Option<usize>); 2] =
        [(&ModifiedPolicyIteration { evaluations: 3 }, None), (&BackwardInduction, Some(3))];
    for (solver, horizon) in ours {
        for interval in [false, true] {
            let model = large(interval, horizon);
            let solve = |threads| solver.solve(&model, &Limits { threads, ..Limits::with_gap(0.5) }, &no_hook).unwrap();
            let (mut one, mut three) = (solve(1), solve(3));
            assert_eq!((one.lower.to_bits(), one.upper.to_bits()), (three.lower.to_bits(), three.upper.to_bits()));
            assert_eq!((one.stats.threads, three.stats.threads), (1, 3));
            // The last sweep left out no action that is best.
            for state in (0..model.states().len()).step_by(1_009) {
                let belief = at(model.states().len(), state);
                let best = one.policy.q_values(0, &belief).into_iter().fold(f64::MIN, f64::max);
                assert!((one.policy.value(0, &belief) - best).abs() < 1e-9);
            }
            // What it took is in the file, too.
            for stats in [&mut one.stats, &mut three.stats] {
                (stats.seconds, stats.threads) = (0.0, 0);
            }
            assert!(one.save() == three.save());
        }
    }
}

#[test]
fn policies_survive_a_file_and_know_their_set() {
    let check = |model: Model| {
        let solution = solved(&model);
        let file = solution.save();
        let read = Solution::load(&file, &model).unwrap().policy;
        for state in 0..5 {
            prop_assert_eq!(read.assess(1, &at(5, state)), solution.policy.assess(1, &at(5, state)));
            prop_assert_eq!(read.action_in_state(0, state, 5), solution.policy.action_in_state(0, state, 5));
        }
        prop_assert!(Solution::load(&file, &model.single(0)).is_err());
        prop_assert!(Solution::load(&file, &ball(&model.single(0), 0.123, Support::All)).is_err());
        Ok(())
    };
    runner(10).run(&ambiguous(FEW), check).unwrap();
}
