//! Tokenizers made to merge what a template must keep apart, and some that only look awkward.

mod common;

use std::collections::BTreeMap;

use common::{Rollout, example, template};
use proptest::prelude::*;
use serde_json::{Value, json};
use tiresias_encode::{BpeTokenizer, Dims, Encoder, Error, LossOn, SymbolKind, Template, Tokenizer, Trajectory};

const DIMS: Dims = Dims { observations: 10, actions: 3 };
const LETTERS: &str = "adgmopx#?,-:\n0123456789 ";

/// A BPE tokenizer over single characters and the given merges (two tokens joined by a space).
fn bpe(merges: &[&str], change: impl FnOnce(&mut Value)) -> BpeTokenizer {
    let mut vocabulary: BTreeMap<String, usize> = BTreeMap::new();
    let merged = merges.iter().map(|merge| merge.replacen(' ', "", 1));
    for token in LETTERS.chars().map(String::from).chain(merged) {
        let next = vocabulary.len();
        vocabulary.entry(token).or_insert(next);
    }
    let mut file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges,
        },
    });
    change(&mut file);
    BpeTokenizer::from_json_bytes(file.to_string().as_bytes(), "made-up").unwrap()
}

fn compile(tokenizer: &BpeTokenizer) -> Result<Encoder, Error> {
    Encoder::compile(&Template::default(), tokenizer, DIMS)
}

/// The two neighbours that the error names.
fn merged(tokenizer: &BpeTokenizer) -> (String, String) {
    match compile(tokenizer) {
        Err(Error::Merges { left, right, .. }) => (left, right),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

fn assert_exact(encoder: &Encoder, tokenizer: &dyn Tokenizer, seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let example = example(encoder.template(), encoder.dims(), seed);
        let support: Vec<Trajectory<'_>> = example.support.iter().map(Rollout::borrowed).collect();
        let query = example.query.borrowed();
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        encoder.push_example(&support, &query, &example.oracle, LossOn::Query, &mut ids, &mut labels).unwrap();
        let text = encoder.text(&support, &query).unwrap().whole();
        assert_eq!(ids, [tokenizer.beginning_of_text(), &tokenizer.encode(&text).unwrap()].concat(), "{text:?}");
        assert_eq!(labels.iter().filter(|label| **label != -100).count(), example.oracle.len());
    }
}

/// A model whose contexts begin with `<s>`, as its post-processor says; what it puts behind a text is passed over.
fn beginning() -> BpeTokenizer {
    bpe(&["# \n"], |file| {
        let vocabulary = file["model"]["vocab"].as_object_mut().unwrap();
        let next = vocabulary.len();
        vocabulary.insert("<s>".into(), json!(next));
        vocabulary.insert("</s>".into(), json!(next + 1));
        let special = |id: usize, content: &str| json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
        file["added_tokens"] = json!([special(next, "<s>"), special(next + 1, "</s>")]);
        let piece = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
        let one = |content: &str, id: usize| json!({"id": content, "ids": [id], "tokens": [content]});
        file["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [piece("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, piece("</s>")],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": one("<s>", next), "</s>": one("</s>", next + 1)},
        });
    })
}

#[test]
fn a_context_begins_with_its_models_token_once() {
    let tokenizer = beginning();
    let &[id] = tokenizer.beginning_of_text() else { panic!("{:?}", tokenizer.beginning_of_text()) };
    assert_eq!(tokenizer.decode(&[id]).unwrap(), "<s>");
    assert!(!tokenizer.encode("5").unwrap().contains(&id), "a text has none of itself");
    let encoder = compile(&tokenizer).unwrap();
    assert_exact(&encoder, &tokenizer, 0..200);
    let count = |ids: &[u32]| ids.iter().filter(|one| **one == id).count();
    let steps = Trajectory { observations: &[5, -1], actions: &[1, 0], rewards: &[0.0, 0.0] };
    for support in [&[][..], &[steps], &[steps, steps]] {
        for first in [-1, 3] {
            let mut ids = Vec::new();
            encoder.push_prompt(support, first, &mut ids).unwrap();
            assert_eq!((ids[0], count(&ids)), (id, 1));
            encoder.push_step(1, 0.0, 4, &mut ids).unwrap();
            assert_eq!(count(&ids), 1, "a step that follows begins no text");
        }
    }
}

