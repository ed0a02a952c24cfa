//! Money given back: who asks, what is refused, what is asked twice.

mod outcomes;
mod voids;

use std::sync::Arc;

use tradepost_proto::payment::event::v1 as event;
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_proto::payment::v1::{PaymentState, RefundState};
use tradepost_provider_sim::Fault;
use tradepost_types::{RefundId, TenantId};

use crate::support::{Sale, Till, call_as, gbp, reason};

fn request(sale: Sale, request_id: &str, units: Option<i64>) -> pb::CreateRefundRequest {
    pb::CreateRefundRequest {
        request_id: request_id.to_owned(),
        payment_id: sale.payment.to_string(),
        amount: units.map(gbp),
        note: "sorry".to_owned(),
    }
}

#[tokio::test]
async fn all_of_it_is_given_back() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;

    let refund = till.refund(sale, "1", None).await.unwrap();

    assert_eq!(refund.amount, Some(gbp(1_000)));
    assert_eq!(
        (refund.state(), refund.note.as_str()),
        (RefundState::Requested, "sorry")
    );
    till.refunds_in(sale, RefundState::Succeeded, 1).await;
    till.heard(sale, "payment.refund_succeeded").await;
    assert_eq!(till.witnessed(sale).net(), 0);
    assert_eq!(till.balance("provider_receivable").await, 0);
    assert_eq!(till.balance("refunds_pending").await, 0);
    assert_eq!(till.balance("merchant_revenue").await, 0);
}

#[tokio::test]
async fn parts_are_given_back_until_nothing_is_left() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;

    for (request_id, units) in [("1", Some(300)), ("2", Some(1)), ("3", None)] {
        till.refund(sale, request_id, units).await.unwrap();
    }
    let beyond = till.refund(sale, "4", Some(1)).await;
    let nothing = till.refund(sale, "5", None).await;

    assert_eq!(reason(beyond), "REFUND_EXCEEDS_CAPTURED");
    assert_eq!(reason(nothing), "REFUND_EXCEEDS_CAPTURED");
    till.refunds_in(sale, RefundState::Succeeded, 3).await;
    let payment = till.in_state(sale, PaymentState::Captured).await;
    let amounts: Vec<_> = payment
        .refunds
        .iter()
        .map(|made| made.amount.clone().unwrap().minor_units)
        .collect();
    assert_eq!(amounts, [300, 1, 699], "oldest first");
    assert_eq!(payment.refunded, Some(gbp(1_000)));
    assert_eq!(till.witnessed(sale).refunded.count, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn e09_racing_refunds_never_give_back_more_than_was_captured() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;

    let racing = (0..16).map(|number| {
        let api = Arc::clone(&till.api);
        let call = till.call(request(sale, &number.to_string(), Some(300)));
        tokio::spawn(async move { api.create_refund(call).await })
    });
    let answers = futures::future::join_all(racing).await;

    let (made, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .map(Result::unwrap)
        .partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (3, 13));
    for answer in refused {
        assert_eq!(reason(answer), "REFUND_EXCEEDS_CAPTURED");
    }
    till.refunds_in(sale, RefundState::Succeeded, 3).await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.refunded.count, seen.net(), seen.refused), (3, 100, 0));
    assert_eq!(till.balance("merchant_revenue").await, -100);
}

#[tokio::test(flavor = "multi_thread")]
async fn e01_twins_of_a_request_get_one_refund() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;

    let racing = (0..8).map(|_| {
        let api = Arc::clone(&till.api);
        let call = till.call(request(sale, "same", Some(300)));
        tokio::spawn(async move { api.create_refund(call).await })
    });
    let answers = futures::future::join_all(racing).await;
    till.refunds_in(sale, RefundState::Succeeded, 1).await;
    let later = till.refund(sale, "same", Some(300)).await.unwrap();

    for answer in answers {
        let refund = answer.unwrap().unwrap().into_inner().refund.unwrap();
        assert_eq!(refund.refund_id, later.refund_id);
    }
    assert_eq!(later.state(), RefundState::Succeeded, "as it is now");
    assert_eq!(till.witnessed(sale).refunded.amount, 300);
}

#[tokio::test]
async fn e01_a_request_id_used_for_another_refund_is_refused() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;
    let other = till.captured(1_000).await;
    till.refund(sale, "same", Some(300)).await.unwrap();
    let noted = pb::CreateRefundRequest {
        note: "another".to_owned(),
        ..request(sale, "same", Some(300))
    };

    let answers = [
        till.refund(sale, "same", Some(301)).await,
        till.refund(sale, "same", None).await,
        till.refund(other, "same", Some(300)).await,
    ];

    for answer in answers {
        assert_eq!(reason(answer), "REQUEST_ID_REUSED");
    }
    let noted = till.api.create_refund(till.call(noted)).await;
    assert_eq!(reason(noted), "REQUEST_ID_REUSED");
    assert_eq!(till.payment(sale).await.unwrap().refunds.len(), 1);
    assert_eq!(till.payment(other).await.unwrap().refunds.len(), 0);
}

