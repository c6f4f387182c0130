//! Expectations against sums over all ways that the hidden states may have gone, and what iterations promise.

use proptest::prelude::*;
use tiresias_data::{Columns, Episode, NOTHING, Trajectories};
use tiresias_model::Space;
use tiresias_model::random::{Key, Sequence};

use super::climb::{Climb, Search};
use super::expect::{Sample, Watch};
use super::starts::start;
use super::tables::{Expected, Parameters, Prior, Size};
use crate::no_hook;

const PRIOR: Prior = Prior { weight: 0.7, reward_weight: 0.4, reward_mean: 0.3, reward_variance: 0.5 };

/// Anything that can be recorded: symbols missing here and there, ends, rewards.
fn noise(size: Size, lengths: &[usize], draws: &mut Sequence) -> Trajectories {
    let symbol = |draws: &mut Sequence, likely: f64| {
        if draws.uniform() < likely { draws.integer(0, size.symbols as u32 - 1) as i32 } else { NOTHING }
    };
    let mut columns = Columns { offsets: vec![0], ..Columns::default() };
    for &length in lengths {
        for t in 0..length {
            let likely = if t > 0 {
                0.8
            } else if size.firsts {
                0.7
            } else {
                0.0
            };
            columns.observations.push(symbol(draws, likely));
            columns.actions.push(draws.integer(0, size.actions as u32 - 1) as u8);
            columns.rewards.push(draws.between(-1.0, 2.0));
        }
        columns.offsets.push(columns.actions.len());
        columns.last.push(symbol(draws, 0.6));
        columns.terminated.push(size.ends && draws.uniform() < 0.5);
    }
    let space = |what: &str, n: usize| Space::unnamed(what, n).unwrap();
    Trajectories::new(space("observations", size.symbols), space("actions", size.actions), columns).unwrap()
}

/// The density of an episode and of one way that its states went, and what the way adds to the counts. A state each decision, and one more where
/// something was seen after the last.
fn add_way(parameters: &Parameters, episode: &Episode<'_>, way: &[usize], weight: f64, sums: &mut Expected) -> f64 {
    let chances = &parameters.chances;
    let (Size { states, symbols, .. }, width) = (chances.size, chances.size.width());
    let counts = &mut sums.counts;
    let mut density = chances.start[way[0]];
    counts.start[way[0]] += weight;
    let mut factor = |table: &[f64], count: &mut [f64], place: usize| {
        density *= table[place];
        count[place] += weight;
    };
    if let Ok(symbol) = usize::try_from(episode.observations[0]) {
        factor(&chances.first, &mut counts.first, symbol * width + way[0]);
    }
    for t in 0..episode.len() {
        let action = usize::from(episode.actions[t]);
        let row = action * width + way[t];
        sums.paid[row] += weight;
        sums.earned[row] += weight * episode.rewards[t];
        if t + 1 < way.len() {
            factor(&chances.moved, &mut counts.moved, (action * states + way[t]) * width + way[t + 1]);
            if let Ok(symbol) = usize::try_from(episode.seen_after(t)) {
                factor(&chances.shown, &mut counts.shown, (action * symbols + symbol) * width + way[t + 1]);
            }
        } else if episode.terminated {
            factor(&chances.ended, &mut counts.ended, row);
        }
    }
    if let Some(rewards) = &parameters.rewards {
        for t in 0..episode.len() {
            let off = episode.rewards[t] - rewards.means[usize::from(episode.actions[t]) * width + way[t]];
            density *= (-0.5 * off * off / rewards.variance).exp() / (std::f64::consts::TAU * rewards.variance).sqrt();
        }
    }
    density
}

