//! Policies of models whose state has an observed part, in APPL's format.

use tiresias_model::format::{ReadOptions, read};
use tiresias_model::{Model, Policy};
use tiresias_solve::formats::{AlphaPolicy, PolicyFormat};
use tiresias_solve::{Limits, Search, Solution, Solver, no_hook};

/// Some weather that nobody sees, declared before the place that everybody sees: so the flat states, weather slowest, are not in
/// APPL's order, place slowest.
const WALK: &str = r#"<?xml version="1.0"?>
<pomdpx><Discount>0.9</Discount>
<Variable>
<StateVar vnamePrev="w" vnameCurr="w2"><ValueEnum>fair foul</ValueEnum></StateVar>
<StateVar vnamePrev="p" vnameCurr="p2" fullyObs="true"><ValueEnum>a b c</ValueEnum></StateVar>
<ObsVar vname="o"><ValueEnum>dry wet</ValueEnum></ObsVar>
<ActionVar vname="do"><ValueEnum>wait walk</ValueEnum></ActionVar>
<RewardVar vname="r"/>
</Variable>
<InitialStateBelief>
<CondProb><Var>w</Var><Parent>null</Parent><Parameter type="TBL">
<Entry><Instance>-</Instance><ProbTable>uniform</ProbTable></Entry></Parameter></CondProb>
<CondProb><Var>p</Var><Parent>null</Parent><Parameter type="TBL">
<Entry><Instance>-</Instance><ProbTable>START</ProbTable></Entry></Parameter></CondProb>
</InitialStateBelief>
<StateTransitionFunction>
<CondProb><Var>w2</Var><Parent>w</Parent><Parameter type="TBL">
<Entry><Instance>- -</Instance><ProbTable>0.9 0.1 0.2 0.8</ProbTable></Entry></Parameter></CondProb>
<CondProb><Var>p2</Var><Parent>do p</Parent><Parameter type="TBL">
<Entry><Instance>wait - -</Instance><ProbTable>identity</ProbTable></Entry>
<Entry><Instance>walk - -</Instance><ProbTable>0.3 0.7 0 0 0.3 0.7 0.7 0 0.3</ProbTable></Entry></Parameter></CondProb>
</StateTransitionFunction>
<ObsFunction>
<CondProb><Var>o</Var><Parent>w2</Parent><Parameter type="TBL">
<Entry><Instance>- -</Instance><ProbTable>0.8 0.2 0.3 0.7</ProbTable></Entry></Parameter></CondProb>
</ObsFunction>
<RewardFunction><Func><Var>r</Var><Parent>do w p</Parent><Parameter type="TBL">
<Entry><Instance>walk fair -</Instance><ValueTable>1 2 5</ValueTable></Entry>
<Entry><Instance>walk foul -</Instance><ValueTable>-1 -3 -6</ValueTable></Entry></Parameter></Func></RewardFunction>
</pomdpx>"#;

fn walk(start: &str) -> Model {
    read("walk.pomdpx", WALK.replace("START", start).as_bytes(), &ReadOptions::default()).unwrap().model
}

fn solved(model: &Model) -> Solution {
    Search::default().solve(model, &Limits::with_gap(0.05), &no_hook).unwrap()
}

fn one(text: &str, model: &Model) -> Result<AlphaPolicy, String> {
    AlphaPolicy::read(&[("p.policy", text)], None, model).map_err(|error| error.to_string())
}

/// The vectors 10·x + y for each observed value x and hidden value y, in APPL's order.
fn numbered(observed: usize, hidden: usize) -> String {
    let vector = |x: usize| {
        let entries: Vec<String> = (0..hidden).map(|y| (10 * x + y).to_string()).collect();
        format!("<Vector action=\"{}\" obsValue=\"{x}\">{} </Vector>\n", x % 2, entries.join(" "))
    };
    let vectors: String = (0..observed).map(vector).collect();
    format!(
        "<Policy><AlphaVector vectorLength=\"{hidden}\" numObsValue=\"{observed}\">\n{vectors}</AlphaVector></Policy>"
    )
}

