//! A void of taken money gives it back, whatever other refunds are under way.

use std::sync::Arc;

use tradepost_proto::payment::v1::RefundState;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_provider_sim::Op;

use super::{refusal, request};
use crate::support::{Till, reason};

#[tokio::test]
async fn a_void_amid_a_refund_gives_the_rest_back_and_answers_when_all_of_it_is() {
    let till = Till::open().await;
    let sale = till.captured_on("pm_card_pendingRefund", 1_000).await;
    till.refund(sale, "1", Some(400)).await.unwrap();

    till.send(sale, &sale.void()).await;
    let meanwhile = till.refund(sale, "2", Some(1)).await;

    assert_eq!(reason(meanwhile), "REFUND_EXCEEDS_CAPTURED");
    till.heard(sale, "payment.voided").await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.refunded.count, seen.net()), (2, 0));
    till.refunds_in(sale, RefundState::Succeeded, 2).await;
    assert_eq!(till.balance("merchant_revenue").await, 0);
    let said = till.said(sale).await;
    assert_eq!(said.last().unwrap(), "payment.voided");
}

#[tokio::test(flavor = "multi_thread")]
async fn e09_a_void_racing_refunds_never_gives_back_more_than_was_captured() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;

    let racing = (0..8).map(|number| {
        let api = Arc::clone(&till.api);
        let call = till.call(request(sale, &number.to_string(), Some(150)));
        tokio::spawn(async move { api.create_refund(call).await })
    });
    let racing: Vec<_> = racing.collect();
    till.send(sale, &sale.void()).await;
    futures::future::join_all(racing).await;

    till.heard_times(sale, "payment.voided", 1).await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.net(), seen.refused), (0, 0));
    assert_eq!(till.balance("provider_receivable").await, 0);
    assert_eq!(till.balance("refunds_pending").await, 0);
}

#[tokio::test]
async fn a_void_whose_refund_is_refused_fails_and_a_second_one_asks_again() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;
    till.fault(Op::Refund, refusal());

    till.send(sale, &sale.void()).await;
    till.heard(sale, "payment.void_failed").await;
    till.send(sale, &sale.void()).await;
    till.heard(sale, "payment.voided").await;

    let said = till.said(sale).await;
    assert_eq!(said[2..], ["payment.void_failed", "payment.voided"]);
    let seen = till.witnessed(sale);
    assert_eq!((seen.refunded.count, seen.net()), (1, 0));
}

#[tokio::test]
async fn a_void_whose_refund_comes_back_has_failed_after_all() {
    let till = Till::listening().await;
    let sale = till.captured_on("pm_card_refundFail", 1_000).await;

    till.send(sale, &sale.void()).await;
    till.heard(sale, "payment.void_failed").await;

    let said = till.said(sale).await;
    assert_eq!(said[2..], ["payment.voided", "payment.void_failed"]);
    assert_eq!(till.witnessed(sale).net(), 1_000);
    assert_eq!(till.balance("provider_receivable").await, 1_000);
    till.send(sale, &sale.void()).await;
    till.heard_times(sale, "payment.voided", 2).await;
}