#[test]
fn a_template_that_writes_the_beginning_itself_is_refused() {
    for (template, holds) in [
        (Template { header: "<s>mdp\n".into(), ..Template::default() }, true),
        (Template { query_marker: "?<s>\n".into(), ..Template::default() }, true),
        (Template::default(), false),
    ] {
        let compiled = Encoder::compile(&template, &beginning(), DIMS);
        assert_eq!(compiled.is_err(), holds);
        let Err(error) = compiled else { continue };
        let Error::Template { field: "header", reason } = error else { panic!("{error}") };
        assert!(reason.contains("\"<s>\"") && reason.contains("take it out"), "{reason}");
    }
}

#[test]
fn merges_inside_literals_are_fine() {
    let tokenizer = bpe(&["# \n", "\n #\n", "m d", "md p", ", x"], |_| {});
    let encoder = compile(&tokenizer).unwrap();
    assert_eq!(encoder.symbol_kind(), SymbolKind::Digit);
    assert_exact(&encoder, &tokenizer, 0..200);
}

#[test]
fn merges_across_a_boundary_are_named() {
    let pair = |left: &str, right: &str| (left.to_owned(), right.to_owned());
    assert_eq!(merged(&bpe(&[", 2"], |_| {})), pair(",", "2"));
    assert_eq!(merged(&bpe(&["7 ,"], |_| {})), pair("7", ","));
    assert_eq!(merged(&bpe(&["4 \n"], |_| {})), pair("4", "\n"));
    assert_eq!(merged(&bpe(&["\n #", "\n# \n", "\n#\n 3"], |_| {})), pair("mdp\n#\n", "3"));
    assert_eq!(merged(&bpe(&["\n 6"], |_| {})).1, "6");
    let error = compile(&bpe(&[", 2"], |_| {})).unwrap_err().to_string();
    assert!(error.contains("\",\" followed by \"2\"") && error.contains("made-up"), "{error}");
}

#[test]
fn digits_that_merge_make_whole_numbers_the_symbols() {
    let tokenizer = bpe(&["1 2", "2 0", "4 5"], |_| {});
    let encoder = compile(&tokenizer).unwrap();
    assert_eq!(encoder.symbol_kind(), SymbolKind::Number);
    assert_exact(&encoder, &tokenizer, 0..200);
    // With a number that also merges with its neighbour there is no way out, and the number is named.
    let error = merged(&bpe(&["1 2", "12 \n"], |_| {}));
    assert_eq!(error, ("12".into(), "\n".into()));
    // Fields too wide to be looked up: the digits are named.
    let wide = Template { reward_width: 5, ..Template::default() };
    let error = Encoder::compile(&wide, &tokenizer, DIMS).unwrap_err();
    assert!(matches!(error, Error::Merges { left, right, .. } if (left.as_str(), right.as_str()) == ("1", "2")));
}

#[test]
fn characters_that_the_vocabulary_lacks_are_noticed() {
    // Unknown characters vanish from the ids, so both markers become the same.
    let markers = Template { support_marker: "S\n".into(), query_marker: "Q\n".into(), ..Template::default() };
    let error = Encoder::compile(&markers, &bpe(&[], |_| {}), DIMS).unwrap_err();
    assert!(matches!(error, Error::Indistinct { .. }), "{error}");
}

/// As Llama 2 does it: a mark before the text instead of a space, line ends as bytes, no pre-tokenizer.
#[test]
fn a_mark_before_the_text_is_part_of_its_first_literal() {
    let tokenizer = bpe(&[], |file| {
        file["normalizer"] = json!({"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"}]});
        let model = &mut file["model"];
        let next = model["vocab"].as_object().unwrap().len();
        let vocabulary = model["vocab"].as_object_mut().unwrap();
        vocabulary.remove("\n");
        vocabulary.insert("<0x0A>".into(), json!(next));
        vocabulary.insert("\u{2581}".into(), json!(next + 1));
        model["byte_fallback"] = json!(true);
    });
    let mark = tokenizer.encode("").unwrap().len();
    assert_eq!((mark, tokenizer.encode("5").unwrap().len()), (0, 2), "the mark is there");
    let encoder = compile(&tokenizer).unwrap();
    assert_eq!(encoder.symbol_kind(), SymbolKind::Digit);
    assert_exact(&encoder, &tokenizer, 0..200);
}

