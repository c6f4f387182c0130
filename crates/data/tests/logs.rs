//! Files of others become the episodes that they record, and what is wrong with them is told by line.

use std::fmt::Write as _;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;
use tiresias_data::logs::{Array, Arrays, Import, LogsError, Schema, import, import_arrays, infer};
use tiresias_data::{NOTHING, Trajectories};

const PLAIN: &str = r#"{"episode":"patient","step":"visit","observations":["severity"],"action":"drug","reward":"gain","propensity":"p","terminated":"died"}"#;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn read(name: &str, text: impl AsRef<[u8]>, schema: &str, threads: usize) -> Result<Import, LogsError> {
    let folder = Folder::new();
    import(&folder.file(name, text), &Schema::from_json(schema)?, threads, &|_| ControlFlow::Continue(()))
}

fn taken(name: &str, text: impl AsRef<[u8]>, schema: &str) -> Trajectories {
    read(name, text, schema, 1).unwrap_or_else(|error| panic!("{error}")).trajectories
}

/// What is said of a file that is refused.
fn refused(name: &str, text: impl AsRef<[u8]>, schema: &str) -> String {
    read(name, text, schema, 2).expect_err("it is wrong").to_string()
}

const CSV: &str = "patient,visit,severity,drug,gain,p,died,note
a,0,low,none,1,0.5,,x
a,1,high,drug B,-2.5,0.25,,y
a,2,low,,,,yes,z
7,5,high,none,0,1,no,
";

#[test]
fn a_row_is_a_decision_and_a_last_row_without_an_action_what_was_seen_then() {
    let all = taken("x.csv", CSV, PLAIN);
    assert_eq!((all.len(), all.steps(), all.longest()), (2, 3, 2));
    assert_eq!((0..2).map(|i| all.observation_space().name(i)).collect::<Vec<_>>(), ["high", "low"]);
    assert_eq!((0..2).map(|i| all.action_space().name(i)).collect::<Vec<_>>(), ["drug B", "none"]);
    let first = all.episode(0);
    assert_eq!((first.observations, first.actions, first.rewards), (&[1, 0][..], &[1, 0][..], &[1.0, -2.5][..]));
    assert_eq!((first.propensities, first.last, first.terminated), (&[0.5, 0.25][..], 1, true));
    assert_eq!((first.seen_after(0), first.seen_after(1)), (0, 1));
    let second = all.episode(1);
    assert_eq!((second.observations, second.last, second.terminated), (&[0][..], NOTHING, false));
    assert_eq!(all.columns().origins, [2, 5]);
}