#[tokio::test]
async fn e09_what_cannot_be_refunded_is_refused_and_leaves_nothing_behind() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;
    let held = Sale::new();
    till.authorize(held, 1_000, "pm_card_visa").await;
    till.heard(held, "payment.authorized").await;
    let mut euro = request(sale, "euro", Some(1));
    euro.amount.as_mut().unwrap().currency_code = "EUR".to_owned();

    let refused = [
        (till.refund(sale, "0", Some(0)).await, "INVALID_FIELD"),
        (till.refund(sale, "-1", Some(-1)).await, "INVALID_FIELD"),
        (
            till.refund(sale, "min", Some(i64::MIN)).await,
            "INVALID_FIELD",
        ),
        (
            till.refund(sale, "max", Some(i64::MAX)).await,
            "REFUND_EXCEEDS_CAPTURED",
        ),
        (
            till.refund(sale, "1001", Some(1_001)).await,
            "REFUND_EXCEEDS_CAPTURED",
        ),
        (
            till.refund(held, "held", None).await,
            "PAYMENT_NOT_CAPTURED",
        ),
        (
            till.refund(Sale::new(), "none", None).await,
            "PAYMENT_NOT_FOUND",
        ),
    ];

    for (answer, expected) in refused {
        assert_eq!(reason(answer), expected);
    }
    let euro = till.api.create_refund(till.call(euro)).await;
    assert_eq!(reason(euro), "CURRENCY_MISMATCH");
    let stranger = call_as(TenantId::new(), request(sale, "theirs", None));
    let stranger = till.api.create_refund(stranger).await;
    assert_eq!(reason(stranger), "PAYMENT_NOT_FOUND");
    assert_eq!(till.payment(sale).await.unwrap().refunds.len(), 0);
    assert_eq!(till.balance("refunds_pending").await, 0);
    // A refused request is not remembered: with what is missing it is carried out.
    till.send(held, &held.capture(None)).await;
    till.heard(held, "payment.captured").await;
    assert!(till.refund(held, "held", None).await.is_ok());
}

#[tokio::test]
async fn a_refund_command_has_one_effect_for_its_id_and_repeats_its_answer() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;
    let id = RefundId::new();
    let first = till.message(sale, &sale.refund(id, Some(400)));
    let twin = till.message(sale, &sale.refund(id, Some(400)));

    till.deliver(&[first.clone(), first.clone(), twin]).await;
    till.heard(sale, "payment.refund_succeeded").await;
    till.deliver(&[first]).await;
    till.send(sale, &sale.refund(id, Some(400))).await;

    let told: Vec<event::RefundSucceeded> = till.told(sale).await;
    assert_eq!(told.len(), 2, "once, and once more for the new message");
    for answer in told {
        assert_eq!(answer.refund_id, id.to_string());
        assert_eq!(answer.amount, Some(gbp(400)));
    }
    assert_eq!(till.witnessed(sale).refunded.count, 1);
}

#[tokio::test]
async fn e09_a_refund_command_that_cannot_be_carried_out_is_answered_with_its_reason() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;
    let held = Sale::new();
    till.authorize(held, 1_000, "pm_card_visa").await;
    till.heard(held, "payment.authorized").await;
    let unknown = Sale::new();
    let mut euro = sale.refund(RefundId::new(), Some(1));
    euro.amount.as_mut().unwrap().currency_code = "EUR".to_owned();

    for units in [Some(0), Some(-1), Some(1_001)] {
        till.send(sale, &sale.refund(RefundId::new(), units)).await;
    }
    till.send(sale, &euro).await;
    till.send(held, &held.refund(RefundId::new(), None)).await;
    till.send(unknown, &unknown.refund(RefundId::new(), None))
        .await;

    let reasons = async |sale| -> Vec<String> {
        let told: Vec<event::RefundFailed> = till.told(sale).await;
        told.into_iter().map(|answer| answer.reason).collect()
    };
    assert_eq!(
        reasons(sale).await,
        [
            "AMOUNT_NOT_POSITIVE",
            "AMOUNT_NOT_POSITIVE",
            "REFUND_EXCEEDS_CAPTURED",
            "CURRENCY_MISMATCH"
        ]
    );
    assert_eq!(reasons(held).await, ["PAYMENT_NOT_CAPTURED"]);
    assert_eq!(reasons(unknown).await, ["PAYMENT_NOT_FOUND"]);
    assert_eq!(till.witnessed(sale).refunded.count, 0);
}

const fn refusal() -> Fault {
    Fault::Status {
        status: 400,
        delay_ms: 0,
        saved: false,
    }
}
