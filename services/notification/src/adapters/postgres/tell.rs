//! Stores what is told, many calls in one transaction: keys of the requests, places, notifications and
//! answers, or nothing at all.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use sqlx::PgConnection;
use tradepost_notifications::stream::GroupName;
use tradepost_postgres::idempotency::{self, Claim, Request};
use tradepost_postgres::{DbError, GroupLimits, retrying};
use tradepost_types::{NotificationId, TenantId};

use super::write::{self, Line};
use super::{PgNotifications, streams};
use crate::ports::{Entry, Outcome, Receipt, StoreError, Telling, Tellings, Whom};

/// How calls share transactions.
pub(super) const LIMITS: GroupLimits = GroupLimits {
    batch_max: 64,
    batches_max: 2,
    gap: Duration::from_millis(2),
};

/// As what the keys of requests are kept: one id is of one request, whatever it is.
const OPERATION: &str = "notification.tell";

#[async_trait]
impl Tellings for PgNotifications {
    async fn tell(&self, telling: Telling) -> Result<Outcome, StoreError> {
        let told = self.tellings.call(telling, |batch| self.tell_all(batch));
        told.await.map_err(DbError::from)?
    }
}

impl PgNotifications {
    /// Each tenant's calls are a transaction of their own: row-level security shows one tenant's rows.
    async fn tell_all(&self, batch: Vec<Telling>) -> Vec<Result<Outcome, StoreError>> {
        let mut tenants: HashMap<TenantId, Vec<usize>> = HashMap::new();
        for (place, telling) in batch.iter().enumerate() {
            tenants.entry(telling.tenant).or_default().push(place);
        }
        let batch = &batch;
        let telling = tenants.into_iter().map(|(tenant, places)| async move {
            let calls: Vec<&Telling> = places.iter().filter_map(|at| batch.get(*at)).collect();
            let told = self.tell_together(tenant, &calls).await;
            places.into_iter().zip(told)
        });
        let told = join_all(telling).await;
        let mut told: Vec<_> = told.into_iter().flatten().collect();
        told.sort_unstable_by_key(|(place, _)| *place);
        told.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// All in one transaction; each alone if one of them may be at fault.
    async fn tell_together(
        &self,
        tenant: TenantId,
        calls: &[&Telling],
    ) -> Vec<Result<Outcome, StoreError>> {
        let error = match retrying(|| self.tell_once(tenant, calls)).await {
            Ok(outcomes) => return outcomes.into_iter().map(Ok).collect(),
            Err(error) => error,
        };
        if calls.len() == 1 || !error.may_be_of_one() {
            return calls.iter().map(|_| Err(error.alike().into())).collect();
        }
        let alone = calls.chunks(1).map(|only| async move {
            let told = retrying(|| self.tell_once(tenant, only)).await?;
            let lost = || DbError::Query(sqlx::Error::RowNotFound);
            Ok(told.into_iter().next().ok_or_else(lost)?)
        });
        join_all(alone).await
    }

    async fn tell_once(
        &self,
        tenant: TenantId,
        calls: &[&Telling],
    ) -> Result<Vec<Outcome>, DbError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let outcomes = tell(tx.conn(), tenant, calls).await?;
        tradepost_crash::point("notification.before_commit");
        tx.commit().await?;
        Ok(outcomes)
    }
}

async fn tell(
    conn: &mut PgConnection,
    tenant: TenantId,
    calls: &[&Telling],
) -> Result<Vec<Outcome>, DbError> {
    let groups = known_groups(conn, tenant, calls).await?;
    let has_streams = |call: &&Telling| match &call.whom {
        Whom::Users(_) => true,
        Whom::Group(group) => groups.contains(group.as_str()),
    };
    let tellable: Vec<&Telling> = calls.iter().copied().filter(has_streams).collect();
    let claims = claim(conn, tenant, &tellable).await?;
    let fresh: Vec<&Telling> = tellable
        .iter()
        .zip(&claims)
        .filter_map(|(call, claim)| matches!(claim, Claim::Fresh).then_some(*call))
        .collect();
    let stored = store(conn, &fresh).await?;
    complete(conn, tenant, &fresh, &stored).await?;
    let mut answers = Answers::new(&fresh, stored);
    let mut claims = claims.into_iter();
    let mut outcomes = Vec::with_capacity(calls.len());
    for call in calls {
        if !has_streams(call) {
            outcomes.push(Outcome::NoGroup);
            continue;
        }
        let claim = claims.next().unwrap_or(Claim::Mismatch);
        outcomes.push(answers.outcome(call, claim)?);
    }
    Ok(outcomes)
}

/// Which of the groups exist. No group ever goes away.
async fn known_groups(
    conn: &mut PgConnection,
    tenant: TenantId,
    calls: &[&Telling],
) -> Result<HashSet<String>, DbError> {
    let groups: Vec<&str> = calls
        .iter()
        .filter_map(|call| match &call.whom {
            Whom::Users(_) => None,
            Whom::Group(group) => Some(GroupName::as_str(group)),
        })
        .collect();
    if groups.is_empty() {
        return Ok(HashSet::new());
    }
    let known: Vec<String> = sqlx::query_scalar(
        "select group_id from groups where tenant_id = $1 and group_id = any($2)",
    )
    .bind(tenant.as_uuid())
    .bind(groups)
    .fetch_all(conn)
    .await?;
    Ok(known.into_iter().collect())
}

