//! Examples from Parquet, JSON-lines and safetensors files, and the seeded order in which training visits them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;

use parquet::file::reader::FileReader;
use parquet::record::Field;
use parquet::schema::types::Type;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use tiresias_data::parquet_file;
use tiresias_text::Unmarked;

use crate::base::hex;
use crate::config::DataConfig;
use crate::error::{Error, Result};
use crate::gradient::Example;
use crate::rng::Rng;

/// "No loss here", in Hugging Face's convention.
const IGNORE: i64 = -100;

/// What a model can read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Longest sequence.
    pub context: usize,
}

/// All examples, in the order of the files.
#[derive(Debug)]
pub struct Dataset {
    /// At least one, each with at least one target.
    pub examples: Vec<Example>,
    /// Hash of every id and label, whatever file format they came in.
    pub sha256: String,
}

impl Dataset {
    /// Reads and checks every file that has a hash to have, and every row.
    pub fn load(files: &[DataConfig], limits: Limits) -> Result<Self> {
        let mut examples = Vec::new();
        for DataConfig { path, sha256 } in files {
            let fail = |message: String| Error::Data { path: path.clone(), message };
            let rows = read(path, sha256.as_deref())?;
            for (row, (ids, labels)) in rows.into_iter().enumerate() {
                examples.push(example(&ids, &labels, limits).map_err(|e| fail(format!("row {row}: {e}")))?);
            }
        }
        let Some(first) = files.first().filter(|_| examples.is_empty()) else {
            return Ok(Self { sha256: fingerprint(&examples), examples });
        };
        Err(Error::Data { path: first.path.clone(), message: "the dataset has no rows; generate it again".into() })
    }

    /// Length of the longest example.
    pub fn longest(&self) -> usize {
        self.examples.iter().map(|e| e.ids.len()).max().unwrap_or(0)
    }
}

fn fingerprint(examples: &[Example]) -> String {
    let mut hash = Sha256::new();
    for example in examples {
        hash.update((example.ids.len() as u64).to_le_bytes());
        example.ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
        // An id never reaches u32::MAX, so it can stand for "none".
        example.labels.iter().for_each(|label| hash.update(label.unwrap_or(u32::MAX).to_le_bytes()));
    }
    hex(&hash.finalize())
}

type Row = (Vec<i64>, Vec<i64>);

/// An example from its ids and labels, or what is wrong with them.
pub fn example(ids: &[i64], labels: &[i64], limits: Limits) -> std::result::Result<Example, String> {
    if ids.len() != labels.len() {
        return Err(format!("{} `input_ids` but {} `labels`; they must be as many", ids.len(), labels.len()));
    }
    if ids.len() > limits.context {
        return Err(format!("{} tokens, but the model's context is {}", ids.len(), limits.context));
    }
    let valid = |id: i64| u32::try_from(id).ok().filter(|&id| (id as usize) < limits.vocabulary);
    let outside = |what, at, id| format!("{what}[{at}] is {id}, outside the vocabulary of {} ids", limits.vocabulary);
    let check = |(at, &id): (usize, &i64)| valid(id).ok_or_else(|| outside("input_ids", at, id));
    let ids = ids.iter().enumerate().map(check).collect::<std::result::Result<Vec<_>, _>>()?;
    let check = |(at, &label): (usize, &i64)| match label {
        IGNORE => Ok(None),
        id => valid(id).map(Some).ok_or_else(|| outside("labels", at, id)),
    };
    let labels = labels.iter().enumerate().map(check).collect::<std::result::Result<Vec<_>, _>>()?;
    let example = Example { ids, labels };
    if example.targets().next().is_none() {
        return Err("no label after the first position, so nothing to learn".into());
    }
    Ok(example)
}

fn read(path: &Path, expected_sha256: Option<&str>) -> Result<Vec<Row>> {
    let fail = |message: String| Error::Data { path: path.to_owned(), message };
    let mut file = File::open(path).map_err(Error::io("open the dataset", path))?;
    if let Some(expected) = expected_sha256 {
        let found = digest(&mut file).map_err(Error::io("read the dataset", path))?;
        if !expected.eq_ignore_ascii_case(&found) {
            return Err(fail(format!(
                "is damaged or another file: its SHA-256 is {found}, not the expected {expected}; generate the dataset again"
            )));
        }
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("parquet") => read_parquet(file).map_err(fail),
        Some("jsonl" | "json") => read_json_lines(file).map_err(fail),
        Some("safetensors") => read_safetensors(&file).map_err(fail),
        _ => Err(fail("unknown dataset format; name it *.parquet, *.jsonl or *.safetensors".into())),
    }
}

/// SHA-256 of a whole file, which is at its beginning again afterwards.
fn digest(file: &mut File) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    file.rewind()?;
    Ok(hex(&hash.finalize()))
}

