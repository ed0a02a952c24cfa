//! Disputes that a bank begins: what they do to the books, to refunds and to voids.

mod hooks;

use std::sync::Arc;

use tradepost_proto::payment::event::v1 as event;
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_proto::payment::v1::{DisputeState, RefundState};
use tradepost_provider_sim::{DisputeStatus, Fault, NewDispute, Op, Rule};
use tradepost_testkit::eventually;
use tradepost_types::RefundId;

use crate::support::{PATIENCE, Sale, Till, gbp, reason};

/// What a bank charges for a dispute.
const FEE: i64 = 1_500;

impl Till {
    /// A bank begins a dispute; the provider's id of it.
    async fn disputed(&self, sale: Sale, units: i64, inquiry: bool) -> String {
        let new = NewDispute {
            intent_id: self.witnessed(sale).intents[0].clone(),
            amount: Some(units),
            fee: Some(FEE),
            inquiry,
            ..NewDispute::default()
        };
        let entry = self.sim.open_dispute(new).await.unwrap();
        assert_eq!(entry.error, None);
        entry.dispute.unwrap().id
    }

    /// The bank goes on with it.
    async fn decided(&self, dispute: &str, status: DisputeStatus) {
        let entry = self.sim.move_dispute(dispute, status).await.unwrap();
        assert_eq!(entry.error, None);
    }

    /// Waits until the sale's only dispute stands there.
    async fn dispute_in(&self, sale: Sale, state: DisputeState) -> pb::Dispute {
        eventually(state.as_str_name(), PATIENCE, async || {
            let mut disputes = self.payment(sale).await?.disputes;
            let found = disputes.pop().filter(|found| found.state() == state)?;
            assert_eq!(disputes, [], "there is one");
            Some(found)
        })
        .await
    }

    /// The books of the only sale say what the provider did.
    async fn assert_books_agree(&self, sale: Sale) {
        let seen = self.witnessed(sale);
        let fees = seen.dispute_fees.amount - seen.dispute_fees_returned.amount;
        let (receivable, withheld, losses) = (
            self.balance("provider_receivable").await,
            self.balance("disputes_withheld").await,
            self.balance("dispute_losses").await,
        );
        assert_eq!(receivable, seen.net() - seen.charged_back() - fees);
        assert_eq!(withheld + losses, seen.charged_back());
        assert_eq!(self.balance("dispute_fees").await, fees);
        let balances = self.balances().await;
        assert_eq!(balances.into_iter().map(|(_, units)| units).sum::<i64>(), 0);
    }
}

#[tokio::test]
async fn e09_a_refund_while_a_dispute_is_open_is_refused_before_the_provider_is_asked() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;
    till.disputed(sale, 1_000, false).await;
    let dispute = till.dispute_in(sale, DisputeState::NeedsResponse).await;
    let id = RefundId::new();

    let part = till.refund(sale, "1", Some(1)).await;
    let all = till.refund(sale, "2", None).await;
    till.send(sale, &sale.refund(id, None)).await;
    till.heard(sale, "payment.refund_failed").await;

    assert_eq!(reason(part), "PAYMENT_DISPUTED");
    assert_eq!(reason(all), "PAYMENT_DISPUTED");
    let told: Vec<event::RefundFailed> = till.told(sale).await;
    assert_eq!((told.len(), &*told[0].reason), (1, "PAYMENT_DISPUTED"));
    let seen = till.witnessed(sale);
    assert_eq!((seen.refunded.count, seen.refused), (0, 0), "nobody asked");
    let payment = till.payment(sale).await.unwrap();
    assert_eq!((payment.refunds.len(), payment.refunded), (0, Some(gbp(0))));
    assert_eq!(
        (dispute.amount, dispute.withdrawn),
        (Some(gbp(1_000)), Some(gbp(1_000)))
    );
    assert_eq!(
        (dispute.fee, dispute.reinstated),
        (Some(gbp(FEE)), Some(gbp(0)))
    );
    assert_eq!(dispute.reason, "FRAUDULENT");
    assert!(dispute.provider_reference.starts_with("dp_"));
    assert_eq!(till.balance("disputes_withheld").await, 1_000);
    till.assert_books_agree(sale).await;
}

