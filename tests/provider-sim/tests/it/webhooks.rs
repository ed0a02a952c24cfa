//! Webhooks and their faults.

use std::time::Duration;

use serde_json::json;
use tradepost_provider_sim::{Config, Fault, Op, Rule, signature};

use crate::support::{LogFile, Receiver, Sim};

const AUTHORISED: &str = "payment_intent.amount_capturable_updated";

async fn started(refusals: u32, config: Config) -> (Sim, Receiver) {
    let receiver = Receiver::start(refusals).await;
    let settle_after = Duration::from_millis(20);
    let retry = Duration::from_millis(5);
    let webhook = Some(receiver.target.clone());
    let sim = Sim::start(Config {
        webhook,
        settle_after,
        webhook_retry: retry,
        ..config
    })
    .await;
    (sim, receiver)
}

async fn with_fault(fault: Fault) -> (Sim, Receiver) {
    let (sim, receiver) = started(0, Config::default()).await;
    sim.running
        .faults()
        .add(Rule::on(Op::Create, fault).times(1))
        .expect("a rule");
    (sim, receiver)
}

#[test]
fn the_signature_is_the_providers_scheme() {
    // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
    let known = "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";

    assert_eq!(
        signature("whsec_test", 1_700_000_000, r#"{"id":"evt_1"}"#),
        known
    );
}

#[tokio::test]
async fn a_life_of_a_payment_is_told_in_order_with_good_signatures() {
    let (sim, mut receiver) = started(0, Config::default()).await;

    let id = sim.captured("pay_1", "pm_card_visa").await;
    sim.post("/v1/refunds", &[("payment_intent", &id)]).await;

    let expected = [
        AUTHORISED,
        "payment_intent.succeeded",
        "refund.created",
        "charge.refunded",
    ];
    for kind in expected {
        let received = receiver.next().await;
        assert_eq!(received.kind(), kind);
        assert!(received.is_genuine(), "{received:?}");
    }
}

#[tokio::test]
async fn the_other_events_are_sent_too() {
    let (sim, mut receiver) = started(0, Config::default()).await;

    sim.authorise("pay_1", "pm_card_chargeDeclined").await;
    assert_eq!(
        receiver.next().await.kind(),
        "payment_intent.payment_failed"
    );
    let action = sim
        .authorise("pay_2", "pm_card_authenticationRequired")
        .await
        .id();
    assert_eq!(
        receiver.next().await.kind(),
        "payment_intent.requires_action"
    );
    sim.post(&format!("/v1/payment_intents/{action}/cancel"), &[])
        .await;
    assert_eq!(receiver.next().await.kind(), "payment_intent.canceled");
    sim.captured("pay_3", "pm_card_sim_captureProcessing").await;
    for kind in [
        AUTHORISED,
        "payment_intent.processing",
        "payment_intent.succeeded",
    ] {
        assert_eq!(receiver.next().await.kind(), kind);
    }
}

#[tokio::test]
async fn a_refund_can_fail_later_and_its_money_comes_back() {
    let (sim, mut receiver) = started(0, Config::default()).await;
    let id = sim.captured("pay_1", "pm_card_refundFail").await;

    let refund = sim.post("/v1/refunds", &[("payment_intent", &id)]).await;

    assert_eq!(refund.state(), "succeeded");
    while receiver.next().await.kind() != "refund.failed" {}
    let read = sim.get(&format!("/v1/refunds/{}", refund.id())).await;
    assert_eq!(read.state(), "failed");
    let witness = sim.running.witness().expect("a witness");
    let sums = witness.payment("pay_1").expect("sums");
    assert_eq!(
        (sums.refunded.amount, sums.reversed.amount, sums.net()),
        (1000, 1000, 1000)
    );
}

#[tokio::test]
async fn a_pending_refund_succeeds_later() {
    let (sim, mut receiver) = started(0, Config::default()).await;
    let id = sim.captured("pay_1", "pm_card_pendingRefund").await;

    let refund = sim.post("/v1/refunds", &[("payment_intent", &id)]).await;

    assert_eq!(refund.state(), "pending");
    let updated = loop {
        let received = receiver.next().await;
        if received.kind() == "refund.updated" {
            break received;
        }
    };
    assert_eq!(updated.body["data"]["object"]["status"], "succeeded");
}

#[tokio::test]
async fn a_refused_webhook_comes_again_with_the_same_id() {
    let (sim, mut receiver) = started(2, Config::default()).await;

    sim.authorise("pay_1", "pm_card_visa").await;

    let ids: Vec<_> = [
        receiver.next().await,
        receiver.next().await,
        receiver.next().await,
    ]
    .map(|received| received.body["id"].clone())
    .into();
    assert!(ids[0] == ids[1] && ids[1] == ids[2]);
}

#[tokio::test]
async fn a_duplicate_arrives_so_many_times_more() {
    let (sim, mut receiver) = with_fault(Fault::WebhookDuplicate { copies: 2 }).await;

    sim.authorise("pay_1", "pm_card_visa").await;

    let first = receiver.next().await.body["id"].clone();
    assert_eq!(receiver.next().await.body["id"], first);
    assert_eq!(receiver.next().await.body["id"], first);
}

#[tokio::test]
async fn an_early_webhook_is_there_before_the_answer() {
    let (sim, mut receiver) = with_fault(Fault::WebhookEarly).await;

    sim.authorise("pay_1", "pm_card_visa").await;

    assert_eq!(
        receiver.arrived().expect("it is there already").kind(),
        AUTHORISED
    );
}

#[tokio::test]
async fn an_out_of_order_webhook_comes_after_the_next_one() {
    let (sim, mut receiver) = with_fault(Fault::WebhookOutOfOrder { hold_ms: 60_000 }).await;

    sim.captured("pay_1", "pm_card_visa").await;

    assert_eq!(receiver.next().await.kind(), "payment_intent.succeeded");
    assert_eq!(receiver.next().await.kind(), AUTHORISED);
}

#[tokio::test]
async fn a_held_webhook_comes_at_last_when_no_other_follows() {
    let (sim, mut receiver) = with_fault(Fault::WebhookOutOfOrder { hold_ms: 20 }).await;

    sim.authorise("pay_1", "pm_card_visa").await;

    assert_eq!(receiver.next().await.kind(), AUTHORISED);
}

#[tokio::test]
async fn a_delayed_webhook_does_not_hold_up_the_others() {
    let (sim, mut receiver) = with_fault(Fault::WebhookDelay { delay_ms: 5_000 }).await;

    sim.captured("pay_1", "pm_card_visa").await;

    assert_eq!(receiver.next().await.kind(), "payment_intent.succeeded");
    assert_eq!(receiver.next().await.kind(), AUTHORISED);
}

#[tokio::test]
async fn a_forged_or_stale_webhook_is_followed_by_a_genuine_one_once_refused() {
    for fault in [
        Fault::WebhookForged,
        Fault::WebhookStale { age_seconds: 600 },
    ] {
        let (sim, mut receiver) = started(1, Config::default()).await;
        let stale = fault != Fault::WebhookForged;
        sim.running
            .faults()
            .add(Rule::on(Op::Create, fault).times(1))
            .expect("a rule");

        sim.authorise("pay_1", "pm_card_visa").await;

        let (bad, good) = (receiver.next().await, receiver.next().await);
        assert_eq!(bad.is_genuine(), stale, "a stale one is signed well");
        assert_eq!(good.timestamp() - bad.timestamp() >= 600, stale);
        assert!(good.is_genuine());
    }
}

#[tokio::test]
async fn a_suppressed_webhook_never_comes_nor_after_a_restart() {
    let log = LogFile::new();
    let (sim, mut receiver) = started(0, log.config()).await;
    sim.running
        .faults()
        .add(Rule::on(Op::Create, Fault::WebhookNone).times(1))
        .expect("a rule");

    sim.captured("pay_1", "pm_card_visa").await;
    assert_eq!(receiver.next().await.kind(), "payment_intent.succeeded");
    sim.running.stop().await;
    let (sim, mut receiver) = started(0, log.config()).await;
    sim.authorise("pay_2", "pm_card_visa").await;

    let mut next = receiver.next().await;
    while next.body["data"]["object"]["metadata"]["payment_id"] == "pay_1" {
        assert_ne!(next.kind(), AUTHORISED, "the suppressed one");
        next = receiver.next().await;
    }
    assert_eq!(
        next.body["data"]["object"]["metadata"]["payment_id"],
        "pay_2"
    );
}

#[tokio::test]
async fn a_webhook_that_was_not_taken_is_sent_after_a_restart() {
    let log = LogFile::new();
    let (sim, mut receiver) = started(u32::MAX, log.config()).await;
    sim.authorise("pay_1", "pm_card_visa").await;
    let refused = receiver.next().await;
    sim.running.stop().await;

    let (_sim, mut receiver) = started(0, log.config()).await;

    let taken = receiver.next().await;
    assert_eq!(taken.text, refused.text);
    assert!(taken.is_genuine());
}

#[tokio::test]
async fn a_webhook_can_be_crafted() {
    let (sim, mut receiver) = started(0, Config::default()).await;
    let crafted = json!({ "type": "payment_intent.succeeded", "id": "evt_x",
        "object": { "id": "pi_unknown" }, "secret": "wrong", "age_seconds": 900 });

    let sent = sim
        .admin(reqwest::Method::POST, "/_sim/webhooks/send", crafted)
        .await;

    assert_eq!(sent.body, json!({ "id": "evt_x", "receiver_status": 200 }));
    let received = receiver.next().await;
    assert_eq!(received.body["data"]["object"]["id"], "pi_unknown");
    assert!(!received.is_genuine());
}
