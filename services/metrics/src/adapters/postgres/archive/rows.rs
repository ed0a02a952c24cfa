//! Rows out of the database, in the binary form of COPY, read by hand: a generic reader of rows
//! takes several times as long as the server takes to send them.
//!
//! The form: "COPY", section "File Formats" of the manual. A COPY of a query obeys row-level
//! security.

use bytes::Bytes;
use futures::TryStreamExt;
use sqlx::PgConnection;
use time::Date;
use tradepost_postgres::Database;
use uuid::Uuid;

use super::failed;
use super::unnamed::Unnamed;
use crate::ports::{ArchiveError, FileStoreError, RowsOut};
use crate::rollup::TypeId;
use crate::tally::EventRows;

/// Rows of a message: a page of Parquet.
const ROWS_A_MESSAGE: usize = 8_192;
/// Where they are sorted, if they do not come sorted from the index: of three days at once.
const SORT_MEMORY: &str = "set local work_mem = '128MB'";
/// The signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const COLUMNS: i16 = 6;
const TRAILER: i16 = -1;
/// PostgreSQL counts time from 2000, in microseconds.
const EPOCH_2000_MS: i64 = 946_684_800_000;

/// Sends all rows of a day that leaves, in order; how many.
pub(super) async fn send(
    conn: &mut PgConnection,
    (database, day): (&Database, Date),
    out: &RowsOut,
) -> Result<i64, ArchiveError> {
    sqlx::query(SORT_MEMORY)
        .execute(&mut *conn)
        .await
        .map_err(failed)?;
    let part = super::leaving(conn, day).await?;
    let statement = format!(
        "copy (select tenant_id, event_time, event_id, value, type_id, user_id from {part}
               order by tenant_id, event_time, event_id)
         to stdout (format binary)"
    );
    let mut stream = conn.copy_out_raw(&statement).await.map_err(failed)?;
    let (mut decoder, mut rows) = (Decoder::default(), Unnamed::default());
    let mut sent = 0;
    while let Some(bytes) = stream.try_next().await.map_err(failed)? {
        decoder.feed(bytes);
        while let Some(row) = decoder.next()? {
            rows.push(&row);
            sent += 1;
            if rows.len() == ROWS_A_MESSAGE {
                pass_on(out, rows.named(database).await?).await?;
            }
        }
    }
    if !decoder.is_complete() {
        return Err(malformed("they end in the midst of a row"));
    }
    if rows.len() > 0 {
        pass_on(out, rows.named(database).await?).await?;
    }
    Ok(sent)
}

async fn pass_on(out: &RowsOut, rows: EventRows) -> Result<(), ArchiveError> {
    let sent = out.send(Some(rows)).await;
    sent.map_err(|_gone| ArchiveError::Files(FileStoreError::Interrupted))
}

fn malformed(what: &str) -> ArchiveError {
    ArchiveError::Unmovable(format!("the rows are not as COPY sends them: {what}"))
}

/// A row as it was sent.
#[derive(Debug, PartialEq)]
pub(super) struct Sent<'a> {
    pub(super) tenant: Uuid,
    pub(super) at_ms: i64,
    pub(super) id: i64,
    pub(super) value: f64,
    pub(super) type_id: TypeId,
    pub(super) user: &'a str,
}

/// Bytes as they come, cut anywhere.
#[derive(Debug, Default)]
struct Decoder {
    bytes: Bytes,
    at: usize,
    begun: bool,
    ended: bool,
}

impl Decoder {
    fn feed(&mut self, more: Bytes) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.bytes = if rest.is_empty() {
            more
        } else {
            [rest, &more].concat().into()
        };
        self.at = 0;
    }

    /// The next row; none: it is not here as a whole.
    fn next(&mut self) -> Result<Option<Sent<'_>>, ArchiveError> {
        let mut rest = self.bytes.get(self.at..).unwrap_or_default();
        if !self.begun {
            let Some(header) = rest.split_off(..HEADER.len()) else {
                return Ok(None);
            };
            if header != HEADER {
                return Err(malformed("no header"));
            }
            self.begun = true;
            self.at += HEADER.len();
        }
        let before = rest.len();
        match row(&mut rest)? {
            Row::Whole(row) => {
                self.at += before - rest.len();
                Ok(Some(row))
            }
            Row::End => {
                self.at += before - rest.len();
                self.ended = true;
                Ok(None)
            }
            Row::Cut => Ok(None),
        }
    }

    fn is_complete(&self) -> bool {
        self.ended && self.at == self.bytes.len()
    }
}

