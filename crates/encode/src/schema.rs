//! The Parquet schema of a shard.

use std::sync::{Arc, LazyLock};

use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnDescPtr, ColumnPath, SchemaDescriptor, TypePtr};

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

/// The column at a path of the schema.
pub(crate) fn column_descriptor(path: &str) -> ColumnDescPtr {
    static DESCRIPTOR: LazyLock<SchemaDescriptor> = LazyLock::new(|| SchemaDescriptor::new(schema()));
    let columns = DESCRIPTOR.columns().iter();
    columns.clone().find(|column| column.path().string() == path).map(Arc::clone).expect("a column of the schema")
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

/// How every column is compressed: the library's default level.
pub(crate) static COMPRESSION: LazyLock<ZstdLevel> = LazyLock::new(ZstdLevel::default);

/// Fixed properties, so that equal rows give equal bytes on every machine.
pub(crate) fn properties() -> WriterPropertiesPtr {
    let plain = |column: &str| ColumnPath::new(column.split('.').map(Into::into).collect());
    let [prompt, completion, bounds] = ["prompt", "completion", "regret_bounds.list.element"].map(plain);
    Arc::new(
        WriterProperties::builder()
            .set_created_by("tiresias".into())
            .set_compression(Compression::ZSTD(*COMPRESSION))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // Texts and bounds hardly repeat, a dictionary of them would be given up after a megabyte anyway; and nobody asks
            // for the first and last of a column of texts.
            .set_column_dictionary_enabled(prompt.clone(), false)
            .set_column_dictionary_enabled(completion.clone(), false)
            .set_column_dictionary_enabled(bounds, false)
            .set_column_statistics_enabled(prompt, EnabledStatistics::None)
            .set_column_statistics_enabled(completion, EnabledStatistics::None)
            .build(),
    )
}
