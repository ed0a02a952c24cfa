//! Apache Parquet: single events in the form of the archive, sums with columns of their own.

use std::mem;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use tradepost_types::TenantId;

use super::{Figures, failed};
use crate::adapters::parquet::{EventWriter, FileEvent};
use crate::ports::{Sheet, SheetError, StoredEvent, Sum};

/// Sums of a group: what is in memory while a file is written.
const SUMS_PER_GROUP: usize = 32_768;

/// A file of single events of one tenant.
pub(super) struct Events {
    tenant: TenantId,
    writer: EventWriter<Vec<u8>>,
}

impl Events {
    pub(super) fn new(tenant: TenantId) -> Result<Self, SheetError> {
        let writer = EventWriter::new(Vec::new()).map_err(failed)?;
        Ok(Self { tenant, writer })
    }
}

impl Sheet<StoredEvent> for Events {
    fn write(&mut self, rows: &[StoredEvent]) -> Result<(), SheetError> {
        for event in rows {
            let event = FileEvent {
                tenant: self.tenant,
                at_ms: event.at_ms,
                id: event.id,
                event_type: &event.event_type,
                user: &event.user,
                value: event.value,
            };
            self.writer.push(&event).map_err(failed)?;
        }
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        mem::take(self.writer.sink_mut())
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, SheetError> {
        let (rest, _) = self.writer.finish().map_err(failed)?;
        Ok(rest)
    }
}

/// A file of sums.
pub(super) struct Sums {
    file: SerializedFileWriter<Vec<u8>>,
    starts: Vec<i64>,
    event_types: Vec<ByteArray>,
    figures: Vec<Figures>,
}

impl Sums {
    pub(super) fn new() -> Result<Self, SheetError> {
        let properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_2_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(failed)?))
            .set_created_by("tradepost".to_owned())
            .build();
        let schema = schema().map_err(failed)?;
        let file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties));
        Ok(Self {
            file: file.map_err(failed)?,
            starts: Vec::new(),
            event_types: Vec::new(),
            figures: Vec::new(),
        })
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        column::<Int64Type>(&mut group, &self.starts)?;
        column::<ByteArrayType>(&mut group, &self.event_types)?;
        whole(&mut group, &self.figures, |figures| figures.count)?;
        real(&mut group, &self.figures, |figures| figures.sum)?;
        real(&mut group, &self.figures, |figures| figures.sum_of_squares)?;
        real(&mut group, &self.figures, |figures| figures.min)?;
        real(&mut group, &self.figures, |figures| figures.max)?;
        real(&mut group, &self.figures, |figures| figures.mean)?;
        whole(&mut group, &self.figures, |figures| figures.distinct_users)?;
        real(&mut group, &self.figures, |figures| figures.percentiles[0])?;
        real(&mut group, &self.figures, |figures| figures.percentiles[1])?;
        real(&mut group, &self.figures, |figures| figures.percentiles[2])?;
        group.close()?;
        self.starts.clear();
        self.event_types.clear();
        self.figures.clear();
        Ok(())
    }
}

impl Sheet<Sum> for Sums {
    fn write(&mut self, rows: &[Sum]) -> Result<(), SheetError> {
        for sum in rows {
            self.starts.push(sum.start_ms);
            self.event_types
                .push(ByteArray::from(sum.event_type.as_str()));
            self.figures.push(Figures::of(sum));
        }
        if self.starts.len() >= SUMS_PER_GROUP {
            self.flush().map_err(failed)?;
        }
        Ok(())
    }

    fn take(&mut self) -> Vec<u8> {
        mem::take(self.file.inner_mut())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, SheetError> {
        if !self.starts.is_empty() {
            self.flush().map_err(failed)?;
        }
        self.file.into_inner().map_err(failed)
    }
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn column<T: DataType>(group: &mut Group<'_>, values: &[T::T]) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("a column is missing".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

fn real(
    group: &mut Group<'_>,
    figures: &[Figures],
    of: impl Fn(&Figures) -> f64,
) -> Result<(), ParquetError> {
    column::<DoubleType>(group, &figures.iter().map(of).collect::<Vec<_>>())
}

fn whole(
    group: &mut Group<'_>,
    figures: &[Figures],
    of: impl Fn(&Figures) -> u64,
) -> Result<(), ParquetError> {
    let of = |figures| i64::try_from(of(figures)).unwrap_or(i64::MAX);
    column::<Int64Type>(group, &figures.iter().map(of).collect::<Vec<_>>())
}

fn schema() -> Result<TypePtr, ParquetError> {
    let column = |name, physical, logical| {
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let real = |name| column(name, Physical::DOUBLE, None);
    let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
    let fields = vec![
        column("start_time", Physical::INT64, Some(time))?,
        column(
            "event_type",
            Physical::BYTE_ARRAY,
            Some(LogicalType::String),
        )?,
        column("count", Physical::INT64, None)?,
        real("sum")?,
        real("sum_of_squares")?,
        real("min")?,
        real("max")?,
        real("mean")?,
        column("distinct_users", Physical::INT64, None)?,
        real("p50")?,
        real("p90")?,
        real("p99")?,
    ];
    let schema = Type::group_type_builder("sum").with_fields(fields);
    schema.build().map(Arc::new)
}
