//! The columns, and how each is written.

use std::sync::Arc;

use parquet::basic::{
    Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion,
};
use parquet::schema::types::{ColumnPath, SchemaDescriptor, Type, TypePtr};

use super::FileError;

/// The columns in their order.
pub(super) const TENANT: usize = 0;
pub(super) const TIME: usize = 1;
pub(super) const ID: usize = 2;
pub(super) const EVENT_TYPE: usize = 3;
pub(super) const USER: usize = 4;
pub(super) const VALUE: usize = 5;
pub(super) const COLUMNS: usize = 6;

const NAMES: [&str; COLUMNS] = [
    "tenant_id",
    "event_time",
    "event_id",
    "event_type",
    "user_id",
    "value",
];

/// Rows after which each column begins a page: what is read at least to see one event.
pub(super) const ROWS_PER_PAGE: usize = 8_192;
/// A page is cut by rows; only texts of the greatest length reach this.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// Up to how many bytes the different values of a column stand in one place. Beyond it they cost
/// more there than in their rows.
const DICTIONARY_BYTES_MAX: usize = 512 << 10;
const ZSTD_LEVEL: i32 = 3;

/// The columns as a schema.
pub(super) fn schema() -> Result<TypePtr, ParquetError> {
    let column = |at: usize, physical, logical| {
        let name = NAMES.get(at).copied().unwrap_or_default();
        let column = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical);
        let length = if at == TENANT { 16 } else { -1 };
        let column = column.with_length(length);
        column.build().map(Arc::new)
    };
    let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
    let fields = vec![
        column(
            TENANT,
            Physical::FIXED_LEN_BYTE_ARRAY,
            Some(LogicalType::Uuid),
        )?,
        column(TIME, Physical::INT64, Some(time))?,
        column(ID, Physical::INT64, None)?,
        column(EVENT_TYPE, Physical::BYTE_ARRAY, Some(LogicalType::String))?,
        column(USER, Physical::BYTE_ARRAY, Some(LogicalType::String))?,
        column(VALUE, Physical::DOUBLE, None)?,
    ];
    let schema = Type::group_type_builder("event").with_fields(fields);
    schema.build().map(Arc::new)
}

/// Fails unless these are the columns.
pub(super) fn check(found: &SchemaDescriptor) -> Result<(), FileError> {
    let wanted = SchemaDescriptor::new(schema()?);
    let same = |at: usize| {
        let (found, wanted) = (found.column(at), wanted.column(at));
        found.name() == wanted.name()
            && found.physical_type() == wanted.physical_type()
            && found.max_def_level() == 0
            && found.max_rep_level() == 0
            && (found.physical_type() != Physical::FIXED_LEN_BYTE_ARRAY
                || found.type_length() == wanted.type_length())
    };
    if found.num_columns() == COLUMNS && (0..COLUMNS).all(same) {
        return Ok(());
    }
    Err(FileError::Damaged("it has other columns"))
}

/// How the columns are written: what grows as differences, what repeats by dictionary, all
/// through zstd; least and greatest tenants and times by page, so that few pages are read.
pub(super) fn properties() -> Result<WriterPropertiesPtr, ParquetError> {
    let path = |at: usize| ColumnPath::from(NAMES.get(at).copied().unwrap_or_default());
    let sorted = |at| SortingColumn {
        column_idx: at,
        descending: false,
        nulls_first: false,
    };
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_created_by("tradepost".to_owned())
        .set_data_page_row_count_limit(ROWS_PER_PAGE)
        .set_data_page_size_limit(PAGE_BYTES_MAX)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_max_row_group_row_count(None)
        .set_column_index_truncate_length(None)
        .set_statistics_truncate_length(None)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_sorting_columns(Some((0..3).map(sorted).collect()));
    for at in [TENANT, TIME] {
        properties = properties.set_column_statistics_enabled(path(at), EnabledStatistics::Page);
    }
    for at in [TIME, ID] {
        properties = properties
            .set_column_dictionary_enabled(path(at), false)
            .set_column_encoding(path(at), Encoding::DELTA_BINARY_PACKED);
    }
    for at in [EVENT_TYPE, USER] {
        properties = properties.set_column_encoding(path(at), Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
    let properties = properties.set_column_encoding(path(VALUE), Encoding::BYTE_STREAM_SPLIT);
    Ok(Arc::new(properties.build()))
}
