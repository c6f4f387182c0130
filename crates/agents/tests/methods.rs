//! Methods that learn from the support, against value iteration, brute force, their formulas and themselves.

mod common;

use std::collections::HashMap;

use common::{
    Support, begin, make, mdp, optimum, prior, random_mdp, random_support, seen, shape, shape_of, table_value,
};
use serde_json::{Value, json};
use tiresias_agents::{Agent, Percept, Shape, registry};
use tiresias_model::family::Regime;
use tiresias_model::random::{Key, Sequence};
use tiresias_model::{Kernel, Model};

/// What each method is called with where nothing else is said.
const METHODS: [&str; 7] = ["bc-prompt", "empirical", "posterior-sampling", "ucb", "fqi", "cql", "pessimistic"];

fn draws(name: &str, number: u64) -> Sequence {
    Key::named(number, &[name], &[]).sequence()
}

/// Every state and action with its successors in their exact proportions: trajectories of two decisions.
fn exact_support(model: &Model) -> Support {
    let (s, a) = (model.states().len(), model.actions().len());
    let reward = model.expected_reward(0);
    let mut support = Support::new(2);
    for (state, action) in (0..s).flat_map(|s| (0..a).map(move |a| (s, a))) {
        for (next, p) in model.dynamics()[0].transition.pairs(action * s + state) {
            for _ in 0..(8.0 * p) as usize {
                support.push(Some(state), action, reward[action * s + state]);
                support.push(Some(next), 0, reward[next]);
            }
        }
    }
    support
}

/// Transitions, rewards and how often each pair was tried, as a reader of the support would note them.
#[derive(Default)]
struct Notes {
    moves: HashMap<(usize, usize), HashMap<usize, f64>>,
    rewards: HashMap<(usize, usize), Vec<f64>>,
}

impl Notes {
    fn of(support: &Support) -> Self {
        let mut notes = Self::default();
        for t in 0..support.actions.len() {
            let pair = (support.observations[t] as usize, usize::from(support.actions[t]));
            notes.rewards.entry(pair).or_default().push(support.rewards[t]);
            if (t + 1) % support.horizon != 0 {
                let next = support.observations[t + 1] as usize;
                *notes.moves.entry(pair).or_default().entry(next).or_default() += 1.0;
            }
        }
        notes
    }

    fn tried(&self, pair: (usize, usize)) -> usize {
        self.rewards.get(&pair).map_or(0, Vec::len)
    }

    fn mean(&self, pair: (usize, usize)) -> Option<f64> {
        self.rewards.get(&pair).map(|all| all.iter().sum::<f64>() / all.len() as f64)
    }

    fn all(&self) -> Vec<f64> {
        self.rewards.values().flatten().copied().collect()
    }

    /// The relative frequency of each successor, if any is known.
    fn frequencies(&self, pair: (usize, usize)) -> Option<Vec<(usize, f64)>> {
        let moves = self.moves.get(&pair)?;
        let total: f64 = moves.values().sum();
        Some(moves.iter().map(|(&next, n)| (next, n / total)).collect())
    }
}

