//! The card's token and our own secrets show up nowhere: not in logs, tables, events or errors.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;
use sqlx::AssertSqlSafe;
use tracing_subscriber::filter::LevelFilter;
use tradepost_messaging::HandleError;
use tradepost_payment::adapters::stripe::StripeOptions;
use tradepost_payment::config::PaymentConfig;
use tradepost_payment::ports::{Action, Asked, Job};
use tradepost_provider_sim::{Fault, Op};
use tradepost_telemetry::Redacted;
use tradepost_types::{Currency, Money};

use crate::support::{
    HANG_MS, Hook, SECRET_KEY, Sale, Till, WEBHOOK_SECRET, WEBHOOK_SECRET_PREVIOUS, Workers, signed,
};

const CARD: &str = "pm_card_visa";
const SECRETS: [&str; 4] = [
    "pm_card",
    SECRET_KEY,
    WEBHOOK_SECRET,
    WEBHOOK_SECRET_PREVIOUS,
];

fn assert_silent(text: &str) {
    for secret in SECRETS {
        let found = text.find(secret).map(|at| {
            let from = text[..at].rfind('\n').unwrap_or_default();
            &text[from..at + secret.len()]
        });
        assert_eq!(found, None, "{secret}");
    }
}

/// Everything that is logged, at every level, by every crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_secret_is_logged_whatever_happens() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let till = Till::impatient().await.listen().await;

    till.fault(Op::Create, Fault::TimeoutAfter { hang_ms: HANG_MS });
    let sale = till.captured_on(CARD, 1_000).await;
    till.fault(Op::Refund, Fault::TimeoutBefore { hang_ms: HANG_MS });
    till.refund(sale, "1", None).await.unwrap();
    till.heard(sale, "payment.refund_succeeded").await;
    let declined = Sale::new();
    till.authorize(declined, 1_000, "pm_card_chargeDeclined")
        .await;
    till.heard(declined, "payment.declined").await;
    let payload = Hook::intent(&till, sale, "canceled", 0).payload();
    let forged = signed("whsec_guess", 0, &payload);
    assert!(till.post(payload, forged).await.is_err());

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("payment.no_answer"), "something is logged");
    assert_silent(&text);
}

#[tokio::test]
async fn once_no_call_needs_it_no_table_holds_the_cards_token() {
    let till = Till::open().await;
    let sale = till.captured_on(CARD, 1_000).await;
    let mut admin = till.test_database.admin().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', table_schema, table_name) from information_schema.tables
         where table_type = 'BASE TABLE'
           and table_schema not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert!(tables.contains(&"public.payments".to_owned()));
    till.send(sale, &sale.void()).await;
    till.heard(sale, "payment.voided").await;

    for table in tables {
        // Bodies are bytes: they are looked at as text as well.
        let query = format!(
            "select coalesce(string_agg(t::text, ' '), '') from {table} t
             where t::text like '%pm_card%' or t::text like '%{}%'",
            hex::encode("pm_card")
        );
        let found: String = sqlx::query_scalar(AssertSqlSafe(query))
            .fetch_one(&mut admin)
            .await
            .unwrap();
        assert_eq!(found, "", "{table}");
    }
}

#[tokio::test]
async fn what_is_printed_for_debugging_shows_no_secret() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    let token = || Redacted::new(CARD.to_owned());
    let amount = Money::new(1, Currency::GBP);
    let asked = Asked {
        cause: till.message(sale, &sale.authorize(1, CARD)),
        payment: sale.payment,
        order: sale.order,
        action: Action::Authorize {
            amount,
            payment_method: token(),
        },
    };
    let job = Job::Payment {
        call: tradepost_payment::domain::Call::Authorize,
        amount,
        payment_method: Some(token()),
    };
    let options = StripeOptions {
        base_url: till.sim.url().parse().unwrap(),
        secret_key: SECRET_KEY.into(),
        connect_timeout: std::time::Duration::from_secs(1),
        timeout: std::time::Duration::from_secs(1),
    };
    let config: PaymentConfig = serde_json::from_value(json!({
        "database": { "url": "postgres://a:hunter2@h/d", "system_url": "postgres://b:hunter2@h/d" },
        "provider": {
            "base_url": "http://127.0.0.1:1/",
            "secret_key": SECRET_KEY,
            "webhook_secret": WEBHOOK_SECRET,
            "webhook_secret_previous": WEBHOOK_SECRET_PREVIOUS,
        },
    }))
    .unwrap();
    let printed = serde_json::to_string(&config).unwrap();

    assert_silent(&format!(
        "{asked:?} {job:?} {options:?} {config:?} {printed}"
    ));
    assert!(!format!("{config:?} {printed}").contains("hunter2"));
    assert!(format!("{asked:?}").contains(&sale.payment.as_uuid().to_string()));
}

#[tokio::test]
async fn e18_a_command_that_cannot_be_one_is_poison_and_its_fault_shows_no_card() {
    let till = Till::with(Workers::Dead).await;
    let sale = Sale::new();
    let bad_id = Sale::new();
    let mut nowhere = bad_id.authorize(1, CARD);
    nowhere.payment_id = "pay_1".to_owned();
    let mut moneyless = sale.authorize(1, CARD);
    moneyless.amount = None;
    let mut foreign = sale.authorize(1, CARD);
    foreign.amount.as_mut().unwrap().currency_code = "XQX".to_owned();
    let bodies = [
        sale.authorize(0, CARD),
        sale.authorize(-1, CARD),
        sale.authorize(1, ""),
        sale.authorize(1, "4242424242424242"),
        sale.authorize(1, "4242 4242 4242 4242"),
        sale.authorize(1, "4242.4242.4242.4242"),
        sale.authorize(1, "pm_4242-4242-4242-4242"),
        sale.authorize(1, "tok_424242424242"),
        sale.authorize(1, &"p".repeat(256)),
        nowhere,
        moneyless,
        foreign,
    ];

    for body in bodies {
        let message = till.message(sale, &body);
        let refused = till.try_deliver(&[message]).await.unwrap_err();

        assert!(matches!(refused, HandleError::Poison { .. }), "{refused}");
        let text = format!("{refused} {refused:?}");
        assert_silent(&text);
        assert!(!text.contains("4242"), "{text}");
    }
    let mut torn = till.message(sale, &sale.authorize(1, CARD));
    torn.body = torn.body.slice(..torn.body.len() - 3);
    let refused = till.try_deliver(&[torn]).await.unwrap_err();
    assert!(matches!(refused, HandleError::Poison { .. }), "{refused}");
    assert_silent(&format!("{refused:?}"));
    assert!(till.payment(sale).await.is_none());
}

#[tokio::test]
async fn every_token_that_an_order_is_accepted_with_is_taken() {
    let till = Till::with(Workers::Dead).await;

    for token in ["pm_1MqLiJLkdIwHu7ixUOGbGKnV", "tok_12345678901"] {
        let sale = Sale::new();
        till.authorize(sale, 1, token).await;

        assert!(till.payment(sale).await.is_some(), "{token}");
    }
}
