//! Sends what is due, many at once, and notes what came of it.
//!
//! Between sending and noting nothing is kept but the lease on the row: a crash there means that the
//! message is sent again, under the same `webhook-id`, when the lease has run out.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tradepost_service::{Clock, Tasks};

use crate::domain::webhook::{EndpointUrl, JITTER_PERMILLE_MAX, UrlRules, signatures, verdict};
use crate::metrics::WebhookMetrics;
use crate::ports::webhooks::{Answer, Call, Couriers, Fault, Leased, Noted, Noting, WebhookQueues};

/// What a lease is longer than the time that an endpoint may take: for noting what came of it.
const LEASE_MARGIN: Duration = Duration::from_secs(15);
/// Tries to note what came of an attempt while the database cannot be reached.
const NOTE_TRIES: u32 = 5;
const NOTE_PAUSE: Duration = Duration::from_millis(500);

/// Limits of sending.
#[derive(Debug, Clone, Copy)]
pub struct DeliverLimits {
    /// How often due deliveries are looked for, besides when some are known to be.
    pub look: Duration,
    /// Requests under way at once.
    pub in_flight_max: usize,
    /// Of these at one endpoint, over all processes.
    pub endpoint_in_flight_max: u32,
    /// The most that a request takes.
    pub timeout: Duration,
    /// What URLs may be.
    pub rules: UrlRules,
}

/// Sends what is due. Every process does so, and none gets in another's way.
pub struct Deliver {
    sending: Arc<Sending>,
    due: Arc<Notify>,
}

/// What one attempt needs.
struct Sending {
    queue: WebhookQueues,
    courier: Couriers,
    metrics: WebhookMetrics,
    limits: DeliverLimits,
    clock: Clock,
}

impl Deliver {
    /// Sends what `queue` has by `courier`; `due` says that there is something.
    #[must_use]
    pub fn new(
        queue: WebhookQueues,
        courier: Couriers,
        metrics: WebhookMetrics,
        limits: DeliverLimits,
        due: Arc<Notify>,
    ) -> Self {
        let sending = Arc::new(Sending {
            queue,
            courier,
            metrics,
            limits,
            clock: Clock::system(),
        });
        Self { sending, due }
    }

    /// Sends until shutdown; what is under way then is finished and noted.
    pub async fn run(self, tasks: Tasks, shutdown: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.sending.limits.in_flight_max));
        let sending = async {
            loop {
                let free = free(&slots).await;
                if !self.take(free, &tasks).await {
                    let look = self.sending.limits.look;
                    // Somebody may have said so meanwhile: then this returns at once.
                    let _ = tokio::time::timeout(look, self.due.notified()).await;
                }
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(sending).await;
    }

    /// Whether something was due and was taken.
    async fn take(&self, mut free: Vec<OwnedSemaphorePermit>, tasks: &Tasks) -> bool {
        let limits = self.sending.limits;
        let lease = limits.timeout + LEASE_MARGIN;
        let taken = self
            .sending
            .queue
            .lease(free.len(), limits.endpoint_in_flight_max, lease)
            .await;
        let leased = match taken {
            Ok(leased) => leased,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                let event = "notification.webhooks_not_leased";
                tracing::warn!(event, error, "due webhooks are looked for again later");
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
                // Its endpoint has room again.
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

impl Sending {
    async fn attempt(&self, leased: &Leased) {
        let began = Instant::now();
        let answer = self.send(leased).await;
        self.metrics.attempted(answer, began.elapsed());
        tradepost_crash::point("notification.webhook_sent");
        let (status, retry_after) = match answer {
            Answer::Status { code, retry_after } => (Some(code), retry_after),
            Answer::None(_) => (None, None),
        };
        let jitter = rand::rng().random_range(0..=JITTER_PERMILLE_MAX);
        let attempts = leased.attempts.saturating_add(1);
        let noted = Noted {
            verdict: verdict(attempts, status, retry_after, jitter),
            answer,
        };
        self.note(leased, noted).await;
    }

    async fn send(&self, leased: &Leased) -> Answer {
        // The rules may be stricter than when it was stored, and an address is not resolved.
        let Ok(url) = EndpointUrl::parse(&leased.url, self.limits.rules) else {
            return Answer::None(Fault::InvalidUrl);
        };
        let id = leased.notification.to_string();
        let timestamp = self.clock.now().unix_timestamp();
        let signed = signatures(&leased.secrets, &id, timestamp, leased.body.as_bytes());
        let Ok(signature) = signed else {
            return Answer::None(Fault::Broken);
        };
        let call = Call {
            url: url.as_url(),
            id,
            timestamp,
            signature,
            body: leased.body.clone(),
        };
        self.courier.post(call).await
    }

    async fn note(&self, leased: &Leased, noted: Noted) {
        for _ in 0..NOTE_TRIES {
            match self.queue.note(leased, noted).await {
                Ok(noting) => return self.said(leased, noting),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    let event = "notification.webhook_not_noted";
                    tracing::warn!(event, error, "tried again; then it is sent again");
                }
            }
            tokio::time::sleep(NOTE_PAUSE).await;
        }
    }

    fn said(&self, leased: &Leased, noting: Noting) {
        match noting {
            Noting::Done(Some(reason)) => {
                self.metrics.disabled(reason);
                tracing::warn!(
                    event = "notification.webhook_disabled",
                    tenant.id = %leased.tenant,
                    endpoint.id = %leased.endpoint,
                    reason = ?reason,
                    "an endpoint is sent nothing more"
                );
            }
            Noting::Done(None) => {}
            Noting::TooLate => tracing::info!(
                event = "notification.webhook_too_late",
                delivery.id = %leased.id,
                "what came of an attempt is not noted: somebody else has the delivery, or it is gone"
            ),
        }
    }
}
