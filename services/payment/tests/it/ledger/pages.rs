//! Pages of postings and balances say the same.

use std::collections::BTreeMap;

use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;

use crate::support::{Sale, Till, Workers, reason};

fn wish(page_size: i32, page_token: &str) -> pb::ListLedgerEntriesRequest {
    pb::ListLedgerEntriesRequest {
        page_size,
        page_token: page_token.to_owned(),
        ..pb::ListLedgerEntriesRequest::default()
    }
}

/// All postings of a filter, page by page.
async fn walk(till: &Till, first: pb::ListLedgerEntriesRequest) -> Vec<pb::LedgerEntry> {
    let mut lines = Vec::new();
    let mut request = first;
    loop {
        let call = till.call(request.clone());
        let answer = till.api.list_ledger_entries(call).await;
        let page = answer.unwrap().into_inner();
        let size = usize::try_from(request.page_size).unwrap();
        assert!(page.entries.len() <= size);
        lines.extend(page.entries);
        if page.next_page_token.is_empty() {
            return lines;
        }
        request.page_token = page.next_page_token;
    }
}

/// Two sales that were taken and a part of the first given back: sixteen postings.
async fn busy() -> (Till, Sale) {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    till.hinted(250, true).await;
    till.refund(sale, "1", Some(400)).await.unwrap();
    till.hinted(70, false).await;
    (till, sale)
}

#[tokio::test]
async fn pages_of_every_size_show_every_posting_once_and_in_order() {
    let (till, _) = busy().await;
    let whole = walk(&till, wish(500, "")).await;

    for page_size in [1, 2, 3, 7, 16] {
        assert_eq!(walk(&till, wish(page_size, "")).await, whole, "{page_size}");
    }

    assert_eq!(whole.len(), 16);
    let order = |line: &pb::LedgerEntry| (line.entry_id, line.account.clone());
    assert!(whole.is_sorted_by_key(order));
}

#[tokio::test]
async fn balances_are_the_sums_of_the_postings_and_together_nothing() {
    let (till, _) = busy().await;
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for line in walk(&till, wish(3, "")).await {
        *sums.entry(line.account).or_default() += line.amount.unwrap().minor_units;
    }

    let balances = till.balances().await;

    assert_eq!(balances, sums.into_iter().collect::<Vec<_>>());
    let expected = [
        ("authorizations_contra", -70),
        ("authorizations_held", 70),
        ("merchant_revenue", -850),
        ("provider_receivable", 1_250),
        ("refunds_pending", -400),
    ];
    for ((account, units), (name, sum)) in balances.iter().zip(expected) {
        assert_eq!((account.as_str(), *units), (name, sum));
    }
    assert_eq!(balances.iter().map(|(_, units)| units).sum::<i64>(), 0);
}

#[tokio::test]
async fn filters_show_one_payment_or_one_account_only() {
    let (till, sale) = busy().await;
    let of_sale = pb::ListLedgerEntriesRequest {
        payment_id: sale.payment.to_string(),
        ..wish(3, "")
    };
    let of_account = pb::ListLedgerEntriesRequest {
        account: "merchant_revenue".to_owned(),
        ..wish(1, "")
    };
    let of_both = pb::ListLedgerEntriesRequest {
        account: "merchant_revenue".to_owned(),
        ..of_sale.clone()
    };
    let of_nobody = pb::ListLedgerEntriesRequest {
        account: "petty_cash".to_owned(),
        ..wish(1, "")
    };

    let units = |lines: Vec<pb::LedgerEntry>| -> Vec<i64> {
        let units = |line: pb::LedgerEntry| line.amount.unwrap().minor_units;
        lines.into_iter().map(units).collect()
    };

    let lines = walk(&till, of_sale).await;
    assert_eq!(lines.len(), 8);
    let id = sale.payment.to_string();
    assert!(lines.iter().all(|line| line.payment_id == id));
    let revenue = units(walk(&till, of_account).await);
    assert_eq!(revenue, [-1_000, -250, 400]);
    assert_eq!(units(walk(&till, of_both).await), [-1_000, 400]);
    assert_eq!(walk(&till, of_nobody).await.len(), 0);
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused() {
    let (till, sale) = busy().await;
    let first = till.api.list_ledger_entries(till.call(wish(2, ""))).await;
    let token = first.unwrap().into_inner().next_page_token;
    let of_sale = pb::ListLedgerEntriesRequest {
        payment_id: sale.payment.to_string(),
        ..wish(2, &token)
    };
    let not_an_id = pb::ListLedgerEntriesRequest {
        payment_id: "pay_1".to_owned(),
        ..wish(2, "")
    };
    let too_long = pb::ListLedgerEntriesRequest {
        account: "a".repeat(101),
        ..wish(2, "")
    };

    for (request, expected) in [
        (wish(-1, ""), "INVALID_FIELD"),
        (wish(2, "nonsense"), "PAGE_TOKEN_INVALID"),
        (of_sale, "PAGE_TOKEN_INVALID"),
        (not_an_id, "INVALID_FIELD"),
        (too_long, "INVALID_FIELD"),
    ] {
        let answer = till.api.list_ledger_entries(till.call(request)).await;
        assert_eq!(reason(answer), expected);
    }
    let coerced = till
        .api
        .list_ledger_entries(till.call(wish(i32::MAX, "")))
        .await;
    assert_eq!(coerced.unwrap().into_inner().entries.len(), 16);
}
