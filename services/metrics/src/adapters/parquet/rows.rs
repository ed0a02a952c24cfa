//! Reads the rows of a file, some thousands at a time.

use std::ops::Range as Span;
use std::sync::Arc;

use bytes::Bytes;
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    Int64Type,
};
use parquet::file::serialized_reader::SerializedPageReader;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::schema::{EVENT_TYPE, ID, ROWS_PER_PAGE, TENANT, TIME, USER, VALUE};
use super::{FileError, FileEvent, Layout, Part, Pieces, Wanted, guarded};

/// A file that is here as a whole.
#[derive(Debug)]
pub struct EventReader {
    layout: Arc<Layout>,
    bytes: Arc<Pieces>,
}

impl EventReader {
    /// Opens it.
    ///
    /// # Errors
    /// [`FileError`] when it is no such file.
    pub fn open(bytes: Bytes) -> Result<Self, FileError> {
        Ok(Self {
            layout: Arc::new(Layout::of(&bytes)?),
            bytes: Arc::new(Pieces::whole(bytes)),
        })
    }

    /// What lies where.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What is wanted, in the order of the file.
    ///
    /// # Errors
    /// [`FileError`] when the file does not say where that is.
    pub fn scan(&self, wanted: Wanted) -> Result<Blocks, FileError> {
        let parts = self.layout.find(wanted)?;
        let (layout, bytes) = (Arc::clone(&self.layout), Arc::clone(&self.bytes));
        Ok(Blocks::new((layout, bytes), parts, wanted))
    }
}

/// Events that are read block by block; it ends behind the first error.
pub struct Blocks {
    layout: Arc<Layout>,
    bytes: Arc<Pieces>,
    parts: std::vec::IntoIter<Part>,
    wanted: Wanted,
    /// The part that is being read.
    open: Option<Columns>,
    last: Option<(TenantId, i64, i64)>,
    failed: bool,
}

impl Blocks {
    /// These parts of a file, whose bytes are here.
    #[must_use]
    pub fn new(
        (layout, bytes): (Arc<Layout>, Arc<Pieces>),
        parts: Vec<Part>,
        wanted: Wanted,
    ) -> Self {
        Self {
            layout,
            bytes,
            parts: parts.into_iter(),
            wanted,
            open: None,
            last: None,
            failed: false,
        }
    }

    fn step(&mut self) -> Result<Option<Block>, FileError> {
        loop {
            if let Some(columns) = &mut self.open {
                if let Some(block) = columns.next(self.wanted)? {
                    self.keep_order(&block)?;
                    return Ok(Some(block));
                }
                self.open = None;
            }
            let Some(part) = self.parts.next() else {
                return Ok(None);
            };
            self.open = Some(Columns::open(&self.layout, &self.bytes, &part)?);
        }
    }

    /// Fails unless the block goes on where the one before ended.
    fn keep_order(&mut self, block: &Block) -> Result<(), FileError> {
        let first = block.key(0)?;
        if self.last.is_some_and(|last| first < last) {
            return Err(UNSORTED);
        }
        self.last = Some(block.key(block.times.len().saturating_sub(1))?);
        Ok(())
    }
}

const UNSORTED: FileError = FileError::Damaged("its events are not sorted");

impl Iterator for Blocks {
    type Item = Result<Block, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let step = guarded(|| self.step());
        self.failed = step.is_err();
        step.transpose()
    }
}

/// The columns of a part, read side by side.
struct Columns {
    tenants: ColumnReaderImpl<FixedLenByteArrayType>,
    times: ColumnReaderImpl<Int64Type>,
    ids: ColumnReaderImpl<Int64Type>,
    event_types: ColumnReaderImpl<ByteArrayType>,
    users: ColumnReaderImpl<ByteArrayType>,
    values: ColumnReaderImpl<DoubleType>,
    left: usize,
}

impl Columns {
    fn open(layout: &Layout, bytes: &Arc<Pieces>, part: &Part) -> Result<Self, FileError> {
        Ok(Self {
            tenants: column(layout, bytes, (part, TENANT))?,
            times: column(layout, bytes, (part, TIME))?,
            ids: column(layout, bytes, (part, ID))?,
            event_types: column(layout, bytes, (part, EVENT_TYPE))?,
            users: column(layout, bytes, (part, USER))?,
            values: column(layout, bytes, (part, VALUE))?,
            left: part.rows.len(),
        })
    }

