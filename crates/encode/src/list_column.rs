//! A column of lists of whole numbers, few of them distinct, as the bytes of a Parquet column chunk.
//!
//! Token ids fill a shard, and a few dozen distinct ones at that. The library's column writer hashes every value and counts every
//! level; here a value is one look-up in a table and a share of a machine word, and a row's levels are two runs. Pages, headers and
//! metadata are still the library's.

use std::collections::HashMap;
use std::io::Write;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Added to a value before it indexes the table, so that -100, most of all labels, lies in it.
const SHIFT: i32 = 128;
/// Values from here on are looked up by hashing: no vocabulary is larger.
const TABLE: usize = 1 << 20;
/// The table's mark for a value without a dictionary entry.
const ABSENT: u32 = u32::MAX;

/// Lists of one row group, dictionary-encoded as they come.
#[derive(Default)]
pub(crate) struct ListColumn {
    /// Distinct values in the order of their first appearance.
    dictionary: Vec<i32>,
    /// Dictionary index by shifted value.
    table: Vec<u32>,
    /// The same for values beyond the table.
    rare: HashMap<i32, u32>,
    /// Dictionary indices of all values.
    entries: Vec<u32>,
    rows: u64,
    /// Values, and one for each empty list.
    levels: u32,
    repetition: Runs,
    definition: Runs,
}

impl ListColumn {
    /// Appends a row.
    pub(crate) fn push(&mut self, list: impl ExactSizeIterator<Item = i32> + Clone) {
        let len = list.len() as u32;
        self.rows += 1;
        self.levels += len.max(1);
        self.repetition.push(0, 1);
        self.repetition.push(1, len.saturating_sub(1));
        self.definition.push(u8::from(len > 0), len.max(1));
        let (start, mut all_known) = (self.entries.len(), true);
        self.entries.extend(list.clone().map(|value| {
            let index = self.table.get(place(value)).copied().unwrap_or(ABSENT);
            all_known &= index != ABSENT;
            index
        }));
        if !all_known {
            for (i, value) in list.enumerate() {
                self.entries[start + i] = self.index_of(value);
            }
        }
    }

    /// The number of values so far.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The dictionary index of a value, new or known.
    fn index_of(&mut self, value: i32) -> u32 {
        let (next, place) = (self.dictionary.len() as u32, place(value));
        let index = if place < TABLE {
            if self.table.len() <= place {
                self.table.resize(place + 1, ABSENT);
            }
            &mut self.table[place]
        } else {
            self.rare.entry(value).or_insert(ABSENT)
        };
        if *index == ABSENT {
            *index = next;
            self.dictionary.push(value);
        }
        *index
    }

    /// Forgets the rows, keeping the memory.
    pub(crate) fn clear(&mut self) {
        for value in self.dictionary.drain(..) {
            if let Some(entry) = self.table.get_mut(place(value)) {
                *entry = ABSENT;
            }
        }
        self.rare.clear();
        self.entries.clear();
        (self.rows, self.levels) = (0, 0);
        self.repetition.clear();
        self.definition.clear();
    }

