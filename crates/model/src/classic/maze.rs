//! Hallway-style mazes: Littman, Cassandra, Kaelbling, "Learning policies for partially observable environments: scaling up",
//! ICML 1995.

use super::grid::{COMPASS, Grid, SOUTH};
use super::refused;
use super::sketch::{Row, Sketch, names, row, uniform};
use crate::{Model, ModelError};

/// Maps with a name of their own.
pub(super) const NAMED: [(&str, &str); 2] =
    [("hallway", "**1*2*3*4**/##*#*#*#+"), ("hallway2", "#*****/**#*#**/#*#*#*/**#*#*+/#*****")];

const MOST_CELLS: usize = 10_000;
const FORWARD: usize = 1;
/// A wall is noticed with this probability, one that is not there with this.
const NOTICED: f64 = 0.9;
const IMAGINED: f64 = 0.05;
/// Quarter turns clockwise of each action but `forward`, and what they come to, by further quarter turns.
const TURNS: [(usize, [f64; 4]); 5] = [
    (0, [1.0, 0.0, 0.0, 0.0]),
    (0, [0.0; 4]),
    (1, [0.7, 0.1, 0.1, 0.1]),
    (2, [0.6, 0.15, 0.1, 0.15]),
    (3, [0.7, 0.1, 0.1, 0.1]),
];

pub(super) fn from_text(parameters: Option<&str>) -> Result<Model, ModelError> {
    let text = parameters.unwrap_or_default();
    let named = NAMED.iter().find(|(name, _)| *name == text);
    let map = named.map_or(text, |(_, map)| map);
    let known: Vec<_> = NAMED.iter().map(|(name, _)| *name).collect();
    if let Some(odd) = map.chars().find(|c| !matches!(c, '#' | ' ' | '*' | '+' | '/' | '1'..='9')) {
        let known = known.join(" nor ");
        return Err(refused(
            text,
            format!(
                "is neither {known}, and no map has a {odd:?}: # or blank is wall, * floor, 1 to 9 floor with a landmark, + the goal, / ends a line"
            ),
        ));
    }
    let grid = Grid::read(map.split('/'));
    let goals = grid.marked('+').len();
    if goals == 0 || goals == grid.len() || grid.len() > MOST_CELLS {
        return Err(refused(
            text,
            format!("needs a goal (+), some floor (*) and at most {MOST_CELLS} cells; or one of {}", known.join(", ")),
        ));
    }
    model(&format!("maze:{text}"), &grid)
}

/// The state is a cell and a heading. `forward` goes ahead with probability 0.8, and with 0.05 each stays, or drifts right, left
/// or back, turned that way (drifting back, turned or not with equal odds); a wall stops any of them. Turns mostly succeed. Four
/// sensors tell of walls ahead, right, behind and left, and err independently. A landmark is seen for certain by who faces south
/// in its cell. Reaching the goal earns 1 and is noticed; whatever is done there, a run begins anew anywhere else.
fn model(name: &str, grid: &Grid) -> Result<Model, ModelError> {
    let states = 4 * grid.len();
    let goal = |state: usize| grid.mark(state / 4) == '+';
    let start = uniform(states, |state| !goal(state));
    let again = row(&start);
    let mut landmarks: Vec<char> = (0..grid.len()).map(|cell| grid.mark(cell)).filter(char::is_ascii_digit).collect();
    landmarks.sort_unstable();
    landmarks.dedup();
    let sights = landmarks.iter().map(|mark| format!("landmark-{mark}"));

    let forward = |state: usize| -> Row {
        let (cell, heading) = (state / 4, state % 4);
        let drift = |turn: usize, facing: usize| {
            let there = grid.beside(cell, (heading + turn) % 4);
            there.map_or(state, |there| 4 * there + (heading + facing) % 4)
        };
        vec![
            (drift(0, 0), 0.8),
            (drift(1, 1), 0.05),
            (drift(3, 3), 0.05),
            (drift(2, 0), 0.025),
            (drift(2, 2), 0.025),
            (state, 0.05),
        ]
    };
    let turn = |state: usize, action: usize| -> Row {
        let (quarters, outcomes) = TURNS[action];
        (0..4).map(|more| (state / 4 * 4 + (state + quarters + more) % 4, outcomes[more])).collect()
    };
    let sensors = |state: usize| -> Row {
        let (cell, heading) = (state / 4, state % 4);
        let chance = |pattern: usize| -> f64 {
            let of = |turn: usize| {
                let wall = grid.beside(cell, (heading + turn) % 4).is_none();
                let reports = if wall { NOTICED } else { IMAGINED };
                if pattern & bit(turn) == 0 { 1.0 - reports } else { reports }
            };
            (0..4).map(of).product()
        };
        (0..16).map(|pattern| (pattern, chance(pattern))).collect()
    };
    Sketch {
        name: name.into(),
        states: (0..states).map(|s| format!("{}-{}", grid.name(s / 4), COMPASS[s % 4])).collect(),
        actions: names(["stay", "forward", "turn-right", "turn-around", "turn-left"]),
        observations: (0..16).map(pattern_name).chain(sights).chain(["goal".into()]).collect(),
        start,
        terminal: Vec::new(),
        next: |action, state| match action {
            _ if goal(state) => again.clone(),
            FORWARD => forward(state),
            _ => turn(state, action),
        },
        seen: |_, state| {
            let landmark = landmarks.binary_search(&grid.mark(state / 4)).ok().filter(|_| state % 4 == SOUTH);
            match landmark {
                _ if goal(state) => vec![(16 + landmarks.len(), 1.0)],
                Some(i) => vec![(16 + i, 1.0)],
                None => sensors(state),
            }
        },
        reward: |_, _, next| f64::from(u8::from(goal(next))),
    }
    .build()
}

/// The place of a sensor, by its quarter turns from ahead, in the number of a pattern: ahead counts 8, left 1.
fn bit(turn: usize) -> usize {
    8 >> turn
}

fn pattern_name(pattern: usize) -> String {
    let sides = ["ahead", "right", "behind", "left"];
    let walls: Vec<_> = (0..4).filter(|&turn| pattern & bit(turn) != 0).map(|turn| sides[turn]).collect();
    if walls.is_empty() { "no-wall".into() } else { format!("wall-{}", walls.join("-")) }
}