/// `Q` with `left` decisions to go, by the recursion as it is written on paper. `backup` says Q of a pair from the values after it.
fn by_recursion(
    states: usize,
    actions: usize,
    left: usize,
    backup: &impl Fn(usize, (usize, usize), &[f64]) -> f64,
) -> Vec<Vec<f64>> {
    let after: Vec<f64> = if left == 1 {
        vec![0.0; states]
    } else {
        let q = by_recursion(states, actions, left - 1, backup);
        q.iter().map(|row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect()
    };
    (0..states).map(|s| (0..actions).map(|a| backup(left, (s, a), &after)).collect()).collect()
}

#[test]
fn fitted_q_iteration_on_exact_data_is_value_iteration() {
    for seed in 0..60 {
        let model = random_mdp(seed);
        let shape = shape_of(&model);
        let agent = begin(&*make("fqi", json!({}), &shape), &shape, &exact_support(&model), 1, 0);
        let (found, best) = (table_value(&model, &*agent), optimum(&model));
        assert!((found - best).abs() < 1e-9, "seed {seed}: {found} is not {best}");
        // An iterate too few is another policy, unless one decision is all that there is.
        let agent = begin(&*make("fqi", json!({ "iterations": 1 }), &shape), &shape, &exact_support(&model), 1, 0);
        assert!(table_value(&model, &*agent) <= best + 1e-9);
    }
}

#[test]
fn one_iteration_is_greedy_for_the_next_reward() {
    // In 0 action 0 pays 1 and stays; action 1 pays 0 and leads to 1, which pays 5.
    let mut support = Support::new(3);
    for (s, a, r) in [(0, 0, 1.0), (0, 0, 1.0), (0, 1, 0.0), (0, 1, 0.0), (1, 0, 5.0), (1, 0, 5.0)] {
        support.push(Some(s), a, r);
    }
    let shape = shape(Regime::Mdp, 2, 2, 4, 1.0);
    for (iterations, expected) in [(1, [0; 4]), (2, [1, 1, 1, 0]), (4, [1, 1, 1, 0])] {
        let agent = begin(&*make("fqi", json!({ "iterations": iterations }), &shape), &shape, &support, 1, 0);
        let table = agent.table().unwrap();
        for (stage, &action) in expected.iter().enumerate() {
            assert_eq!(table.row(stage, 0)[action], 1.0, "{iterations} iterations, stage {stage}");
        }
    }
}

/// The mean of the posterior, written as a model.
fn posterior_mean(notes: &Notes, shape: &Shape, weight: f64, reward_weight: f64, reward_mean: f64) -> Model {
    let mut kernel = Kernel::new(shape.symbols);
    let mut reward = Vec::new();
    for (action, state) in (0..shape.actions).flat_map(|a| (0..shape.symbols).map(move |s| (a, s))) {
        let none = HashMap::new();
        let moves = notes.moves.get(&(state, action)).unwrap_or(&none);
        let total = weight + moves.values().sum::<f64>();
        let share = weight / shape.symbols as f64;
        kernel.push_row((0..shape.symbols).map(|to| (to, (share + moves.get(&to).unwrap_or(&0.0)) / total)));
        let sum: f64 = notes.rewards.get(&(state, action)).map_or(0.0, |all| all.iter().sum());
        reward.push((reward_weight * reward_mean + sum) / (reward_weight + notes.tried((state, action)) as f64));
    }
    mdp(shape.symbols, shape.actions, shape.horizon, shape.discount, kernel, reward)
}

#[test]
fn empirical_plans_best_in_the_mean_of_the_posterior() {
    for seed in 0..60 {
        let (model, mut draw) = (random_mdp(seed), draws("empirical", seed));
        let shape = shape_of(&model);
        let horizon = draw.integer(1, 6) as usize;
        let support = random_support(&model, 4, horizon, &mut draw);
        let (weight, reward_weight, mean) = (draw.between(0.1, 4.0), draw.between(0.1, 3.0), draw.between(-1.0, 1.0));
        let mut options = json!({ "priorWeight": weight, "rewardWeight": reward_weight });
        // Left out, it is the least of the support's rewards.
        let least = support.rewards.iter().copied().fold(f64::INFINITY, f64::min);
        let mean = if seed % 2 == 0 { least } else { mean };
        if seed % 2 == 1 {
            options["rewardMean"] = json!(mean);
        }
        let agent = begin(&*make("empirical", options, &shape), &shape, &support, 1, 0);
        let believed = posterior_mean(&Notes::of(&support), &shape, weight, reward_weight, mean);
        let (found, best) = (table_value(&believed, &*agent), optimum(&believed));
        assert!((found - best).abs() < 1e-9, "seed {seed}: {found} is not {best}");
    }
}

/// The gap to the oracle after so many random trajectories, as a share of the range of values, over 40 random MDPs.
fn mean_gap(name: &str, trajectories: usize) -> f64 {
    let gaps = (0..40).map(|seed| {
        let (model, mut draw) = (random_mdp(seed), draws("many", seed));
        let shape = shape_of(&model);
        let support = random_support(&model, trajectories, 10, &mut draw);
        let agent = begin(&*make(name, json!({}), &shape), &shape, &support, 1, 0);
        let (low, high) = model.value_range();
        (optimum(&model) - table_value(&model, &*agent)) / (high - low)
    });
    gaps.sum::<f64>() / 40.0
}

#[test]
fn what_estimates_tends_to_the_oracle() {
    for name in ["empirical", "posterior-sampling", "fqi", "pessimistic"] {
        let (few, many) = (mean_gap(name, 1), mean_gap(name, 200));
        assert!(many < 0.002 && many < few / 10.0, "{name}: gaps of {few} and {many} of the range of values");
    }
}

/// Online, `empirical` plans at each decision in the mean of the posterior after support and history.
#[test]
fn empirical_online_goes_on_counting() {
    for seed in 0..20 {
        let (model, mut draw) = (random_mdp(seed), draws("online", seed));
        let shape = Shape { horizon: 6, ..shape_of(&model) };
        let support = random_support(&model, 3, 6, &mut draw);
        let options = json!({ "online": true, "rewardMean": 0.3 });
        let mut agent = begin(&*make("empirical", options, &shape), &shape, &support, 1, 0);
        assert!(agent.table().is_none());
        let (mut notes, mut last, mut state) = (Notes::of(&support), None, 0);
        for left in (1..=6).rev() {
            let reward = last.map(|pair| notes.rewards[&pair][notes.tried(pair) - 1]);
            if let Some(pair) = last {
                *notes.moves.entry(pair).or_default().entry(state).or_default() += 1.0;
            }
            let action = agent.act(Percept { seen: Some(state), reward, told: None }).unwrap();

            let believed = posterior_mean(&notes, &shape, 1.0, 1.0, 0.3);
            let q = by_recursion(shape.symbols, shape.actions, left, &|_, (s, a), after| {
                let row = a * shape.symbols + s;
                let next: f64 = believed.dynamics()[0].transition.pairs(row).map(|(to, p)| p * after[to]).sum();
                believed.expected_reward(0)[row] + shape.discount * next
            });
            assert_best(&q[state], action, &format!("seed {seed}, {left} to go"));
            // Any world will do: this one has odd rewards and jumps.
            notes.rewards.entry((state, action)).or_default().push(draw.between(-1.0, 3.0));
            last = Some((state, action));
            state = draw.integer(0, shape.symbols as u32 - 1) as usize;
        }
    }
}

fn assert_best(q: &[f64], action: usize, place: &str) {
    let best = q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert!(q[action] >= best - 1e-9, "{place}: action {action} of {q:?}");
}

/// `1 + γ + … + γ^(left - 1)`.
fn sum_of_discounts(discount: f64, left: usize) -> f64 {
    (0..left).map(|k| discount.powi(k as i32)).sum()
}

#[test]
fn ucb_plans_with_its_bonus() {
    for seed in 0..60 {
        let (model, mut draw) = (random_mdp(seed), draws("ucb", seed));
        let shape = shape_of(&model);
        let count = draw.integer(0, 4) as usize;
        let support = random_support(&model, count, 5, &mut draw);
        let notes = Notes::of(&support);
        let (log, c) = (seed % 2 == 0, draw.between(0.0, 2.0));
        let options = json!({ "c": c, "confidence": if log { "log" } else { "constant" } });
        let growth = if log { (support.actions.len().max(1) as f64).ln() } else { 1.0 };
        let greatest = if count == 0 { 0.0 } else { notes.all().into_iter().fold(f64::NEG_INFINITY, f64::max) };
        let q = by_recursion(shape.symbols, shape.actions, shape.horizon, &|_, pair, after| {
            let bonus = c * (growth / notes.tried(pair).max(1) as f64).sqrt();
            let best = after.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let next = notes.frequencies(pair).map_or(best, |p| p.iter().map(|(to, p)| p * after[*to]).sum());
            notes.mean(pair).unwrap_or(greatest) + bonus + shape.discount * next
        });
        for state in 0..shape.symbols {
            let mut agent = begin(&*make("ucb", options.clone(), &shape), &shape, &support, 1, 0);
            assert_best(&q[state], agent.act(seen(state)).unwrap(), &format!("seed {seed}, state {state}"));
        }
    }
}

#[test]
fn pessimistic_plans_with_its_penalty() {
    for seed in 0..60 {
        let (model, mut draw) = (random_mdp(seed), draws("pessimistic", seed));
        let shape = shape_of(&model);
        let support = random_support(&model, 3, 6, &mut draw);
        let (notes, scale) = (Notes::of(&support), draw.between(0.0, 0.4));
        let least = notes.all().into_iter().fold(f64::INFINITY, f64::min);
        let greatest = notes.all().into_iter().fold(f64::NEG_INFINITY, f64::max);
        let backup = |left: usize, pair: (usize, usize), after: &[f64]| {
            let floor = least * sum_of_discounts(shape.discount, left);
            let Some(mean) = notes.mean(pair) else { return floor };
            let below = least * sum_of_discounts(shape.discount, left - 1);
            let next = notes.frequencies(pair).map_or(below, |p| p.iter().map(|(to, p)| p * after[*to]).sum());
            let spread = (greatest - least) * sum_of_discounts(shape.discount, left);
            (mean + shape.discount * next - scale * spread / (notes.tried(pair) as f64).sqrt()).max(floor)
        };
        let agent = begin(&*make("pessimistic", json!({ "scale": scale }), &shape), &shape, &support, 1, 0);
        let table = agent.table().unwrap();
        for stage in 0..shape.horizon {
            let q = by_recursion(shape.symbols, shape.actions, shape.horizon - stage, &backup);
            for state in 0..shape.symbols {
                let taken = (0..shape.actions).filter(|&a| table.row(stage, state)[a] > 0.0);
                taken.for_each(|a| assert_best(&q[state], a, &format!("seed {seed}, {stage}, {state}")));
            }
        }
    }
}

/// Rewards may be in any unit and count from any zero.
#[test]
fn pessimistic_does_not_depend_on_the_scale_of_rewards() {
    for seed in 0..30 {
        let (model, mut draw) = (random_mdp(seed), draws("scale", seed));
        let shape = shape_of(&model);
        let support = random_support(&model, 3, 6, &mut draw);
        let mut other = support.clone();
        other.rewards.iter_mut().for_each(|r| *r = 4.0 * *r + 16.0);
        let method = make("pessimistic", json!({}), &shape);
        let [one, two] = [&support, &other].map(|support| begin(&*method, &shape, support, 1, 0));
        assert_eq!(one.table(), two.table(), "seed {seed}");
    }
}

/// Random supports of a study with hidden states: nothing is seen before the first decision.
fn hidden_support(shape: &Shape, count: usize, horizon: usize, draw: &mut Sequence) -> Support {
    let mut support = Support::new(horizon);
    for t in 0..count * horizon {
        let seen = (t % horizon > 0).then(|| draw.integer(0, shape.symbols as u32 - 1) as usize);
        support.push(seen, draw.integer(0, shape.actions as u32 - 1) as usize, draw.between(-1.0, 1.0));
    }
    support
}

/// How often each action was taken after each (observation, action).
fn by_window(support: &Support, actions: usize) -> HashMap<Option<(usize, usize)>, Vec<usize>> {
    let mut counts: HashMap<_, Vec<usize>> = HashMap::new();
    for t in 0..support.actions.len() {
        let observation = usize::try_from(support.observations[t]).ok();
        let window = observation.map(|o| (o, usize::from(support.actions[t - 1])));
        counts.entry(window).or_insert_with(|| vec![0; actions])[usize::from(support.actions[t])] += 1;
    }
    counts
}

#[test]
fn pessimism_and_cql_take_no_action_that_was_not_tried() {
    for (name, seed) in ["pessimistic", "cql"].into_iter().flat_map(|name| (0..40).map(move |seed| (name, seed))) {
        let mut draw = draws(name, seed);
        let hidden = shape(Regime::Pomdp, 3, 3, 8, 1.0);
        let support = hidden_support(&hidden, 4, 5, &mut draw);
        let tried = by_window(&support, 3);
        let mut agent = begin(&*make(name, json!({}), &hidden), &hidden, &support, 1, 0);
        let (mut observation, mut last) = (None, None);
        for _ in 0..hidden.horizon {
            let action = agent.act(Percept { seen: observation, ..Percept::default() }).unwrap();
            if let Some(counts) = tried.get(&observation.zip(last)) {
                assert!(counts[action] > 0, "{name}, seed {seed}: {action} after {observation:?}, {last:?}");
            }
            (observation, last) = (Some(draw.integer(0, 2) as usize), Some(action));
        }
        let model = random_mdp(seed);
        let seen = shape_of(&model);
        let support = random_support(&model, 2, 5, &mut draw);
        let (notes, agent) = (Notes::of(&support), begin(&*make(name, json!({}), &seen), &seen, &support, 1, 0));
        for (stage, state) in (0..seen.horizon).flat_map(|t| (0..seen.symbols).map(move |s| (t, s))) {
            let met = (0..seen.actions).any(|a| notes.tried((state, a)) > 0);
            for action in (0..seen.actions).filter(|&a| agent.table().unwrap().row(stage, state)[a] > 0.0) {
                assert!(!met || notes.tried((state, action)) > 0, "{name}, seed {seed}, state {state}: {action}");
            }
        }
    }
}

/// Two states, as in textbooks: the support always takes action 0, at a cost; what it never took looks free to fitted Q iteration, and
/// not to the conservative methods.
#[test]
fn an_action_never_tried_tempts_only_fitted_q_iteration() {
    let mut support = Support::new(3);
    for (state, reward) in [(0, -1.0), (1, -0.5), (0, -1.0), (1, -0.5), (0, -1.0), (1, -0.5)] {
        support.push(Some(state), 0, reward);
    }
    let shape = shape(Regime::Mdp, 2, 2, 3, 1.0);
    for (name, expected) in [("fqi", 1), ("cql", 0), ("pessimistic", 0)] {
        let agent = begin(&*make(name, json!({}), &shape), &shape, &support, 1, 0);
        for (stage, state) in (0..3).flat_map(|t| [(t, 0), (t, 1)]) {
            assert_eq!(agent.table().unwrap().row(stage, state)[expected], 1.0, "{name}, stage {stage}, state {state}");
        }
    }
}

/// With all actions tried and no weight on the conservative term, CQL is fitted Q iteration.
#[test]
fn cql_without_its_term_is_fitted_q_iteration() {
    for seed in 0..30 {
        let model = random_mdp(seed);
        let (shape, support) = (shape_of(&model), exact_support(&model));
        let tables = [("fqi", json!({})), ("cql", json!({ "alpha": 0.0 }))]
            .map(|(name, options)| begin(&*make(name, options, &shape), &shape, &support, 1, 0).table().cloned());
        assert_eq!(tables[0], tables[1], "seed {seed}");
    }
}

/// With much weight on it, the most frequent action wins.
#[test]
fn cql_with_much_weight_clones() {
    let mut support = Support::new(1);
    for (action, reward) in [(0, 0.0), (0, 0.0), (0, 0.0), (1, 1.0), (2, -1.0)] {
        support.push(Some(0), action, reward);
    }
    let shape = shape(Regime::Mdp, 1, 3, 1, 1.0);
    for (alpha, expected) in [(0.01, 1), (100.0, 0)] {
        let agent = begin(&*make("cql", json!({ "alpha": alpha }), &shape), &shape, &support, 1, 0);
        assert_eq!(agent.table().unwrap().row(0, 0)[expected], 1.0, "alpha {alpha}");
    }
}

/// In 1 of 3 hidden windows the reward is worth the way there.
#[test]
fn fitted_q_iteration_works_on_windows() {
    // First action 0 shows 0 and then nothing pays; first action 1 shows 1, after which action 0 pays 2.
    let mut support = Support::new(2);
    for (first, second, reward) in [(0, 0, 0.1), (0, 1, 0.2), (1, 0, 2.0), (1, 1, 0.0)] {
        support.push(None, first, if first == 0 { 1.0 } else { 0.0 });
        support.push(Some(first), second, reward);
    }
    let shape = shape(Regime::Apomdp, 2, 2, 2, 1.0);
    let mut agent = begin(&*make("fqi", json!({}), &shape), &shape, &support, 1, 0);
    assert!(agent.table().is_none());
    assert_eq!(agent.act(Percept::default()).unwrap(), 1);
    assert_eq!(agent.act(seen(1)).unwrap(), 0);
    let mut greedy = begin(&*make("fqi", json!({ "iterations": 1 }), &shape), &shape, &support, 1, 0);
    assert_eq!(greedy.act(Percept::default()).unwrap(), 0);
    assert_eq!(greedy.act(seen(0)).unwrap(), 1);
}

/// In a state of which the support says nothing any action is as good, and none is a favourite for its number.
#[test]
fn a_state_never_met_leaves_the_choice_open() {
    let mut support = Support::new(2);
    for (state, action) in [(0, 1), (1, 2), (1, 1), (0, 2)] {
        support.push(Some(state), action, 1.0);
    }
    let shape = shape(Regime::Mdp, 3, 4, 5, 1.0);
    for name in ["empirical", "fqi", "cql", "pessimistic"] {
        let agent = begin(&*make(name, json!({}), &shape), &shape, &support, 1, 0);
        for stage in 0..5 {
            let table = agent.table().unwrap();
            assert_eq!(table.row(stage, 2), [0.25; 4], "{name}");
            assert!((0..2).all(|state| table.row(stage, state).contains(&1.0)), "{name}");
        }
    }
}

/// Votes by hand: of the window itself, else of the nearest ones.
fn cloned(counts: &HashMap<Option<(usize, usize)>, Vec<usize>>, window: (usize, usize), shape: &Shape) -> Vec<usize> {
    let pool = |windows: Vec<(usize, usize)>| {
        let mut sum = vec![0; shape.actions];
        windows.iter().filter_map(|&w| counts.get(&Some(w))).flatten().enumerate().for_each(|(i, n)| {
            sum[i % shape.actions] += n;
        });
        sum
    };
    for distance in 0..shape.symbols {
        let near: Vec<usize> = (0..shape.symbols).filter(|o| o.abs_diff(window.0) == distance).collect();
        let same = pool(near.iter().map(|&o| (o, window.1)).collect());
        let any = pool(near.iter().flat_map(|&o| (0..shape.actions).map(move |a| (o, a))).collect());
        if let Some(votes) = [same, any].into_iter().find(|votes| votes.iter().any(|&n| n > 0)) {
            return votes;
        }
    }
    vec![1; shape.actions]
}

#[test]
fn cloning_goes_by_the_majority_of_the_nearest() {
    let hidden = shape(Regime::Pomdp, 6, 3, 12, 1.0);
    for seed in 0..60 {
        let mut draw = draws("cloning", seed);
        let support = hidden_support(&hidden, 1 + seed as usize % 4, 4, &mut draw);
        let counts = by_window(&support, 3);
        let mut agent = begin(&*make("bc-prompt", json!({}), &hidden), &hidden, &support, seed, 0);
        let (mut window, mut met) = (None, Vec::new());
        for _ in 0..hidden.horizon {
            let action = agent.act(Percept { seen: window.map(|(o, _)| o), ..Percept::default() }).unwrap();
            let votes = window.map_or_else(|| counts[&None].clone(), |window| cloned(&counts, window, &hidden));
            let most = *votes.iter().max().unwrap();
            assert_eq!(action, votes.iter().position(|&n| n == most).unwrap(), "seed {seed}: {votes:?}, after {met:?}");
            met.push((window, action));
            window = Some((draw.integer(0, 5) as usize, action));
        }
    }
}

#[test]
fn cloning_in_an_mdp_by_hand() {
    // States 1 and 5 are met; 3 lies between both, 9 beyond.
    let mut support = Support::new(5);
    for (state, action) in [(1, 0), (1, 0), (1, 1), (5, 2), (5, 2)] {
        support.push(Some(state), action, 0.0);
    }
    let shape = shape(Regime::Mdp, 10, 3, 4, 1.0);
    let method = make("bc-prompt", json!({}), &shape);
    let agent = begin(&*method, &shape, &support, 1, 0);
    // Of the votes in 1 and 5 together, two for 0 and two for 2, the lower action wins.
    for (state, action) in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 2), (5, 2), (9, 2)] {
        for stage in 0..4 {
            assert_eq!(agent.table().unwrap().row(stage, state)[action], 1.0, "state {state}");
        }
    }
    // With nothing to go by, all actions alike.
    let agent = begin(&*method, &shape, &Support::new(5), 1, 0);
    assert_eq!(agent.table().unwrap().row(3, 7), [1.0 / 3.0; 3]);
    let taken = |episode| begin(&*method, &shape, &Support::new(5), 1, episode).act(seen(7)).unwrap();
    let mut counts = [0.0_f64; 3];
    (0..3000).for_each(|episode| counts[taken(episode)] += 1.0);
    counts.iter().for_each(|&n| assert!((n - 1000.0).abs() < 4.5 * (3000.0_f64 * 2.0 / 9.0).sqrt(), "{counts:?}"));
}

