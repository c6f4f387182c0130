//! Round trips of random models, and texts that nobody wrote: the readers answer, whatever the bytes.

use proptest::prelude::*;
use tiresias_model::format::{FormatError, ReadOptions, read};
use tiresias_model::{Dynamics, Kernel, Model, ModelBuilder, Reward, Space};

/// Numbers from a list of weights, which proptest shrinks towards zeros.
struct Draw<'a> {
    weights: &'a [u8],
    next: usize,
}

impl Draw<'_> {
    fn weight(&mut self) -> u8 {
        self.next += 1;
        self.weights[self.next % self.weights.len()].wrapping_add((self.next / self.weights.len()) as u8)
    }

    /// A number with all its binary digits in use, or zero, or large.
    fn number(&mut self) -> f64 {
        match self.weight() % 4 {
            0 => 0.0,
            1 => f64::from(self.weight()) / 7.0 - 18.0,
            2 => -1e17 * f64::from(self.weight()),
            _ => f64::from(self.weight()) * 1e-9,
        }
    }

    fn distribution(&mut self, len: usize) -> Vec<f64> {
        let mut row: Vec<f64> = (0..len).map(|_| f64::from(self.weight() / 64)).collect();
        if row.iter().all(|&p| p == 0.0) {
            row[0] = 1.0;
        }
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|p| *p /= sum);
        row
    }

    fn kernel(&mut self, rows: usize, columns: usize) -> Kernel {
        let dense: Vec<f64> = (0..rows).flat_map(|_| self.distribution(columns)).collect();
        Kernel::from_dense(columns, &dense)
    }

    fn sparse(&mut self, rows: usize, columns: usize) -> Kernel {
        let mut kernel = Kernel::new(columns);
        for _ in 0..rows {
            kernel.push_row((0..columns).map(|c| (c, self.number())).collect::<Vec<_>>());
        }
        kernel
    }
}

fn space(what: &str, len: usize, named: bool) -> Space {
    if !named {
        return Space::unnamed(what, len).unwrap();
    }
    Space::named(what, (0..len).map(|i| format!("{}-{i}", &what[..1].to_uppercase()))).unwrap()
}

prop_compose! {
    fn models()(
        s in 1_usize..6,
        a in 1_usize..4,
        o in 0_usize..4,
        form in 0..4,
        named in any::<[bool; 3]>(),
        discount in 0..100,
        terminal in proptest::collection::vec(any::<prop::sample::Index>(), 0..2),
        weights in proptest::collection::vec(any::<u8>(), 1..200),
    ) -> Model {
        let mut draw = Draw { weights: &weights, next: 0 };
        let observation = (o > 0).then(|| draw.kernel(a * s, o));
        let reward = match form {
            0 => Reward::Action((0..a).map(|_| draw.number()).collect()),
            1 => Reward::StateAction((0..a * s).map(|_| draw.number()).collect()),
            3 if o > 0 => Reward::Full(draw.sparse(a * s, s * o)),
            _ => Reward::Transition(draw.sparse(a * s, s)),
        };
        ModelBuilder {
            name: "round".into(),
            states: space("states", s, named[0]),
            actions: space("actions", a, named[1]),
            observations: (o > 0).then(|| space("observations", o, named[2])),
            reward,
            start: draw.distribution(s),
            discount: f64::from(discount) / 101.0,
            horizon: None,
            terminal: terminal.iter().map(|index| index.index(s)).collect(),
            final_reward: vec![],
            dynamics: vec![Dynamics { transition: draw.kernel(a * s, s), observation }],
            alpha: 1.0,
            ambiguity: None,
            observation_ambiguity: None,
        }
        .build()
        .expect("a valid model")
    }
}

const TIGER: &str = include_str!("data/tiger.pomdp");
const TIGER_X: &str = include_str!("data/tiger.pomdpx");
const TIGER_JSON: &str = include_str!("../../../examples/tiger.json");

/// Reads and forgets; what is refused must have a message that fits on a screen.
fn answers(name: &str, text: &[u8]) {
    if let Err(error) = read(name, text, &ReadOptions::default()) {
        let message = error.to_string();
        assert!(!message.is_empty() && message.lines().count() <= 24, "{message}");
        let FormatError::Text(fault) = error else { panic!("no place in {message}") };
        assert!(fault.line >= 1 && fault.column >= 1 && fault.line <= text.split(|&b| b == b'\n').count());
    }
}

