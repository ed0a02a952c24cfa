//! What an order asks for, without faults.

use tradepost_proto::payment::v1::PaymentState;

use crate::support::{Sale, Till};

#[tokio::test]
async fn money_is_held_and_then_taken() {
    let till = Till::open().await;

    let sale = till.captured(1_000).await;

    assert_eq!(
        till.said(sale).await,
        ["payment.authorized", "payment.captured"]
    );
    let payment = till.in_state(sale, PaymentState::Captured).await;
    assert_eq!(payment.captured.unwrap().minor_units, 1_000);
    let seen = till.witnessed(sale);
    assert_eq!((seen.authorised.count, seen.captured.count), (1, 1));
    assert_eq!(till.balance("authorizations_held").await, 0);
    assert_eq!(till.balance("provider_receivable").await, 1_000);
}

#[tokio::test]
async fn a_part_is_taken_and_the_rest_let_go() {
    let till = Till::open().await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    till.heard(sale, "payment.authorized").await;

    till.send(sale, &sale.capture(Some(400))).await;

    let payment = till.in_state(sale, PaymentState::PartiallyCaptured).await;
    assert_eq!(payment.captured.unwrap().minor_units, 400);
    assert_eq!(till.witnessed(sale).held(), 0);
    assert_eq!(till.balance("authorizations_held").await, 0);
}

#[tokio::test]
async fn a_decline_is_told_and_holds_nothing() {
    let till = Till::open().await;
    let sale = Sale::new();

    till.authorize(sale, 1_000, "pm_card_chargeDeclinedInsufficientFunds")
        .await;

    let payment = till.in_state(sale, PaymentState::Declined).await;
    assert_eq!(payment.decline_reason, "INSUFFICIENT_FUNDS");
    assert_eq!(till.said(sale).await, ["payment.declined"]);
    assert_eq!(till.balance("authorizations_held").await, 0);
}

#[tokio::test]
async fn a_repeated_command_has_one_effect_and_repeats_the_answer() {
    let till = Till::open().await;
    let sale = Sale::new();
    let first = till.message(sale, &sale.authorize(1_000, "pm_card_visa"));
    let twin = till.message(sale, &sale.authorize(1_000, "pm_card_visa"));
    till.deliver(&[first.clone(), first.clone(), twin]).await;
    till.heard(sale, "payment.authorized").await;

    till.deliver(std::slice::from_ref(&first)).await;
    till.authorize(sale, 1_000, "pm_card_visa").await;

    assert_eq!(till.said(sale).await, ["payment.authorized"; 2]);
    assert_eq!(till.witnessed(sale).authorised.count, 1);
}

#[tokio::test]
async fn a_void_lets_the_money_go_once() {
    let till = Till::open().await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    till.heard(sale, "payment.authorized").await;

    till.send(sale, &sale.void()).await;
    till.heard(sale, "payment.voided").await;
    till.send(sale, &sale.void()).await;

    assert_eq!(till.witnessed(sale).voided.count, 1);
    assert_eq!(till.balance("authorizations_held").await, 0);
    let said = till.said(sale).await;
    assert_eq!(
        said,
        ["payment.authorized", "payment.voided", "payment.voided"]
    );
}

#[tokio::test]
async fn a_void_that_comes_first_is_remembered() {
    let till = Till::open().await;
    let sale = Sale::new();

    till.send(sale, &sale.void()).await;
    till.authorize(sale, 1_000, "pm_card_visa").await;

    assert_eq!(till.said(sale).await, ["payment.voided"; 2]);
    assert_eq!(till.witnessed(sale).intents.len(), 0);
    let payment = till.in_state(sale, PaymentState::Voided).await;
    assert_eq!(payment.amount, None);
}

#[tokio::test]
async fn e02_a_void_while_authorizing_waits_for_the_answer_and_voids_once() {
    let till = Till::open().await;
    let sale = Sale::new();
    let authorize = till.message(sale, &sale.authorize(1_000, "pm_card_visa"));
    let void = till.message(sale, &sale.void());

    till.deliver(&[authorize, void]).await;

    till.in_state(sale, PaymentState::Voided).await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.authorised.count, seen.voided.count), (1, 1));
    assert_eq!(till.said(sale).await, ["payment.voided"]);
}

#[tokio::test]
async fn a_void_of_taken_money_refunds_it() {
    let till = Till::open().await;
    let sale = till.captured(1_000).await;

    till.send(sale, &sale.void()).await;
    till.heard(sale, "payment.voided").await;

    let seen = till.witnessed(sale);
    assert_eq!((seen.refunded.count, seen.net()), (1, 0));
    assert_eq!(till.balance("merchant_revenue").await, 0);
    assert_eq!(till.balance("refunds_pending").await, 0);
}

#[tokio::test]
async fn the_customer_has_to_act_and_does() {
    let till = Till::open().await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_authenticationRequired")
        .await;
    till.heard(sale, "payment.action_required").await;

    till.send(sale, &sale.void()).await;

    till.heard(sale, "payment.voided").await;
    assert_eq!(till.witnessed(sale).held(), 0);
}

#[tokio::test]
async fn another_amount_than_asked_is_a_conflict() {
    let till = Till::open().await;
    let sale = Sale::new();

    till.authorize(sale, 1_000, "pm_card_sim_otherAmount").await;

    till.in_state(sale, PaymentState::Conflicted).await;
    assert_eq!(till.said(sale).await, ["payment.conflicted"]);
}

#[tokio::test]
async fn a_hold_that_ran_out_cannot_be_captured() {
    let till = Till::open().await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_sim_authorizationExpired")
        .await;
    till.heard(sale, "payment.authorized").await;

    till.send(sale, &sale.capture(None)).await;

    till.in_state(sale, PaymentState::AuthorizationExpired)
        .await;
    till.heard(sale, "payment.capture_failed").await;
    assert_eq!(till.balance("authorizations_held").await, 0);
}

#[tokio::test]
async fn a_slow_capture_is_asked_for_until_it_is_done() {
    let till = Till::open().await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_sim_captureProcessing")
        .await;
    till.heard(sale, "payment.authorized").await;

    till.send(sale, &sale.capture(None)).await;

    till.heard(sale, "payment.captured").await;
    assert_eq!(till.witnessed(sale).captured.count, 1);
}
