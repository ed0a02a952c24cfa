//! Loads the cases a batch touches, under locks taken in one order, and writes back what the batch
//! changed, each kind of row with one statement.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use tradepost_postgres::DbError;
use tradepost_telemetry::Redacted;
use tradepost_types::{PaymentId, RefundId, TenantId};
use uuid::Uuid;

use super::rows::{PAYMENT_COLUMNS, PaymentRow, REFUND_COLUMNS, RefundRow};
use super::{Pace, disputes};
use crate::domain::{Call, Case, RefundCase, RefundState, State};
use crate::ports::{Job, Key, Work};

/// The messages that asked for the steps of a payment.
#[derive(Debug, Clone, Default)]
pub(super) struct Causes {
    pub(super) authorize: Option<Uuid>,
    pub(super) capture: Option<Uuid>,
    pub(super) void: Option<Uuid>,
    pub(super) traceparent: Option<String>,
}

/// What is kept beside a refund.
#[derive(Debug, Clone, Default)]
pub(super) struct RefundNotes {
    pub(super) note: String,
    pub(super) cause: Option<Uuid>,
    pub(super) traceparent: Option<String>,
    pub(super) age: Duration,
    pub(super) retry_after: Option<Duration>,
}

/// A case with what the domain does not need to know.
pub(super) struct Held {
    pub(super) case: Case,
    /// As it was loaded; nothing for a new one.
    before: Option<Case>,
    pub(super) causes: Causes,
    pub(super) payment_method: Option<String>,
    pub(super) age: Duration,
    pub(super) retry_after: Option<Duration>,
    pub(super) refund_notes: BTreeMap<RefundId, RefundNotes>,
}

impl Held {
    pub(super) fn new(case: Case, payment_method: Option<String>) -> Self {
        Self {
            case,
            before: None,
            causes: Causes::default(),
            payment_method,
            age: Duration::ZERO,
            retry_after: None,
            refund_notes: BTreeMap::new(),
        }
    }
}

pub(super) type Cases = BTreeMap<Key, Held>;

/// Loads and locks the payments that exist, with their refunds; `keys` names each once.
pub(super) async fn lock(conn: &mut PgConnection, keys: &[Key]) -> Result<Cases, DbError> {
    load(conn, keys, "for update of payments").await
}

/// As [`lock`], without the lock: what is found may change at once, and must not be saved.
pub(super) async fn look(conn: &mut PgConnection, keys: &[Key]) -> Result<Cases, DbError> {
    load(conn, keys, "").await
}

/// A join, and not `in (select …)`: for that the server's guess with the values at hand always
/// beats its guess without them, so it plans anew at every call, which costs more than the call.
async fn load(
    conn: &mut PgConnection,
    keys: &[Key],
    locking: &'static str,
) -> Result<Cases, DbError> {
    let tenants: Vec<Uuid> = keys.iter().map(|key| key.tenant.as_uuid()).collect();
    let ids: Vec<Uuid> = keys.iter().map(|key| key.payment.as_uuid()).collect();
    let query = format!(
        "select {PAYMENT_COLUMNS} from payments
         join unnest($1::uuid[], $2::uuid[]) as wanted(tenant_id, payment_id)
             using (tenant_id, payment_id)
         order by tenant_id, payment_id {locking}"
    );
    let rows: Vec<PaymentRow> = sqlx::query_as(AssertSqlSafe(query))
        .bind(&tenants)
        .bind(&ids)
        .fetch_all(&mut *conn)
        .await?;
    let mut cases = Cases::new();
    let mut with_refunds = false;
    let mut disputed = Vec::new();
    for row in rows {
        let case = row.case()?;
        with_refunds |= case.payment.captured.is_positive();
        let key = Key {
            tenant: case.tenant,
            payment: case.id,
        };
        disputed.extend((row.disputes > 0).then_some(key));
        let mut held = Held::new(case, row.payment_method.clone());
        held.age = row.age();
        held.causes = Causes {
            authorize: row.authorize_cause,
            capture: row.capture_cause,
            void: row.void_cause,
            traceparent: row.traceparent,
        };
        cases.insert(key, held);
    }
    if with_refunds {
        load_refunds(&mut *conn, &tenants, &ids, &mut cases).await?;
    }
    disputes::load(conn, &disputed, &mut cases).await?;
    for held in cases.values_mut() {
        held.before = Some(held.case.clone());
    }
    Ok(cases)
}

