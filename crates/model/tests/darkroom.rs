//! The dark room against its definition and the authors' split.

use tiresias_model::family::{Regime, Task, TaskRequest, family};

fn request(split: &str, index: u64, regime: Regime) -> TaskRequest {
    TaskRequest { split: split.into(), index, seed: 3, regime, horizon: 100, models: 3, alpha: 1.0 }
}

fn draw(split: &str, index: u64) -> Task {
    family("darkroom").unwrap().task(&request(split, index, Regime::Mdp)).unwrap()
}

fn goal(task: &Task) -> [usize; 2] {
    ["goal_x", "goal_y"].map(|name| task.parameters.iter().find(|(n, _)| n == name).unwrap().1 as usize)
}

/// `goals = [(x, y) for x in range(10) for y in range(10)]`, `numpy.random.RandomState(0).shuffle(goals)` in `NumPy` 2.4.6,
/// written as `10 x + y`.
#[rustfmt::skip]
const SHUFFLED: [usize; 100] = [
    26, 86, 2, 55, 75, 93, 16, 73, 54, 95, 53, 92, 78, 13, 7, 30, 22, 24, 33, 8, 43, 62, 3, 71, 45, 48, 6, 99, 82, 76, 60, 80, 90,
    68, 51, 27, 18, 56, 63, 74, 1, 61, 42, 41, 4, 15, 17, 40, 38, 5, 91, 59, 0, 34, 28, 50, 11, 35, 23, 52, 10, 31, 66, 57, 79,
    85, 32, 84, 14, 89, 19, 29, 49, 97, 98, 69, 20, 94, 72, 77, 25, 37, 81, 46, 39, 65, 58, 12, 88, 70, 87, 36, 21, 83, 9, 96, 67,
    64, 47, 44,
];

#[test]
fn goals_are_split_as_the_authors_do() {
    let goals = |split: &str, n: u64| -> Vec<usize> {
        (0..n).map(|i| goal(&draw(split, i))).map(|[x, y]| 10 * x + y).collect()
    };
    assert_eq!(goals("train", 80), SHUFFLED[..80]);
    assert_eq!(goals("test", 20), SHUFFLED[80..]);
    assert_eq!(goals("test", 41)[40], SHUFFLED[80]);
    let other = TaskRequest { seed: 9, ..request("train", 5, Regime::Mdp) };
    assert_eq!(goal(&family("darkroom").unwrap().task(&other).unwrap()), goal(&draw("train", 5)));
}

#[test]
fn moves_and_rewards() {
    for index in 0..20 {
        let task = draw("test", index);
        let (model, [goal_x, goal_y]) = (&task.model, goal(&task));
        assert_eq!((model.start()[0], model.horizon(), model.discount()), (1.0, Some(100), 1.0));
        for (action, name) in ["+x", "-x", "+y", "-y", "stay"].into_iter().enumerate() {
            assert_eq!(model.actions().name(action), name);
            for (x, y) in (0..10).flat_map(|x| (0..10).map(move |y| (x, y))) {
                let (to_x, to_y) = match name {
                    "+x" => (9.min(x + 1), y),
                    "-x" => (1.max(x) - 1, y),
                    "+y" => (x, 9.min(y + 1)),
                    "-y" => (x, 1.max(y) - 1),
                    _ => (x, y),
                };
                let row = action * 100 + 10 * x + y;
                assert_eq!(model.dynamics()[0].transition.get(row, 10 * to_x + to_y), 1.0);
                let earns = f64::from(u8::from((to_x, to_y) == (goal_x, goal_y)));
                assert_eq!(model.expected_reward(0)[row], earns);
            }
        }
    }
}

#[test]
fn there_is_only_an_mdp() {
    for regime in [Regime::Pomdp, Regime::Apomdp] {
        let error = family("darkroom").unwrap().task(&request("test", 0, regime)).unwrap_err().to_string();
        assert!(error.contains("regime of family darkroom") && error.contains("is not one of mdp"), "{error}");
    }
}
