//! Shards: what is written is what is read, byte for byte the same each time, or nothing is left behind.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tiresias_encode::{Error, Row, ShardFormat, ShardWriter, Task, file_digest, read_shard};

const FORMATS: [ShardFormat; 3] = [ShardFormat::Parquet, ShardFormat::Jsonl, ShardFormat::Safetensors];

fn row(i: u64) -> Row {
    let n = (i % 5) as usize;
    Row {
        input_ids: (0..n as u32 * 3).collect(),
        labels: (0..n as i32 * 3).map(|l| if l % 3 == 1 { l } else { -100 }).collect(),
        prompt: "mdp\n#\n".repeat(n),
        completion: format!("{i},1,20\n"),
        task: Task { family: "energy".into(), split: "train".into(), index: i, seed: i64::MAX as u64 },
        regime: "mdp".into(),
        horizon: n as u32,
        behaviour: "epsilon:0.25 \"ü\"".into(),
        oracle_actions: (0..n as u8).collect(),
        regret_bounds: (0..n).map(|k| k as f64 / 3.0 + 1e-17).collect(),
        tokenizer_sha: "a".repeat(64),
        template_sha: "b".repeat(64),
    }
}

fn write(path: &Path, format: ShardFormat, rows: &[Row]) -> tiresias_encode::ShardSummary {
    let mut writer = ShardWriter::create(path, format).unwrap();
    rows.iter().for_each(|row| writer.push(&row.borrowed()).unwrap());
    writer.finish().unwrap()
}

fn read(path: &Path) -> Vec<Row> {
    read_shard(path).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn round_trip_over_several_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    for (count, format) in [0, 1, 20_000].into_iter().flat_map(|n| FORMATS.map(|format| (n, format))) {
        let path = folder.path().join(format!("{count}.{}", format.extension()));
        let rows: Vec<Row> = (0..count).map(row).collect();
        let summary = write(&path, format, &rows);
        assert_eq!(summary.rows, count);
        assert_eq!(file_digest(&path).unwrap(), (summary.bytes, summary.sha256.clone()));
        assert!(read(&path) == rows, "{count} rows, {format:?}");
        let again = write(&folder.path().join("again"), format, &rows);
        assert_eq!(again.sha256, summary.sha256, "equal rows give equal bytes");
    }
    assert!(!folder.path().join("again.tmp").exists());
}

/// Dictionaries of every width, and what stands at their ends.
#[test]
fn many_distinct_ids_survive() {
    let folder = tempfile::tempdir().unwrap();
    for distinct in [1, 2, 255, 257, 4097, 70_001] {
        let spread = |i: u32| i.wrapping_mul(2_654_435_761) >> 1;
        let rows: Vec<Row> = (0..3)
            .map(|k| Row {
                input_ids: (0..distinct).map(|i| spread((i + k) % distinct)).collect(),
                labels: (0..distinct as i32).map(|i| if i % 7 == 0 { i - 200 } else { -100 }).collect(),
                ..row(1)
            })
            .collect();
        for format in FORMATS {
            let path = folder.path().join("wide");
            write(&path, format, &rows);
            assert!(read(&path) == rows, "{distinct} ids, {format:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_row_survives(
        ids in prop::collection::vec(0..=i32::MAX as u32, 0..40),
        label in any::<i32>(),
        text in "\\PC*",
        bounds in prop::collection::vec(-1e300..1e300_f64, 0..10),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let rows = [
            Row {
                labels: vec![label; ids.len()],
                input_ids: ids,
                prompt: text.clone(),
                completion: text.clone(),
                behaviour: text,
                oracle_actions: vec![255; bounds.len()],
                regret_bounds: bounds,
                ..row(3)
            },
            row(4),
        ];
        for format in FORMATS {
            // A safetensors shard holds one behaviour.
            let rows = if format == ShardFormat::Safetensors { &rows[..1] } else { &rows[..] };
            let path = folder.path().join("shard");
            write(&path, format, rows);
            prop_assert_eq!(&read(&path)[..], rows);
        }
    }
}

#[test]
fn a_cut_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..5).map(row).collect();
    for format in FORMATS {
        let path = folder.path().join("shard").with_extension(format.extension());
        write(&path, format, &rows);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let read: Result<Vec<Row>, Error> = read_shard(&path).and_then(Iterator::collect);
            // Lines are whole on their own: a cut between two, or of the last line's end, only loses rows.
            let at_line_end =
                format == ShardFormat::Jsonl && (length == 0 || whole[length - 1] == b'\n' || whole[length] == b'\n');
            assert_eq!(read.is_ok(), at_line_end, "{format:?} cut to {length} bytes");
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_another_row_but_never_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    let rows: Vec<Row> = (0..2).map(row).collect();
    for format in FORMATS {
        write(&path, format, &rows);
        let whole = fs::read(&path).unwrap();
        // Seven is coprime to eight: every position of a bit within its byte comes up.
        for bit in (0..8 * whole.len()).step_by(7) {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let _: Result<Vec<Row>, Error> = read_shard(&path).and_then(Iterator::collect);
        }
    }
}

#[test]
fn values_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let good = row(2);
    let bad = [
        ("labels", Row { labels: vec![], ..good.clone() }),
        ("input_ids", Row { input_ids: vec![1 << 31; 6], ..good.clone() }),
        ("task.seed", Row { task: Task { seed: 1 << 63, ..good.task.clone() }, ..good.clone() }),
        ("task.index", Row { task: Task { index: u64::MAX, ..good.task.clone() }, ..good.clone() }),
        ("horizon", Row { horizon: u32::MAX, ..good.clone() }),
        ("regret_bounds", Row { regret_bounds: vec![0.0], ..good.clone() }),
        ("regret_bounds", Row { regret_bounds: vec![f64::INFINITY; 2], ..good.clone() }),
    ];
    for format in FORMATS {
        let path = folder.path().join("shard");
        let mut writer = ShardWriter::create(&path, format).unwrap();
        for (name, row) in &bad {
            match writer.push(&row.borrowed()) {
                Err(Error::Column { column, .. }) => assert_eq!(column, *name),
                other => panic!("{name}: {other:?}"),
            }
        }
        writer.push(&good.borrowed()).unwrap();
        writer.finish().unwrap();
        assert_eq!(read(&path), std::slice::from_ref(&good));
    }
}

