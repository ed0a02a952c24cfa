//! Keeps what is in memory current: revocations, tenants and signing keys, several times a second.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::access_tokens::{AccessTokens, KeyFault};
use super::directory::Directory;
use super::revocations::Revocations;
use crate::metrics::IdentityMetrics;
use crate::ports::identity::{Feed, IdentityFeed, StoreError};

/// After so long without a look, what is recent is not enough: everything is read again. It is
/// shorter than what counts as recent.
const BLIND_MAX: Duration = Duration::from_secs(15);

/// A look that takes longer is given up: a connection that died without a word answers never, and
/// nothing that is revoked meanwhile would be learnt.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// So is reading everything, which may be much.
const WHOLE_MAX: Duration = Duration::from_secs(15);

/// Why memory is not current.
#[derive(Debug, thiserror::Error)]
pub enum CurrentError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The store said nothing.
    #[error("no answer within {0:?}")]
    Silence(Duration),
}

/// Polls the feed.
pub struct KeepCurrent {
    /// What it reads.
    pub feed: Arc<dyn IdentityFeed>,
    /// What it tells of keys.
    pub tokens: Arc<AccessTokens>,
    /// What it tells of revocations.
    pub revocations: Arc<Revocations>,
    /// What it tells of tenants.
    pub directory: Arc<Directory>,
    /// How often it looks.
    pub interval: Duration,
    /// Where it says how current all is.
    pub metrics: IdentityMetrics,
}

impl KeepCurrent {
    /// Reads everything once; the time by the database's clock.
    ///
    /// # Errors
    /// [`CurrentError`].
    pub async fn load(&self) -> Result<OffsetDateTime, CurrentError> {
        let feed = self.feed.whole().await?;
        let now = feed.now;
        self.take(feed)?;
        Ok(now)
    }

    /// Reads what is recent, again and again, until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut seen = Instant::now();
        let mut is_failing = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            let began = Instant::now();
            match self.look(seen).await {
                Ok(()) => {
                    seen = began;
                    is_failing = false;
                }
                Err(error) => {
                    self.metrics.unlearnt();
                    if !is_failing {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(
                            event = "identity.feed_failed",
                            error,
                            "what is revoked elsewhere is not learnt; tried again"
                        );
                    }
                    is_failing = true;
                }
            }
        }
    }

    async fn look(&self, seen: Instant) -> Result<(), CurrentError> {
        let (feed, patience) = match seen.elapsed() < BLIND_MAX {
            true => (self.feed.recent(), LOOK_MAX),
            false => (self.feed.whole(), WHOLE_MAX),
        };
        let feed = tokio::time::timeout(patience, feed).await;
        self.take(feed.map_err(|_elapsed| CurrentError::Silence(patience))??)
    }

    fn take(&self, feed: Feed) -> Result<(), CurrentError> {
        self.revocations.add(feed.revocations);
        self.revocations.forget(feed.now);
        self.directory.learn(feed.tenants);
        self.tokens.update(&feed.keys, feed.now)?;
        // Last: whoever reads this finds all that was revoked before.
        self.revocations.set_current(feed.began_at);
        let (revoked, keys) = (self.revocations.len(), self.tokens.key_count());
        self.metrics.learnt(feed.now, revoked, keys);
        Ok(())
    }
}
