//! Every field of every call has a bound, and what lies beyond it is refused by the field's name.

use tonic::Status;
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_service::error::ErrorDetails;
use tradepost_types::{OrderId, PaymentId};

use crate::support::{Sale, Till, Workers, gbp, reason};

/// The fields a refusal names.
fn fields<T>(answer: Result<T, Status>) -> Vec<String> {
    let status = answer.err().expect("it is refused");
    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.reason, "INVALID_FIELD");
    let fields = details.fields.into_iter().map(|fault| fault.field);
    fields.collect()
}

/// What no payment is called.
fn no_payments() -> [String; 4] {
    [
        "pay_1".to_owned(),
        OrderId::new().to_string(),
        format!("{}0", PaymentId::new()),
        "x".repeat(4_000),
    ]
}

fn wish(sale: Sale) -> pb::CreateRefundRequest {
    pb::CreateRefundRequest {
        request_id: "~".repeat(255),
        payment_id: sale.payment.to_string(),
        amount: Some(gbp(1)),
        note: "é".repeat(200),
    }
}

#[tokio::test]
async fn a_payment_is_asked_for_by_its_id_alone() {
    let till = Till::with(Workers::Dead).await;

    for payment_id in no_payments().into_iter().chain([String::new()]) {
        let request = till.call(pb::GetPaymentRequest { payment_id });
        assert_eq!(fields(till.api.get_payment(request).await), ["payment_id"]);
    }
    let request = till.call(pb::GetPaymentRequest {
        payment_id: PaymentId::new().to_string(),
    });
    let refused = till.api.get_payment(request).await;
    assert_eq!(reason(refused), "PAYMENT_NOT_FOUND");
}

#[tokio::test]
async fn every_field_of_a_refund_has_a_bound() {
    type Change = fn(&mut pb::CreateRefundRequest);
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    let beyond: [(&str, Change); 14] = [
        ("request_id", |wish| wish.request_id = String::new()),
        ("request_id", |wish| wish.request_id = "~".repeat(256)),
        ("request_id", |wish| wish.request_id = "é".into()),
        ("payment_id", |wish| wish.payment_id = String::new()),
        ("payment_id", |wish| wish.payment_id = "pay_1".into()),
        ("payment_id", |wish| wish.payment_id.push('0')),
        ("payment_id", |wish| wish.payment_id = "x".repeat(4_000)),
        ("amount", |wish| wish.amount = Some(gbp(0))),
        ("amount", |wish| wish.amount = Some(gbp(-1))),
        ("amount", |wish| wish.amount = Some(gbp(i64::MIN))),
        ("amount", |wish| {
            wish.amount.as_mut().unwrap().currency_code = "gbp".into();
        }),
        ("amount", |wish| {
            wish.amount.as_mut().unwrap().currency_code = String::new();
        }),
        ("note", |wish| wish.note = "é".repeat(201)),
        ("note", |wish| wish.note = "a\0b".into()),
    ];

    for (field, change) in beyond {
        let mut request = wish(sale);
        change(&mut request);
        let refused = till.api.create_refund(till.call(request)).await;
        assert_eq!(fields(refused), [field]);
    }
    let untouched = till.payment(sale).await.unwrap();
    assert_eq!(untouched.refunds, []);
    let made = till.api.create_refund(till.call(wish(sale))).await;
    assert!(made.is_ok());
}

#[tokio::test]
async fn every_field_of_a_list_has_a_bound() {
    type Change = fn(&mut pb::ListLedgerEntriesRequest);
    let till = Till::with(Workers::Dead).await;
    let beyond: [(&str, Change); 4] = [
        ("page_size", |list| list.page_size = -1),
        ("payment_id", |list| list.payment_id = "pay_1".into()),
        ("account", |list| list.account = "a".repeat(101)),
        ("account", |list| list.account = "a\0".into()),
    ];

    for (field, change) in beyond {
        let mut request = pb::ListLedgerEntriesRequest::default();
        change(&mut request);
        let refused = till.api.list_ledger_entries(till.call(request)).await;
        assert_eq!(fields(refused), [field]);
    }
    for payment_id in no_payments() {
        let request = till.call(pb::ListLedgerEntriesRequest {
            payment_id,
            ..Default::default()
        });
        let refused = till.api.list_ledger_entries(request).await;
        assert_eq!(fields(refused), ["payment_id"]);
    }
    let request = till.call(pb::ListLedgerEntriesRequest {
        page_token: "A".repeat(2_049),
        ..Default::default()
    });
    let refused = till.api.list_ledger_entries(request).await;
    assert_eq!(reason(refused), "PAGE_TOKEN_INVALID");
    let longest = till.call(pb::ListLedgerEntriesRequest {
        account: "a".repeat(100),
        ..Default::default()
    });
    assert!(till.api.list_ledger_entries(longest).await.is_ok());
}
