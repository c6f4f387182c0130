//! The GGUF reader: reads what is there, and answers damage with an error.

mod common;

use std::path::Path;

use common::smollm2_path;
use proptest::prelude::*;
use tiresias_encode::{BpeTokenizer, Error, GgufMetadata, GgufValue, Tokenizer};

/// Bytes of a metadata value of a given type, behind its key.
fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(key)[..], &kind.to_le_bytes(), value].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn texts(list: &[&str]) -> Vec<u8> {
    let mut bytes = [&8_u32.to_le_bytes()[..], &(list.len() as u64).to_le_bytes()].concat();
    list.iter().for_each(|item| bytes.extend(text(item)));
    bytes
}

fn file(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = [&b"GGUF"[..], &3_u32.to_le_bytes(), &7_u64.to_le_bytes()].concat();
    bytes.extend((entries.len() as u64).to_le_bytes());
    entries.iter().for_each(|entry| bytes.extend(entry));
    bytes
}

fn read(bytes: &[u8]) -> Result<GgufMetadata, Error> {
    GgufMetadata::read(bytes, bytes.len() as u64, Path::new("made-up.gguf"))
}

/// One value of every type, and a small tokenizer.
fn sample() -> Vec<u8> {
    let mut nested = [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &0_u32.to_le_bytes()].concat();
    nested.extend([&2_u64.to_le_bytes()[..], &[5, 6]].concat());
    let types = [&5_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &1_i32.to_le_bytes()].concat();
    file(&[
        entry("u8", 0, &[200]),
        entry("i8", 1, &[200]),
        entry("u16", 2, &60_000_u16.to_le_bytes()),
        entry("i16", 3, &(-3_i16).to_le_bytes()),
        entry("u32", 4, &4_000_000_000_u32.to_le_bytes()),
        entry("i32", 5, &(-5_i32).to_le_bytes()),
        entry("f32", 6, &0.5_f32.to_le_bytes()),
        entry("bool", 7, &[1]),
        entry("general.name", 8, &text("small")),
        entry("nested", 9, &nested),
        entry("u64", 10, &u64::MAX.to_le_bytes()),
        entry("i64", 11, &i64::MIN.to_le_bytes()),
        entry("f64", 12, &2.5_f64.to_le_bytes()),
        entry("tokenizer.ggml.model", 8, &text("gpt2")),
        entry("tokenizer.ggml.pre", 8, &text("smollm")),
        entry("tokenizer.ggml.tokens", 9, &texts(&["a", "b", "ab", "1", "2", "12"])),
        entry("tokenizer.ggml.merges", 9, &texts(&["a b", "1 2"])),
        entry("tokenizer.ggml.token_type", 9, &types),
    ])
}

#[test]
fn every_type_is_read() {
    let metadata = read(&sample()).unwrap();
    assert_eq!((metadata.version, metadata.tensors, metadata.entries.len()), (3, 7, 18));
    let expected = [
        ("u8", GgufValue::Unsigned(200)),
        ("i8", GgufValue::Signed(-56)),
        ("u16", GgufValue::Unsigned(60_000)),
        ("i16", GgufValue::Signed(-3)),
        ("u32", GgufValue::Unsigned(4_000_000_000)),
        ("i32", GgufValue::Signed(-5)),
        ("f32", GgufValue::Float(0.5)),
        ("bool", GgufValue::Bool(true)),
        ("general.name", GgufValue::String("small".into())),
        ("nested", GgufValue::Array(vec![GgufValue::Array([5, 6].map(GgufValue::Unsigned).to_vec())])),
        ("u64", GgufValue::Unsigned(u64::MAX)),
        ("i64", GgufValue::Signed(i64::MIN)),
        ("f64", GgufValue::Float(2.5)),
    ];
    for (key, value) in expected {
        assert_eq!(metadata.get(key), Some(&value), "{key}");
    }
    assert_eq!((metadata.text("u8"), metadata.texts("nested"), metadata.get("none")), (None, None, None));
    assert_eq!(metadata.integers("tokenizer.ggml.token_type"), Some(vec![1]));
}

#[test]
fn a_small_file_gives_a_tokenizer() {
    let tokenizer = BpeTokenizer::from_metadata(&read(&sample()).unwrap(), Path::new("made-up.gguf")).unwrap();
    assert_eq!(tokenizer.name(), "small");
    assert_eq!(tokenizer.vocabulary_size(), 6);
    // The merge of two digits is in the vocabulary, but the pre-tokenizer splits them first.
    assert_eq!(tokenizer.encode("ab12").unwrap(), [2, 3, 4]);
    assert_eq!(tokenizer.sha256().len(), 64);
}

