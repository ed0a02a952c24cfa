//! Waiting until nothing moves any more: every outbox empty, no saga in motion, no call to the
//! provider or the carrier due, and no message handled between two looks.

use std::time::{Duration, Instant};

use tradepost_provider_sim::witness::Witness;

use crate::audit::{CannotAudit, read_log};
use crate::check::Service;
use crate::snapshot::Databases;
use crate::targets::Targets;
use crate::world;

/// The time between two looks: longer than a message takes from its outbox to its inbox.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What moves in one database: `busy` is what still has work to do, the marks only ever grow.
const VITALS: &str = "
select (select count(*) from messaging.outbox),
       (select count(*) from messaging.retries),
       (select last_value from messaging.outbox_seq_seq),
       (select count(*) from messaging.inbox)";

/// Orders that somebody works on right now; the others wait for a carrier, a customer or a person.
pub(crate) const ORDERS_IN_MOTION: &str = "
select tenant_id, order_id::text, 'is ' || state || ' since ' || updated_at
from orders
where state in ('reserving', 'authorizing', 'confirming', 'capturing', 'cancelling', 'returning')
  and not (state = 'authorizing' and saga #> '{phase,wait,action}' is not null)";

/// Payments and refunds whose next step is a call to the provider.
pub(crate) const CALLS_DUE: &str = "
select tenant_id, 'payment ' || payment_id, 'is ' || state || ' since ' || updated_at
from payments
where state in ('authorizing', 'unknown', 'capturing', 'capture_unknown', 'voiding')
union all
select tenant_id, 'refund ' || refund_id, 'is ' || state || ' since ' || updated_at
from refunds
where state in ('requested', 'submitted', 'unknown')";

/// Shipments whose carrier has not answered yet: a planned one is to be booked, and whatever has an
/// errand is being asked about.
pub(crate) const ERRANDS_DUE: &str = "
select tenant_id, shipment_id::text, 'is ' || state || ' since ' || updated_at
from shipments
where state = 'planned' or document ->> 'errand' is not null";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Vitals {
    /// What has work to do, and how much.
    busy: Vec<(String, i64)>,
    /// Messages ever written and handled.
    marks: Vec<(i64, i64)>,
}

/// Waits for rest, or for the end of patience, and leaves the snapshots open. Answers with the log
/// and, if there was no rest, why.
pub(crate) async fn wait(
    databases: &mut Databases,
    targets: &Targets,
) -> Result<(Witness, Option<String>), CannotAudit> {
    let until = Instant::now() + targets.wait;
    let mut before = look(databases).await?;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = look(databases).await?;
        let restless = now.restless_since(&before);
        before = now;
        let over = Instant::now() >= until;
        if restless.is_some() && !over {
            continue;
        }
        let witness = read_log(targets)?;
        databases.open(targets.grace).await?;
        // Through the snapshots: nothing must have begun while they were opened.
        let seen = look(databases).await?;
        let restless = restless.or_else(|| seen.restless_since(&before));
        if restless.is_none() || over {
            return Ok((witness, restless));
        }
        databases.release().await?;
    }
}

async fn look(databases: &mut Databases) -> Result<Vitals, CannotAudit> {
    let (mut busy, mut marks) = (Vec::new(), Vec::new());
    for service in databases.services() {
        let unanswered = |source| CannotAudit::Database { service, source };
        let conn = databases.get(service)?;
        let (outbox, retries, written, handled): (i64, i64, i64, i64) = sqlx::query_as(VITALS)
            .fetch_one(&mut *conn)
            .await
            .map_err(unanswered)?;
        let name = service.name();
        busy.push((format!("messages in the outbox of {name}"), outbox));
        busy.push((format!("messages to be tried again by {name}"), retries));
        marks.push((written, handled));
        let more = match service {
            Service::Order => Some(("sagas in motion", ORDERS_IN_MOTION)),
            Service::Payment => Some(("calls to the provider due", CALLS_DUE)),
            Service::Shipping => Some(("calls to the carrier due", ERRANDS_DUE)),
            Service::Inventory | Service::Metrics | Service::Notification => None,
        };
        if let Some((what, query)) = more {
            // The text is a constant of this file.
            let query = format!("select count(*) from ({query}) as moving");
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .fetch_one(conn)
                .await
                .map_err(unanswered)?;
            busy.push((what.to_owned(), count));
        }
    }
    // Facts on their way are in no outbox any more, and in no inbox yet.
    let uncounted = world::counted(databases).await?;
    let uncounted = uncounted.map_or(0, |counted| counted.differences());
    let uncounted = i64::try_from(uncounted).unwrap_or(i64::MAX);
    busy.push(("sums of orders not counted yet".to_owned(), uncounted));
    Ok(Vitals { busy, marks })
}

impl Vitals {
    fn restless(&self) -> Option<String> {
        let busy = self.busy.iter().filter(|(_, count)| *count > 0);
        let words: Vec<String> = busy
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    fn restless_since(&self, before: &Self) -> Option<String> {
        let moved = (self.marks != before.marks).then(|| "messages are being handled".to_owned());
        self.restless().or(moved)
    }
}
