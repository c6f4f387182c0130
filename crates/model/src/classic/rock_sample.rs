//! `RockSample`: Smith and Simmons, "Heuristic search value iteration for POMDPs", UAI 2004.

use super::refused;
use super::sketch::{Row, Sketch, names};
use crate::random::Key;
use crate::{Model, ModelError};

/// The largest field that is built: 16 actions and 4 million rows are a matter of a second, more is not a flat model's business.
const MOST_STATES: usize = 1 << 20;
const NORTH: usize = 0;
const EAST: usize = 1;
const SOUTH: usize = 2;
const WEST: usize = 3;
const FIRST_CHECK: usize = 4;

/// A field: where the rocks are, and how far the sensor reaches.
struct Field {
    size: usize,
    rocks: Vec<(usize, usize)>,
    /// The distance at which the sensor's efficiency is one half.
    half: f64,
}

/// Distance of half efficiency where nothing else is known.
const HALF: f64 = 20.0;

/// The fields that the literature uses, with the sensors of their published files.
fn published(size: usize, rocks: usize) -> Option<Field> {
    let (rocks, half): (&[_], _) = match (size, rocks) {
        // exp(-d)
        (4, 4) => (&[(3, 1), (2, 1), (1, 3), (1, 0)], std::f64::consts::LN_2),
        (5, 5) => (&[(2, 4), (0, 4), (3, 3), (2, 2), (4, 1)], 4.0),
        (7, 8) => (&[(2, 0), (0, 1), (3, 1), (6, 3), (2, 4), (3, 4), (5, 5), (1, 6)], HALF),
        (11, 11) => {
            let rocks = &[(0, 3), (0, 7), (1, 8), (2, 4), (3, 3), (3, 8), (4, 3), (5, 8), (6, 1), (9, 3), (9, 9)];
            (rocks, HALF)
        }
        _ => return None,
    };
    Some(Field { size, rocks: rocks.to_vec(), half })
}

/// Rocks in distinct cells, drawn from the seed.
fn drawn(size: usize, rocks: usize, seed: u64) -> Field {
    let mut draw = Key::named(seed, &["rock-sample"], &[size as u64, rocks as u64]).sequence();
    let mut cells: Vec<usize> = (0..size * size).collect();
    for i in 0..rocks {
        let j = draw.integer(i as u32, cells.len() as u32 - 1) as usize;
        cells.swap(i, j);
    }
    Field { size, rocks: cells[..rocks].iter().map(|cell| (cell % size, cell / size)).collect(), half: HALF }
}

pub(super) fn from_text(parameters: Option<&str>) -> Result<Model, ModelError> {
    let text = parameters.unwrap_or_default();
    let bad = |problem: String| Err(refused(text, problem));
    let numbers: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
    let (size, rocks, seed) = match numbers.as_deref() {
        Ok(&[size, rocks]) => (size, rocks, None),
        Ok(&[size, rocks, seed]) => (size, rocks, Some(seed)),
        _ => {
            return bad(
                "needs a field's side and a number of rocks, say rock-sample:7,8, and may have a seed after them"
                    .into(),
            );
        }
    };
    if size == 0 || size > 1000 || rocks == 0 || rocks > size * size {
        return bad(format!("has no room for {rocks} rocks in {size} x {size} cells"));
    }
    let states =
        1_u64.checked_shl(rocks as u32).filter(|_| rocks < 64).and_then(|subsets| subsets.checked_mul(size * size));
    if states.is_none_or(|states| states > MOST_STATES as u64) {
        return bad(format!("has {size} x {size} x 2^{rocks} states; at most {MOST_STATES} are built"));
    }
    let (size, rocks) = (size as usize, rocks as usize);
    let field = match seed {
        None => published(size, rocks).unwrap_or_else(|| drawn(size, rocks, 0)),
        Some(seed) => drawn(size, rocks, seed),
    };
    model(&format!("rock-sample:{text}"), &field)
}

