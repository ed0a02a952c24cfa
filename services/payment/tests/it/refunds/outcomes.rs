//! What the provider does with a refund: hangs, takes its time, refuses, changes its mind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tradepost_payment::adapters::stripe::Stripe;
use tradepost_payment::ports::{About, CardProvider, Key, ProviderError};
use tradepost_proto::payment::event::v1 as event;
use tradepost_proto::payment::v1::RefundState;
use tradepost_provider_sim::{Fault, Op};
use tradepost_types::{Currency, Money, RefundId};

use super::refusal;
use crate::support::{HANG_MS, PATIENCE, Till, gbp, stripe, stripe_at};

#[tokio::test]
async fn e05_a_refund_that_hung_is_asked_for_and_made_once() {
    for fault in [
        Fault::TimeoutBefore { hang_ms: HANG_MS },
        Fault::TimeoutAfter { hang_ms: HANG_MS },
        Fault::ResetBefore,
        Fault::ResetAfter,
    ] {
        let till = Till::impatient().await;
        let sale = till.captured(1_000).await;
        till.fault(Op::Refund, fault.clone());

        till.refund(sale, "1", Some(400)).await.unwrap();

        till.refunds_in(sale, RefundState::Succeeded, 1).await;
        let seen = till.witnessed(sale);
        assert_eq!(
            (seen.refunded.count, seen.refunded.amount),
            (1, 400),
            "{fault:?}"
        );
        assert_eq!(till.said(sale).await.len(), 3, "{fault:?}");
        assert_eq!(till.balance("provider_receivable").await, 600, "{fault:?}");
    }
}

#[tokio::test]
async fn e05_a_refund_whose_process_died_before_saving_is_not_made_twice() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;
    let id = RefundId::new();
    let about = About {
        key: Key {
            tenant: till.tenant,
            payment: sale.payment,
        },
        order: sale.order,
        amount: Money::new(400, Currency::GBP),
        payment_method: None,
    };
    let intent = till.witnessed(sale).intents[0].clone();
    // The call that nobody lived to note.
    let unnoticed = stripe(&till.sim).refund(about, &intent, id).await;
    assert!(unnoticed.is_ok());

    till.send(sale, &sale.refund(id, Some(400))).await;

    till.heard(sale, "payment.refund_succeeded").await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.refunded.count, seen.refunded.amount), (1, 400));
    assert_eq!(till.balance("provider_receivable").await, 600);
}

#[tokio::test]
async fn e05_a_refund_is_found_behind_hundreds_of_others() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;
    let (oldest, stranger) = (RefundId::new(), RefundId::new());
    let about = |units| About {
        key: Key {
            tenant: till.tenant,
            payment: sale.payment,
        },
        order: sale.order,
        amount: Money::new(units, Currency::GBP),
        payment_method: None,
    };
    let intent = till.witnessed(sale).intents[0].clone();
    let provider = stripe(&till.sim);
    provider.refund(about(400), &intent, oldest).await.unwrap();
    for _ in 0..200 {
        let other = RefundId::new();
        provider.refund(about(1), &intent, other).await.unwrap();
    }

    let found = provider.ask_refund(&intent, oldest).await.unwrap();
    let missing = provider.ask_refund(&intent, stranger).await;

    let made_again = provider.refund(about(400), &intent, oldest).await.unwrap();
    assert_eq!(found.reference, made_again.reference, "the same one");
    assert!(
        matches!(missing, Err(ProviderError::NotFound)),
        "{missing:?}"
    );
    assert_eq!(till.witnessed(sale).refunded.count, 201);
}

/// A provider that lists refunds in this way; how often it was asked.
async fn that_lists(page: serde_json::Value) -> (Stripe, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let list = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        axum::Json(page.clone())
    };
    let router = axum::Router::new().route("/v1/refunds", axum::routing::get(list));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    (stripe_at(&url, PATIENCE), asked)
}