/// The chance of the better arm under two normal posteriors, `Φ((m₁ - m₂) / √(v₁ + v₂))`.
#[test]
fn posterior_sampling_takes_an_arm_as_often_as_it_is_best() {
    let mut support = Support::new(1);
    for (arm, reward) in [(0, 1.0), (0, 0.8), (1, 0.2)] {
        support.push(Some(0), arm, reward);
    }
    let shape = shape(Regime::Mdp, 1, 2, 1, 1.0);
    let options = json!({ "rewardMean": 0.0, "rewardSpread": 1.0, "rewardNoise": 0.5 });
    let method = make("posterior-sampling", options, &shape);
    let n = 20_000;
    let first = |episode| f64::from(u8::from(begin(&*method, &shape, &support, 3, episode).act(seen(0)).unwrap() == 0));
    let share = (0..n).map(first).sum::<f64>() / n as f64;
    // Posteriors: precision 1 + n/0.25, so N(7.2/9, 1/9) and N(0.8/5, 1/5); z = 0.64/0.557773 = 1.147419, Φ(z) = 0.874396.
    let expected = 0.874_396_f64;
    assert!((share - expected).abs() < 4.5 * (expected * (1.0 - expected) / n as f64).sqrt(), "{share}");
}

/// What the options leave open is the support's: prior mean -1/4 (the least), prior variance 41/64 (that of all rewards), noise variance
/// 1/2 (that within arms, on two degrees of freedom). The prior counts for 32/41 rewards, so the means' posteriors are
/// N(1.008772, 0.179825) and N(0.109649, 0.179825): z = 1.499269, Φ(z) = 0.933098.
#[test]
fn posterior_sampling_takes_its_prior_from_the_support() {
    let shape = shape(Regime::Mdp, 1, 2, 1, 1.0);
    let method = make("posterior-sampling", json!({}), &shape);
    let share = |rewards: [f64; 4], n: u64| {
        let mut support = Support::new(1);
        (0..4).for_each(|i| support.push(Some(0), i / 2, rewards[i]));
        let first = |episode| u32::from(begin(&*method, &shape, &support, 6, episode).act(seen(0)).unwrap() == 0);
        f64::from((0..n).map(first).sum::<u32>()) / n as f64
    };
    let (found, expected) = (share([2.0, 1.0, 0.75, -0.25], 20_000), 0.933_098_f64);
    assert!((found - expected).abs() < 4.5 * (expected * (1.0 - expected) / 20_000.0).sqrt(), "{found}");
    // Rewards that are always the same have no noise, and leave nothing to doubt.
    assert_eq!(share([1.1, 1.1, 1.0, 1.0], 200), 1.0);
}

