//! From the bytes of a file to its rows, and what they add up to.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::adapters::parquet::{EventReader, FileError, Wanted};
use crate::ports::{FileFacts, FileStoreError, RowsOut};
use crate::tally::{EventRows, RawEvent, Tallying};

/// Reads all of a file; its rows go out if somebody wants them, without the message that they end.
pub(super) fn decode(
    (part, path): (i32, String),
    bytes: Bytes,
    out: Option<RowsOut>,
) -> Result<FileFacts, FileStoreError> {
    let damaged = |error: FileError| FileStoreError::Damaged {
        path: path.clone(),
        what: error.to_string(),
    };
    let sha256 = Sha256::digest(&bytes).into();
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let mut tallying = Tallying::default();
    let reader = EventReader::open(bytes).map_err(damaged)?;
    for block in reader.scan(Wanted::All).map_err(damaged)? {
        let block = block.map_err(damaged)?;
        let mut rows = EventRows::with_capacity(out.as_ref().map_or(0, |_| block.len()));
        for event in block.events() {
            let event = event.map_err(damaged)?;
            let event = RawEvent {
                tenant: event.tenant,
                at_ms: event.at_ms,
                id: event.id,
                event_type: event.event_type,
                user: event.user,
                value: event.value,
            };
            tallying.push(&event);
            if out.is_some() {
                rows.push(&event);
            }
        }
        if let Some(out) = &out {
            let sent = out.blocking_send(Some(rows));
            sent.map_err(|_gone| FileStoreError::Interrupted)?;
        }
    }
    Ok(FileFacts {
        part,
        path,
        bytes: size,
        sha256,
        tally: tallying.finish(),
    })
}
