//! Races, degenerate ones above all, against a library's simplex method.

use microlp::{ComparisonOp, OptimizationDirection, Problem};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;
use crate::Limits;

/// What the library is trusted to on columns of size 1 (its own tolerance is 1e-8, on numbers of any size).
const TRUSTED: f64 = 1e-6;

/// A race at scale 1: rows of margins and of walls, which need not be of size 1.
#[derive(Debug, Clone)]
struct Program {
    dim: usize,
    margins: Vec<Vec<f64>>,
    walls: Vec<Vec<f64>>,
}

/// Columns of whole numbers (ties everywhere), of any numbers, and relatives of them: the same again, multiples, a little beside,
/// the opposite, half-way between two; each of a size of its own.
fn columns(dim: usize, most: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    let entry = prop_oneof![3 => (-3..4_i32).prop_map(f64::from), 1 => -3.0..3.0_f64];
    let rows = prop::collection::vec(prop::collection::vec(entry, dim), 0..=most);
    let relatives =
        prop::collection::vec((0..5_usize, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..=most / 2);
    let sizes = prop::collection::vec(prop_oneof![3 => Just(0_i32), 1 => -8..9_i32], 2 * most);
    (rows, relatives, sizes).prop_map(|(mut rows, relatives, sizes)| {
        for (kind, one, other) in relatives {
            if rows.is_empty() {
                break;
            }
            let (one, other) = (one.get(&rows).clone(), other.get(&rows).clone());
            let pairs = one.iter().zip(&other);
            rows.push(match kind {
                0 => one,
                1 => one.iter().map(|v| 3.0 * v).collect(),
                2 => pairs.enumerate().map(|(s, (v, w))| v + 1e-13 * w * (s as f64 - 1.5)).collect(),
                3 => one.iter().map(|v| -v).collect(),
                _ => pairs.map(|(v, w)| 0.5 * (v + w)).collect(),
            });
        }
        for (row, size) in rows.iter_mut().zip(sizes) {
            row.iter_mut().for_each(|v| *v *= 10_f64.powi(size));
        }
        rows
    })
}

fn programs() -> impl Strategy<Value = Program> {
    (1..8_usize).prop_flat_map(|dim| {
        (columns(dim, 12), columns(dim, 12)).prop_map(move |(margins, walls)| Program { dim, margins, walls })
    })
}

fn unit(row: &[f64]) -> Option<Vec<f64>> {
    let size = row.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    (size > 0.0).then(|| row.iter().map(|v| v / size).collect())
}

/// The greatest `t` for which some point has all products at least `t`, and that point; all columns of size 1.
fn library(dim: usize, columns: &[Vec<f64>]) -> Option<(f64, Vec<f64>)> {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let x: Vec<_> = (0..dim).map(|_| problem.add_var(0.0, (0.0, 1.0))).collect();
    let t = problem.add_var(1.0, (-1.0, 1.0));
    problem.add_constraint(x.iter().map(|&x| (x, 1.0)), ComparisonOp::Eq, 1.0);
    for column in columns {
        let terms = x.iter().copied().zip(column.iter().copied()).chain([(t, -1.0)]);
        problem.add_constraint(terms.collect::<Vec<_>>(), ComparisonOp::Ge, 0.0);
    }
    let solution = problem.solve().ok()?.clone();
    Some((solution[t], x.iter().map(|&x| solution[x]).collect()))
}

fn check(program: &Program, magnitude: f64) -> Result<(), TestCaseError> {
    let Program { dim, margins, walls } = program;
    let candidate = vec![0.0; *dim];
    let rivals: Vec<f64> = margins.iter().flatten().map(|v| -v * magnitude).collect();
    let region: Vec<f64> = walls.iter().filter_map(|w| unit(w)).flatten().collect();
    let scale = rivals.iter().fold(0.0_f64, |m, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
    let budget = Budget::new(&Limits::default());
    let mut game = Game::new(*dim);
    game.point.fill(1.0 / *dim as f64);
    let mut race =
        Race { region: &region, walls: &mut Vec::new(), rivals: &rivals, candidate: &candidate, scale: 1.0 / scale };
    let tolerance = 1e-13 * scale;
    let verdict = game.test(&mut race, tolerance, &budget);

    let products = |rows: &[f64], point: &[f64]| -> f64 {
        rows.chunks_exact(*dim).map(|row| dot(row, point)).fold(f64::INFINITY, f64::min)
    };
    let margin = |point: &[f64]| rivals.chunks_exact(*dim).map(|row| -dot(row, point)).fold(f64::INFINITY, f64::min);
    if verdict == Verdict::Above {
        let sum: f64 = game.point.iter().sum();
        prop_assert!((sum - 1.0).abs() < 1e-12 && game.point.iter().all(|&x| x >= 0.0), "a belief");
        prop_assert!(margin(&game.point) > 0.0 && products(&region, &game.point) > 0.0, "{verdict:?} {:?}", game.point);
    }
    let unit_columns: Vec<Vec<f64>> = margins.iter().chain(walls).filter_map(|c| unit(c)).collect();
    let Some((value, point)) = library(*dim, &unit_columns) else { return Ok(()) };
    let twin = margins.iter().any(|m| m.iter().all(|&v| v == 0.0));
    let size = |row: &Vec<f64>| magnitude * row.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let slight = margins.iter().any(|m| size(m) < 1e-6 * scale);
    match verdict {
        Verdict::Below(loss) => {
            prop_assert!(loss <= tolerance);
            // A point well inside is in the region whatever the library's rounding: there the bound must hold.
            prop_assert!(value < TRUSTED || margin(&point) <= tolerance, "{value} {point:?}");
        }
        // Pricing goes by value: next to a margin a million times as large, one may be overlooked. Its vector is kept, which is safe.
        Verdict::Unclear => prop_assert!(value.abs() < TRUSTED || slight, "{value}"),
        Verdict::Above => prop_assert!(value > -TRUSTED && !twin, "{value}"),
    }
    Ok(())
}

#[test]
fn degenerate_games_end_as_a_library_says() {
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&(programs(), -8..9_i32), |(program, magnitude)| check(&program, 10_f64.powi(magnitude)))
        .unwrap_or_else(|e| panic!("{e}"));
}