/// `P(X > Y) = 2/3` for X of Beta(2, 1) and Y of Beta(1, 1).
#[test]
fn posterior_sampling_draws_transitions_from_their_posterior() {
    // In 0 action 0 once led to 1, action 1 was never tried; 1 pays 1 and nothing else pays.
    let mut support = Support::new(2);
    for (state, reward) in [(0, 0.0), (1, 1.0)] {
        support.push(Some(state), 0, reward);
    }
    let shape = shape(Regime::Mdp, 2, 2, 2, 1.0);
    let base = json!({ "priorWeight": 2.0, "rewardMean": 0.0, "rewardSpread": 1e-9, "rewardNoise": 0.0 });
    for every in ["episode", "decision"] {
        let mut options = base.clone();
        options["every"] = json!(every);
        let method = make("posterior-sampling", options, &shape);
        let n = 20_000;
        let first = |episode| begin(&*method, &shape, &support, 4, episode).table().unwrap().row(0, 0)[0];
        let share = (0..n).map(first).sum::<f64>() / n as f64;
        assert!((share - 2.0 / 3.0).abs() < 4.5 * (2.0 / 9.0 / n as f64).sqrt(), "{every}: {share}");
    }
}

/// One model an episode leaves an arm no choice; a model a decision does.
#[test]
fn a_model_a_decision_is_another_at_each() {
    let shape = shape(Regime::Mdp, 1, 3, 12, 1.0);
    for (every, same) in [("episode", true), ("decision", false)] {
        let method = make("posterior-sampling", json!({ "every": every }), &shape);
        let agent = begin(&*method, &shape, &Support::new(1), 5, 0);
        let table = agent.table().unwrap();
        assert_eq!((1..12).all(|stage| table.row(stage, 0) == table.row(0, 0)), same, "{every}");
    }
    // Across episodes and tasks they differ, too.
    let method = make("posterior-sampling", json!({}), &shape);
    let arm = |key, episode| begin(&*method, &shape, &Support::new(1), key, episode).table().cloned();
    assert!((0..20).any(|episode| arm(1, episode) != arm(1, 20)) && (0..20).any(|key| arm(key, 0) != arm(20, 0)));
}