#[test]
fn observed_values_and_hidden_ones_find_their_states() {
    let model = walk("1 0 0");
    let policy = one(&numbered(3, 2), &model).unwrap();
    for (w, p) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        let mut belief = vec![0.0; 6];
        belief[w * 3 + p] = 1.0;
        assert_eq!(model.states().name(w * 3 + p), format!("{},{}", ["fair", "foul"][w], ["a", "b", "c"][p]));
        assert_eq!(policy.value(0, &belief), (10 * p + w) as f64);
        assert_eq!(policy.action(0, &belief), p % 2);
    }
    // A belief that spreads is worth the sum of its parts, and does what most of it would do.
    let spread = [0.1, 0.4, 0.1, 0.1, 0.2, 0.1];
    let by_hand: f64 = (0..6).map(|s| spread[s] * (10 * (s % 3) + s / 3) as f64).sum();
    assert!((policy.value(0, &spread) - by_hand).abs() < 1e-12);
    assert_eq!(policy.action(0, &spread), 1);
    // Written again, and read again.
    let texts = policy.write(PolicyFormat::Sarsop, &model).unwrap();
    assert!(texts[0].contains("vectorLength=\"2\" numObsValue=\"3\" numVectors=\"3\""), "{}", texts[0]);
    assert_eq!(one(&texts[0], &model).unwrap(), policy);
}

#[test]
fn a_written_policy_is_worth_what_the_solver_proved() {
    for start in ["1 0 0", "0.2 0.5 0.3"] {
        let model = walk(start);
        let solution = solved(&model);
        let policy = AlphaPolicy::from_solved(&solution.policy).unwrap();
        let value = policy.value(0, model.start());
        assert!(value >= solution.lower - 1e-9 && value <= solution.upper + 1e-9, "{value} {}", solution.lower);
        let text = policy.write(PolicyFormat::Sarsop, &model).unwrap().remove(0);
        // APPL reads words, so that an end tag must not touch a number.
        assert!(text.contains(" </Vector>") && !text.contains("0</Vector>"));
        let read = one(&text, &model).unwrap();
        for p in 0..3 {
            for i in 0..=10 {
                let mut belief = vec![0.0; 6];
                (belief[p], belief[3 + p]) = (f64::from(i) / 10.0, 1.0 - f64::from(i) / 10.0);
                assert!((read.value(0, &belief) - policy.value(0, &belief)).abs() < 1e-12);
                assert_eq!(read.action(0, &belief), policy.action(0, &belief));
                assert!(read.value(0, &belief) <= solution.policy.bounds(0, &belief).1 + 1e-9);
            }
        }
        // To know the place before the first step is worth no less than not to know it.
        assert!(read.value(0, model.start()) >= value - 1e-9);
        let flat = policy.write(PolicyFormat::Alpha, &model).unwrap().remove(0);
        let flat = AlphaPolicy::read(&[("p.alpha", &flat)], None, &model).unwrap();
        assert!((flat.value(0, model.start()) - value).abs() < 1e-12);
    }
}

#[test]
fn flat_models_take_the_file_if_their_states_are_in_its_order() {
    let model = walk("1 0 0");
    let flat = |model: &Model| {
        let text = model.to_pomdp().unwrap().replace("fair,", "fair-").replace("foul,", "foul-");
        read("flat.pomdp", text.as_bytes(), &ReadOptions::default()).unwrap().model
    };
    let problem = one(&numbered(3, 2), &flat(&model)).unwrap_err();
    assert!(problem.contains("give the POMDPX file"), "{problem}");
    // Place first: the states are in APPL's order.
    let [weather, place] = [
        "<StateVar vnamePrev=\"w\" vnameCurr=\"w2\"><ValueEnum>fair foul</ValueEnum></StateVar>",
        "<StateVar vnamePrev=\"p\" vnameCurr=\"p2\" fullyObs=\"true\"><ValueEnum>a b c</ValueEnum></StateVar>",
    ];
    let text = WALK.replace("START", "1 0 0").replace(weather, "").replace(place, &format!("{place}{weather}"));
    let ordered = flat(&read("walk.pomdpx", text.as_bytes(), &ReadOptions::default()).unwrap().model);
    let policy = one(&numbered(3, 2), &ordered).unwrap();
    assert_eq!(policy.value(0, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]), 11.0);
    // Wrong sizes are said.
    for (observed, hidden, part) in
        [(2, 3, "2 observed and 3 hidden"), (2, 2, "2 entries for 2 values"), (1, 5, "5 entries")]
    {
        let problem = one(&numbered(observed, hidden), &model).unwrap_err();
        assert!(problem.contains(part), "{problem}");
    }
}
