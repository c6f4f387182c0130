//! Families of one's own as one document: the built-in families written so give the same tasks, every task is a model, and what is wrong is told
//! with its place.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use tiresias_model::family::{Family, Regime, Task, TaskRequest, family, load, load_document};
use tiresias_model::{ModelError, Reward};

const REGIMES: [Regime; 3] = [Regime::Mdp, Regime::Pomdp, Regime::Apomdp];

fn request(split: &str, index: u64, regime: Regime) -> TaskRequest {
    TaskRequest { split: split.into(), index, seed: 3, regime, horizon: 7, models: 3, alpha: 0.8 }
}

fn example(name: &str) -> Box<dyn Family> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/families").join(name);
    family(&load(&path).unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

fn document(document: &Value) -> Box<dyn Family> {
    let name = load_document("test.json", document.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    family(&name).unwrap()
}

fn refused(document: &Value) -> String {
    let text = serde_json::to_string_pretty(document).unwrap();
    load_document("test.json", text.as_bytes()).expect_err("it is wrong").to_string()
}

/// A document that is whole, for changes.
fn coin() -> Value {
    json!({
        "schema": "tiresias.family/1", "name": "coin", "description": "A biased coin that is turned or kept.", "horizon": 5,
        "rewardGrid": { "low": 0, "high": 1, "step": 0.5 },
        "numbers": [{ "name": "p", "uniform": [0.1, 0.4] }, { "name": "n", "value": 2 }],
        "splits": [{ "name": "train" }, { "name": "test" }],
        "states": 2, "actions": ["keep", "turn"], "observations": 2,
        "transition": { "keep": [{ "to": "s" }], "turn": [{ "to": "1 - s", "p": "1 - p" }, { "to": "s" }] },
        "observation": [{ "to": "next", "p": 0.9 }, { "to": "1 - next" }],
        "reward": "if(s == 1, 1, 0)",
        "cloud": { "model": [{ "name": "q", "uniform": ["-0.05", 0.05] }, { "name": "p", "value": "p + q" }] },
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut changed = coin();
    if let Some(place) = changed.pointer_mut(path) {
        *place = value;
    } else {
        let (outer, name) = path.rsplit_once('/').unwrap();
        changed.pointer_mut(outer).unwrap()[name] = value;
    }
    changed
}

fn same(own: &Task, built_in: &Task, what: &str) {
    assert_eq!(own.model, built_in.model, "{what}");
    assert_eq!(own.model.sha256(), built_in.model.sha256(), "{what}");
    assert_eq!(own.true_model, built_in.true_model, "{what}");
}

#[test]
fn the_energy_family_as_a_document_is_the_same_tasks_bit_for_bit() {
    let (own, built_in) = (example("energy.json"), family("energy").unwrap());
    assert_eq!(own.splits(), built_in.splits());
    assert_eq!((own.regimes(), own.horizon(), own.max_symbols()), (&REGIMES[..], 10, 15));
    assert_eq!((own.reward_grid(), own.description()), (built_in.reward_grid(), built_in.description()));
    for (split, _) in built_in.splits() {
        for regime in REGIMES {
            for index in 0..40 {
                let request = request(split, index, regime);
                let (own, built_in) = (own.task(&request).unwrap(), built_in.task(&request).unwrap());
                same(&own, &built_in, &format!("{request:?}"));
                assert_eq!(own.parameters, built_in.parameters, "{request:?}");
            }
        }
    }
    // Another name is another stream of random numbers: other tasks of the same distribution.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/families/energy.json");
    let text = std::fs::read_to_string(path).unwrap().replace("\"name\": \"energy\"", "\"name\": \"other\"");
    let other = family(&load_document("other.json", text.as_bytes()).unwrap()).unwrap();
    let mean = |family: &dyn Family| {
        let tasks = (0..2000).map(|index| family.task(&request("train", index, Regime::Mdp)).unwrap().parameters);
        let mut sums = vec![0.0; 9];
        tasks.for_each(|task| sums.iter_mut().zip(task).for_each(|(sum, (_, value))| *sum += value / 2000.0));
        sums
    };
    let (own, other) = (mean(own.as_ref()), mean(other.as_ref()));
    for (i, (a, b)) in own.iter().zip(&other).enumerate() {
        // The largest standard deviation is that of 1, 2 and 3, sqrt(2/3); five standard errors of a difference.
        assert!(a != b && (a - b).abs() < 5.0 * (2.0 * 2.0 / 3.0 / 2000.0_f64).sqrt(), "number {i}: {a} and {b}");
    }
}

/// The same numbers give the same models: parameters have quality of life in twentieths here, and the tests' errors as they were drawn.
#[test]
fn the_clinical_family_as_a_document_is_the_same_models_bit_for_bit() {
    let (own, built_in) = (example("clinical.json"), family("clinical").unwrap());
    assert_eq!(own.splits(), built_in.splits());
    assert_eq!((own.horizon(), own.max_symbols(), own.reward_grid()), (12, 11, built_in.reward_grid()));
    for (split, _) in built_in.splits() {
        for regime in REGIMES {
            for index in 0..10 {
                let request = request(split, index, regime);
                same(&own.task(&request).unwrap(), &built_in.task(&request).unwrap(), &format!("{request:?}"));
            }
        }
    }
}

#[test]
fn tasks_may_differ_in_their_states() {
    let chain = example("chain.json");
    assert_eq!((chain.max_symbols(), chain.regimes()), (12, &[Regime::Mdp][..]));
    let mut sizes = std::collections::BTreeSet::new();
    for index in 0..60 {
        for (split, range, horizon) in [("train", 5..=8, 7), ("test", 5..=8, 7), ("ood-long", 9..=12, 14)] {
            let task = chain.task(&request(split, index, Regime::Mdp)).unwrap();
            let n = task.model.states().len();
            assert!(range.contains(&n), "{split} {n}");
            assert_eq!(task.model.horizon(), Some(horizon));
            assert_eq!(task.parameters[0], ("n".into(), n as f64));
            assert_eq!(task.parameters.len(), n + 2);
            let (name, slip) = &task.parameters[2];
            assert_eq!(name, "slip[1]");
            // From state 1 forward: back to 0 with its own probability.
            assert_eq!(task.model.dynamics()[0].transition.get(1, 0), *slip);
            sizes.insert(n);
        }
    }
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), (5..=12).collect::<Vec<_>>());
}

/// Each distribution against its formulas, over 20,000 draws: five standard errors of the mean and the variance.
#[test]
fn numbers_have_the_distributions_that_they_name() {
    let mut changed = coin();
    changed["numbers"] = json!([
        { "name": "p", "value": 0.2 },
        { "name": "u", "uniform": [-1, 3] },
        { "name": "i", "integer": [-2, 2] },
        { "name": "c", "choice": [0, 1, 10] },
        { "name": "w", "choice": [0, 1], "weights": [1, 3] },
        { "name": "x", "normal": [5, 2] },
        { "name": "d", "dirichlet": [1, 2, 0, 5] },
        { "name": "e", "each": ["row < 2"], "dirichlet": 0.5, "outcomes": 3 },
    ]);
    let own = document(&changed);
    let n = 20_000;
    let mut draws = std::collections::BTreeMap::<String, Vec<f64>>::new();
    for index in 0..n {
        for (name, value) in own.task(&request("train", index, Regime::Mdp)).unwrap().parameters {
            draws.entry(name).or_default().push(value);
        }
    }
    let expected = [
        ("u", 1.0, 16.0 / 12.0),
        ("i", 0.0, 2.0),
        ("c", 11.0 / 3.0, 101.0 / 3.0 - 121.0 / 9.0),
        ("w", 0.75, 0.1875),
        ("x", 5.0, 4.0),
        ("d[0]", 1.0 / 8.0, 7.0 / 64.0 / 9.0),
        ("d[1]", 2.0 / 8.0, 12.0 / 64.0 / 9.0),
        ("d[3]", 5.0 / 8.0, 15.0 / 64.0 / 9.0),
        ("e[1,2]", 1.0 / 3.0, 2.0 / 9.0 / 2.5),
    ];
    for (name, mean, variance) in expected {
        let values = &draws[name];
        let count = n as f64;
        let found = values.iter().sum::<f64>() / count;
        let moment = |k| values.iter().map(|x| (x - found).powi(k)).sum::<f64>() / count;
        assert!((found - mean).abs() < 5.0 * (variance / count).sqrt(), "{name}: mean {found}, not {mean}");
        let error = ((moment(4) - moment(2).powi(2)) / count).sqrt();
        assert!((moment(2) - variance).abs() < 5.0 * error, "{name}: variance {}, not {variance}", moment(2));
    }
    assert!(draws["d[2]"].iter().all(|&x| x == 0.0));
    assert!(draws["u"].iter().all(|x| (-1.0..3.0).contains(x)) && draws["i"].iter().all(|x| x.fract() == 0.0));
    let sums = draws["e[0,0]"].iter().zip(&draws["e[0,1]"]).zip(&draws["e[0,2]"]).map(|((a, b), c)| a + b + c);
    assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-12));
}