/// Plays an episode on a fixed tape of states and rewards.
fn play(agent: &mut dyn Agent, tape: &Support) -> Vec<usize> {
    (0..tape.actions.len()).map(|t| step(agent, tape, t)).collect()
}

fn step(agent: &mut dyn Agent, tape: &Support, t: usize) -> usize {
    let reward = t.checked_sub(1).map(|before| tape.rewards[before]);
    let seen = usize::try_from(tape.observations[t]).ok();
    agent.act(Percept { seen, reward, told: None }).unwrap()
}

/// What an agent does depends on its stream and its episode, not on who else acts, or when.
#[test]
fn actions_depend_on_nothing_else() {
    let model = random_mdp(8);
    let shape = Shape { horizon: 6, ..shape_of(&model) };
    let mut draw = draws("alone", 1);
    let (support, tape) = (random_support(&model, 1, 3, &mut draw), random_support(&model, 1, 6, &mut draw));
    let lively = [
        ("empirical", json!({ "online": true })),
        ("posterior-sampling", json!({ "online": true, "every": "decision" })),
        ("posterior-sampling", json!({ "every": "decision" })),
    ];
    for (name, options) in METHODS.map(|name| (name, json!({}))).into_iter().chain(lively) {
        let alone: Vec<_> = (0..8)
            .map(|episode| {
                play(&mut *begin(&*make(name, options.clone(), &shape), &shape, &support, 1, episode), &tape)
            })
            .collect();
        // All at once, the last episode first, stage by stage, among episodes of another task.
        let method = make(name, options, &shape);
        let mut agents: Vec<_> = (0..8)
            .rev()
            .flat_map(|episode| [1, 2].map(|key| (key, episode, begin(&*method, &shape, &support, key, episode))))
            .collect();
        for t in 0..6 {
            for (key, episode, agent) in &mut agents {
                let action = step(&mut **agent, &tape, t);
                assert!(*key == 2 || action == alone[*episode as usize][t], "{name}, episode {episode}, decision {t}");
            }
        }
    }
}

