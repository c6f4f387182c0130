//! The Parquet schema of a shard.

use std::sync::{Arc, LazyLock};

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, SchemaDescriptor, TypePtr};

/// Nothing is nullable: every example has every column.
const MESSAGE: &str = "
message example {
    required group input_ids (LIST) { repeated group list { required int32 element; } }
    required group labels (LIST) { repeated group list { required int32 element; } }
    required binary prompt (STRING);
    required binary completion (STRING);
    required group task {
        required binary family (STRING);
        required binary split (STRING);
        required int64 index;
        required int64 seed;
    }
    required binary regime (STRING);
    required int32 horizon;
    required binary behaviour (STRING);
    required group oracle_actions (LIST) { repeated group list { required int32 element; } }
    required group regret_bounds (LIST) { repeated group list { required double element; } }
    required binary tokenizer_sha (STRING);
    required binary template_sha (STRING);
}";

static SCHEMA: LazyLock<TypePtr> =
    LazyLock::new(|| Arc::new(parse_message_type(MESSAGE).expect("the schema is a constant that parses")));

/// The schema of every shard.
pub(crate) fn schema() -> TypePtr {
    Arc::clone(&SCHEMA)
}

/// Says how `found` differs from the schema of a shard.
pub(crate) fn mismatch(found: &SchemaDescriptor) -> Option<String> {
    let wanted = SchemaDescriptor::new(schema());
    if found.num_columns() != wanted.num_columns() {
        return Some(format!("it has {} columns, not {}", found.num_columns(), wanted.num_columns()));
    }
    let describe = |schema: &SchemaDescriptor, i: usize| {
        let column = schema.column(i);
        let (definition, repetition) = (column.max_def_level(), column.max_rep_level());
        format!("{} ({:?}, levels {definition} and {repetition})", column.path(), column.physical_type())
    };
    (0..wanted.num_columns())
        .map(|i| (describe(found, i), describe(&wanted, i)))
        .find(|(found, wanted)| found != wanted)
        .map(|(found, wanted)| format!("it has the column {found} where {wanted} belongs"))
}

/// Fixed properties, so that equal rows give equal bytes on every machine.
pub(crate) fn properties() -> WriterPropertiesPtr {
    let text = |column: &str| ColumnPath::from(column);
    Arc::new(
        WriterProperties::builder()
            .set_created_by("tiresias".into())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // Texts hardly repeat, and a dictionary of them would be given up after a megabyte anyway.
            .set_column_dictionary_enabled(text("prompt"), false)
            .set_column_dictionary_enabled(text("completion"), false)
            .build(),
    )
}