#[test]
fn unsupported_tokenizers_are_named() {
    let with = |model: &str, pre: &str| {
        let entries = [entry("tokenizer.ggml.model", 8, &text(model)), entry("tokenizer.ggml.pre", 8, &text(pre))];
        let metadata = read(&file(&entries)).unwrap();
        BpeTokenizer::from_metadata(&metadata, Path::new("made-up.gguf")).err().unwrap().to_string()
    };
    assert!(with("t5", "default").contains("\"t5\""));
    assert!(with("llama", "default").contains("tokenizer.ggml.tokens is missing"));
    let unknown = with("gpt2", "kimi-k2");
    assert!(unknown.contains("\"kimi-k2\"") && unknown.contains("use the model's tokenizer.json"), "{unknown}");
    assert!(with("gpt2", "smollm").contains("tokenizer.ggml.tokens is missing"));
}

const PIECES: [&str; 12] = ["<unk>", "<s>", "<0x0A>", "<0x2C>", "\u{2581}a", "ab", "\u{2581}", "a", "b", "1", "2", ","];

/// A `SentencePiece` tokenizer in a file: each piece's score, and more metadata.
fn sentence_piece(pieces: &[(&str, f32)], more: &[Vec<u8>]) -> Result<BpeTokenizer, Error> {
    let list = |kind: u32, items: Vec<[u8; 4]>| {
        [&kind.to_le_bytes()[..], &(items.len() as u64).to_le_bytes(), &items.concat()].concat()
    };
    let kind = |piece: &str| match piece {
        "<unk>" => 2_i32,
        "<s>" => 3,
        byte if byte.starts_with("<0x") => 6,
        _ => 1,
    };
    let names: Vec<&str> = pieces.iter().map(|(piece, _)| *piece).collect();
    let mut entries = vec![
        entry("tokenizer.ggml.model", 8, &text("llama")),
        entry("tokenizer.ggml.tokens", 9, &texts(&names)),
        entry("tokenizer.ggml.scores", 9, &list(6, pieces.iter().map(|(_, score)| score.to_le_bytes()).collect())),
        entry("tokenizer.ggml.token_type", 9, &list(5, names.iter().map(|piece| kind(piece).to_le_bytes()).collect())),
    ];
    entries.extend_from_slice(more);
    BpeTokenizer::from_metadata(&read(&file(&entries)).unwrap(), Path::new("made-up.gguf"))
}

/// [`PIECES`] with the scores that `SentencePiece` gives: the earlier, the better.
fn scored() -> Vec<(&'static str, f32)> {
    PIECES.iter().enumerate().map(|(id, piece)| (*piece, -(id as f32))).collect()
}

#[test]
fn the_best_score_merges_first() {
    let tokenizer = sentence_piece(&scored(), &[]).unwrap();
    let ids = |text: &str| tokenizer.encode(text).unwrap();
    // The mark before the text takes the first letter; a line end is a byte; an unknown letter, without bytes of its
    // own, is the unknown token; a control token is matched whole.
    assert_eq!(ids("ab"), [4, 8]);
    assert_eq!(ids("bab"), [6, 8, 5]);
    assert_eq!(ids("b ab12\n"), [6, 8, 4, 8, 9, 10, 2]);
    assert_eq!(ids("b\u{e9}"), [6, 8, 0]);
    assert_eq!(ids("b<s>b"), [6, 8, 1, 6, 8]);
    assert!(ids("").is_empty());
    assert_eq!(tokenizer.decode(&ids("b ab12\n,")).unwrap(), "b ab12\n,");

    let mut other = scored();
    (other[4].1, other[5].1) = (-5.0, -4.0);
    let swapped = sentence_piece(&other, &[]).unwrap();
    assert_eq!(swapped.encode("ab").unwrap(), [6, 5]);
    assert_ne!(swapped.sha256(), tokenizer.sha256());

    let bare = sentence_piece(&scored(), &[entry("tokenizer.ggml.add_space_prefix", 7, &[0])]).unwrap();
    assert_eq!(bare.encode("ab").unwrap(), [5]);
    assert_eq!(bare.decode(&[6, 5]).unwrap(), " ab");
    assert_ne!(bare.sha256(), tokenizer.sha256());
}

