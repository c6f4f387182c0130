//! What the readers of models promise, over many texts: rows within 1e-5 by their decimals, formats told by their beginning, XML
//! as APPL takes it, byte-order marks, and answers to whatever is cut short.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::Config;
use tiresias_model::distribution::distribution;
use tiresias_model::format::{Format, FormatError, Loaded, ReadOptions, read};

fn cases(short: u32) -> Config {
    let full = std::env::var("TIRESIAS_PROMISES").is_ok_and(|value| value == "full");
    Config { failure_persistence: None, ..Config::with_cases(if full { short * 20 } else { short }) }
}

fn load(name: &str, text: &str) -> Result<Loaded, FormatError> {
    read(name, text.as_bytes(), &ReadOptions::default())
}

/// A distribution of `row` as each format writes it: in a `.pomdp` text, in POMDPX and in JSON.
fn texts(row: &[String]) -> [(&'static str, String); 3] {
    let (n, listed) = (row.len(), row.join(" "));
    let pomdp = format!(
        "discount: 0.9\nvalues: reward\nstates: {n}\nactions: 1\nobservations: 1\nstart: {}\nT: 0 : * {listed}\nO: * uniform\nR: * : * : * : * 1\n",
        if n == 1 { row[0].clone() } else { listed.clone() },
    );
    let table = |var: &str, parents: &str, instance: &str, numbers: &str| {
        format!(
            "<CondProb><Var>{var}</Var><Parent>{parents}</Parent><Parameter type=\"TBL\"><Entry><Instance>{instance}</Instance>\
             <ProbTable>{numbers}</ProbTable></Entry></Parameter></CondProb>"
        )
    };
    let pomdpx = format!(
        "<pomdpx><Discount>0.9</Discount><Variable><StateVar vnamePrev=\"x\" vnameCurr=\"y\"><NumValues>{n}</NumValues></StateVar>\
         <ObsVar vname=\"o\"><NumValues>1</NumValues></ObsVar><ActionVar vname=\"a\"><NumValues>1</NumValues></ActionVar>\
         <RewardVar vname=\"r\"/></Variable><InitialStateBelief>{}</InitialStateBelief><StateTransitionFunction>{}\
         </StateTransitionFunction><ObsFunction>{}</ObsFunction><RewardFunction></RewardFunction></pomdpx>",
        table("x", "null", "-", &listed),
        table("y", "x", "* -", &listed),
        table("o", "null", "-", "1"),
    );
    let json = format!(
        "{{\"schema\":\"tiresias.model/1\",\"states\":{n},\"actions\":1,\"discount\":0.9,\"reward\":{{\"action\":[1]}},\"start\":[{0}],\
         \"dynamics\":[{{\"transition\":[[{1}]]}}]}}",
        row.join(","),
        vec![format!("[{}]", row.join(",")); n].join(","),
    );
    [("row.pomdp", pomdp), ("row.pomdpx", pomdpx), ("row.json", json)]
}

proptest! {
    #![proptest_config(cases(200))]

    /// A row of decimals is read exactly when the decimals sum to 1 within 1e-5, and whole-number arithmetic decides which do.
    #[test]
    fn rows_are_read_by_their_decimals(
        digits in 5_u32..=8,
        weights in prop::collection::vec(0_u64..1000, 1..12),
        off in prop_oneof![Just(0_i64), Just(1), Just(-1), -3_i64..=3],
        nudge in -2_i64..=2,
    ) {
        let one = 10_i64.pow(digits);
        let total = weights.iter().sum::<u64>().max(1) as i64;
        let mut row: Vec<i64> = weights.iter().map(|&w| w as i64 * one / total).collect();
        // Off by a multiple of the tolerance, and by so many last digits: at it, just within it, just beyond it.
        let limit = 10_i64.pow(digits - 5);
        let missing = one + off * limit + nudge - row.iter().sum::<i64>();
        *row.iter_mut().max().unwrap() += missing;
        let sum: i64 = row.iter().sum();
        let written: Vec<String> =
            row.iter().map(|&p| format!("{}.{:0width$}", p / one, p % one, width = digits as usize)).collect();
        let within = (sum - one).abs() <= limit;
        for (name, text) in texts(&written) {
            match load(name, &text) {
                Ok(loaded) => {
                    prop_assert!(within, "{name} read {written:?}");
                    let sum = loaded.model.start().iter().sum::<f64>();
                    prop_assert!((sum - 1.0).abs() < 1e-12, "{name} {sum}");
                    // What is off by more than the last digits of binary fractions is said.
                    prop_assert_eq!(loaded.warnings.is_empty(), (sum_of(&row) - one).abs() * 1_000_000_000 <= one, "{} {:?}", name, loaded.warnings);
                }
                Err(error) => prop_assert!(!within, "{name} refused {written:?}: {error}"),
            }
        }
        let numbers: Vec<f64> = written.iter().map(|p| p.parse().unwrap()).collect();
        match distribution(&numbers) {
            Ok(p) => prop_assert!(within && (p.iter().sum::<f64>() - 1.0).abs() < 1e-12),
            Err(problem) => prop_assert!(!within, "{problem}"),
        }
    }

    /// The same text under any name is the same model.
    #[test]
    fn the_beginning_decides_the_format(suffix in "(pomdp|mdp|pomdpx|json|xml|txt|POMDP|)", lead in "(\u{feff})?[ \n\t]{0,3}") {
        let row = vec!["0.25".to_string(), "0.75".into()];
        for ((_, text), format) in texts(&row).into_iter().zip([Format::Pomdp, Format::Pomdpx, Format::Json]) {
            let lead = if format == Format::Pomdp { format!("{lead}# <xml> {{\n") } else { lead.clone() };
            let loaded = load(&format!("model.{suffix}"), &format!("{lead}{text}")).unwrap();
            prop_assert_eq!(loaded.format, format);
            prop_assert_eq!(loaded.model.start(), &[0.25, 0.75]);
        }
    }

    /// What is cut short anywhere is an error with its place, or (after the last table of a `.pomdp` text) a model; in time linear in
    /// the text.
    #[test]
    fn texts_cut_short_are_answered(states in 1_usize..40, cut in any::<prop::sample::Index>()) {
        let row: Vec<String> = (0..states).map(|i| if i == 0 { "1.0" } else { "0.0" }.to_string()).collect();
        for (name, text) in texts(&row) {
            let cut = cut.index(text.len());
            let start = Instant::now();
            match read(name, &text.as_bytes()[..cut], &ReadOptions::default()) {
                Ok(_) => prop_assert!(name == "row.pomdp" || text[cut..].trim().is_empty(), "{name} at {cut}"),
                Err(FormatError::Text(_)) => {}
                Err(other) => prop_assert!(false, "{name} at {cut}: no place: {other}"),
            }
            prop_assert!(start.elapsed() < Duration::from_secs(2), "{name} at {cut}");
        }
    }
}

fn sum_of(row: &[i64]) -> i64 {
    row.iter().sum()
}

/// What `TinyXML`, with which APPL reads, takes and the standard does not; each with a part of the warning.
const LAX: &[(&str, &str, &str)] = &[
    (
        "<pomdpx>",
        "<pomdpx version='0.1' xmlns:='http://a.example/x' xsi:schema='pomdpx.xsd'>",
        "`xmlns:`, which ends in a colon",
    ),
    ("<pomdpx>", "<pomdpx xsi:schema='pomdpx.xsd'>", "`xsi:`, which nothing declares"),
    ("<Discount>", "<!-- a -- b --><Discount>", "`--` within a comment"),
    ("<Discount>", "<Description>search & rescue</Description><Discount>", "a bare `&`"),
    ("<Discount>", "<Description>search &lost; rescue</Description><Discount>", "an entity"),
    ("vname=\"o\"", "vname=o", "without quotes"),
    ("<Discount>", "<Horizon>7</Horizon><Discount>", "<Horizon> is no part of a model"),
    ("</pomdpx>", "</pomdpx> and more", "after the end"),
    ("</pomdpx>", "</pomdpx><pomdpx>", "after the end"),
];

/// What the standard takes too, and warns of nothing.
const STRICT: &[(&str, &str)] = &[
    ("<pomdpx>", "<?xml version='1.0' encoding='ISO-8859-1'?>\n<!DOCTYPE pomdpx>\n<pomdpx>"),
    ("<pomdpx>", "<!DOCTYPE pomdpx SYSTEM \"http://nowhere.invalid/pomdpx.dtd\" [<!ENTITY a \"b\">]>\n<pomdpx>"),
    ("<pomdpx>", "<pomdpx xmlns:xsi='http://a.example/x' xsi:schema=\"pomdpx.xsd\">"),
    ("<Discount>", "<Description>search &amp; rescue &#65;</Description><Discount>"),
    ("<Discount>", "<Description><![CDATA[ <&> ]]></Description><Discount>"),
    ("</pomdpx>", "</pomdpx>\n<!-- the end -->\n"),
];

#[test]
fn xml_is_read_as_appl_reads_it() {
    let row = vec!["0.25".to_string(), "0.75".into()];
    let [_, (_, text), _] = texts(&row);
    let model = load("x", &text).unwrap().model;
    for (from, to, warning) in LAX {
        let changed = text.replacen(from, to, 1);
        let loaded = load("x", &changed).unwrap_or_else(|error| panic!("{to}: {error}"));
        assert_eq!(loaded.model, model, "{to}");
        assert!(loaded.warnings.iter().any(|w| w.message.contains(warning)), "{to}: {:?}", loaded.warnings);
    }
    for (from, to) in STRICT {
        let loaded = load("x", &text.replacen(from, to, 1)).unwrap_or_else(|error| panic!("{to}: {error}"));
        assert_eq!((loaded.model, loaded.warnings), (model.clone(), Vec::new()), "{to}");
    }
}

/// Entities that a text declares are never replaced: a kilobyte that stands for a gigabyte costs a kilobyte.
#[test]
fn entities_are_not_replaced() {
    let declared = (1..30).map(|i| format!("<!ENTITY e{i} \"&e{0};&e{0};&e{0};&e{0};\">", i - 1));
    let bomb = declared.collect::<Vec<_>>().concat();
    let text = format!(
        "<!DOCTYPE pomdpx [<!ENTITY e0 \"ha\">{bomb}<!ENTITY f SYSTEM \"file:///etc/hostname\">]>\n<pomdpx><Discount>&e29;</Discount></pomdpx>"
    );
    let error = load("bomb.pomdpx", &text).unwrap_err().to_string();
    assert!(error.contains("expected a number, found `&e29;`"), "{error}");
}

#[test]
fn what_no_reader_takes_is_located() {
    for (text, message) in [
        ("<pomdpx><a b='1' b='2'/></pomdpx>", "the attribute `b` stands twice"),
        ("<pomdpx><a b></a></pomdpx>", "the attribute `b` has no value"),
        ("<pomdpx>1 < 2</pomdpx>", "`<` begins no element"),
        ("<pomdpx><a></b></pomdpx>", "expected `</a>`"),
        ("<pomdpx><a>", "<a> is never closed"),
        ("<pomdpx><a", "not closed"),
        ("<!-- nothing -->", "there is no element"),
        ("<?xml version='1.0'?> text <pomdpx/>", "text before the first element"),
    ] {
        let error = load("x.pomdpx", text).unwrap_err().to_string();
        assert!(error.contains(message) && error.contains("x.pomdpx:1:"), "{text}\n{error}");
    }
}

/// A slip that many make is told what was meant.
#[test]
fn common_slips_have_hints() {
    const HEAD: &str = "discount: 0.9\nstates: here there\nactions: stay go\nobservations: 2\n";
    for (text, hint) in [
        (format!("{HEAD}start: here there\n"), "`start include: here there`"),
        ("discount: 0.9\nstates: a b c\nactions: 1\nobservations: 1\nstart: b c\n".into(), "`start include: b c`"),
        ("discount: 0.9\nstate: a b\n".into(), "perhaps `states:`"),
        ("Discount: 0.9\nstates: a b\n".into(), "perhaps `discount:`"),
        ("discount: 0.9\nstates: a b\nobservation: 2\n".into(), "perhaps `observations:`"),
        ("discount: 0,9\n".into(), "decimal point"),
        ("discount: 9/10\n".into(), "fractions are not read"),
        ("discount: 90%\n".into(), "`0.5` for 50%"),
        ("// a model\ndiscount: 0.9\n".into(), "comments begin with `#`"),
        ("discount: 0.9\nstates: a, b\nactions: 1\nT: 0 : a : b 1\n".into(), "names are separated by spaces"),
        (format!("{HEAD}R: go 5\n"), "`R: go : * : * : * NUMBER`"),
        (format!("{HEAD}T: go : here 0.5 0.5 0.5\n"), "a number more than the statement before asks for"),
        (format!("{HEAD}T: go : here 0.5, 0.5\n"), "not by commas"),
    ] {
        let error = load("m.pomdp", &text).unwrap_err().to_string();
        assert!(error.contains(hint), "{text}\nexpected {hint}\n{error}");
    }
}
