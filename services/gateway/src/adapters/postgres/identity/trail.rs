//! Entries in the audit trail.

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use tradepost_types::TenantId;

use crate::adapters::postgres::audit;
use crate::domain::audit::{Actor, Chain, Entry, Origin, Outcome};
use crate::ports::identity::Author;

/// An entry of what `author` did, in the chain of `tenant`.
pub(in crate::adapters::postgres) fn entry(
    author: &Author,
    tenant: Option<TenantId>,
    action: &'static str,
    outcome: Outcome,
) -> Entry {
    let actor = match (author.subject, author.address) {
        (Some(subject), _) => Actor::Subject(subject),
        (None, Some(_)) => Actor::Anonymous,
        (None, None) => Actor::System("identity"),
    };
    let mut entry = Entry::new(Chain::from(tenant), actor, action, outcome);
    if let Some(session) = author.session {
        entry = entry.during(session);
    }
    if author.address.is_some() {
        let agent = author.user_agent.as_deref();
        entry = entry.from(Origin::new(author.address, agent));
    }
    match tradepost_telemetry::current_traceparent().as_deref() {
        // `00-` + 32 digits + `-` + …
        Some(parent) => match parent.get(3..35) {
            Some(trace) => entry.traced(trace),
            None => entry,
        },
        None => entry,
    }
}

/// An entry of something that was done.
pub(super) fn done(author: &Author, tenant: Option<TenantId>, action: &'static str) -> Entry {
    entry(author, tenant, action, Outcome::Succeeded)
}

/// Appends it: the last statement of its transaction.
pub(super) async fn append(conn: &mut PgConnection, entry: &Entry) -> Result<(), DbError> {
    audit::append(conn, entry).await
}
