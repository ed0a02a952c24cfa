//! The ledger: what the database itself refuses, what is entered when, and what callers read of it.

mod pages;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tradepost_proto::payment::v1::PaymentState;
use uuid::Uuid;

use crate::support::{Hook, Sale, Till, Workers};

/// Runs a transaction as the superuser, whom no policy and no missing right holds back.
async fn committed(admin: &mut PgConnection, statements: &[String]) -> Result<(), sqlx::Error> {
    let mut tx = admin.begin().await?;
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement.clone()))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

fn constraint(refused: Result<(), sqlx::Error>) -> String {
    let error = refused.expect_err("the database refuses it");
    let error = error.as_database_error().expect("it is the database's");
    error.constraint().unwrap_or_default().to_owned()
}

fn entry(tenant: Uuid, id: i64) -> String {
    format!(
        "insert into journal_entries (tenant_id, entry_id, kind, payment_id)
         values ('{tenant}', {id}, 'hold', '{tenant}')"
    )
}

fn posting(tenant: Uuid, id: i64, account: &str, currency: &str, amount: i64) -> String {
    format!(
        "insert into postings (tenant_id, entry_id, account, currency, amount)
         values ('{tenant}', {id}, '{account}', '{currency}', {amount})"
    )
}

const HELD: &str = "authorizations_held";
const CONTRA: &str = "authorizations_contra";

#[tokio::test]
async fn the_database_refuses_an_entry_that_does_not_sum_to_zero() {
    let till = Till::with(Workers::Dead).await;
    let mut admin = till.test_database.admin().await;
    let tenant = Uuid::now_v7();

    for postings in [
        vec![posting(tenant, 1, HELD, "GBP", 5)],
        vec![
            posting(tenant, 1, HELD, "GBP", 5),
            posting(tenant, 1, CONTRA, "GBP", -4),
        ],
        // Two currencies make no balance.
        vec![
            posting(tenant, 1, HELD, "GBP", 5),
            posting(tenant, 1, CONTRA, "EUR", -5),
        ],
    ] {
        let statements = [vec![entry(tenant, 1)], postings].concat();
        let refused = committed(&mut admin, &statements).await;
        assert_eq!(constraint(refused), "postings_balanced");
    }
    let balanced = [
        entry(tenant, 1),
        posting(tenant, 1, HELD, "GBP", 5),
        posting(tenant, 1, CONTRA, "GBP", -5),
    ];
    assert!(committed(&mut admin, &balanced).await.is_ok());
    // Nor does anything join a balanced entry later.
    let late = [posting(tenant, 1, "merchant_revenue", "GBP", 1)];
    let refused = committed(&mut admin, &late).await;
    assert_eq!(constraint(refused), "postings_balanced");
}

#[tokio::test]
async fn the_database_refuses_an_entry_that_says_nothing() {
    let till = Till::with(Workers::Dead).await;
    let mut admin = till.test_database.admin().await;
    let tenant = Uuid::now_v7();
    let (held, contra) = (
        posting(tenant, 1, HELD, "GBP", 0),
        posting(tenant, 1, "petty_cash", "GBP", 1),
    );

    let bare = committed(&mut admin, &[entry(tenant, 1)]).await;
    let nothing = committed(&mut admin, &[entry(tenant, 1), held]).await;
    let nowhere = committed(&mut admin, &[entry(tenant, 1), contra]).await;
    let kind = entry(tenant, 1).replace("'hold'", "'gift'");
    let gift = committed(&mut admin, &[kind]).await;

    assert_eq!(constraint(bare), "journal_entries_posted");
    assert_eq!(constraint(nothing), "postings_move");
    assert_eq!(constraint(nowhere), "postings_account_known");
    assert_eq!(constraint(gift), "journal_entries_kind_known");
}