#[tokio::test]
async fn a_list_of_refunds_without_an_end_or_a_meaning_never_says_that_one_is_not_there() {
    let other = serde_json::json!({"id": "re_1", "status": "succeeded", "metadata": {}});
    for (page, times) in [
        (serde_json::json!({"data": [other], "has_more": true}), 50),
        (serde_json::json!({"data": [], "has_more": true}), 1),
        (serde_json::json!({"data": [other]}), 1),
        (serde_json::json!({}), 1),
    ] {
        let (provider, asked) = that_lists(page.clone()).await;

        let found = provider.ask_refund("pi_1", RefundId::new()).await;

        assert!(
            matches!(found, Err(ProviderError::Unknown(_))),
            "{page}: {found:?}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), times, "{page}");
    }
}

#[tokio::test]
async fn a_slow_refund_is_asked_for_until_it_is_done() {
    let till = Till::open().await;
    let sale = till.captured_on("pm_card_pendingRefund", 1_000).await;

    till.refund(sale, "1", Some(400)).await.unwrap();

    till.heard(sale, "payment.refund_succeeded").await;
    assert_eq!(till.witnessed(sale).refunded.count, 1);
    assert_eq!(till.said(sale).await.len(), 3, "told once");
    assert_eq!(till.balance("refunds_pending").await, 0);
}

#[tokio::test]
async fn a_refused_refund_is_told_and_its_amount_can_be_refunded_again() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;
    till.fault(Op::Refund, refusal());

    till.refund(sale, "1", None).await.unwrap();
    till.heard(sale, "payment.refund_failed").await;
    let (revenue, pending) = (
        till.balance("merchant_revenue").await,
        till.balance("refunds_pending").await,
    );
    till.refund(sale, "2", None).await.unwrap();

    assert_eq!((revenue, pending), (-1_000, 0));
    till.heard(sale, "payment.refund_succeeded").await;
    let told: Vec<event::RefundFailed> = till.told(sale).await;
    assert_eq!(told[0].reason, "PROVIDER_REFUSED");
    assert_eq!(till.witnessed(sale).net(), 0);
}

#[tokio::test]
async fn e09_a_refund_while_a_dispute_is_open_is_refused_with_its_reason_and_moves_nothing() {
    let till = Till::open().await;
    let sale = till.captured_on("pm_card_createDispute", 1_000).await;

    till.refund(sale, "1", Some(400)).await.unwrap();
    till.heard(sale, "payment.refund_failed").await;

    let told: Vec<event::RefundFailed> = till.told(sale).await;
    assert_eq!(told[0].reason, "PAYMENT_DISPUTED");
    let seen = till.witnessed(sale);
    assert_eq!((seen.refunded.count, seen.net()), (0, 1_000));
    assert_eq!(till.balance("refunds_pending").await, 0);
    assert_eq!(till.balance("merchant_revenue").await, -1_000);
    let payment = till.payment(sale).await.unwrap();
    assert_eq!(payment.refunded, Some(gbp(0)), "it can be asked for again");
    assert_eq!(payment.refunds[0].failure_reason, "PAYMENT_DISPUTED");
}

#[tokio::test]
async fn a_refund_that_fails_after_it_succeeded_is_reversed_in_the_books() {
    let till = Till::listening().await;
    let sale = till.captured_on("pm_card_refundFail", 1_000).await;

    till.refund(sale, "1", None).await.unwrap();
    till.heard(sale, "payment.refund_succeeded").await;
    till.heard(sale, "payment.refund_failed").await;

    let seen = till.witnessed(sale);
    assert_eq!((seen.reversed.count, seen.net()), (1, 1_000));
    assert_eq!(till.balance("provider_receivable").await, seen.net());
    assert_eq!(till.balance("merchant_revenue").await, -seen.net());
    assert_eq!(till.balance("refunds_pending").await, 0);
    let payment = till.payment(sale).await.unwrap();
    assert_eq!(payment.refunded, Some(gbp(0)));
    assert_eq!(payment.refunds[0].state(), RefundState::Failed);
    assert_ne!(payment.refunds[0].failure_reason, "");
    // What came back can be given back another time.
    till.refund(sale, "2", Some(10)).await.unwrap();
    till.heard_times(sale, "payment.refund_succeeded", 2).await;
}
