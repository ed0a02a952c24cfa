//! Rows on their way into a file or out of it, and what they add up to: by this a file is compared
//! with the database. Pure; not in the domain because measurements are floats.

use sha2::{Digest, Sha256};
use tradepost_types::TenantId;

/// A raw event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawEvent<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its number.
    pub id: i64,
    /// The name of its type.
    pub event_type: &'a str,
    /// Who; empty: nobody.
    pub user: &'a str,
    /// The number.
    pub value: f64,
}

/// Some raw events, without memory of its own for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventRows {
    rows: Vec<Row>,
    texts: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    tenant: TenantId,
    at_ms: i64,
    id: i64,
    value: f64,
    /// Where the type's name starts, where the user, and where that ends.
    texts: (usize, usize, usize),
}

impl EventRows {
    /// Room for that many.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows),
            texts: String::with_capacity(rows * 24),
        }
    }

    /// Adds an event.
    pub fn push(&mut self, event: &RawEvent<'_>) {
        let start = self.texts.len();
        self.texts.push_str(event.event_type);
        let user = self.texts.len();
        self.texts.push_str(event.user);
        self.rows.push(Row {
            tenant: event.tenant,
            at_ms: event.at_ms,
            id: event.id,
            value: event.value,
            texts: (start, user, self.texts.len()),
        });
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The events.
    pub fn iter(&self) -> impl Iterator<Item = RawEvent<'_>> {
        self.rows.iter().map(|row| {
            let (start, user, end) = row.texts;
            RawEvent {
                tenant: row.tenant,
                at_ms: row.at_ms,
                id: row.id,
                event_type: self.texts.get(start..user).unwrap_or_default(),
                user: self.texts.get(user..end).unwrap_or_default(),
                value: row.value,
            }
        })
    }
}

/// What rows add up to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// How many.
    pub rows: i64,
    /// The earliest and latest moment, in milliseconds since 1970.
    pub times_ms: Option<(i64, i64)>,
    /// The values, added up in the order of the rows.
    pub value_sum: f64,
    /// By tenant, in order.
    pub tenants: Vec<TenantTally>,
}

/// What a tenant's rows add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantTally {
    /// Whose.
    pub tenant: TenantId,
    /// How many.
    pub rows: i64,
    /// The SHA-256 of all of them, in their order.
    pub content: [u8; 32],
}

/// Bytes that are hashed at once.
const HASHED_AT_ONCE: usize = 16 * 1_024;

/// Counts rows that come in the order of their tenants.
#[derive(Debug, Default)]
pub struct Tallying {
    tally: Tally,
    tenant: Option<(TenantId, i64)>,
    hash: Sha256,
    waiting: Vec<u8>,
}

impl Tallying {
    /// Counts an event.
    pub fn push(&mut self, event: &RawEvent<'_>) {
        match &mut self.tenant {
            Some((tenant, rows)) if *tenant == event.tenant => *rows += 1,
            _ => {
                self.close_tenant();
                self.tenant = Some((event.tenant, 1));
            }
        }
        let tally = &mut self.tally;
        tally.rows += 1;
        tally.value_sum += event.value;
        let (first, last) = tally.times_ms.unwrap_or((event.at_ms, event.at_ms));
        tally.times_ms = Some((first.min(event.at_ms), last.max(event.at_ms)));
        self.hash(event);
    }

    /// Each part has its length before it or is of fixed length, so no two rows look the same.
    fn hash(&mut self, event: &RawEvent<'_>) {
        let bytes = &mut self.waiting;
        bytes.extend_from_slice(&event.at_ms.to_be_bytes());
        bytes.extend_from_slice(&event.id.to_be_bytes());
        bytes.extend_from_slice(&event.value.to_bits().to_be_bytes());
        for text in [event.event_type, event.user] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        if bytes.len() >= HASHED_AT_ONCE {
            self.hash.update(&bytes);
            bytes.clear();
        }
    }

    fn close_tenant(&mut self) {
        let Some((tenant, rows)) = self.tenant.take() else {
            return;
        };
        self.hash.update(&self.waiting);
        self.waiting.clear();
        self.tally.tenants.push(TenantTally {
            tenant,
            rows,
            content: self.hash.finalize_reset().into(),
        });
    }

    /// What they add up to.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        self.close_tenant();
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(tenant: TenantId, at_ms: i64) -> RawEvent<'static> {
        RawEvent {
            tenant,
            at_ms,
            id: 7,
            event_type: "a",
            user: "ada",
            value: 0.5,
        }
    }

    fn tally<'a>(events: impl IntoIterator<Item = RawEvent<'a>>) -> Tally {
        let mut tallying = Tallying::default();
        events.into_iter().for_each(|event| tallying.push(&event));
        tallying.finish()
    }

    #[test]
    fn any_change_of_a_row_changes_the_content_of_its_tenant_alone() {
        let (one, other) = (TenantId::new(), TenantId::new());
        let whole = tally([event(one, 1), event(one, 2), event(other, 3)]);

        for changed in [
            RawEvent {
                at_ms: 5,
                ..event(one, 2)
            },
            RawEvent {
                id: 8,
                ..event(one, 2)
            },
            RawEvent {
                event_type: "aa",
                user: "da",
                ..event(one, 2)
            },
            RawEvent {
                user: "",
                ..event(one, 2)
            },
            RawEvent {
                value: -0.5,
                ..event(one, 2)
            },
        ] {
            let seen = tally([event(one, 1), changed, event(other, 3)]);
            assert_ne!(seen.tenants[0].content, whole.tenants[0].content);
            assert_eq!(seen.tenants[1], whole.tenants[1]);
        }
    }

    #[test]
    fn rows_come_out_as_they_went_in() {
        let tenant = TenantId::new();
        let events = [
            event(tenant, 1),
            RawEvent {
                user: "",
                ..event(tenant, 2)
            },
        ];
        let mut rows = EventRows::with_capacity(2);

        events.iter().for_each(|event| rows.push(event));

        assert_eq!(rows.iter().collect::<Vec<_>>(), events);
        let counted = tally(rows.iter());
        assert_eq!(
            (counted.rows, counted.times_ms, counted.value_sum),
            (2, Some((1, 2)), 1.0)
        );
    }
}
