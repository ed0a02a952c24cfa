//! The relay: moves committed messages from the outbox to the broker, at least once.
//!
//! A lane claims a batch under row locks (several lanes and several replicas never take the same
//! row), publishes it as one window, and deletes in one statement what the broker has taken over.
//! Whatever breaks in between leaves the rows where they are.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tradepost_postgres::{Database, DbError, Pace, SystemTx};

use crate::config::MessagingConfig;
use crate::envelope::matters;
use crate::handler::describe;
use crate::health::Health;
use crate::link::{Link, LinkError, all_or_none, jittered, supervise};
use crate::metrics::Metrics;
use crate::outbox::{self, Row};
use crate::publisher::{Outcome, Publisher};
use crate::topology;

const DATABASE_BACKOFF: Duration = Duration::from_millis(500);

/// Everything the lanes share.
pub(crate) struct Relay {
    pub(crate) config: Arc<MessagingConfig>,
    pub(crate) database: Database,
    pub(crate) metrics: Metrics,
    pub(crate) wake: Arc<Notify>,
    pub(crate) health: Health,
    /// The service's name, for the connection and the messages' `source`.
    pub(crate) service: String,
}

/// How a turn of a lane ended.
enum Turn {
    /// There was a full batch, so there is probably more.
    Full,
    /// Everything claimable was taken.
    Drained,
    /// The broker did not answer in time; the channel must not be used again.
    Stalled,
}

enum TurnError {
    Database(DbError),
    Link(LinkError),
}

impl From<DbError> for TurnError {
    fn from(error: DbError) -> Self {
        Self::Database(error)
    }
}

impl Relay {
    /// Runs until the token is cancelled; the batch in hand is finished first.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        supervise("publisher", stop, || self.unit(stop)).await;
    }

    async fn unit(&self, stop: &CancellationToken) -> Result<(), LinkError> {
        let name = format!("{} publisher", self.service);
        let link = Link::connect(&self.config, &name).await?;
        let ended = link.until_lost(stop, |stop| self.serve(&link, stop)).await;
        link.close().await;
        ended
    }

    async fn serve(&self, link: &Link, stop: CancellationToken) -> Result<(), LinkError> {
        let channel = link.channel().await?;
        topology::declare_exchanges(&channel, &self.config).await?;
        let _up = self.health.publisher();
        let lanes = (0..self.config.relay_lanes).map(|lane| self.lane(lane, link, &stop));
        all_or_none(lanes, &stop).await
    }

    async fn lane(
        &self,
        lane: usize,
        link: &Link,
        stop: &CancellationToken,
    ) -> Result<(), LinkError> {
        let mut publisher = Publisher::open(link, &self.config, &self.service).await?;
        let mut pace = self.config.pace();
        loop {
            pace.keep().await;
            // Looked at before the turn: what was committed before the stop still leaves.
            let last = stop.is_cancelled();
            let ended = self.turn(&publisher, &mut pace).await;
            match ended {
                Err(TurnError::Link(error)) => return Err(error),
                _ if last => return Ok(()),
                Ok(Turn::Full) => {}
                Ok(Turn::Drained) => self.idle(lane, stop).await,
                Ok(Turn::Stalled) if !link.blocked() => return Err(LinkError::Timeout),
                Ok(Turn::Stalled) => {
                    if stop.run_until_cancelled(link.unblocked()).await.is_none() {
                        return Ok(());
                    }
                    // Late confirms of the abandoned window must not meet the next one's.
                    publisher = Publisher::open(link, &self.config, &self.service).await?;
                }
                Err(TurnError::Database(error)) => {
                    tracing::warn!(
                        event = "outbox.claim_failed",
                        error = describe(&error),
                        "the relay cannot reach the outbox; will try again"
                    );
                    let wait = tokio::time::sleep(jittered(DATABASE_BACKOFF));
                    let _ = stop.run_until_cancelled(wait).await;
                }
            }
        }
    }

    /// Waits to be woken. Only the first lane polls; that is enough for a safety net.
    async fn idle(&self, lane: usize, stop: &CancellationToken) {
        let poll = async {
            if lane == 0 {
                tokio::time::sleep(self.config.relay_poll()).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.wake.notified() => {}
            () = poll => {}
            () = stop.cancelled() => {}
        }
    }

    async fn turn(&self, publisher: &Publisher, pace: &mut Pace) -> Result<Turn, TurnError> {
        let mut tx = self.database.system_tx().await?;
        let rows = outbox::claim(tx.conn(), self.config.relay_batch_max).await?;
        pace.met(matters(rows.iter().map(|row| &row.message)));
        if rows.is_empty() {
            tx.rollback().await;
            return Ok(Turn::Drained);
        }
        let full = rows.len() >= usize::try_from(self.config.relay_batch_max).unwrap_or(usize::MAX);
        if full {
            // Another lane may start on the rest while this one waits for confirms.
            self.wake.notify_one();
        }
        self.metrics.count_window(rows.len());
        tradepost_crash::point("relay.before_publish");
        let publishing = publisher.publish(&rows);
        let Ok(outcome) = timeout(self.config.confirm_timeout(), publishing).await else {
            self.metrics.confirm_failures.inc();
            tracing::warn!(
                event = "outbox.confirm_timeout",
                messages = rows.len(),
                "the broker did not confirm in time; the messages stay in the outbox"
            );
            tx.rollback().await;
            return Ok(Turn::Stalled);
        };
        self.settle(tx, outcome, &rows).await?;
        Ok(if full { Turn::Full } else { Turn::Drained })
    }

    async fn settle(
        &self,
        mut tx: SystemTx,
        outcome: Outcome,
        rows: &[Row],
    ) -> Result<(), TurnError> {
        tradepost_crash::point("relay.before_delete");
        if !outcome.confirmed.is_empty() {
            outbox::delete(tx.conn(), &outcome.confirmed).await?;
        }
        let unwanted = [outcome.returned, outcome.refused].concat();
        if !unwanted.is_empty() {
            outbox::postpone(tx.conn(), &unwanted).await?;
            self.report_unwanted(&unwanted, rows);
        }
        tx.commit().await?;
        self.metrics
            .confirmed
            .inc_by(u64::try_from(outcome.confirmed.len()).unwrap_or_default());
        match outcome.failure {
            Some(error) => {
                self.metrics.confirm_failures.inc();
                Err(TurnError::Link(error.into()))
            }
            None => Ok(()),
        }
    }

    fn report_unwanted(&self, unwanted: &[i64], rows: &[Row]) {
        self.metrics
            .returned
            .inc_by(u64::try_from(unwanted.len()).unwrap_or_default());
        let Some(example) = rows.iter().find(|row| unwanted.contains(&row.seq)) else {
            return;
        };
        tracing::warn!(
            event = "outbox.unroutable",
            messages = unwanted.len(),
            messaging.exchange = example.exchange,
            messaging.routing_key = example.routing_key,
            message.id = %example.message.id,
            "no queue takes these messages; they stay in the outbox and are tried again"
        );
    }
}
