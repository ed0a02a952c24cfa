//! Sends what is due, many at once, and notes what came of it.
//!
//! Between sending and noting nothing is kept but the lease on the row: a crash there means that
//! the same is sent again, and says that it is the same, when the lease has run out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tradepost_service::Tasks;

use crate::ports::channels::{Channel, Courier, Queue};

/// What a lease is longer than the time that an attempt may take: for noting what came of it.
const LEASE_MARGIN: Duration = Duration::from_secs(15);
/// Tries to note what came of an attempt while the database cannot be reached.
const NOTE_TRIES: u32 = 5;
const NOTE_PAUSE: Duration = Duration::from_millis(500);

/// Limits of sending.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often due deliveries are looked for, besides when some are known to be.
    pub look: Duration,
    /// Attempts under way at once.
    pub in_flight_max: usize,
    /// Of these at one receiver, over all processes.
    pub each_in_flight_max: u32,
    /// The most that an attempt takes.
    pub timeout: Duration,
}

/// Sends what is due. Every process does so, and none gets in another's way.
pub struct Deliver<C: Channel> {
    sending: Arc<Sending<C>>,
    pace: Pace,
    due: Arc<Notify>,
}

/// What one attempt needs.
struct Sending<C: Channel> {
    queue: Queue<C>,
    courier: Courier<C>,
}

impl<C: Channel> Deliver<C> {
    /// Sends what `queue` has by `courier`; `due` says that there is something.
    #[must_use]
    pub fn new(queue: Queue<C>, courier: Courier<C>, pace: Pace, due: Arc<Notify>) -> Self {
        let sending = Arc::new(Sending { queue, courier });
        Self { sending, pace, due }
    }

    /// Sends until shutdown; what is under way then is finished and noted.
    pub async fn run(self, tasks: Tasks, shutdown: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.pace.in_flight_max));
        let sending = async {
            loop {
                let free = free(&slots).await;
                if !self.take(free, &tasks).await {
                    // Somebody may have said so meanwhile: then this returns at once.
                    let _ = tokio::time::timeout(self.pace.look, self.due.notified()).await;
                }
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(sending).await;
    }

    /// Whether something was due and was taken.
    async fn take(&self, mut free: Vec<OwnedSemaphorePermit>, tasks: &Tasks) -> bool {
        let (each_max, lease) = (
            self.pace.each_in_flight_max,
            self.pace.timeout + LEASE_MARGIN,
        );
        let taken = self.sending.queue.lease(free.len(), each_max, lease).await;
        let leased = match taken {
            Ok(leased) => leased,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    event = "notification.channel_not_leased",
                    channel = C::NAME,
                    error,
                    "what is due is looked for again later"
                );
                return false;
            }
        };
        let some = !leased.is_empty();
        for leased in leased {
            let Some(slot) = free.pop() else { break };
            let (sending, due) = (Arc::clone(&self.sending), Arc::clone(&self.due));
            drop(tasks.detach(async move {
                sending.attempt(&leased).await;
                drop(slot);
                // Where it went to there is room again.
                due.notify_one();
            }));
        }
        some
    }
}

/// All slots that are free, once there is one.
async fn free(slots: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let mut free: Vec<_> = Arc::clone(slots)
        .acquire_owned()
        .await
        .into_iter()
        .collect();
    while let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
        free.push(slot);
    }
    free
}

impl<C: Channel> Sending<C> {
    async fn attempt(&self, leased: &C::Leased) {
        let noted = self.courier.send(leased).await;
        tradepost_crash::point(C::SENT);
        for _ in 0..NOTE_TRIES {
            match self.queue.note(leased, noted).await {
                Ok(noting) => return self.courier.noted(leased, noting),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(
                        event = "notification.channel_not_noted",
                        channel = C::NAME,
                        error,
                        "tried again; then it is sent again"
                    );
                }
            }
            tokio::time::sleep(NOTE_PAUSE).await;
        }
    }
}