/// As newer files of Llama 2 say it: the mark is put there by the pre-tokenizer.
#[test]
fn a_mark_from_the_pre_tokenizer_is_part_of_the_first_literal_too() {
    let tokenizer = bpe(&["\u{2581} m", "d p", "1 2"], |file| {
        file["pre_tokenizer"] =
            json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "first", "split": false});
        let vocabulary = file["model"]["vocab"].as_object_mut().unwrap();
        let next = vocabulary.len();
        vocabulary.insert("\u{2581}".into(), json!(next));
    });
    assert_eq!(tokenizer.encode("m").unwrap().len(), 1);
    assert_eq!(tokenizer.encode("5").unwrap().len(), 2, "the mark is there");
    let encoder = compile(&tokenizer).unwrap();
    assert_eq!(encoder.symbol_kind(), SymbolKind::Number);
    assert_exact(&encoder, &tokenizer, 0..200);
}

fn added(texts: &[&str]) -> BpeTokenizer {
    bpe(&[], |file| {
        let first = file["model"]["vocab"].as_object().unwrap().len();
        let token = |(i, text): (usize, &&str)| {
            json!({"id": first + i, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        };
        file["added_tokens"] = texts.iter().enumerate().map(token).collect();
    })
}

/// Such texts are found before any merging, so they can reach over several neighbours of which no two merge.
#[test]
fn added_tokens_across_the_template_are_named() {
    let pair = |left: &str, right: &str| (left.to_owned(), right.to_owned());
    assert_eq!(merged(&added(&[",1,"])), pair(",", "1"));
    assert_eq!(merged(&added(&["5,1"])), pair("5", ","));
    assert_eq!(merged(&added(&["#\n4,2,20\n?"])), pair("#\n", "4"));
    assert_eq!(merged(&added(&[",20"])), pair(",", "20"));
    // Within a literal, or where the template never has it, such a text does no harm.
    let harmless = added(&["?\n", ",123,", "a1", "<|0|>", ":7:", "1\n?1"]);
    let encoder = compile(&harmless).unwrap();
    assert_eq!(encoder.symbol_kind(), SymbolKind::Digit);
    assert_exact(&encoder, &harmless, 0..200);
    // One that is all digits makes numbers the symbols, however long it is.
    let wide = Template { reward_width: 4, ..Template::default() };
    let long = added(&["1234"]);
    let encoder = Encoder::compile(&wide, &long, DIMS).unwrap();
    assert_eq!(encoder.symbol_kind(), SymbolKind::Number);
    assert_exact(&encoder, &long, 0..200);
    let wider = Template { reward_width: 5, ..Template::default() };
    let error = Encoder::compile(&wider, &long, DIMS).unwrap_err();
    assert!(matches!(error, Error::Merges { left, right, .. } if (left.as_str(), right.as_str()) == ("123", "4")));
}

/// With `ignore_merges`, a whole word of the vocabulary is taken although no merges lead to it.
#[test]
fn words_that_no_merges_reach_are_named() {
    let tokenizer = bpe(&[], |file| {
        let next = file["model"]["vocab"].as_object().unwrap().len();
        file["model"]["vocab"]["5,1,20"] = json!(next);
        file["model"]["ignore_merges"] = json!(true);
        let split = json!({"type": "Split", "pattern": {"String": "\n"}, "behavior": "Isolated", "invert": false});
        file["pre_tokenizer"] = split;
    });
    assert_eq!(tokenizer.encode("5,1,20").unwrap().len(), 1);
    assert_eq!(merged(&tokenizer), ("5".into(), ",".into()));
}

#[test]
fn a_digit_of_two_ids_is_looked_up_with_its_number_or_named() {
    let tokenizer = bpe(&[], |file| {
        file["normalizer"] = json!({"type": "Replace", "pattern": {"String": "7"}, "content": "ad"});
    });
    let encoder = compile(&tokenizer).unwrap();
    assert_eq!(encoder.symbol_kind(), SymbolKind::Number);
    assert_exact(&encoder, &tokenizer, 0..200);
    let eight = Encoder::compile(&Template::default(), &tokenizer, Dims { actions: 8, ..DIMS });
    assert!(matches!(eight, Err(Error::ActionNotOneToken { action, .. }) if action == "7"));
    let wide = Template { reward_width: 5, ..Template::default() };
    let error = Encoder::compile(&wide, &tokenizer, DIMS).unwrap_err();
    assert!(matches!(&error, Error::Template { field: "reward_width", reason } if reason.contains("\"7\"")), "{error}");
}

#[test]
fn models_that_the_proof_does_not_cover_are_refused() {
    let reason = |file: &Value| match BpeTokenizer::from_json_bytes(file.to_string().as_bytes(), "made-up") {
        Err(Error::Tokenizer { reason, .. }) => reason,
        other => panic!("{:?}", other.map(|_| ())),
    };
    let file = |model: Value| {
        json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
               "pre_tokenizer": null, "post_processor": null, "decoder": null, "model": model})
    };
    let unigram = json!({"type": "Unigram", "unk_id": 0, "vocab": [["a", -1.0], ["b", -2.0]], "byte_fallback": false});
    assert!(reason(&file(unigram)).contains("not BPE"));
    let random = json!({"type": "BPE", "dropout": 0.1, "unk_token": null, "continuing_subword_prefix": null,
                        "end_of_word_suffix": null, "fuse_unk": false, "vocab": {"a": 0}, "merges": []});
    assert!(reason(&file(random)).contains("dropout"));
}

