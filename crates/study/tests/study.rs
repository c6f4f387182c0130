//! Shards and evaluation episodes, end to end on the energy family with the compact vocabulary (no model file needed).

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

use tiresias_encode::{CompactTokenizer, Row, Tokenizer as _, read_shard};
use tiresias_model::Policy as _;
use tiresias_model::family::{Regime, TaskRequest, family};
use tiresias_solve::{BackwardInduction, Limits, Solver as _, no_hook, random_value};
use tiresias_study::{
    Agents, Episodes, ExampleBatch, Generator, Outcome, Progress, Prompts, QueryNature, ShardReport, Spec, StudyError,
    default_template, make_shard, scan,
};

fn spec(regime: &str, change: &str) -> Spec {
    let text = format!(
        r#"{{"family":"energy","split":"train","seed":5,"regime":"{regime}","horizon":6,"nature":"fixed",
            "support":{{"trajectories":2,"behaviour":"mixture:oracle=1,random=1"}},"query":{{"behaviour":"epsilon:0.3"}},
            "solver":{{"gap":0.2}},"tasks":6{change}}}"#
    );
    Spec::from_json(&text).unwrap()
}

fn tokenizer() -> CompactTokenizer {
    let family = family("energy").unwrap();
    let templates = [Regime::Mdp, Regime::Pomdp, Regime::Apomdp].map(|r| default_template(family.as_ref(), r));
    CompactTokenizer::new(&templates).unwrap()
}

