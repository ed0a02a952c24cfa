//! What lies where in a file, and which of it holds the events of a tenant and range.

use std::ops::Range as Span;

use bytes::Bytes;
use parquet::DecodeResult;
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;

use super::schema::{self, COLUMNS, TENANT, TIME};
use super::{FileError, Wanted, guarded};

/// What a file's end says of the rest.
#[derive(Debug)]
pub struct Layout {
    pub(super) metadata: ParquetMetaData,
    len: u64,
}

/// Rows of one group that lie one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub(super) group: usize,
    pub(super) rows: Span<usize>,
}

impl Part {
    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The last rows of it, at most `rows`, and what is before them.
    #[must_use]
    pub fn split_back(self, rows: usize) -> (Option<Self>, Self) {
        let cut = self.rows.end.saturating_sub(rows).max(self.rows.start);
        let of = |rows: Span<usize>| Self {
            group: self.group,
            rows,
        };
        let before = (cut > self.rows.start).then(|| of(self.rows.start..cut));
        (before, of(cut..self.rows.end))
    }
}

/// A file whose layout is being read: it asks for bytes until it knows.
#[derive(Debug)]
pub struct Opening {
    decoder: ParquetMetaDataPushDecoder,
    len: u64,
}

impl Opening {
    /// Begins with a file of `len` bytes.
    ///
    /// # Errors
    /// [`FileError`] when no file is that short.
    pub fn new(len: u64) -> Result<Self, FileError> {
        let decoder = ParquetMetaDataPushDecoder::try_new(len)?
            .with_page_index_policy(PageIndexPolicy::Required);
        Ok(Self { decoder, len })
    }

    /// Takes bytes of the file.
    ///
    /// # Errors
    /// [`FileError`] when they are not of that length.
    pub fn push(&mut self, ranges: Vec<Span<u64>>, bytes: Vec<Bytes>) -> Result<(), FileError> {
        let fits = |(range, bytes): (&Span<u64>, &Bytes)| {
            range.end.checked_sub(range.start) == Some(bytes.len() as u64)
        };
        if ranges.len() != bytes.len() || !ranges.iter().zip(&bytes).all(fits) {
            return Err(FileError::Damaged("it is shorter than it should be"));
        }
        guarded(|| Ok(self.decoder.push_ranges(ranges, bytes)?))
    }

    /// The layout, or the ranges that it takes.
    ///
    /// # Errors
    /// [`FileError`] when it is no such file.
    pub fn step(&mut self) -> Result<Result<Layout, Vec<Span<u64>>>, FileError> {
        guarded(|| match self.decoder.try_decode()? {
            DecodeResult::Data(metadata) => Ok(Ok(Layout::new(metadata, self.len)?)),
            DecodeResult::NeedsData(ranges) if ranges.iter().all(|range| range.end <= self.len) => {
                Ok(Err(ranges))
            }
            DecodeResult::NeedsData(_) | DecodeResult::Finished => {
                Err(FileError::Damaged("its end is missing"))
            }
        })
    }
}

impl Layout {
    /// The layout of a file that is here as a whole.
    ///
    /// # Errors
    /// [`FileError`] when it is no such file.
    pub fn of(bytes: &Bytes) -> Result<Self, FileError> {
        let len = bytes.len() as u64;
        let mut opening = Opening::new(len)?;
        let all = Span { start: 0, end: len };
        opening.push(vec![all], vec![bytes.clone()])?;
        opening
            .step()?
            .map_err(|_ranges| FileError::Damaged("its end is missing"))
    }

    fn new(metadata: ParquetMetaData, len: u64) -> Result<Self, FileError> {
        schema::check(metadata.file_metadata().schema_descr())?;
        let layout = Self { metadata, len };
        let groups = layout.metadata.row_groups().iter().enumerate();
        for (group, about) in groups {
            let rows = usize::try_from(about.num_rows());
            rows.map_err(|_negative| FileError::Damaged("a group has no size"))?;
            if about.num_columns() != COLUMNS {
                return Err(FileError::Damaged("a group has other columns"));
            }
            for column in 0..COLUMNS {
                layout.check_pages(group, about, column)?;
            }
        }
        Ok(layout)
    }

    /// Fails unless the pages of a column lie in the file one behind the other.
    fn check_pages(
        &self,
        group: usize,
        about: &RowGroupMetaData,
        column: usize,
    ) -> Result<(), FileError> {
        let damaged = || FileError::Damaged("its pages lie nowhere");
        let chunk = about.column(column);
        let offset = chunk.dictionary_page_offset();
        let offset = offset.unwrap_or_else(|| chunk.data_page_offset());
        let size = chunk.compressed_size();
        let end = offset.checked_add(size).ok_or_else(damaged)?;
        if offset < 0 || size < 0 || end.cast_unsigned() > self.len {
            return Err(damaged());
        }
        let (mut at, mut row) = (offset, -1);
        let pages = self.pages(group, column)?;
        for page in &pages {
            let ascends = page.offset >= at && page.first_row_index > row;
            if !ascends || page.first_row_index >= about.num_rows() {
                return Err(damaged());
            }
            row = page.first_row_index;
            at = page
                .offset
                .checked_add(i64::from(page.compressed_page_size.max(0)))
                .ok_or_else(damaged)?;
        }
        let first = pages.first().map(|page| page.first_row_index);
        let starts = first == Some(0) || pages.is_empty() && about.num_rows() == 0;
        if at > end || !starts {
            return Err(damaged());
        }
        Ok(())
    }

