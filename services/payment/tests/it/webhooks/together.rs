//! Webhooks that arrive together share a transaction; each has its own effect and its own answer.

use std::sync::Arc;

use futures::future::join_all;
use sqlx::Connection;
use tonic::{Code, Request, Status};
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::PaymentState;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;

use crate::support::{Hook, Sale, Till, WEBHOOK_SECRET, Workers, reason, signed};

/// Delivers all at once and returns the answers in their order.
async fn all_at_once(till: &Till, payloads: Vec<(String, String)>) -> Vec<Result<bool, Status>> {
    let deliveries = payloads.into_iter().map(|(payload, signature)| {
        let api = Arc::clone(&till.api);
        let request = Request::new(pb::HandleProviderWebhookRequest {
            payload: payload.into(),
            signature,
        });
        tokio::spawn(async move {
            let answer = api.handle_provider_webhook(request).await?;
            Ok(answer.into_inner().duplicate)
        })
    });
    let answers = join_all(deliveries).await;
    answers.into_iter().map(Result::unwrap).collect()
}

fn genuine(hook: &Hook) -> (String, String) {
    let payload = hook.payload();
    let signature = signed(WEBHOOK_SECRET, 0, &payload);
    (payload, signature)
}

async fn asked_for(till: &Till, count: usize) -> Vec<Sale> {
    let mut sales = Vec::new();
    for _ in 0..count {
        let sale = Sale::new();
        till.authorize(sale, 1_000, "pm_card_visa").await;
        sales.push(sale);
    }
    sales
}

#[tokio::test(flavor = "multi_thread")]
async fn e03_thirty_webhooks_thrice_at_once_have_one_effect_each() {
    let till = Till::with(Workers::Dead).await;
    let sales = asked_for(&till, 30).await;
    let hooks: Vec<_> = sales
        .iter()
        .map(|sale| genuine(&Hook::intent(&till, *sale, "requires_capture", 1_000)))
        .collect();

    let thrice = [hooks.clone(), hooks.clone(), hooks].concat();

    let answers = all_at_once(&till, thrice).await;

    let duplicates = answers
        .into_iter()
        .filter(|answer| *answer.as_ref().unwrap());
    assert_eq!(duplicates.count(), 60);
    for sale in sales {
        assert_eq!(till.said(sale).await, ["payment.authorized"]);
        assert_eq!(till.entered(sale).await, ["hold"]);
        assert_eq!(till.stored_hooks(sale).await, ["applied"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e03_early_late_and_forged_webhooks_at_once_get_what_each_deserves() {
    let till = Till::with(Workers::Dead).await;
    let sales = asked_for(&till, 8).await;
    let known = till.hinted(1_000, false).await;
    let absent = Sale::new();
    let mut hooks = Vec::new();
    for sale in &sales {
        let good = Hook::intent(&till, *sale, "requires_capture", 1_000);
        let forged = Hook::intent(&till, *sale, "canceled", 0).payload();
        let signature = signed("whsec_guess", 0, &forged);
        hooks.extend([genuine(&good), (forged, signature)]);
    }
    // Tells nothing new; older than what is known; of a payment that is not there yet.
    hooks.push(genuine(&Hook::intent(
        &till,
        known,
        "requires_capture",
        1_000,
    )));
    hooks.push(genuine(&Hook::intent(&till, known, "requires_action", 0)));
    hooks.push(genuine(&Hook::intent(
        &till,
        absent,
        "requires_capture",
        500,
    )));

    let answers = all_at_once(&till, hooks).await;

    let refused: Vec<_> = answers.into_iter().filter(Result::is_err).collect();
    assert_eq!(refused.len(), sales.len());
    for refusal in refused {
        assert_eq!(reason(refusal), "SIGNATURE_INVALID");
    }
    for sale in sales.into_iter().chain([known]) {
        till.in_state(sale, PaymentState::Authorized).await;
        assert_eq!(till.said(sale).await, ["payment.authorized"]);
    }
    assert_eq!(till.stored_hooks(absent).await, ["parked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_one_payment_in_one_batch_are_taken_in_their_order() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, false).await;
    till.send(sale, &sale.capture(None)).await;
    let statuses = ["requires_capture", "succeeded", "requires_capture"];
    let hooks = statuses.map(|status| genuine(&Hook::intent(&till, sale, status, 1_000)));

    for answer in all_at_once(&till, hooks.to_vec()).await {
        assert!(!answer.unwrap());
    }

    till.in_state(sale, PaymentState::Captured).await;
    assert_eq!(
        till.said(sale).await,
        ["payment.authorized", "payment.captured"]
    );
    assert_eq!(till.stored_hooks(sale).await, ["applied"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_payment_that_cannot_be_read_harms_no_webhook_of_another() {
    let till = Till::with(Workers::Dead).await;
    let sales = asked_for(&till, 12).await;
    let mut admin = till.test_database.admin().await;
    sqlx::query("update payments set currency = 'nonsense' where payment_id = $1")
        .bind(sales[5].payment.as_uuid())
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    let hooks = sales
        .iter()
        .map(|sale| genuine(&Hook::intent(&till, *sale, "requires_capture", 1_000)));

    let answers = all_at_once(&till, hooks.collect()).await;

    for (index, (sale, answer)) in sales.into_iter().zip(answers).enumerate() {
        if index == 5 {
            assert_eq!(answer.unwrap_err().code(), Code::Internal);
            assert_eq!(till.stored_hooks(sale).await, Vec::<String>::new());
        } else {
            assert!(!answer.unwrap());
            assert_eq!(till.said(sale).await, ["payment.authorized"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_tells_nothing_new_does_not_wait_for_whoever_holds_the_payment() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, false).await;
    let mut holder = till.database.system_tx().await.unwrap();
    sqlx::query("select 1 from payments where payment_id = $1 for update")
        .bind(sale.payment.as_uuid())
        .execute(holder.conn())
        .await
        .unwrap();

    let taken = till
        .hear(&Hook::intent(&till, sale, "requires_capture", 1_000))
        .await;

    // Otherwise it fails by the lock's time-out.
    assert!(!taken.unwrap());
    holder.rollback().await;
    assert_eq!(till.stored_hooks(sale).await, ["applied", "applied"]);
}