    /// Writes the rows as the next column of `out`: a dictionary page and a data page.
    pub(crate) fn write<W: Write + Send>(
        &mut self,
        out: &mut SerializedRowGroupWriter<'_, W>,
        column: ColumnDescPtr,
        level: ZstdLevel,
    ) -> Result<()> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut sink);
        let dictionary = writer.write_page(self.dictionary_page(level)?)?;
        let data = writer.write_page(self.data_page(level)?)?;
        let bytes = Bytes::from(sink.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression(Compression::ZSTD(level))
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_total_compressed_size((dictionary.compressed_size + data.compressed_size) as i64)
            .set_total_uncompressed_size((dictionary.uncompressed_size + data.uncompressed_size) as i64)
            .set_num_values(self.levels.into())
            .set_dictionary_page_offset(Some(dictionary.offset as i64))
            .set_data_page_offset(data.offset as i64)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        out.append_column(&bytes, close)
    }

    fn dictionary_page(&self, level: ZstdLevel) -> Result<CompressedPage> {
        let plain: Vec<u8> = self.dictionary.iter().flat_map(|value| value.to_le_bytes()).collect();
        let (buf, num_values) = (compress(&plain, level)?, self.dictionary.len() as u32);
        let page = Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false };
        Ok(CompressedPage::new(page, plain.len()))
    }

    /// Version 1: both level streams with their lengths, the width of an index, all indices in one bit-packed run.
    fn data_page(&mut self, level: ZstdLevel) -> Result<CompressedPage> {
        let mut plain = Vec::new();
        for levels in [&mut self.repetition, &mut self.definition] {
            let levels = levels.bytes();
            plain.extend_from_slice(&(levels.len() as u32).to_le_bytes());
            plain.extend_from_slice(levels);
        }
        let last = (self.dictionary.len() as u32).saturating_sub(1);
        let width = last.checked_ilog2().unwrap_or(0) + 1;
        plain.push(width as u8);
        varint(&mut plain, ((self.entries.len().div_ceil(8) as u64) << 1) | 1);
        pack(&self.entries, width, &mut plain);
        let page = Page::DataPage {
            buf: compress(&plain, level)?,
            num_values: self.levels,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        Ok(CompressedPage::new(page, plain.len()))
    }
}

/// Where the table holds a value.
#[inline]
fn place(value: i32) -> usize {
    value.wrapping_add(SHIFT).cast_unsigned() as usize
}

fn compress(plain: &[u8], level: ZstdLevel) -> Result<Bytes> {
    let packed = zstd::bulk::compress(plain, level.compression_level());
    packed.map(Bytes::from).map_err(|e| ParquetError::External(Box::new(e)))
}

/// Levels of one bit as runs (the RLE half of Parquet's "RLE / bit-packing hybrid").
#[derive(Default)]
struct Runs {
    bytes: Vec<u8>,
    level: u8,
    count: u64,
}

impl Runs {
    fn push(&mut self, level: u8, count: u32) {
        if level != self.level {
            self.end_run();
            self.level = level;
        }
        self.count += u64::from(count);
    }

    fn end_run(&mut self) {
        if self.count > 0 {
            varint(&mut self.bytes, self.count << 1);
            self.bytes.push(self.level);
            self.count = 0;
        }
    }

    fn bytes(&mut self) -> &[u8] {
        self.end_run();
        &self.bytes
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

/// Unsigned LEB128.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Packs `entries` of `width` bits each, least significant bit first, padded with zeros to a multiple of eight entries.
fn pack(entries: &[u32], width: u32, out: &mut Vec<u8>) {
    out.reserve(entries.len().div_ceil(8) * width as usize);
    let (eights, rest) = entries.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let padded = (!rest.is_empty()).then_some(&last);
    for eight in eights.iter().chain(padded) {
        // Eight entries fill `width` whole bytes.
        if width <= 8 {
            let word = (0..8).fold(0, |word, i| word | u64::from(eight[i]) << (i as u32 * width));
            out.extend_from_slice(&word.to_le_bytes());
            out.truncate(out.len() - 8 + width as usize);
        } else {
            let mut bytes = [0; 32];
            for bit in (0..8 * width).filter(|bit| eight[(bit / width) as usize] >> (bit % width) & 1 == 1) {
                bytes[(bit / 8) as usize] |= 1 << (bit % 8);
            }
            out.extend_from_slice(&bytes[..width as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_least_significant_bit_first() {
        // The format's own example: 0..=7 in three bits.
        let mut out = Vec::new();
        pack(&[0, 1, 2, 3, 4, 5, 6, 7], 3, &mut out);
        assert_eq!(out, [0b1000_1000, 0b1100_0110, 0b1111_1010]);
        out.clear();
        pack(&[0x1ff, 1], 9, &mut out);
        assert_eq!(out, [0xff, 0b11, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn runs_are_counted_across_rows() {
        let mut runs = Runs::default();
        [(0, 1), (1, 2), (1, 300), (0, 1)].into_iter().for_each(|(level, count)| runs.push(level, count));
        assert_eq!(runs.bytes(), [2, 0, 0xdc, 0x04, 1, 2, 0]);
    }
}
