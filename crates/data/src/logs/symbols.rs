//! What was seen, as symbols: words as they are, numbers by edges, quantiles or centres; several columns together by what occurs.

use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_clustering::KMeans;
use ndarray::Array2;
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use tiresias_model::Space;

use super::faults::Faults;
use super::report::Symbols as Described;
use super::schema::{ObservationColumn, Schema, WhenMissing};
use super::table::{MISSING, Table};
use super::{LogsError, assemble};
use crate::NOTHING;

/// The most symbols that columns may make together.
const MOST: usize = 1_000_000;

/// Points that centres are found from; all points go to their nearest one.
const POINTS: usize = 100_000;

/// The symbol of every row, and what the symbols are.
pub(super) struct Symbols {
    pub rows: Vec<i32>,
    pub space: Space,
    pub described: Vec<Described>,
}

/// One column's symbols, or [`MISSING`].
struct Coded {
    codes: Vec<u32>,
    names: Vec<String>,
}

/// Works out the symbols of all rows.
pub(super) fn all(table: &Table, schema: &Schema, faults: &mut Faults) -> Result<Symbols, LogsError> {
    let (mut coded, mut described) = (Vec::new(), Vec::new());
    for column in &schema.observations {
        let (mut one, mut says) = code(table, column)?;
        says.missing = one.codes.iter().filter(|&&code| code == MISSING).count() as u64;
        settle(table, schema, column, &mut one, faults);
        coded.push(one);
        described.push(says);
    }
    let (rows, names) = together(&coded)?;
    let space = Space::named("observations", names).map_err(|error| {
        LogsError::Schema(format!(
            "the values of the observation columns make no clear names: {error}; rename values that hold commas"
        ))
    })?;
    Ok(Symbols { rows, space, described })
}

/// A column's values as numbered symbols.
fn code(table: &Table, column: &ObservationColumn) -> Result<(Coded, Described), LogsError> {
    let name = column.name();
    if let Some(edges) = &column.edges {
        return Ok(by_edges(table.numbers(&column.columns[0]), edges, name));
    }
    if let Some(count) = column.quantiles {
        let numbers = table.numbers(&column.columns[0]);
        return Ok(by_edges(numbers, &quantiles(numbers, count, &name)?, name));
    }
    if let Some(count) = column.clusters {
        let columns: Vec<&[f64]> = column.columns.iter().map(|name| table.numbers(name)).collect();
        return by_centres(&columns, count, column.seed, name);
    }
    let words = table.words(&column.columns[0]);
    let (order, names) = in_order(&words.names);
    let codes = words.codes.iter().map(|&code| if code == MISSING { MISSING } else { order[code as usize] }).collect();
    Ok((Coded { codes, names }, Described { column: name, edges: None, centres: None, missing: 0 }))
}

/// Words in the order a person expects, numbers by their size and the rest by the alphabet: the place of each, and all in order.
pub(super) fn in_order(words: &[Box<[u8]>]) -> (Vec<u32>, Vec<String>) {
    let text: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let number: Vec<Option<f64>> =
        text.iter().map(|word| word.parse().ok().filter(|number: &f64| number.is_finite())).collect();
    let mut sorted: Vec<usize> = (0..words.len()).collect();
    sorted.sort_by(|&a, &b| match (number[a], number[b]) {
        (Some(x), Some(y)) => x.total_cmp(&y).then_with(|| text[a].cmp(&text[b])),
        (x, y) => y.is_some().cmp(&x.is_some()).then_with(|| text[a].cmp(&text[b])),
    });
    let mut place = vec![0; words.len()];
    for (at, &word) in sorted.iter().enumerate() {
        place[word] = at as u32;
    }
    (place, sorted.into_iter().map(|word| text[word].clone()).collect())
}

fn by_edges(numbers: &[f64], edges: &[f64], column: String) -> (Coded, Described) {
    let interval =
        |&number: &f64| if number.is_nan() { MISSING } else { edges.partition_point(|&edge| edge <= number) as u32 };
    let codes = numbers.par_iter().map(interval).collect();
    let name = |i: usize| match (i.checked_sub(1).map(|i| edges[i]), edges.get(i)) {
        (None, Some(last)) => format!("<{last}"),
        (Some(first), None) => format!(">={first}"),
        (Some(first), Some(last)) => format!("{first}..{last}"),
        (None, None) => "any".into(),
    };
    let names = (0..=edges.len()).map(name).collect();
    (Coded { codes, names }, Described { column, edges: Some(edges.to_vec()), centres: None, missing: 0 })
}

/// Numbers below which 1/count, 2/count, … of the values lie; equal ones once.
fn quantiles(numbers: &[f64], count: usize, column: &str) -> Result<Vec<f64>, LogsError> {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
    sorted.par_sort_unstable_by(f64::total_cmp);
    let Some((&least, _)) = sorted.split_first() else {
        return Err(LogsError::Schema(format!("observation {column:?} has no number at all")));
    };
    let mut edges: Vec<f64> =
        (1..count).map(|i| sorted[i * sorted.len() / count]).filter(|&edge| edge > least).collect();
    edges.dedup();
    Ok(edges)
}