async fn claim(
    conn: &mut PgConnection,
    tenant: TenantId,
    calls: &[&Telling],
) -> Result<Vec<Claim>, DbError> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let requests: Vec<Request<'_>> = calls
        .iter()
        .map(|call| Request {
            id: &call.request.id,
            fingerprint: &call.request.fingerprint,
            answer: Vec::new(),
        })
        .collect();
    idempotency::claim_all(conn, tenant, OPERATION, &requests).await
}

/// The entries of each call.
async fn store(conn: &mut PgConnection, fresh: &[&Telling]) -> Result<Vec<Vec<Entry>>, DbError> {
    let mut users: Vec<Line<'_>> = Vec::new();
    let mut groups: Vec<Line<'_>> = Vec::new();
    for call in fresh {
        let told = (call.tenant, call.id, &*call.content);
        match &call.whom {
            Whom::Users(names) => users.extend(names.iter().map(|user| Line::user(told, user))),
            Whom::Group(group) => groups.push(Line::group(told, group)),
        }
    }
    let mut users = write::tell_lines(conn, write::BUMP_USERS, &users)
        .await?
        .into_iter();
    let mut groups = write::tell_lines(conn, write::BUMP_GROUPS, &groups)
        .await?
        .into_iter();
    let of = |call: &&Telling| match &call.whom {
        Whom::Users(names) => users.by_ref().take(names.len()).collect(),
        Whom::Group(_) => groups.by_ref().take(1).collect(),
    };
    Ok(fresh.iter().map(of).collect())
}

async fn complete(
    conn: &mut PgConnection,
    tenant: TenantId,
    fresh: &[&Telling],
    stored: &[Vec<Entry>],
) -> Result<(), DbError> {
    if fresh.is_empty() {
        return Ok(());
    }
    let answers: Vec<(&str, Vec<u8>)> = fresh
        .iter()
        .zip(stored)
        .map(|(call, entries)| (call.request.id.as_str(), written(&receipt(call, entries))))
        .collect();
    idempotency::complete_all(conn, tenant, OPERATION, &answers).await
}

fn receipt(call: &Telling, entries: &[Entry]) -> Receipt {
    Receipt {
        id: call.id,
        sequences: entries.iter().map(|entry| entry.seq).collect(),
    }
}

/// What was stored, by the id of its request.
struct Answers<'a> {
    stored: HashMap<&'a str, (Receipt, Vec<Entry>)>,
}

impl<'a> Answers<'a> {
    fn new(fresh: &[&'a Telling], stored: Vec<Vec<Entry>>) -> Self {
        let stored = fresh.iter().zip(stored).map(|(call, entries)| {
            let receipt = receipt(call, &entries);
            (call.request.id.as_str(), (receipt, entries))
        });
        Self {
            stored: stored.collect(),
        }
    }

    /// The entries go to the call that stored them; a twin in the same batch gets the receipt.
    fn outcome(&mut self, call: &Telling, claim: Claim) -> Result<Outcome, DbError> {
        let stored = self.stored.get_mut(call.request.id.as_str());
        Ok(match (claim, stored) {
            (Claim::Mismatch, _) => Outcome::Reused,
            (Claim::Fresh, Some((receipt, entries))) => {
                Outcome::Stored(receipt.clone(), std::mem::take(entries))
            }
            (Claim::Replay(_), Some((receipt, _))) => Outcome::Replayed(receipt.clone()),
            (Claim::Replay(answer), None) => {
                let receipt = read(&answer).ok_or(Unread);
                Outcome::Replayed(receipt.map_err(streams::unreadable)?)
            }
            (Claim::Fresh, None) => return Err(DbError::Query(sqlx::Error::RowNotFound)),
        })
    }
}

/// A recorded answer that no line of ours wrote.
#[derive(Debug, thiserror::Error)]
#[error("the recorded answer of a request is malformed")]
struct Unread;

/// The id, and eight bytes a sequence.
fn written(receipt: &Receipt) -> Vec<u8> {
    let mut bytes = receipt.id.as_uuid().into_bytes().to_vec();
    for sequence in &receipt.sequences {
        bytes.extend_from_slice(&sequence.to_be_bytes());
    }
    bytes
}

fn read(answer: &[u8]) -> Option<Receipt> {
    let (id, sequences) = answer.split_first_chunk::<16>()?;
    let (sequences, rest) = sequences.as_chunks::<8>();
    rest.is_empty().then(|| Receipt {
        id: NotificationId::from_uuid(sqlx::types::Uuid::from_bytes(*id)),
        sequences: sequences
            .iter()
            .map(|seq| u64::from_be_bytes(*seq))
            .collect(),
    })
}
