//! Who labels: the task's oracle, the policy that is robust over a cloud, the static form's, or whoever acted.

use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use tiresias_encode::{CompactTokenizer, Row, Tokenizer as _, read_shard};
use tiresias_model::belief::update_under_ambiguity;
use tiresias_model::family::{Task, TaskRequest, family, load};
use tiresias_model::{Model, Policy as _};
use tiresias_solve::{Limits, auto, no_hook, solve_static};
use tiresias_study::{Episodes, Progress, QueryNature, Spec, StudyError, default_template, make_shard};

fn text(regime: &str, change: &str) -> String {
    format!(
        r#"{{"family":"energy","split":"train","seed":5,"regime":"{regime}","horizon":4,"models":2,
            "support":{{"trajectories":1,"behaviour":"random"}},"query":{{"behaviour":"epsilon:0.3"}},
            "solver":{{"gap":0.05}},"tasks":4,"examplesPerTask":3{change}}}"#
    )
}

fn spec(regime: &str, change: &str) -> Spec {
    Spec::from_json(&text(regime, change)).unwrap()
}

fn refusal(regime: &str, change: &str) -> String {
    Spec::from_json(&text(regime, change)).unwrap_err().to_string()
}

fn quiet(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn tokenizer(spec: &Spec) -> CompactTokenizer {
    CompactTokenizer::new(&[default_template(family(&spec.family).unwrap().as_ref(), spec.regime)]).unwrap()
}

fn rows(spec: &Spec) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    make_shard(spec, &tokenizer(spec), &path, &quiet).unwrap();
    read_shard(&path).unwrap().map(Result::unwrap).collect()
}

/// The actions that a row's labels are the ids of, and those that its ids hold in the same places.
fn labels(spec: &Spec, row: &Row) -> (Vec<usize>, Vec<usize>) {
    let tokenizer = tokenizer(spec);
    let places = row.labels.iter().enumerate().filter(|(_, label)| **label >= 0);
    let action = |id: u32| tokenizer.decode(&[id]).unwrap().parse::<usize>().unwrap();
    places.map(|(at, &label)| (action(label as u32), action(row.input_ids[at]))).unzip()
}

/// What was seen before each decision of the query (`None` for nothing), and what was done.
fn query(row: &Row) -> Vec<(Option<usize>, usize)> {
    let step = |line: &str| {
        let mut fields = line.split(',');
        (fields.next().unwrap().parse().ok(), fields.next().unwrap().parse().unwrap())
    };
    row.completion.lines().map(step).collect()
}

fn task(spec: &Spec, row: &Row) -> Task {
    let request = TaskRequest {
        split: row.task.split.clone(),
        index: row.task.index,
        seed: row.task.seed,
        regime: spec.regime,
        horizon: spec.horizon,
        models: spec.models,
        alpha: spec.alpha,
    };
    family(&row.task.family).unwrap().task(&request).unwrap()
}

/// What the solved policy of a model says along a query, by a belief of this test's own: its action and what `judged` loses at most.
fn asked(model: &Model, gap: f64, row: &Row, judged: &[usize]) -> Vec<(usize, f64)> {
    let policy = auto(model).solve(model, &Limits::with_gap(gap), &no_hook).unwrap().policy;
    let mut belief = model.start().to_vec();
    let mut last: Option<usize> = None;
    let mut said = Vec::new();
    for (stage, (seen, done)) in query(row).into_iter().enumerate() {
        if let (Some(seen), None) = (seen, model.observations()) {
            belief.fill(0.0);
            belief[seen] = 1.0;
        } else if let (Some(seen), Some(action)) = (seen, last) {
            let nature = policy.nature(stage - 1, &belief, action);
            let mut next = vec![0.0; belief.len()];
            update_under_ambiguity(model, nature, &belief, action, seen, &mut next).unwrap();
            belief = next;
        }
        let assessment = policy.assess(stage, &belief);
        said.push((assessment.action(), assessment.regret_bound(judged[stage])));
        last = Some(done);
    }
    said
}

fn check(row: &Row, said: &[(usize, f64)]) {
    let actions: Vec<usize> = row.oracle_actions.iter().map(|&a| usize::from(a)).collect();
    assert_eq!(actions, said.iter().map(|(a, _)| *a).collect::<Vec<_>>());
    assert!(row.regret_bounds.iter().zip(said).all(|(a, (_, b))| (a - b).abs() < 1e-12), "{row:?} {said:?}");
}