fn read_json_lines(file: File) -> std::result::Result<Vec<Row>, String> {
    #[derive(serde::Deserialize)]
    struct Line {
        input_ids: Vec<i64>,
        labels: Vec<i64>,
    }
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let fail = |e: &dyn std::fmt::Display| format!("line {}: {e}", number + 1);
        let line = line.map_err(|e| fail(&e))?;
        let line = if number == 0 { line.unmarked() } else { &line };
        if !line.trim().is_empty() {
            let line: Line = serde_json::from_str(line).map_err(|e| fail(&e))?;
            rows.push((line.input_ids, line.labels));
        }
    }
    Ok(rows)
}

/// Flat `input_ids` and `labels` (I32), and `offsets` (I64, rows + 1) that cut both into rows.
fn read_safetensors(mut file: &File) -> std::result::Result<Vec<Row>, String> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| format!("not a readable safetensors file: {e}"))?;
    let tensor = |name: &str, dtype: Dtype| match tensors.tensor(name) {
        Ok(tensor) if tensor.dtype() == dtype => Ok(tensor),
        Ok(tensor) => Err(format!("`{name}` is {:?}, not {dtype:?}", tensor.dtype())),
        Err(e) => Err(format!("`{name}`: {e}")),
    };
    let integers = |name: &str| -> std::result::Result<Vec<i64>, String> {
        let tensor = tensor(name, Dtype::I32)?;
        let (elements, _) = tensor.data().as_chunks::<4>();
        Ok(elements.iter().map(|bytes| i32::from_le_bytes(*bytes).into()).collect())
    };
    let (ids, labels, offsets) = (integers("input_ids")?, integers("labels")?, tensor("offsets", Dtype::I64)?);
    let (offsets, _) = offsets.data().as_chunks::<8>();
    let offsets: Vec<i64> = offsets.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    let cut = |values: &[i64], from: i64, to: i64| {
        let range = usize::try_from(from).ok()?..usize::try_from(to).ok()?;
        values.get(range).map(<[i64]>::to_vec)
    };
    let row = |(i, ends): (usize, &[i64])| {
        let row = cut(&ids, ends[0], ends[1]).zip(cut(&labels, ends[0], ends[1]));
        row.ok_or_else(|| format!("row {i}: offsets {} to {} do not lie in the tensors", ends[0], ends[1]))
    };
    offsets.windows(2).enumerate().map(row).collect()
}

fn read_parquet(file: File) -> std::result::Result<Vec<Row>, String> {
    let reader = parquet_file::open(file).map_err(|e| format!("not a readable Parquet file: {e}"))?;
    parquet_file::guarded(|| Ok(parquet_rows(&reader))).unwrap_or_else(|e| Err(e.to_string()))
}

fn parquet_rows(reader: &dyn FileReader) -> std::result::Result<Vec<Row>, String> {
    let schema = reader.metadata().file_metadata().schema();
    let column = |name: &str| {
        let found = schema.get_fields().iter().find(|field| field.name() == name).cloned();
        found.ok_or_else(|| format!("has no column `{name}`"))
    };
    let fields = vec![column("input_ids")?, column("labels")?];
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(|e| e.to_string())?;
    let rows = reader.get_row_iter(Some(projection)).map_err(|e| e.to_string())?;
    let read_row = |(number, row): (usize, parquet::errors::Result<parquet::record::Row>)| {
        let row = row.map_err(|e| format!("row {number}: {e}"))?;
        let column = |name: &str| {
            let field = row.get_column_iter().find(|(n, _)| *n == name).map(|(_, field)| field);
            field.and_then(integers).ok_or_else(|| format!("row {number}: `{name}` is not a list of integers"))
        };
        Ok((column("input_ids")?, column("labels")?))
    };
    rows.enumerate().map(read_row).collect()
}

fn integers(field: &Field) -> Option<Vec<i64>> {
    let Field::ListInternal(list) = field else { return None };
    (0..list.len())
        .map(|i| match list.elements().get(i)? {
            Field::Byte(x) => Some(i64::from(*x)),
            Field::Short(x) => Some(i64::from(*x)),
            Field::Int(x) => Some(i64::from(*x)),
            Field::Long(x) => Some(*x),
            Field::UByte(x) => Some(i64::from(*x)),
            Field::UShort(x) => Some(i64::from(*x)),
            Field::UInt(x) => Some(i64::from(*x)),
            Field::ULong(x) => i64::try_from(*x).ok(),
            _ => None,
        })
        .collect()
}

/// The examples of step `step` (from 0): `batch_size` neighbours in an endless sequence of epochs, each shuffled by its own stream
/// of the seed. It depends on nothing that happened before.
pub fn batch(examples: usize, batch_size: usize, seed: u64, step: u64) -> Vec<usize> {
    let mut out = Vec::with_capacity(batch_size);
    let mut epoch: Option<(u64, Vec<usize>)> = None;
    for i in 0..batch_size as u64 {
        let at = step * batch_size as u64 + i;
        let number = at / examples as u64;
        if epoch.as_ref().is_none_or(|(n, _)| *n != number) {
            epoch = Some((number, Rng::new(&[seed, 2, number]).permutation(examples)));
        }
        out.extend(epoch.iter().map(|(_, order)| order[(at % examples as u64) as usize]));
    }
    out
}
