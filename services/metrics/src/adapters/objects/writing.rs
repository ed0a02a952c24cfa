//! From rows to the bytes of files. It is work for a processor, so it has a thread of its own.

use std::mem;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{FileLimits, PIECE_BYTES};
use crate::adapters::parquet::{EventWriter, FileError, FileEvent};
use crate::ports::{FileFacts, FileStoreError, RowsIn};
use crate::tally::{RawEvent, Tally, Tallying};

/// A piece of the file that is being written.
pub(super) enum Chunk {
    /// Some bytes.
    Bytes(Bytes),
    /// That was all of it.
    End(Written),
}

/// A file, but for its name.
pub(super) struct Written {
    bytes: i64,
    sha256: [u8; 32],
    tally: Tally,
}

impl Written {
    pub(super) fn facts(self, part: i32, path: String) -> FileFacts {
        FileFacts {
            part,
            path,
            bytes: self.bytes,
            sha256: self.sha256,
            tally: self.tally,
        }
    }
}

/// Writes rows into files until they end, and sends their bytes.
pub(super) fn encode(
    mut rows: RowsIn,
    limits: FileLimits,
    out: &mpsc::Sender<Chunk>,
) -> Result<(), FileStoreError> {
    let mut open: Option<Open<'_>> = None;
    loop {
        let message = rows.blocking_recv().ok_or(FileStoreError::Interrupted)?;
        let Some(some) = message else {
            return open.map_or(Ok(()), Open::finish);
        };
        for event in some.iter() {
            let file = match &mut open {
                Some(file) => file,
                none => none.insert(Open::new(out)?),
            };
            file.push(&event)?;
            let full = file.rows >= limits.rows_max || file.sent >= limits.bytes_max;
            if full && let Some(file) = open.take() {
                file.finish()?;
            }
        }
        if let Some(file) = &mut open {
            file.send_full_pieces()?;
        }
    }
}

/// A file that is being written.
struct Open<'a> {
    writer: EventWriter<Vec<u8>>,
    tallying: Tallying,
    sha256: Sha256,
    rows: i64,
    sent: usize,
    out: &'a mpsc::Sender<Chunk>,
}

impl<'a> Open<'a> {
    fn new(out: &'a mpsc::Sender<Chunk>) -> Result<Self, FileStoreError> {
        Ok(Self {
            writer: EventWriter::new(Vec::new()).map_err(unwritable)?,
            tallying: Tallying::default(),
            sha256: Sha256::new(),
            rows: 0,
            sent: 0,
            out,
        })
    }

    fn push(&mut self, event: &RawEvent<'_>) -> Result<(), FileStoreError> {
        let RawEvent {
            tenant,
            at_ms,
            id,
            event_type,
            user,
            value,
        } = *event;
        self.tallying.push(event);
        self.rows += 1;
        let event = FileEvent {
            tenant,
            at_ms,
            id,
            event_type,
            user,
            value,
        };
        self.writer.push(&event).map_err(unwritable)
    }

    fn send_full_pieces(&mut self) -> Result<(), FileStoreError> {
        let sink = self.writer.sink_mut();
        if sink.len() < PIECE_BYTES {
            return Ok(());
        }
        let bytes = mem::take(sink);
        self.sha256.update(&bytes);
        self.sent += bytes.len();
        send(self.out, Chunk::Bytes(bytes.into()))
    }

    fn finish(self) -> Result<(), FileStoreError> {
        let (rest, facts) = self.writer.finish().map_err(unwritable)?;
        let sha256 = self.sha256.chain_update(&rest).finalize().into();
        let bytes = i64::try_from(self.sent + rest.len()).unwrap_or(i64::MAX);
        send(self.out, Chunk::Bytes(rest.into()))?;
        let tally = self.tallying.finish();
        // The writer has counted for itself.
        if i64::try_from(facts.rows) != Ok(tally.rows) || facts.bytes != bytes.unsigned_abs() {
            let lost = "the file has other rows than went into it";
            return Err(FileStoreError::Unwritable(lost.to_owned()));
        }
        let written = Written {
            bytes,
            sha256,
            tally,
        };
        send(self.out, Chunk::End(written))
    }
}

fn send(out: &mpsc::Sender<Chunk>, chunk: Chunk) -> Result<(), FileStoreError> {
    let sent = out.blocking_send(chunk);
    sent.map_err(|_gone| FileStoreError::Interrupted)
}

fn unwritable(error: FileError) -> FileStoreError {
    FileStoreError::Unwritable(error.to_string())
}