#[test]
fn labels_of_behaviour_are_what_was_done_with_what_that_loses() {
    for regime in ["mdp", "pomdp", "apomdp"] {
        let (own, oracle) = (spec(regime, r#","labels":"behaviour""#), spec(regime, ""));
        let mut lost = 0.0;
        for (row, of_oracle) in rows(&own).iter().zip(rows(&oracle)) {
            assert_eq!((&row.prompt, &row.completion), (&of_oracle.prompt, &of_oracle.completion));
            assert_eq!(row.oracle_actions, of_oracle.oracle_actions);
            let (taught, done) = labels(&own, row);
            assert_eq!(taught, done);
            assert_eq!(labels(&oracle, &of_oracle).1, done);
            let said = asked(&task(&own, row).model, own.solver.gap, row, &done);
            check(row, &said);
            lost += row.regret_bounds.iter().sum::<f64>();
        }
        assert!(lost > 0.1, "nothing that was done at random loses anything");
    }
}

#[test]
fn with_alpha_one_the_oracle_is_robust() {
    assert_eq!(rows(&spec("apomdp", r#","labels":"robust""#)), rows(&spec("apomdp", "")));
}

#[test]
fn robust_labels_are_those_of_the_worst_case_whatever_the_attitude() {
    let hopeful = spec("apomdp", r#","labels":"robust","alpha":0.1"#);
    for row in rows(&hopeful) {
        let mut parts = task(&hopeful, &row).model.to_builder();
        parts.alpha = 1.0;
        let model = parts.build().unwrap();
        let (taught, _) = labels(&hopeful, &row);
        assert_eq!(taught, row.oracle_actions.iter().map(|&a| usize::from(a)).collect::<Vec<_>>());
        check(&row, &asked(&model, hopeful.solver.gap, &row, &taught));
    }
}

#[test]
fn static_labels_of_a_cloud_of_one_model_are_the_oracles() {
    let one = |labels: &str| rows(&Spec { models: 1, ..spec("apomdp", &format!(r#","labels":"{labels}""#)) });
    assert_eq!(one("static"), one("oracle"));
}

/// Bounds are in the POMDP whose model is drawn from the worst prior, of which each model keeps a millionth; and where something else was done
/// than the plan does, so is the label.
#[test]
fn static_labels_are_judged_by_the_worst_prior_and_beside_the_plan_are_its_best_answer() {
    let spec = spec("apomdp", r#","labels":"static""#);
    let (mut beside, mut on_plan) = (0, 0);
    for row in rows(&spec) {
        let model = task(&spec, &row).model;
        let prior = solve_static(&model, &Limits::with_gap(spec.solver.gap), &no_hook).unwrap().prior;
        let kept = 1.0 - 2e-6;
        let product = model.environments(&prior.iter().map(|w| kept * w + 1e-6).collect::<Vec<_>>()).unwrap();
        let (taught, done) = labels(&spec, &row);
        let said = asked(&product, spec.solver.gap, &row, &taught);
        let left = taught.iter().zip(&done).position(|(label, done)| label != done).unwrap_or(taught.len());
        for (step, (best, bound)) in said.into_iter().enumerate() {
            assert!((row.regret_bounds[step] - bound).abs() < 1e-9, "{row:?}");
            if step > left {
                assert_eq!(taught[step], best);
                beside += 1;
            } else {
                on_plan += 1;
            }
        }
    }
    assert!(beside > 3 && on_plan > 3, "{beside} {on_plan}");
}

/// A folder with the toy of two environments (docs/ambiguity.md): worth 76.25 to who draws a plan, 70 to who does not.
fn toy() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/two-environments.json");
    fs::copy(file, folder.path().join("toy.json")).unwrap();
    let name = load(folder.path()).unwrap();
    (folder, name)
}

fn of_toy(name: &str, change: &str) -> Spec {
    let text = format!(
        r#"{{"family":"{name}","split":"train","seed":3,"regime":"apomdp","horizon":4,"support":{{"trajectories":0}},
            "solver":{{"gap":1e-6}},"tasks":1{change}}}"#
    );
    Spec::from_json(&text).unwrap()
}

/// What a policy earns under one model that draws its action from counts of labels, by what was seen and done before: by enumeration.
fn earned(model: &Model, m: usize, counts: &HashMap<Vec<usize>, [f64; 2]>) -> f64 {
    fn from(
        model: &Model,
        m: usize,
        counts: &HashMap<Vec<usize>, [f64; 2]>,
        history: &mut Vec<usize>,
        state: usize,
    ) -> f64 {
        if history.len() == 2 * 4 {
            return 0.0;
        }
        let [a, b] = counts[history];
        let states = model.states().len();
        let mut value = 0.0;
        for (action, share) in [a / (a + b), b / (a + b)].into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
            value += share * model.expected_reward(m)[action * states + state];
            for (to, p) in model.dynamics()[m].transition.pairs(action * states + state) {
                for (o, q) in model.dynamics()[m].observation.as_ref().unwrap().pairs(action * states + to) {
                    history.extend([action, o]);
                    value += share * p * q * from(model, m, counts, history, to);
                    history.truncate(history.len() - 2);
                }
            }
        }
        value
    }
    let start = model.start().iter().position(|&p| p == 1.0).unwrap();
    from(model, m, counts, &mut Vec::new(), start)
}

/// A plan is drawn for each example, so that the shares of labels after each history are the strategy that is as good as drawing a plan
/// (Kuhn 1953): who learns them earns what the static form is worth, and who learns the likeliest alone does not.
#[test]
fn labels_that_are_drawn_teach_the_mixture() {
    let (_folder, name) = toy();
    let spec = of_toy(&name, r#","labels":"static","examplesPerTask":6000"#);
    let rows = rows(&spec);
    let model = task(&spec, &rows[0]).model;
    let mut counts: HashMap<Vec<usize>, [f64; 2]> = HashMap::new();
    for row in &rows {
        let mut history = Vec::new();
        for (step, (taught, (seen, done))) in labels(&spec, row).0.into_iter().zip(query(row)).enumerate() {
            if step > 0 {
                history.push(seen.unwrap());
            }
            // Whoever labels acts, and nothing is explored.
            assert_eq!(taught, done);
            counts.entry(history.clone()).or_default()[taught] += 1.0;
            history.push(done);
        }
        assert!(
            row.regret_bounds.iter().all(|&bound| bound < 0.05),
            "on the way of a plan nothing is lost against the worst prior"
        );
    }
    // Histories that the hidden model of the examples never showed are none of theirs.
    let worth: Vec<f64> = (0..2).map(|m| earned(&model, m, &counts)).collect();
    assert!(worth.iter().all(|&w| w > 76.25 - 3.0), "{worth:?}");
    let likeliest =
        counts.iter().map(|(history, &[a, b])| (history.clone(), if a >= b { [1.0, 0.0] } else { [0.0, 1.0] }));
    let likeliest = likeliest.collect();
    assert!((0..2).map(|m| earned(&model, m, &likeliest)).fold(f64::INFINITY, f64::min) < 70.0 + 1e-9);
}

/// The teacher in the world, with each model held in turn, earns what the static form's bounds say; the oracle of a nature that chooses anew,
/// who was promised 90, does not.
#[test]
fn the_static_teacher_earns_the_value_of_the_static_form() {
    let (_folder, name) = toy();
    let spec = of_toy(&name, r#","labels":"static","episodesPerTask":8000"#);
    let world = Episodes::create(&spec, &quiet).unwrap();
    let mut worth = Vec::new();
    for m in 0..2 {
        let mut episodes = world.with_query_nature(QueryNature::Fixed(m)).unwrap();
        while !episodes.done() {
            let actions = episodes.teacher_actions().unwrap();
            episodes.step(&actions).unwrap();
        }
        let out = episodes.outcome();
        let (lower, upper) = out.static_bounds[0];
        assert!((lower - 76.25).abs() < 1e-4 && (upper - 76.25).abs() < 1e-4);
        worth.push(out.returns.iter().sum::<f64>() / out.returns.len() as f64);
    }
    // Returns lie in 0..=200: five standard errors are below 6.
    assert!(worth.iter().all(|w| (w - 76.25).abs() < 6.0), "{worth:?}");
}

#[test]
fn where_there_is_nothing_to_be_robust_over_that_is_said() {
    for labels in ["robust", "static"] {
        assert!(refusal("pomdp", &format!(r#","labels":"{labels}""#)).contains("needs a cloud"));
    }
    assert!(refusal("apomdp", r#","labels":"static","alpha":0.5"#).contains("alpha must be 1"));
    let histories = r#","labels":"behaviour","histories":{"episodes":9}"#;
    assert!(refusal("mdp", histories).contains("learning histories"));
}

/// Two models of one task's shape, and a third file beside the splits that says what to be robust over.
fn folder(robust: &[&str], hidden: bool) -> Result<(tempfile::TempDir, Spec), String> {
    let row = |p: f64| format!(r#"{{"well":{p},"ill":{}}}"#, 1.0 - p);
    let dynamics = |p: f64| {
        let q = p / 2.0;
        let moves = format!(r#""transition":[[{},{}],[{},{}]]"#, row(p), row(q), row(0.9), row(0.6));
        let sign = format!("[{},{}]", row(0.8), row(0.2));
        if hidden { format!(r#"{{{moves},"observation":[{sign},{sign}]}}"#) } else { format!("{{{moves}}}") }
    };
    let observations = if hidden { r#""observations":["well","ill"],"# } else { "" };
    let model = |dynamics: &[String]| {
        format!(
            r#"{{"schema":"tiresias.model/1","name":"patient","states":["well","ill"],"actions":["wait","treat"],{observations}
                "horizon":4,"start":{{"well":0.5,"ill":0.5}},"reward":{{"state_action":[[1,0],[0.8,-0.2]]}},"dynamics":[{}]}}"#,
            dynamics.join(",")
        )
    };
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        fs::create_dir(folder.path().join(split)).unwrap();
        fs::write(folder.path().join(split).join("0.json"), model(&[dynamics(0.95)])).unwrap();
    }
    let members: Vec<String> = robust.iter().map(|p| dynamics(p.parse().unwrap())).collect();
    fs::write(folder.path().join("robust.json"), model(&members)).unwrap();
    let name = load(folder.path()).map_err(|error| error.to_string())?;
    let regime = if hidden { "pomdp" } else { "mdp" };
    let text = format!(
        r#"{{"family":"{name}","split":"train","seed":3,"regime":"{regime}","horizon":4,"support":{{"trajectories":1}},
            "query":{{"behaviour":"epsilon:0.4"}},"solver":{{"gap":1e-6}},"tasks":1,"examplesPerTask":40}}"#
    );
    Ok((folder, Spec::from_json(&text).unwrap()))
}

fn labelled(spec: &Spec, labels: &str) -> Vec<Row> {
    rows(&Spec { labels: serde_json::from_str(&format!("\"{labels}\"")).unwrap(), ..spec.clone() })
}

#[test]
fn at_zero_ambiguity_all_labels_are_the_oracles() {
    // One model, the task's own; and twice the same.
    for (robust, hidden) in
        [(&["0.95"][..], true), (&["0.95", "0.95"], true), (&["0.95"], false), (&["0.95", "0.95"], false)]
    {
        let (_folder, spec) = folder(robust, hidden).unwrap();
        let oracle = labelled(&spec, "oracle");
        for labels in ["robust", "static"] {
            for (row, own) in labelled(&spec, labels).iter().zip(&oracle) {
                assert_eq!(row.oracle_actions, own.oracle_actions, "{labels} {robust:?} {hidden}");
                assert!(row.regret_bounds.iter().all(|&bound| bound < 1e-4), "{labels} {robust:?} {hidden} {row:?}");
            }
        }
    }
}

#[test]
fn one_robust_policy_labels_all_tasks_of_a_family() {
    let (_folder, spec) = folder(&["0.2", "0.95"], true).unwrap();
    let model = family(&spec.family).unwrap().robust(4).unwrap().unwrap();
    assert_eq!((model.dynamics().len(), model.horizon()), (2, Some(4)));
    let mut differ = 0;
    for (row, own) in labelled(&spec, "robust").iter().zip(labelled(&spec, "oracle")) {
        let (taught, _) = labels(&spec, row);
        check(row, &asked(&model, spec.solver.gap, row, &taught));
        differ += usize::from(row.oracle_actions != own.oracle_actions);
    }
    assert!(differ > 0, "the cloud changes nothing, and the test shows nothing");
}

#[test]
fn what_a_family_is_robust_over_must_fit_its_tasks_and_belongs_to_its_name() {
    let name = |robust: &[&str]| folder(robust, true).unwrap().1.family;
    assert_ne!(name(&["0.2", "0.95"]), name(&["0.2", "0.9"]));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("train")).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/two-environments.json");
    fs::copy(&file, folder.path().join("train").join("0.json")).unwrap();
    fs::copy(&file, folder.path().join("robust.json")).unwrap();
    let problem = load(folder.path()).unwrap_err().to_string();
    assert!(problem.contains("clouds of their own"), "{problem}");
}

#[test]
fn a_stop_while_the_teacher_is_solved_is_a_stop() {
    let (_folder, spec) = folder(&["0.2", "0.95"], true).unwrap();
    let spec = Spec { labels: serde_json::from_str("\"robust\"").unwrap(), ..spec };
    let folder = tempfile::tempdir().unwrap();
    let stop = |_: Progress| ControlFlow::Break(());
    let stopped = make_shard(&spec, &tokenizer(&spec), &folder.path().join("shard"), &stop);
    assert!(matches!(stopped, Err(StudyError::Cancelled)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
