//! Hints of the provider: each has its effect once, whenever and however often it comes.

mod refusals;
mod together;

use std::sync::Arc;

use tonic::Request;
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_proto::payment::v1::{PaymentState, RefundState};
use tradepost_provider_sim::{ActionResult, Fault, Op, Rule};
use tradepost_testkit::eventually;
use tradepost_types::{RefundId, TenantId};

use crate::support::{Hook, PATIENCE, Sale, Till, WEBHOOK_SECRET, Workers, signed};

#[tokio::test]
async fn e03_a_webhook_that_comes_before_the_answer_has_the_one_effect() {
    let till = Till::listening().await;
    let early = Rule::always(Fault::WebhookEarly);
    till.sim.faults().add(early).unwrap();

    let sale = till.captured(1_000).await;
    till.refund(sale, "1", None).await.unwrap();
    till.heard(sale, "payment.refund_succeeded").await;

    let story = [
        "payment.authorized",
        "payment.captured",
        "payment.refund_succeeded",
    ];
    assert_eq!(till.said(sale).await, story);
    let entered = [
        "hold",
        "release",
        "capture",
        "refund_set_aside",
        "refund_paid",
    ];
    assert_eq!(till.entered(sale).await, entered);
}

#[tokio::test]
async fn e03_every_webhook_sent_four_times_and_out_of_order_changes_nothing() {
    let till = Till::listening().await;
    let faults = till.sim.faults();
    let copies = Fault::WebhookDuplicate { copies: 3 };
    faults.add(Rule::always(copies)).unwrap();
    let held_back = Fault::WebhookOutOfOrder { hold_ms: 50 };
    faults.add(Rule::always(held_back)).unwrap();

    let sale = till.captured(1_000).await;
    till.refund(sale, "1", Some(400)).await.unwrap();
    till.heard(sale, "payment.refund_succeeded").await;
    // The last of them all: it is taken once the ones before were.
    eventually("the webhooks are taken", PATIENCE, async || {
        (till.stored_hooks(sale).await.len() >= 3).then_some(())
    })
    .await;

    assert_eq!(till.said(sale).await.len(), 3);
    assert_eq!(till.entered(sale).await.len(), 5);
    let payment = till.in_state(sale, PaymentState::Captured).await;
    assert_eq!(payment.refunded.unwrap().minor_units, 400);
}

#[tokio::test]
async fn e03_a_webhook_tells_what_a_lost_answer_did_not() {
    let till = Till::listening().await;
    let sale = Sale::new();
    till.fault(Op::Create, Fault::ResetAfter);
    let lagging = Rule::on(Op::Search, Fault::SearchEmpty);
    till.sim.faults().add(lagging).unwrap();

    till.authorize(sale, 1_000, "pm_card_visa").await;

    till.in_state(sale, PaymentState::Authorized).await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.intents.len(), seen.authorised.count), (1, 1));
    assert_eq!(till.entered(sale).await, ["hold"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn e03_one_webhook_delivered_eight_times_at_once_has_one_effect() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    let payload = Hook::intent(&till, sale, "requires_capture", 1_000).payload();

    let deliveries = (0..8).map(|_| {
        let request = Request::new(pb::HandleProviderWebhookRequest {
            payload: payload.clone().into(),
            signature: signed(WEBHOOK_SECRET, 0, &payload),
        });
        let api = Arc::clone(&till.api);
        tokio::spawn(async move { api.handle_provider_webhook(request).await })
    });
    let answers = futures::future::join_all(deliveries).await;

    let duplicates = answers.into_iter().filter(|answer| {
        answer
            .as_ref()
            .unwrap()
            .as_ref()
            .unwrap()
            .get_ref()
            .duplicate
    });
    assert_eq!(duplicates.count(), 7);
    assert_eq!(till.said(sale).await, ["payment.authorized"]);
    assert_eq!(till.stored_hooks(sale).await, ["applied"]);
}

#[tokio::test]
async fn e03_a_webhook_for_a_payment_that_is_not_there_waits_for_it() {
    let till = Till::open().await;
    let sale = Sale::new();
    let busy = Fault::RateLimit {
        retry_after_seconds: 60,
    };
    till.sim.faults().add(Rule::on(Op::Create, busy)).unwrap();
    let hook = Hook::intent(&till, sale, "requires_capture", 1_000);

    let first = till.hear(&hook).await.unwrap();
    let second = till.hear(&hook).await.unwrap();
    let waiting = till.stored_hooks(sale).await;
    till.authorize(sale, 1_000, "pm_card_visa").await;

    assert_eq!((first, second), (false, true));
    assert_eq!(waiting, ["parked"]);
    till.in_state(sale, PaymentState::Authorized).await;
    assert_eq!(till.said(sale).await, ["payment.authorized"]);
    assert_eq!(till.stored_hooks(sale).await, ["applied"]);
}

#[tokio::test]
async fn a_webhook_that_names_another_tenant_reaches_no_payment_of_ours() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, false).await;
    let mut hook = Hook::intent(&till, sale, "canceled", 0);
    hook.object["metadata"]["tenant_id"] = TenantId::new().to_string().into();

    till.hear(&hook).await.unwrap();

    till.in_state(sale, PaymentState::Authorized).await;
    assert_eq!(till.stored_hooks(sale).await, ["applied", "parked"]);
}