/// Splits of one piece have one score, and the leftmost merges first, as the published ids of Llama 2 show for `####`.
#[test]
fn equal_scores_of_one_piece_merge_from_the_left() {
    let pieces = [("<unk>", 0.0), ("aa", -1.0), ("aaa", -2.0), ("a", -3.0), ("\u{2581}", -4.0)];
    let tokenizer = sentence_piece(&pieces, &[]).unwrap();
    assert_eq!(tokenizer.encode("aaaa").unwrap(), [4, 1, 1]);
    assert_eq!(tokenizer.encode("aaa").unwrap(), [4, 2]);

    // All runs of marks have one score; a run grows from its left, here to three at most.
    let mark = "\u{2581}";
    let [two, three] = [2, 3].map(|n| mark.repeat(n));
    let pieces = [("<unk>", 0.0), (mark, -1.0), ("a", -2.0), (&two, -1e9), (&three, -1e9)];
    let tokenizer = sentence_piece(&pieces, &[]).unwrap();
    for (spaces, marks) in [(0, vec![1]), (1, vec![3]), (2, vec![4]), (3, vec![4, 1]), (4, vec![4, 3]), (5, vec![4, 4])]
    {
        let text = format!("{}a", " ".repeat(spaces));
        assert_eq!(tokenizer.encode(&text).unwrap(), [marks, vec![2]].concat(), "{text:?}");
    }
}

#[test]
fn sentence_piece_files_that_would_be_read_wrongly_are_refused() {
    let reason = |pieces: &[(&str, f32)], more: &[Vec<u8>]| match sentence_piece(pieces, more) {
        Err(Error::UnsupportedTokenizer { reason, .. }) => reason,
        other => panic!("{:?}", other.map(|_| ())),
    };
    let mut tied = scored();
    tied[5].1 = tied[4].1;
    assert!(reason(&tied, &[]).contains("\"\u{2581}a\" and \"ab\" have the same score"));
    tied[5].1 = f32::NAN;
    assert!(reason(&tied, &[]).contains("score"));
    let map = [&0_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &[7]].concat();
    let rewriting = entry("tokenizer.ggml.precompiled_charsmap", 9, &map);
    assert!(reason(&scored(), &[rewriting]).contains("precompiled_charsmap"));
    let rewriting = entry("tokenizer.ggml.remove_extra_whitespaces", 7, &[1]);
    assert!(reason(&scored(), &[rewriting]).contains("remove_extra_whitespaces"));
    assert!(sentence_piece(&scored(), &[entry("tokenizer.ggml.remove_extra_whitespaces", 7, &[0])]).is_ok());
    let unknown = entry("tokenizer.ggml.unknown_token_id", 4, &99_u32.to_le_bytes());
    assert!(reason(&scored(), &[unknown]).contains("unknown token"));
}

/// Where a file does not say whether its contexts begin with a beginning-of-text token, its kind does, as in llama.cpp.
#[test]
fn a_file_says_what_its_contexts_begin_with() {
    let adds = |adds: bool| entry("tokenizer.ggml.add_bos_token", 7, &[u8::from(adds)]);
    let id = |id: u32| entry("tokenizer.ggml.bos_token_id", 4, &id.to_le_bytes());
    let begins = |more: &[Vec<u8>]| sentence_piece(&scored(), more).unwrap();
    assert_eq!(begins(&[]).beginning_of_text(), [1]);
    assert_eq!(begins(&[adds(true), id(0)]).beginning_of_text(), [0]);
    assert!(begins(&[adds(false), id(1)]).beginning_of_text().is_empty());
    assert_ne!(begins(&[]).sha256(), begins(&[adds(false)]).sha256());
    // What is encoded is the text alone.
    assert_eq!(begins(&[]).encode("ab").unwrap(), [4, 8]);

    let byte_level = |pre: &str, more: &[Vec<u8>]| {
        let mut entries = vec![
            entry("tokenizer.ggml.model", 8, &text("gpt2")),
            entry("tokenizer.ggml.pre", 8, &text(pre)),
            entry("tokenizer.ggml.tokens", 9, &texts(&["a", "1"])),
            entry("tokenizer.ggml.merges", 9, &texts(&[])),
        ];
        entries.extend_from_slice(more);
        BpeTokenizer::from_metadata(&read(&file(&entries)).unwrap(), Path::new("made-up.gguf"))
    };
    assert!(byte_level("qwen2", &[id(0)]).unwrap().beginning_of_text().is_empty());
    assert_eq!(byte_level("llama-bpe", &[id(0)]).unwrap().beginning_of_text(), [0]);
    assert_eq!(byte_level("qwen2", &[id(0), adds(true)]).unwrap().beginning_of_text(), [0]);
    let refused = |more: &[Vec<u8>]| byte_level("llama-bpe", more).err().unwrap().to_string();
    assert!(refused(&[]).contains("bos_token_id is missing"), "{}", refused(&[]));
    assert!(refused(&[id(2)]).contains("bos_token_id is 2"), "{}", refused(&[id(2)]));
}

