//! Examples of recorded decisions: what they show is what was recorded, and their labels are what they say.

use std::collections::HashSet;
use std::ops::ControlFlow;

use proptest::prelude::*;
use tiresias_data::{Columns, NOTHING, Trajectories};
use tiresias_encode::{CompactTokenizer, QueryReward, Row, Template, Tokenizer as _, read_shard};
use tiresias_model::{Model, Space};
use tiresias_solve::{BackwardInduction, Limits, Solver as _, auto, no_hook};
use tiresias_study::{Progress, Records, RecordsSpec, StudyError};

const STEPS: usize = 4;

/// Two states, two actions: as an MDP, or hidden behind signs that are right four times in five; several are a cloud.
fn model(hidden: bool, turns: &[f64]) -> Model {
    let row = |p: f64| format!(r#"{{"well":{p},"ill":{}}}"#, 1.0 - p);
    let one = |&p: &f64| {
        let sign = format!("[{},{}]", row(0.8), row(0.2));
        let signs = if hidden { format!(r#","observation":[{sign},{sign}]"#) } else { String::new() };
        format!(r#"{{"transition":[[{},{}],[{},{}]]{signs}}}"#, row(p), row(p / 2.0), row(0.9), row(0.6))
    };
    let observations = if hidden { r#""observations":["well","ill"],"# } else { "" };
    let dynamics = turns.iter().map(one).collect::<Vec<_>>().join(",");
    let text = format!(
        r#"{{"schema":"tiresias.model/1","name":"patient","states":["well","ill"],"actions":["wait","treat"],{observations}"horizon":{STEPS},
            "start":{{"well":0.5,"ill":0.5}},"reward":{{"state_action":[[1,0],[0.8,-0.2]]}},"dynamics":[{dynamics}]}}"#
    );
    Model::from_json(&text).unwrap()
}

fn spec(labels: &str, regime: &str, trajectories: usize) -> RecordsSpec {
    let template = Template {
        header: format!("{regime}\n"),
        reward_scale: 10.0,
        reward_offset: 20,
        reward_width: 2,
        query_reward: if regime == "mdp" { QueryReward::Shown } else { QueryReward::Hidden },
        ..Template::default()
    };
    let template = serde_json::to_string(&template).unwrap();
    let text = format!(
        r#"{{"name":"records:0","regime":"{regime}","labels":"{labels}","seed":7,"trajectories":{trajectories},"solver":{{"gap":1e-9}},"template":{template}}}"#
    );
    RecordsSpec::from_json(&text).unwrap()
}

/// What was seen, done and earned at each step of each episode.
type Episodes = Vec<Vec<(i32, u8, f64)>>;

fn trajectories(episodes: &Episodes, tasks: &[u32]) -> Trajectories {
    let mut columns = Columns { offsets: vec![0], tasks: tasks.to_vec(), ..Columns::default() };
    for episode in episodes {
        for &(seen, done, earned) in episode {
            columns.observations.push(seen);
            columns.actions.push(done);
            columns.rewards.push(earned);
        }
        columns.offsets.push(columns.actions.len());
        columns.last.push(NOTHING);
        columns.terminated.push(false);
    }
    let names = |names: [&str; 2]| Space::named("names", names.map(String::from).to_vec()).unwrap();
    Trajectories::new(names(["well", "ill"]), names(["wait", "treat"]), columns).unwrap()
}

fn any_episodes() -> impl Strategy<Value = Episodes> {
    let step = (0..2_i32, 0..2_u8, (-19..79_i32).prop_map(|tenths| f64::from(tenths) / 10.0 + 0.03));
    prop::collection::vec(prop::collection::vec(step, 1..=STEPS), 3..12)
}

fn quiet(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn records(spec: &RecordsSpec, all: &Trajectories, model: &Model) -> Records {
    Records::new(spec, all, model, None, &quiet).unwrap()
}

fn rows(spec: &RecordsSpec, records: &Records, first: u64, count: usize) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    let tokenizer = CompactTokenizer::new(std::slice::from_ref(&spec.template)).unwrap();
    let report = records.make_shard(&tokenizer, &path, (first, count), &quiet).unwrap();
    let rows: Vec<Row> = read_shard(&path).unwrap().map(Result::unwrap).collect();
    assert_eq!((report.examples, report.labels), (rows.len(), rows.iter().map(|row| row.oracle_actions.len()).sum()));
    assert_eq!(report.label_counts.iter().sum::<usize>(), report.labels);
    for row in &rows {
        assert_eq!(row.input_ids, tokenizer.encode(&format!("{}{}", row.prompt, row.completion)).unwrap());
    }
    rows
}

/// As a text shows an episode: symbols, actions and rewards to the nearest tenth.
fn shown(episode: &[(i32, u8, f64)], hidden: bool) -> String {
    let step = |&(seen, done, earned): &(i32, u8, f64)| {
        let seen = if seen == NOTHING { "x".into() } else { seen.to_string() };
        let earned = if hidden { "xx".into() } else { format!("{:02}", (earned * 10.0).round() as i64 + 20) };
        format!("{seen},{done},{earned}\n")
    };
    episode.iter().map(step).collect()
}

/// Beliefs before each decision by Bayes' rule, written out for two states.
fn beliefs(model: &Model, episode: &[(i32, u8, f64)]) -> Vec<[f64; 2]> {
    let dynamics = &model.dynamics()[0];
    let mut belief = [0.5, 0.5];
    let mut all = vec![belief];
    for pair in episode.windows(2) {
        let (done, seen) = (usize::from(pair[0].1), pair[1].0 as usize);
        let moved = |to: usize| (0..2).map(|s| belief[s] * dynamics.transition.get(done * 2 + s, to)).sum::<f64>();
        let likely = |to: usize| dynamics.observation.as_ref().unwrap().get(done * 2 + to, seen);
        let joint = [moved(0) * likely(0), moved(1) * likely(1)];
        belief = [joint[0] / (joint[0] + joint[1]), joint[1] / (joint[0] + joint[1])];
        all.push(belief);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn labels_of_behaviour_are_the_rows(episodes in any_episodes(), hidden in any::<bool>(), k in 0..3_usize) {
        let all = trajectories(&episodes, &[]);
        let spec = spec("behaviour", if hidden { "pomdp" } else { "mdp" }, k);
        let records = records(&spec, &all, &model(hidden, &[0.7]));
        prop_assert_eq!(&records.steps().labels, &all.columns().actions);
        prop_assert_eq!(&records.steps().regret_bounds, &records.steps().recorded_regret_bounds);
        let tokenizer = CompactTokenizer::new(std::slice::from_ref(&spec.template)).unwrap();
        let mut queries = HashSet::new();
        for row in rows(&spec, &records, 0, episodes.len()) {
            let own = &episodes[row.task.index as usize];
            prop_assert_eq!(&row.completion, &shown(own, hidden));
            prop_assert_eq!(row.horizon as usize, own.len());
            let ids: Vec<i32> = own.iter().map(|(_, done, _)| tokenizer.encode(&done.to_string()).unwrap()[0] as i32).collect();
            prop_assert_eq!(row.labels.iter().copied().filter(|&label| label >= 0).collect::<Vec<_>>(), ids);
            // The support: other episodes, each once, rewards shown.
            let support: Vec<&str> = row.prompt.trim_end_matches("?\n").split("#\n").skip(1).collect();
            prop_assert_eq!(support.len(), k);
            let mut others: Vec<String> = (0..episodes.len()).filter(|&i| i != row.task.index as usize).map(|i| shown(&episodes[i], false)).collect();
            for text in support {
                let at = others.iter().position(|other| other == text);
                prop_assert!(at.is_some(), "{text:?} is none of the others, or comes twice");
                others.remove(at.unwrap());
            }
            queries.insert(row.task.index);
        }
        prop_assert_eq!(queries.len(), episodes.len(), "each episode is a query once");
    }

    #[test]
    fn labels_of_the_oracle_are_its_policys_at_the_belief_of_the_history(episodes in any_episodes()) {
        let (all, model) = (trajectories(&episodes, &[]), model(true, &[0.7]));
        let records = records(&spec("oracle", "pomdp", 1), &all, &model);
        let policy = auto(&model).solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap().policy;
        let steps = records.steps();
        let mut at = 0;
        for episode in &episodes {
            for (stage, belief) in beliefs(&model, episode).iter().enumerate() {
                let assessment = policy.assess(stage, belief);
                // Rounding of the belief may decide a tie.
                let label = usize::from(steps.labels[at]);
                prop_assert!(assessment.is_optimal(label, 1e-9));
                prop_assert!((steps.regret_bounds[at] - assessment.regret_bound(label)).abs() < 1e-9);
                let done = usize::from(episode[stage].1);
                prop_assert!((steps.recorded_regret_bounds[at] - assessment.regret_bound(done)).abs() < 1e-9);
                at += 1;
            }
        }
    }

    /// Where states are seen, bounds are the regrets themselves: backward induction knows them.
    #[test]
    fn what_was_recorded_loses_what_backward_induction_says(episodes in any_episodes()) {
        let (all, model) = (trajectories(&episodes, &[]), model(false, &[0.7]));
        let records = records(&spec("behaviour", "mdp", 1), &all, &model);
        let exact = BackwardInduction.solve(&model, &Limits::with_gap(0.0), &no_hook).unwrap().policy;
        let steps = episodes.iter().flat_map(|episode| episode.iter().enumerate());
        for ((stage, &(seen, done, _)), bound) in steps.zip(&records.steps().regret_bounds) {
            let mut state = [0.0; 2];
            state[seen as usize] = 1.0;
            let values = exact.q_values(stage, &state);
            let regret = values[0].max(values[1]) - values[usize::from(done)];
            prop_assert!((bound - regret).abs() < 1e-9, "{bound} {regret}");
        }
    }

    #[test]
    fn at_zero_ambiguity_robust_labels_are_the_oracles(episodes in any_episodes(), hidden in any::<bool>()) {
        let all = trajectories(&episodes, &[]);
        let regime = if hidden { "pomdp" } else { "mdp" };
        let oracle = records(&spec("oracle", regime, 1), &all, &model(hidden, &[0.7]));
        let robust = records(&spec("robust", regime, 1), &all, &model(hidden, &[0.7, 0.7]));
        prop_assert_eq!(&robust.steps().labels, &oracle.steps().labels);
        prop_assert!(robust.steps().regret_bounds.iter().all(|&bound| bound < 1e-6));
    }

    #[test]
    fn an_example_is_the_same_whichever_shard_it_is_in(episodes in any_episodes()) {
        let all = trajectories(&episodes, &[]);
        let spec = spec("behaviour", "mdp", 2);
        let records = records(&spec, &all, &model(false, &[0.7]));
        let whole = rows(&spec, &records, 0, 2 * episodes.len() + 1);
        let parts = [rows(&spec, &records, 0, 3), rows(&spec, &records, 3, 2 * episodes.len() - 2)].concat();
        prop_assert_eq!(&whole, &parts);
        // The second time an episode is a query it has a support of its own: not all of them can be what they were.
        let n = episodes.len();
        let again = (0..n).filter(|&i| whole[i] == whole[n + i]).count();
        prop_assert!(n < 6 || again < n, "every support is drawn twice");
    }
}

#[test]
fn a_support_is_of_the_querys_task() {
    let episodes: Episodes = (0..8_u8).map(|i| vec![(0, 0, f64::from(i) / 10.0)]).collect();
    let all = trajectories(&episodes, &[0, 3, 0, 3, 0, 3, 0, 3]);
    let spec = spec("behaviour", "mdp", 3);
    for row in rows(&spec, &records(&spec, &all, &model(false, &[0.7])), 0, 24) {
        let earned = |text: &str| text.trim_end().rsplit(',').next().unwrap().parse::<u64>().unwrap() - 20;
        let mut support: Vec<u64> = row.prompt.trim_end_matches("?\n").split("#\n").skip(1).map(earned).collect();
        support.push(earned(&row.completion));
        support.sort_unstable();
        assert_eq!(support, (0..4).map(|i| 2 * i + row.task.index % 2).collect::<Vec<_>>());
    }
    let problem = |tasks: &[u32]| {
        let all = trajectories(&episodes, tasks);
        Records::new(&spec, &all, &model(false, &[0.7]), None, &quiet).err().unwrap().to_string()
    };
    assert!(problem(&[0, 0, 0, 0, 0, 1, 1, 1]).contains("need 4 of the same task"));
}

/// What is believed after a first symbol begins a history, and without it the model's start does.
#[test]
fn a_first_symbol_is_believed_as_the_fit_says() {
    let episodes: Episodes = vec![vec![(0, 0, 0.0)], vec![(1, 0, 0.0)], vec![(NOTHING, 0, 0.0)]];
    let (all, model) = (trajectories(&episodes, &[]), model(true, &[0.7]));
    let spec = spec("behaviour", "pomdp", 1);
    let first = [1.0, 0.0, 0.0, 1.0];
    let told = Records::new(&spec, &all, &model, Some(&first), &quiet).unwrap();
    let policy = auto(&model).solve(&model, &Limits::with_gap(1e-9), &no_hook).unwrap().policy;
    for (bound, belief) in told.steps().regret_bounds.iter().zip([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]) {
        assert!((bound - policy.regret_bound(0, &belief, 0)).abs() < 1e-9);
    }
    assert!(Records::new(&spec, &all, &model, Some(&[1.0]), &quiet).is_err());
}

#[test]
fn what_does_not_fit_is_refused_by_its_place() {
    let gap: Episodes = vec![vec![(0, 0, 0.0), (NOTHING, 1, 0.0)], vec![(1, 1, 0.0)]];
    let problem = |regime: &str, model: &Model| {
        let all = trajectories(&gap, &[]);
        Records::new(&spec("oracle", regime, 1), &all, model, None, &quiet).err().map(|error| error.to_string())
    };
    assert!(problem("mdp", &model(false, &[0.7])).unwrap().contains("step 1 of episode 0: nothing was seen"));
    // Behind signs a gap is no fault.
    assert_eq!(problem("pomdp", &model(true, &[0.7])), None);
    assert!(problem("mdp", &model(true, &[0.7])).unwrap().contains("is a pomdp"));
    let long: Episodes = vec![vec![(0, 0, 0.0); STEPS + 1]; 2];
    let long = Records::new(&spec("oracle", "mdp", 1), &trajectories(&long, &[]), &model(false, &[0.7]), None, &quiet);
    assert!(long.err().unwrap().to_string().contains("4 decisions, and an episode has 5"));
    let text = serde_json::to_string(&Template::default()).unwrap();
    let of_static = format!(
        r#"{{"name":"records:0","regime":"mdp","labels":"static","seed":7,"trajectories":1,"template":{text}}}"#
    );
    assert!(RecordsSpec::from_json(&of_static).unwrap_err().to_string().contains("static plans"));
}

#[test]
fn a_stop_is_a_stop() {
    let all = trajectories(&vec![vec![(0, 0, 0.0)]; 3], &[]);
    let stop = |_: Progress| ControlFlow::Break(());
    let stopped = Records::new(&spec("oracle", "mdp", 1), &all, &model(false, &[0.7]), None, &stop);
    assert!(matches!(stopped, Err(StudyError::Cancelled)));
}
