//! Tenants are kept apart: by the tables, by the calls, by the commands.

use tonic::{Code, Request};
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::PaymentState;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_testkit::assert_tenancy;
use tradepost_types::TenantId;

use crate::support::{Hook, Till, Workers, call_as, fresh_database, gbp, reason};

/// Infrastructure keyed by sequence or consumer, and the sweepers' indexes over all tenants.
const ACROSS_TENANTS: &[&str] = &[
    "messaging.outbox",
    "messaging.inbox",
    "messaging.retries",
    "messaging.parked",
    "platform.idempotency_keys_created_at",
    "public.payments_due",
    "public.payments_by_reference",
    "public.refunds_due",
    "public.provider_events_due",
];

#[tokio::test]
async fn every_table_is_closed_to_other_tenants() {
    assert_tenancy(&fresh_database().await, ACROSS_TENANTS).await;
}

#[tokio::test]
async fn another_tenants_rows_are_not_there_for_whoever_asks_the_database() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    till.refund(sale, "1", Some(400)).await.unwrap();
    let hook = Hook::dispute(sale, "needs_response", 100, 1);
    till.hear(&hook).await.unwrap();
    let counts = [
        ("select count(*) from payments", 1),
        ("select count(*) from refunds", 1),
        ("select count(*) from disputes", 1),
        ("select count(*) from journal_entries", 6),
        ("select count(*) from postings", 12),
    ];

    for (sql, ours) in counts {
        for (tenant, expected) in [(till.tenant, ours), (TenantId::new(), 0)] {
            let mut tx = till.database.tenant_tx(tenant).await.unwrap();
            let query = sqlx::query_scalar::<_, i64>(sql);
            let count = query.fetch_one(tx.conn()).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(count, expected, "{sql}");
        }
    }
    let mut tx = till.database.tenant_tx(TenantId::new()).await.unwrap();
    let moved = sqlx::query("update payments set state = 'voided'");
    assert_eq!(moved.execute(tx.conn()).await.unwrap().rows_affected(), 0);
    tx.rollback().await;
    // Only webhooks write disputes.
    let mut tx = till.database.tenant_tx(till.tenant).await.unwrap();
    let won = sqlx::query("update disputes set state = 'won'");
    assert!(won.execute(tx.conn()).await.is_err());
    tx.rollback().await;
    // Webhooks name no tenant that a token vouches for: requests do not see them at all.
    let mut tx = till.database.tenant_tx(till.tenant).await.unwrap();
    let read = sqlx::query("select * from provider_events");
    assert!(read.execute(tx.conn()).await.is_err());
    tx.rollback().await;
}

#[tokio::test]
async fn another_tenants_payment_is_not_found() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    let stranger = TenantId::new();
    let payment_id = sale.payment.to_string();
    let get = pb::GetPaymentRequest {
        payment_id: payment_id.clone(),
    };
    let refund = pb::CreateRefundRequest {
        request_id: "1".to_owned(),
        payment_id: payment_id.clone(),
        amount: Some(gbp(1)),
        note: String::new(),
    };
    let list = pb::ListLedgerEntriesRequest {
        payment_id,
        ..pb::ListLedgerEntriesRequest::default()
    };

    let read = till.api.get_payment(call_as(stranger, get)).await;
    let refunded = till.api.create_refund(call_as(stranger, refund)).await;
    let listed = till.api.list_ledger_entries(call_as(stranger, list)).await;
    let balances = call_as(stranger, pb::GetBalancesRequest {});
    let balances = till.api.get_balances(balances).await;

    let (read, refunded) = (read.unwrap_err(), refunded.unwrap_err());
    assert_eq!(
        (read.code(), refunded.code()),
        (Code::NotFound, Code::NotFound)
    );
    assert_eq!(reason::<()>(Err(read)), "PAYMENT_NOT_FOUND");
    assert_eq!(reason::<()>(Err(refunded)), "PAYMENT_NOT_FOUND");
    assert_eq!(listed.unwrap().into_inner().entries.len(), 0);
    assert_eq!(balances.unwrap().into_inner().balances.len(), 0);
    assert_eq!(till.payment(sale).await.unwrap().refunds.len(), 0);
}

#[tokio::test]
async fn a_request_id_belongs_to_its_tenant() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    till.refund(sale, "same", Some(1)).await.unwrap();
    let theirs = pb::CreateRefundRequest {
        request_id: "same".to_owned(),
        payment_id: sale.payment.to_string(),
        amount: Some(gbp(2)),
        note: String::new(),
    };

    let answer = till
        .api
        .create_refund(call_as(TenantId::new(), theirs))
        .await;

    assert_eq!(
        reason(answer),
        "PAYMENT_NOT_FOUND",
        "and not REQUEST_ID_REUSED"
    );
}

#[tokio::test]
async fn a_command_of_another_tenant_touches_no_payment_of_ours() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    let before = till.said(sale).await;
    let mut void = till.message(sale, &sale.void());
    let mut capture = till.message(sale, &sale.capture(None));
    let stranger = TenantId::new();
    (void.tenant, capture.tenant) = (stranger, stranger);

    till.deliver(&[capture, void]).await;

    till.in_state(sale, PaymentState::Captured).await;
    assert_eq!(till.balance("merchant_revenue").await, -1_000);
    let answers = till.said(sale).await.split_off(before.len());
    assert_eq!(answers, ["payment.capture_failed", "payment.voided"]);
}

#[tokio::test]
async fn a_call_without_a_tenant_is_refused() {
    let till = Till::with(Workers::Dead).await;

    let answer = till
        .api
        .get_balances(Request::new(pb::GetBalancesRequest {}));

    assert!(answer.await.is_err());
}
