//! The classic problems: sizes as published, definitions where a problem has parameters, names that do not exist.
//! Their values are tested with the solvers (`crates/solve/tests/classic.rs`).

use proptest::prelude::*;
use tiresias_model::classic::{CLASSICS, by_name};
use tiresias_model::format::{ReadOptions, read};
use tiresias_model::{Model, ModelError, Space};

fn sizes(model: &Model) -> (usize, usize, usize) {
    (model.states().len(), model.actions().len(), model.observations().map_or(0, Space::len))
}

#[test]
fn sizes_are_the_published_ones() {
    for (name, expected) in [
        ("tiger", (2, 3, 2)),
        ("4x3", (11, 4, 6)),
        ("cheese", (11, 4, 7)),
        ("shuttle", (8, 3, 5)),
        ("network", (7, 4, 2)),
        ("tag", (870, 5, 30)),
        ("maze:hallway", (60, 5, 21)),
        ("maze:hallway2", (92, 5, 17)),
        ("rock-sample:4,4", (257, 9, 2)),
        ("rock-sample:5,5", (801, 10, 2)),
        ("rock-sample:7,8", (12_545, 13, 2)),
    ] {
        let model = by_name(name).unwrap();
        assert_eq!(sizes(&model), expected, "{name}");
        assert_eq!((model.name(), model.discount(), model.horizon()), (name, 0.95, None));
    }
}

/// Every problem is listed, has names that a `.pomdp` file can hold, and is read back as it was written.
#[test]
fn listed_problems_survive_a_file() {
    for classic in CLASSICS {
        let name = match classic.name {
            "maze" => "maze:hallway2".to_owned(),
            "rock-sample" => "rock-sample:3,2".to_owned(),
            name => name.to_owned(),
        };
        let model = by_name(&name).unwrap();
        let loaded = read("x.pomdp", model.to_pomdp().unwrap().as_bytes(), &ReadOptions::default()).unwrap();
        assert!(loaded.warnings.is_empty());
        let mut parts = loaded.model.to_builder();
        parts.name = name;
        assert_eq!(parts.build().unwrap().sha256(), model.sha256(), "{}", model.name());
    }
    assert!(CLASSICS.is_sorted_by_key(|classic| classic.name));
}