fn by_centres(columns: &[&[f64]], count: usize, seed: u64, column: String) -> Result<(Coded, Described), LogsError> {
    let whole: Vec<usize> =
        (0..columns[0].len()).filter(|&row| columns.iter().all(|numbers| !numbers[row].is_nan())).collect();
    let wrong = |what: String| LogsError::Schema(format!("observation {column:?}: {what}"));
    if whole.len() < count {
        return Err(wrong(format!("{} rows have all its numbers, fewer than {count} clusters", whole.len())));
    }
    let scale: Vec<(f64, f64)> = columns.iter().map(|numbers| spread(numbers, &whole)).collect();
    let at = |row: usize, i: usize| (columns[i][row] - scale[i].0) / scale[i].1;
    let used = whole.len().min(POINTS);
    let points = Array2::from_shape_fn((used, columns.len()), |(point, i)| at(whole[point * whole.len() / used], i));
    // With a generator that is given and one thread's order of sums, equal rows give equal centres.
    let found = KMeans::params_with_rng(count, Xoshiro256Plus::seed_from_u64(seed))
        .n_runs(5)
        .tolerance(1e-6)
        .fit(&DatasetBase::from(points))
        .map_err(|error| wrong(error.to_string()))?;
    let mut centres: Vec<Vec<f64>> = found.centroids().rows().into_iter().map(|row| row.to_vec()).collect();
    centres.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    centres.dedup();
    let nearest = |row: usize| {
        let far = |centre: &Vec<f64>| (0..columns.len()).map(|i| (at(row, i) - centre[i]).powi(2)).sum::<f64>();
        let distances = centres.iter().map(far);
        distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(MISSING, |(centre, _)| centre as u32)
    };
    let mut codes = vec![MISSING; columns[0].len()];
    let near: Vec<u32> = whole.par_iter().map(|&row| nearest(row)).collect();
    whole.iter().zip(near).for_each(|(&row, code)| codes[row] = code);
    let own = |centre: &Vec<f64>| {
        centre.iter().zip(&scale).map(|(x, (mean, deviation))| x * deviation + mean).collect::<Vec<f64>>()
    };
    let centres: Vec<Vec<f64>> = centres.iter().map(own).collect();
    let names = (0..centres.len()).map(|i| format!("cluster-{i}")).collect();
    Ok((Coded { codes, names }, Described { column, edges: None, centres: Some(centres), missing: 0 }))
}

/// Mean and standard deviation, by which columns in different units count alike.
fn spread(numbers: &[f64], rows: &[usize]) -> (f64, f64) {
    let count = rows.len() as f64;
    let mean = rows.iter().map(|&row| numbers[row]).sum::<f64>() / count;
    let variance = rows.iter().map(|&row| (numbers[row] - mean).powi(2)).sum::<f64>() / count;
    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}

/// Gives missing values their meaning.
fn settle(table: &Table, schema: &Schema, column: &ObservationColumn, coded: &mut Coded, faults: &mut Faults) {
    if !coded.codes.contains(&MISSING) {
        return;
    }
    // A row without an action may be an episode's last; it need not say anything else.
    let action = &table.words(&schema.action.column).codes;
    match column.when_missing {
        WhenMissing::Nothing => {}
        WhenMissing::Error => {
            for row in (0..table.rows).filter(|&row| coded.codes[row] == MISSING && action[row] != MISSING) {
                let what = || {
                    format!(
                        "observation {:?} is missing; say in the schema what that means, by `whenMissing`: `symbol` (not known), `previous` (as before) or `nothing` (nothing was seen)",
                        column.name()
                    )
                };
                faults.add(table.line(row), what);
            }
        }
        WhenMissing::Symbol => {
            let symbol = coded.names.len() as u32;
            coded.codes.iter_mut().filter(|code| **code == MISSING).for_each(|code| *code = symbol);
            coded.names.push("missing".into());
        }
        WhenMissing::Previous => assemble::carry(table, schema, &mut coded.codes),
    }
}

/// One symbol for each combination that occurs, in order; nothing where one of the columns has nothing.
fn together(coded: &[Coded]) -> Result<(Vec<i32>, Vec<String>), LogsError> {
    let rows = coded[0].codes.len();
    let mut keys = vec![0_u64; rows];
    let mut product = 1_u64;
    for Coded { codes, names } in coded {
        let size = names.len().max(1) as u64;
        product = product.checked_mul(size).filter(|&all| all < u64::MAX / 2).ok_or_else(|| {
            LogsError::Schema(
                "the observation columns have more than 2^63 combinations; name fewer, or make their values coarser"
                    .into(),
            )
        })?;
        for (key, &code) in keys.iter_mut().zip(codes) {
            *key = if code == MISSING || *key == u64::MAX { u64::MAX } else { *key * size + u64::from(code) };
        }
    }
    let mut symbols: FxHashMap<u64, i32> = FxHashMap::default();
    for pair in keys.chunk_by(|a, b| a == b) {
        if pair[0] != u64::MAX {
            symbols.insert(pair[0], 0);
        }
    }
    if symbols.len() > MOST {
        return Err(LogsError::Schema(format!(
            "the observation columns make {} symbols; at most {MOST} are possible: give numbers `edges`, `quantiles` or `clusters`",
            symbols.len()
        )));
    }
    if symbols.is_empty() {
        return Err(LogsError::Schema("nothing is seen in any row: every row misses an observation".into()));
    }
    let mut order: Vec<u64> = symbols.keys().copied().collect();
    order.sort_unstable();
    for (symbol, key) in order.iter().enumerate() {
        symbols.insert(*key, symbol as i32);
    }
    let name = |&key: &u64| {
        let mut rest = key;
        let mut parts: Vec<&str> = Vec::new();
        for Coded { names, .. } in coded.iter().rev() {
            parts.push(&names[(rest % names.len() as u64) as usize]);
            rest /= names.len() as u64;
        }
        parts.reverse();
        parts.join(",")
    };
    let names = order.iter().map(name).collect();
    let symbol = |key: &u64| symbols.get(key).copied().unwrap_or(NOTHING);
    Ok((keys.par_iter().map(symbol).collect(), names))
}