/// What a table says is what is done.
#[test]
fn agents_act_by_their_tables() {
    for seed in 0..20 {
        let model = random_mdp(seed);
        let shape = shape_of(&model);
        let mut draw = draws("tables", seed);
        let support = random_support(&model, 2, 4, &mut draw);
        for name in METHODS.into_iter().filter(|&name| name != "ucb") {
            let mut agent = begin(&*make(name, json!({}), &shape), &shape, &support, seed, 0);
            let table = agent.table().unwrap_or_else(|| panic!("{name} has a table")).clone();
            assert_eq!(
                (table.horizon(), table.states(), table.actions()),
                (shape.horizon, shape.symbols, shape.actions)
            );
            for stage in 0..shape.horizon {
                let state = draw.integer(0, shape.symbols as u32 - 1) as usize;
                let action = agent.act(seen(state)).unwrap();
                assert!(table.row(stage, state)[action] > 0.0, "{name}, seed {seed}, stage {stage}");
                let sum: f64 = table.row(stage, state).iter().sum();
                assert!((sum - 1.0).abs() < 1e-12);
            }
            let message = agent.act(seen(0)).unwrap_err().to_string();
            assert!(message.contains(&format!("the episode has {} decisions", shape.horizon)), "{message}");
        }
    }
}

#[test]
fn wrong_options_are_told_with_method_and_remedy() {
    let shape = shape(Regime::Mdp, 3, 2, 4, 1.0);
    let message = |name: &str, options: Value| {
        registry::entry(name).unwrap().make(options, 1, &shape, &prior()).err().expect(name).to_string()
    };
    for (name, options, words) in [
        ("empirical", json!({ "priorWeight": -1.0 }), "option priorWeight is -1; set it to a number at least 0"),
        ("empirical", json!({ "rewardWeight": -0.5 }), "option rewardWeight is -0.5; set it to a number at least 0"),
        ("empirical", json!({ "online": "yes" }), "expected a boolean"),
        ("posterior-sampling", json!({ "priorWeight": 0.0 }), "option priorWeight is 0; set it to a number above 0"),
        ("posterior-sampling", json!({ "rewardSpread": 0.0 }), "option rewardSpread is 0; set it to a number above 0"),
        (
            "posterior-sampling",
            json!({ "rewardNoise": -1.0 }),
            "option rewardNoise is -1; set it to a number at least 0",
        ),
        ("posterior-sampling", json!({ "every": "stage" }), "expected `episode` or `decision`"),
        ("posterior-sampling", json!({ "online": true }), "set every to \"decision\" or leave online out"),
        ("empirical", json!({ "states": 0 }), "option states is 0; set it to a number of 1..=512"),
        ("posterior-sampling", json!({ "states": 513 }), "option states is 513; set it to a number of 1..=512"),
        ("posterior-sampling", json!({ "starts": 0 }), "option starts is 0; set it to a number of 1..=1000"),
        ("ucb", json!({ "c": -1.0 }), "option c is -1; set it to a number at least 0"),
        ("ucb", json!({ "confidence": "linear" }), "expected `constant` or `log`"),
        ("fqi", json!({ "iterations": 0 }), "option iterations is 0; set it to at least 1"),
        ("cql", json!({ "iterations": 0 }), "option iterations is 0; set it to at least 1"),
        ("cql", json!({ "alpha": -2.0 }), "option alpha is -2; set it to a number at least 0"),
        ("pessimistic", json!({ "scale": -0.1 }), "option scale is -0.1; set it to a number at least 0"),
    ] {
        let message = message(name, options);
        assert!(message.starts_with(&format!("method {name}: ")) && message.contains(words), "{message}");
    }
    for name in METHODS {
        let message = message(name, json!({ "nonsense": 1 }));
        assert!(
            message.starts_with(&format!("method {name}: ")) && message.contains("unknown field `nonsense`"),
            "{message}"
        );
    }
    // Regimes and supports.
    let hidden = Shape { regime: Regime::Pomdp, ..shape.clone() };
    let made = registry::entry("ucb").unwrap().make(json!({}), 1, &hidden, &prior());
    let message = made.err().unwrap().to_string();
    assert!(message.contains("pomdp") && message.contains("leave it out, or use it in mdp"), "{message}");
    for name in ["bc-prompt", "fqi", "cql", "pessimistic"] {
        let message = registry::entry(name).unwrap().make(json!({}), 0, &shape, &prior()).err().unwrap().to_string();
        assert!(message.contains(name) && message.contains("raise support.trajectories"), "{message}");
    }
}