/// As Llama 3 does it: up to three digits are one token, line ends cling to punctuation.
fn grouping() -> BpeTokenizer {
    let letters = "SQTabcdefghijklmnopqrstuvwxyz.:_<>#?,-ĊĠĉÃ©0123456789";
    let mut tokens: Vec<String> = letters.chars().map(String::from).collect();
    tokens.extend((0..100).map(|n| format!("{n:02}")));
    tokens.extend((0..1000).map(|n| format!("{n:03}")));
    tokens.extend(["#Ċ", "?Ċ", ",x"].map(String::from));
    bpe(&[], |file| {
        let split = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        file["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]});
        file["decoder"] =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        let vocabulary: BTreeMap<&str, usize> = tokens.iter().map(String::as_str).zip(0..).collect();
        file["model"]["vocab"] = json!(vocabulary);
        file["model"]["ignore_merges"] = json!(true);
    })
}

#[test]
fn groups_of_three_digits_are_looked_up() {
    let tokenizer = grouping();
    assert_eq!(tokenizer.encode("123").unwrap().len(), 1);
    for (observation_width, reward_width) in [(1, 2), (2, 3), (3, 1), (4, 4)] {
        let template = Template { observation_width, reward_width, ..Template::default() };
        let dims = Dims { observations: 10_usize.pow(observation_width), actions: 10 };
        let encoder = Encoder::compile(&template, &tokenizer, dims).unwrap();
        assert_eq!(encoder.symbol_kind(), SymbolKind::Number);
        assert_exact(&encoder, &tokenizer, 0..200);
    }
    // One digit a field: nothing to group, and nothing to look up.
    let narrow = Template { reward_width: 1, reward_offset: 0, ..Template::default() };
    assert_eq!(Encoder::compile(&narrow, &tokenizer, DIMS).unwrap().symbol_kind(), SymbolKind::Digit);
}

/// All 256 bytes as byte-level BPE writes them.
fn byte_alphabet() -> Vec<char> {
    let mut next = 0x100;
    let written = |byte: u32| {
        let visible = (0x21..=0x7e).contains(&byte) || (0xa1..=0xac).contains(&byte) || byte >= 0xae;
        if !visible {
            next += 1;
        }
        char::from_u32(if visible { byte } else { next - 1 }).unwrap()
    };
    (0..256).map(written).collect()
}

/// Merges that grow on each other, mostly over the characters that templates use.
fn byte_level_merges() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..24).prop_map(|picks| {
        let common: Vec<char> = "0123456789,#?:xnmdpoaSQ-_\u{10a}\u{120}".chars().collect();
        let mut tokens: Vec<String> = common.iter().map(char::to_string).collect();
        let mut merges: Vec<(String, String)> = Vec::new();
        for (left, right) in picks {
            let pair = (left.get(&tokens).clone(), right.get(&tokens).clone());
            let union = format!("{}{}", pair.0, pair.1);
            if !merges.contains(&pair) && union.len() < 12 {
                merges.push(pair);
                tokens.push(union);
            }
        }
        merges
    })
}