#[tokio::test]
async fn after_a_won_dispute_all_of_it_can_be_refunded_again() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;
    let id = till.disputed(sale, 1_000, false).await;
    till.decided(&id, DisputeStatus::UnderReview).await;
    till.decided(&id, DisputeStatus::Won).await;
    till.dispute_in(sale, DisputeState::Won).await;

    till.refund(sale, "1", None).await.unwrap();

    till.heard(sale, "payment.refund_succeeded").await;
    let told: Vec<event::PaymentDisputed> = till.told(sale).await;
    let closed: Vec<event::PaymentDisputeClosed> = till.told(sale).await;
    assert_eq!((told.len(), closed.len()), (1, 1));
    assert_eq!(told[0].kind(), event::DisputeKind::Chargeback);
    assert_eq!(
        (told[0].order_id.clone(), &*told[0].reason),
        (sale.order.to_string(), "FRAUDULENT")
    );
    assert_eq!(closed[0].outcome(), event::DisputeOutcome::Won);
    assert_eq!(closed[0].dispute_id, told[0].dispute_id);
    let entered = till.entered(sale).await;
    assert_eq!(
        entered[3..7],
        [
            "dispute_withdrawn",
            "dispute_fee",
            "dispute_reinstated",
            "dispute_fee_returned"
        ]
    );
    assert_eq!(till.witnessed(sale).net(), 0);
    till.assert_books_agree(sale).await;
    assert_eq!(till.balance("provider_receivable").await, 0);
}

#[tokio::test]
async fn a_refund_command_that_a_dispute_barred_works_under_the_same_id_once_it_is_won() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;
    let id = till.disputed(sale, 1_000, false).await;
    till.dispute_in(sale, DisputeState::NeedsResponse).await;
    let refund = RefundId::new();
    till.send(sale, &sale.refund(refund, None)).await;
    till.heard(sale, "payment.refund_failed").await;
    till.decided(&id, DisputeStatus::Won).await;
    till.dispute_in(sale, DisputeState::Won).await;

    till.send(sale, &sale.refund(refund, None)).await;

    till.heard(sale, "payment.refund_succeeded").await;
    let told: Vec<event::RefundSucceeded> = till.told(sale).await;
    assert_eq!(told[0].refund_id, refund.to_string());
    assert_eq!(till.witnessed(sale).net(), 0);
}

#[tokio::test]
async fn after_a_lost_dispute_the_disputed_amount_cannot_be_refunded() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;
    let id = till.disputed(sale, 400, false).await;
    till.decided(&id, DisputeStatus::Lost).await;
    till.dispute_in(sale, DisputeState::Lost).await;

    let beyond = till.refund(sale, "1", Some(601)).await;
    till.refund(sale, "2", None).await.unwrap();
    let nothing = till.refund(sale, "3", Some(1)).await;

    assert_eq!(reason(beyond), "PAYMENT_DISPUTED");
    assert_eq!(reason(nothing), "PAYMENT_DISPUTED");
    till.heard(sale, "payment.refund_succeeded").await;
    let seen = till.witnessed(sale);
    assert_eq!(
        (seen.refunded.amount, seen.charged_back(), seen.refused),
        (600, 400, 0)
    );
    assert_eq!(till.balance("dispute_losses").await, 400);
    assert_eq!(till.balance("disputes_withheld").await, 0);
    let closed: Vec<event::PaymentDisputeClosed> = till.told(sale).await;
    assert_eq!(closed[0].outcome(), event::DisputeOutcome::Lost);
    till.assert_books_agree(sale).await;
    let lines = till.lines_of(sale).await;
    let of_disputes = lines
        .iter()
        .filter(|line| line.kind.starts_with("dispute_"));
    let dispute = till.payment(sale).await.unwrap().disputes[0]
        .dispute_id
        .clone();
    assert!(of_disputes.clone().all(|line| line.dispute_id == dispute));
    assert_eq!(of_disputes.count(), 6);
}

#[tokio::test]
async fn an_inquiry_moves_no_money_and_bars_no_refund_until_it_becomes_a_chargeback() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;
    let id = till.disputed(sale, 600, true).await;
    till.dispute_in(sale, DisputeState::InquiryNeedsResponse)
        .await;

    till.refund(sale, "1", Some(300)).await.unwrap();
    till.refunds_in(sale, RefundState::Succeeded, 1).await;
    let before = till.entered(sale).await.len();
    till.decided(&id, DisputeStatus::WarningUnderReview).await;
    till.dispute_in(sale, DisputeState::InquiryUnderReview)
        .await;
    assert_eq!(till.entered(sale).await.len(), before);
    till.decided(&id, DisputeStatus::NeedsResponse).await;
    till.dispute_in(sale, DisputeState::NeedsResponse).await;

    assert_eq!(
        reason(till.refund(sale, "2", Some(101)).await),
        "PAYMENT_DISPUTED"
    );
    assert!(till.refund(sale, "3", Some(100)).await.is_ok());
    till.refunds_in(sale, RefundState::Succeeded, 2).await;
    let told: Vec<event::PaymentDisputed> = till.told(sale).await;
    let kinds: Vec<_> = told.iter().map(event::PaymentDisputed::kind).collect();
    assert_eq!(
        kinds,
        [event::DisputeKind::Inquiry, event::DisputeKind::Chargeback]
    );
    till.assert_books_agree(sale).await;
}

