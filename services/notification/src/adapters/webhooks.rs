//! Messages to endpoints over HTTP.
//!
//! An endpoint's URL is a tenant's: whoever makes one could point us at our own network. So every
//! name is resolved here, every address it stands for is looked at, and the connection is made to
//! one of those that were looked at. There is no second resolution in which a name could have
//! changed, no redirect is followed, and no proxy of the environment is used.

mod guard;
mod retry_after;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response};
use tradepost_service::Clock;

pub(super) use guard::cause;
pub use guard::{Guard, Lookup, SystemLookup};

use crate::ports::webhooks::{Answer, Call, Courier, Fault};

/// How much of an answer is read, so that its connection can be used again. Nothing of it is kept.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// What we are called.
const AGENT: &str = "Tradepost-Webhooks/1";
/// How long a connection is kept for a next message.
const IDLE: Duration = Duration::from_secs(30);
/// How many, of one endpoint.
const IDLE_MAX: usize = 2;

/// Posts messages. One client for the life of the process.
pub struct HttpCourier {
    client: Client,
    clock: Clock,
}

impl HttpCourier {
    /// A courier that lets an endpoint take `timeout` for all of its answer.
    ///
    /// # Errors
    /// Fails if the TLS library cannot be set up.
    pub fn new(guard: Guard, timeout: Duration) -> anyhow::Result<Self> {
        // A provider that was installed before serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(AGENT)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .dns_resolver(guard)
            .build()?;
        let clock = Clock::system();
        Ok(Self { client, clock })
    }

    /// The wish of an answer, if it has one that can be read.
    fn retry_after(&self, response: &Response) -> Option<Duration> {
        let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
        retry_after::parse(text, self.clock.now())
    }
}

#[async_trait]
impl Courier for HttpCourier {
    async fn post(&self, call: Call<'_>) -> Answer {
        let sent = self
            .client
            .post(call.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", call.id)
            .header("webhook-timestamp", call.timestamp)
            .header("webhook-signature", call.signature)
            .body(call.body)
            .send()
            .await;
        let mut response = match sent {
            Ok(response) => response,
            Err(error) => return Answer::None(fault(&error)),
        };
        let code = response.status().as_u16();
        let retry_after = self.retry_after(&response);
        let mut read = 0;
        while read <= ANSWER_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => read += chunk.len(),
                Ok(None) => break,
                // It is not our answer until all of it, or all we look at, is here.
                Err(error) => return Answer::None(fault(&error)),
            }
        }
        Answer::Status { code, retry_after }
    }
}

/// What went wrong, by what its owner can do about it.
fn fault(error: &reqwest::Error) -> Fault {
    if let Some(refused) = guard::refused(error) {
        return refused;
    }
    if error.is_timeout() {
        return Fault::Timeout;
    }
    if !error.is_connect() {
        return Fault::Broken;
    }
    if cause::<rustls::Error>(error).is_some() {
        return Fault::Tls;
    }
    Fault::Connect
}
