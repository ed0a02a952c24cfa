//! Webhooks: queued per intent so that they normally arrive in order, signed, sent until taken.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, WebhookTarget};
use crate::faults::{Fault, Faults, Subject};
use crate::journal::{Entry, EventRef, Outcome};
use crate::ledger::Ledger;
use crate::render;

mod delivery;
mod lane;
mod sign;

pub(crate) use delivery::post;
pub(crate) use sign::now_seconds;
pub use sign::signature;

/// Deliveries of different intents that run side by side.
const LANES: usize = 16;
/// Webhooks that wait; more are given up at once, so that a dead receiver cannot fill the memory.
const PENDING_MAX: usize = 50_000;
/// The longest an API answer waits for an early webhook.
const EARLY_WAIT: Duration = Duration::from_secs(5);

/// Takes webhooks and sees to their delivery; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Dispatcher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    target: RwLock<Option<WebhookTarget>>,
    lanes: Vec<mpsc::UnboundedSender<Job>>,
    pending: AtomicUsize,
    /// Raised by a reset: what was queued before is dropped.
    generation: AtomicU64,
    client: reqwest::Client,
    retry: Duration,
    attempts_max: u32,
    ledger: Arc<Ledger>,
    faults: Faults,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// One webhook on its way.
#[derive(Debug)]
struct Job {
    event: EventRef,
    intent_id: String,
    payload: String,
    fault: Option<Fault>,
    generation: u64,
    /// Told after the first delivery, whatever came of it.
    first: Option<oneshot::Sender<()>>,
}

impl Dispatcher {
    pub(crate) fn start(
        config: &Config,
        ledger: &Arc<Ledger>,
        faults: &Faults,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, reqwest::Error> {
        let (lanes, queues): (Vec<_>, Vec<_>) =
            (0..LANES).map(|_| mpsc::unbounded_channel()).unzip();
        let dispatcher = Self(Arc::new(Shared {
            target: RwLock::new(config.webhook.clone()),
            lanes,
            pending: AtomicUsize::new(0),
            generation: AtomicU64::new(0),
            client: delivery::client()?,
            retry: config.webhook_retry,
            attempts_max: config.webhook_attempts_max.max(1),
            ledger: Arc::clone(ledger),
            faults: faults.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        }));
        ledger.set_heard(config.webhook.is_some());
        for queue in queues {
            let lane = lane::run(dispatcher.clone(), queue);
            let stop = stop.clone();
            tasks.spawn(async move { stop.run_until_cancelled(lane).await });
        }
        Ok(dispatcher)
    }

    pub(crate) fn set_target(&self, target: Option<WebhookTarget>) {
        self.0.ledger.set_heard(target.is_some());
        *self
            .0
            .target
            .write()
            .unwrap_or_else(PoisonError::into_inner) = target;
    }

    pub(crate) fn target(&self) -> Option<WebhookTarget> {
        self.0
            .target
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.0.client
    }

    /// Drops what is queued.
    pub(crate) fn forget(&self) {
        self.0.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Queues the webhooks of an entry; waits only for those that a fault makes early.
    pub(crate) async fn send(&self, entry: &Entry) {
        for event in &entry.events {
            if let Some(first) = self.queue(entry, event.clone()) {
                let _ = tokio::time::timeout(EARLY_WAIT, first).await;
            }
        }
    }

    /// Queues a webhook that was not delivered before a restart.
    pub(crate) fn resend(&self, entry: &Entry, event: EventRef) {
        self.queue(entry, event);
    }

    fn queue(&self, entry: &Entry, event: EventRef) -> Option<oneshot::Receiver<()>> {
        if self.target().is_none() {
            self.ended(&event, Outcome::Undelivered, None);
            return None;
        }
        let intent = entry.intent.as_ref();
        let fault = self.0.faults.for_webhook(Subject {
            op: entry.op,
            payment_method: intent.and_then(|intent| intent.payment_method.as_deref()),
            payment_id: entry.payment_id.as_deref(),
        });
        let name = fault.as_ref().map(Fault::name);
        let full = self.0.pending.load(Ordering::Relaxed) >= PENDING_MAX;
        if full || fault == Some(Fault::WebhookNone) {
            self.ended(&event, Outcome::Undelivered, name);
            return None;
        }
        let (first, told) = match fault {
            Some(Fault::WebhookEarly) => {
                let (first, told) = oneshot::channel();
                (Some(first), Some(told))
            }
            _ => (None, None),
        };
        self.0.pending.fetch_add(1, Ordering::Relaxed);
        let payload = render::event(entry, &event).to_string();
        let intent_id = entry.intent_id.clone().unwrap_or_default();
        let generation = self.generation();
        self.enqueue(Job {
            event,
            intent_id,
            payload,
            fault,
            generation,
            first,
        });
        told
    }

    fn enqueue(&self, mut job: Job) {
        if let Some(Fault::WebhookDelay { delay_ms }) = job.fault {
            job.fault = None;
            self.later(Duration::from_millis(delay_ms), move |this| {
                this.enqueue(job);
            });
            return;
        }
        let mut hasher = DefaultHasher::new();
        job.intent_id.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
        if let Some(lane) = self.0.lanes.get(lane) {
            // Closed lanes mean that the simulator stops.
            let _ = lane.send(job);
        }
    }

    fn later(&self, pause: Duration, act: impl FnOnce(Self) + Send + 'static) {
        let this = self.clone();
        self.0.tasks.spawn(async move {
            if this
                .0
                .stop
                .run_until_cancelled(sleep(pause))
                .await
                .is_some()
            {
                act(this.clone());
            }
        });
    }

    fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Relaxed)
    }

    fn finish(&self, job: &Job, outcome: Outcome) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
        if job.generation == self.generation() {
            self.ended(&job.event, outcome, job.fault.as_ref().map(Fault::name));
        }
    }

    fn ended(&self, event: &EventRef, outcome: Outcome, fault: Option<&'static str>) {
        // A log that cannot be written shows at the next request; here nobody can be told.
        let _ = self.0.ledger.webhook_ended(event, outcome, fault);
    }
}
