//! The card provider over Stripe's HTTP API. One client for the life of the process.

mod dispute;
mod guard;
pub mod hint;
pub mod signature;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tradepost_types::RefundId;
use url::Url;
use uuid::Uuid;

use self::guard::{Breaker, RetryBudget};
use self::wire::Found;
use crate::ports::{About, CardProvider, Key, ProviderError, Seen, SeenRefund};

/// The version whose shapes `wire` reads.
const API_VERSION: &str = "2025-03-31.basil";
/// Tries of one call, the first included.
const TRIES_MAX: u32 = 3;
/// The longest first pause; it doubles.
const PAUSE_MAX_MS: u64 = 100;
/// A wish to wait longer than this is left to the sweeper.
const RETRY_AFTER_MAX: Duration = Duration::from_millis(500);
/// How many refunds the provider lists at once: its most.
const REFUND_PAGE: &str = "100";
/// How many such pages of a payment's refunds are looked through for one of them.
const REFUND_PAGES_MAX: u32 = 50;

/// How the provider is reached.
#[derive(Debug, Clone)]
pub struct StripeOptions {
    /// Where its API is.
    pub base_url: Url,
    /// The key of our account.
    pub secret_key: SecretString,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long a call may take.
    pub timeout: Duration,
}

/// The provider.
pub struct Stripe {
    client: Client,
    options: StripeOptions,
    breaker: Breaker,
    budget: RetryBudget,
}

/// A request as it may be repeated.
struct Call {
    method: Method,
    path: String,
    form: Vec<(&'static str, String)>,
    key: Option<String>,
}

/// An answer that decides something.
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Stripe {
    /// A client that keeps its connections.
    ///
    /// # Errors
    /// Fails if the TLS library cannot be set up.
    pub fn new(options: StripeOptions) -> anyhow::Result<Self> {
        // A provider that was installed before serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            options,
            breaker: Breaker::default(),
            budget: RetryBudget::default(),
        })
    }

    /// Makes the call, again where that is safe and the budget allows it.
    async fn call(&self, call: Call) -> Result<Answer, ProviderError> {
        let mut doubt = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.once(&call).await {
                Ok(answer) => {
                    self.budget.earn();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let wait = match &error {
                ProviderError::Unavailable { retry_after } => *retry_after,
                ProviderError::Unknown(_)
                | ProviderError::Declined { .. }
                | ProviderError::Refused { .. }
                | ProviderError::NotFound => None,
            };
            let too_long = wait.is_some_and(|wait| wait > RETRY_AFTER_MAX);
            let again = tries < TRIES_MAX && !too_long && !is_timeout(&error);
            if let ProviderError::Unknown(_) = error {
                doubt = Some(error);
                if !again || !self.budget.spend() {
                    return Err(doubt.unwrap_or(ProviderError::NotFound));
                }
            } else if !again || !self.budget.spend() {
                // An earlier try may have had its effect, even if the last one had none.
                return Err(doubt.unwrap_or(error));
            }
            let pause = rand::rng().random_range(0..=PAUSE_MAX_MS << (tries - 1));
            tokio::time::sleep(wait.unwrap_or_default() + Duration::from_millis(pause)).await;
        }
    }

    async fn once(&self, call: &Call) -> Result<Answer, ProviderError> {
        if !self.breaker.admit() {
            return Err(ProviderError::Unavailable { retry_after: None });
        }
        let result = self.send(call).await;
        self.breaker
            .note(!matches!(&result, Err(error) if wire::is_outage(error)));
        result
    }

    async fn send(&self, call: &Call) -> Result<Answer, ProviderError> {
        let mut url = self.options.base_url.clone();
        url.set_path(&call.path);
        let reads = call.method == Method::GET;
        if reads && !call.form.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.form);
        }
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .bearer_auth(self.options.secret_key.expose_secret())
            .header("Stripe-Version", API_VERSION);
        if let Some(key) = &call.key {
            request = request.header("Idempotency-Key", key);
        }
        if !reads {
            request = request.form(&call.form);
        }
        let response = request.send().await.map_err(wire::transport_error)?;
        let status = response.status();
        let retry_after = wire::retry_after(response.headers());
        let bytes = response.bytes().await.map_err(wire::lost_answer)?;
        wire::sort_status(status, retry_after)?;
        let body = serde_json::from_slice(&bytes).map_err(|error| {
            // An answer that cannot be read decides nothing.
            ProviderError::Unknown(error.into())
        })?;
        Ok(Answer { status, body })
    }

    async fn post(
        &self,
        path: String,
        form: Vec<(&'static str, String)>,
        key: String,
    ) -> Result<Answer, ProviderError> {
        let (method, key) = (Method::POST, Some(key));
        let call = Call {
            method,
            path,
            form,
            key,
        };
        self.call(call).await
    }

    async fn get(
        &self,
        path: String,
        form: Vec<(&'static str, String)>,
    ) -> Result<Answer, ProviderError> {
        let call = Call {
            method: Method::GET,
            path,
            form,
            key: None,
        };
        self.call(call).await
    }
}

fn is_timeout(error: &ProviderError) -> bool {
    match error {
        ProviderError::Unknown(source) => source
            .downcast_ref::<reqwest::Error>()
            .is_some_and(reqwest::Error::is_timeout),
        ProviderError::Unavailable { .. }
        | ProviderError::Declined { .. }
        | ProviderError::Refused { .. }
        | ProviderError::NotFound => false,
    }
}

/// The same for the same operation on the same payment, whoever repeats it and when: a second
/// intent or refund would move money twice.
fn key_of(key: Key, operation: &str) -> String {
    format!("{}/{operation}", key.payment)
}

/// One for each call, shared by its tries. An intent is captured or cancelled once whoever asks,
/// so its own state protects it; a lasting key would only repeat a saved `processing` or 500.
fn key_of_call(key: Key, operation: &str) -> String {
    format!("{}/{operation}/{}", key.payment, Uuid::now_v7())
}

fn ours(about: &About<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("metadata[payment_id]", about.key.payment.to_string()),
        ("metadata[order_id]", about.order.to_string()),
        ("metadata[tenant_id]", about.key.tenant.to_string()),
    ]
}

