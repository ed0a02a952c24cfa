//! Signs what is due, sends it, and judges what came of it.

use async_trait::async_trait;
use rand::Rng;
use tokio::time::Instant;
use tradepost_service::Clock;

use crate::domain::webhook::{EndpointUrl, JITTER_PERMILLE_MAX, UrlRules, signatures, verdict};
use crate::metrics::WebhookMetrics;
use crate::ports::channels::{ChannelCourier, Noting};
use crate::ports::webhooks::{
    Answer, Call, Couriers, DisabledReason, Fault, Leased, Noted, Webhooks,
};

/// Sends webhooks over HTTP.
pub struct SendWebhooks {
    courier: Couriers,
    metrics: WebhookMetrics,
    rules: UrlRules,
    clock: Clock,
}

impl SendWebhooks {
    /// Sends by `courier` to URLs that keep the rules.
    #[must_use]
    pub fn new(courier: Couriers, metrics: WebhookMetrics, rules: UrlRules) -> Self {
        Self {
            courier,
            metrics,
            rules,
            clock: Clock::system(),
        }
    }

    async fn post(&self, leased: &Leased) -> Answer {
        // The rules may be stricter than when it was stored, and an address is not resolved.
        let Ok(url) = EndpointUrl::parse(&leased.url, self.rules) else {
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
}

#[async_trait]
impl ChannelCourier<Webhooks> for SendWebhooks {
    async fn send(&self, leased: &Leased) -> Noted {
        let began = Instant::now();
        let answer = self.post(leased).await;
        self.metrics.attempted(answer, began.elapsed());
        let (status, retry_after) = match answer {
            Answer::Status { code, retry_after } => (Some(code), retry_after),
            Answer::None(_) => (None, None),
        };
        let jitter = rand::rng().random_range(0..=JITTER_PERMILLE_MAX);
        let attempts = leased.attempts.saturating_add(1);
        Noted {
            verdict: verdict(attempts, status, retry_after, jitter),
            answer,
        }
    }

    fn noted(&self, leased: &Leased, noting: Noting<Option<DisabledReason>>) {
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