fn by_enumeration(parameters: &Parameters, data: &Trajectories) -> Expected {
    let size = parameters.chances.size;
    let mut expected = Expected::zeros(size);
    for episode in data.episodes() {
        let nodes = episode.len() + usize::from(!episode.terminated && episode.last >= 0);
        let mut ways = vec![Vec::new()];
        for _ in 0..nodes {
            ways = ways.iter().flat_map(|way| (0..size.states).map(|s| [way.as_slice(), &[s]].concat())).collect();
        }
        let mut scratch = Expected::zeros(size);
        let densities: Vec<f64> =
            ways.iter().map(|way| add_way(parameters, &episode, way, 0.0, &mut scratch)).collect();
        let sum: f64 = densities.iter().sum();
        expected.log_likelihood += sum.ln();
        for (way, density) in ways.iter().zip(&densities) {
            add_way(parameters, &episode, way, density / sum, &mut expected);
        }
        expected.squares += episode.rewards.iter().map(|r| r * r).sum::<f64>();
    }
    expected
}

fn assert_close(found: &Expected, expected: &Expected) {
    let (f, e) = (&found.counts, &expected.counts);
    for (what, f, e) in [
        ("start", &f.start, &e.start),
        ("first", &f.first, &e.first),
        ("moved", &f.moved, &e.moved),
        ("ended", &f.ended, &e.ended),
        ("shown", &f.shown, &e.shown),
        ("paid", &found.paid, &expected.paid),
        ("earned", &found.earned, &expected.earned),
        ("sums", &vec![found.squares, found.log_likelihood], &vec![expected.squares, expected.log_likelihood]),
    ] {
        assert_eq!(f.len(), e.len(), "{what}");
        let apart = f.iter().zip(e).map(|(f, e)| (f - e).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-10, "{what}: {apart} apart");
    }
}

prop_compose! {
    fn problems()(
        states in 1..4_usize,
        actions in 1..4_usize,
        symbols in 1..4_usize,
        firsts: bool,
        ends: bool,
        rewards_seen: bool,
        lengths in prop::collection::vec(1..5_usize, 1..5),
        seed: u64,
    ) -> (Size, bool, Vec<usize>, u64) {
        (Size { states, actions, symbols, firsts, ends }, rewards_seen, lengths, seed)
    }
}

proptest! {
    #[test]
    fn expectations_are_sums_over_all_ways((size, rewards_seen, lengths, seed) in problems()) {
        let mut draws = Key::named(seed, &["noise"], &[]).sequence();
        let data = noise(size, &lengths, &mut draws);
        let parameters = start(size, 1, &PRIOR, rewards_seen, seed);
        let sample = Sample::new(&data, (0..data.len()).collect(), size);
        let watch = Watch::new(&no_hook);
        let expected = by_enumeration(&parameters, &data);
        assert_close(&sample.expect(&parameters, &watch).unwrap(), &expected);
        let each = sample.log_likelihoods(&parameters, &watch).unwrap();
        prop_assert_eq!(each.len(), data.len());
        prop_assert!((each.iter().sum::<f64>() - expected.log_likelihood).abs() < 1e-10);
    }

    #[test]
    fn no_iteration_makes_the_log_posterior_smaller(
        (size, rewards_seen, lengths, seed) in problems(),
        weight in prop::sample::select(vec![0.0, 0.01, 1.0, 20.0]),
        number in 0..3_usize,
        copies in 1..30_usize,
    ) {
        let mut draws = Key::named(seed, &["noise"], &[]).sequence();
        let data = noise(size, &lengths.repeat(copies), &mut draws);
        let prior = Prior { weight, ..PRIOR };
        let search = Search {
            prior,
            rewards_seen,
            starts: 1,
            trial_iterations: 1,
            iterations: 60,
            // Goes on as long as anything changes.
            tolerance: 0.0,
            seed,
        };
        let sample = Sample::new(&data, (0..data.len()).collect(), size);
        let mut watch = Watch::new(&no_hook);
        let parameters = start(size, number, &prior, rewards_seen, seed);
        let mut climb = Climb::begin(&search, &sample, parameters, &mut watch).unwrap();
        climb.go_on(&search, &sample, 60, &mut watch, false).unwrap();
        for pair in climb.log_posteriors.windows(2) {
            prop_assert!(pair[1] >= pair[0] - 1e-9 * (1.0 + pair[0].abs()), "{} after {}", pair[1], pair[0]);
        }
    }
}