/// Where the rocks of a field are, from its own rows: sampling there changes nothing but the rock, or nothing.
fn rocks(model: &Model, size: usize) -> Vec<(usize, usize)> {
    let sample = model.actions().index("sample").unwrap();
    let (states, end) = (model.states().len(), model.states().len() - 1);
    let subsets = end / (size * size);
    let lasts = |cell: usize| model.dynamics()[0].transition.get(sample * states + cell * subsets, end) == 0.0;
    (0..size * size).filter(|&cell| lasts(cell)).map(|cell| (cell / size, cell % size)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Rows of a drawn field, from the definition.
    #[test]
    fn rock_sample_follows_its_definition(size in 2_usize..6, count in 1_usize..5, seed in 0_u64..1000) {
        let model = by_name(&format!("rock-sample:{size},{count},{seed}")).unwrap();
        prop_assert_eq!(sizes(&model), (size * size * (1 << count) + 1, count + 5, 2));
        let rocks = rocks(&model, size);
        prop_assert_eq!(rocks.len(), count);
        let (states, dynamics) = (model.states(), &model.dynamics()[0]);
        let s = states.len();
        let end = states.index("end").unwrap();
        let at = |x: usize, y: usize, letters: &str| states.index(&format!("x{x}y{y}-{letters}")).unwrap();
        prop_assert_eq!(model.terminal_states(), vec![end]);
        // Which letter is which rock: where sampling turns a good letter bad.
        let good = "g".repeat(count);
        let sample = model.actions().index("sample").unwrap();
        for letter in 0..count {
            let spent: String = (0..count).map(|i| if i == letter { 'b' } else { 'g' }).collect();
            let turns = |&&(x, y): &&(usize, usize)| dynamics.transition.get(sample * s + at(x, y, &good), at(x, y, &spent)) == 1.0;
            let (x, y) = *rocks.iter().find(turns).unwrap();
            prop_assert_eq!(model.expected_reward(0)[sample * s + at(x, y, &good)], 10.0);
            prop_assert_eq!(model.expected_reward(0)[sample * s + at(x, y, &spent)], -10.0);
            prop_assert_eq!(dynamics.transition.get(sample * s + at(x, y, &spent), at(x, y, &spent)), 1.0);
            let check = model.actions().index(&format!("check-{letter}")).unwrap();
            for (from_x, from_y) in (0..size).flat_map(|x| (0..size).map(move |y| (x, y))) {
                let d = (((x as f64) - (from_x as f64)).powi(2) + ((y as f64) - (from_y as f64)).powi(2)).sqrt();
                let right = 0.5 * (1.0 + 2.0_f64.powf(-d / 20.0));
                let kernel = dynamics.observation.as_ref().unwrap();
                prop_assert!((kernel.get(check * s + at(from_x, from_y, &good), 0) - right).abs() < 1e-12);
                prop_assert!((kernel.get(check * s + at(from_x, from_y, &spent), 1) - right).abs() < 1e-12);
            }
        }
        for (action, dx, dy) in [("north", 0, 1), ("east", 1, 0), ("south", 0, -1), ("west", -1, 0_i64)] {
            let row = model.actions().index(action).unwrap() * s;
            for (x, y) in (0..size).flat_map(|x| (0..size).map(move |y| (x, y))) {
                let (to_x, to_y) = (x as i64 + dx, y as i64 + dy);
                let inside = (0..size as i64).contains(&to_x) && (0..size as i64).contains(&to_y);
                let next = if inside { at(to_x as usize, to_y as usize, &good) } else { end };
                prop_assert_eq!(dynamics.transition.get(row + at(x, y, &good), next), 1.0);
                let reward = if inside { 0.0 } else if action == "east" { 10.0 } else { -100.0 };
                prop_assert_eq!(model.expected_reward(0)[row + at(x, y, &good)], reward);
            }
        }
        // Middle of the west edge, every subset of rocks good with equal odds.
        for state in 0..s {
            let there = states.name(state).starts_with(&format!("x0y{}-", size / 2));
            prop_assert_eq!(model.start()[state], if there { 1.0 / f64::from(1 << count) } else { 0.0 });
        }
    }

    /// Walls, goal and heading of any map: `stay` keeps, forward into a wall keeps, and the sensors agree with the map.
    #[test]
    fn mazes_follow_their_maps(cells in prop::collection::vec(prop::sample::select(&['#', '*', '*', '1'][..]), 12), goal in 0_usize..12) {
        let mut cells = cells;
        cells[goal] = '+';
        let lines: Vec<String> = cells.chunks(4).map(|line| line.iter().collect()).collect();
        let name = format!("maze:{}", lines.join("/"));
        let floor = cells.iter().filter(|c| **c != '#').count();
        let model = by_name(&name);
        if floor == 1 {
            prop_assert!(model.is_err());
            return Ok(());
        }
        let model = model.unwrap();
        let landmark = usize::from(cells.contains(&'1'));
        prop_assert_eq!(sizes(&model), (4 * floor, 5, 17 + landmark));
        let (states, dynamics) = (model.states(), &model.dynamics()[0]);
        let s = states.len();
        let compass = ["north", "east", "south", "west"];
        let steps = [(0, -1), (1, 0), (0, 1), (-1, 0_i64)];
        let free = |x: i64, y: i64| (0..4).contains(&x) && (0..3).contains(&y) && cells[(4 * y + x) as usize] != '#';
        for (x, y) in (0..3).flat_map(|y| (0..4).map(move |x| (x, y))).filter(|&(x, y)| free(x, y)) {
            let mark = cells[(4 * y + x) as usize];
            for heading in 0..4 {
                let at = |x: i64, y: i64, h: usize| states.index(&format!("x{x}y{y}-{}", compass[h % 4])).unwrap();
                let here = at(x, y, heading);
                let forward = |to: usize| dynamics.transition.get(s + here, to);
                let seen = |o: &str| dynamics.observation.as_ref().unwrap().get(here, model.observations().unwrap().index(o).unwrap());
                if mark == '+' {
                    prop_assert!((forward(here)).abs() < 1e-12 && seen("goal") == 1.0);
                    prop_assert!((dynamics.transition.row(here).1.len()) == 4 * (floor - 1));
                    continue;
                }
                prop_assert_eq!(dynamics.transition.get(here, here), 1.0);
                let beside = |turn: usize| {
                    let (dx, dy) = steps[(heading + turn) % 4];
                    free(x + dx, y + dy).then_some((x + dx, y + dy))
                };
                // What each wall adds to staying.
                let stays: f64 = [0.8, 0.05, 0.05, 0.05].iter().enumerate().filter(|&(t, _)| beside(t).is_none()).map(|(_, p)| p).sum();
                prop_assert!((forward(here) - stays - 0.05).abs() < 1e-12);
                for (turn, odds) in [(0, 0.8), (1, 0.05), (3, 0.05)] {
                    if let Some((x, y)) = beside(turn) {
                        prop_assert!((forward(at(x, y, heading + turn)) - odds).abs() < 1e-12);
                    }
                }
                if let Some((x, y)) = beside(2) {
                    prop_assert!((forward(at(x, y, heading)) - 0.025).abs() < 1e-12);
                    prop_assert!((forward(at(x, y, heading + 2)) - 0.025).abs() < 1e-12);
                }
                if mark == '1' && heading == 2 {
                    prop_assert_eq!(seen("landmark-1"), 1.0);
                } else {
                    let open: f64 = (0..4).map(|t| if beside(t).is_none() { 0.1 } else { 0.95 }).product();
                    prop_assert!((seen("no-wall") - open).abs() < 1e-12);
                    let ahead = open * if beside(0).is_none() { 0.9 / 0.1 } else { 0.05 / 0.95 };
                    prop_assert!((seen("wall-ahead") - ahead).abs() < 1e-12);
                    let left = open * if beside(3).is_none() { 0.9 / 0.1 } else { 0.05 / 0.95 };
                    prop_assert!((seen("wall-left") - left).abs() < 1e-12);
                }
                let reward: f64 = model.expected_reward(0)[s + here];
                let reaches: f64 = (0..s).filter(|&to| states.name(to).starts_with(&format!("x{}y{}-", goal % 4, goal / 4))).map(forward).sum();
                prop_assert!((reward - reaches).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn seeds_draw_fields() {
    let field = |name: &str| rocks(&by_name(name).unwrap(), 6);
    assert_eq!(field("rock-sample:6,3"), field("rock-sample:6,3,0"));
    assert_ne!(field("rock-sample:6,3,1"), field("rock-sample:6,3,2"));
    // All cells can hold a rock, and all are about as likely.
    let mut counts = [0; 9];
    for seed in 0..400 {
        for (x, y) in rocks(&by_name(&format!("rock-sample:3,2,{seed}")).unwrap(), 3) {
            counts[3 * x + y] += 1;
        }
    }
    // Mean 88.9, standard deviation 8.3.
    assert!(counts.iter().all(|&n| (47..=131).contains(&n)), "{counts:?}");
    let published = rocks(&by_name("rock-sample:7,8").unwrap(), 7);
    assert_eq!(published, [(0, 1), (1, 6), (2, 0), (2, 4), (3, 1), (3, 4), (5, 5), (6, 3)]);
}

#[test]
fn a_network_of_other_levels_keeps_its_ends() {
    let model = by_name("network:11").unwrap();
    assert_eq!(sizes(&model), (12, 4, 2));
    let at = |name: &str| model.states().index(name).unwrap();
    let r = model.expected_reward(0);
    assert_eq!([r[at("load-000")], r[at("load-100")], r[at("crash")]], [-20.0, 80.0, -20.0]);
    let down = |name: &str| model.dynamics()[0].observation.as_ref().unwrap().get(at(name), 1);
    assert_eq!([down("load-050"), down("load-060"), down("load-100"), down("crash")], [0.0, 0.1, 0.5, 1.0]);
}

#[test]
fn names_that_do_not_exist_are_told_from_parameters_that_are_wrong() {
    for (name, expected) in [
        ("tigr", "did you mean tiger?"),
        ("RockSample_7_8", "did you mean rock-sample?"),
        ("rocksample:7,8", "did you mean rock-sample?"),
        ("hallway2", "did you mean maze:hallway2?"),
        ("", "is not one of 4x3, cheese, maze, network, rock-sample, shuttle, tag, tiger"),
        ("parking", "is not one of 4x3"),
        ("tiger:3", "takes none"),
        ("network:1", "2 to 1000"),
        ("network:many", "2 to 1000"),
        ("rock-sample", "rock-sample:7,8"),
        ("rock-sample:7", "rock-sample:7,8"),
        ("rock-sample:7,8,9,1", "rock-sample:7,8"),
        ("rock-sample:7,-8", "rock-sample:7,8"),
        ("rock-sample:2,5", "no room for 5 rocks in 2 x 2"),
        ("rock-sample:0,0", "no room"),
        ("rock-sample:20,64", "20 x 20 x 2^64 states"),
        ("rock-sample:20,15", "20 x 20 x 2^15 states"),
        ("maze", "needs a goal"),
        ("maze:***", "needs a goal"),
        ("maze:+", "needs a goal"),
        ("maze:*a+", "no map has a 'a'"),
    ] {
        let error = by_name(name).unwrap_err();
        assert!(matches!(&error, ModelError::Name { name: found, .. } if found == name), "{name}: {error}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    assert!(!by_name("parking").unwrap_err().to_string().contains("did you mean"));
}
