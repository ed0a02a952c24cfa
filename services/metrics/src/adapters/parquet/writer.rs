//! Writes a file: rows gather by column, and leave as a row group.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::mem;

use bytes::Bytes;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use tradepost_types::TenantId;

use super::schema::{self, ROWS_PER_PAGE};
use super::{FileError, FileEvent};

/// Rows of a group: what is in memory while a file is written, about 64 bytes each. It also keeps
/// dictionaries small, which begin anew with each group.
pub const ROWS_PER_GROUP: usize = 131_072;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// Events.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// The earliest and the latest moment, in milliseconds since 1970; none without events.
    pub times: Option<(i64, i64)>,
    /// Events of each tenant.
    pub tenants: BTreeMap<TenantId, u64>,
}

/// Writes events, sorted by tenant, time and number, to a sink.
#[derive(Debug)]
pub struct EventWriter<W: Write + Send> {
    file: SerializedFileWriter<Counted<W>>,
    group: Group,
    last: Option<(TenantId, i64, i64)>,
    facts: FileFacts,
}

impl<W: Write + Send> EventWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`FileError::Parquet`] when the sink does not take the first bytes.
    pub fn new(sink: W) -> Result<Self, FileError> {
        let sink = Counted { sink, bytes: 0 };
        let file = SerializedFileWriter::new(sink, schema::schema()?, schema::properties()?)?;
        Ok(Self {
            file,
            group: Group::default(),
            last: None,
            facts: FileFacts::default(),
        })
    }

    /// Adds an event. Each [`ROWS_PER_GROUP`] of them are written to the sink.
    ///
    /// # Errors
    /// [`FileError::Unsorted`] leaves the file as it was; after [`FileError::Parquet`] it is lost.
    pub fn push(&mut self, event: &FileEvent<'_>) -> Result<(), FileError> {
        let key = event.key();
        if self.last.is_some_and(|last| key < last) {
            return Err(FileError::Unsorted);
        }
        self.last = Some(key);
        self.group.push(event);
        if self.group.times.len() >= ROWS_PER_GROUP {
            self.flush()?;
        }
        Ok(())
    }

    /// The sink, to see what has reached it.
    pub fn sink_mut(&mut self) -> &mut W {
        &mut self.file.inner_mut().sink
    }

    /// Writes the rest, and what readers find their way by.
    ///
    /// # Errors
    /// [`FileError::Parquet`] when the sink does not take it.
    pub fn finish(mut self) -> Result<(W, FileFacts), FileError> {
        if !self.group.times.is_empty() {
            self.flush()?;
        }
        let Counted { sink, bytes } = self.file.into_inner()?;
        self.facts.bytes = bytes;
        Ok((sink, self.facts))
    }

    fn flush(&mut self) -> Result<(), FileError> {
        self.group.note(&mut self.facts);
        let mut file = self.file.next_row_group()?;
        self.group.write(&mut file)?;
        file.close()?;
        self.group.clear();
        Ok(())
    }
}

/// A sink, and how much has gone there.
#[derive(Debug)]
struct Counted<W> {
    sink: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Rows by column. Tenants come in runs.
#[derive(Debug, Default)]
struct Group {
    tenants: Vec<(TenantId, usize)>,
    times: Vec<i64>,
    ids: Vec<i64>,
    event_types: Texts,
    users: Texts,
    values: Vec<f64>,
}

impl Group {
    fn push(&mut self, event: &FileEvent<'_>) {
        match self.tenants.last_mut() {
            Some((tenant, rows)) if *tenant == event.tenant => *rows += 1,
            _ => self.tenants.push((event.tenant, 1)),
        }
        self.times.push(event.at_ms);
        self.ids.push(event.id);
        self.event_types.push(event.event_type);
        self.users.push(event.user);
        self.values.push(event.value);
    }

    fn note(&self, facts: &mut FileFacts) {
        for &(tenant, rows) in &self.tenants {
            *facts.tenants.entry(tenant).or_default() += rows as u64;
        }
        facts.rows += self.times.len() as u64;
        for &at_ms in &self.times {
            let (first, last) = facts.times.unwrap_or((at_ms, at_ms));
            facts.times = Some((first.min(at_ms), last.max(at_ms)));
        }
    }

    /// The columns in the order of the schema.
    fn write<W: Write + Send>(
        &mut self,
        file: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let tenants = self.tenants.iter().flat_map(|&(tenant, rows)| {
            let bytes = Bytes::copy_from_slice(tenant.as_uuid().as_bytes());
            let tenant = FixedLenByteArray::from(ByteArray::from(bytes));
            std::iter::repeat_n(tenant, rows)
        });
        by_page::<FixedLenByteArrayType, _>(file, tenants)?;
        whole::<Int64Type, _>(file, &self.times)?;
        whole::<Int64Type, _>(file, &self.ids)?;
        by_page::<ByteArrayType, _>(file, self.event_types.take())?;
        by_page::<ByteArrayType, _>(file, self.users.take())?;
        whole::<DoubleType, _>(file, &self.values)
    }

    fn clear(&mut self) {
        self.tenants.clear();
        self.times.clear();
        self.ids.clear();
        self.values.clear();
    }
}

fn whole<T: DataType, W: Write + Send>(
    file: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("a column is missing".to_owned());
    let mut column = file.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

/// A column whose values are made for it, a page of them at a time.
fn by_page<T: DataType, W: Write + Send>(
    file: &mut SerializedRowGroupWriter<'_, W>,
    mut values: impl Iterator<Item = T::T>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("a column is missing".to_owned());
    let mut column = file.next_column()?.ok_or_else(missing)?;
    let mut page = Vec::with_capacity(ROWS_PER_PAGE);
    loop {
        page.clear();
        page.extend(values.by_ref().take(ROWS_PER_PAGE));
        if page.is_empty() {
            return column.close();
        }
        column.typed::<T>().write_batch(&page, None, None)?;
    }
}

/// Texts one behind the other, so that none has memory of its own.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    /// All of them; none is left.
    fn take(&mut self) -> impl Iterator<Item = ByteArray> + use<> {
        let ends = mem::take(&mut self.ends);
        let bytes = mem::take(&mut self.bytes);
        self.ends.reserve(ends.len());
        self.bytes.reserve(bytes.len());
        let bytes = Bytes::from(bytes);
        let mut start = 0;
        ends.into_iter().map(move |end| {
            let text = bytes.slice(start..end);
            start = end;
            ByteArray::from(text)
        })
    }
}