#[test]
fn rewards_may_go_by_what_follows() {
    let by_next = document(&with("/reward", json!("if(next == 1 && s == 0, 0.5, 0)")))
        .task(&request("train", 0, Regime::Pomdp))
        .unwrap();
    assert!(matches!(by_next.model.reward(), Reward::Transition(_)));
    assert_eq!(by_next.model.reward().realised(2, 2, 0, 1, 1, 0), 0.5);
    assert_eq!(by_next.model.reward().realised(2, 2, 1, 1, 1, 0), 0.0);
    let by_seen = document(&with("/reward", json!({ "turn": "if(o == next, 1, 0)", "*": 0 })));
    assert_eq!(by_seen.regimes(), [Regime::Pomdp, Regime::Apomdp]);
    let by_seen = by_seen.task(&request("train", 0, Regime::Apomdp)).unwrap();
    assert!(matches!(by_seen.model.reward(), Reward::Full(_)));
    assert_eq!(by_seen.model.reward().realised(2, 2, 0, 1, 1, 1), 1.0);
    assert_eq!(by_seen.model.reward().realised(2, 2, 0, 0, 1, 1), 0.0);
    let mut ends = with("/terminal", json!("s == 1"));
    ends["finalReward"] = json!("if(s == 0, 0.5, 0)");
    ends["rewardGrid"]["high"] = json!(1.5);
    let ends = document(&ends).task(&request("train", 0, Regime::Mdp)).unwrap();
    assert_eq!((ends.model.terminal_states(), ends.model.final_reward()), (vec![1], &[0.5, 0.0][..]));
}

