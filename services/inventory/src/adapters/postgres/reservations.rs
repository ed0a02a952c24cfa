//! Reservations: a batch of commands, or of expiries, is one transaction.

use async_trait::async_trait;
use tradepost_messaging::{Message, Outgoing, inbox};
use tradepost_postgres::{DbError, RetryableTx, SystemTx, retrying};
use tradepost_types::{OrderId, ReservationId, TenantId};
use uuid::Uuid;

use super::PgInventory;
use super::rows::ReservationRow;
use super::shelf;
use crate::adapters::amqp::render::{Subject, answer};
use crate::domain::{Action, Answer, Command, Reservation};
use crate::ports::{Asked, Handled, ReservationStore, StoreError, StoredReservation};

/// The name under which the inbox knows this consumer.
const CONSUMER: &str = "inventory.commands";

impl RetryableTx for StoreError {
    /// Two batches may meet a new reservation at once: the second one loses against the first, and
    /// finds it stored when it runs again.
    fn is_serialization_failure(&self) -> bool {
        match self {
            Self::Database(error) => {
                error.is_serialization_failure() || error.constraint() == Some("reservations_pk")
            }
            Self::RequestIdReused | Self::ItemNotFound | Self::CurrencyChanged | Self::Stock(_) => {
                false
            }
        }
    }
}

#[async_trait]
impl ReservationStore for PgInventory {
    async fn carry_out(&self, batch: &[Asked]) -> Result<Handled, StoreError> {
        let handled = retrying(|| self.try_carry_out(batch)).await?;
        self.outbox.wake();
        Ok(handled)
    }

    async fn expire_due(&self, limit: i64) -> Result<Handled, StoreError> {
        let handled = retrying(|| self.try_expire(limit)).await?;
        if handled.expired > 0 {
            self.outbox.wake();
        }
        Ok(handled)
    }

    async fn find(
        &self,
        tenant: TenantId,
        id: ReservationId,
    ) -> Result<Option<StoredReservation>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let row: Option<ReservationRow> = sqlx::query_as(
            "select tenant_id, reservation_id, order_id, state, skus, quantities, expire_at,
                    reject_reason, shortfalls, created_at, updated_at
             from reservations where tenant_id = $1 and reservation_id = $2",
        )
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let (created_at, updated_at) = (row.created_at, row.updated_at);
        let reservation = Reservation::try_from(row)?;
        Ok(Some(StoredReservation {
            reservation,
            created_at,
            updated_at,
        }))
    }
}

impl PgInventory {
    async fn try_carry_out(&self, batch: &[Asked]) -> Result<Handled, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let causes: Vec<&Message> = batch.iter().map(|asked| &asked.cause).collect();
        let mut fresh = inbox::claim(tx.conn(), CONSUMER, &causes).await?;
        // A message that occurs twice in one batch is carried out once.
        let fresh: Vec<&Asked> = batch
            .iter()
            .filter(|asked| fresh.remove(&asked.cause.id))
            .collect();
        if fresh.is_empty() {
            tx.commit().await?;
            return Ok(Handled::default());
        }
        let work = fresh
            .iter()
            .map(|asked| (asked.command.clone(), Some(&asked.cause)));
        self.decide(tx, work.collect()).await
    }

    async fn try_expire(&self, limit: i64) -> Result<Handled, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let due: Vec<(Uuid, Uuid, Uuid)> = sqlx::query_as(include_str!("due_reservations.sql"))
            .bind(limit)
            .fetch_all(tx.conn())
            .await
            .map_err(DbError::from)?;
        if due.is_empty() {
            tx.rollback().await;
            return Ok(Handled::default());
        }
        let work = due.into_iter().map(|(tenant, reservation, order)| {
            let command = Command {
                tenant: TenantId::from_uuid(tenant),
                reservation: ReservationId::from_uuid(reservation),
                order: OrderId::from_uuid(order),
                action: Action::Expire,
            };
            (command, None)
        });
        self.decide(tx, work.collect()).await
    }

    /// Loads, decides, writes back and answers, and commits.
    async fn decide(
        &self,
        mut tx: SystemTx,
        work: Vec<(Command, Option<&Message>)>,
    ) -> Result<Handled, StoreError> {
        let commands: Vec<Command> = work.iter().map(|(command, _)| command.clone()).collect();
        let (mut shelf, now) = shelf::load(tx.conn(), &commands).await?;
        let mut handled = Handled::default();
        let mut answers = Vec::with_capacity(work.len());
        for (command, cause) in work {
            let subject = Subject {
                tenant: command.tenant,
                reservation: command.reservation,
                order: command.order,
            };
            for given in shelf.decide(command, now) {
                count(&mut handled, &given);
                answers.push(traced(answer(subject, &given, cause)));
            }
        }
        shelf::save(tx.conn(), &shelf).await?;
        self.outbox.append(tx.conn(), &answers).await?;
        tx.commit().await?;
        Ok(handled)
    }
}

/// An answer without a cause starts where the sweeper stands.
fn traced(outgoing: Outgoing) -> Outgoing {
    if outgoing.message.traceparent.is_some() {
        return outgoing;
    }
    outgoing.traced(tradepost_telemetry::current_traceparent())
}

fn count(handled: &mut Handled, answer: &Answer) {
    match answer {
        Answer::Reserved { .. } => handled.held += 1,
        Answer::Rejected(_) | Answer::ReleasedBefore => handled.rejected += 1,
        Answer::Committed => handled.committed += 1,
        Answer::Released => handled.released += 1,
        Answer::Expired => handled.expired += 1,
        Answer::CommitRefused(_) => {}
    }
}
