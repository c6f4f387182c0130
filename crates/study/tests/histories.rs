//! Examples from learning histories: who acts in them, what is labelled, and that the learner learns.

use std::ops::ControlFlow;

use tiresias_encode::CompactTokenizer;
use tiresias_model::family::{Regime, family};
use tiresias_study::{ExampleBatch, Generator, Spec, default_template};

fn batch(family_name: &str, regime: Regime, change: &str, tasks: std::ops::Range<u64>, threads: usize) -> ExampleBatch {
    let text = format!(
        r#"{{"family":"{family_name}","split":"train","seed":3,"regime":"{regime}","horizon":8,"support":{{"trajectories":4}},
            "solver":{{"gap":0.5}},"tasks":1,"examplesPerTask":2{change}}}"#
    );
    let template = default_template(family(family_name).unwrap().as_ref(), regime);
    let tokenizer = CompactTokenizer::new(&[template]).unwrap();
    let generator = Generator::new(&Spec::from_json(&text).unwrap(), &tokenizer, false).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| generator.batch(tasks, &|_| ControlFlow::Continue(())).unwrap())
}

/// A learner's own actions are the labels: each label stands at an action of the query and is that action.
#[test]
fn labels_are_what_the_learner_did() {
    for regime in [Regime::Mdp, Regime::Pomdp, Regime::Apomdp] {
        let batch = batch("energy", regime, r#","histories":{"episodes":30}"#, 0..5, 1);
        let mut differ = 0;
        for row in 0..batch.len() {
            let (ids, labels) = batch.row(row);
            let labelled: Vec<_> = ids.iter().zip(labels).filter(|&(_, &label)| label >= 0).collect();
            assert_eq!(labelled.len(), 8);
            assert!(labelled.iter().all(|&(&id, &label)| id == label as u32), "{regime}: {labelled:?}");
            let taught = &batch.taught_actions[row * 8..(row + 1) * 8];
            differ += taught.iter().zip(batch.row_oracle(row).0).filter(|(a, b)| a != b).count();
        }
        assert!(differ > 10, "{regime}: who learns is no oracle, but only {differ} decisions of 80 differ");
    }
}

#[test]
fn neither_threads_nor_batches_change_a_row() {
    let histories = r#","histories":{"episodes":20}"#;
    let whole = batch("energy", Regime::Pomdp, histories, 0..6, 1);
    assert_eq!(whole, batch("energy", Regime::Pomdp, histories, 0..6, 2));
    let part = batch("energy", Regime::Pomdp, histories, 4..6, 1);
    assert_eq!(part.query_returns, whole.query_returns[8..]);
    assert_eq!(part.row(0), whole.row(8));
}

/// The support is from one learner that gets better: its last trajectory earns more than its first, which is all chance.
#[test]
fn later_episodes_of_a_history_earn_more() {
    let batch = batch("energy", Regime::Mdp, r#","histories":{"episodes":400,"rate":0.2}"#, 0..150, 2);
    let mean = |place: usize| batch.support_returns.iter().skip(place).step_by(4).sum::<f64>() / batch.len() as f64;
    let means: Vec<_> = (0..4).map(mean).collect();
    assert!(means.is_sorted() && means[3] > means[0] + 1.0, "{means:?}");
    let chance = {
        let text = r#","support":{"trajectories":4,"behaviour":"random"}"#.to_owned();
        let spec = format!(
            r#"{{"family":"energy","split":"train","seed":3,"regime":"mdp","horizon":8,"solver":{{"gap":0.5}},"tasks":1,"examplesPerTask":2{text}}}"#
        );
        let template = default_template(family("energy").unwrap().as_ref(), Regime::Mdp);
        let generator =
            Generator::new(&Spec::from_json(&spec).unwrap(), &CompactTokenizer::new(&[template]).unwrap(), false)
                .unwrap();
        let batch = generator.batch(0..150, &|_| ControlFlow::Continue(())).unwrap();
        batch.support_returns.iter().sum::<f64>() / batch.support_returns.len() as f64
    };
    // Three standard errors of 300 episodes, whose returns have a deviation of some units.
    assert!((means[0] - chance).abs() < 1.5, "the first episode earns {}, chance {chance}", means[0]);
}

#[test]
fn impossible_histories_are_refused() {
    for (change, word) in [
        (r#"{"episodes":4}"#, "histories.episodes"),
        (r#"{"episodes":1000000}"#, "histories.episodes"),
        (r#"{"rate":0}"#, "histories.rate"),
        (r#"{"leastEpsilon":1.5}"#, "histories.leastEpsilon"),
        (r#"{"algorithm":"sarsa"}"#, "algorithm"),
    ] {
        let text = format!(
            r#"{{"family":"energy","split":"train","seed":3,"regime":"mdp","horizon":8,"support":{{"trajectories":4}},"tasks":1,"histories":{change}}}"#
        );
        let message = Spec::from_json(&text).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
}