/// What a model of the cloud moves, the numbers that are worked out of it follow.
#[test]
fn a_cloud_moves_what_follows_from_its_numbers() {
    let mut changed = coin();
    changed["numbers"] = json!([
        { "name": "p", "uniform": [0.1, 0.4] },
        { "name": "stay", "value": "1 - p" },
        { "name": "both", "each": ["i < 2"], "value": "if(i, p, stay)" },
    ]);
    changed["transition"]["turn"] = json!([{ "to": "1 - s", "p": "both[0]" }, { "to": "s", "p": "both[1]" }]);
    let own = document(&changed);
    for index in 0..20 {
        let Task { model, parameters, .. } = own.task(&request("test", index, Regime::Apomdp)).unwrap();
        let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["p", "0.p", "1.p", "2.p"]);
        for (m, dynamics) in model.dynamics().iter().enumerate() {
            let p = parameters[m + 1].1;
            assert!((p - parameters[0].1).abs() <= 0.05 && p != parameters[0].1);
            assert_eq!((dynamics.transition.get(2, 0), dynamics.transition.get(2, 1)), (p, 1.0 - p));
        }
    }
}

#[test]
fn a_family_is_named_by_its_document_however_that_is_spaced() {
    let compact = coin().to_string();
    let name = load_document("a.json", compact.as_bytes()).unwrap();
    assert!(name.starts_with("json:") && name.len() == 5 + 64, "{name}");
    assert_eq!(name, load_document("b.json", serde_json::to_string_pretty(&coin()).unwrap().as_bytes()).unwrap());
    let mut schema = coin();
    schema["$schema"] = json!("../docs/family.schema.json");
    assert_eq!(name, load_document("d.json", schema.to_string().as_bytes()).unwrap());
    assert_ne!(name, load_document("e.json", with("/numbers/1/value", json!(3)).to_string().as_bytes()).unwrap());
    let missing = family(&format!("json:{}", "0".repeat(64))).err().unwrap().to_string();
    assert!(missing.contains("has not read"), "{missing}");
    // Names of numbers do not reach into the stream: what is not used changes no task.
    let task = |document: &Value| self::document(document).task(&request("train", 1, Regime::Pomdp)).unwrap();
    assert_eq!(task(&coin()).model, task(&with("/numbers/1/value", json!(3))).model);
}

