//! Placing: keys, orders, lines, events and messages of many placements in one transaction.

mod insert;

use futures::future::join_all;
use sqlx::PgConnection;
use tradepost_messaging::Outgoing;
use tradepost_postgres::idempotency::{self, Claim, Request};
use tradepost_postgres::retrying;
use tradepost_types::{OrderId, TenantId};
use uuid::Uuid;

use super::PgOrders;
use super::read;
use super::row::FaultyRow;
use super::together::{by_tenant, in_order};
use crate::adapters::amqp::{self, Cause};
use crate::domain::saga::{Command, Fact};
use crate::domain::{NewOrder, Order};
use crate::ports::{Placed, RequestKey, StoreError};

/// The name of the call in the idempotency keys.
const OPERATION: &str = "PlaceOrder";

/// An order on its way into the store.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) order: NewOrder,
    pub(super) key: RequestKey,
}

impl PgOrders {
    /// Each tenant's placements are a transaction of their own, for row-level security; they run
    /// beside each other.
    pub(super) async fn place_all(&self, batch: Vec<Placement>) -> Vec<Result<Placed, StoreError>> {
        let placing = by_tenant(&batch, |placement| placement.order.tenant);
        let placing = placing.into_iter().map(|of| async move {
            let placed = self.place_together(of.tenant, &of.calls).await;
            of.places.into_iter().zip(placed)
        });
        in_order(join_all(placing).await)
    }

    /// All in one transaction; each alone if one of them may be at fault.
    async fn place_together(
        &self,
        tenant: TenantId,
        placements: &[&Placement],
    ) -> Vec<Result<Placed, StoreError>> {
        match retrying(|| self.place_once(tenant, placements)).await {
            Ok(placed) => placed.into_iter().map(Ok).collect(),
            Err(error) if placements.len() == 1 => vec![Err(error)],
            Err(StoreError::Unavailable(error)) => {
                let alike = |_| Err(StoreError::Unavailable(error.alike()));
                placements.iter().map(alike).collect()
            }
            Err(StoreError::Contended(_) | StoreError::Faulty(_)) => {
                let alone = placements
                    .chunks(1)
                    .map(|only| self.place_alone(tenant, only));
                join_all(alone).await
            }
        }
    }

    async fn place_alone(
        &self,
        tenant: TenantId,
        only: &[&Placement],
    ) -> Result<Placed, StoreError> {
        let placed = retrying(|| self.place_once(tenant, only)).await?;
        // One is asked about, one is answered.
        Ok(placed.into_iter().next().unwrap_or(Placed::Mismatch))
    }

    async fn place_once(
        &self,
        tenant: TenantId,
        placements: &[&Placement],
    ) -> Result<Vec<Placed>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let requests: Vec<Request<'_>> = placements.iter().map(|each| each.request()).collect();
        let claims = idempotency::claim_all(tx.conn(), tenant, OPERATION, &requests).await?;
        let claimed = placements.iter().zip(&claims);
        let fresh: Vec<&Placement> = claimed
            .filter(|(_, claim)| **claim == Claim::Fresh)
            .map(|(placement, _)| *placement)
            .collect();
        let orders = self.insert(tx.conn(), tenant, &fresh).await?;
        let messages: Vec<Outgoing> = fresh
            .iter()
            .zip(&orders)
            .flat_map(|(placement, order)| self.first_messages(placement, order))
            .collect();
        self.outbox.append(tx.conn(), &messages).await?;
        let mut orders = orders.into_iter();
        let mut placed = Vec::with_capacity(placements.len());
        for (placement, claim) in placements.iter().zip(claims) {
            placed.push(match claim {
                Claim::Mismatch => Placed::Mismatch,
                Claim::Replay(answer) => replay(tx.conn(), tenant, &answer).await?,
                Claim::Fresh => match orders.next() {
                    Some(order) => Placed::Order {
                        order: Box::new(order),
                        lines: placement.order.lines.clone(),
                        replayed: false,
                    },
                    None => return Err(lost(placement.order.id)),
                },
            });
        }
        if fresh.is_empty() {
            tx.rollback().await;
        } else {
            tx.commit().await?;
        }
        Ok(placed)
    }

    /// The reservation is asked for, and everybody may know.
    fn first_messages(&self, placement: &Placement, order: &Order) -> Vec<Outgoing> {
        let commands = [Command::ReserveStock(order.current_reservation())];
        let supplement = amqp::Supplement {
            lines: &placement.order.lines,
            hold_seconds: self.definitions.policy().hold_seconds,
        };
        let cause = placement.cause();
        amqp::outgoing(order, &cause, &commands, &[Fact::Placed], supplement)
    }

    /// Takes the key only to see whether it is free, and gives it back.
    pub(super) async fn find_placed_once(
        &self,
        tenant: TenantId,
        key: &RequestKey,
    ) -> Result<Option<Placed>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let (request_id, fingerprint) = (key.request_id.as_str(), &key.fingerprint);
        let claim =
            idempotency::claim(tx.conn(), tenant, OPERATION, request_id, fingerprint).await?;
        let found = match claim {
            Claim::Fresh => None,
            Claim::Mismatch => Some(Placed::Mismatch),
            Claim::Replay(answer) => Some(replay(tx.conn(), tenant, &answer).await?),
        };
        tx.rollback().await;
        Ok(found)
    }
}

impl Placement {
    fn request(&self) -> Request<'_> {
        Request {
            id: &self.key.request_id,
            fingerprint: &self.key.fingerprint,
            answer: self.order.id.as_uuid().as_bytes().to_vec(),
        }
    }

    fn cause(&self) -> Cause<'_> {
        let traceparent = self.order.details.traceparent.as_deref();
        Cause::request(&self.key.request_id, traceparent)
    }
}

fn lost(order: OrderId) -> StoreError {
    let what = "its key was taken and its row was not made".to_owned();
    let order = order.as_uuid();
    FaultyRow { order, what }.into()
}

/// Answers a known key with the order as it is now.
async fn replay(
    conn: &mut PgConnection,
    tenant: TenantId,
    answer: &[u8],
) -> Result<Placed, StoreError> {
    let fault = |order: Uuid, what: &str| FaultyRow {
        order,
        what: what.to_owned(),
    };
    let id = Uuid::from_slice(answer)
        .map_err(|_other| fault(Uuid::nil(), "its key holds no order id"))?;
    let id = OrderId::from_uuid(id);
    let order = read::find(conn, tenant, id)
        .await?
        .ok_or_else(|| fault(id.as_uuid(), "its key is there and its row is not"))?;
    let mut lines = read::lines(conn, &[(tenant, id)]).await?;
    Ok(Placed::Order {
        order: Box::new(order),
        lines: lines.remove(&id).unwrap_or_default(),
        replayed: true,
    })
}