/// The payment's lock covers its refunds.
async fn load_refunds(
    conn: &mut PgConnection,
    tenants: &[Uuid],
    ids: &[Uuid],
    cases: &mut Cases,
) -> Result<(), DbError> {
    let query = format!(
        "select {REFUND_COLUMNS} from refunds
         where (tenant_id, payment_id) in (select * from unnest($1::uuid[], $2::uuid[]))
         order by tenant_id, payment_id, created_at, refund_id"
    );
    let rows: Vec<RefundRow> = sqlx::query_as(AssertSqlSafe(query))
        .bind(tenants)
        .bind(ids)
        .fetch_all(conn)
        .await?;
    for row in rows {
        let key = Key {
            tenant: TenantId::from_uuid(row.tenant_id),
            payment: PaymentId::from_uuid(row.payment_id),
        };
        let Some(held) = cases.get_mut(&key) else {
            continue;
        };
        let made = row.made(held.case.payment.amount.currency())?;
        let notes = RefundNotes {
            age: row.age(),
            note: String::new(),
            cause: row.cause,
            traceparent: row.traceparent,
            retry_after: None,
        };
        held.refund_notes.insert(made.refund.id, notes);
        held.case.refunds.push(made);
    }
    Ok(())
}

/// When the next call of something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing is due.
    Never,
    /// At once, by whoever saves this.
    Now,
    /// After a wait.
    After(Duration),
    /// As it was planned.
    Keep,
}

impl Next {
    /// Milliseconds from now as the statements take it: null clears, negative keeps.
    fn millis(self, pace: Pace) -> Option<i64> {
        let wait = match self {
            Self::Never => return None,
            Self::Keep => return Some(-1),
            Self::Now => pace.lease,
            Self::After(wait) => wait,
        };
        Some(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
    }
}

fn next(due: bool, moved: bool, attempts: (u32, u32), asked: Option<Duration>, pace: Pace) -> Next {
    let (before, now) = attempts;
    match (due, moved && now == 0) {
        (false, _) => Next::Never,
        (true, true) => Next::Now,
        (true, false) if moved || before != now => {
            let wait = super::fold::backoff(now, pace);
            Next::After(asked.map_or(wait, |asked| asked.max(wait)))
        }
        (true, false) => Next::Keep,
    }
}

/// Writes back what changed, and says which calls are due at once.
pub(super) async fn save(
    conn: &mut PgConnection,
    cases: &Cases,
    pace: Pace,
) -> Result<Vec<Work>, DbError> {
    let (mut payments, mut refunds, mut work) = (Vec::new(), Vec::new(), Vec::new());
    for (key, held) in cases {
        let case = &held.case;
        if held.before.as_ref() != Some(case) || held.retry_after.is_some() {
            let before = held.before.as_ref();
            let moved = before.is_none_or(|old| old.payment.state != case.payment.state);
            let tries = (before.map_or(0, |old| old.attempts), case.attempts);
            let plan = next(case.is_due(), moved, tries, held.retry_after, pace);
            payments.push(payment_json(held, plan.millis(pace)));
            if plan == Next::Now {
                work.extend(payment_work(*key, held));
            }
        }
        for made in &case.refunds {
            let old = held.before.as_ref().and_then(|before| {
                let same = |old: &&RefundCase| old.refund.id == made.refund.id;
                before.refunds.iter().find(same)
            });
            if old == Some(made) {
                continue;
            }
            let moved = old.is_none_or(|old| old.refund.state != made.refund.state);
            let tries = (old.map_or(0, |old| old.attempts), made.attempts);
            let notes = held.refund_notes.get(&made.refund.id);
            let asked = notes.and_then(|notes| notes.retry_after);
            let plan = next(made.refund.state.is_due(), moved, tries, asked, pace);
            refunds.push(refund_json(*key, made, notes, plan.millis(pace)));
            if plan == Next::Now {
                work.push(refund_work(*key, held, made));
            }
        }
    }
    save_payments(conn, payments).await?;
    save_refunds(conn, refunds).await?;
    disputes::save(conn, changed_disputes(cases)).await?;
    Ok(work)
}

/// The disputes that are not as they were loaded.
fn changed_disputes(cases: &Cases) -> Vec<serde_json::Value> {
    let of_case = |(key, held): (&Key, &Held)| {
        let before = held.before.as_ref().map(|case| case.disputes.as_slice());
        let known = before.unwrap_or_default();
        let changed = held.case.disputes.iter();
        let changed = changed.filter(|dispute| !known.contains(dispute));
        changed
            .map(|dispute| disputes::row(*key, dispute))
            .collect::<Vec<_>>()
    };
    cases.iter().flat_map(of_case).collect()
}

async fn save_payments(
    conn: &mut PgConnection,
    rows: Vec<serde_json::Value>,
) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("save_payments.sql"))
        .bind(sqlx::types::Json(rows))
        .execute(conn)
        .await?;
    Ok(())
}