/// Refuses each change with that problem, at a place of the file. A value that is null is left out, and the cloud with what it needs.
fn refuses<const N: usize>(cases: [(&str, Value, &str); N]) {
    for (path, value, problem) in cases {
        let mut changed = with(path, value.clone());
        if value.is_null() {
            let (outer, name) = path.rsplit_once('/').unwrap();
            changed.pointer_mut(outer).unwrap().as_object_mut().unwrap().remove(name);
            if name == "observation" || name == "observations" {
                changed.as_object_mut().unwrap().remove("cloud");
            }
        }
        let told = refused(&changed);
        assert!(told.contains(problem), "{path} = {value}: expected {problem}\n{told}");
        assert!(told.contains("test.json:"), "{path}: no place\n{told}");
    }
}

#[test]
fn what_is_wrong_with_the_whole_is_told_with_its_place() {
    refuses([
        ("/schema", json!("tiresias.model/1"), "expected \"tiresias.family/1\""),
        ("/colour", json!("red"), "unknown field `colour`"),
        ("/name", json!("a b"), "$.name: a name is a letter"),
        ("/horizon", json!(0), "$.horizon: the horizon 0"),
        ("/discount", json!(1.5), "$.discount: the discount 1.5"),
        ("/regimes", json!(["mdp", "mdp"]), "$.regimes[1]: mdp stands twice"),
        ("/regimes", json!([]), "$.regimes: a family has"),
        ("/rewardGrid/step", json!(0.3), "$.rewardGrid.step: the step 0.3"),
        ("/rewardGrid/high", json!(0), "$.rewardGrid: the range of rewards from 0 to 0 is empty"),
        ("/rewardGrid/low", json!(-0.2), "$.rewardGrid.low: -0.2 is no multiple"),
        ("/rewardGrid/high", json!(1e6), "$.rewardGrid: from 0 to 1000000 are more than"),
        ("/reward", json!("p"), "$.reward: the reward"),
        ("/reward", json!(2), "$.reward: rewards from 2 to 2 leave the grid's range"),
        ("/finalReward", json!(1), "$.finalReward: with final rewards from 1 to 1"),
        ("/reward", json!("1 / 0"), "$.reward: comes to infinity (a = 0, s = 0)"),
        ("/reward", json!({ "keep": 1 }), "$.reward: there is nothing for the action turn"),
        ("/reward", json!({ "kept": 1, "*": 0 }), "$.reward.kept: `kept` is no action; expected keep, turn or `*`"),
        ("/reward", json!({ "keep": 1, "0": 0, "*": 0 }), "$.reward.keep: the action keep stands twice"),
    ]);
}

