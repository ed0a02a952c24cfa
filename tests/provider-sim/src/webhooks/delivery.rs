//! Sending one webhook until the receiver takes it or the attempts are used up.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::sign::{now_seconds, signature};
use super::{Dispatcher, Job};
use crate::config::WebhookTarget;
use crate::faults::Fault;
use crate::journal::Outcome;

/// A receiver that does not answer in this time has not taken it.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Pauses double up to this many times the first.
const PAUSE_FACTOR_MAX: u32 = 100;

pub(super) fn client() -> Result<Client, reqwest::Error> {
    // Fails when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(ANSWER_WAIT).no_proxy().build()
}

/// The first delivery with its fault; what was refused is tried again outside the lane.
pub(super) async fn first(dispatcher: &Dispatcher, mut job: Job) {
    if job.generation != dispatcher.generation() {
        dispatcher.finish(&job, Outcome::Undelivered);
        return;
    }
    let taken = attempt(dispatcher, &job).await;
    if let Some(first) = job.first.take() {
        // Nobody listens any more when the wait was too long.
        let _ = first.send(());
    }
    if taken {
        dispatcher.finish(&job, Outcome::Delivered);
        return;
    }
    let this = dispatcher.clone();
    dispatcher.0.tasks.spawn(async move {
        let stop = this.0.stop.clone();
        stop.run_until_cancelled(again(this, job)).await
    });
}

async fn attempt(dispatcher: &Dispatcher, job: &Job) -> bool {
    let Some(target) = dispatcher.target() else {
        return false;
    };
    let (secret, age) = match job.fault {
        Some(Fault::WebhookForged) => ("whsec_forged", 0),
        Some(Fault::WebhookStale { age_seconds }) => (target.secret.as_str(), age_seconds),
        _ => (target.secret.as_str(), 0),
    };
    let header = signature(secret, now_seconds().saturating_sub(age), &job.payload);
    let mut copies = JoinSet::new();
    if let Some(Fault::WebhookDuplicate { copies: more }) = job.fault {
        for _ in 0..more {
            let client = dispatcher.client().clone();
            let (url, header, payload) = (target.url.clone(), header.clone(), job.payload.clone());
            copies.spawn(async move { post(&client, &url, &header, payload).await });
        }
    }
    let taken = post(
        dispatcher.client(),
        &target.url,
        &header,
        job.payload.clone(),
    )
    .await;
    while copies.join_next().await.is_some() {}
    taken.is_some_and(|status| (200..300).contains(&status))
}

async fn again(dispatcher: Dispatcher, job: Job) {
    let mut factor: u32 = 1;
    for _ in 1..dispatcher.0.attempts_max {
        sleep(dispatcher.0.retry.saturating_mul(factor)).await;
        factor = factor.saturating_mul(2).min(PAUSE_FACTOR_MAX);
        if job.generation != dispatcher.generation() {
            break;
        }
        let Some(WebhookTarget { url, secret }) = dispatcher.target() else {
            continue;
        };
        let header = signature(&secret, now_seconds(), &job.payload);
        let status = post(dispatcher.client(), &url, &header, job.payload.clone()).await;
        if status.is_some_and(|status| (200..300).contains(&status)) {
            dispatcher.finish(&job, Outcome::Delivered);
            return;
        }
    }
    dispatcher.finish(&job, Outcome::Undelivered);
}

/// The receiver's status, `None` when it did not answer.
pub(crate) async fn post(
    client: &Client,
    url: &str,
    signature: &str,
    payload: String,
) -> Option<u16> {
    let request = client
        .post(url)
        .header("stripe-signature", signature)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .body(payload);
    request
        .send()
        .await
        .ok()
        .map(|response| response.status().as_u16())
}