#[test]
fn the_same_records_are_the_same_in_any_format() {
    let csv = taken("x.csv", CSV, PLAIN);
    let json = r#"{"patient":"a","visit":0,"severity":"low","drug":"none","gain":1,"p":0.5,"more":[1,{"x":2}]}
{"patient":"a","visit":1,"severity":"high","drug":"drug B","gain":-2.5,"p":0.25,"died":null}

{"patient":"a","visit":2,"severity":"low","died":true}
{"p":1,"gain":0,"drug":"none","severity":"high","visit":5,"patient":7,"died":false}
"#;
    let same = |other: &Trajectories| {
        let columns = other.columns().clone();
        assert_eq!(tiresias_data::Columns { origins: csv.columns().origins.clone(), ..columns }, *csv.columns());
        assert_eq!(other.observation_space(), csv.observation_space());
    };
    same(&taken("x.jsonl", json, PLAIN));
    same(&taken("x.tsv", CSV.replace(',', "\t"), PLAIN));
    same(&taken("x.csv", CSV.replace(',', ";"), &PLAIN.replacen('{', r#"{"delimiter":";","#, 1)));
    same(&taken("x.csv", CSV.replace('\n', "\r\n"), PLAIN));
    same(&taken("x.csv", format!("\u{feff}{CSV}"), PLAIN));
    same(&taken("x.csv", CSV.trim_end(), PLAIN));
    same(&taken("x.csv", CSV.replace("low", "\"low\"").replace(",x", ",\"x\ny,\"\"z\"\"\""), PLAIN));
    let words =
        |all: &[&str]| Array::Words(all.iter().map(|word| (!word.is_empty()).then(|| (*word).into())).collect());
    let gap = f64::NAN;
    let arrays = Arrays {
        columns: vec![
            ("patient".into(), words(&["a", "a", "a", "7"])),
            ("visit".into(), Array::Numbers(vec![0.0, 1.0, 2.0, 5.0])),
            ("severity".into(), words(&["low", "high", "low", "high"])),
            ("drug".into(), words(&["none", "drug B", "", "none"])),
            ("gain".into(), Array::Numbers(vec![1.0, -2.5, gap, 0.0])),
            ("p".into(), Array::Numbers(vec![0.5, 0.25, gap, 1.0])),
            ("died".into(), words(&["", "", "1", "0"])),
        ],
    };
    same(&import_arrays(&arrays, &Schema::from_json(PLAIN).unwrap()).unwrap().trajectories);
}

#[test]
fn every_fault_is_told_with_its_line() {
    let with = |line: usize, text: &str| {
        let mut lines: Vec<&str> = CSV.lines().collect();
        lines[line - 1] = text;
        refused("x.csv", lines.join("\n"), PLAIN)
    };
    for (line, text, told) in [
        (3, "a,1,high,drug B,-2.5", "line 3: has 5 fields where the header has 8"),
        (3, "a,1,high,drug B,much,0.25,,y", "line 3: column \"gain\" holds \"much\", which is no finite number"),
        (3, "a,1,high,drug B,inf,0.25,,y", "line 3: column \"gain\" holds \"inf\""),
        (3, "a,1,high,drug B,NA,0.25,,y", "line 3: reward \"gain\" is missing"),
        (3, "a,1,high,,2,0.25,,y", "line 3: action \"drug\" is missing"),
        (3, "a,1,,drug B,2,0.25,,y", "line 3: observation \"severity\" is missing"),
        (3, "a,1,high,drug B,2,-0.25,,y", "line 3: propensity is -0.25"),
        (3, "a,1,high,drug B,2,,,y", "line 3: propensity is missing"),
        (3, "a,1,high,drug B,2,1.01,,y", "line 3: propensity is 1.01"),
        (3, "a,0,high,drug B,2,1,,y", "line 3: repeats step 0, which line 2 has"),
        (3, "a,-1,high,drug B,2,1,,y", "line 3: is step -1 after step 0"),
        (3, "a,,high,drug B,2,1,,y", "line 3: step \"visit\" is missing"),
        (2, "a,0,low,none,1,0.5,yes,x", "line 2: says that the episode ended here, but more rows follow"),
        (3, "a,1,high,drug B,2,1,perhaps,y", "line 3: column \"died\" holds \"perhaps\""),
        (3, ",1,high,drug B,2,1,,y", "line 3: column \"patient\" is missing"),
        (5, "7,5,high,,0,1,no,", "line 5: is the only row of its episode and has no action"),
        (
            4,
            "b,1,high,none,2,1,,y\na,2,low,,,,yes,z",
            "line 5: episode \"a\" began at line 2 and goes on here after others",
        ),
    ] {
        let message = with(line, text);
        assert!(message.contains(told), "{text}: {message}");
        assert!(message.contains("so nothing was taken"), "{message}");
    }
    let two = with(3, "a,1,high,drug B,much,7,,y");
    assert!(two.contains("holds \"much\"") && two.contains("propensity is 7"), "all faults are told together: {two}");
    let json = refused(
        "x.jsonl",
        "{\"patient\":1,\"visit\":0,\"severity\":2,\"drug\":3,\"gain\":1,\"p\":1,\"died\":0}\n{\"patient\":\n",
        PLAIN,
    );
    assert!(json.contains("line 2: is no JSON object of plain fields"), "{json}");
    let list = refused(
        "x.jsonl",
        "{\"patient\":1,\"visit\":0,\"severity\":[2],\"drug\":3,\"gain\":1,\"p\":1,\"died\":0}\n",
        PLAIN,
    );
    assert!(list.contains("line 1:") && list.contains("a list stands where one value is needed"), "{list}");
}

#[test]
fn lines_are_counted_alike_whatever_ends_them_and_for_any_number_of_threads() {
    let rows = |end: &str| {
        (0..200).fold(format!("patient,visit,severity,drug,gain,p,died{end}"), |mut text, i| {
            let gain = if i % 37 == 36 { "bad".into() } else { i.to_string() };
            let _ = write!(text, "{},{},low,none,{gain},1,{end}{}", i / 5, i % 5, if i == 50 { end } else { "" });
            text
        })
    };
    // The header is line 1, and one line is blank.
    let expected: Vec<usize> = (0..200).filter(|i| i % 37 == 36).map(|i| i + 2 + usize::from(i > 50)).collect();
    for end in ["\n", "\r\n"] {
        for (text, threads) in
            [(rows(end), 1), (rows(end), 2), (rows(end), 5), (rows(end).replace("low", "\"low\""), 2)]
        {
            let Err(LogsError::Faults(faults)) = read("x.csv", text, PLAIN, threads) else { panic!("they are wrong") };
            let mut lines: Vec<usize> = faults.told.iter().map(|fault| fault.line as usize).collect();
            lines.dedup();
            assert_eq!(lines, expected, "{end:?} {threads}");
        }
    }
    let origins = |end: &str, threads| {
        let text = rows(end).replace("bad", "1");
        read("x.csv", text, PLAIN, threads).unwrap().trajectories.columns().origins.clone()
    };
    assert_eq!(origins("\n", 1), origins("\r\n", 3));
}

#[test]
fn nothing_is_lost_without_a_word() {
    let open = refused(
        "x.csv",
        "e,o,a,r,note\n1,x,l,1,\"hello\n1,x,r,2,ok\n2,y,r,4,ok\n",
        r#"{"episode":"e","observations":["o"],"action":"a","reward":"r"}"#,
    );
    assert!(open.contains("line 2: has a quote that is never closed"), "{open}");
    let reward = refused("x.csv", CSV.replace("a,2,low,,,,yes,z", "a,2,low,,100,,yes,z"), PLAIN);
    assert!(reward.contains("line 4: has the reward 100 but no action"), "{reward}");
    let step = refused("x.csv", CSV.replace("a,2,low,,,,yes,z", "a,1,low,,,,yes,z"), PLAIN);
    assert!(step.contains("line 4: repeats step 1"), "{step}");
    let many =
        (0..60).map(|i| format!("{i},0,low,none,1,7,")).chain((60..120).map(|i| format!("{i},0,low,none,bad,1,")));
    let text = format!("patient,visit,severity,drug,gain,p,died\n{}", many.collect::<Vec<_>>().join("\n"));
    let told = refused("x.csv", text, PLAIN);
    assert!(
        told.contains("line 2: propensity is 7") && told.contains("line 51:") && !told.contains("line 62:"),
        "the first are told: {told}"
    );
}

#[test]
fn numbers_may_stand_for_missing() {
    let schema = r#"{"episode":"e","observations":[{"column":"o","whenMissing":"nothing"}],"action":"a","reward":{"column":"r","whenMissing":0},"missing":["-999","."]}"#;
    for (name, text) in [
        ("x.csv", "e,o,a,r\n1,-999,l,-999\n1,x,l,1\n2,.,l,.\n"),
        (
            "x.jsonl",
            "{\"e\":1,\"o\":-999,\"a\":\"l\",\"r\":-999}\n{\"e\":1,\"o\":\"x\",\"a\":\"l\",\"r\":1}\n{\"e\":2,\"o\":\".\",\"a\":\"l\",\"r\":-999.0}\n",
        ),
    ] {
        let all = taken(name, text, schema);
        assert_eq!(
            (all.columns().observations.clone(), all.columns().rewards.clone()),
            (vec![NOTHING, 0, NOTHING], vec![0.0, 1.0, 0.0])
        );
    }
    let large =
        "{\"e\":9223372036854775809,\"o\":1,\"a\":1,\"r\":1}\n{\"e\":9223372036854775810,\"o\":1,\"a\":1,\"r\":1}\n";
    assert_eq!(taken("x.jsonl", large, schema).len(), 2);
}

#[test]
fn what_a_schema_gets_wrong_is_named() {
    for (schema, told) in [
        (r#"{"episode":"patient","observations":[],"action":"drug","reward":"gain"}"#, "names no column"),
        (
            r#"{"episode":"patient","observations":["severty"],"action":"drug","reward":"gain"}"#,
            "no column \"severty\"; it has patient, visit",
        ),
        (
            r#"{"episode":"patient","observations":[{"column":"visit","edges":[2,1]}],"action":"drug","reward":"gain"}"#,
            "each larger than the one before",
        ),
        (
            r#"{"episode":"patient","observations":[{"column":"visit","edges":[2],"quantiles":3}],"action":"drug","reward":"gain"}"#,
            "more than one of",
        ),
        (
            r#"{"episode":"patient","observations":[{"columns":["visit","p"]}],"action":"drug","reward":"gain"}"#,
            "only by `clusters`",
        ),
        (
            r#"{"episode":"patient","observations":["severity"],"action":"drug","reward":"gain","sort":true}"#,
            "needs a column `step`",
        ),
        (
            r#"{"schema":"tiresias.logs/2","episode":"patient","observations":["severity"],"action":"drug","reward":"gain"}"#,
            "\"tiresias.logs/2\" is not known",
        ),
        (
            r#"{"episode":"patient","observations":["severity"],"action":"drug","reward":"gain","stepp":"visit"}"#,
            "unknown field `stepp`",
        ),
        (
            r#"{"episode":"patient","observations":["severity",{"colum":"visit","edges":[2]}],"action":"drug","reward":"gain"}"#,
            "`observations[1].colum`: unknown field `colum`, expected one of `column`, `columns`, `edges`",
        ),
        (
            r#"{"episode":"patient","observations":["severity"],"action":{"column":"drug","name":["none"]},"reward":"gain"}"#,
            "`action.name`: unknown field `name`, expected `column` or `names`",
        ),
        (
            r#"{"episode":"patient","observations":["severity"],"action":"drug","reward":{"column":"gain","whenMissing":"0"}}"#,
            "`reward.whenMissing`: invalid type: string \"0\", expected a number",
        ),
        (
            r#"{"episode":"patient","observations":[7],"action":"drug","reward":"gain"}"#,
            "`observations[0]`: invalid type: integer `7`, expected a column's name, or an object that says more of it",
        ),
        (
            r#"{"episode":"patient","observations":["severity"],"action":{"column":"drug","names":["none"]},"reward":"gain"}"#,
            "action \"drug B\" is not among the schema's `names`: none",
        ),
    ] {
        let message = refused("x.csv", CSV, schema);
        assert!(message.contains(told), "{schema}: {message}");
    }
    assert!(refused("x.csv", "", PLAIN).contains("is empty; its first line must name the columns"));
    assert!(refused("x.csv", "patient,visit,severity,drug,gain,p,died\n", PLAIN).contains("the file has no row"));
    assert!(refused("x.csv", CSV.replacen("note", "died", 1), PLAIN).contains("stands more than once in the header"));
    assert!(refused("x.dat", CSV, PLAIN).contains("name it .csv, .tsv, .jsonl or .parquet"));
    assert!(refused("x.parquet", CSV, PLAIN).contains("x.parquet: "));
}

#[test]
fn rows_in_any_order_are_sorted_where_that_is_asked_for() {
    let mut lines: Vec<&str> = CSV.lines().collect();
    lines.swap(1, 3);
    lines.swap(2, 4);
    let sorted = taken("x.csv", lines.join("\n"), &PLAIN.replacen('{', r#"{"sort":true,"#, 1));
    let plain = taken("x.csv", CSV, PLAIN);
    assert_eq!(sorted.columns().observations, plain.columns().observations);
    assert_eq!(sorted.columns().rewards, plain.columns().rewards);
    assert_eq!(sorted.columns().last, plain.columns().last);
    assert!(refused("x.csv", lines.join("\n"), PLAIN).contains("began at line"));
}

#[test]
fn a_missing_observation_means_what_the_schema_says() {
    let text = "e,x,a,r\n1,,0,0\n1,3,0,0\n1,,0,0\n2,4,1,0\n2,NA,1,0\n";
    let with = |meaning: &str| {
        let schema = format!(
            r#"{{"episode":"e","observations":[{{"column":"x","whenMissing":"{meaning}"}}],"action":"a","reward":"r"}}"#
        );
        let all = taken("x.csv", text, &schema);
        (
            all.columns().observations.clone(),
            (0..all.observation_space().len()).map(|i| all.observation_space().name(i)).collect::<Vec<_>>(),
        )
    };
    assert_eq!(with("nothing"), (vec![NOTHING, 0, NOTHING, 1, NOTHING], vec!["3".into(), "4".into()]));
    assert_eq!(with("symbol"), (vec![2, 0, 2, 1, 2], vec!["3".into(), "4".into(), "missing".into()]));
    assert_eq!(with("previous"), (vec![NOTHING, 0, 0, 1, 1], vec!["3".into(), "4".into()]));
}

#[test]
fn numbers_become_intervals_and_columns_one_symbol() {
    let text = "e,x,y,a,r\n1,-5,b,0,0\n1,1,b,0,0\n1,1.5,a,0,0\n1,2,a,1,0\n1,1e3,b,1,0\n";
    let schema = r#"{"episode":"e","observations":[{"column":"x","edges":[1,2]},"y"],"action":"a","reward":"r"}"#;
    let all = taken("x.csv", text, schema);
    let names: Vec<String> =
        all.columns().observations.iter().map(|&symbol| all.observation_space().name(symbol as usize)).collect();
    assert_eq!(names, ["<1,b", "1..2,b", "1..2,a", ">=2,a", ">=2,b"]);
    assert_eq!(all.observation_space().len(), 5, "only what occurs is a symbol");
    let wide: String = (0..1000).fold("e,x,a,r\n".into(), |mut text, i| {
        let _ = writeln!(text, "1,{},0,0", (i * 7919) % 1000);
        text
    });
    let all = taken(
        "x.csv",
        wide,
        r#"{"episode":"e","observations":[{"column":"x","quantiles":4}],"action":"a","reward":"r"}"#,
    );
    let counts = (0..4).map(|symbol| all.columns().observations.iter().filter(|&&seen| seen == symbol).count());
    assert_eq!(counts.collect::<Vec<_>>(), [250; 4]);
}

#[test]
fn clusters_find_groups_that_lie_apart() {
    let centres = [(0.0, 0.0), (1.0, 500.0), (9.0, 20.0)];
    let text = (0..300).fold(String::from("e,x,y,a,r\n"), |mut text, i| {
        let (x, y) = centres[i % 3];
        let shift = ((i * 37) % 11) as f64 / 10.0 - 0.5;
        let _ = writeln!(text, "1,{},{},0,0", x + shift * 0.1, y + shift * 5.0);
        text
    });
    let schema = r#"{"episode":"e","observations":[{"columns":["x","y"],"clusters":3}],"action":"a","reward":"r"}"#;
    let Import { trajectories, report } = read("x.csv", &text, schema, 2).unwrap();
    let symbols = &trajectories.columns().observations;
    assert!((3..300).all(|i| symbols[i] == symbols[i % 3]) && symbols[0] != symbols[1] && symbols[1] != symbols[2]);
    let found = report.columns[0].centres.as_ref().unwrap();
    for (symbol, &(x, y)) in symbols.iter().zip(&centres) {
        let centre = &found[*symbol as usize];
        assert!((centre[0] - x).abs() < 0.05 && (centre[1] - y).abs() < 2.0, "{centre:?}");
    }
    assert_eq!(read("x.csv", &text, schema, 1).unwrap().trajectories, trajectories);
}

#[test]
fn a_file_of_many_blocks_is_read_alike_by_any_number_of_threads() {
    // Some 12 MB: three blocks for one thread; a quote far behind makes one reader go through the rest.
    let mut text = String::from("patient,visit,severity,drug,gain,p,died,note\n");
    for episode in 0..60_000 {
        for visit in 0..5 {
            let _ = writeln!(
                text,
                "p{episode},{visit},{},{},{},0.5,,some words",
                (episode * 7 + visit) % 13,
                (episode + visit * visit) % 3,
                f64::from(visit) / 8.0
            );
        }
    }
    let one = taken("x.csv", &text, PLAIN);
    assert_eq!((one.len(), one.steps()), (60_000, 300_000));
    assert_eq!(one.columns().origins[59_999], 299_997);
    let at = |i: usize| one.observation_space().name(one.columns().observations[i] as usize);
    assert_eq!((at(0), at(7), at(299_999)), ("0".into(), "9".into(), ((59_999 * 7 + 4) % 13).to_string()));
    assert_eq!(read("x.csv", &text, PLAIN, 3).unwrap().trajectories, one);
    let quoted = format!("{text}\"p60000\",0,\"0\",0,\"0.25\",1,,\"a\nb\"\nlast,0,0,0,zero,1,,\n");
    let message = refused("x.csv", &quoted, PLAIN);
    assert!(message.contains("line 300004: column \"gain\" holds \"zero\""), "{message}");
    let jsonl = text.lines().skip(1).fold(String::new(), |mut all, line| {
        let field: Vec<&str> = line.split(',').collect();
        let _ = writeln!(
            all,
            r#"{{"patient":"{}","visit":{},"severity":{},"drug":{},"gain":{},"p":0.5,"died":null}}"#,
            field[0], field[1], field[2], field[3], field[4]
        );
        all
    });
    let from_json = read("x.jsonl", &jsonl, PLAIN, 2).unwrap().trajectories;
    assert_eq!(from_json.columns().observations, one.columns().observations);
    assert_eq!(from_json.columns().rewards, one.columns().rewards);
    let stop =
        import(&Folder::new().file("x.csv", &text), &Schema::from_json(PLAIN).unwrap(), 1, &|_| ControlFlow::Break(()));
    assert!(matches!(stop, Err(LogsError::Cancelled)));
}

#[test]
fn the_report_counts() {
    let Import { report, .. } = read("x.csv", CSV, PLAIN, 1).unwrap();
    assert_eq!((report.episodes, report.steps, report.lengths.least, report.lengths.most), (2, 3, 1, 2));
    assert_eq!((report.rewards, report.returns), ([-2.5, -0.5, 1.0], [-1.5, -0.75, 0.0]));
    assert_eq!(report.actions.iter().map(|action| action.count).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((report.coverage.seen, report.coverage.possible), (3, 4));
    assert_eq!(report.coverage.absent, [("low".to_string(), "drug B".to_string())]);
    assert!((report.terminated - 0.5).abs() < 1e-12 && report.propensities);
}

#[test]
fn a_schema_is_proposed_from_names_and_values() {
    let folder = Folder::new();
    let text = (0..100).fold(String::from("Patient_ID,visit,bp,sex,Treatment,reward,done,next_bp\n"), |mut text, i| {
        let _ = writeln!(
            text,
            "{},{},{},{},{},1,0,3",
            i / 10,
            i % 10,
            80.5 + f64::from(i),
            ["f", ""][i as usize % 2],
            i % 3
        );
        text
    });
    let found = infer(&folder.file("x.csv", &text), None).unwrap();
    let schema = found.schema.unwrap();
    assert_eq!(
        (schema.episode.as_str(), schema.step.as_deref(), schema.terminated.as_deref()),
        ("Patient_ID", Some("visit"), Some("done"))
    );
    assert_eq!(
        schema.observations.iter().map(|column| (column.columns[0].as_str(), column.quantiles)).collect::<Vec<_>>(),
        [("bp", Some(4)), ("sex", None)]
    );
    assert!(found.notes.iter().any(|note| note.contains("propensity")));
    let again = Schema::from_json(&schema.to_json()).unwrap();
    assert_eq!(again, schema);
    let read = import(&folder.file("y.csv", &text), &again, 1, &|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(read.report.steps, 100);
    let none = infer(&folder.file("z.csv", "x,y\n1,2\n"), None).unwrap();
    assert!(none.schema.is_none() && none.notes.iter().any(|note| note.contains("no column looks like `episode`")));
    // What stands in its place says what is asked for, and reads the file once that is filled in.
    let draft = none.draft.unwrap().to_json();
    assert_eq!(draft.matches("FILL IN: ").count(), 3);
    assert!(refused("z.csv", "x,y\n1,2\n", &draft).contains("FILL IN: the column that names the episode of a row"));
    let mut filled: serde_json::Value = serde_json::from_str(&draft).unwrap();
    (filled["episode"], filled["action"], filled["reward"]) = ("x".into(), "y".into(), "y".into());
    assert_eq!(taken("z.csv", "x,y\n1,2\n", &filled.to_string()).steps(), 1);
    let unseen = infer(&folder.file("w.csv", "episode,action,reward\n1,2,3\n"), None).unwrap();
    assert!(unseen.draft.unwrap().to_json().contains("FILL IN: a column of what was seen before each action"));
    assert!(found.draft.is_none());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(prop::sample::select(b"patient,visit\n\r\",;e1.0-x\xff\0{}[]:".to_vec()), 0..200), kind in 0_usize..3) {
        let name = ["x.csv", "x.jsonl", "x.parquet"][kind];
        let _ = read(name, &bytes, PLAIN, 2);
        let header = [b"patient,visit,severity,drug,gain,p,died\n".as_slice(), &bytes].concat();
        let _ = read("x.csv", header, PLAIN, 1);
        let folder = Folder::new();
        let _ = infer(&folder.file(name, &bytes), None);
    }

    #[test]
    fn episodes_survive_csv(episodes in prop::collection::vec(prop::collection::vec((0_u8..4, 0_u8..3, -1e6_f64..1e6, 0.001_f64..1.0), 1..6), 1..8), last in prop::option::of(0_u8..4)) {
        let mut text = String::from("patient,visit,severity,drug,gain,p,died\n");
        for (e, steps) in episodes.iter().enumerate() {
            for (t, (seen, action, reward, p)) in steps.iter().enumerate() {
                writeln!(text, "{e},{t},s{seen},{action},{reward},{p},").unwrap();
            }
            if let Some(last) = last {
                writeln!(text, "{e},{},s{last},,,,1", steps.len()).unwrap();
            }
        }
        let all = taken("x.csv", &text, PLAIN);
        prop_assert_eq!(all.len(), episodes.len());
        let seen = |symbol: i32| all.observation_space().name(symbol as usize);
        for (episode, steps) in all.episodes().zip(&episodes) {
            prop_assert_eq!(episode.rewards, &steps.iter().map(|step| step.2).collect::<Vec<_>>()[..]);
            prop_assert_eq!(episode.propensities, &steps.iter().map(|step| step.3).collect::<Vec<_>>()[..]);
            for (t, step) in steps.iter().enumerate() {
                prop_assert_eq!(seen(episode.observations[t]), format!("s{}", step.0));
                prop_assert_eq!(all.action_space().name(episode.actions[t].into()), step.1.to_string());
            }
            prop_assert_eq!((episode.last != NOTHING).then(|| seen(episode.last)), last.map(|last| format!("s{last}")));
            prop_assert_eq!(episode.terminated, last.is_some());
        }
    }
}
