//! The ledger as callers read it.

use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;

use super::{Sale, Till};

impl Till {
    /// What was entered for a payment, oldest first, by the names of the entries.
    pub(crate) async fn entered(&self, sale: Sale) -> Vec<String> {
        let mut lines = self.lines_of(sale).await;
        lines.dedup_by_key(|line| line.entry_id);
        lines.into_iter().map(|line| line.kind).collect()
    }

    /// Every posting of a payment, oldest first.
    pub(crate) async fn lines_of(&self, sale: Sale) -> Vec<pb::LedgerEntry> {
        let request = pb::ListLedgerEntriesRequest {
            payment_id: sale.payment.to_string(),
            ..pb::ListLedgerEntriesRequest::default()
        };
        let answer = self.api.list_ledger_entries(self.call(request)).await;
        let page = answer.unwrap().into_inner();
        assert_eq!(page.next_page_token, "", "all on one page");
        page.entries
    }

    pub(crate) async fn balances(&self) -> Vec<(String, i64)> {
        let request = self.call(pb::GetBalancesRequest {});
        let answer = self.api.get_balances(request).await.unwrap().into_inner();
        answer
            .balances
            .into_iter()
            .map(|balance| (balance.account, balance.amount.unwrap().minor_units))
            .collect()
    }

    pub(crate) async fn balance(&self, account: &str) -> i64 {
        let balances = self.balances().await;
        let found = balances.into_iter().find(|(name, _)| name == account);
        found.map_or(0, |(_, units)| units)
    }
}