#[test]
fn what_is_wrong_with_numbers_is_told_with_its_place() {
    refuses([
        ("/numbers/0/uniform", json!([0.4, 0.1]), "$.numbers[0].uniform: the range from 0.4 to 0.1 is empty"),
        ("/numbers/0/uniform/0", json!("0.4 * n"), "$.numbers[0].uniform[0]: `n` is not known here"),
        ("/numbers/1", json!({ "name": "n", "uniform": ["2 * p", "p"] }), "$.numbers[1]: n: the range from"),
        ("/numbers/1", json!({ "name": "n", "integer": [0, 1.5] }), "$.numbers[1]: n: 0 and 1.5 are not both whole"),
        (
            "/numbers/1",
            json!({ "name": "n", "uniform": [0, 1], "integer": [0, 1] }),
            "$.numbers[1]: expected one of value, uniform, integer, choice, normal, dirichlet, found uniform and integer",
        ),
        ("/numbers/1", json!({ "name": "n" }), "found none"),
        (
            "/numbers/1",
            json!({ "name": "n", "uniform": [0, 1], "weights": [1] }),
            "$.numbers[1].weights: `weights` goes with",
        ),
        (
            "/numbers/1",
            json!({ "name": "n", "choice": [0, 1], "weights": [1] }),
            "$.numbers[1].weights: 1 weights for 2 numbers",
        ),
        ("/numbers/1", json!({ "name": "n", "choice": [0, 1], "weights": [0, 0] }), "weights are not negative"),
        (
            "/numbers/1",
            json!({ "name": "n", "choice": [0, 1], "weights": [1e308, 1e308] }),
            "$.numbers[1]: n: the weights sum to more than a number can be",
        ),
        // Not only when it is drawn: in every split another range stands in its place.
        (
            "/numbers/1",
            json!({ "name": "n", "uniform": [0, "1e999"] }),
            "$.numbers[1].uniform: the range from 0 to infinity is wider",
        ),
        (
            "/cloud/model/0/uniform",
            json!([-1e308, 1e308]),
            "$.cloud.model[0].uniform: the range from -1e308 to 1e308 is wider than a number can be large",
        ),
        (
            "/numbers/1",
            json!({ "name": "n", "dirichlet": 1, "outcomes": 2_000_000 }),
            "$.numbers[1]: n: 2000000 outcomes are not a whole number from 1 to 1048576",
        ),
        ("/horizon", json!(2.5), "invalid type: number `2.5`, expected a whole number from 0 on"),
        ("/numbers/1", json!({ "name": "n", "choice": [] }), "$.numbers[1].choice: the list is empty"),
        ("/numbers/1", json!({ "name": "n", "normal": [0, -1] }), "standard deviation -1 is negative"),
        ("/numbers/1", json!({ "name": "n", "dirichlet": [0, 0] }), "the parameters of a Dirichlet"),
        ("/numbers/1", json!({ "name": "n", "dirichlet": 1 }), "say how many"),
        (
            "/numbers/1",
            json!({ "name": "n", "each": ["i < 2000000"], "value": 1 }),
            "$.numbers[1].each[0]: counts to 2000000",
        ),
        (
            "/numbers/1",
            json!({ "name": "n", "each": ["i < 2000", "j < 2000"], "value": 1 }),
            "a list of 4000000 numbers",
        ),
        (
            "/numbers/1",
            json!({ "name": "n", "each": ["p < 2"], "value": 1 }),
            "$.numbers[1].each[0]: `p` cannot count here",
        ),
        (
            "/numbers/1",
            json!({ "name": "n", "uniform": [0, 1, 2] }),
            "$.numbers[1].uniform: expected two numbers, found 3",
        ),
        (
            "/numbers/1",
            json!({ "name": "n", "each": ["i <= 2"], "value": 1 }),
            "$.numbers[1].each[0]: `i <= 2` counts nothing",
        ),
        (
            "/numbers/1",
            json!({ "name": "n", "each": ["i < 2", "j < i"], "value": 1 }),
            "$.numbers[1].each[1]: `i` is not known here",
        ),
        ("/numbers/1/value", json!(true), "expected a number or an expression"),
        ("/numbers/1/name", json!("if"), "$.numbers[1].name: `if` cannot be a number's name"),
        ("/numbers/1/name", json!("next"), "`next` cannot be a number's name"),
        ("/numbers/1/name", json!("p"), "$.numbers[1].name: `p` stands for another number already"),
        ("/numbers/1/value", json!("q * 2"), "$.numbers[1].value: `q` is not known here; perhaps `p`"),
        ("/numbers/1/value", json!("log(0 - p)"), "$.numbers[1]: n: comes to NaN"),
    ]);
}

