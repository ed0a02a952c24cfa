//! Makes the calls that are due, many at once, and notes what came of them, many in one transaction.
//!
//! Between the two nothing is kept but the lease on the row: a crash there means that the sweeper
//! makes the call again, under the same key.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tradepost_service::Tasks;

use crate::domain::{Call, Input, Observation, RefundInput};
use crate::metrics::Metrics;
use crate::ports::{
    About, Done, Job, News, Outcome, Payments, Provider, ProviderError, Seen, SeenRefund, Work,
};

/// How long the provider surely remembers our keys, with a margin; Stripe says 24 hours.
const KEY_AGE_MAX: Duration = Duration::from_secs(20 * 3_600);
/// Tries to note outcomes while the database cannot be reached; then the sweeper asks again.
const RECORD_TRIES: u32 = 5;
const RECORD_PAUSE: Duration = Duration::from_millis(200);

/// Limits of the calls.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls on their way at once.
    pub in_flight_max: usize,
    /// Calls that wait in this process; the rest waits in the table or at the broker.
    pub waiting_max: usize,
    /// Outcomes noted in one transaction.
    pub record_batch_max: usize,
    /// Searches that must find nothing before the intent is created again under the same key.
    pub absent_asks_min: u32,
}

/// Where due calls go in.
#[derive(Clone)]
pub struct Feed {
    calls: mpsc::Sender<Work>,
    metrics: Metrics,
}

impl Feed {
    /// Counts what was done and takes the calls that follow, waiting for room.
    pub async fn give(&self, done: Done) {
        self.metrics.told(&done.told);
        self.put(done.work).await;
    }

    /// Takes calls, waiting for room.
    pub async fn put(&self, work: Vec<Work>) {
        for work in work {
            // At shutdown nobody takes it; its lease runs out.
            let _ = self.calls.send(work).await;
        }
    }

    /// As [`Feed::give`] for whoever makes the room: what does not fit is left to the sweeper.
    fn offer(&self, done: Done) {
        self.metrics.told(&done.told);
        for work in done.work {
            let _ = self.calls.try_send(work);
        }
    }
}

/// Makes the due calls.
pub struct CallProvider {
    store: Payments,
    provider: Provider,
    metrics: Metrics,
    limits: Limits,
    feed: Feed,
    due: mpsc::Receiver<Work>,
}

impl CallProvider {
    /// A caller of `provider`, and where its calls go in.
    #[must_use]
    pub fn new(
        store: Payments,
        provider: Provider,
        metrics: Metrics,
        limits: Limits,
    ) -> (Self, Feed) {
        let (calls, due) = mpsc::channel(limits.waiting_max);
        let feed = Feed {
            calls,
            metrics: metrics.clone(),
        };
        let caller = Self {
            store,
            provider,
            metrics,
            limits,
            feed: feed.clone(),
            due,
        };
        (caller, feed)
    }

    /// Calls until shutdown; calls on their way are then finished and noted.
    pub async fn run(self, tasks: Tasks, shutdown: CancellationToken) {
        let Self {
            store,
            provider,
            metrics,
            limits,
            feed,
            mut due,
        } = self;
        let (outcomes, mut came) = mpsc::channel::<Outcome>(limits.in_flight_max);
        let batch_max = limits.record_batch_max;
        let recording = tasks.detach(async move {
            let mut batch = Vec::with_capacity(batch_max);
            while came.recv_many(&mut batch, batch_max).await > 0 {
                record(&store, &feed, &batch).await;
                batch.clear();
            }
        });
        let slots = Arc::new(Semaphore::new(limits.in_flight_max));
        loop {
            let next = async {
                let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
                Some((due.recv().await?, slot))
            };
            let (work, slot) = tokio::select! {
                () = shutdown.cancelled() => break,
                next = next => match next { Some(next) => next, None => break },
            };
            let (provider, outcomes) = (Arc::clone(&provider), outcomes.clone());
            let metrics = metrics.clone();
            let span = tradepost_telemetry::span_with_parent(
                tracing::info_span!("call_provider", payment.id = %work.key.payment),
                work.traceparent.as_deref(),
            );
            let call = async move {
                tradepost_crash::point("payment.before_call");
                let news = metrics
                    .timed(name(&work), carry_out(&provider, &work, limits))
                    .await;
                tradepost_crash::point("payment.after_call");
                let key = work.key;
                let _ = outcomes.send(Outcome { key, news }).await;
                drop(slot);
            };
            drop(tasks.detach(call.instrument(span)));
        }
        drop(outcomes);
        let _ = recording.await;
    }
}

/// Notes a batch; if it cannot be noted as a whole, each alone.
async fn record(store: &Payments, feed: &Feed, batch: &[Outcome]) {
    for _ in 0..RECORD_TRIES {
        match store.record(batch).await {
            Ok(done) => return feed.offer(done),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "payment.record_failed", error, "tried again");
            }
        }
        tokio::time::sleep(RECORD_PAUSE).await;
    }
    for outcome in batch {
        match store.record(std::slice::from_ref(outcome)).await {
            Ok(done) => feed.offer(done),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    event = "payment.outcome_lost",
                    error,
                    payment.id = %outcome.key.payment,
                    "the provider is asked again when the lease ends"
                );
            }
        }
    }
}

const fn name(work: &Work) -> &'static str {
    match &work.job {
        Job::Payment { call, .. } => match call {
            Call::Authorize => "authorize",
            Call::Capture => "capture",
            Call::Cancel => "cancel",
            Call::Ask => "ask",
        },
        Job::Refund { .. } => "refund",
    }
}

