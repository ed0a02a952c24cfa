//! A provider that hangs, errs and resets, and a process that dies.

use tradepost_payment::ports::{About, CardProvider, Key};
use tradepost_proto::payment::v1::PaymentState;
use tradepost_provider_sim::{Fault, Op, Rule};
use tradepost_types::{Currency, Money};

use crate::support::{HANG_MS, Sale, Till, Workers, stripe};

async fn authorised_once_despite(faults: Vec<(Op, Fault)>) -> (Till, Sale) {
    let till = Till::impatient().await;
    let sale = Sale::new();
    for (op, fault) in faults {
        till.sim.faults().add(Rule::on(op, fault).times(1)).unwrap();
    }

    till.authorize(sale, 1_000, "pm_card_visa").await;

    till.in_state(sale, PaymentState::Authorized).await;
    let seen = till.witnessed(sale);
    assert_eq!(seen.authorised.count, 1);
    assert_eq!(till.balance("authorizations_held").await, 1_000);
    (till, sale)
}

#[tokio::test]
async fn a_hang_after_the_effect_is_unknown_and_then_found() {
    let fault = Fault::TimeoutAfter { hang_ms: HANG_MS };
    let (till, sale) = authorised_once_despite(vec![(Op::Create, fault)]).await;

    let said = till.said(sale).await;
    assert_eq!(said, ["payment.outcome_unknown", "payment.authorized"]);
}

#[tokio::test]
async fn a_hang_before_the_effect_is_unknown_and_then_made_again() {
    let fault = Fault::TimeoutBefore { hang_ms: HANG_MS };
    let (till, sale) = authorised_once_despite(vec![(Op::Create, fault)]).await;

    let said = till.said(sale).await;
    assert_eq!(said, ["payment.outcome_unknown", "payment.authorized"]);
}

#[tokio::test]
async fn a_search_that_lags_behind_never_leads_to_a_second_charge() {
    let fault = Fault::TimeoutAfter { hang_ms: HANG_MS };
    let faults = vec![
        (Op::Create, fault),
        (Op::Search, Fault::SearchEmpty),
        (Op::Search, Fault::SearchEmpty),
        (Op::Search, Fault::SearchEmpty),
    ];

    let (till, sale) = authorised_once_despite(faults).await;

    assert_eq!(till.witnessed(sale).intents.len(), 1);
}

#[tokio::test]
async fn errors_throttling_and_resets_are_ridden_out() {
    let (status, delay_ms, saved) = (500, 0, false);
    let error = Fault::Status {
        status,
        delay_ms,
        saved,
    };
    authorised_once_despite(vec![(Op::Create, error)]).await;
    let retry_after_seconds = 0;
    let throttled = Fault::RateLimit {
        retry_after_seconds,
    };
    authorised_once_despite(vec![(Op::Create, throttled)]).await;
    authorised_once_despite(vec![(Op::Create, Fault::ResetBefore)]).await;
    authorised_once_despite(vec![(Op::Create, Fault::ResetAfter)]).await;
}

#[tokio::test]
async fn a_void_of_an_unknown_outcome_waits_until_it_is_known() {
    let till = Till::impatient().await;
    let sale = Sale::new();
    let fault = Fault::TimeoutAfter { hang_ms: HANG_MS };
    till.sim
        .faults()
        .add(Rule::on(Op::Create, fault).times(1))
        .unwrap();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    till.heard(sale, "payment.outcome_unknown").await;

    till.send(sale, &sale.void()).await;

    till.in_state(sale, PaymentState::Voided).await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.authorised.count, seen.voided.count), (1, 1));
}

#[tokio::test]
async fn an_unknown_capture_is_found_and_not_repeated() {
    let till = Till::impatient().await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    till.heard(sale, "payment.authorized").await;
    let fault = Fault::TimeoutAfter { hang_ms: HANG_MS };
    till.sim
        .faults()
        .add(Rule::on(Op::Capture, fault).times(1))
        .unwrap();

    till.send(sale, &sale.capture(None)).await;

    till.heard(sale, "payment.captured").await;
    assert_eq!(till.witnessed(sale).captured.count, 1);
    assert_eq!(till.balance("provider_receivable").await, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn e05_a_process_that_dies_before_saving_is_succeeded_without_a_second_charge() {
    let dead = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    dead.authorize(sale, 1_000, "pm_card_visa").await;
    assert_eq!(dead.said(sale).await, Vec::<String>::new());
    // The call was made; nobody lived to note its answer.
    charge_unnoticed(&dead, sale).await;

    let heir = dead.succeed();

    heir.in_state(sale, PaymentState::Authorized).await;
    let seen = heir.witnessed(sale);
    assert_eq!((seen.authorised.count, seen.intents.len()), (1, 1));
}

async fn charge_unnoticed(till: &Till, sale: Sale) {
    let about = About {
        key: Key {
            tenant: till.tenant,
            payment: sale.payment,
        },
        order: sale.order,
        amount: Money::new(1_000, Currency::GBP),
        payment_method: Some("pm_card_visa"),
    };
    stripe(&till.sim).authorize(about).await.unwrap();
}
