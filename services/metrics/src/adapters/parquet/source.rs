//! Bytes of a file, of which not all need be here.

use std::ops::Range;

use bytes::{Buf, Bytes, buf::Reader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Pieces of a file of which only some are here.
#[derive(Debug, Clone, Default)]
pub struct Pieces {
    len: u64,
    /// By where they start.
    pieces: Vec<(u64, Bytes)>,
}

impl Pieces {
    /// The whole file.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self {
            len: bytes.len() as u64,
            pieces: vec![(0, bytes)],
        }
    }

    /// These ranges of a file that has `len` bytes.
    #[must_use]
    pub fn of(len: u64, ranges: &[Range<u64>], bytes: Vec<Bytes>) -> Self {
        let mut pieces: Vec<_> = ranges.iter().map(|range| range.start).zip(bytes).collect();
        pieces.sort_unstable_by_key(|(start, _)| *start);
        Self { len, pieces }
    }

    /// What is here from `start` on.
    fn from(&self, start: u64) -> Result<Bytes> {
        let next = self.pieces.partition_point(|(from, _)| *from <= start);
        let piece = next.checked_sub(1).and_then(|at| self.pieces.get(at));
        let found = piece.and_then(|(from, bytes)| {
            let skip = usize::try_from(start - from).ok()?;
            (skip <= bytes.len()).then(|| bytes.slice(skip..))
        });
        found.ok_or_else(|| ParquetError::EOF(format!("byte {start} is not here")))
    }
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Pieces {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(ParquetError::EOF(format!(
                "{length} bytes from {start} are not here"
            )));
        }
        Ok(bytes.slice(..length))
    }
}
