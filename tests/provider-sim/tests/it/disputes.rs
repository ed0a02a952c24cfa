//! Disputes: a bank begins and decides them; the log and the webhooks tell of it.

use reqwest::Method;
use serde_json::{Value, json};
use tradepost_provider_sim::witness;
use tradepost_provider_sim::{Config, DisputeStatus, NewDispute};

use crate::support::{LogFile, Receiver, Sim};

async fn opened(sim: &Sim, intent: &str, more: Value) -> Value {
    let mut body = json!({"intent_id": intent});
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    let answer = sim.admin(Method::POST, "/_sim/disputes", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn moved(sim: &Sim, dispute: &Value, status: &str) -> (u16, Value) {
    let path = format!("/_sim/disputes/{}", dispute["id"].as_str().expect("an id"));
    let body = json!({"status": status});
    let answer = sim.admin(Method::POST, &path, body).await;
    (answer.status, answer.body)
}

async fn refund(sim: &Sim, intent: &str, units: &str) -> (u16, String) {
    let form = [("payment_intent", intent), ("amount", units)];
    let answer = sim.post("/v1/refunds", &form).await;
    (answer.status, answer.code().to_owned())
}

#[tokio::test]
async fn a_dispute_takes_the_money_and_its_fee_and_a_won_one_gives_both_back() {
    let sim = Sim::plain().await;
    let id = sim.captured("pay_1", "pm_card_visa").await;

    let dispute = opened(&sim, &id, json!({"amount": 400, "fee": 15})).await;
    let (_, reviewed) = moved(&sim, &dispute, "under_review").await;
    let taken = sim.running.witness().expect("a witness");
    let (_, won) = moved(&sim, &dispute, "won").await;

    assert_eq!(dispute["status"], "needs_response");
    assert_eq!(dispute["payment_intent"], json!(id));
    assert_eq!(
        dispute["metadata"],
        json!({}),
        "none of ours, as with Stripe"
    );
    assert_eq!(dispute["balance_transactions"][0]["amount"], -400);
    assert_eq!(dispute["balance_transactions"][0]["net"], -415);
    assert_eq!(
        reviewed["balance_transactions"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(won["balance_transactions"][1]["amount"], 400);
    let taken = taken.payment("pay_1").expect("sums").clone();
    assert_eq!((taken.charged_back(), taken.dispute_fees.amount), (400, 15));
    assert_eq!(taken.net(), 1_000, "the sale itself is as it was");
    let end = sim.running.witness().expect("a witness");
    let end = end.payment("pay_1").expect("sums");
    assert_eq!(
        (end.charged_back(), end.dispute_fees_returned.amount),
        (0, 15)
    );
}

#[tokio::test]
async fn what_a_bank_holds_or_gave_away_cannot_be_refunded() {
    let sim = Sim::plain().await;
    let id = sim.captured("pay_1", "pm_card_visa").await;
    let dispute = opened(&sim, &id, json!({"amount": 400})).await;

    let barred = refund(&sim, &id, "601").await;
    let free = refund(&sim, &id, "100").await;
    moved(&sim, &dispute, "lost").await;
    let lost = refund(&sim, &id, "501").await;
    moved(&sim, &dispute, "won").await;
    let won = refund(&sim, &id, "900").await;
    let beyond = refund(&sim, &id, "1").await;

    assert_eq!(barred, (400, "charge_disputed".to_owned()));
    assert_eq!(free.0, 200);
    assert_eq!(lost, (400, "charge_disputed".to_owned()));
    assert_eq!(won.0, 200);
    assert_eq!(beyond, (400, "charge_already_refunded".to_owned()));
}

#[tokio::test]
async fn an_inquiry_takes_nothing_until_it_becomes_a_chargeback() {
    let sim = Sim::plain().await;
    let id = sim.captured("pay_1", "pm_card_visa").await;

    let inquiry = opened(&sim, &id, json!({"inquiry": true})).await;
    let free = refund(&sim, &id, "100").await;
    let (_, asked) = moved(&sim, &inquiry, "warning_under_review").await;
    let (_, grown) = moved(&sim, &inquiry, "needs_response").await;
    let (back, _) = moved(&sim, &inquiry, "warning_closed").await;

    assert_eq!(inquiry["balance_transactions"], json!([]));
    assert_eq!(
        (free.0, asked["status"].as_str()),
        (200, Some("warning_under_review"))
    );
    assert_eq!(grown["balance_transactions"][0]["amount"], -1_000);
    assert_eq!(back, 400, "a chargeback never becomes an inquiry");
}

#[tokio::test]
async fn what_cannot_be_disputed_is_refused_and_changes_nothing() {
    let sim = Sim::plain().await;
    let held = sim.authorise("pay_1", "pm_card_visa").await.id();

    let mut refused = Vec::new();
    for intent in [held.as_str(), "pi_nobody"] {
        let body = json!({"intent_id": intent});
        refused.push(sim.admin(Method::POST, "/_sim/disputes", body).await.status);
    }
    let body = json!({"status": "won"});
    refused.push(
        sim.admin(Method::POST, "/_sim/disputes/dp_none", body)
            .await
            .status,
    );

    assert_eq!(refused, [400, 404, 404]);
    let sums = sim.running.witness().expect("a witness");
    assert_eq!(sums.payment("pay_1").expect("sums").withdrawn.count, 0);
}

#[tokio::test]
async fn a_life_of_a_dispute_is_told_in_order_and_known_after_a_restart() {
    let log = LogFile::new();
    let sim = Sim::start(log.config()).await;
    let id = sim.captured("pay_1", "pm_card_visa").await;
    let mut receiver = Receiver::start(0).await;
    sim.running.set_webhook(Some(receiver.target.clone()));
    let new = NewDispute {
        intent_id: id.clone(),
        ..NewDispute::default()
    };

    let opened = sim.running.open_dispute(new).await.expect("an entry");
    let dispute = opened.dispute.expect("a dispute").id;
    let review = sim
        .running
        .move_dispute(&dispute, DisputeStatus::UnderReview);
    review.await.expect("an entry");
    let mut told = Vec::new();
    for _ in 0..3 {
        let hook = receiver.next().await;
        assert!(hook.is_genuine());
        told.push(hook.kind().to_owned());
    }
    sim.running.stop().await;
    let sim = Sim::start(Config {
        webhook: Some(receiver.target.clone()),
        ..log.config()
    })
    .await;
    let lost = sim
        .running
        .move_dispute(&dispute, DisputeStatus::Lost)
        .await;

    assert_eq!(
        told,
        [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.updated",
        ]
    );
    assert_eq!(lost.expect("an entry").error, None);
    // What was on its way at the restart may come twice.
    while receiver.next().await.kind() != "charge.dispute.closed" {}
    let path = format!("/_sim/disputes/{dispute}");
    let read = sim.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(read.state(), "lost");
    sim.running.stop().await;
    let sums = witness::read(&log.0).expect("a witness");
    assert_eq!(sums.payment("pay_1").expect("sums").charged_back(), 1_000);
}
