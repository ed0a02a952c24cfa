//! What a service gives to messaging: handlers and the queues they serve.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_postgres::DbError;

use crate::envelope::{DecodeError, Message};
use crate::topology::Binding;

/// Any source of a transient failure.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A message with the circumstances of its delivery.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The queue it came from, as the subscription names it.
    pub queue: String,
    /// 1 at first; one more for every time it came back from a retry row.
    pub attempt: u32,
    /// The broker has delivered it before, so it may have been handled already.
    pub redelivered: bool,
}

/// Carries out a batch of messages.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles the whole batch in one transaction of its own, which also claims the inbox
    /// ([`crate::inbox::claim`]) and skips what is not fresh. `Ok` means committed: the batch is
    /// acknowledged. On an error nothing may have been committed; each message then comes again
    /// alone, so that one bad message never harms its neighbours. A handler whose effects know by
    /// themselves that they happened may do without the inbox, and may have committed a part.
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError>;
}

/// Why a batch was not handled.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// It may work later: tried again at once, then from a retry row with growing waits.
    #[error("{reason}")]
    Transient {
        /// Short and stable, `snake_case`; it groups failures.
        reason: &'static str,
        /// What went wrong.
        #[source]
        source: BoxError,
    },
    /// It will never work: parked at once.
    #[error("{reason}: {detail}")]
    Poison {
        /// Short and stable, `snake_case`; it groups failures.
        reason: &'static str,
        /// For the person who looks at the parked message.
        detail: String,
    },
    /// There is no room for it now, and nothing is wrong with it: the consumer waits, takes nothing
    /// more meanwhile, and tries again without counting. It is never parked for this.
    #[error("no room: {reason}")]
    Busy {
        /// Short and stable, `snake_case`.
        reason: &'static str,
    },
}

impl From<DecodeError> for HandleError {
    fn from(error: DecodeError) -> Self {
        Self::Poison {
            reason: "undecodable",
            detail: describe(&error),
        }
    }
}

impl From<DbError> for HandleError {
    fn from(error: DbError) -> Self {
        Self::Transient {
            reason: "database",
            source: error.into(),
        }
    }
}

/// A queue, what flows into it, and who handles it.
#[derive(Clone)]
pub struct Subscription {
    /// `<service>.<purpose>`, e.g. `inventory.commands`.
    pub queue: &'static str,
    /// What the queue listens to.
    pub bindings: Vec<Binding>,
    /// The largest batch; a batch is what is ready, never waited for.
    pub batch_max: usize,
    /// Who handles it.
    pub handler: Arc<dyn Handler>,
}

/// An error with all its causes in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.replace('\0', "\u{fffd}")
}
