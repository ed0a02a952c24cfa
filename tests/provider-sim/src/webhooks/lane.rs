//! One lane: first deliveries one after the other, so that an intent's webhooks arrive in order.
//! Retries leave the lane, or one refused webhook would hold up all behind it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Dispatcher, Job, delivery};
use crate::faults::Fault;

pub(super) async fn run(dispatcher: Dispatcher, mut queue: mpsc::UnboundedReceiver<Job>) {
    // Webhooks held back until the next one of the same intent has gone out.
    let mut held: HashMap<String, Job> = HashMap::new();
    while let Some(job) = queue.recv().await {
        if let Some(hold) = hold(&job) {
            let reminder = reminder(&job);
            dispatcher.later(hold, move |this| this.enqueue(reminder));
            // Two held back at once: the older one goes now.
            if let Some(older) = held.insert(job.intent_id.clone(), job) {
                delivery::first(&dispatcher, older).await;
            }
            continue;
        }
        let waiting = held.remove(&job.intent_id);
        if !job.payload.is_empty() {
            delivery::first(&dispatcher, job).await;
        }
        if let Some(waiting) = waiting {
            delivery::first(&dispatcher, waiting).await;
        }
    }
}

fn hold(job: &Job) -> Option<Duration> {
    match job.fault {
        Some(Fault::WebhookOutOfOrder { hold_ms }) => Some(Duration::from_millis(hold_ms)),
        _ => None,
    }
}

/// A job without a payload only lets go of what is held.
fn reminder(job: &Job) -> Job {
    Job {
        event: job.event.clone(),
        intent_id: job.intent_id.clone(),
        payload: String::new(),
        fault: None,
        generation: job.generation,
        first: None,
    }
}
