//! The tiger problem solved in Rust: `cargo run --release -p tiresias-solve --example tiger`.

use tiresias_model::classic::by_name;
use tiresias_solve::{Limits, Search, Solution, Solver, no_hook};

/// Bounds on the best value of the tiger problem, half a unit apart at most.
fn solved() -> Solution {
    let model = by_name("tiger").expect("a classic problem");
    let limits = Limits::with_gap(0.5);
    Search::default().solve(&model, &limits, &no_hook).expect("a POMDP can be solved")
}

fn main() {
    let Solution { lower, upper, .. } = solved();
    println!("the best value lies in [{lower:.3}, {upper:.3}]");
}

#[test]
fn the_bounds_hold_the_published_value() {
    let Solution { lower, upper, .. } = solved();
    // Tony Cassandra's tiger.95: 19.371368.
    assert!(lower <= 19.371_368 && 19.371_368 <= upper && upper - lower <= 0.5);
}