#[tokio::test]
async fn entries_are_never_changed_or_deleted() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;
    let mut admin = till.test_database.admin().await;
    let before = till.lines_of(sale).await;
    let changes = [
        "update journal_entries set kind = 'release'",
        "update postings set amount = -amount",
        "delete from postings",
        "delete from journal_entries",
        "truncate postings",
        "truncate journal_entries, postings",
    ];

    for change in changes {
        let refused = committed(&mut admin, &[change.to_owned()]).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("never changed or deleted"), "{error}");

        // The roles that serve have not even the right.
        let mut tx = till.database.system_tx().await.unwrap();
        let refused = sqlx::query(change).execute(tx.conn()).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{error}");
        tx.rollback().await;
        let mut tx = till.database.tenant_tx(till.tenant).await.unwrap();
        let refused = sqlx::query(change).execute(tx.conn()).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{error}");
        tx.rollback().await;
    }

    assert_eq!(till.lines_of(sale).await, before);
}

#[tokio::test]
async fn the_database_refuses_to_give_back_more_than_was_taken_or_take_more_than_was_held() {
    let till = Till::with(Workers::Dead).await;
    till.hinted(1_000, true).await;
    let mut admin = till.test_database.admin().await;

    for change in [
        "update payments set refunded = captured + 1",
        "update payments set refunded = -1",
        "update payments set captured = amount + 1",
    ] {
        let refused = committed(&mut admin, &[change.to_owned()]).await;
        assert_eq!(
            constraint(refused),
            "payments_refunded_within_captured",
            "{change}"
        );
    }
}

#[tokio::test]
async fn e05_a_hold_is_entered_before_the_provider_is_asked() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();

    till.authorize(sale, 1_000, "pm_card_visa").await;

    assert_eq!(till.entered(sale).await, ["hold"]);
    assert_eq!(till.balance(HELD).await, 1_000);
    assert_eq!(till.balance(CONTRA).await, -1_000);
    assert_eq!(till.witnessed(sale).intents.len(), 0, "nobody asked yet");
}

#[tokio::test]
async fn e05_a_refund_is_set_aside_before_the_provider_is_asked() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, true).await;

    till.refund(sale, "1", Some(400)).await.unwrap();

    let entered = till.entered(sale).await;
    assert_eq!(entered, ["hold", "release", "capture", "refund_set_aside"]);
    assert_eq!(till.balance("refunds_pending").await, -400);
    assert_eq!(till.balance("merchant_revenue").await, -600);
    assert_eq!(till.balance("provider_receivable").await, 1_000);
    assert_eq!(till.witnessed(sale).refunded.count, 0, "nobody asked yet");
}

#[tokio::test]
async fn e08_of_a_part_that_is_taken_the_rest_is_let_go_to_the_last_unit() {
    let till = Till::open().await;
    let sale = Sale::new();
    till.authorize(sale, 1_000, "pm_card_visa").await;
    till.heard(sale, "payment.authorized").await;

    till.send(sale, &sale.capture(Some(333))).await;
    till.in_state(sale, PaymentState::PartiallyCaptured).await;

    let seen = till.witnessed(sale);
    assert_eq!((seen.captured.amount, seen.released.amount), (333, 667));
    assert_eq!(till.balance(HELD).await, 0);
    assert_eq!(till.balance("provider_receivable").await, 333);
    assert_eq!(till.balance("merchant_revenue").await, -333);
}

/// An order is shipped, cancelled and returned as a whole: there is no cancellation of a line after
/// a partial shipment (E12) and no bundle with a discount (E13). What is there of both is refunds of
/// a part, by amount, that somebody asks for.
#[tokio::test]
async fn e12_e13_refunds_of_parts_add_up_to_what_was_taken_and_not_to_what_was_held() {
    let till = Till::with(Workers::Dead).await;
    let sale = till.hinted(1_000, false).await;
    till.send(sale, &sale.capture(Some(700))).await;
    let taken = Hook::intent(&till, sale, "succeeded", 700);
    till.hear(&taken).await.unwrap();

    // A third of a bundle each, and the rest on the last.
    for (request_id, units) in [("1", Some(233)), ("2", Some(233))] {
        till.refund(sale, request_id, units).await.unwrap();
    }
    assert!(till.refund(sale, "3", Some(235)).await.is_err());
    let rest = till.refund(sale, "4", None).await.unwrap();

    assert_eq!(rest.amount.unwrap().minor_units, 234);
    assert_eq!(till.balance("refunds_pending").await, -700);
    assert_eq!(till.balance("merchant_revenue").await, 0);
}
