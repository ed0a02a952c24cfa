//! Orders that were placed through the gateway are counted, for whoever asks it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tradepost_e2e::{Account, SOON, Shop};
use tradepost_testkit::eventually;

const DAY: Duration = Duration::from_secs(86_400);

async fn get(account: &Account, path: &str) -> Value {
    let answer = account.request(Method::GET, path).send().await.unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

async fn place(account: &Account, key: &str, quantity: i64) -> Value {
    let body = json!({
        "customer_ref": "ada",
        "currency_code": "GBP",
        "lines": [{"sku": "TEA", "quantity": quantity}],
        "shipping_address": {
            "recipient": "Ada Example", "lines": ["1 Sample Street"], "city": "London",
            "postal_code": "N1 9GU", "country_code": "GB",
        },
        "payment_method": "pm_card_visa",
    });
    let request = account.request(Method::POST, "/v1/orders").json(&body);
    let request = request.header("Idempotency-Key", key);
    let answer = request.header("Prefer", "wait=30").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    answer.json().await.unwrap()
}

/// A midnight of UTC, so many days from today's, as a query has it.
fn midnight(days: u32) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let today = u32::try_from(since.as_secs() / DAY.as_secs()).unwrap();
    let start = UNIX_EPOCH + DAY * (today + days);
    let time = sqlx::types::time::OffsetDateTime::from(start);
    format!("{}T00:00:00Z", time.date())
}

/// Count and sum of an event type in a list of them.
fn of(lines: &Value, event_type: &str) -> Option<(i64, f64)> {
    let lines = lines.as_array().unwrap();
    let line = lines.iter().find(|line| line["event_type"] == event_type)?;
    Some((line["count"].as_i64()?, line["sum"].as_f64()?))
}

#[tokio::test]
async fn an_order_that_was_confirmed_is_in_the_analytics_and_live_with_its_money_and_units() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    shop.buyer.stock("TEA", 10).await;
    // Midnight may come meanwhile.
    let days = format!("from={}&to={}", midnight(0), midnight(2));

    let first = place(&account, "key-1", 2).await;
    let second = place(&account, "key-2", 3).await;
    place(&account, "key-3", 11).await;
    for order in [&first, &second] {
        shop.buyer.ended(order["order_id"].as_str().unwrap()).await;
    }

    let path = format!("/v1/analytics/events?{days}&bucket=WHOLE&page_size=100");
    let wanted = [
        ("order.placed", (3, 16.0)),
        ("order.placed.gbp", (3, 16_000.0)),
        ("order.confirmed.units", (2, 5.0)),
        ("order.confirmed.gbp", (2, 5_000.0)),
        ("order.shipped.gbp", (2, 5_000.0)),
    ];
    let live = "/v1/metrics/live?minutes=60";
    for (path, lines) in [(path.as_str(), "sums"), (live, "aggregates")] {
        eventually(&format!("all is counted in {lines}"), SOON, async || {
            let counted = get(&account, path).await[lines].take();
            let is_so = |(name, wanted): &(&str, _)| of(&counted, name) == Some(*wanted);
            let number = |name| of(&counted, name).map(|(count, _)| count);
            let others = [
                number("order.confirmed"),
                number("order.rejected.out_of_stock"),
            ];
            (wanted.iter().all(is_so) && others == [Some(2), Some(1)]).then_some(())
        })
        .await;
    }
    shop.assert_sound().await;
}