    /// How many bytes the file has.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.len
    }

    /// How many events are in it.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let rows = self.metadata.row_groups().iter();
        rows.map(|group| group.num_rows().unsigned_abs()).sum()
    }

    /// About how much memory it takes, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.metadata.memory_size()
    }

    /// Where what is wanted lies, in the order of the file; other events may lie there too.
    ///
    /// # Errors
    /// [`FileError`] when the file does not say it.
    pub fn find(&self, wanted: Wanted) -> Result<Vec<Part>, FileError> {
        guarded(|| {
            let mut parts = Vec::new();
            for (group, about) in self.metadata.row_groups().iter().enumerate() {
                let rows = match wanted {
                    Wanted::All => 0..rows(about),
                    Wanted::Of(..) => self.rows_of(group, about, wanted)?,
                };
                if !rows.is_empty() {
                    parts.push(Part { group, rows });
                }
            }
            Ok(parts)
        })
    }

    /// The rows from the first page to the last that may hold what is wanted: since all is sorted
    /// by tenant and time, that is one stretch.
    fn rows_of(
        &self,
        group: usize,
        about: &RowGroupMetaData,
        wanted: Wanted,
    ) -> Result<Span<usize>, FileError> {
        let Wanted::Of(tenant, range) = wanted else {
            return Ok(0..rows(about));
        };
        let index = self.metadata.page_index_for_row_group(group);
        let unknown = || FileError::Damaged("its pages have no bounds");
        let tenants = match index.column_index(TENANT) {
            Some(ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(tenants)) => tenants,
            _ => return Err(unknown()),
        };
        let times = match index.column_index(TIME) {
            Some(ColumnIndexMetaData::INT64(times)) => times,
            _ => return Err(unknown()),
        };
        let id = tenant.as_uuid();
        let of_tenant = self.stretch((group, TENANT), about, |page, _| {
            let (min, max) = tenants.min_value(page).zip(tenants.max_value(page))?;
            Some(min <= &id.as_bytes()[..] && max >= &id.as_bytes()[..])
        })?;
        // Other tenants have pages in the range too; only those in this tenant's stretch count.
        let of_range = self.stretch((group, TIME), about, |page, rows| {
            let (min, max) = times.min_value(page).zip(times.max_value(page))?;
            let meets = rows.start < of_tenant.end && rows.end > of_tenant.start;
            Some(meets && *min < range.end_ms && *max >= range.start_ms)
        })?;
        let start = of_range.start.max(of_tenant.start);
        Ok(start..of_range.end.min(of_tenant.end).max(start))
    }

    /// The rows from the first page to the last that `holds` what is looked for; none if it cannot
    /// say.
    fn stretch(
        &self,
        (group, column): (usize, usize),
        about: &RowGroupMetaData,
        holds: impl Fn(usize, Span<usize>) -> Option<bool>,
    ) -> Result<Span<usize>, FileError> {
        let pages = self.pages(group, column)?;
        let (mut start, mut end) = (rows(about), 0);
        for (at, page) in pages.iter().enumerate() {
            let next = pages.get(at + 1).map_or(rows(about), row);
            let unknown = || FileError::Damaged("its pages have no bounds");
            if holds(at, row(page)..next).ok_or_else(unknown)? {
                start = start.min(row(page));
                end = next;
            }
        }
        Ok(start..end.max(start))
    }

    /// The bytes that it takes to read a part: of each column the dictionary and the pages.
    ///
    /// # Errors
    /// [`FileError`] when the file does not say it.
    pub fn bytes_of(&self, part: &Part) -> Result<Vec<Span<u64>>, FileError> {
        guarded(|| {
            let about = self.group(part.group)?;
            let mut ranges = Vec::with_capacity(2 * COLUMNS);
            for column in 0..COLUMNS {
                let pages = self.pages(part.group, column)?;
                let (start, _) = about.column(column).byte_range();
                let Some(first) = pages.first() else {
                    continue;
                };
                if first.offset.unsigned_abs() > start {
                    ranges.push(start..first.offset.unsigned_abs());
                }
                let after = pages.partition_point(|page| row(page) < part.rows.end);
                let from = pages.partition_point(|page| row(page) <= part.rows.start);
                let from = from.saturating_sub(1);
                if let Some((first, last)) = pages.get(from).zip(pages.get(after.saturating_sub(1)))
                {
                    let end = last.offset.unsigned_abs() + size(last);
                    ranges.push(first.offset.unsigned_abs()..end);
                }
            }
            Ok(joined(ranges))
        })
    }

    pub(super) fn group(&self, group: usize) -> Result<&RowGroupMetaData, FileError> {
        let missing = FileError::Damaged("it has no such group");
        self.metadata.row_groups().get(group).ok_or(missing)
    }

    pub(super) fn pages(
        &self,
        group: usize,
        column: usize,
    ) -> Result<Vec<PageLocation>, FileError> {
        let index = self.metadata.page_index_for_row_group(group);
        let pages = index.page_locations(column).cloned();
        pages.ok_or(FileError::Damaged("it has no index of pages"))
    }
}

/// Rows of a group; [`Layout::new`] has seen that they are not negative.
fn rows(about: &RowGroupMetaData) -> usize {
    usize::try_from(about.num_rows()).unwrap_or_default()
}

fn row(page: &PageLocation) -> usize {
    usize::try_from(page.first_row_index).unwrap_or_default()
}

fn size(page: &PageLocation) -> u64 {
    u64::try_from(page.compressed_page_size).unwrap_or_default()
}

/// Ranges that touch are one.
fn joined(mut ranges: Vec<Span<u64>>) -> Vec<Span<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, before| {
        let touches = next.start <= before.end;
        if touches {
            before.end = before.end.max(next.end);
        }
        touches
    });
    ranges
}
