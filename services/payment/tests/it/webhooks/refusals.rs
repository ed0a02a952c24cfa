//! What is not believed has no effect, and a precise answer.

use serde_json::json;
use tonic::Code;
use tradepost_proto::payment::v1::PaymentState;
use tradepost_provider_sim::{Fault, Rule};

use crate::support::{
    Hook, Sale, Till, WEBHOOK_SECRET, WEBHOOK_SECRET_PREVIOUS, Workers, reason, signed,
};

/// The largest body that is taken.
const BYTES_MAX: usize = 64 * 1_024;

#[tokio::test]
async fn a_forged_signature_is_refused_and_has_no_effect() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    let payload = Hook::intent(&till, sale, "requires_capture", 1_000).payload();
    let other = payload.replace("1000", "2000");
    let genuine = signed(WEBHOOK_SECRET, 0, &payload);

    let forgeries = [
        (payload.clone(), signed("whsec_guess", 0, &payload)),
        (payload.clone(), signed("", 0, &payload)),
        (payload.clone(), String::new()),
        (payload.clone(), genuine.replace("v1=", "v0=")),
        (payload.clone(), genuine.replace("t=", "t=1")),
        (other, genuine),
    ];

    for (payload, signature) in forgeries {
        let status = till.post(payload, signature.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{signature}");
        assert_eq!(reason::<()>(Err(status)), "SIGNATURE_INVALID");
    }
    assert_eq!(till.said(sale).await, Vec::<String>::new());
    assert_eq!(till.stored_hooks(sale).await, Vec::<String>::new());
    till.in_state(sale, PaymentState::Authorizing).await;
}

#[tokio::test]
async fn e15_a_time_outside_the_tolerance_is_refused_both_ways() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    let payload = Hook::intent(&till, sale, "requires_capture", 1_000).payload();

    for age_seconds in [400, -400, i64::from(i32::MAX)] {
        let signature = signed(WEBHOOK_SECRET, age_seconds, &payload);
        let status = till.post(payload.clone(), signature).await.unwrap_err();

        assert_eq!(status.code(), Code::Unauthenticated, "{age_seconds}");
        assert_eq!(reason::<()>(Err(status)), "SIGNATURE_STALE");
    }
    assert_eq!(till.said(sale).await, Vec::<String>::new());
    // The clocks of two machines differ a little.
    let signature = signed(WEBHOOK_SECRET, 200, &payload);
    assert!(till.post(payload, signature).await.is_ok());
    assert_eq!(till.said(sale).await, ["payment.authorized"]);
}

#[tokio::test]
async fn while_the_secret_is_rotated_both_are_believed() {
    let till = Till::with(Workers::Dead).await;
    for secret in [WEBHOOK_SECRET, WEBHOOK_SECRET_PREVIOUS] {
        let sale = Sale::new();
        till.authorize(sale, 1_000, "pm_card_visa").await;
        let payload = Hook::intent(&till, sale, "requires_capture", 1_000).payload();

        let signature = signed(secret, 0, &payload);
        till.post(payload, signature).await.unwrap();

        assert_eq!(till.said(sale).await, ["payment.authorized"]);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whoever_signed_it() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    let mut payload = Hook::intent(&till, sale, "requires_capture", 1_000).payload();
    payload.push_str(&" ".repeat(BYTES_MAX + 1 - payload.len()));

    let signature = signed(WEBHOOK_SECRET, 0, &payload);
    let refused = till.post(payload.clone(), signature).await.unwrap_err();
    payload.pop();
    let signature = signed(WEBHOOK_SECRET, 0, &payload);
    let taken = till.post(payload, signature).await;

    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(reason::<()>(Err(refused)), "WEBHOOK_MALFORMED");
    assert!(taken.is_ok(), "the largest there is");
    assert_eq!(till.said(sale).await, ["payment.authorized"]);
}

#[tokio::test]
async fn a_genuine_body_that_is_no_event_is_malformed() {
    let till = Till::with(Workers::Dead).await;
    let object = json!({});
    let bodies = [
        String::new(),
        "hello".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "[".repeat(60_000),
        json!({ "type": "a", "data": { "object": object } }).to_string(),
        json!({ "id": "", "type": "a", "data": { "object": object } }).to_string(),
        json!({ "id": "e".repeat(256), "type": "a", "data": { "object": object } }).to_string(),
        json!({ "id": "nul\0", "type": "a", "data": { "object": object } }).to_string(),
        json!({ "id": "evt_1", "type": "a\0", "data": { "object": object } }).to_string(),
        json!({ "id": 1, "type": "a", "data": { "object": object } }).to_string(),
        json!({ "id": "evt_1", "data": { "object": object } }).to_string(),
        json!({ "id": "evt_1", "type": "a", "data": { "object": "text" } }).to_string(),
        json!({ "id": "evt_1", "type": "a" }).to_string(),
    ];

    for body in bodies {
        let signature = signed(WEBHOOK_SECRET, 0, &body);
        let status = till.post(body.clone(), signature).await.unwrap_err();

        assert_eq!(status.code(), Code::InvalidArgument, "{body:.80}");
        assert_eq!(reason::<()>(Err(status)), "WEBHOOK_MALFORMED", "{body:.80}");
    }
    let not_text = vec![0xff, 0xfe];
    let status = till.post(not_text, String::new()).await.unwrap_err();
    assert_eq!(reason::<()>(Err(status)), "SIGNATURE_INVALID");
}

#[tokio::test]
async fn a_genuine_event_that_tells_us_nothing_is_taken_and_forgotten() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    let known = Hook::intent(&till, sale, "requires_capture", 1_000);
    let mut other_kind = known.clone();
    other_kind.kind = "customer.created".to_owned();
    let mut not_ours = known.clone();
    not_ours.object["metadata"] = json!({});
    let mut not_an_id = known.clone();
    not_an_id.object["metadata"]["payment_id"] = json!("pay_1");
    let mut later_version = known.clone();
    later_version.object["status"] = json!("requires_patience");
    let mut no_amount = known.clone();
    no_amount.object["amount_capturable"] = json!(1e30);
    let mut strange = known.clone();
    strange.object["currency"] = json!("xxx");

    for hook in [
        other_kind,
        not_ours,
        not_an_id,
        later_version,
        no_amount,
        strange,
    ] {
        assert!(!till.hear(&hook).await.unwrap(), "{}", hook.payload());
    }

    assert_eq!(till.stored_hooks(sale).await, Vec::<String>::new());
    assert_eq!(till.said(sale).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_follows_a_forgery_or_a_late_delivery_is_still_taken() {
    for fault in [
        Fault::WebhookForged,
        Fault::WebhookStale { age_seconds: 600 },
    ] {
        let till = Till::listening().await;
        till.sim.faults().add(Rule::always(fault)).unwrap();

        let sale = till.captured(1_000).await;

        till.hook_taken(sale).await;
        assert_eq!(till.said(sale).await.len(), 2);
        assert_eq!(till.entered(sale).await, ["hold", "release", "capture"]);
    }
}