#[tokio::test]
async fn e04_older_news_after_newer_change_nothing() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    let refund = till.refund(sale, "1", Some(400)).await.unwrap();
    let id: RefundId = refund.refund_id.parse().unwrap();
    let paid = Hook::refund(&till, sale, id, "succeeded");
    till.hear(&paid).await.unwrap();
    let before = (till.said(sale).await, till.entered(sale).await);

    for (status, units) in [
        ("requires_payment_method", 0),
        ("requires_action", 0),
        ("requires_capture", 1_000),
        ("processing", 0),
        ("canceled", 0),
        ("succeeded", 1_000),
    ] {
        let late = Hook::intent(&till, sale, status, units);
        till.hear(&late).await.unwrap();
    }
    for status in ["pending", "succeeded"] {
        let late = Hook::refund(&till, sale, id, status);
        till.hear(&late).await.unwrap();
    }

    assert_eq!(
        (till.said(sale).await, till.entered(sale).await),
        before,
        "nothing new is told or entered"
    );
    till.in_state(sale, PaymentState::Captured).await;
    till.refunds_in(sale, RefundState::Succeeded, 1).await;
}

#[tokio::test]
async fn e04_a_refund_that_is_told_failed_first_and_succeeded_later_stays_failed() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    let refund = till.refund(sale, "1", None).await.unwrap();
    let id: RefundId = refund.refund_id.parse().unwrap();

    for status in ["failed", "succeeded", "failed"] {
        let hook = Hook::refund(&till, sale, id, status);
        till.hear(&hook).await.unwrap();
    }

    let entered = till.entered(sale).await;
    assert_eq!(entered[3..], ["refund_set_aside", "refund_given_back"]);
    let told = till.said(sale).await;
    assert_eq!(told[2..], ["payment.refund_failed"]);
    till.refunds_in(sale, RefundState::Failed, 1).await;
}

#[tokio::test]
async fn e04_news_of_a_hold_after_its_void_are_checked_and_nothing_stays_held() {
    let till = Till::open().await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    till.heard(sale, "payment.authorized").await;
    till.send(sale, &sale.void()).await;
    till.heard(sale, "payment.voided").await;

    let late = Hook::intent(&till, sale, "requires_capture", 1_000);
    till.hear(&late).await.unwrap();

    till.heard_times(sale, "payment.voided", 2).await;
    till.in_state(sale, PaymentState::Voided).await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.voided.count, seen.held()), (1, 0));
    assert_eq!(till.balance("authorizations_held").await, 0);
}

#[tokio::test]
async fn another_amount_in_a_webhook_is_a_conflict() {
    for (units, currency) in [(999, "gbp"), (1_001, "gbp"), (1_000, "eur")] {
        let till = Till::with(Workers::Dead).await;
        let sale = Sale::new();
        till.authorize(sale, 1_000, "pm_card_visa").await;
        let mut hook = Hook::intent(&till, sale, "requires_capture", units);
        hook.object["currency"] = currency.into();

        till.hear(&hook).await.unwrap();

        till.in_state(sale, PaymentState::Conflicted).await;
        assert_eq!(till.said(sale).await, ["payment.conflicted"]);
    }
}

#[tokio::test]
async fn what_the_customer_does_at_the_bank_is_told_by_webhook() {
    for (result, end, said) in [
        (
            ActionResult::Succeed,
            PaymentState::Authorized,
            "payment.authorized",
        ),
        (
            ActionResult::Fail,
            PaymentState::Declined,
            "payment.declined",
        ),
    ] {
        let till = Till::listening().await;
        let sale = Sale::new();
        till.authorize(sale, 1_000, "pm_card_authenticationRequired")
            .await;
        till.heard(sale, "payment.action_required").await;

        let intent = till.witnessed(sale).intents[0].clone();
        till.sim.complete_action(&intent, result).await.unwrap();

        till.in_state(sale, end).await;
        assert_eq!(till.said(sale).await, ["payment.action_required", said]);
    }
}