/// Words of the grammar in any order, which come further than random bytes.
fn soup() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "discount",
        "values",
        "states",
        "actions",
        "observations",
        "start",
        "include",
        "exclude",
        "T",
        "O",
        "R",
        "E",
        ":",
        ":",
        ":",
        ":",
        "*",
        "*",
        "0",
        "1",
        "2",
        "0.5",
        "0.9",
        "-1",
        "1e400",
        "uniform",
        "identity",
        "reset",
        "reward",
        "cost",
        "a",
        "b",
        "\n",
        "#",
        "\t",
        "inf",
        "é",
        "discount: 0.9\nstates: a b\nactions: 2\nobservations: 2\n",
        "T: * identity\n",
        "O: * uniform\n",
        "R: * : a",
        "T: 0 : b",
    ];
    proptest::collection::vec(proptest::sample::select(WORDS), 0..60).prop_map(|words| words.join(" "))
}

/// A text with some bytes changed, inserted or taken out.
fn mutated(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..8).prop_map(move |edits| {
        let mut bytes = text.as_bytes().to_vec();
        for (index, byte, kind) in edits {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_written_model_reads_back_equal(model in models()) {
        let text = model.to_pomdp().unwrap();
        let loaded = read("round.pomdp", text.as_bytes(), &ReadOptions::default());
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert_eq!(&loaded.warnings, &[]);
        prop_assert_eq!(&loaded.model, &model, "{}", text);
        let json = read("round.json", model.to_json().as_bytes(), &ReadOptions::default()).unwrap();
        prop_assert_eq!(&json.model, &model);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        ["a.pomdp", "a.pomdpx", "a.json", "a"].iter().for_each(|name| answers(name, &bytes));
    }

    #[test]
    fn any_words_are_answered(text in soup()) {
        answers("a.pomdp", text.as_bytes());
    }

    #[test]
    fn changed_files_are_answered(pomdp in mutated(TIGER), pomdpx in mutated(TIGER_X), json in mutated(TIGER_JSON)) {
        answers("a.json", &json);
        answers("a.pomdp", &pomdp);
        answers("a.pomdpx", &pomdpx);
    }
}

#[test]
fn truncated_bytes_are_answered() {
    (0..TIGER.len()).for_each(|end| answers("a.pomdp", &TIGER.as_bytes()[..end]));
    (0..TIGER_X.len()).for_each(|end| answers("a.pomdpx", &TIGER_X.as_bytes()[..end]));
    (0..TIGER_JSON.len()).for_each(|end| answers("a.json", &TIGER_JSON.as_bytes()[..end]));
    // Files without one of their lines, each in turn.
    for (name, text) in [("a.pomdp", TIGER), ("a.pomdpx", TIGER_X), ("a.json", TIGER_JSON)] {
        let lines: Vec<&str> = text.lines().collect();
        for cut in 0..lines.len() {
            answers(name, [&lines[..cut], &lines[cut + 1..]].concat().join("\n").as_bytes());
        }
    }
}

#[test]
fn broken_json_is_told_where_it_breaks() {
    let text = include_str!("../../../examples/tiger.json");
    for (from, to, column_of, message) in [
        ("\"discount\"", "\"discuont\"", "\"discuont\"", "unknown field `discuont`"),
        ("\"states\"", "states", "states", "key must be a string"),
    ] {
        let broken = text.replacen(from, to, 1);
        let at = broken.find(column_of).unwrap();
        let line = 1 + broken[..at].matches('\n').count();
        let Err(FormatError::Text(fault)) = read("t.json", broken.as_bytes(), &ReadOptions::default()) else {
            panic!("{to} is refused")
        };
        assert_eq!(fault.line, line, "{fault}");
        assert!(fault.message.contains(message), "{fault}");
        assert!(fault.to_string().contains(&format!("t.json:{line}:")), "{fault}");
    }
    let Err(FormatError::Text(fault)) = read("t.json", b"{\n\"name\": \"\xff\"}", &ReadOptions::default()) else {
        panic!("not UTF-8")
    };
    assert_eq!((fault.line, fault.column), (2, 10));
}