enum Row<'a> {
    Whole(Sent<'a>),
    End,
    Cut,
}

fn row<'a>(rest: &mut &'a [u8]) -> Result<Row<'a>, ArchiveError> {
    let Some(columns) = take(rest) else {
        return Ok(Row::Cut);
    };
    match i16::from_be_bytes(columns) {
        TRAILER => return Ok(Row::End),
        COLUMNS => {}
        _ => return Err(malformed("another number of columns")),
    }
    let mut fields = [&[][..]; 6];
    for place in &mut fields {
        let Some(length) = take(rest) else {
            return Ok(Row::Cut);
        };
        let length = usize::try_from(i32::from_be_bytes(length));
        let length = length.map_err(|_negative| malformed("a null"))?;
        let Some(bytes) = rest.split_off(..length) else {
            return Ok(Row::Cut);
        };
        *place = bytes;
    }
    let [tenant, at, id, value, type_id, user] = fields;
    let micros = i64::from_be_bytes(fixed(at)?);
    if micros % 1_000 != 0 {
        return Err(ArchiveError::Unmovable(format!(
            "a moment is {micros} µs from 2000: files have milliseconds"
        )));
    }
    Ok(Row::Whole(Sent {
        tenant: Uuid::from_bytes(fixed(tenant)?),
        at_ms: micros / 1_000 + EPOCH_2000_MS,
        id: i64::from_be_bytes(fixed(id)?),
        value: f64::from_be_bytes(fixed(value)?),
        type_id: i16::from_be_bytes(fixed(type_id)?),
        user: std::str::from_utf8(user).map_err(|_invalid| malformed("a user is not UTF-8"))?,
    }))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    rest.split_off(..N)?.try_into().ok()
}

fn fixed<const N: usize>(field: &[u8]) -> Result<[u8; N], ArchiveError> {
    let bytes = field.try_into();
    bytes.map_err(|_length| malformed("a field of another length"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::adapters::postgres::copy;

    proptest! {
        #[test]
        fn what_is_written_for_copy_is_read_wherever_it_is_cut(
            events in prop::collection::vec((any::<u128>(), -4_000_000_000_000_i64..4_000_000_000_000,
                any::<i64>(), any::<i32>(), any::<i16>(), "\\PC{0,20}"), 0..20),
            piece in 1_usize..200,
        ) {
            let mut rows = copy::Rows::with_capacity(events.len());
            for (tenant, at_ms, event_id, value, type_id, user) in &events {
                rows.push(&copy::Row {
                    tenant: Uuid::from_u128(*tenant), at_ms: *at_ms, event_id: *event_id,
                    value: f64::from(*value), type_id: *type_id, user,
                });
            }
            let bytes = rows.finish();

            let (mut decoder, mut read) = (Decoder::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                decoder.feed(Bytes::copy_from_slice(piece));
                while let Some(row) = decoder.next().unwrap() {
                    read.push((row.tenant.as_u128(), row.at_ms, row.id, row.value, row.type_id,
                        row.user.to_owned()));
                }
            }

            prop_assert!(decoder.is_complete());
            let wanted: Vec<_> = events.into_iter()
                .map(|(tenant, at, id, value, of, user)| (tenant, at, id, f64::from(value), of, user))
                .collect();
            prop_assert_eq!(read, wanted);
        }
    }

    #[test]
    fn rows_without_their_end_are_not_complete() {
        let bytes = copy::Rows::with_capacity(0).finish();
        let mut decoder = Decoder::default();

        decoder.feed(Bytes::copy_from_slice(&bytes[..bytes.len() - 2]));

        assert_eq!(decoder.next().unwrap(), None);
        assert!(!decoder.is_complete());
    }

    #[test]
    fn another_form_is_refused() {
        let mut decoder = Decoder::default();

        decoder.feed(Bytes::from_static(
            b"COPYPG\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x06",
        ));

        assert!(decoder.next().is_err());
    }
}
