//! What one transaction works on: the shipments, when each is due, and what is told of them.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;
use tradepost_messaging::{Message, Outbox, Outgoing};
use tradepost_types::{ShipmentId, TenantId};

use super::row::{self, Columns, Row};
use crate::adapters::amqp::render::news;
use crate::domain::Shipment;
use crate::ports::{Decision, Due, StoreError, Stored};

pub(super) type Key = (TenantId, ShipmentId);

struct Entry {
    shipment: Shipment,
    due_at: Option<OffsetDateTime>,
    changed: bool,
}

pub(super) struct Desk {
    now: OffsetDateTime,
    entries: BTreeMap<Key, Entry>,
    told: Vec<Outgoing>,
}

impl Desk {
    /// A desk with these rows, which are locked.
    pub(super) async fn open(conn: &mut PgConnection, rows: Vec<Row>) -> Result<Self, StoreError> {
        let now = row::clock(conn).await?;
        Self::open_at(now, rows)
    }

    /// The same, when the clock was read already.
    pub(super) fn open_at(now: OffsetDateTime, rows: Vec<Row>) -> Result<Self, StoreError> {
        let mut entries = BTreeMap::new();
        for row in rows {
            let due_at = row.due_at;
            let shipment = Stored::try_from(row)?.shipment;
            let entry = Entry {
                shipment,
                due_at,
                changed: false,
            };
            entries.insert((entry.shipment.tenant, entry.shipment.id), entry);
        }
        Ok(Self {
            now,
            entries,
            told: Vec::new(),
        })
    }

    pub(super) const fn now(&self) -> OffsetDateTime {
        self.now
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.entries.keys().copied().collect()
    }

    /// The shipment as it is now.
    pub(super) fn shipment(&self, key: Key) -> Option<Shipment> {
        Some(self.entries.get(&key)?.shipment.clone())
    }

    pub(super) fn apply(&mut self, key: Key, decision: Decision, cause: Option<&Message>) {
        let Decision {
            shipment,
            news: told,
            due,
        } = decision;
        self.told
            .extend(told.iter().map(|each| news(&shipment, each, cause)));
        let before = self.entries.get(&key).and_then(|entry| entry.due_at);
        let due_at = match due {
            Due::AsBefore => before,
            Due::Never => None,
            Due::After(pause) => Some(self.now.saturating_add(pause.try_into().unwrap_or(
                // Longer than the calendar: as late as it goes.
                time::Duration::MAX,
            ))),
        };
        let entry = Entry {
            shipment,
            due_at,
            changed: true,
        };
        self.entries.insert(key, entry);
    }

    /// How soon the first of what changed is due.
    pub(super) fn due_first(&self) -> Option<Duration> {
        let changed = self.entries.values().filter(|entry| entry.changed);
        let due_at = changed.filter_map(|entry| entry.due_at).min()?;
        Some(until(due_at, self.now))
    }

    /// Writes what changed and what is told of it; returns the changed shipments as they are now.
    pub(super) async fn write(
        mut self,
        conn: &mut PgConnection,
        outbox: &Outbox,
    ) -> Result<Vec<Shipment>, StoreError> {
        self.entries.retain(|_, entry| entry.changed);
        if self.entries.is_empty() {
            return Ok(Vec::new());
        }
        let (mut changed, mut made) = (Columns::default(), Columns::default());
        for entry in self.entries.values() {
            let is_new = entry.shipment.version == 0;
            let columns = if is_new { &mut made } else { &mut changed };
            columns.push(&entry.shipment, entry.due_at);
        }
        // What is voided makes room for what is booked beside it.
        let is_written = changed.replace(conn).await? && made.add(conn).await?;
        if !is_written {
            return Err(if made.order_is_taken(conn).await? {
                StoreError::OrderHasShipment
            } else {
                StoreError::Contended("a shipment was made meanwhile".into())
            });
        }
        outbox.append(conn, &self.told).await?;
        let written = self.entries.into_values().map(|entry| Shipment {
            version: entry.shipment.version + 1,
            ..entry.shipment
        });
        Ok(written.collect())
    }
}

/// No time at all, when that is past.
pub(super) fn until(due_at: OffsetDateTime, now: OffsetDateTime) -> Duration {
    (due_at - now).try_into().unwrap_or_default()
}
