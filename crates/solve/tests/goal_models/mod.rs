//! Small models in DRN, made from the descriptions in the literature.

use std::fmt::Write;

use tiresias_model::Explicit;
use tiresias_model::format::read_drn;

/// A POMDP's text in the making.
#[derive(Clone)]
pub struct Drn {
    pub text: String,
}

impl Drn {
    pub fn new(states: usize, rewards: &str) -> Self {
        Self { text: format!("@type: POMDP\n@parameters\n\n@reward_models\n{rewards}\n@nr_states\n{states}\n@model\n") }
    }

    /// A state, what is seen there and its labels, separated by blanks.
    pub fn state(&mut self, number: usize, seen: usize, labels: &str) -> &mut Self {
        write!(self.text, "state {number} {{{seen}}}").unwrap();
        labels.split_whitespace().for_each(|label| write!(self.text, " \"{label}\"").unwrap());
        self.text.push('\n');
        self
    }

    /// An action of the state before, its rewards in brackets, and where it leads.
    pub fn action(&mut self, name: &str, rewards: &str, next: &[(usize, f64)]) -> &mut Self {
        writeln!(self.text, "\taction {name} {rewards}").unwrap();
        next.iter().for_each(|(to, p)| writeln!(self.text, "\t\t{to} : {p}").unwrap());
        self
    }

    /// The same with states that are seen.
    pub fn observed(&self) -> Self {
        let line = |line: &str| match line.split_once(" {") {
            Some((state, rest)) => format!("{state}{}\n", rest.split_once('}').unwrap().1),
            None => format!("{line}\n"),
        };
        Self { text: self.text.replace("POMDP", "MDP").lines().map(line).collect() }
    }

    #[track_caller]
    pub fn read(&self) -> Explicit {
        let (model, warnings) = read_drn("made", self.text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        assert!(warnings.is_empty(), "{warnings:?}");
        model
    }
}

/// Storm's `simple`: after a coin of 7 in 10 that is not seen, two actions, each right on one side.
pub fn simple(slippery: f64) -> Explicit {
    let on = 1.0 - slippery;
    let mut drn = Drn::new(7, "earned");
    let slip = |state: usize, to: &[(usize, f64)]| {
        let mut next: Vec<(usize, f64)> = to.iter().map(|&(to, p)| (to, on * p)).collect();
        next.push((state, slippery));
        next.retain(|entry| entry.1 > 0.0);
        next
    };
    let reward = |state: usize, more: f64| format!("[{}]", 0.05 * state as f64 + more);
    drn.state(0, 0, "init").action("alpha", &reward(0, 0.0), &slip(0, &[(1, 0.7), (2, 0.3)]));
    for state in [1, 2] {
        drn.state(state, 0, "").action("alpha", &reward(state, 0.0), &slip(state, &[(state + 2, 1.0)]));
    }
    drn.state(3, 1, "").action("alpha", &reward(3, 0.5), &slip(3, &[(5, 1.0)]));
    drn.action("beta", &reward(3, 0.0), &slip(3, &[(6, 1.0)]));
    drn.state(4, 1, "").action("alpha", &reward(4, 0.0), &slip(4, &[(6, 1.0)]));
    drn.action("beta", &reward(4, 0.5), &slip(4, &[(5, 1.0)]));
    drn.state(5, 2, "goal end").action("stay", "[0]", &[(5, 1.0)]);
    drn.state(6, 2, "end").action("stay", "[0]", &[(6, 1.0)]);
    drn.read()
}

/// Littman, Cassandra and Kaelbling's maze (1995) as in PRISM: five cells in a row, under the first, third and fifth of them columns of `depth` cells;
/// the foot of the middle one is the target. Walls are seen, the start is any other cell.
pub fn maze(depth: usize) -> Explicit {
    let mut cells: Vec<(usize, usize)> = (0..5).map(|x| (x, 0)).collect();
    (1..=depth).for_each(|y| cells.extend([0, 2, 4].map(|x| (x, y))));
    let target = cells.iter().position(|cell| *cell == (2, depth)).unwrap();
    let at = |x: usize, y: usize| cells.iter().position(|cell| *cell == (x, y));
    let mut drn = Drn::new(cells.len() + 1, "steps");
    let others: Vec<usize> = (0..cells.len()).filter(|cell| *cell != target).collect();
    let next: Vec<(usize, f64)> = others.iter().map(|cell| (cell + 1, 1.0 / others.len() as f64)).collect();
    drn.state(0, 16, "init").action("begin", "[0]", &next);
    for (cell, &(x, y)) in cells.iter().enumerate() {
        if cell == target {
            drn.state(cell + 1, 17, "target").action("stay", "[0]", &[(cell + 1, 1.0)]);
            continue;
        }
        let moves = [
            at(x + 1, y),
            x.checked_sub(1).and_then(|x| at(x, y)),
            y.checked_sub(1).and_then(|y| at(x, y)),
            at(x, y + 1),
        ];
        let walls = moves.iter().enumerate().filter(|(_, to)| to.is_none()).map(|(i, _)| 1 << i).sum();
        drn.state(cell + 1, walls, "");
        for (name, to) in ["east", "west", "north", "south"].into_iter().zip(moves) {
            drn.action(name, "[1]", &[(to.unwrap_or(cell) + 1, 1.0)]);
        }
    }
    drn.read()
}

/// PRISM's 3×3 grid: only the target in the corner (2, 0) is seen. Its `north` is as PRISM's file has it, and sets the column by the row.
pub fn three_by_three() -> Explicit {
    let number = |(x, y): (usize, usize)| 1 + 3 * x + y;
    let mut drn = Drn::new(10, "steps");
    let cells: Vec<(usize, usize)> = (0..9).map(|i| (i / 3, i % 3)).collect();
    let start: Vec<(usize, f64)> = cells.iter().filter(|c| **c != (2, 0)).map(|c| (number(*c), 0.125)).collect();
    drn.state(0, 0, "init").action("place", "[0]", &start);
    for (x, y) in cells {
        let here = number((x, y));
        if (x, y) == (2, 0) {
            drn.state(here, 2, "target").action("done", "[0]", &[(here, 1.0)]);
            continue;
        }
        drn.state(here, 1, "");
        let moves = [((x + 1).min(2), y), (x.saturating_sub(1), y), ((y + 1).min(2), y), (x, y.saturating_sub(1))];
        for (name, to) in ["east", "west", "north", "south"].into_iter().zip(moves) {
            drn.action(name, "[1]", &[(number(to), 1.0)]);
        }
    }
    drn.read()
}