/// The schema that documents and editors read says what the reader takes: its names, its defaults and no others.
#[test]
fn schemas_say_what_is_read() {
    let shape = shape(Regime::Mdp, 3, 2, 4, 1.0);
    for name in METHODS {
        let entry = registry::entry(name).unwrap();
        let schema = (entry.options)().to_value();
        assert_eq!(schema["additionalProperties"], json!(false), "{name}");
        let none = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        for (option, property) in properties {
            assert!(property["description"].is_string(), "{name}.{option} has no description");
            assert!(property.get("default").is_some(), "{name}.{option} has no default");
        }
        let defaults: serde_json::Map<_, _> =
            properties.iter().map(|(option, property)| (option.clone(), property["default"].clone())).collect();
        entry.make(Value::Object(defaults), 1, &shape, &prior()).unwrap();
    }
}

#[test]
fn what_is_not_of_the_study_is_refused() {
    let shape = shape(Regime::Mdp, 3, 2, 4, 1.0);
    let mut support = Support::new(1);
    support.push(Some(7), 0, 0.0);
    for name in METHODS {
        let method = make(name, json!({}), &shape);
        let key = Key::named(1, &[], &[]);
        let context = tiresias_agents::Context { shape: &shape, support: support.columns(), key, episode: 0 };
        let message = method.begin(&context).err().expect(name).to_string();
        assert!(message.contains("symbol 7 was seen where the study has 3 states"), "{name}: {message}");
        let mut agent = begin(&*method, &shape, &Support::new(1), 1, 0);
        assert!(agent.act(seen(3)).unwrap_err().to_string().contains("symbol 3"), "{name}");
        assert!(agent.act(Percept::default()).unwrap_err().to_string().contains("no state was seen"), "{name}");
    }
}