    /// The next rows, as far as they are wanted.
    fn next(&mut self, wanted: Wanted) -> Result<Option<Block>, FileError> {
        while self.left > 0 {
            let rows = self.left.min(ROWS_PER_PAGE);
            let mut block = Block {
                tenants: values(&mut self.tenants, rows)?,
                times: values(&mut self.times, rows)?,
                ids: values(&mut self.ids, rows)?,
                event_types: values(&mut self.event_types, rows)?,
                users: values(&mut self.users, rows)?,
                values: values(&mut self.values, rows)?,
                kept: 0..rows,
            };
            self.left -= rows;
            block.keep(wanted)?;
            if !block.is_empty() {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }
}

fn column<T: DataType>(
    layout: &Layout,
    bytes: &Arc<Pieces>,
    (part, column): (&Part, usize),
) -> Result<ColumnReaderImpl<T>, FileError> {
    let group = layout.group(part.group)?;
    let rows = usize::try_from(group.num_rows()).unwrap_or_default();
    let chunk = group.column(column);
    let pages = Some(layout.pages(part.group, column)?);
    let pages = SerializedPageReader::new(Arc::clone(bytes), chunk, rows, pages)?;
    let pages: Box<dyn PageReader> = Box::new(pages);
    let mut reader = ColumnReaderImpl::new(chunk.column_descr_ptr(), pages);
    if reader.skip_records(part.rows.start)? != part.rows.start {
        return Err(SHORT);
    }
    Ok(reader)
}

const SHORT: FileError = FileError::Damaged("a column ends early");

fn values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
) -> Result<Vec<T::T>, FileError> {
    let mut values = Vec::with_capacity(rows);
    while values.len() < rows {
        let (read, ..) = reader.read_records(rows - values.len(), None, None, &mut values)?;
        if read == 0 {
            return Err(SHORT);
        }
    }
    Ok(values)
}

/// Some rows, sorted by tenant, time and number.
#[derive(Debug)]
pub struct Block {
    tenants: Vec<FixedLenByteArray>,
    times: Vec<i64>,
    ids: Vec<i64>,
    event_types: Vec<ByteArray>,
    users: Vec<ByteArray>,
    values: Vec<f64>,
    /// Those that are wanted.
    kept: Span<usize>,
}

impl Block {
    /// How many events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The events. An item is an error where a text is not UTF-8 or a tenant no id.
    pub fn events(
        &self,
    ) -> impl DoubleEndedIterator<Item = Result<FileEvent<'_>, FileError>> + ExactSizeIterator {
        self.kept.clone().map(|at| self.event(at))
    }

    fn event(&self, at: usize) -> Result<FileEvent<'_>, FileError> {
        let (tenant, at_ms, id) = self.key(at)?;
        Ok(FileEvent {
            tenant,
            at_ms,
            id,
            event_type: text(self.event_types.get(at))?,
            user: text(self.users.get(at))?,
            value: self.values.get(at).copied().ok_or(SHORT)?,
        })
    }

    fn key(&self, at: usize) -> Result<(TenantId, i64, i64), FileError> {
        let tenant = tenant(self.tenants.get(at).ok_or(SHORT)?)?;
        let at_ms = self.times.get(at).copied().ok_or(SHORT)?;
        Ok((tenant, at_ms, self.ids.get(at).copied().ok_or(SHORT)?))
    }

    /// Leaves what is wanted, which lies side by side.
    fn keep(&mut self, wanted: Wanted) -> Result<(), FileError> {
        let (mut start, mut end) = (0, 0);
        let mut last = None;
        for at in 0..self.times.len() {
            let key = self.key(at)?;
            if last.is_some_and(|last| key < last) {
                return Err(UNSORTED);
            }
            last = Some(key);
            let (tenant, at_ms, _) = key;
            let is_wanted = match wanted {
                Wanted::All => true,
                Wanted::Of(wanted, range) => {
                    tenant == wanted && (range.start_ms..range.end_ms).contains(&at_ms)
                }
            };
            if is_wanted {
                start = if end == 0 { at } else { start };
                end = at + 1;
            }
        }
        self.kept = start..end;
        Ok(())
    }
}

fn tenant(bytes: &FixedLenByteArray) -> Result<TenantId, FileError> {
    let id = Uuid::from_slice(bytes.data());
    let id = id.map_err(|_length| FileError::Damaged("a tenant is no id"))?;
    Ok(TenantId::from_uuid(id))
}

fn text(bytes: Option<&ByteArray>) -> Result<&str, FileError> {
    let text = std::str::from_utf8(bytes.ok_or(SHORT)?.data());
    text.map_err(|_invalid| FileError::Damaged("a text is not UTF-8"))
}
