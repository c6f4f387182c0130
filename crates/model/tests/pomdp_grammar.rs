//! Every form of the `.pomdp` grammar against models worked out by hand.

use std::fmt::Write as _;

use tiresias_model::format::{Format, FormatError, Loaded, ReadOptions, read};
use tiresias_model::{Kernel, Kind, Model, ModelError, Reward};

const TIGER: &str = include_str!("data/tiger.pomdp");

fn load(text: &str) -> Loaded {
    read("test.pomdp", text.as_bytes(), &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn model(text: &str) -> Model {
    let loaded = load(text);
    assert_eq!(loaded.warnings, [], "{text}");
    loaded.model
}

fn dense(kernel: &Kernel) -> Vec<Vec<f64>> {
    (0..kernel.rows()).map(|r| (0..kernel.columns()).map(|c| kernel.get(r, c)).collect()).collect()
}

fn transition(model: &Model) -> Vec<Vec<f64>> {
    dense(&model.dynamics()[0].transition)
}

fn observation(model: &Model) -> Vec<Vec<f64>> {
    dense(model.dynamics()[0].observation.as_ref().expect("a POMDP"))
}

/// Two states, two actions, two observations, everything but what a test is about.
fn with(header: &str, tables: &str) -> String {
    format!("discount: 0.9\nstates: here there\nactions: stay go\nobservations: dark light\n{header}\n{tables}\n")
}

const T: &str = "T: * identity\n";
const O: &str = "O: * uniform\n";

#[test]
fn tiger_has_its_well_known_numbers() {
    let tiger = model(TIGER);
    assert_eq!(tiger.kind(), Kind::Pomdp);
    assert_eq!(tiger.states().names().unwrap(), ["tiger-left", "tiger-right"]);
    assert_eq!(tiger.actions().names().unwrap(), ["listen", "open-left", "open-right"]);
    assert_eq!(tiger.observations().unwrap().names().unwrap(), ["hear-left", "hear-right"]);
    assert_eq!(tiger.discount(), 0.95);
    assert_eq!(tiger.horizon(), None);
    assert_eq!(tiger.start(), [0.5, 0.5]);
    let half = vec![0.5, 0.5];
    let doors = vec![half.clone(), half.clone(), half.clone(), half];
    assert_eq!(transition(&tiger), [vec![vec![1.0, 0.0], vec![0.0, 1.0]], doors.clone()].concat());
    assert_eq!(observation(&tiger), [vec![vec![0.85, 0.15], vec![0.15, 0.85]], doors].concat());
    assert_eq!(tiger.reward(), &Reward::StateAction(vec![-1.0, -1.0, -100.0, 10.0, 10.0, -100.0]));
    assert_eq!(tiger.name(), "test");
}

#[test]
fn white_space_comments_and_order_are_free() {
    let plain = model(&with("", &format!("{T}{O}R: go : there : * : * 2")));
    let strange = "# a comment\r\nobservations:\tdark # one\n light states :here there\r\n\tactions\n:\nstay go discount\n:0.9\
                   R:go:there:*:*2 T:*identity#\nO:*\nuniform";
    // `0.9R` is one word, so the discount needs its space.
    let strange = strange.replace("0.9R", "0.9 R").replace("*2", "* 2");
    let strange = strange.replace("* 2 T:*identity", "* 2 T:* identity");
    assert_eq!(model(&strange), plain);
    assert_eq!(model(&format!("\u{feff}{}", with("", &format!("{T}{O}R: go : there : * : * 2\u{1a}")))), plain);
}

#[test]
fn every_start_form() {
    let start = |form: &str| model(&with(form, &format!("{T}{O}"))).start().to_vec();
    assert_eq!(start(""), [0.5, 0.5]);
    assert_eq!(start("start: uniform"), [0.5, 0.5]);
    assert_eq!(start("start: 0.25 0.75"), [0.25, 0.75]);
    assert_eq!(start("start:\n0.25\n0.75"), [0.25, 0.75]);
    assert_eq!(start("start: there"), [0.0, 1.0]);
    assert_eq!(start("start: 1"), [0.0, 1.0]);
    assert_eq!(start("start: 0"), [1.0, 0.0]);
    assert_eq!(start("start include: here"), [1.0, 0.0]);
    assert_eq!(start("start include : here 1"), [0.5, 0.5]);
    assert_eq!(start("start exclude: here"), [0.0, 1.0]);
    // The start may stand before the states it names, and one state has one probability.
    let early = "start: b\ndiscount: 0.5\nstates: a b\nactions: 1\nT: 0 identity";
    assert_eq!(model(early).start(), [0.0, 1.0]);
    assert_eq!(model("start: 1.0\ndiscount: 0.5\nstates: 1\nactions: 1\nT: 0 identity").start(), [1.0]);
}

#[test]
fn every_transition_form() {
    let rows = |tables: &str| transition(&model(&with("start: 0.25 0.75", &format!("{tables}\n{O}"))));
    let (here, there, half, reset) = (vec![1.0, 0.0], vec![0.0, 1.0], vec![0.5, 0.5], vec![0.25, 0.75]);
    let rows_are = |tables: &str, expected: [&Vec<f64>; 4]| {
        let expected: Vec<Vec<f64>> = expected.into_iter().cloned().collect();
        assert_eq!(rows(tables), expected, "{tables}");
    };
    rows_are("T: * identity", [&here, &there, &here, &there]);
    rows_are("T: stay uniform T: go identity", [&half, &half, &here, &there]);
    rows_are("T: 0\n1 0\n0.5 0.5\nT: 1\n0 1 0 1", [&here, &half, &there, &there]);
    rows_are("T: * : here 0.5 0.5\nT: * : there uniform", [&half, &half, &half, &half]);
    rows_are("T: * : * reset", [&reset, &reset, &reset, &reset]);
    rows_are("T: * : * 1 0\nT: go : there reset", [&here, &here, &here, &reset]);
    rows_are("T: * : * : here 1.0", [&here, &here, &here, &here]);
    rows_are("T: * : * : * 0.5", [&half, &half, &half, &half]);
    rows_are("T: stay : here : 0 1\nT: stay : there : 1 1.\nT: go : * : there 1e0", [&here, &there, &there, &there]);
    // Later entries override earlier ones, cell by cell and row by row.
    rows_are("T: * identity\nT: go : here : here 0.25\nT: go : here : there 0.75", [&here, &there, &reset, &there]);
    rows_are("T: * : here : there 1\nT: * identity", [&here, &there, &here, &there]);
    rows_are("T: * uniform\nT: * : * : here 0\nT: * : * : there 1", [&there, &there, &there, &there]);
    rows_are("T: * : * : there 0.75\nT: * : * : here 0.9 T: * : * : here 0.25", [&reset, &reset, &reset, &reset]);
}

#[test]
fn every_observation_form() {
    let rows = |tables: &str| observation(&model(&with("", &format!("{T}{tables}"))));
    let (dark, light, half) = (vec![1.0, 0.0], vec![0.0, 1.0], vec![0.5, 0.5]);
    let rows_are = |tables: &str, expected: [&Vec<f64>; 4]| {
        let expected: Vec<Vec<f64>> = expected.into_iter().cloned().collect();
        assert_eq!(rows(tables), expected, "{tables}");
    };
    rows_are("O: * uniform", [&half, &half, &half, &half]);
    rows_are("O: * identity", [&dark, &light, &dark, &light]);
    rows_are("O: stay\n1 0\n0 1\nO: go\n0.5 0.5\n0.5 0.5", [&dark, &light, &half, &half]);
    rows_are("O: * : here uniform O: * : there 0 1", [&half, &light, &half, &light]);
    rows_are("O: * : * : dark 1 O: go : there : dark 0 O: go : there : 1 1", [&dark, &dark, &dark, &light]);
    rows_are("O: * : * : * 0.5", [&half, &half, &half, &half]);
}

/// The reward of every (action, state, next state, observation) that can occur when all transitions and observations can.
fn rewards(tables: &str) -> Vec<f64> {
    let model = model(&with("", &format!("T: * uniform\n{O}{tables}")));
    let mut all = Vec::new();
    for a in 0..2 {
        for s in 0..2 {
            for (next, o) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                all.push(model.realised_reward(s, a, next, o));
            }
        }
    }
    all
}

/// The same from a formula.
fn formula(reward: impl Fn(usize, usize, usize, usize) -> f64) -> Vec<f64> {
    (0..16).map(|i| reward(i / 8, i / 4 % 2, i / 2 % 2, i % 2)).collect()
}

fn ind(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}

#[test]
fn every_reward_form() {
    let is = |tables: &str, reward: fn(usize, usize, usize, usize) -> f64| {
        assert_eq!(rewards(tables), formula(reward), "{tables}");
    };
    is("", |_, _, _, _| 0.0);
    is("R: * : * : * : * -2.5", |_, _, _, _| -2.5);
    is("R: go : * : * : * 3", |a, _, _, _| 3.0 * ind(a == 1));
    is("R: * : there : * : * 3", |_, s, _, _| 3.0 * ind(s == 1));
    is("R: * : * : there : * 3", |_, _, n, _| 3.0 * ind(n == 1));
    is("R: * : * : * : light 3", |_, _, _, o| 3.0 * ind(o == 1));
    is("R: go : here : there : light 3", |a, s, n, o| 3.0 * ind((a, s, n, o) == (1, 0, 1, 1)));
    is("R: go : here : there\n3 4", |a, s, n, o| ind((a, s, n) == (1, 0, 1)) * (3.0 + o as f64));
    is("R: go : here\n1 2\n3 4", |a, s, n, o| ind((a, s) == (1, 0)) * (1.0 + 2.0 * n as f64 + o as f64));
    is("R: * : *\n1 2\n3 4", |_, _, n, o| 1.0 + 2.0 * n as f64 + o as f64);
    is("R: 1 : * : 0\n3 4", |a, _, n, o| ind((a, n) == (1, 0)) * (3.0 + o as f64));
    // Later entries override earlier ones, however special the earlier were.
    is("R: go : here : there : light 3\nR: * : * : * : * 1", |_, _, _, _| 1.0);
    is("R: * : * : * : * 1\nR: go : * : * : * 0", |a, _, _, _| ind(a == 0));
    is("R: * : * : * : light 1\nR: * : * : there : * 2", |_, _, n, o| if n == 1 { 2.0 } else { ind(o == 1) });
    is("R: * : * : there : * 2\nR: * : * : * : light 1", |_, _, n, o| if o == 1 { 1.0 } else { 2.0 * ind(n == 1) });
    is("R: go : here : * : * 7\nR: go : here\n0 0\n0 4", |a, s, n, o| 4.0 * ind((a, s, n, o) == (1, 0, 1, 1)));
}

#[test]
fn the_reward_takes_the_coarsest_form() {
    let form = |tables: &str| model(&with("", &format!("{T}{O}{tables}"))).reward().clone();
    assert_eq!(form(""), Reward::Action(vec![0.0, 0.0]));
    assert_eq!(form("R: go : * : * : * 3"), Reward::Action(vec![0.0, 3.0]));
    assert_eq!(form("R: go : 1 : * : * 3"), Reward::StateAction(vec![0.0, 0.0, 0.0, 3.0]));
    assert!(matches!(form("R: go : * : 1 : * 3"), Reward::Transition(_)));
    assert!(matches!(form("R: go : * : * : 0 3"), Reward::Full(_)));
}

#[test]
fn a_wildcard_reaches_what_can_occur_and_names_reach_what_they_name() {
    // Under the identity, s' = there only from there.
    let Reward::Transition(rows) = model(&with("", &format!("{T}{O}R: * : * : there : * 5"))).reward().clone() else {
        panic!("a reward over transitions")
    };
    assert_eq!(rows.entries(), 2);
    let Reward::Transition(rows) = model(&with("", &format!("{T}{O}R: go : here : there : * 5"))).reward().clone()
    else {
        panic!("a reward over transitions")
    };
    assert_eq!((rows.entries(), rows.get(2, 1)), (1, 5.0));
}

#[test]
fn costs_are_negative_rewards() {
    let cost = model(&with("values: cost", &format!("{T}{O}R: go : * : * : * 3\nR: stay : * : * : * 0")));
    let Reward::Action(r) = cost.reward() else { panic!("a reward of actions") };
    assert_eq!(r, &[0.0, -3.0]);
    assert!(r[0].is_sign_positive());
    for word in ["reward", "rewards"] {
        let reward = model(&with(&format!("values: {word}"), &format!("{T}{O}R: go : * : * : * 3")));
        assert_eq!(reward.reward(), &Reward::Action(vec![0.0, 3.0]));
    }
}

#[test]
fn mdp_files_have_no_observations() {
    let head = "discount: 0.5\nstates: a b\nactions: x y\nT: * uniform\n";
    let mdp = model(&format!("{head}R: x : a : b 4\nR: y : b\n1 2\nR: y : a : * : * 9"));
    assert_eq!(mdp.kind(), Kind::Mdp);
    let reward = |a: usize, s: usize| [mdp.realised_reward(s, a, 0, 0), mdp.realised_reward(s, a, 1, 0)];
    assert_eq!(
        [reward(0, 0), reward(0, 1), reward(1, 0), reward(1, 1)],
        [[0.0, 4.0], [0.0, 0.0], [9.0, 9.0], [1.0, 2.0]]
    );
    assert_eq!(mdp.expected_reward(0), [2.0, 0.0, 9.0, 1.5]);
    let matrix = model(&format!("{head}R: x\n1 2\n3 4"));
    assert_eq!(matrix.expected_reward(0), [1.5, 3.5, 0.0, 0.0]);
    assert_eq!(model(&format!("{head}R: x : b : * 4")).reward(), &Reward::StateAction(vec![0.0, 4.0, 0.0, 0.0]));
}

#[test]
fn terminal_states_absorb_without_reward() {
    // `E:` may stand anywhere, before the states it names too; the rows of a terminal state may be missing.
    for text in [
        "E: b\ndiscount: 0.5\nstates: a b\nactions: 1\nT: 0 : a uniform\nR: 0 : * : * 3",
        "discount: 0.5\nstates: a b\nactions: 1\nT: 0 : a uniform\nE: 1\nT: 0 : b : a 1\nR: 0 : * : * 3",
    ] {
        let model = model(text);
        assert_eq!(model.terminal_states(), [1]);
        assert_eq!(transition(&model), [[0.5, 0.5], [0.0, 1.0]]);
        assert_eq!(model.expected_reward(0), [3.0, 0.0]);
    }
}

#[test]
fn spaces_are_counts_or_names_and_numbers_work_for_both() {
    let count = model("discount: 0.5 states: 3 actions: 1 T: 0 identity");
    assert_eq!((count.states().len(), count.states().names()), (3, None));
    assert_eq!(model("discount: 0.5 states: 0 1 2 actions: 1 T: 0 identity"), count);
    let odd =
        model("discount: 0.5 states: T begin 1st a-b_c.d actions: E uniformly T: 0 identity T: uniformly identity");
    assert_eq!(odd.states().names().unwrap(), ["T", "begin", "1st", "a-b_c.d"]);
    let one = model("discount: 0 states: 1 actions: 1 observations: 1 T: 0 identity O: * uniform R: 0 : 0 : 0 : 0 7");
    assert_eq!((one.discount(), one.expected_reward(0)), (0.0, &[7.0][..]));
}

#[test]
fn a_discount_of_one_takes_its_horizon_from_the_options() {
    let text = "discount : 1.0\nstates: 1\nactions: 1\nT: 0 identity";
    let options = ReadOptions { horizon: Some(7), ..ReadOptions::default() };
    assert_eq!(read("a.mdp", text.as_bytes(), &options).unwrap().model.horizon(), Some(7));
    let error = read("a.mdp", text.as_bytes(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("a.mdp:1:12") && error.contains("needs a horizon"), "{error}");
}

#[test]
fn rounding_is_repaired_and_said() {
    let loaded = load(&with(
        "start: 0.333333 0.666666",
        &format!("{T}{O}T: go : here 0.666667 0.333334\nO: go : here 0.5 0.500002"),
    ));
    let [warning] = &loaded.warnings[..] else { panic!("one warning for one cause: {:?}", loaded.warnings) };
    assert_eq!((warning.line, warning.column), (5, 1));
    let text = warning.to_string();
    for part in [
        "3 rows are off by rounding",
        "start sums to 0.999999",
        "T: go : here sums to 1.000001 (line 8)",
        "O: go : here",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let sums = |kernel: &Kernel| {
        (0..kernel.rows()).map(|r| kernel.row(r).1.iter().sum::<f64>()).fold(0.0, |m: f64, s| m.max((s - 1.0).abs()))
    };
    let dynamics = &loaded.model.dynamics()[0];
    assert!(sums(&dynamics.transition) < 1e-12 && sums(dynamics.observation.as_ref().unwrap()) < 1e-12);
    assert!((loaded.model.start().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    // A tenth is no rounding.
    let error = read("x", with("", &format!("{T}{O}T: go : here 0.6 0.5")).as_bytes(), &ReadOptions::default());
    assert!(matches!(error, Err(FormatError::Text(_))));
}

#[test]
fn large_files_stay_sparse() {
    // S = 10,000: S²·A numbers would be 1.6 GB in each table; wildcards must not ask for them.
    let mut text =
        String::from("discount: 0.99\nstates: 10000\nactions: 2\nobservations: 3\nT: * identity\nO: * uniform\n");
    text += "R: * : * : 77 : * 1\nR: * : * : * : 2 -1\nR: 1 : * : * : * 5\n";
    for s in 0..9_999 {
        let _ = writeln!(text, "T: 0 : {s} : {s} 0\nT: 0 : {s} : {} 1", s + 1);
    }
    let model = model(&text);
    assert_eq!(model.dynamics()[0].transition.entries(), 20_000);
    assert_eq!(model.dynamics()[0].transition.get(5_000, 5_001), 1.0);
    let Reward::Full(rows) = model.reward() else { panic!("a full reward") };
    assert_eq!(
        (rows.columns(), rows.get(76, 77 * 3 + 2), rows.get(76, 77 * 3), rows.get(10_000 + 77, 77 * 3)),
        (30_000, -1.0, 1.0, 5.0)
    );
    assert!(rows.entries() < 100_000);
}

#[test]
fn rules_said_many_times_are_carried_out_once() {
    // A hundred thousand assignments to a million cells each would take minutes.
    let mut text = String::from("discount: 0.9\nstates: 1000000\nactions: 2\nT: * identity\n");
    for i in 0..100_000 {
        let _ = writeln!(text, "R: * : * : * {i}\nR: 1 : * : * 5");
    }
    text += "R: * : 3 : * 7\n";
    let model = model(&text);
    let reward = model.expected_reward(0);
    assert_eq!([reward[0], reward[3], reward[1_000_000], reward[1_000_003]], [99_999.0, 7.0, 5.0, 7.0]);
}

#[test]
fn formats_are_told_by_content_and_where_that_is_open_by_suffix() {
    for (name, text, format) in [
        ("a.pomdp", "", Format::Pomdp),
        ("dir.json/a.POMDP", "states", Format::Pomdp),
        ("a.MDP", "", Format::Pomdp),
        ("a.PomdpX", "", Format::Pomdpx),
        ("a.json", "", Format::Json),
        ("a.json", "[]", Format::Json),
        ("a.json", "# tiger\nvalues : cost", Format::Pomdp),
        ("a.pomdp", "\t<pomdpx>", Format::Pomdpx),
        ("a.pomdpx", "{\"schema\": 1}", Format::Json),
        ("a", " \n{", Format::Json),
        ("a", "\u{feff}<?xml", Format::Pomdpx),
        ("-", "# tiger\ndiscount: 1", Format::Pomdp),
    ] {
        assert_eq!(Format::of(name, text.as_bytes()), format, "{name}");
    }
    let known = ReadOptions { format: Some(Format::Pomdp), ..ReadOptions::default() };
    assert_eq!(read("tiger.json", TIGER.as_bytes(), &known).unwrap().format, Format::Pomdp);
}

#[test]
fn files_are_read_whatever_their_format() {
    let folder = tempfile::tempdir().unwrap();
    let tiger = model(TIGER);
    for (name, text) in
        [("tiger.POMDP", TIGER.into()), ("tiger.json", tiger.to_json()), ("tiger", tiger.to_pomdp().unwrap())]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let loaded = Model::from_file(&path, &ReadOptions { horizon: Some(3), ..ReadOptions::default() }).unwrap();
        assert_eq!(loaded.model.horizon(), Some(3));
        let mut parts = loaded.model.to_builder();
        (parts.name, parts.horizon) = ("test".into(), None);
        assert_eq!(parts.build().unwrap(), tiger, "{name}");
    }
    let missing = Model::from_file(folder.path().join("none.pomdp"), &ReadOptions::default()).unwrap_err();
    assert!(matches!(&missing, FormatError::Unreadable { path, .. } if path.ends_with("none.pomdp")), "{missing}");
}

#[test]
fn the_writer_refuses_what_the_format_cannot_hold() {
    let tiger = model(TIGER);
    let refused = |change: fn(&mut tiresias_model::ModelBuilder)| {
        let mut parts = tiger.to_builder();
        change(&mut parts);
        parts.build().unwrap().to_pomdp().unwrap_err()
    };
    let errors = [
        refused(|parts| parts.dynamics.push(parts.dynamics[0].clone())),
        refused(|parts| (parts.horizon, parts.final_reward) = (Some(2), vec![1.0, 2.0])),
        refused(|parts| parts.states = tiresias_model::Space::named("states", ["a b", "c"]).unwrap()),
        refused(|parts| parts.states = tiresias_model::Space::named("states", ["a:b", "c"]).unwrap()),
        refused(|parts| parts.states = tiresias_model::Space::named("states", ["a#", "c"]).unwrap()),
        refused(|parts| parts.states = tiresias_model::Space::named("states", ["*", "c"]).unwrap()),
        refused(|parts| parts.states = tiresias_model::Space::named("states", ["1.5", "c"]).unwrap()),
        refused(|parts| parts.states = tiresias_model::Space::named("states", ["start", "c"]).unwrap()),
    ];
    for error in errors {
        assert!(matches!(error, ModelError::Name { .. }), "{error}");
    }
}

#[test]
fn the_example_in_the_documentation_is_read() {
    let page = include_str!("../../../docs/model-files.md");
    let example = page.split("```").nth(1).expect("a block of code");
    let model = model(example);
    assert_eq!((model.states().len(), model.terminal_states()), (3, vec![2]));
    let dynamics = &model.dynamics()[0];
    assert_eq!(dynamics.transition.row(4), (&[0, 2][..], &[0.25, 0.75][..]));
    assert_eq!(dynamics.observation.as_ref().unwrap().row(1), (&[0, 1][..], &[0.15, 0.85][..]));
    assert_eq!((model.realised_reward(0, 1, 0, 1), model.realised_reward(1, 0, 1, 0)), (4.0, -1.0));
    // Its broken line gives the message that the page shows.
    let message = page.split("```").nth(3).expect("a message").trim();
    let text = "discount: 0.9\nstates: here there\nactions: stay go\nobservations: dark light\nO: * uniform\n\
                T: stay : here : theer 1.0\n";
    assert_eq!(read("f.pomdp", text.as_bytes(), &ReadOptions::default()).unwrap_err().to_string(), message);
}
