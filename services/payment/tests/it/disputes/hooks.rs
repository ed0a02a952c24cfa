//! Webhooks about disputes: early, late, often, out of order, forged, of nobody.

use std::sync::Arc;

use futures::future::join_all;
use tonic::Request;
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_proto::payment::v1::{DisputeState, PaymentState};
use tradepost_testkit::eventually;

use crate::support::{Hook, PATIENCE, Sale, Till, WEBHOOK_SECRET, Workers, gbp, reason, signed};

/// What is known of the sale's dispute and in the books.
async fn known(till: &Till, sale: Sale) -> (DisputeState, Vec<(String, i64)>) {
    let disputes = till.payment(sale).await.unwrap().disputes;
    assert_eq!(disputes.len(), 1);
    (disputes[0].state(), till.balances().await)
}

#[tokio::test]
async fn e04_news_of_a_dispute_in_any_order_end_in_the_same_books() {
    let life = [
        ("warning_needs_response", 1),
        ("warning_under_review", 2),
        ("needs_response", 3),
        ("under_review", 4),
        ("lost", 5),
    ];
    let mut ends = Vec::new();
    for order in [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        [3, 0, 4, 1, 2],
        [2, 4, 0, 3, 1],
    ] {
        let till = Till::with(Workers::Dead).await;
        let sale = till.hinted(1_000, true).await;
        for at in order {
            let (status, created) = life[at];
            let hook = Hook::dispute(sale, status, 400, created);
            till.hear(&hook).await.unwrap();
            assert!(till.hear(&hook).await.unwrap(), "it is taken once");
        }
        ends.push(known(&till, sale).await);
        assert_eq!(
            reason(till.refund(sale, "1", Some(1_000)).await),
            "PAYMENT_DISPUTED"
        );
    }

    assert_eq!(ends[0].0, DisputeState::Lost);
    for end in &ends[1..] {
        assert_eq!(end, &ends[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e03_a_dispute_of_a_payment_that_is_not_known_by_its_reference_waits_for_it() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    let hook = Hook::dispute(sale, "needs_response", 400, 1);

    let first = till.hear(&hook).await.unwrap();
    let waiting = till.stored_hook(&hook).await;
    let second = till.hear(&hook).await.unwrap();
    let till = till.succeed();
    let held = Hook::intent(&till, sale, "requires_capture", 1_000);
    till.hear(&held).await.unwrap();

    assert_eq!((first, second), (false, true));
    assert_eq!(waiting.as_deref(), Some("parked"));
    eventually("it is applied", PATIENCE, async || {
        (till.stored_hook(&hook).await.as_deref() == Some("applied")).then_some(())
    })
    .await;
    assert!(till.hear(&hook).await.unwrap(), "still the same one");
    assert_eq!(till.balance("disputes_withheld").await, 400);
    let payment = till.payment(sale).await.unwrap();
    assert_eq!(payment.disputes[0].amount, Some(gbp(400)));
}

#[tokio::test(flavor = "multi_thread")]
async fn e03_one_dispute_told_eight_times_at_once_has_one_effect() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    // Eight events of their own, and one of them eight times.
    let mut payloads: Vec<_> = (0..8)
        .map(|_| Hook::dispute(sale, "needs_response", 400, 1).payload())
        .collect();
    payloads.extend(vec![payloads[0].clone(); 7]);

    let deliveries = payloads.into_iter().map(|payload| {
        let request = Request::new(pb::HandleProviderWebhookRequest {
            signature: signed(WEBHOOK_SECRET, 0, &payload),
            payload: payload.into(),
        });
        let api = Arc::clone(&till.api);
        tokio::spawn(async move { api.handle_provider_webhook(request).await })
    });
    for answer in join_all(deliveries).await {
        assert!(answer.unwrap().is_ok());
    }

    assert_eq!(till.said(sale).await[2..], ["payment.disputed"]);
    assert_eq!(
        till.entered(sale).await[3..],
        ["dispute_withdrawn", "dispute_fee"]
    );
    assert_eq!(known(&till, sale).await.0, DisputeState::NeedsResponse);
}

#[tokio::test]
async fn a_forged_dispute_is_refused_and_bars_no_refund() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    let payload = Hook::dispute(sale, "lost", 1_000, 1).payload();
    let (forged, stale) = (
        signed("whsec_guess", 0, &payload),
        signed(WEBHOOK_SECRET, 301, &payload),
    );

    let forged = till.post(payload.clone(), forged).await;
    let stale = till.post(payload, stale).await;

    assert_eq!(reason(forged), "SIGNATURE_INVALID");
    assert_eq!(reason(stale), "SIGNATURE_STALE");
    assert!(till.payment(sale).await.unwrap().disputes.is_empty());
    assert!(till.refund(sale, "1", None).await.is_ok());
}

#[tokio::test]
async fn a_dispute_of_nobody_of_ours_waits_and_harms_no_other() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    let stranger = Hook::dispute(Sale::new(), "needs_response", 400, 1);
    let ours = Hook::dispute(sale, "needs_response", 400, 1);

    till.hear(&stranger).await.unwrap();
    till.hear(&ours).await.unwrap();

    assert_eq!(till.stored_hook(&stranger).await.as_deref(), Some("parked"));
    assert_eq!(till.stored_hook(&ours).await.as_deref(), Some("applied"));
    assert_eq!(till.balance("disputes_withheld").await, 400);
}

