//! Events in the binary form of COPY, written by hand: a generic writer of rows takes several times
//! as long as the server takes to read them.
//!
//! The form: "COPY", section "File Formats" of the manual. The columns are those of `staged_events`.

use uuid::Uuid;

/// What the server is told.
pub(super) const STATEMENT: &str = "copy pg_temp.staged_events
    (tenant_id, event_time, event_id, value, type_id, user_id) from stdin (format binary)";

/// The signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;
const COLUMNS: i16 = 6;
/// Bytes of a row without its user: the count, six lengths, and what is of fixed width.
const ROW_BYTES: usize = 2 + 6 * 4 + 16 + 8 + 8 + 8 + 2;
/// PostgreSQL counts time from 2000, in microseconds.
const EPOCH_2000_MS: i64 = 946_684_800_000;

/// One event as a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) tenant: Uuid,
    pub(super) at_ms: i64,
    pub(super) event_id: i64,
    pub(super) value: f64,
    pub(super) type_id: i16,
    pub(super) user: &'a str,
}

/// The bytes of rows.
#[derive(Debug)]
pub(super) struct Rows(Vec<u8>);

impl Rows {
    /// Room for about that many rows.
    pub(super) fn with_capacity(rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER.len() + rows * (ROW_BYTES + 24) + 2);
        bytes.extend_from_slice(HEADER);
        Self(bytes)
    }

    pub(super) fn push(&mut self, row: &Row<'_>) {
        let micros = (row.at_ms - EPOCH_2000_MS) * 1_000;
        self.0.extend_from_slice(&COLUMNS.to_be_bytes());
        self.field(row.tenant.as_bytes());
        self.field(&micros.to_be_bytes());
        self.field(&row.event_id.to_be_bytes());
        self.field(&row.value.to_be_bytes());
        self.field(&row.type_id.to_be_bytes());
        self.field(row.user.as_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        // A field is a number, or a user of at most 128 bytes.
        let length = u32::try_from(bytes.len()).unwrap_or_default();
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// All of them, closed.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&TRAILER.to_be_bytes());
        self.0
    }
}
