//! Tag: Pineau, Gordon, Thrun, "Point-based value iteration: an anytime algorithm for POMDPs", IJCAI 2003.

use super::grid::{COMPASS, Grid};
use super::sketch::{Row, Sketch};
use crate::{Model, ModelError};

const MAP: [&str; 5] = ["     ...", "     ...", "     ...", "..........", ".........."];
const CATCH: usize = 4;

/// The robot moves surely for 1 a step. The opponent sees it and flees: of each axis it takes the direction away from the robot
/// with probability 0.4, or either one with 0.2 where the robot is on its line, and it rests with the remaining 0.2; a wall
/// stops it. Catching earns 10 in the opponent's cell and ends the game; elsewhere it costs 10 and nobody moves. The robot knows
/// its own cell, and of the opponent whether it is in the same one. Both begin anywhere.
pub(super) fn model() -> Result<Model, ModelError> {
    let grid = Grid::read(MAP);
    let cells = grid.len();
    let tagged = cells;
    // The state: the robot's cell, then the opponent's or `tagged`.
    let at = |robot: usize, opponent: usize| robot * (cells + 1) + opponent;
    let of = |state: usize| (state / (cells + 1), state % (cells + 1));
    let states = cells * (cells + 1);
    let opponent_name =
        |cell: usize| if cell == tagged { "tagged".into() } else { format!("opponent-{}", grid.name(cell)) };
    let flight = |robot: usize, opponent: usize| -> Row {
        let ((x, y), (from_x, from_y)) = (grid.place(opponent), grid.place(robot));
        let away = |ordering| match ordering {
            std::cmp::Ordering::Greater => 0.4,
            std::cmp::Ordering::Equal => 0.2,
            std::cmp::Ordering::Less => 0.0,
        };
        // North, east, south, west; lines are numbered from the north.
        let chances = [away(from_y.cmp(&y)), away(x.cmp(&from_x)), away(y.cmp(&from_y)), away(from_x.cmp(&x))];
        let step = |(direction, p)| (grid.step(opponent, direction), p);
        chances.into_iter().enumerate().map(step).chain([(opponent, 0.2)]).collect()
    };
    Sketch {
        name: "tag".into(),
        states: (0..states).map(|s| format!("robot-{}-{}", grid.name(of(s).0), opponent_name(of(s).1))).collect(),
        actions: COMPASS.iter().chain(&["catch"]).map(ToString::to_string).collect(),
        observations: (0..cells).map(|cell| grid.name(cell)).chain(["same-cell".into()]).collect(),
        start: (0..states).map(|s| if of(s).1 == tagged { 0.0 } else { 1.0 / (cells * cells) as f64 }).collect(),
        terminal: (0..cells).map(|robot| at(robot, tagged)).collect(),
        next: |action, state| {
            let (robot, opponent) = of(state);
            match action {
                _ if opponent == tagged => vec![(state, 1.0)],
                CATCH => vec![(if robot == opponent { at(robot, tagged) } else { state }, 1.0)],
                _ => {
                    let robot_next = grid.step(robot, action);
                    flight(robot, opponent).into_iter().map(|(cell, p)| (at(robot_next, cell), p)).collect()
                }
            }
        },
        seen: |_, state| {
            let (robot, opponent) = of(state);
            vec![(if robot == opponent { cells } else { robot }, 1.0)]
        },
        reward: |action, state, _| {
            let (robot, opponent) = of(state);
            match action {
                CATCH if robot == opponent => 10.0,
                CATCH => -10.0,
                _ => -1.0,
            }
        },
    }
    .build()
}