fn quiet(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn on<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn shard(spec: &Spec, path: &Path) -> (ShardReport, Vec<Row>) {
    let report = make_shard(spec, &tokenizer(), path, &quiet).unwrap();
    (report, read_shard(path).unwrap().map(Result::unwrap).collect())
}

#[test]
fn a_row_is_its_text_and_its_labels_are_the_oracles() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer();
    for regime in ["mdp", "pomdp", "apomdp"] {
        let spec = spec(regime, r#","examplesPerTask":2"#);
        let (report, rows) = shard(&spec, &folder.path().join(regime));
        assert_eq!((rows.len(), report.examples, report.tasks, report.labels), (12, 12, 6, 72));
        assert_eq!(report.tokens, rows.iter().map(|r| r.input_ids.len()).sum::<usize>());
        let distinct: HashSet<_> = rows.iter().map(|r| (&r.prompt, &r.completion)).collect();
        assert_eq!(distinct.len(), 12, "examples repeat");
        for row in &rows {
            let text = format!("{}{}", row.prompt, row.completion);
            assert_eq!(row.input_ids, tokenizer.encode(&text).unwrap());
            assert!(row.prompt.starts_with(&format!("{regime}\n#\n")) && row.prompt.ends_with("?\n"));
            assert_eq!(row.prompt.matches('#').count(), 2);
            let labels: Vec<i32> = row.labels.iter().copied().filter(|&l| l >= 0).collect();
            let expected: Vec<i32> =
                row.oracle_actions.iter().map(|a| tokenizer.encode(&a.to_string()).unwrap()[0] as i32).collect();
            assert_eq!(labels, expected);
            // A hidden state's query shows no rewards, so that model and oracle condition on the same history.
            assert_eq!(row.completion.contains("xx\n"), regime != "mdp");
            assert_eq!(row.completion.lines().count(), 6);
        }
        let bound = rows.iter().flat_map(|r| &r.regret_bounds).fold(0.0f64, |a, &b| a.max(b));
        assert_eq!((bound, report.regret_bounds.count), (report.regret_bounds.max, 72));
        assert_eq!((report.support_returns.count, report.query_returns.count), (24, 12));
        assert!(regime != "mdp" || bound < 1e-9);
    }
}

/// However tasks are cut into batches, and on however many threads, a stream's rows are the shard's.
#[test]
fn a_stream_gives_the_rows_of_the_shard() {
    let folder = tempfile::tempdir().unwrap();
    for regime in ["mdp", "pomdp"] {
        let spec = spec(regime, r#","examplesPerTask":3"#);
        let (report, rows) = shard(&spec, &folder.path().join(regime));
        let generator = Generator::new(&spec, &tokenizer(), true).unwrap();
        for (size, threads) in [(6, 3), (4, 2), (1, 1)] {
            let cuts = (0..6).step_by(size).map(|first| first..(first + size as u64).min(6));
            let batches: Vec<ExampleBatch> =
                on(threads, || cuts.map(|tasks| generator.batch(tasks, &quiet).unwrap()).collect());
            let flat = batches.iter().flat_map(|batch| (0..batch.len()).map(move |i| (batch, i)));
            assert_eq!(batches.iter().map(ExampleBatch::len).sum::<usize>(), rows.len());
            for ((batch, i), row) in flat.zip(&rows) {
                assert_eq!(batch.row(i), (&row.input_ids[..], &row.labels[..]));
                assert_eq!(batch.row_text(i), (&row.prompt[..], &row.completion[..]));
                assert_eq!(batch.row_oracle(i), (&row.oracle_actions[..], &row.regret_bounds[..]));
                assert_eq!(batch.tasks[i], row.task.index);
            }
            let best = batches.iter().flat_map(|b| &b.query_returns).copied().fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(best, report.query_returns.max);
        }
    }
}

/// The MDP regime prints rewards on the tenth: returns are sums of what the text shows.
#[test]
fn returns_are_the_sums_of_the_printed_rewards() {
    let spec = spec("mdp", r#","examplesPerTask":2"#);
    let batch = Generator::new(&spec, &tokenizer(), true).unwrap().batch(0..6, &quiet).unwrap();
    let sum = |text: &str| -> f64 {
        let rewards = text.lines().filter_map(|line| line.rsplit_once(',')).map(|(_, r)| r.parse::<f64>().unwrap());
        rewards.map(|symbol| (symbol - 20.0) / 10.0).sum()
    };
    for i in 0..batch.len() {
        let (prompt, completion) = batch.row_text(i);
        let support: Vec<f64> = prompt.split("#\n").skip(1).map(sum).collect();
        assert!(support.iter().zip(&batch.support_returns[2 * i..]).all(|(a, b)| (a - b).abs() < 1e-9));
        assert!((sum(completion) - batch.query_returns[i]).abs() < 1e-9);
    }
}

#[test]
fn a_scan_counts_what_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
    // The third shard holds the tasks of the first again.
    for (path, first) in paths.iter().zip([0, 6, 0]) {
        shard(&Spec { first_task: first, ..spec("pomdp", "") }, path);
    }
    let found = scan(&paths, &quiet).unwrap();
    assert_eq!((found.examples, found.duplicates), (18, 6));
    let lengths: Vec<usize> =
        paths.iter().flat_map(|p| read_shard(p).unwrap()).map(|row| row.unwrap().input_ids.len()).collect();
    assert_eq!((found.shortest, found.longest), (*lengths.iter().min().unwrap(), *lengths.iter().max().unwrap()));
    let stop = |_: Progress| ControlFlow::Break(());
    assert!(scan(&paths, &quiet).is_ok() && scan(&[folder.path().join("none")], &stop).is_err());
}

/// The labels of the MDP regime against backward induction on the task drawn anew, state by state.
#[test]
fn mdp_labels_are_backward_inductions_actions_in_the_states_shown() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec("mdp", "");
    for row in shard(&spec, &folder.path().join("mdp")).1 {
        let request = TaskRequest {
            split: row.task.split.clone(),
            index: row.task.index,
            seed: row.task.seed,
            regime: Regime::Mdp,
            horizon: 6,
            models: 3,
            alpha: 1.0,
        };
        let task = family(&row.task.family).unwrap().task(&request).unwrap();
        let solved = BackwardInduction.solve(&task.model, &Limits::default(), &no_hook).unwrap();
        for (t, line) in row.completion.lines().enumerate() {
            let state: usize = line[..2].parse().unwrap();
            let label = usize::from(row.oracle_actions[t]);
            assert_eq!(solved.policy.action_in_state(t, state, 10), label, "{line}");
            // The printed reward is the model's own for the executed action: (r + 2) * 10.
            let executed: usize = line[3..4].parse().unwrap();
            let shown: f64 = line[5..7].parse().unwrap();
            let reward = task.model.expected_reward(0)[executed * 10 + state];
            assert!((shown / 10.0 - 2.0 - reward).abs() < 1e-9, "{line}");
        }
    }
}

#[test]
fn the_same_bytes_for_any_thread_count_and_shard_split() {
    let folder = tempfile::tempdir().unwrap();
    for regime in ["mdp", "pomdp", "apomdp"] {
        for format in ["parquet", "jsonl"] {
            let spec_ = spec(regime, &format!(r#","format":"{format}""#));
            let sha = |threads, name: &str| on(threads, || shard(&spec_, &folder.path().join(name)).0.sha256);
            assert_eq!(sha(1, "one"), sha(3, "three"), "{regime} {format}");
        }
        let whole = shard(&spec(regime, ""), &folder.path().join("whole")).1;
        let mut tail = spec(regime, "");
        (tail.first_task, tail.tasks) = (4, 2);
        assert_eq!(shard(&tail, &folder.path().join("tail")).1, whole[4..]);
    }
}

#[test]
fn a_cancelled_or_failed_shard_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard.parquet");
    let stop = |p: Progress| if p.done >= 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let result = make_shard(&spec("mdp", ""), &tokenizer(), &path, &stop);
    assert!(matches!(result, Err(StudyError::Cancelled)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let nowhere = make_shard(&spec("mdp", ""), &tokenizer(), &folder.path().join("missing/shard"), &quiet);
    assert!(nowhere.unwrap_err().to_string().contains("missing/shard"));
}

#[test]
fn specifications_name_the_field_that_is_wrong() {
    let base = r#"{"family":"energy","split":"train","seed":5,"regime":"apomdp","horizon":6,"support":{"trajectories":2},"tasks":6"#;
    for (change, part) in [
        (r#","taks":3"#, "unknown field `taks`"),
        (r#","queryNature":"fixed:3""#, "queryNature: fixed:3, but the cloud has 3 models"),
        (r#","queryNature":"worst""#, "expected oracle or fixed:M"),
        (r#","query":{"behaviour":"greedy"}"#, "behaviour \"greedy\""),
        (r#","template":{"headr":"x"}"#, "template: unknown field `headr`"),
        (r#","alpha":2"#, "alpha: must lie in [0, 1]"),
        (r#","examplesPerTask":0"#, "examplesPerTask: must be at least 1"),
    ] {
        let error = Spec::from_json(&format!("{base}{change}}}")).unwrap_err().to_string();
        assert!(error.contains(part), "expected {part:?} in {error:?}");
    }
    let zero = base.replace("\"tasks\":6", "\"tasks\":0");
    assert!(Spec::from_json(&format!("{zero}}}")).unwrap_err().to_string().contains("tasks"));
}

fn play(episodes: &mut Episodes, mut act: impl FnMut(&Episodes) -> Vec<u8>) -> tiresias_study::Outcome {
    episodes.reset();
    while !episodes.done() {
        let actions = act(episodes);
        episodes.step(&actions).unwrap();
    }
    episodes.outcome()
}

#[test]
fn another_nature_shares_the_tasks_and_equals_a_batch_made_for_it() {
    let mut shared = Episodes::create(&spec("apomdp", ""), &quiet).unwrap();
    play(&mut shared, Episodes::random_actions);
    for (m, name) in ["fixed:0", "fixed:2"].into_iter().enumerate() {
        let nature = QueryNature::try_from(name.to_string()).unwrap();
        let mut other = shared.with_query_nature(nature).unwrap();
        let made = spec("apomdp", &format!(r#","queryNature":"{name}""#));
        let mut made = Episodes::create(&made, &quiet).unwrap();
        for row in 0..made.rows() {
            let (ours, theirs) = (other.support(row), made.support(row));
            assert_eq!((ours.observations, ours.actions), (theirs.observations, theirs.actions), "{m}");
            assert_eq!((ours.rewards, ours.count()), (theirs.rewards, 2));
        }
        let (a, b) = (play(&mut other, Episodes::oracle_actions), play(&mut made, Episodes::oracle_actions));
        assert_eq!((a.states, a.actions, a.returns), (b.states, b.actions, b.returns));
    }
    let outside = shared.with_query_nature(QueryNature::Fixed(3)).err().unwrap().to_string();
    assert!(outside.contains("fixed:3, but the cloud has 3 models"), "{outside}");
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean over tasks of `V* - V^π`, estimated from regrets, against the exact value of the uniformly random policy.
#[test]
fn regrets_estimate_the_gap_of_the_random_policy() {
    for regime in ["mdp", "pomdp"] {
        let mut spec = spec(regime, r#","episodesPerTask":400"#);
        spec.solver.gap = 0.005;
        let mut episodes = Episodes::create(&spec, &quiet).unwrap();
        let out = play(&mut episodes, Episodes::random_actions);
        for task in 0..6 {
            let rows = task * 400..(task + 1) * 400;
            let (regrets, returns) = (&out.regrets[rows.clone()], &out.returns[rows]);
            let gap = out.optimal[task] - out.random_value[task];
            let error = |x: &[f64]| {
                let m = mean(x);
                (x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (400.0 * 399.0)).sqrt()
            };
            assert!((mean(regrets) - gap).abs() < 5.0 * error(regrets) + 0.005, "{regime} task {task}");
            assert!((mean(returns) - out.random_value[task]).abs() < 5.0 * error(returns), "{regime} task {task}");
        }
    }
}

/// Against the oracle's own nature the mean return of the oracle's policy is its α-MEU value.
#[test]
fn the_oracle_attains_its_value_and_has_no_regret() {
    for regime in ["mdp", "pomdp", "apomdp"] {
        let spec = spec(regime, r#","episodesPerTask":300,"alpha":0.6"#);
        let mut episodes = Episodes::create(&spec, &quiet).unwrap();
        let out = play(&mut episodes, Episodes::oracle_actions);
        assert!(out.regrets.iter().all(|r| r.abs() < 1e-9), "{regime}");
        assert!(out.agreement.iter().all(|&a| a == 1.0));
        assert_eq!(out.actions, out.oracle_actions);
        let deviation: f64 = {
            let m = mean(&out.returns);
            (out.returns.iter().map(|v| (v - m).powi(2)).sum::<f64>()).sqrt() / out.returns.len() as f64
        };
        let slack = 0.2 + 5.0 * deviation;
        assert!((mean(&out.returns) - mean(&out.optimal)).abs() < slack, "{regime}");
        assert!(out.lower.iter().zip(&out.upper).all(|(l, u)| l <= u && u - l <= 0.2 + 1e-9), "{regime}");
    }
}

#[test]
fn methods_share_their_random_numbers_and_prompts_grow_into_the_text() {
    let tokenizer = tokenizer();
    let mut episodes = Episodes::create(&spec("pomdp", ""), &quiet).unwrap();
    let first = play(&mut episodes, Episodes::random_actions);
    let second = play(&mut episodes, Episodes::random_actions);
    assert_eq!(first.states, second.states);
    let oracle = play(&mut episodes, Episodes::oracle_actions);
    for row in 0..episodes.rows() {
        assert_eq!(oracle.states[row * 6], first.states[row * 6], "the start state is common");
    }
    episodes.reset();
    let view = Prompts::new(&episodes, &tokenizer).unwrap();
    let prompts = view.open(&episodes).unwrap();
    let mut ids: Vec<Vec<u32>> =
        prompts.offsets.windows(2).map(|w| prompts.ids[w[0] as usize..w[1] as usize].to_vec()).collect();
    while !episodes.done() {
        episodes.step(&episodes.oracle_actions()).unwrap();
        let step = view.next(&episodes).unwrap();
        for (row, w) in ids.iter_mut().zip(step.offsets.windows(2)) {
            row.extend(&step.ids[w[0] as usize..w[1] as usize]);
        }
    }
    for (row, ids) in ids.iter().enumerate() {
        let text = tokenizer.decode(ids).unwrap();
        let query = text.split("?\n").nth(1).unwrap();
        let lines: Vec<&str> = query.lines().collect();
        assert_eq!(lines.len(), 6);
        for (t, line) in lines.iter().enumerate() {
            let i = row * 6 + t;
            let seen = match oracle.observations[i] {
                -1 => "xx".to_string(),
                o => format!("{o:02}"),
            };
            let expected = if t < 5 { format!("{seen},{},xx", oracle.actions[i]) } else { format!("{seen},") };
            assert_eq!(*line, expected);
        }
        assert_eq!(&tokenizer.encode(&text).unwrap(), ids);
    }
    let late = view.open(&episodes).unwrap_err().to_string();
    assert!(late.contains("reset first"), "{late}");
}

#[test]
fn wrong_actions_are_refused_and_leave_the_episodes_as_they_were() {
    let mut episodes = Episodes::create(&spec("mdp", ""), &quiet).unwrap();
    assert!(episodes.step(&[0; 5]).unwrap_err().to_string().contains("5 actions for 6 episodes"));
    assert!(episodes.step(&[0, 0, 3, 0, 0, 0]).unwrap_err().to_string().contains("row 2: action 3 of 3"));
    assert!(episodes.outcome().states.is_empty());
    while !episodes.done() {
        episodes.step(&[0; 6]).unwrap();
    }
    assert!(episodes.step(&[0; 6]).unwrap_err().to_string().contains("reset first"));
}

#[test]
fn a_fixed_model_of_a_cloud_gives_returns_but_no_regrets() {
    let spec = spec("apomdp", r#","queryNature":"fixed:1","episodesPerTask":500"#);
    let mut episodes = Episodes::create(&spec, &quiet).unwrap();
    let out = play(&mut episodes, Episodes::random_actions);
    assert!(out.regrets.iter().all(|r| r.is_nan()) && out.random_value.iter().all(|v| v.is_nan()));
    // The uniformly random policy's value in model 1 alone is known exactly.
    let family = family("energy").unwrap();
    for task in 0..6u64 {
        let request = TaskRequest {
            split: "train".into(),
            index: task,
            seed: 5,
            regime: Regime::Apomdp,
            horizon: 6,
            models: 3,
            alpha: 1.0,
        };
        let value = random_value(&family.task(&request).unwrap().model, 1);
        let returns = &out.returns[task as usize * 500..][..500];
        let m = mean(returns);
        let error = (returns.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (500.0 * 499.0)).sqrt();
        assert!((m - value).abs() < 5.0 * error);
    }
}

/// The bandit's rewards are noisy in support and query alike, the same however tasks are cut; regrets go by the means.
#[test]
fn a_noisy_family_s_rewards_are_drawn_by_the_world() {
    let text = |first: u64, tasks: u64| {
        format!(
            r#"{{"family":"bandit","split":"test","seed":3,"regime":"mdp","horizon":40,"support":{{"trajectories":2,"behaviour":"random"}},
                "tasks":{tasks},"firstTask":{first},"episodesPerTask":50}}"#
        )
    };
    let make = |first, tasks| Episodes::create(&Spec::from_json(&text(first, tasks)).unwrap(), &quiet).unwrap();
    let mut all = make(0, 4);
    let out = play(&mut all, Episodes::oracle_actions);
    assert!(out.regrets.iter().all(|r| r.abs() < 1e-12));
    let distinct: HashSet<u64> = out.rewards.iter().map(|r| r.to_bits()).collect();
    assert!(distinct.len() > 50, "{} rewards", distinct.len());
    for task in 0..4 {
        let rewards = &out.rewards[task * 2000..][..2000];
        // A pull of the best arm, 2,000 times: its mean, which is the value over 40 pulls.
        assert!((mean(rewards) - out.optimal[task] / 40.0).abs() < 5.0 * 0.3 / 2000f64.sqrt());
    }
    let mut some = make(2, 1);
    let alone = play(&mut some, Episodes::oracle_actions);
    assert_eq!(alone.rewards, out.rewards[4000..6000]);
    assert_eq!(some.support(7).rewards, all.support(107).rewards);
    assert!(
        some.support(0).rewards.iter().any(|r| r.fract() != 0.0) && some.support(0).rewards != some.support(1).rewards
    );
}

/// In a deployment a method's support is what it played itself, the last trajectories of it; each episode draws anew, in agents and in
/// prompts alike, and the sequence is the same when it is played again.
#[test]
fn a_deployment_shows_what_was_played_before() {
    let bandit = r#"{"family":"bandit","split":"test","seed":3,"regime":"mdp","horizon":4,"support":{"trajectories":2,"behaviour":"random"},
        "tasks":3,"episodesPerTask":2}"#;
    let spec = Spec::from_json(bandit).unwrap();
    let created = Episodes::create(&spec, &quiet).unwrap();
    let deploy = || {
        let mut episodes = created.deployed();
        let mut outcomes = Vec::new();
        for round in 0..4 {
            for row in 0..6 {
                let support = episodes.support(row);
                assert_eq!(support.count(), round.min(2), "round {round}");
                let kept: &[Outcome] = &outcomes[round - support.count()..];
                let steps = row * 4..row * 4 + 4;
                let actions: Vec<u8> = kept.iter().flat_map(|out| out.actions[steps.clone()].to_vec()).collect();
                let rewards: Vec<f64> = kept.iter().flat_map(|out| out.rewards[steps.clone()].to_vec()).collect();
                let observations: Vec<i32> =
                    kept.iter().flat_map(|out| out.observations[steps.clone()].to_vec()).collect();
                assert_eq!((support.actions, support.rewards), (&actions[..], &rewards[..]));
                assert_eq!(support.observations, observations);
            }
            let unplayed = episodes.next_episode(2).err().unwrap().to_string();
            assert!(unplayed.contains("play these episodes to their end"), "{unplayed}");
            outcomes.push(play(&mut episodes, Episodes::random_actions));
            episodes = episodes.next_episode(2).unwrap();
        }
        outcomes
    };
    let outcomes = deploy();
    let drawn: HashSet<String> =
        outcomes.iter().flat_map(|out| out.rewards.chunks(4).map(|rewards| format!("{rewards:?}"))).collect();
    assert_eq!(drawn.len(), 4 * 6, "every episode is a draw of its own");
    for (one, again) in outcomes.iter().zip(deploy()) {
        assert_eq!((&one.actions, &one.rewards), (&again.actions, &again.rewards));
    }
    // Those with the support that was drawn for them are as they were.
    assert_eq!(created.support(0).count(), 2);
}

/// Whoever remembers its own episodes does better in later ones: a model estimated from one walk plans better than one from none.
#[test]
fn an_agent_learns_from_its_own_episodes() {
    let text = r#"{"family":"bandit","split":"test","seed":3,"regime":"mdp","horizon":30,"support":{"trajectories":5,"behaviour":"random"},
        "tasks":60}"#;
    let spec = Spec::from_json(text).unwrap();
    let options = serde_json::json!({ "online": true, "every": "decision" });
    let agents = Agents::new(&spec, "posterior-sampling", options).unwrap();
    let mut episodes = Episodes::create(&spec, &quiet).unwrap().deployed();
    let mut regrets = Vec::new();
    for _ in 0..4 {
        episodes.play(&agents, &quiet).unwrap();
        regrets.push(mean(&episodes.outcome().regrets));
        episodes = episodes.next_episode(5).unwrap();
    }
    assert!(regrets[3] < 0.5 * regrets[0], "{regrets:?}");
}
