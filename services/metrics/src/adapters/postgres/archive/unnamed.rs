//! Rows that were sent and wait for the names of their types.
//!
//! The names are asked for once a message and not once a tenant: a day of a thousand tenants has a
//! hundred rows of each, and a question takes as long as those.

use std::collections::HashMap;
use std::mem;

use tradepost_postgres::Database;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::names;
use super::rows::Sent;
use crate::ports::ArchiveError;
use crate::rollup::TypeId;
use crate::tally::{EventRows, RawEvent};

/// Some rows, with their types by number. They come in the order of their tenants.
#[derive(Debug, Default)]
pub(super) struct Unnamed {
    rows: Vec<Row>,
    /// Their users, one behind the other.
    users: String,
    /// The types that occur, each once.
    types: Vec<(Uuid, TypeId)>,
    /// Where those of the last row's tenant stand there.
    places: HashMap<TypeId, usize>,
}

#[derive(Debug)]
struct Row {
    tenant: Uuid,
    at_ms: i64,
    id: i64,
    value: f64,
    /// The place of its type.
    event_type: usize,
    /// Where its user ends.
    user_end: usize,
}

impl Unnamed {
    pub(super) fn push(&mut self, sent: &Sent<'_>) {
        let Self { types, places, .. } = self;
        if self
            .rows
            .last()
            .is_some_and(|row| row.tenant != sent.tenant)
        {
            places.clear();
        }
        let event_type = *places.entry(sent.type_id).or_insert_with(|| {
            types.push((sent.tenant, sent.type_id));
            types.len() - 1
        });
        self.users.push_str(sent.user);
        self.rows.push(Row {
            tenant: sent.tenant,
            at_ms: sent.at_ms,
            id: sent.id,
            value: sent.value,
            event_type,
            user_end: self.users.len(),
        });
    }

    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows with their names; none is left. It asks on a connection of its own: the other one is
    /// sending rows.
    pub(super) async fn named(&mut self, database: &Database) -> Result<EventRows, ArchiveError> {
        let names = names::of(database, &self.types).await?;
        let mut rows = EventRows::with_capacity(self.rows.len());
        let mut end = 0;
        for row in self.rows.drain(..) {
            let start = mem::replace(&mut end, row.user_end);
            rows.push(&RawEvent {
                tenant: TenantId::from_uuid(row.tenant),
                at_ms: row.at_ms,
                id: row.id,
                event_type: names.get(row.event_type).map_or("", String::as_str),
                user: self.users.get(start..end).unwrap_or_default(),
                value: row.value,
            });
        }
        self.users.clear();
        self.types.clear();
        self.places.clear();
        Ok(rows)
    }
}
