//! The cheese maze: McCallum, "Overcoming incomplete perception with utile distinction memory", ICML 1993.

use super::grid::{COMPASS, EAST, Grid, NORTH, SOUTH, WEST};
use super::sketch::{Sketch, names, row, uniform};
use crate::{Model, ModelError};

const MAP: [&str; 3] = [".....", ". . .", ". + ."];
const MOVES: [usize; 4] = [NORTH, SOUTH, EAST, WEST];

/// Moves are certain and stopped by walls. All that is seen are the walls around a cell, which leaves 7 kinds of cell, the
/// cheese its own. Reaching the cheese earns 1, and from there a run begins anew in one of the other cells.
pub(super) fn model() -> Result<Model, ModelError> {
    let grid = Grid::read(MAP);
    let cheese = |cell: usize| grid.mark(cell) == '+';
    let walls = |cell: usize| -> String {
        if cheese(cell) {
            return "cheese".into();
        }
        let blocked = (0..4).filter(|&direction| grid.beside(cell, direction).is_none());
        format!("walls-{}", blocked.map(|direction| COMPASS[direction]).collect::<Vec<_>>().join("-"))
    };
    let mut observations: Vec<String> = Vec::new();
    for cell in 0..grid.len() {
        let kind = walls(cell);
        if !observations.contains(&kind) {
            observations.push(kind);
        }
    }
    let kinds: Vec<usize> =
        (0..grid.len()).filter_map(|cell| observations.iter().position(|kind| *kind == walls(cell))).collect();
    let start = uniform(grid.len(), |cell| !cheese(cell));
    let again = row(&start);
    Sketch {
        name: "cheese".into(),
        states: (0..grid.len()).map(|cell| grid.name(cell)).collect(),
        actions: names(["north", "south", "east", "west"]),
        observations,
        start,
        terminal: Vec::new(),
        next: |action, cell| if cheese(cell) { again.clone() } else { vec![(grid.step(cell, MOVES[action]), 1.0)] },
        seen: |_, cell| vec![(kinds[cell], 1.0)],
        reward: |_, _, next| f64::from(u8::from(cheese(next))),
    }
    .build()
}