#[test]
fn what_is_wrong_with_splits_and_tables_is_told_with_its_place() {
    refuses([
        ("/splits", json!([{ "name": "test" }]), "there is no split `train`"),
        ("/splits/1/name", json!("winter"), "$.splits[1].name: `winter` is no split"),
        ("/splits/1/name", json!("train"), "$.splits[1].name: the split `train` stands twice"),
        (
            "/splits/1/numbers",
            json!([{ "name": "q", "value": 1 }]),
            "$.splits[1].numbers[0].name: `q` is no number of the family",
        ),
        (
            "/splits/1/numbers",
            json!([{ "name": "p", "each": ["i < 2"], "value": 1 }]),
            "`p` has 1 indices here and 0 elsewhere",
        ),
        ("/splits/1/horizon", json!("horizon / 2"), "$.splits[1].horizon: the horizon 2.5"),
        ("/splits/1/horizon", json!("p"), "$.splits[1].horizon: `p` is not known here; known are horizon"),
        ("/states", json!("n + 0.5"), "tasks differ in the number of states"),
        ("/states", json!(0), "$.states: 0 states are not a whole number"),
        ("/states", json!(["a", "a"]), "stands twice"),
        ("/maxSymbols", json!(1), "$.maxSymbols: 1 is not from 2"),
        ("/actions", json!("n"), "$.actions: all tasks have the same actions"),
        ("/observations", Value::Null, "$.observation: says what is seen"),
        ("/observation", Value::Null, "no `observation` says when"),
        ("/transition/turn", json!([{ "to": "1 - s", "p": "1 - p" }]), "$.transition.turn: the row sums to"),
        ("/transition/turn/0/p", json!("p - 1"), "$.transition.turn[0]: the probability"),
        ("/transition/turn/0/p", json!("2 - p"), "$.transition.turn: what has a `p` sums to"),
        ("/transition/turn/0/to", json!("2 - s"), "$.transition.turn[0]: `to` is 2, not one of 0 to 1 (a = 1, s = 0)"),
        ("/transition/turn/0/to", json!("p"), "`to` is 0."),
        ("/transition/turn/1/for", json!(["j < 2"]), "two branches without a `p`"),
        ("/transition/turn/1/when", json!("s > o"), "$.transition.turn[1].when: `o` is not known here"),
        ("/transition/turn/1/where", json!(1), "unknown field `where`"),
        ("/transition/spin", json!([]), "$.transition.spin: `spin` is no action"),
        ("/transition", json!(3), "expected a list of branches, or an object from actions to such lists"),
        ("/start", json!([{ "to": 0, "p": 0.5 }]), "$.start: the row sums to 0.5"),
        ("/start", json!([{ "to": "s" }]), "$.start[0].to: `s` is not known here"),
        ("/cloud/model/1/value", json!("p + 1"), "negative"),
        ("/cloud/model/0/name", json!("next"), "`next` cannot be"),
        (
            "/cloud/numbers",
            json!([{ "name": "p", "value": 1 }]),
            "$.cloud.numbers[0].name: `p` stands for another number already",
        ),
        ("/terminal", json!("s = 1"), "$.terminal: expected an operator, found `=`"),
    ]);
}

#[test]
fn a_fault_of_a_draw_names_the_task_and_its_numbers() {
    // Wrong for a tenth of the tasks: the first few are drawn when the document is read.
    let told = refused(&with("/transition/turn/0/p", json!("if(p > 0.13, 0.5, 2)")));
    assert!(told.contains("in task") && told.contains("p = 0.1"), "{told}");
    // Wrong for one in hundreds: told when it is drawn.
    let own = document(&with("/transition/turn/0/p", json!("if(p > 0.101, 0.5, 2)")));
    let fault = (0..5000).find_map(|index| own.task(&request("train", index, Regime::Mdp)).err()).unwrap();
    let ModelError::Draw { task, problem } = &fault else { panic!("{fault}") };
    assert!(task.starts_with("coin train ") && task.ends_with(", seed 3, mdp"), "{task}");
    assert!(
        problem.contains("$.transition.turn: what has a `p` sums to 2") && problem.contains("(p = 0.100"),
        "{problem}"
    );
}

