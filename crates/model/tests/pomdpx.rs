//! POMDPX: factored texts against flat models worked out by hand or by formula.

use std::fmt::Write as _;

use tiresias_model::format::{FormatError, Loaded, ReadOptions, read};
use tiresias_model::{Kernel, Kind, Model, Reward, observed_component};

const TIGER: &str = include_str!("data/tiger.pomdpx");

fn load(text: &str) -> Loaded {
    read("x.pomdpx", text.as_bytes(), &ReadOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn dense(kernel: &Kernel) -> Vec<Vec<f64>> {
    (0..kernel.rows()).map(|r| (0..kernel.columns()).map(|c| kernel.get(r, c)).collect()).collect()
}

fn document(variables: &str, start: &str, transition: &str, observation: &str, reward: &str) -> String {
    let see = if observation.is_empty() { String::new() } else { format!("<ObsFunction>{observation}</ObsFunction>") };
    format!(
        "<pomdpx><Discount>0.9</Discount><Variable>{variables}</Variable><InitialStateBelief>{start}</InitialStateBelief>\n\
         <StateTransitionFunction>{transition}</StateTransitionFunction>{see}<RewardFunction>{reward}</RewardFunction></pomdpx>"
    )
}

fn probability<I: AsRef<str>, V: AsRef<str>>(var: &str, parents: &str, entries: &[(I, V)]) -> String {
    table("CondProb", "ProbTable", var, parents, entries)
}

fn func<I: AsRef<str>, V: AsRef<str>>(var: &str, parents: &str, entries: &[(I, V)]) -> String {
    table("Func", "ValueTable", var, parents, entries)
}

fn table<I: AsRef<str>, V: AsRef<str>>(
    element: &str,
    numbers: &str,
    var: &str,
    parents: &str,
    entries: &[(I, V)],
) -> String {
    let mut text = String::new();
    for (instance, values) in entries {
        let (instance, values) = (instance.as_ref(), values.as_ref());
        let _ = write!(text, "<Entry><Instance>{instance}</Instance><{numbers}>{values}</{numbers}></Entry>");
    }
    format!(
        "<{element}><Var>{var}</Var><Parent>{parents}</Parent><Parameter type=\"TBL\">{text}</Parameter></{element}>"
    )
}

const TWO: &str = "<StateVar vnamePrev=\"x\" vnameCurr=\"x2\" fullyObs=\"true\"><ValueEnum>left right</ValueEnum></StateVar>\
                   <StateVar vnamePrev=\"y\" vnameCurr=\"y2\"><NumValues>3</NumValues></StateVar>\
                   <ObsVar vname=\"o\"><ValueEnum>dim bright</ValueEnum></ObsVar>\
                   <ActionVar vname=\"a\"><ValueEnum>stay go</ValueEnum></ActionVar><RewardVar vname=\"r\"/>";

/// `x` starts as `start` says; `go` flips it; `y` stays; `o` says whether y is 2.
fn two(start: &str) -> String {
    document(
        TWO,
        &[probability("x", "null", &[("-", start)]), probability("y", "null", &[("-", "0.5 0.25 0.25")])].concat(),
        &[
            probability("x2", "a x", &[("stay - -", "identity"), ("go left right", "1"), ("go right left", "1")]),
            probability("y2", "y", &[("- -", "1 0 0 0 1 0 0 0 1")]),
        ]
        .concat(),
        &probability("o", "y2", &[("* dim", "1"), ("s2 -", "0.25 0.75")]),
        &func("r", "a x y", &[("* * *", "-1"), ("go left s2", "10")]),
    )
}

#[test]
fn tables_and_diagrams_give_the_flat_tiger() {
    let flat = read("x.pomdp", include_bytes!("data/tiger.pomdp"), &ReadOptions::default()).unwrap();
    let loaded = load(TIGER);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.model, flat.model);
}

#[test]
fn factors_multiply_and_names_are_made_of_values() {
    let model = load(&two("1 0")).model;
    assert_eq!(model.states().names().unwrap(), ["left,s0", "left,s1", "left,s2", "right,s0", "right,s1", "right,s2"]);
    assert_eq!(
        (model.states().index("right,s1"), model.states().index("right"), model.states().index("4")),
        (Some(4), None, Some(4))
    );
    assert_eq!(model.start(), [0.5, 0.25, 0.25, 0.0, 0.0, 0.0]);
    for action in 0..2 {
        for state in 0..6 {
            let next = if action == 0 { state } else { (state + 3) % 6 };
            assert_eq!(model.dynamics()[0].transition.row(action * 6 + state), (&[next as u32][..], &[1.0][..]));
        }
    }
    let Reward::StateAction(reward) = model.reward() else { panic!("a reward of state and action") };
    let expected: Vec<f64> = (0..12).map(|row| if row == 6 + 2 { 10.0 } else { -1.0 }).collect();
    assert_eq!(reward, &expected);
}

#[test]
fn an_observed_variable_that_can_be_predicted_adds_nothing() {
    let loaded = load(&two("1 0"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.model.observations().unwrap().names().unwrap(), ["dim", "bright"]);
    // It is found again in the flat model.
    assert_eq!(observed_component(&loaded.model), Some(vec![0, 0, 0, 1, 1, 1]));
}

#[test]
fn an_observed_variable_that_is_random_is_observed() {
    let loaded = load(&two("0.5 0.5"));
    assert!(loaded.warnings[0].to_string().contains("x is observed, but not before the first action"));
    let model = loaded.model;
    assert_eq!(
        model.observations().unwrap().names().unwrap(),
        ["left,dim", "left,bright", "right,dim", "right,bright"]
    );
    let rows = dense(model.dynamics()[0].observation.as_ref().unwrap());
    assert_eq!(rows[0], [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(rows[2], [0.25, 0.75, 0.0, 0.0]);
    assert_eq!(rows[5], [0.0, 0.0, 0.25, 0.75]);
    assert_eq!(observed_component(&model), Some(vec![0, 0, 0, 1, 1, 1]));
}

#[test]
fn all_states_observed_is_an_mdp() {
    let variables = "<StateVar vnamePrev=\"x\" vnameCurr=\"x2\" fullyObs=\"true\"><NumValues>2</NumValues></StateVar>\
                     <ActionVar vname=\"a\"><NumValues>1</NumValues></ActionVar><RewardVar vname=\"r\"/>";
    let text = document(
        variables,
        &probability("x", "null", &[("-", "uniform")]),
        &probability("x2", "a x", &[("* * -", "0.5 0.5")]),
        "",
        &func("r", "x x2", &[("s0 s1", "4"), ("* s0", "1")]),
    );
    let model = load(&text).model;
    assert_eq!(model.kind(), Kind::Mdp);
    assert_eq!(model.expected_reward(0), [2.5, 0.5]);
}

#[test]
fn several_actions_and_rewards_and_parents_in_the_same_step() {
    let variables = "<StateVar vnamePrev=\"x\" vnameCurr=\"x2\"><NumValues>2</NumValues></StateVar>\
                     <StateVar vnamePrev=\"y\" vnameCurr=\"y2\"><NumValues>2</NumValues></StateVar>\
                     <ObsVar vname=\"o\"><NumValues>2</NumValues></ObsVar><ObsVar vname=\"q\"><NumValues>2</NumValues></ObsVar>\
                     <ActionVar vname=\"a\"><NumValues>2</NumValues></ActionVar>\
                     <ActionVar vname=\"b\"><ValueEnum>f g</ValueEnum></ActionVar>\
                     <RewardVar vname=\"r\"/><RewardVar vname=\"cost\"/>";
    // x2 copies y2, which is 1 with probability 0.3 under b = g and stays otherwise; the start is correlated.
    let text = document(
        variables,
        &[probability("y", "null", &[("-", "0.25 0.75")]), probability("x", "y", &[("- -", "identity")])].concat(),
        &[
            probability("x2", "y2", &[("- -", "identity")]),
            probability("y2", "b y", &[("f - -", "identity"), ("g * -", "0.7 0.3")]),
        ]
        .concat(),
        &[
            probability("o", "a x2", &[("a0 * -", "1 0"), ("a1 - -", "identity")]),
            probability("q", "o", &[("- -", "identity")]),
        ]
        .concat(),
        &[func("r", "a b x", &[("a1 * s1", "5")]), func("cost", "y2 q", &[("s1 o1", "-2"), ("s0 *", "-1")])].concat(),
    );
    let model = load(&text).model;
    assert_eq!(model.actions().names().unwrap(), ["a0,f", "a0,g", "a1,f", "a1,g"]);
    assert_eq!(model.start(), [0.25, 0.0, 0.0, 0.75]);
    let rows = dense(&model.dynamics()[0].transition);
    assert_eq!(rows[0], [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(rows[2], [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(rows[4], [0.7, 0.0, 0.0, 0.3]);
    let seen = dense(model.dynamics()[0].observation.as_ref().unwrap());
    assert_eq!(seen[3], [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(seen[2 * 4 + 3], [0.0, 0.0, 0.0, 1.0]);
    // Rewards add up: 5 in x = 1 under a1, and what comes of the step.
    assert!(matches!(model.reward(), Reward::Full(_)));
    assert_eq!(model.realised_reward(3, 2, 3, 3), 5.0 - 2.0);
    assert_eq!(model.realised_reward(3, 3, 0, 0), 5.0 - 1.0);
    assert_eq!(model.realised_reward(0, 0, 0, 0), -1.0);
    assert!((model.expected_reward(0)[3 * 4] - (-0.7 - 0.6)).abs() < 1e-15);
}

#[test]
fn diagrams_have_templates_and_leave_out_zeros() {
    let diagram = "<CondProb><Var>o</Var><Parent>a x2 y2</Parent><Parameter type=\"DD\"><DAG><Node var=\"a\">\
        <Edge val=\"stay\"><SubDAG type=\"deterministic\" var=\"o\" val=\"dim\"/></Edge>\
        <Edge val=\"go\"><Node var=\"x2\"><Edge val=\"left\"><SubDAG type=\"template\" idref=\"t\"/></Edge>\
        <Edge val=\"right\"><SubDAG type=\"uniform\" var=\"o\"/></Edge></Node></Edge></Node></DAG>\
        <SubDAGTemplate id=\"t\"><Node var=\"y2\"><Edge val=\"s0\"><Node var=\"o\"><Edge val=\"bright\"><Terminal>1.0</Terminal></Edge></Node></Edge>\
        <Edge val=\"s1\"><SubDAG type=\"uniform\" var=\"o\"/></Edge>\
        <Edge val=\"s2\"><Node var=\"o\"><Edge val=\"dim\"><Terminal>0.25</Terminal></Edge><Edge val=\"bright\"><Terminal>0.75</Terminal></Edge></Node></Edge>\
        </Node></SubDAGTemplate></Parameter></CondProb>";
    let text = two("1 0");
    let (head, rest) = text.split_once("<ObsFunction>").unwrap();
    let (_, tail) = rest.split_once("</ObsFunction>").unwrap();
    let model = load(&format!("{head}<ObsFunction>{diagram}</ObsFunction>{tail}")).model;
    let rows = dense(model.dynamics()[0].observation.as_ref().unwrap());
    assert!(rows[..6].iter().all(|row| row == &[1.0, 0.0]));
    assert_eq!(rows[6..], [[0.0, 1.0], [0.5, 0.5], [0.25, 0.75], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]);
}

/// RockSample(n, k) of Smith and Simmons (2004): rocks on the diagonal, the exit east of the last column.
fn rock_sample(n: usize, k: usize) -> String {
    let place = |x: usize, y: usize| format!("p{x}-{y}");
    let mut places: Vec<String> = (0..n * n).map(|i| place(i / n, i % n)).collect();
    places.push("exit".into());
    let mut variables = format!(
        "<StateVar vnamePrev=\"at\" vnameCurr=\"at2\" fullyObs=\"true\"><ValueEnum>{}</ValueEnum></StateVar>",
        places.join(" ")
    );
    let mut start = probability("at", "null", &[("p0-0", "1")]);
    let mut actions: Vec<String> = ["north", "east", "south", "west", "sample"].map(String::from).to_vec();
    let (mut rocks_move, mut all, mut current) = (String::new(), String::new(), String::new());
    for i in 0..k {
        let _ = write!(
            variables,
            "<StateVar vnamePrev=\"rock{i}\" vnameCurr=\"rock{i}-2\"><ValueEnum>bad good</ValueEnum></StateVar>"
        );
        start += &probability(&format!("rock{i}"), "null", &[("-", "uniform")]);
        actions.push(format!("check{i}"));
        let here = format!("sample p{i}-{i} good bad");
        let gone = format!("sample p{i}-{i} good good");
        let entries = [("* * - -", "identity"), (here.as_str(), "1"), (gone.as_str(), "0")];
        rocks_move += &probability(&format!("rock{i}-2"), &format!("a at rock{i}"), &entries);
        let _ = write!(all, " rock{i}");
        let _ = write!(current, " rock{i}-2");
    }
    let _ = write!(
        variables,
        "<ObsVar vname=\"o\"><ValueEnum>looks-good looks-bad</ValueEnum></ObsVar><ActionVar vname=\"a\"><ValueEnum>{}\
         </ValueEnum></ActionVar><RewardVar vname=\"r\"/>",
        actions.join(" ")
    );
    let stars = " *".repeat(k);
    let (mut moves, mut seen, mut rewards) = (vec![("* exit exit".to_string(), "1")], Vec::new(), Vec::new());
    for x in 0..n {
        for y in 0..n {
            for a in &actions {
                let to = match a.as_str() {
                    "north" => place(x, (y + 1).min(n - 1)),
                    "south" => place(x, y.saturating_sub(1)),
                    "west" => place(x.saturating_sub(1), y),
                    "east" if x + 1 == n => "exit".into(),
                    "east" => place(x + 1, y),
                    _ => place(x, y),
                };
                moves.push((format!("{a} {} {to}", place(x, y)), "1"));
            }
            if x + 1 == n {
                rewards.push((format!("east {}{stars}", place(x, y)), "10"));
            }
            if x == y && x < k {
                let of = |value: &str| {
                    (0..k).map(|i| if i == x { format!(" {value}") } else { " *".into() }).collect::<String>()
                };
                rewards.push((format!("sample {}{}", place(x, y), of("good")), "10"));
                rewards.push((format!("sample {}{}", place(x, y), of("bad")), "-10"));
            }
        }
    }
    seen.push((format!("* *{stars} looks-good"), "1".to_string()));
    for i in 0..k {
        for (at, place) in places.iter().enumerate().take(n * n) {
            let p = accuracy(n, at, i);
            let of: String = (0..k).map(|j| if i == j { " -" } else { " *" }).collect();
            seen.push((format!("check{i} {place}{of} -"), format!("{} {p} {p} {}", 1.0 - p, 1.0 - p)));
        }
    }
    document(
        &variables,
        &start,
        &(probability("at2", "a at", &moves) + &rocks_move),
        &probability("o", &format!("a at2{current}"), &seen),
        &func("r", &format!("a at{all}"), &rewards),
    )
}

/// How often a check of rock `i` from place `at` is right.
fn accuracy(n: usize, at: usize, i: usize) -> f64 {
    let (dx, dy) = ((at / n) as f64 - i as f64, (at % n) as f64 - i as f64);
    0.5 + 0.5 * (-dx.hypot(dy) / 20.0).exp2()
}

#[test]
fn rock_sample_multiplies_out_to_its_definition() {
    let (n, k) = (3, 2);
    let model: Model = load(&rock_sample(n, k)).model;
    let (states, places) = ((n * n + 1) << k, n * n);
    assert_eq!((model.states().len(), model.actions().len(), model.observations().unwrap().len()), (states, 5 + k, 2));
    let (dynamics, rocks) = (&model.dynamics()[0], 1 << k);
    // Rock 0 is the slowest digit: bit k - 1 of the state's number.
    let bit = |i: usize| 1 << (k - 1 - i);
    for a in 0..5 + k {
        for s in 0..states {
            let (at, good) = (s / rocks, s % rocks);
            let (x, y) = (at / n, at % n);
            let (mut to, mut left, mut reward) = (at, good, 0.0);
            if at < places {
                match a {
                    0 if y + 1 < n => to = at + 1,
                    1 if x + 1 < n => to = at + n,
                    1 => (to, reward) = (places, 10.0),
                    2 if y > 0 => to = at - 1,
                    3 if x > 0 => to = at - n,
                    4 if x == y && x < k => {
                        reward = if good & bit(x) > 0 { 10.0 } else { -10.0 };
                        left &= !bit(x);
                    }
                    _ => {}
                }
            }
            let row = a * states + s;
            assert_eq!(dynamics.transition.row(row), (&[(to * rocks + left) as u32][..], &[1.0][..]), "{row}");
            assert_eq!(model.expected_reward(0)[row], reward, "action {a}, state {}", model.states().name(s));
            let expected = if a < 5 || at == places {
                1.0
            } else {
                let p = accuracy(n, at, a - 5);
                if good & bit(a - 5) > 0 { p } else { 1.0 - p }
            };
            assert!((dynamics.observation.as_ref().unwrap().get(row, 0) - expected).abs() < 1e-15);
        }
    }
    // The rover's place is always known, the rocks never: one cell a place.
    let cells: Vec<u32> = (0..states).map(|s| (s / rocks) as u32).collect();
    assert_eq!(observed_component(&model), Some(cells));
}

/// `§` marks where the message must point.
const FAULTS: &[(&str, &str, &str)] = &[
    ("</pomdpx>", "§", "not well-formed XML"),
    ("</ObsFunction>", "§", "not well-formed XML"),
    ("<Discount>0.95</Discount>", "", "<pomdpx> without <Discount>"),
    ("<Discount>0.95", "<Discount>§0.9x", "expected a number, found `0.9x`"),
    ("<Discount>0.95", "<Discount>§1.5", "not in [0, 1]"),
    ("<Discount>0.95", "<Discount>§1", "a discount of 1 needs a horizon"),
    ("<Discount>0.95", "§<Discount>0.9 5", "<Discount> holds 2 words"),
    ("<Description>", "§<Discount>0.5</Discount><Description>", "<Discount> stands twice|"),
    ("<RewardVar vname=\"reward\"/>", "§<RewardVar/>", "without the attribute `vname`"),
    ("<RewardVar vname=\"reward\"/>", "§<Reward vname=\"reward\"/>", "<Reward> is no kind of variable"),
    ("vnameCurr=\"tiger_1\"", "vnameCurr=\"tiger_0\"", "the name tiger_0 stands twice"),
    ("vnameCurr=\"tiger_1\"", "vnameCurr=\"tiger_1\" fullyObs=\"maybe\"", "fullyObs is \"maybe\""),
    ("tiger-left tiger-right<", "tiger-left tiger-left<", "`tiger-left` stands twice"),
    ("<ValueEnum>tiger-left tiger-right</ValueEnum>", "", "needs its values once"),
    ("<ValueEnum>tiger-left tiger-right</ValueEnum>", "<NumValues>§0</NumValues>", "`0` is not a number of values"),
    (
        "<ValueEnum>tiger-left tiger-right</ValueEnum>",
        "<NumValues>§33554432</NumValues>",
        "`33554432` is not a number of values|from 1 to 1048576",
    ),
    ("<Terminal>-1</Terminal>", "<Terminal>§-1e300</Terminal>", "`-1e300` is too large for a reward"),
    ("<Var>tiger_0</Var>", "<Var>§tigre_0</Var>", "there is no variable `tigre_0`"),
    ("<Var>tiger_0</Var>", "<Var>§tiger_1</Var>", "`tiger_1` is no variable to define here"),
    ("<Var>tiger_0</Var>", "§<Var></Var>", "<Var> names no variable"),
    (
        "<Parent>do tiger_0</Parent><Parameter type=\"DD\">\n    <DAG><Node var=\"do\">\n      <Edge val=\"listen\"><Sub",
        "<Parent>do §do</Parent><Parameter type=\"DD\">\n    <DAG><Node var=\"do\">\n      <Edge val=\"listen\"><Sub",
        "`do` stands twice",
    ),
    ("<Parent>do tiger_1</Parent>", "<Parent>do tiger_0</Parent>", "`tiger_0` cannot be a parent in <ObsFunction>"),
    ("<Parameter type=\"TBL\">", "§<Parameter type=\"XYZ\">", "parameters of type \"XYZ\" are unknown"),
    ("<Instance>listen - -<", "§<Instance>listen -<", "the instance has 2 values for 3 variables"),
    ("<Instance>listen - -<", "<Instance>§lsten - -<", "`lsten` is not a value of do"),
    ("0.85 0.15 0.15 0.85", "0.85 §1.15 0.15 0.85", "`1.15` is not a probability"),
    ("0.85 0.15 0.15 0.85", "0.85 0.15 0.15", "3 numbers where the instance asks for 4"),
    ("0.85 0.15 0.15 0.85", "0.85 0.15 0.15 0.85 §1", "5 numbers where the instance asks for 4"),
    ("<ProbTable>0.85 0.15 0.15 0.85</ProbTable>", "", "<Entry> without <ProbTable>"),
    (
        "0.85 0.15 0.15 0.85",
        "0.85 0.15 0.25 0.85",
        "a row does not sum to 1|hear given listen, tiger_1 = tiger-right sums to 1.1",
    ),
    ("<ProbTable>uniform<", "<ProbTable>§identity<", "`identity` needs two `-`"),
    ("<Terminal>-1</Terminal>", "<Terminal>§much</Terminal>", "expected a number, found `much`"),
    ("<Terminal>-1</Terminal>", "", "<Edge> leads to 0 nodes"),
    ("<Edge val=\"open-left\"><SubDAG", "§<Edge val=\"listen\"><SubDAG", "two edges for listen"),
    ("<Edge val=\"open-left\"><SubDAG", "§<Edge val=\"open-lft\"><SubDAG", "`open-lft` is not a value of do"),
    ("type=\"persistent\" var=\"tiger_1\"", "type=\"persistent\" var=\"tiger_0\"", "can persist"),
    ("type=\"persistent\" var=\"tiger_1\"", "type=\"template\" idref=\"t\"", "there is no template t"),
    ("type=\"persistent\" var=\"tiger_1\"", "type=\"mystic\" var=\"tiger_1\"", "<SubDAG> of type \"mystic\""),
    ("type=\"persistent\" var=\"tiger_1\"", "type=\"uniform\" var=\"do\"", "`do` was decided further up"),
    ("type=\"persistent\" var=\"tiger_1\"", "type=\"uniform\" var=\"hear\"", "neither parent nor variable"),
    ("<Func><Var>reward<", "<Func><Var>§rewrad<", "there is no reward variable `rewrad`"),
    (
        "<SubDAG type=\"persistent\" var=\"tiger_1\"/>",
        "<Terminal>0</Terminal>",
        "a row does not sum to 1|tiger_1 given listen has no entry",
    ),
];

#[test]
fn every_fault_is_told_where_it_is() {
    for (from, to, message) in FAULTS {
        assert!(TIGER.contains(from), "{from}");
        let marked = TIGER.replacen(from, to, 1);
        let text = marked.replace('§', "");
        let fault = match read("t.pomdpx", text.as_bytes(), &ReadOptions::default()) {
            Err(FormatError::Text(fault)) => fault,
            other => panic!("{to}: {other:?}"),
        };
        let shown = fault.to_string();
        for part in message.split('|') {
            assert!(shown.contains(part), "{to}: expected {part:?}\n{shown}");
        }
        assert!(shown.lines().count() <= 24, "{shown}");
        if let Some((before, _)) = marked.split_once('§').filter(|_| !message.starts_with("not well")) {
            let line = 1 + before.matches('\n').count();
            let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
            // What stands twice is pointed at where it stands the second time.
            if !message.ends_with('|') {
                assert_eq!((fault.line, fault.column), (line, column), "{to}\n{shown}");
            }
        }
    }
}

#[test]
fn circles_are_refused() {
    let circle = document(
        TWO,
        &[probability("x", "null", &[("-", "uniform")]), probability("y", "null", &[("-", "uniform")])].concat(),
        &[
            probability("x2", "y2", &[("* -", "1 0"), ("s2 -", "0 1")]),
            probability("y2", "x2", &[("* -", "1 0 0"), ("left -", "0 1 0")]),
        ]
        .concat(),
        &probability("o", "null", &[("-", "uniform")]),
        "",
    );
    let error = read("x.pomdpx", circle.as_bytes(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("in a circle"), "{error}");
    let template = TIGER
        .replacen("<SubDAG type=\"persistent\" var=\"tiger_1\"/>", "<SubDAG type=\"template\" idref=\"t\"/>", 1)
        .replacen(
            "</DAG>",
            "</DAG><SubDAGTemplate id=\"t\"><SubDAG type=\"template\" idref=\"t\"/></SubDAGTemplate>",
            1,
        );
    let error = read("x.pomdpx", template.as_bytes(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("the template t holds itself"), "{error}");
}

#[test]
fn latin_1_is_read() {
    let mut bytes = TIGER.replace("UTF-8", "ISO-8859-1").into_bytes();
    let at = TIGER.replace("UTF-8", "ISO-8859-1").find("<Description>").unwrap() + "<Description>".len();
    bytes.insert(at, 0xe9);
    assert_eq!(read("x.pomdpx", &bytes, &ReadOptions::default()).unwrap().model, load(TIGER).model);
}

#[test]
fn deep_nesting_is_answered() {
    let depth = 200_000;
    let text = format!("<pomdpx>{}{}</pomdpx>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(read("x.pomdpx", text.as_bytes(), &ReadOptions::default()).is_err());
    // A chain of templates, and more variables than anybody needs.
    let chain = (0..20_000).fold(String::from("</DAG>"), |mut text, i| {
        let _ = write!(
            text,
            "<SubDAGTemplate id=\"t{i}\"><SubDAG type=\"template\" idref=\"t{}\"/></SubDAGTemplate>",
            i + 1
        );
        text
    });
    let first = "<SubDAG type=\"template\" idref=\"t0\"/>";
    let text = TIGER.replacen("<SubDAG type=\"persistent\" var=\"tiger_1\"/>", first, 1).replacen("</DAG>", &chain, 1);
    let error = read("x.pomdpx", text.as_bytes(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("deeper than 256"), "{error}");
    let variables = (0..20_000).fold(String::new(), |mut text, i| {
        let _ = write!(text, "<StateVar vnamePrev=\"v{i}\" vnameCurr=\"w{i}\"><NumValues>1</NumValues></StateVar>");
        text
    });
    let text = TIGER.replacen("<StateVar", &(variables + "<StateVar"), 1);
    let error = read("x.pomdpx", text.as_bytes(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("20001 variables of one kind"), "{error}");
}

#[test]
fn the_states_remember_which_variables_are_observed() {
    // At (observed, 5 values), then two rocks.
    let model = load(&rock_sample(2, 2)).model;
    let pairs = model.states().observed_and_hidden().unwrap();
    assert_eq!(pairs, (0..20).map(|s| (s / 4, s % 4)).collect::<Vec<_>>());
    // It is no part of what a model is: JSON does not keep it, and the models are equal.
    let again = Model::from_json(&model.to_json()).unwrap();
    assert_eq!((again.states().observed_and_hidden(), &again), (None, &model));
    assert_eq!(load(TIGER).model.states().observed_and_hidden(), None);
}
