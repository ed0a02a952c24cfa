//! Webhooks as the provider makes them, and as nobody should.

use axum::body::Bytes;
use serde_json::{Value, json};
use tonic::{Request, Status};
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_provider_sim::signature;
use tradepost_service::Clock;
use tradepost_testkit::eventually;
use tradepost_types::RefundId;

use super::{PATIENCE, Sale, Till, WEBHOOK_SECRET};

/// An event before it is signed.
#[derive(Clone)]
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) object: Value,
    /// When the provider made it, in seconds since 1970.
    pub(crate) created: i64,
}

impl Hook {
    /// News of the sale's intent.
    pub(crate) fn intent(till: &Till, sale: Sale, status: &str, units: i64) -> Self {
        let object = json!({
            "id": format!("pi_{}", sale.payment),
            "object": "payment_intent",
            "status": status,
            "amount_capturable": units,
            "amount_received": units,
            "currency": "gbp",
            "metadata": metadata(till, sale),
        });
        Self::new("payment_intent.updated", object)
    }

    /// News of one of its refunds.
    pub(crate) fn refund(till: &Till, sale: Sale, id: RefundId, status: &str) -> Self {
        let mut metadata = metadata(till, sale);
        metadata["refund_id"] = json!(id.to_string());
        let object = json!({
            "id": format!("re_{id}"),
            "object": "refund",
            "status": status,
            "failure_reason": "lost_or_stolen_card",
            "metadata": metadata,
        });
        Self::new("refund.updated", object)
    }

    /// A snapshot of a dispute of so much of the sale, made at that second: it names the provider's
    /// intent and nothing of ours.
    pub(crate) fn dispute(sale: Sale, status: &str, units: i64, created: i64) -> Self {
        let moved =
            |amount: i64, fee: i64| json!({"amount": amount, "currency": "gbp", "fee": fee});
        let moved = match status {
            "needs_response" | "under_review" | "lost" => vec![moved(-units, 15)],
            "won" => vec![moved(-units, 15), moved(units, -15)],
            _ => Vec::new(),
        };
        let object = json!({
            "id": format!("dp_{}", sale.payment),
            "object": "dispute",
            "status": status,
            "amount": units,
            "currency": "gbp",
            "reason": "fraudulent",
            "payment_intent": format!("pi_{}", sale.payment),
            "balance_transactions": moved,
            "metadata": {},
        });
        let mut hook = Self::new("charge.dispute.updated", object);
        hook.created = created;
        hook
    }

    fn new(kind: &str, object: Value) -> Self {
        Self {
            id: format!("evt_{}", uuid::Uuid::now_v7()),
            kind: kind.to_owned(),
            object,
            created: 1_760_000_000,
        }
    }

    pub(crate) fn payload(&self) -> String {
        let (id, kind, object) = (&self.id, &self.kind, &self.object);
        let created = self.created;
        json!({ "id": id, "type": kind, "created": created, "data": { "object": object } })
            .to_string()
    }
}

fn metadata(till: &Till, sale: Sale) -> Value {
    json!({
        "tenant_id": till.tenant.to_string(),
        "payment_id": sale.payment.to_string(),
        "order_id": sale.order.to_string(),
    })
}

/// The header for a payload signed so many seconds ago.
pub(crate) fn signed(secret: &str, age_seconds: i64, payload: &str) -> String {
    let now = Clock::system().now().unix_timestamp();
    signature(secret, now - age_seconds, payload)
}

impl Till {
    /// Delivers a genuine webhook; whether it had been taken before.
    pub(crate) async fn hear(&self, hook: &Hook) -> Result<bool, Status> {
        let payload = hook.payload();
        let header = signed(WEBHOOK_SECRET, 0, &payload);
        self.post(payload, header).await
    }

    /// Delivers anything. No tenant is named: the provider knows none.
    pub(crate) async fn post(
        &self,
        payload: impl Into<Bytes> + Send,
        signature: String,
    ) -> Result<bool, Status> {
        let request = Request::new(pb::HandleProviderWebhookRequest {
            payload: payload.into(),
            signature,
        });
        let answer = self.api.handle_provider_webhook(request).await?;
        Ok(answer.into_inner().duplicate)
    }

    /// What became of the webhooks that name a payment, oldest first, whatever their tenant.
    pub(crate) async fn stored_hooks(&self, sale: Sale) -> Vec<String> {
        let mut tx = self.database.system_tx().await.unwrap();
        let states = sqlx::query_scalar(
            "select state from provider_events where payment_id = $1 order by created_at, event_id",
        )
        .bind(sale.payment.as_uuid())
        .fetch_all(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
        states
    }

    /// What became of a webhook, by its own id.
    pub(crate) async fn stored_hook(&self, hook: &Hook) -> Option<String> {
        let mut tx = self.database.system_tx().await.unwrap();
        let state = sqlx::query_scalar("select state from provider_events where event_id = $1")
            .bind(&hook.id)
            .fetch_optional(tx.conn())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        state
    }

    /// Waits until a webhook about the payment was taken.
    pub(crate) async fn hook_taken(&self, sale: Sale) {
        eventually("a webhook is taken", PATIENCE, async || {
            let states = self.stored_hooks(sale).await;
            states.contains(&"applied".to_owned()).then_some(())
        })
        .await;
    }
}