async fn save_refunds(
    conn: &mut PgConnection,
    rows: Vec<serde_json::Value>,
) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("save_refunds.sql"))
        .bind(sqlx::types::Json(rows))
        .execute(conn)
        .await?;
    Ok(())
}

fn payment_json(held: &Held, next_ms: Option<i64>) -> serde_json::Value {
    let (case, payment) = (&held.case, &held.case.payment);
    let amount = payment.amount.minor_units();
    json!({
        "tenant_id": case.tenant.as_uuid(),
        "payment_id": case.id.as_uuid(),
        "order_id": case.order.as_uuid(),
        "state": payment.state.name(),
        "currency": (amount != 0).then(|| payment.amount.currency().code()),
        "amount": amount,
        "capture_amount": payment.capture_amount.map(tradepost_types::Money::minor_units),
        "captured": payment.captured.minor_units(),
        "refunded": payment.refunded.minor_units(),
        "void_requested": payment.void_requested,
        "fully_refunded": payment.fully_refunded,
        "decline_reason": payment.decline_reason,
        "payment_method": held.payment_method.as_ref().filter(|_| needs_card(payment.state)),
        "provider_reference": case.reference,
        "authorize_cause": held.causes.authorize,
        "capture_cause": held.causes.capture,
        "void_cause": held.causes.void,
        "traceparent": held.causes.traceparent,
        "attempts": case.attempts,
        "disputes": case.disputes.len(),
        "next_ms": next_ms,
    })
}

fn refund_json(
    key: Key,
    made: &RefundCase,
    notes: Option<&RefundNotes>,
    next_ms: Option<i64>,
) -> serde_json::Value {
    json!({
        "tenant_id": key.tenant.as_uuid(),
        "refund_id": made.refund.id.as_uuid(),
        "payment_id": key.payment.as_uuid(),
        "state": made.refund.state.name(),
        "amount": made.refund.amount.minor_units(),
        "origin": made.origin.name(),
        "note": notes.map_or("", |notes| notes.note.as_str()),
        "failure_reason": made.refund.failure_reason,
        "provider_reference": made.reference,
        "cause": notes.and_then(|notes| notes.cause),
        "traceparent": notes.and_then(|notes| notes.traceparent.clone()),
        "attempts": made.attempts,
        "next_ms": next_ms,
    })
}

/// Whether a call for a new intent may still have to be made.
const fn needs_card(state: State) -> bool {
    matches!(
        state.due_call(),
        Some(Call::Authorize | Call::Ask) if !matches!(state, State::CaptureUnknown)
    )
}

/// The call that is due for the payment.
pub(super) fn payment_work(key: Key, held: &Held) -> Option<Work> {
    let payment = &held.case.payment;
    let call = payment.state.due_call()?;
    let amount = match call {
        Call::Capture => payment.capture_amount.unwrap_or(payment.amount),
        Call::Authorize | Call::Cancel | Call::Ask => payment.amount,
    };
    let job = Job::Payment {
        call,
        amount,
        payment_method: held.payment_method.clone().map(Redacted::new),
    };
    Some(work(key, held, held.case.attempts, held.age, job))
}

/// The call that is due for a refund.
pub(super) fn refund_work(key: Key, held: &Held, made: &RefundCase) -> Work {
    let age = held.refund_notes.get(&made.refund.id);
    let age = age.map_or(Duration::ZERO, |notes| notes.age);
    let job = Job::Refund {
        id: made.refund.id,
        amount: made.refund.amount,
        reference: made.reference.clone(),
        asked_before: made.refund.state != RefundState::Requested,
    };
    work(key, held, made.attempts, age, job)
}

fn work(key: Key, held: &Held, attempts: u32, age: Duration, job: Job) -> Work {
    Work {
        key,
        order: held.case.order,
        reference: held.case.reference.clone(),
        attempts,
        age,
        job,
        traceparent: held.causes.traceparent.clone(),
    }
}