async fn carry_out(provider: &Provider, work: &Work, limits: Limits) -> News {
    match &work.job {
        Job::Payment { call, .. } => payment(provider, work, *call, limits).await,
        Job::Refund { .. } => refund(provider, work).await,
    }
}

async fn payment(provider: &Provider, work: &Work, call: Call, limits: Limits) -> News {
    let about = about(work);
    let forgotten = work.age > KEY_AGE_MAX;
    let result = match (call, work.reference.as_deref()) {
        (Call::Authorize, None) if !forgotten => provider.authorize(about).await,
        (Call::Capture, Some(reference)) => provider.capture(about, reference).await,
        (Call::Cancel, Some(reference)) => provider.cancel(about, reference).await,
        // Created already, or too long ago for the key to protect us, or not known by name.
        (Call::Authorize | Call::Ask | Call::Capture | Call::Cancel, reference) => {
            let asked = provider.ask(work.key, reference.map(str::to_owned)).await;
            return payment_news(asked, |error| {
                not_asked(error, call, work.attempts, forgotten, limits)
            });
        }
    };
    payment_news(result, refusal)
}

fn payment_news(
    result: Result<Seen, ProviderError>,
    input: impl FnOnce(ProviderError) -> News,
) -> News {
    match result {
        Ok(seen) => News::Payment {
            reference: Some(seen.reference),
            input: Input::Observed(seen.observation),
        },
        Err(error) => input(error),
    }
}

/// What a call that failed means.
fn refusal(error: ProviderError) -> News {
    let input = match error {
        ProviderError::Declined { reason } => Input::Observed(Observation::Declined { reason }),
        ProviderError::Refused { code } => {
            tracing::warn!(
                event = "payment.refused",
                code,
                "the provider refused a call"
            );
            let reason = "PROVIDER_REFUSED".to_owned();
            Input::Observed(Observation::Refused { reason })
        }
        // Only a capture says so: the hold has run out.
        ProviderError::NotFound => Input::Observed(Observation::Canceled),
        ProviderError::Unknown(source) => {
            let error: &(dyn std::error::Error + 'static) = &*source;
            tracing::warn!(
                event = "payment.no_answer",
                error,
                "the outcome is not known"
            );
            Input::NoAnswer
        }
        ProviderError::Unavailable { retry_after } => return News::Postponed(None, retry_after),
    };
    News::Payment {
        reference: None,
        input,
    }
}

/// What a question without an answer means. That nothing is found is believed only after several
/// searches, because the provider's index lags; and never once the key has been forgotten.
fn not_asked(
    error: ProviderError,
    call: Call,
    attempts: u32,
    forgotten: bool,
    limits: Limits,
) -> News {
    match error {
        ProviderError::NotFound
            if call == Call::Ask && !forgotten && attempts >= limits.absent_asks_min =>
        {
            News::Payment {
                reference: None,
                input: Input::Observed(Observation::Absent),
            }
        }
        ProviderError::NotFound
        | ProviderError::Unknown(_)
        | ProviderError::Declined { .. }
        | ProviderError::Refused { .. } => News::Postponed(None, None),
        ProviderError::Unavailable { retry_after } => News::Postponed(None, retry_after),
    }
}

async fn refund(provider: &Provider, work: &Work) -> News {
    let Job::Refund {
        id, asked_before, ..
    } = &work.job
    else {
        return News::Postponed(None, None);
    };
    let Some(intent) = work.reference.as_deref() else {
        return News::Postponed(Some(*id), None);
    };
    let result = if *asked_before {
        match provider.ask_refund(intent, *id).await {
            // Never arrived: made again under the same key.
            Err(ProviderError::NotFound) if work.age <= KEY_AGE_MAX => {
                provider.refund(about(work), intent, *id).await
            }
            asked => asked,
        }
    } else {
        provider.refund(about(work), intent, *id).await
    };
    refund_news(result, work)
}

fn refund_news(result: Result<SeenRefund, ProviderError>, work: &Work) -> News {
    let Job::Refund { id, .. } = &work.job else {
        return News::Postponed(None, None);
    };
    let (reference, input) = match result {
        Ok(seen) => (Some(seen.reference), seen.input),
        Err(ProviderError::Declined { reason }) => (None, RefundInput::Failed { reason }),
        Err(ProviderError::Refused { code }) => {
            tracing::warn!(
                event = "payment.refund_refused",
                code,
                "the provider refused a refund"
            );
            let reason = "PROVIDER_REFUSED".to_owned();
            (None, RefundInput::Failed { reason })
        }
        Err(ProviderError::Unknown(_)) => (None, RefundInput::NoAnswer),
        Err(ProviderError::NotFound) => return News::Postponed(Some(*id), None),
        Err(ProviderError::Unavailable { retry_after }) => {
            return News::Postponed(Some(*id), retry_after);
        }
    };
    let id = *id;
    News::Refund {
        id,
        reference,
        input,
    }
}

fn about(work: &Work) -> About<'_> {
    let (amount, payment_method) = match &work.job {
        Job::Payment {
            amount,
            payment_method,
            ..
        } => (*amount, payment_method.as_ref()),
        Job::Refund { amount, .. } => (*amount, None),
    };
    About {
        key: work.key,
        order: work.order,
        amount,
        payment_method: payment_method.map(|token| token.expose().as_str()),
    }
}
