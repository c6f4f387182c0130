//! Ids that are known from outside this project.

mod common;

use common::smollm2;
use tiresias_encode::{Dims, Encoder, LossOn, Template, Tokenizer, Trajectory};

#[test]
fn smollm2_ids_are_the_published_ones() {
    let tokenizer = smollm2();
    for (digit, id) in ('0'..='9').zip(32..) {
        assert_eq!(tokenizer.encode(&digit.to_string()).unwrap(), [id]);
    }
    for (text, id) in [(",", 28), ("\n", 198), ("\n\n", 1116), (",-", 10790)] {
        assert_eq!(tokenizer.encode(text).unwrap(), [id], "{text:?}");
    }
    assert_eq!(tokenizer.encode("12").unwrap(), [33, 34]);
    assert_eq!(tokenizer.vocabulary_size(), 49_152);
}

/// `data/smollm2_ids.py` says how the ids were made, by code that shares nothing with the library under test.
#[test]
fn smollm2_agrees_with_an_independent_implementation() {
    #[derive(serde::Deserialize)]
    struct Known {
        text: String,
        ids: Vec<u32>,
    }
    let known: Vec<Known> = serde_json::from_str(include_str!("data/smollm2_ids.json")).unwrap();
    assert!(known.len() >= 16);
    for Known { text, ids } in known {
        assert_eq!(smollm2().encode(&text).unwrap(), ids, "{text:?}");
        assert_eq!(smollm2().decode(&ids).unwrap(), text);
    }
}

#[test]
fn the_example_of_the_template_is_what_it_says() {
    let tokenizer = smollm2();
    let encoder = Encoder::compile(&Template::default(), tokenizer, Dims { observations: 10, actions: 3 }).unwrap();
    let support = [Trajectory { observations: &[5, 3], actions: &[1, 0], rewards: &[0.0, 0.0] }];
    let query = Trajectory { observations: &[7], actions: &[2], rewards: &[3.0] };
    let text = encoder.text(&support, &query).unwrap();
    assert_eq!((text.prompt.as_str(), text.completion.as_str()), ("mdp\n#\n5,1,20\n3,0,20\n?\n", "7,2,50\n"));
    let (mut ids, mut labels) = (Vec::new(), Vec::new());
    encoder.push_example(&support, &query, &[1], LossOn::QueryAndSupport, &mut ids, &mut labels).unwrap();
    assert_eq!(ids, tokenizer.encode(&text.whole()).unwrap());
    assert_eq!(encoder.decode(&ids), text.whole());
    let marked: Vec<_> = labels.iter().enumerate().filter(|(_, label)| **label != -100).collect();
    assert_eq!(marked.len(), 3);
    assert_eq!(*marked[2].1, 33, "the label is the oracle's action");
    assert_eq!(ids[marked[2].0], 34, "the input is the executed action");
}
