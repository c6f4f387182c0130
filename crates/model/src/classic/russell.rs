//! The 4x3 grid: Russell and Norvig, "Artificial Intelligence: A Modern Approach" (1995), section 17.4, as made partially
//! observable by Parr and Russell, "Approximating optimal policies for partially observable stochastic domains", IJCAI 1995.

use super::grid::{EAST, Grid, NORTH, SOUTH, WEST};
use super::sketch::{Sketch, names, row, uniform};
use crate::{Model, ModelError};

const MAP: [&str; 3] = ["...+", ".#.-", "...."];
const MOVES: [usize; 4] = [NORTH, SOUTH, EAST, WEST];
/// In the file from which all published values come, going east in this cell slips to the west, where the wall in the south
/// should stop it. It is kept, for the sake of those values.
const ODD_SLIP: (usize, (usize, usize)) = (EAST, (2, 2));
const SEEN: [&str; 6] = ["wall-left", "wall-right", "no-wall", "both-walls", "good", "bad"];

/// A move goes where it should with probability 0.8, to either side of that with 0.1 each; walls stop it. Sensors tell without
/// error whether there is a wall to the west and to the east. Being in a cell earns -0.04, +1 at the good exit, -1 at the bad
/// one; after an exit a run begins anew in one of the other cells.
pub(super) fn model() -> Result<Model, ModelError> {
    let grid = Grid::read(MAP);
    let exit = |cell: usize| grid.mark(cell) != '.';
    let start = uniform(grid.len(), |cell| !exit(cell));
    let again = row(&start);
    Sketch {
        name: "4x3".into(),
        states: (0..grid.len()).map(|cell| grid.name(cell)).collect(),
        actions: names(["north", "south", "east", "west"]),
        observations: names(SEEN),
        start,
        terminal: Vec::new(),
        next: |action, cell| {
            if exit(cell) {
                return again.clone();
            }
            let [ahead, mut right, left] = [0, 1, 3].map(|turn| grid.step(cell, (MOVES[action] + turn) % 4));
            if (MOVES[action], grid.place(cell)) == ODD_SLIP {
                right = grid.step(cell, WEST);
            }
            vec![(ahead, 0.8), (right, 0.1), (left, 0.1)]
        },
        seen: |_, cell| {
            let wall = |direction| grid.beside(cell, direction).is_none();
            let seen = match (grid.mark(cell), wall(WEST), wall(EAST)) {
                ('+', ..) => 4,
                ('-', ..) => 5,
                (_, true, false) => 0,
                (_, false, true) => 1,
                (_, false, false) => 2,
                (_, true, true) => 3,
            };
            vec![(seen, 1.0)]
        },
        reward: |_, cell, _| match grid.mark(cell) {
            '+' => 1.0,
            '-' => -1.0,
            _ => -0.04,
        },
    }
    .build()
}