#[tokio::test]
async fn an_inquiry_that_closes_is_told_and_leaves_the_books_alone() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;
    let id = till.disputed(sale, 1_000, true).await;

    till.decided(&id, DisputeStatus::WarningClosed).await;

    till.heard(sale, "payment.dispute_closed").await;
    let closed: Vec<event::PaymentDisputeClosed> = till.told(sale).await;
    assert_eq!(closed[0].outcome(), event::DisputeOutcome::InquiryClosed);
    assert_eq!(till.entered(sale).await.len(), 3);
    assert!(till.refund(sale, "1", None).await.is_ok());
}

#[tokio::test]
async fn e09_a_void_of_disputed_money_fails_with_its_reason_and_works_once_it_is_won() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;
    let id = till.disputed(sale, 300, false).await;
    till.dispute_in(sale, DisputeState::NeedsResponse).await;

    till.send(sale, &sale.void()).await;
    let failed: Vec<event::PaymentVoidFailed> = till.told(sale).await;
    till.decided(&id, DisputeStatus::Won).await;
    till.dispute_in(sale, DisputeState::Won).await;
    till.send(sale, &sale.void()).await;

    assert_eq!(failed[0].reason, "PAYMENT_DISPUTED");
    till.heard(sale, "payment.voided").await;
    let seen = till.witnessed(sale);
    assert_eq!((seen.net(), seen.refused), (0, 0));
    till.assert_books_agree(sale).await;
}

#[tokio::test]
async fn a_void_after_a_lost_dispute_gives_back_the_rest_only() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;
    let id = till.disputed(sale, 300, false).await;
    till.decided(&id, DisputeStatus::Lost).await;
    till.dispute_in(sale, DisputeState::Lost).await;

    till.send(sale, &sale.void()).await;

    till.heard(sale, "payment.voided").await;
    let seen = till.witnessed(sale);
    assert_eq!(
        (seen.refunded.amount, seen.net(), seen.charged_back()),
        (700, 300, 300)
    );
    till.assert_books_agree(sale).await;
}

#[tokio::test]
async fn webhooks_of_a_dispute_sent_four_times_and_out_of_order_have_one_effect() {
    let till = Till::listening().await;
    let faults = till.sim.faults();
    let copies = Fault::WebhookDuplicate { copies: 3 };
    faults.add(Rule::on(Op::Dispute, copies)).unwrap();
    let held_back = Fault::WebhookOutOfOrder { hold_ms: 50 };
    faults.add(Rule::on(Op::Dispute, held_back)).unwrap();
    let sale = till.captured(1_000).await;

    let id = till.disputed(sale, 1_000, false).await;
    till.decided(&id, DisputeStatus::UnderReview).await;
    till.decided(&id, DisputeStatus::Won).await;
    till.decided(&id, DisputeStatus::Lost).await;
    till.dispute_in(sale, DisputeState::Lost).await;

    eventually("the books agree", PATIENCE, async || {
        let withdrawn = till.payment(sale).await?.disputes[0].withdrawn.clone();
        (withdrawn == Some(gbp(2_000))).then_some(())
    })
    .await;
    till.assert_books_agree(sale).await;
    let told: Vec<event::PaymentDisputed> = till.told(sale).await;
    assert_eq!(told.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_racing_refunds_leaves_books_that_agree_and_nothing_refunded_beyond() {
    let till = Till::listening().await;
    let sale = till.captured(1_000).await;

    let racing = (0..8).map(|number| {
        let api = Arc::clone(&till.api);
        let call = till.call(pb::CreateRefundRequest {
            request_id: number.to_string(),
            payment_id: sale.payment.to_string(),
            amount: Some(gbp(100)),
            note: String::new(),
        });
        tokio::spawn(async move { api.create_refund(call).await })
    });
    let racing: Vec<_> = racing.collect();
    let new = NewDispute {
        intent_id: till.witnessed(sale).intents[0].clone(),
        amount: Some(500),
        ..NewDispute::default()
    };
    let opened = till.sim.open_dispute(new).await.unwrap();
    futures::future::join_all(racing).await;
    till.dispute_in(sale, DisputeState::NeedsResponse).await;
    eventually("no refund is under way", PATIENCE, async || {
        let refunds = till.payment(sale).await?.refunds;
        let ended = |made: &pb::Refund| {
            matches!(made.state(), RefundState::Succeeded | RefundState::Failed)
        };
        refunds.iter().all(ended).then_some(())
    })
    .await;

    assert_eq!(opened.error, None);
    assert!(till.witnessed(sale).net() >= 0);
    assert_eq!(till.balance("refunds_pending").await, 0);
    till.assert_books_agree(sale).await;
}
