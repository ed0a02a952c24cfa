//! One supervised connection: connect, run a unit of work on it, and on any error drop everything,
//! wait with jitter and start again. The client's own recovery stays off (ADR: our supervisor).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use lapin::{Channel, Connection, ConnectionProperties, Event};
use rand::Rng;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::MessagingConfig;

const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// A unit that lived this long starts over with the shortest wait.
const STEADY_AFTER: Duration = Duration::from_secs(10);
/// The broker's answer to "close" is a courtesy we do not wait for longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Safety net beside the connection's events.
const STATUS_POLL: Duration = Duration::from_secs(1);

/// Why a unit ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The broker's URL cannot be parsed; the text might hold the password, so it is not shown.
    #[error("the broker's URL is malformed")]
    Url,
    #[error("the broker did not answer within the time-out")]
    Timeout,
    #[error("the connection was lost")]
    Lost,
    #[error(transparent)]
    Amqp(#[from] lapin::Error),
    #[error("the unit panicked")]
    Panicked,
}

/// A live connection.
pub(crate) struct Link {
    connection: Connection,
    blocked: watch::Sender<bool>,
}

impl Link {
    pub(crate) async fn connect(config: &MessagingConfig, name: &str) -> Result<Self, LinkError> {
        let uri = config.uri().map_err(|_unsafe_to_show| LinkError::Url)?;
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = Connection::connect_uri(uri, properties);
        let connection = timeout(config.connect_timeout(), connecting)
            .await
            .map_err(|_elapsed| LinkError::Timeout)??;
        Ok(Self {
            connection,
            blocked: watch::Sender::new(false),
        })
    }

    pub(crate) async fn channel(&self) -> Result<Channel, LinkError> {
        Ok(self.connection.create_channel().await?)
    }

    /// Whether the broker has stopped reading what we publish (memory or disk alarm).
    pub(crate) fn blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    pub(crate) async fn unblocked(&self) {
        let mut blocked = self.blocked.subscribe();
        while self.blocked() {
            // The poll covers an event that was sent before we subscribed.
            let _ = timeout(STATUS_POLL, blocked.changed()).await;
        }
    }

    /// Runs as long as the connection lives; call it once per link.
    pub(crate) async fn lost(&self) -> LinkError {
        let mut events = Box::pin(self.connection.events_listener());
        loop {
            match timeout(STATUS_POLL, events.next()).await {
                Ok(Some(Event::Error(error))) => return error.into(),
                Ok(Some(Event::ConnectionBlocked(reason))) => {
                    tracing::warn!(
                        event = "messaging.blocked",
                        reason,
                        "the broker stopped taking messages"
                    );
                    self.blocked.send_replace(true);
                }
                Ok(Some(Event::ConnectionUnblocked)) => {
                    tracing::info!(
                        event = "messaging.unblocked",
                        "the broker takes messages again"
                    );
                    self.blocked.send_replace(false);
                }
                Ok(None) => return LinkError::Lost,
                Ok(Some(_)) | Err(_) => {}
            }
            if !self.connection.status().connected() {
                return LinkError::Lost;
            }
        }
    }

    /// Runs `work` until it ends. When the connection is lost first, the token it was given is
    /// cancelled, so that it can finish what it has in hand.
    pub(crate) async fn until_lost<Fut>(
        &self,
        stop: &CancellationToken,
        work: impl FnOnce(CancellationToken) -> Fut,
    ) -> Result<(), LinkError>
    where
        Fut: Future<Output = Result<(), LinkError>>,
    {
        let unit = stop.child_token();
        let mut work = Box::pin(work(unit.clone()));
        tokio::select! {
            ended = &mut work => ended,
            error = self.lost() => {
                unit.cancel();
                let _ = work.await;
                Err(error)
            }
        }
    }

    /// Says good-bye and does not insist on an answer.
    pub(crate) async fn close(self) {
        let closing = self.connection.close(200, "bye".into());
        let _ = timeout(CLOSE_TIMEOUT, closing).await;
    }
}

/// Runs `unit` again and again until it ends by itself (`Ok`) or the token is cancelled while it
/// waits for the next try.
pub(crate) async fn supervise<F, Fut>(name: &'static str, stop: &CancellationToken, mut unit: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), LinkError>>,
{
    let mut backoff = BACKOFF_MIN;
    loop {
        let started = Instant::now();
        let ended = AssertUnwindSafe(unit()).catch_unwind().await;
        let Err(error) = ended.unwrap_or(Err(LinkError::Panicked)) else {
            return;
        };
        if started.elapsed() >= STEADY_AFTER {
            backoff = BACKOFF_MIN;
        }
        let wait = jittered(backoff);
        tracing::warn!(
            event = "messaging.link_failed",
            link = name,
            error = %error,
            retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "lost the broker; will connect again"
        );
        if stop
            .run_until_cancelled(tokio::time::sleep(wait))
            .await
            .is_none()
        {
            return;
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Runs all parts; when one ends, with or without an error, the others are told to stop and
/// finish what they have in hand. The first error counts.
pub(crate) async fn all_or_none<Fut>(
    parts: impl IntoIterator<Item = Fut>,
    stop: &CancellationToken,
) -> Result<(), LinkError>
where
    Fut: Future<Output = Result<(), LinkError>>,
{
    let parts: FuturesUnordered<Fut> = parts.into_iter().collect();
    parts
        .fold(Ok(()), |all: Result<(), LinkError>, ended| {
            stop.cancel();
            std::future::ready(all.and(ended))
        })
        .await
}

/// Half to the whole of it, so that many waiters spread out.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..=1.0))
}
