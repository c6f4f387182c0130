//! The encoder against the tokenizer on random trajectories, and every refusal.

mod common;

use common::{Example, Rollout, example, smollm2, template};
use proptest::prelude::*;
use tiresias_encode::{
    CompactTokenizer, Dims, Encoder, Error, LossOn, QueryReward, SymbolKind, Template, Tokenizer, Trajectory,
};

/// Everything that must hold of one example.
fn check(encoder: &Encoder, tokenizer: &dyn Tokenizer, example: &Example) {
    let support: Vec<Trajectory<'_>> = example.support.iter().map(Rollout::borrowed).collect();
    let query = example.query.borrowed();
    let text = encoder.text(&support, &query).unwrap();
    assert!(text.prompt.ends_with(&encoder.template().query_marker));
    let wanted = tokenizer.encode(&text.whole()).unwrap();

    for loss_on in [LossOn::Query, LossOn::QueryAndSupport] {
        // What stands before must stay.
        let (mut ids, mut labels) = (vec![77], vec![88]);
        encoder.push_example(&support, &query, &example.oracle, loss_on, &mut ids, &mut labels).unwrap();
        assert_eq!((ids.remove(0), labels.remove(0)), (77, 88));
        assert_eq!(ids, wanted, "{:?}", text.whole());
        assert_eq!(encoder.decode(&ids), text.whole());

        // Labels: in order, at the positions of the executed actions, and nowhere else.
        let mut expected: Vec<(u8, u8)> = Vec::new();
        if loss_on == LossOn::QueryAndSupport {
            expected.extend(example.support.iter().flat_map(|t| t.actions.iter().map(|a| (*a, *a))));
        }
        expected.extend(query.actions.iter().copied().zip(example.oracle.iter().copied()));
        let marked: Vec<usize> = (0..ids.len()).filter(|i| labels[*i] != -100).collect();
        let found: Vec<(u32, u32)> = marked.iter().map(|i| (ids[*i], labels[*i] as u32)).collect();
        let action_id = |a: u8| encoder.action_ids()[usize::from(a)];
        let wanted: Vec<(u32, u32)> = expected.iter().map(|(a, o)| (action_id(*a), action_id(*o))).collect();
        assert_eq!((labels.len(), found), (ids.len(), wanted));
        // A labelled token stands between the commas of a step: the text before it ends in "o,".
        for position in marked {
            assert!(encoder.decode(&ids[..position]).ends_with(','));
        }
    }

    // Acting step by step gives the beginnings of the full encoding.
    let (mut ids, steps) = (Vec::new(), query.actions.len());
    encoder.push_prompt(&support, query.observations[0], &mut ids).unwrap();
    for t in 0..steps {
        assert_eq!(ids, wanted[..ids.len()], "before the action of step {t}");
        assert_eq!(wanted[ids.len()], encoder.action_ids()[usize::from(query.actions[t])]);
        if t + 1 < steps {
            encoder.push_step(query.actions[t], query.rewards[t], query.observations[t + 1], &mut ids).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Each case compiles a template, which is the slow part, and checks it on many examples.
    #[test]
    fn smollm2_id_for_id((template, dims) in template(), seed in any::<u64>()) {
        let encoder = Encoder::compile(&template, smollm2(), dims).unwrap();
        prop_assert_eq!(encoder.symbol_kind(), SymbolKind::Digit);
        for round in 0..48 {
            check(&encoder, smollm2(), &example(&template, dims, seed.wrapping_add(round)));
        }
    }

    #[test]
    fn compact_id_for_id((template, dims) in template(), seed in any::<u64>()) {
        let other = Template { header: "other\n".into(), ..Template::default() };
        let tokenizer = CompactTokenizer::new(&[other, template.clone()]).unwrap();
        let encoder = Encoder::compile(&template, &tokenizer, dims).unwrap();
        for round in 0..48 {
            check(&encoder, &tokenizer, &example(&template, dims, seed.wrapping_add(round)));
        }
    }
}

const DIMS: Dims = Dims { observations: 10, actions: 3 };

fn compact(template: &Template) -> Encoder {
    Encoder::compile(template, &CompactTokenizer::new(std::slice::from_ref(template)).unwrap(), DIMS).unwrap()
}

fn field_at_fault(template: &Template, dims: Dims) -> &'static str {
    let compact = CompactTokenizer::new(&[Template::default()]).unwrap();
    match Encoder::compile(template, &compact, dims) {
        Err(Error::Template { field, .. }) => field,
        other => panic!("{template:?} gave {:?}", other.map(|_| ())),
    }
}

#[test]
fn templates_that_break_a_rule_are_refused_by_field() {
    let good = Template::default;
    let bad = [
        ("markers", Template { header: "mdp\n\n".into(), ..good() }),
        ("markers", Template { support_marker: " #\n".into(), ..good() }),
        ("markers", Template { query_marker: "\n?".into(), ..good() }),
        ("markers", Template { query_marker: "?\u{a0}\t".into(), ..good() }),
        ("header", Template { header: "mdp 2\n".into(), ..good() }),
        ("support_marker", Template { support_marker: String::new(), ..good() }),
        ("query_marker", Template { query_marker: "#\n".into(), ..good() }),
        ("missing", Template { missing: '0', ..good() }),
        ("missing", Template { missing: ' ', ..good() }),
        ("observation_width", Template { observation_width: 0, ..good() }),
        ("reward_width", Template { reward_width: 6, ..good() }),
        ("action_width", Template { action_width: 2, ..good() }),
        ("reward_scale", Template { reward_scale: f64::NAN, ..good() }),
        ("reward_offset", Template { reward_offset: i64::MIN, ..good() }),
    ];
    for (field, template) in bad {
        assert_eq!(field_at_fault(&template, DIMS), field, "{template:?}");
    }
    assert_eq!(field_at_fault(&good(), Dims { observations: 11, actions: 3 }), "observation_width");
    assert_eq!(field_at_fault(&good(), Dims { observations: 0, actions: 3 }), "observation_width");
    assert_eq!(field_at_fault(&good(), Dims { observations: 10, actions: 11 }), "action_width");
}

#[test]
fn values_out_of_range_are_named_and_nothing_is_written() {
    let encoder = compact(&Template::default());
    let good = Trajectory { observations: &[1, 2], actions: &[0, 1], rewards: &[0.0, 0.1] };
    let refused = |query: Trajectory<'_>, labels: &[u8]| {
        let (mut ids, mut out) = (vec![5], vec![6]);
        let error = encoder.push_example(&[good], &query, labels, LossOn::Query, &mut ids, &mut out).unwrap_err();
        assert_eq!((ids, out), (vec![5], vec![6]));
        error
    };
    let cases: [(Trajectory<'_>, &str); 7] = [
        (Trajectory { observations: &[1, 10], ..good }, "observation 10 at step 1"),
        (Trajectory { observations: &[-2, 1], ..good }, "observation -2 at step 0"),
        (Trajectory { actions: &[0, 10], ..good }, "action 10 at step 1"),
        (Trajectory { rewards: &[0.0, 0.05], ..good }, "reward 0.05 at step 1"),
        (Trajectory { rewards: &[8.0, 0.0], ..good }, "reward 8 at step 0: its symbol 100 does not fit 0..100"),
        (Trajectory { rewards: &[-2.1, 0.0], ..good }, "reward -2.1 at step 0: its symbol -1"),
        (Trajectory { rewards: &[f64::NAN, 0.0], ..good }, "reward NaN at step 0"),
    ];
    for (query, message) in cases {
        let error = refused(query, &[0, 0]).to_string();
        assert!(error.starts_with(message), "{error}");
        let in_text = encoder.text(&[], &query).unwrap_err().to_string();
        assert!(in_text.starts_with(message), "{in_text}");
    }
    assert!(refused(good, &[0, 3]).to_string().starts_with("action 3 at step 1"));
    assert!(matches!(refused(good, &[0]), Error::Shape { what: "labels", .. }));
    for broken in [Trajectory { observations: &[1], ..good }, Trajectory { rewards: &[], ..good }] {
        assert!(matches!(refused(broken, &[0, 0]), Error::Shape { what: "trajectory", .. }));
    }
    let empty = Trajectory { observations: &[], actions: &[], rewards: &[] };
    assert!(matches!(refused(empty, &[]), Error::Shape { .. }));

    let mut ids = vec![5];
    assert!(matches!(encoder.push_prompt(&[good], 10, &mut ids), Err(Error::Observation { observation: 10, .. })));
    assert!(matches!(encoder.push_prompt(&[empty], 1, &mut ids), Err(Error::Shape { .. })));
    assert!(matches!(encoder.push_step(3, 0.0, 1, &mut ids), Err(Error::Action { action: 3, .. })));
    assert!(matches!(encoder.push_step(0, 0.01, 1, &mut ids), Err(Error::RewardOffGrid { .. })));
    assert!(matches!(encoder.push_step(0, 0.0, -3, &mut ids), Err(Error::Observation { observation: -3, .. })));
    assert_eq!(ids, [5]);
}

#[test]
fn a_hidden_reward_is_not_read_in_the_query_but_is_in_the_support() {
    let encoder = compact(&Template { query_reward: QueryReward::Hidden, ..Template::default() });
    let strange = Trajectory { observations: &[-1, -1], actions: &[0, 1], rewards: &[f64::NAN, 1e9] };
    let text = encoder.text(&[], &strange).unwrap();
    assert_eq!(text.whole(), "mdp\n?\nx,0,xx\nx,1,xx\n");
    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    encoder.push_example(&[], &strange, &[0, 0], LossOn::Query, &mut ids, &mut labels).unwrap();
    assert_eq!(encoder.decode(&ids), text.whole());
    assert!(encoder.text(&[strange], &strange).is_err());
}

#[test]
fn rewards_near_the_grid_count_as_on_it() {
    let encoder = compact(&Template::default());
    for (reward, symbol) in [(0.1 + 0.2, "23"), (-2.0, "00"), (7.9, "99"), (-0.0, "20"), (1.0 - 9e-8, "30")] {
        let step = Trajectory { observations: &[0], actions: &[0], rewards: &[reward] };
        assert_eq!(encoder.text(&[], &step).unwrap().completion, format!("0,0,{symbol}\n"));
    }
}

#[test]
fn templates_travel_as_json() {
    let template = Template::for_regime("pomdp", 15);
    assert_eq!((template.header.as_str(), template.observation_width), ("pomdp\n", 2));
    assert_eq!([1, 10, 11, 100, 101].map(|n| Template::for_regime("mdp", n).observation_width), [1, 1, 2, 2, 3]);
    let json = template.canonical_json();
    assert_eq!(
        json,
        r##"{"action_width":1,"header":"pomdp\n","missing":"x","observation_width":2,"query_marker":"?\n","query_reward":"shown","reward_offset":20,"reward_scale":10.0,"reward_width":2,"support_marker":"#\n"}"##
    );
    assert_eq!(serde_json::from_str::<Template>(&json).unwrap(), template);
    assert_eq!(serde_json::from_str::<Template>("{}").unwrap(), Template::default());
    assert!(serde_json::from_str::<Template>(r#"{"heading":""}"#).unwrap_err().to_string().contains("heading"));
    assert_eq!(template.sha256(), template.clone().sha256());
    assert_ne!(template.sha256(), Template::default().sha256());
}