#[async_trait]
impl CardProvider for Stripe {
    async fn authorize(&self, about: About<'_>) -> Result<Seen, ProviderError> {
        let mut form = ours(&about);
        form.extend([
            ("amount", about.amount.minor_units().to_string()),
            (
                "currency",
                about.amount.currency().code().to_ascii_lowercase(),
            ),
            ("capture_method", "manual".to_owned()),
            ("confirm", "true".to_owned()),
            (
                "payment_method",
                about.payment_method.unwrap_or_default().to_owned(),
            ),
        ]);
        let key = key_of(about.key, "authorize");
        let answer = self
            .post("/v1/payment_intents".to_owned(), form, key)
            .await?;
        wire::created(answer.status, &answer.body)
    }

    async fn capture(&self, about: About<'_>, reference: &str) -> Result<Seen, ProviderError> {
        let path = format!("/v1/payment_intents/{reference}/capture");
        let form = vec![("amount_to_capture", about.amount.minor_units().to_string())];
        let answer = self
            .post(path, form, key_of_call(about.key, "capture"))
            .await?;
        wire::changed(answer.status, &answer.body)
    }

    async fn cancel(&self, about: About<'_>, reference: &str) -> Result<Seen, ProviderError> {
        let path = format!("/v1/payment_intents/{reference}/cancel");
        let answer = self
            .post(path, Vec::new(), key_of_call(about.key, "cancel"))
            .await?;
        wire::changed(answer.status, &answer.body)
    }

    async fn ask(&self, key: Key, reference: Option<String>) -> Result<Seen, ProviderError> {
        let Some(reference) = reference else {
            let query = format!("metadata['payment_id']:'{}'", key.payment);
            let path = "/v1/payment_intents/search".to_owned();
            let answer = self.get(path, vec![("query", query)]).await?;
            return wire::searched(answer.status, &answer.body);
        };
        let path = format!("/v1/payment_intents/{reference}");
        let answer = self.get(path, Vec::new()).await?;
        wire::read(answer.status, &answer.body)
    }

    async fn refund(
        &self,
        about: About<'_>,
        reference: &str,
        id: RefundId,
    ) -> Result<SeenRefund, ProviderError> {
        let mut form = ours(&about);
        form.extend([
            ("metadata[refund_id]", id.to_string()),
            ("payment_intent", reference.to_owned()),
            ("amount", about.amount.minor_units().to_string()),
        ]);
        let answer = self
            .post("/v1/refunds".to_owned(), form, id.to_string())
            .await?;
        wire::refunded(answer.status, &answer.body)
    }

    async fn ask_refund(&self, reference: &str, id: RefundId) -> Result<SeenRefund, ProviderError> {
        let mut after = None;
        for _ in 0..REFUND_PAGES_MAX {
            let mut form = vec![
                ("payment_intent", reference.to_owned()),
                ("limit", REFUND_PAGE.to_owned()),
            ];
            form.extend(after.map(|last| ("starting_after", last)));
            let answer = self.get("/v1/refunds".to_owned(), form).await?;
            match wire::find_refund(answer.status, &answer.body, id)? {
                Found::Refund(seen) => return Ok(seen),
                Found::More { after: last } => after = Some(last),
                Found::Nothing => return Err(ProviderError::NotFound),
            }
        }
        // It may be among those that were not looked at: made again it would be paid twice.
        let message = "the payment has more refunds than are looked through";
        Err(ProviderError::Unknown(message.into()))
    }
}