#[test]
fn an_unfinished_shard_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let mut writer = ShardWriter::create(&folder.path().join("shard"), format).unwrap();
        writer.push(&row(4).borrowed()).unwrap();
        drop(writer);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    let missing = ShardWriter::create(&folder.path().join("no/such/shard"), ShardFormat::Jsonl);
    assert!(matches!(missing, Err(Error::Io { .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_no_final_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    for format in FORMATS {
        // A device that takes nothing stands in for a full disk.
        std::os::unix::fs::symlink("/dev/full", folder.path().join("shard.tmp")).unwrap();
        let mut writer = ShardWriter::create(&path, format).unwrap();
        let rows: Vec<Row> = (0..20_000).map(row).collect();
        let pushed = rows.iter().try_for_each(|row| writer.push(&row.borrowed()));
        let finished = pushed.and_then(|()| writer.finish().map(|_| ()));
        assert!(matches!(finished, Err(Error::DiskFull { .. })), "{format:?}: {finished:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[cfg(unix)]
#[test]
fn a_forbidden_folder_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write everywhere; then there is nothing to refuse.
    let probe = fs::File::create(folder.path().join("probe")).is_err();
    let writer = ShardWriter::create(&folder.path().join("shard"), ShardFormat::Jsonl);
    assert_eq!(matches!(writer, Err(Error::Permission { .. })), probe);
}

#[test]
fn foreign_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    fs::write(&path, "{\"input_ids\":[1]}\n").unwrap();
    let error = read_shard(&path).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(&error, Error::Shard { reason, .. } if reason.contains("line 1")), "{error}");
    assert!(matches!(read_shard(&folder.path().join("none")), Err(Error::Io { .. })));
}

/// The columns as Hugging Face's own library reads them.
#[test]
fn a_safetensors_shard_is_what_its_format_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard.safetensors");
    let rows: Vec<Row> = (0..7).map(row).collect();
    write(&path, ShardFormat::Safetensors, &rows);
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!((8 + header) % 8, 0, "tensors are aligned");
    assert_eq!(file.len(), 12);

    let data = |name: &str, dtype| {
        let tensor = file.tensor(name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape().len()), (dtype, 1), "{name}");
        tensor.data()
    };
    let longs = |name| data(name, safetensors::Dtype::I64).as_chunks().0.iter().map(|b| i64::from_le_bytes(*b));
    let ints = |name| data(name, safetensors::Dtype::I32).as_chunks().0.iter().map(|b| i32::from_le_bytes(*b));
    let doubles = |name| data(name, safetensors::Dtype::F64).as_chunks().0.iter().map(|b| f64::from_le_bytes(*b));
    let offsets = |lengths: &dyn Fn(&Row) -> usize| {
        let mut at = 0;
        let ends = rows.iter().map(|row| {
            at += lengths(row) as i64;
            at
        });
        [vec![0], ends.collect()].concat()
    };
    let flat = |list: &dyn Fn(&Row) -> Vec<i32>| rows.iter().flat_map(list).collect::<Vec<_>>();
    assert!(ints("input_ids").eq(flat(&|row| row.input_ids.iter().map(|id| *id as i32).collect())));
    assert!(ints("labels").eq(flat(&|row| row.labels.clone())));
    assert!(longs("offsets").eq(offsets(&|row| row.input_ids.len())));
    let text = |list: &dyn Fn(&Row) -> String| rows.iter().map(list).collect::<String>();
    assert_eq!(data("prompt", safetensors::Dtype::U8), text(&|row| row.prompt.clone()).as_bytes());
    assert!(longs("prompt_offsets").eq(offsets(&|row| row.prompt.len())));
    assert_eq!(data("completion", safetensors::Dtype::U8), text(&|row| row.completion.clone()).as_bytes());
    assert!(longs("completion_offsets").eq(offsets(&|row| row.completion.len())));
    assert!(longs("task_index").eq(0..7));
    assert!(ints("horizon").eq(rows.iter().map(|row| row.horizon as i32)));
    let actions: Vec<u8> = rows.iter().flat_map(|row| row.oracle_actions.clone()).collect();
    assert_eq!(data("oracle_actions", safetensors::Dtype::U8), actions);
    assert!(doubles("regret_bounds").eq(rows.iter().flat_map(|row| row.regret_bounds.clone())));
    assert!(longs("oracle_offsets").eq(offsets(&|row| row.oracle_actions.len())));

    let shared = metadata.metadata().as_ref().unwrap();
    let expected = [
        ("task.family", "energy"),
        ("task.split", "train"),
        ("task.seed", "9223372036854775807"),
        ("regime", "mdp"),
        ("behaviour", "epsilon:0.25 \"\u{fc}\""),
        ("tokenizer_sha", &rows[0].tokenizer_sha),
        ("template_sha", &rows[0].template_sha),
    ];
    assert_eq!(shared.len(), expected.len());
    expected.iter().for_each(|(key, value)| assert_eq!(&shared[*key], value, "{key}"));
}

#[test]
fn a_safetensors_row_that_differs_is_refused_by_column_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shard");
    let first = row(3);
    let task = |change: fn(&mut Task)| {
        let mut task = first.task.clone();
        change(&mut task);
        task
    };
    let bad = [
        ("task.family", Row { task: task(|task| task.family = "maze".into()), ..first.clone() }),
        ("task.split", Row { task: task(|task| task.split = "test".into()), ..first.clone() }),
        ("task.seed", Row { task: task(|task| task.seed = 1), ..first.clone() }),
        ("regime", Row { regime: "pomdp".into(), ..first.clone() }),
        ("behaviour", Row { behaviour: "random".into(), ..first.clone() }),
        ("tokenizer_sha", Row { tokenizer_sha: "c".into(), ..first.clone() }),
        ("template_sha", Row { template_sha: String::new(), ..first.clone() }),
    ];
    let mut writer = ShardWriter::create(&path, ShardFormat::Safetensors).unwrap();
    writer.push(&first.borrowed()).unwrap();
    for (name, row) in bad {
        match writer.push(&row.borrowed()) {
            Err(Error::Column { column, .. }) => assert_eq!(column, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    writer.push(&row(4).borrowed()).unwrap();
    writer.finish().unwrap();
    assert_eq!(read(&path), [first, row(4)]);
}

#[test]
fn every_temporary_name_ends_alike() {
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let writer = ShardWriter::create(&folder.path().join("shard"), format).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!names.is_empty() && names.iter().all(|name| name.extension().unwrap() == "tmp"), "{names:?}");
        drop(writer);
    }
}

/// A page header that claims two billion numbers is refused where the file ends, not after as many looks beyond it.
#[test]
fn a_claim_that_goes_beyond_the_end_of_the_file_is_refused_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("claims.parquet");
    write(&path, ShardFormat::Parquet, &(0..10).map(row).collect::<Vec<_>>());
    let mut bytes = fs::read(&path).unwrap();
    // Thrift's compact protocol: field 15, a list; its length follows; of doubles; 2^31 - 1 of them. Readers pass over a field they do not know.
    bytes[4..11].copy_from_slice(&[0xf9, 0xf7, 0xff, 0xff, 0xff, 0xff, 0x07]);
    fs::write(&path, bytes).unwrap();
    let rows: Result<Vec<Row>, _> = read_shard(&path).and_then(Iterator::collect);
    let message = rows.unwrap_err().to_string();
    assert!(message.contains("the file ends within a page"), "{message}");
}