/// The rover begins in the middle of the west edge and leaves the field over the east edge, for 10. Sampling a good rock earns
/// 10 and makes it bad, sampling a bad one costs 10; sampling elsewhere and leaving over another edge cost 100 and end the run.
/// A sensor tells of rock i at distance d whether it is good, rightly with probability (1 + 2^(-d/half)) / 2. Rocks are good or
/// bad with equal odds.
fn model(name: &str, field: &Field) -> Result<Model, ModelError> {
    let (size, rocks) = (field.size, field.rocks.len());
    let subsets = 1_usize << rocks;
    let end = size * size * subsets;
    let at = |x: usize, y: usize, good: usize| (x * size + y) * subsets + good;
    let of = |state: usize| (state / subsets / size, state / subsets % size, state % subsets);
    let sample = FIRST_CHECK + rocks;
    // Bits run from the first rock to the last, like the digits of a state's name.
    let bit = |rock: usize| 1 << (rocks - 1 - rock);
    let here = |x: usize, y: usize| field.rocks.iter().position(|&rock| rock == (x, y));
    let label = |state: usize| {
        let (x, y, good) = of(state);
        let letters: String = (0..rocks).map(|rock| if good & bit(rock) == 0 { 'b' } else { 'g' }).collect();
        format!("x{x}y{y}-{letters}")
    };
    let stepped = |action: usize, x: usize, y: usize| match action {
        NORTH => (y + 1 < size).then(|| (x, y + 1)),
        EAST => (x + 1 < size).then(|| (x + 1, y)),
        SOUTH => y.checked_sub(1).map(|y| (x, y)),
        WEST => x.checked_sub(1).map(|x| (x, y)),
        _ => None,
    };
    let next = |action: usize, state: usize| -> usize {
        let (x, y, good) = of(state);
        match here(x, y) {
            _ if state == end => end,
            _ if action < FIRST_CHECK => stepped(action, x, y).map_or(end, |(x, y)| at(x, y, good)),
            _ if action < sample => state,
            Some(rock) => at(x, y, good & !bit(rock)),
            None => end,
        }
    };
    // The sensor's accuracy, by rock and cell.
    let accuracy: Vec<f64> = field
        .rocks
        .iter()
        .flat_map(|&(rock_x, rock_y)| {
            let distance = move |x: usize, y: usize| (rock_x as f64 - x as f64).hypot(rock_y as f64 - y as f64);
            let right = move |d: f64| f64::midpoint(1.0, (-d / field.half).exp2());
            (0..size * size).map(move |cell| right(distance(cell / size, cell % size)))
        })
        .collect();
    let seen = |action: usize, state: usize| -> Row {
        if state == end || !(FIRST_CHECK..sample).contains(&action) {
            return vec![(0, 1.0)];
        }
        let (rock, cell, good) = (action - FIRST_CHECK, state / subsets, state % subsets);
        let right = accuracy[rock * size * size + cell];
        let truth = usize::from(good & bit(rock) == 0);
        vec![(truth, right), (1 - truth, 1.0 - right)]
    };
    let start = |state: usize| state != end && (of(state).0, of(state).1) == (0, size / 2);
    Sketch {
        name: name.into(),
        states: (0..end).map(label).chain(["end".into()]).collect(),
        actions: names(["north", "east", "south", "west"])
            .into_iter()
            .chain((0..rocks).map(|rock| format!("check-{rock}")))
            .chain(["sample".into()])
            .collect(),
        observations: names(["good", "bad"]),
        start: (0..=end).map(|s| if start(s) { 1.0 / subsets as f64 } else { 0.0 }).collect(),
        terminal: vec![end],
        next: |action, state| vec![(next(action, state), 1.0)],
        seen,
        reward: |action, state, next| {
            let (x, y, good) = of(state);
            match action {
                _ if state == end => 0.0,
                EAST if next == end => 10.0,
                _ if next == end => -100.0,
                _ if action == sample => {
                    let rock = here(x, y).expect("sampling elsewhere ends the run");
                    if good & bit(rock) == 0 { -10.0 } else { 10.0 }
                }
                _ => 0.0,
            }
        },
    }
    .build()
}