/// A byte-level tokenizer split as `SmolLM2`, GPT-2 or Llama 3 split, or not at all.
fn byte_level(merges: &[(String, String)], split: usize, whole_words: bool, added: &[String]) -> BpeTokenizer {
    bpe(&[], |file| {
        let unions = merges.iter().map(|(left, right)| format!("{left}{right}"));
        let mut vocabulary: BTreeMap<String, usize> = BTreeMap::new();
        for token in byte_alphabet().into_iter().map(String::from).chain(unions) {
            let next = vocabulary.len();
            vocabulary.entry(token).or_insert(next);
        }
        let bytes = |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
        let groups = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let first = match split {
            0 => json!([{"type": "Digits", "individual_digits": true}, bytes(true)]),
            1 => json!([bytes(true)]),
            2 => json!([{"type": "Split", "pattern": {"Regex": groups}, "behavior": "Isolated", "invert": false},
                        bytes(false)]),
            _ => json!([bytes(false)]),
        };
        file["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": first});
        file["decoder"] = bytes(true);
        let size = vocabulary.len();
        let token = |(i, text): (usize, &String)| {
            json!({"id": size + i, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        };
        file["added_tokens"] = added.iter().enumerate().map(token).collect();
        file["model"]["vocab"] = json!(vocabulary);
        file["model"]["merges"] = merges.iter().map(|(left, right)| json!([left, right])).collect();
        file["model"]["ignore_merges"] = json!(whole_words);
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the template, compiling either fails with a reason or is exact.
    #[test]
    fn grouping_is_exact_or_refused((mut template, mut dims) in template(), seed in any::<u64>()) {
        template.observation_width = template.observation_width.min(3);
        template.reward_width = template.reward_width.min(3);
        dims.observations = dims.observations.min(10_usize.pow(template.observation_width));
        let tokenizer = grouping();
        match Encoder::compile(&template, &tokenizer, dims) {
            Ok(encoder) => assert_exact(&encoder, &tokenizer, seed % 1000..seed % 1000 + 40),
            Err(error) => prop_assert!(matches!(error, Error::Merges { .. } | Error::Indistinct { .. }), "{error}"),
        }
    }

    /// Random byte-level vocabularies under every pre-tokenizer in use, some with whole words and added tokens: exact,
    /// or refused with two neighbours that do not stay apart.
    #[test]
    fn any_byte_level_vocabulary_is_exact_or_refused(
        (template, dims) in template(),
        merges in byte_level_merges(),
        split in 0..4_usize,
        whole_words in any::<bool>(),
        added in prop::collection::vec("[?,\n#0-9]{2,5}", 0..2),
        seed in 0..1000_u64,
    ) {
        let template = Template {
            observation_width: template.observation_width.min(3),
            reward_width: template.reward_width.min(3),
            ..template
        };
        let dims = Dims { observations: dims.observations.min(10_usize.pow(template.observation_width)), ..dims };
        let tokenizer = byte_level(&merges, split, whole_words, &added);
        match Encoder::compile(&template, &tokenizer, dims) {
            Ok(encoder) => assert_exact(&encoder, &tokenizer, seed..seed + 40),
            Err(Error::Merges { left, right, together, apart, .. }) => {
                prop_assert_ne!(&together, &apart);
                // The evidence is real: these are the tokenizer's own ids of a text with the two side by side.
                let text = tokenizer.decode(&together).unwrap();
                prop_assert!(text.contains(&format!("{left}{right}")), "{left:?} {right:?} in {text:?}");
                prop_assert!(tokenizer.encode(&text).unwrap() == together && tokenizer.decode(&apart).unwrap() == text);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    /// Random merges over the template's own characters: exact, or refused with a pair that does merge.
    #[test]
    fn any_merges_are_exact_or_refused(
        merges in prop::collection::btree_set("[mdp#?,\n0-9] [mdp#?,\n0-9]", 0..6),
        seed in 0..1000_u64,
    ) {
        let merges: Vec<&str> = merges.iter().map(String::as_str).collect();
        let tokenizer = bpe(&merges, |_| {});
        match compile(&tokenizer) {
            Ok(encoder) => assert_exact(&encoder, &tokenizer, seed..seed + 40),
            Err(Error::Merges { left, right, together, apart, .. }) => {
                prop_assert_ne!(together, apart);
                let joined = format!("{} {}", left.chars().last().unwrap(), right.chars().next().unwrap());
                prop_assert!(merges.contains(&joined.as_str()), "{left:?} {right:?} of {merges:?}");
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