#[tokio::test]
async fn what_makes_no_sense_in_a_dispute_changes_nothing() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    for (field, value) in [
        ("amount", serde_json::json!(0)),
        ("amount", serde_json::json!(-1)),
        ("amount", serde_json::json!("1")),
        ("currency", serde_json::json!("zzz")),
        ("status", serde_json::json!("pondered")),
        ("id", serde_json::json!("")),
        ("id", serde_json::json!("d".repeat(256))),
        ("payment_intent", serde_json::json!(null)),
    ] {
        let mut hook = Hook::dispute(sale, "needs_response", 400, 1);
        hook.object[field] = value.clone();

        assert!(!till.hear(&hook).await.unwrap(), "{field} {value}");
        assert_eq!(till.stored_hook(&hook).await, None, "{field} {value}");
    }
    for created in [-1, i64::MAX] {
        let hook = Hook::dispute(sale, "needs_response", 400, created);
        assert!(!till.hear(&hook).await.unwrap());
    }

    assert!(till.payment(sale).await.unwrap().disputes.is_empty());
}

#[tokio::test]
async fn a_dispute_is_told_in_every_way_the_provider_may_tell_it() {
    let till = Till::with(Workers::Dead).await;
    // An expanded intent; a fee that is not told; another payout currency; settled beforehand.
    let expanded = till.hinted(1_000, true).await;
    let mut hook = Hook::dispute(expanded, "needs_response", 400, 1);
    hook.object["payment_intent"] = serde_json::json!({"id": format!("pi_{}", expanded.payment)});
    hook.object["balance_transactions"][0]["fee"] = serde_json::json!(null);
    till.hear(&hook).await.unwrap();
    let abroad = till.hinted(1_000, true).await;
    let mut hook = Hook::dispute(abroad, "needs_response", 400, 1);
    hook.object["balance_transactions"][0] =
        serde_json::json!({"amount": -470, "currency": "eur", "fee": 15});
    till.hear(&hook).await.unwrap();
    let prevented = till.hinted(1_000, true).await;
    let hook = Hook::dispute(prevented, "prevented", 400, 1);
    till.hear(&hook).await.unwrap();

    let mut disputes = Vec::new();
    for sale in [expanded, abroad, prevented] {
        disputes.extend(till.payment(sale).await.unwrap().disputes);
    }
    let seen = disputes.into_iter().map(|found| {
        let units = |money: Option<tradepost_proto::common::v1::Money>| money.unwrap().minor_units;
        (found.state(), units(found.withdrawn), units(found.fee))
    });
    let expected = [
        (DisputeState::NeedsResponse, 400, 0),
        (DisputeState::NeedsResponse, 400, 0),
        (DisputeState::InquiryClosed, 0, 0),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_webhook_that_tells_nothing_new_does_not_wait_for_whoever_holds_the_payment() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    till.hear(&Hook::dispute(sale, "needs_response", 400, 1))
        .await
        .unwrap();
    let mut holder = till.database.system_tx().await.unwrap();
    sqlx::query("select 1 from payments where payment_id = $1 for update")
        .bind(sale.payment.as_uuid())
        .execute(holder.conn())
        .await
        .unwrap();

    let again = Hook::dispute(sale, "needs_response", 400, 1);
    let taken = till.hear(&again).await;

    // Otherwise it fails by the lock's time-out.
    assert!(!taken.unwrap());
    holder.rollback().await;
    assert_eq!(till.stored_hook(&again).await.as_deref(), Some("applied"));
}

#[tokio::test]
async fn a_dispute_before_the_capture_is_known_is_kept_and_counts_after_it() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, false).await;
    till.hear(&Hook::dispute(sale, "needs_response", 1_000, 1))
        .await
        .unwrap();
    till.in_state(sale, PaymentState::Authorized).await;
    till.send(sale, &sale.capture(None)).await;

    let taken = Hook::intent(&till, sale, "succeeded", 1_000);
    till.hear(&taken).await.unwrap();

    till.in_state(sale, PaymentState::Captured).await;
    assert_eq!(
        reason(till.refund(sale, "1", Some(1)).await),
        "PAYMENT_DISPUTED"
    );
    assert_eq!(till.balance("provider_receivable").await, -15);
}