#[test]
fn byte_level_files_are_split_as_their_models_do() {
    let ids = |pre: &str, text: &str| {
        let tokens = ["\u{120}", "a", "1", "2", "3", "12", "123", "1233", "\u{120}1", "#", "\u{10a}", "#\u{10a}"];
        let merges = ["\u{120} 1", "1 2", "12 3", "123 3", "# \u{10a}"];
        let entries = [
            entry("tokenizer.ggml.model", 8, &self::text("gpt2")),
            entry("tokenizer.ggml.pre", 8, &self::text(pre)),
            entry("tokenizer.ggml.tokens", 9, &texts(&tokens)),
            entry("tokenizer.ggml.merges", 9, &texts(&merges)),
        ];
        let metadata = read(&file(&entries)).unwrap();
        BpeTokenizer::from_metadata(&metadata, Path::new("made-up.gguf")).unwrap().encode(text).unwrap()
    };
    // Digits one by one; whole numbers with the space before them; groups of three, line ends behind punctuation.
    assert_eq!(ids("smollm", "a 1233#\n"), [1, 0, 2, 3, 4, 4, 9, 10]);
    assert_eq!(ids("gpt-2", "a 1233#\n"), [1, 8, 3, 4, 4, 9, 10]);
    assert_eq!(ids("gpt-2", "1233"), [7]);
    assert_eq!(ids("dbrx", "a 1233#\n"), [1, 0, 6, 4, 11]);
    // A digit on its own, line ends behind punctuation.
    assert_eq!(ids("qwen2", "a 1233#\n"), [1, 0, 2, 3, 4, 4, 11]);
}

#[test]
fn lies_are_told_apart() {
    let reason = |bytes: &[u8]| match read(bytes) {
        Err(Error::Gguf { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(b"PK\x03\x04 a zip file").contains("does not begin"));
    assert!(reason(b"GGUF\x00\x00\x00\x03").contains("big-endian"));
    assert!(reason(b"GGUF\x01\x00\x00\x00").contains("not supported"));
    assert!(reason(b"GG").contains("ends"));
    // Counts and lengths far beyond the file must not reserve memory.
    let huge = [&u64::MAX.to_le_bytes()[..]].concat();
    assert!(reason(&[b"GGUF\x03\x00\x00\x00", &[0; 8][..], &huge].concat()).contains("does not fit"));
    assert!(reason(&file(&[entry("k", 8, &huge)])).contains("does not fit"));
    assert!(reason(&file(&[entry("k", 9, &[&8_u32.to_le_bytes()[..], &huge].concat())])).contains("does not fit"));
    assert!(reason(&file(&[entry("k", 7, &[2])])).contains("truth"));
    assert!(reason(&file(&[entry("k", 13, &[2])])).contains("13 is not a value type"));
    assert!(reason(&file(&[entry("k", 8, &[&1_u64.to_le_bytes()[..], &[0xff]].concat())])).contains("UTF-8"));
    let deep: Vec<u8> = (0..6).flat_map(|_| [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes()].concat()).collect();
    assert!(reason(&file(&[entry("k", 9, &[&deep[..], &[0; 64]].concat())])).contains("nested"));
    assert!(matches!(BpeTokenizer::from_gguf(Path::new("/no/such/file")), Err(Error::Io { .. })));
}

#[test]
fn every_truncation_is_an_error() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(matches!(read(&whole[..length]), Err(Error::Gguf { .. })), "{length} bytes");
        // The stream may also end before the length that the file system told.
        let early = GgufMetadata::read(&whole[..length], whole.len() as u64, Path::new("early"));
        assert!(matches!(early, Err(Error::Gguf { .. })), "{length} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = sample();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(metadata) = read(&bytes) {
            BpeTokenizer::from_metadata(&metadata, Path::new("damaged")).ok();
        }
    }
}

#[test]
fn the_model_file_says_what_it_is() {
    let metadata = GgufMetadata::open(&smollm2_path()).unwrap();
    assert_eq!(metadata.text("general.architecture"), Some("llama"));
    assert_eq!(metadata.texts("tokenizer.ggml.tokens").unwrap().len(), 49_152);
    assert_eq!(metadata.texts("tokenizer.ggml.merges").unwrap()[0], "Ġ t");
}