#[test]
fn where_symbols_are_states_expectations_are_counts() {
    let size = Size { states: 3, actions: 2, symbols: 3, firsts: true, ends: true };
    let mut draws = Key::named(8, &["noise"], &[]).sequence();
    // Every symbol is there.
    let mut columns = noise(size, &[5; 40], &mut draws).columns().clone();
    columns.observations.iter_mut().chain(&mut columns.last).for_each(|seen| *seen = (*seen).max(0));
    let space = |what: &str, n: usize| Space::unnamed(what, n).unwrap();
    let data = Trajectories::new(space("observations", 3), space("actions", 2), columns).unwrap();
    let mut parameters = start(size, 1, &PRIOR, false, 4);
    let width = size.width();
    for table in [&mut parameters.chances.first, &mut parameters.chances.shown] {
        table.iter_mut().enumerate().for_each(|(i, p)| *p = f64::from(i % width == i / width % 3));
    }
    let all: Vec<usize> = (0..data.len()).collect();
    let sample = Sample::new(&data, all.clone(), size);
    let expected = sample.expect(&parameters, &Watch::new(&no_hook)).unwrap();
    let counts = crate::counts::Counts::of(&data, &all).unwrap();
    for a in 0..2 {
        for s in 0..3 {
            for next in 0..3 {
                let found = expected.counts.moved[(a * 3 + s) * width + next];
                assert!((found - counts.moved.get(a * 4 + s, next)).abs() < 1e-9);
            }
            assert!((expected.counts.ended[a * width + s] - counts.moved.get(a * 4 + s, 3)).abs() < 1e-9);
            assert!((expected.earned[a * width + s] - counts.earned[a * 4 + s]).abs() < 1e-9);
        }
    }
    assert!((0..3).all(|s| (expected.counts.start[s] - counts.first[s]).abs() < 1e-9));
}

#[test]
fn what_a_model_rules_out_is_infinitely_unlikely_and_spoils_no_count() {
    let size = Size { states: 2, actions: 1, symbols: 2, firsts: false, ends: true };
    let mut draws = Key::named(9, &["noise"], &[]).sequence();
    let data = noise(size, &[3; 20], &mut draws);
    let mut parameters = start(size, 1, &PRIOR, false, 4);
    let width = size.width();
    // Nobody ever shows symbol 1, and nothing ends.
    parameters.chances.shown[width..].fill(0.0);
    parameters.chances.ended.fill(0.0);
    let sample = Sample::new(&data, (0..data.len()).collect(), size);
    let expected = sample.expect(&parameters, &Watch::new(&no_hook)).unwrap();
    assert_eq!(expected.log_likelihood, f64::NEG_INFINITY);
    let numbers = expected.counts.moved.iter().chain(&expected.counts.shown).chain(&expected.paid);
    assert!(numbers.clone().all(|n| n.is_finite() && *n >= 0.0));
    assert!((expected.paid.iter().sum::<f64>() - 60.0).abs() < 1e-9);
}

#[test]
fn the_prior_is_as_dense_as_its_formula_says() {
    let size = Size { states: 2, actions: 1, symbols: 2, firsts: false, ends: true };
    let parameters = start(size, 1, &PRIOR, false, 4);
    let chances = &parameters.chances;
    let pairs = [
        [chances.start[0], chances.start[1]],
        [chances.shown[0], chances.shown[4]],
        [chances.shown[1], chances.shown[5]],
    ];
    let triples = [0, 1].map(|s| [chances.moved[s * 4], chances.moved[s * 4 + 1], chances.ended[s]]);
    let logarithms = |row: &[f64]| row.iter().map(|p| p.ln()).sum::<f64>();
    let expected = pairs.iter().map(|row| 0.35 * logarithms(row)).sum::<f64>()
        + triples.iter().map(|row| 0.7 / 3.0 * logarithms(row)).sum::<f64>();
    assert!((parameters.log_prior(&PRIOR) - expected).abs() < 1e-12);
    let rows = pairs.iter().map(|row| row.iter().sum()).chain(triples.iter().map(|row| row.iter().sum::<f64>()));
    assert!(rows.into_iter().all(|sum: f64| (sum - 1.0).abs() < 1e-12));
}