#[test]
fn requests_are_checked_as_for_every_family() {
    let own = document(&coin());
    let told = |request: TaskRequest| own.task(&request).unwrap_err().to_string();
    assert!(told(request("ood-none", 0, Regime::Mdp)).contains("is not one of train, test"));
    assert!(told(TaskRequest { models: 0, ..request("train", 0, Regime::Apomdp) }).contains("at least 1"));
    let mdp = document(&with("/regimes", json!(["mdp"])));
    assert!(mdp.task(&request("train", 0, Regime::Pomdp)).unwrap_err().to_string().contains("is not one of mdp"));
}

/// A document of a chain whose numbers are given: lengths, ranges, whether it has observations and a cloud.
fn random_document() -> impl Strategy<Value = Value> {
    (2..9_u32, 0..4_u32, 0.0..0.4, 0.0..0.5, any::<bool>(), 1..4_usize).prop_map(
        |(least, more, low, width, hidden, actions)| {
            let mut made = json!({
                "schema": "tiresias.family/1", "name": "random", "description": "A random document.", "horizon": 4,
                "rewardGrid": { "low": -1, "high": 1, "step": 0.01 }, "maxSymbols": least + more,
                "numbers": [
                { "name": "n", "integer": [least, least + more] },
                { "name": "q", "uniform": [low, low + width] },
                { "name": "row", "each": [format!("a < {actions}"), "s < n"], "dirichlet": 1, "outcomes": "n" },
                { "name": "pay", "each": ["s < n"], "integer": [-100, 100] },
            ],
            "splits": [
                { "name": "train" }, { "name": "test" },
                { "name": "ood-other", "numbers": [{ "name": "q", "uniform": [low + width + 0.01, low + width + 0.05] }] },
            ],
            "states": "n", "actions": actions,
                "transition": [
                    { "for": ["j < n"], "to": "j", "p": "(1 - q) * row[a, s, j]" },
                    { "to": "s" },
                ],
                "reward": "pay[s] / 100",
            });
            if hidden {
                made["observations"] = json!("n");
                made["observation"] =
                    json!([{ "to": "next", "p": "1 - q" }, { "for": ["j < n"], "to": "j", "p": "q / n" }]);
                made["cloud"] = json!({ "model": [{ "name": "u", "uniform": [-0.01, 0.01] }, { "name": "q", "value": "clamp(q + u, 0, 1)" }] });
            }
            made
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// Every task that a document draws is a model; the same request gives the same task, another seed or index another one; numbers of splits
    /// with other ranges are apart.
    #[test]
    fn every_task_is_a_model(document in random_document(), index in 0..1000_u64, seed in 0..1000_u64) {
        let own = self::document(&document);
        let most = document["maxSymbols"].as_u64().unwrap() as usize;
        let q = |task: &Task| task.parameters.iter().find(|(name, _)| name == "q").unwrap().1;
        let top = document["numbers"][1]["uniform"][1].as_f64().unwrap();
        for &regime in own.regimes() {
            for (split, _) in own.splits() {
                let asked = TaskRequest { seed, ..request(split, index, regime) };
                let task = own.task(&asked).unwrap();
                let again = tiresias_model::Model::from_json(&task.model.to_json()).unwrap();
                prop_assert_eq!(&again, &task.model);
                prop_assert!(task.model.states().len() <= most && task.true_model < task.model.dynamics().len());
                prop_assert_eq!(task.model.dynamics().len(), if regime == Regime::Apomdp { 3 } else { 1 });
                let twice = own.task(&asked).unwrap();
                prop_assert_eq!((&twice.model, &twice.parameters), (&task.model, &task.parameters));
                for other in [TaskRequest { seed: seed + 1, ..asked.clone() }, TaskRequest { index: index + 1, ..asked.clone() }] {
                    prop_assert_ne!(own.task(&other).unwrap().parameters, task.parameters.clone());
                }
                prop_assert_eq!(q(&task) > top, *split == "ood-other");
                // Regimes of one task share its numbers.
                let nominal = own.task(&TaskRequest { regime: Regime::Mdp, ..asked }).unwrap();
                prop_assert_eq!(&nominal.parameters[..], &task.parameters[..nominal.parameters.len()]);
            }
        }
    }
}
