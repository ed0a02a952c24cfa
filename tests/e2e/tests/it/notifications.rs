//! Who buys something, and who works in the shop, hears of it through the gateway.

use std::collections::BTreeMap;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tradepost_e2e::{Account, Listener, SOON, Service, Shop};
use tradepost_notifications::stream::Stream;
use tradepost_notifications::wire::Notification;

/// What an order that goes well tells its customer.
const GOOD_NEWS: [&str; 3] = ["order.confirmed", "order.shipped", "order.delivered"];

async fn call(account: &Account, method: Method, path: &str, body: Option<Value>) -> Value {
    let mut request = account.request(method, path);
    if let Some(body) = body {
        request = request.json(&body).header("Idempotency-Key", path);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

async fn get(account: &Account, path: &str) -> Value {
    call(account, Method::GET, path, None).await
}

/// Makes somebody of the tenant one of its staff.
async fn employ(account: &Account, who: &Account) {
    let owner = account.owner();
    let path = "/v1/notification-groups/staff";
    let group = json!({"display_name": "The staff"});
    call(&owner, Method::PUT, path, Some(group)).await;
    let member = format!("{path}/members/{}", who.id().await);
    call(&owner, Method::PUT, &member, None).await;
}

/// The program of the tenant tells a user something; its place in their stream.
async fn tell(program: &Account, user: &str, title: &str) -> u64 {
    let body = json!({"user_ids": [user], "type": "test", "title": title});
    let request = program
        .request(Method::POST, "/v1/notifications")
        .json(&body);
    let request = request.header("Idempotency-Key", format!("{user} {title}"));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let sent: Value = answer.json().await.unwrap();
    sent["sequences"][0].as_u64().unwrap()
}

async fn buy(customer: &Account) -> String {
    let body = json!({
        "currency_code": "GBP",
        "lines": [{"sku": "TEA", "quantity": 2}],
        "shipping_address": {
            "recipient": "Ada Example", "lines": ["1 Sample Street"], "city": "London",
            "postal_code": "N1 9GU", "country_code": "GB",
        },
        "payment_method": "pm_card_visa",
    });
    let order = call(customer, Method::POST, "/v1/orders", Some(body)).await;
    order["order_id"].as_str().unwrap().to_owned()
}

async fn listen(account: &Account) -> Listener {
    account.listen(BTreeMap::new()).await
}

fn order_of(notification: &Notification) -> String {
    let data: Value = serde_json::from_str(notification.data.get()).unwrap();
    data["order_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_buys_hears_of_it_and_so_do_the_staff_and_nobody_else() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    shop.buyer.stock("TEA", 10).await;
    let ada = account.member("ada@example.com", "customer").await;
    let bob = account.member("bob@example.com", "customer").await;
    let clerk = account.member("clerk@example.com", "support").await;
    employ(&account, &clerk).await;
    let mut at_adas = listen(&ada).await;
    let mut at_bobs = listen(&bob).await;
    let mut at_clerks = listen(&clerk).await;

    let order = buy(&ada).await;

    for (sequence, kind) in (1..).zip(GOOD_NEWS) {
        let heard = at_adas.notification().await;
        assert_eq!((heard.seq, heard.kind.as_str()), (sequence, kind));
        assert_eq!(heard.stream, Stream::User);
        assert_eq!(order_of(&heard), order);
    }
    let heard = at_clerks.notification().await;
    assert_eq!(heard.stream.to_string(), "group:staff");
    assert_eq!(heard.kind, "order.confirmed");
    assert_eq!(order_of(&heard), order);
    // Bob has heard nothing before this.
    tell(&account, &bob.id().await, "for bob").await;
    let heard = at_bobs.notification().await;
    assert_eq!((heard.seq, heard.title.as_str()), (1, "for bob"));
    let history = get(&bob, "/v1/notifications").await;
    assert_eq!(history["notifications"].as_array().unwrap().len(), 1);
    shop.buyer.ended(&order).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn what_was_told_while_one_was_away_comes_first_on_return() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    let ada = account.member("ada@example.com", "customer").await;
    let id = ada.id().await;
    let mut before = listen(&ada).await;
    tell(&account, &id, "first").await;
    assert_eq!(before.notification().await.seq, 1);
    let position = before.position(1);
    drop(before);
    tell(&account, &id, "second").await;
    tell(&account, &id, "third").await;
    // What is in memory is gone, what was told is not.
    shop.unit_mut(Service::Notification).kill();
    shop.unit_mut(Service::Notification).start().await;

    let positions = BTreeMap::from([(Stream::User, position)]);
    let mut back = ada.listen(positions).await;
    tell(&account, &id, "fourth").await;

    let start = &back.welcome.streams[&Stream::User];
    assert_eq!(start.recovered, Some(true));
    let mut titles = Vec::new();
    for sequence in 2..=4 {
        let heard = back.notification().await;
        assert_eq!(heard.seq, sequence);
        titles.push(heard.title);
    }
    assert_eq!(titles, ["second", "third", "fourth"]);
    shop.assert_sound().await;
}

#[tokio::test]
async fn what_was_told_is_listed_counted_and_read() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    let ada = account.member("ada@example.com", "customer").await;
    let id = ada.id().await;
    for title in ["first", "second", "third"] {
        tell(&account, &id, title).await;
    }
    // Sent again, it is told once.
    assert_eq!(tell(&account, &id, "third").await, 3);

    let unread = get(&ada, "/v1/notifications/unread").await;
    let page = get(&ada, "/v1/notifications?page_size=2").await;
    let token = page["next_page_token"].as_str().unwrap();
    let rest = get(
        &ada,
        &format!("/v1/notifications?page_size=2&page_token={token}"),
    )
    .await;
    let cursor = json!({"cursors": [{"stream": "user", "read": 2}]});
    let read = call(&ada, Method::POST, "/v1/notifications/read", Some(cursor)).await;
    let left = get(&ada, "/v1/notifications?unread=true").await;
    let all = call(
        &ada,
        Method::POST,
        "/v1/notifications/read",
        Some(json!({})),
    )
    .await;

    let titles = |page: &Value| -> Vec<String> {
        let notifications = page["notifications"].as_array().unwrap().iter();
        let title = |each: &Value| each["title"].as_str().unwrap().to_owned();
        notifications.map(title).collect()
    };
    assert_eq!(unread["unread"], 3);
    assert_eq!(titles(&page), ["third", "second"]);
    assert_eq!(titles(&rest), ["first"]);
    assert_eq!(read["unread"], 1);
    assert_eq!(titles(&left), ["third"]);
    assert_eq!(all["unread"], 0);
    shop.assert_sound().await;
}

#[tokio::test]
async fn nothing_crosses_tenants() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    let neighbour = account.neighbour().await;
    let (owner, other) = (account.owner(), neighbour.owner());
    let theirs = other.id().await;
    employ(&account, &owner).await;
    employ(&neighbour, &other).await;
    let (mut at_ours, mut at_theirs) = (listen(&owner).await, listen(&other).await);

    // To a user of the other tenant by name, and to a group that both have.
    tell(&account, &theirs, "not for you").await;
    let path = "/v1/notification-groups/staff/notifications";
    for (account, title) in [(&account, "to ours"), (&neighbour, "to theirs")] {
        let body = json!({"type": "test", "title": title});
        call(account, Method::POST, path, Some(body)).await;
    }

    for (listener, title) in [(&mut at_ours, "to ours"), (&mut at_theirs, "to theirs")] {
        let heard = listener.notification().await;
        assert_eq!((heard.seq, heard.title.as_str()), (1, title));
    }
    let history = get(&other, "/v1/notifications").await;
    assert_eq!(history["notifications"].as_array().unwrap().len(), 1);
    shop.assert_sound().await;
}

/// The text of server-sent events until this is in it.
async fn until(answer: &mut Response, text: &str) -> String {
    let mut said = String::new();
    let reading = async {
        while !said.contains(text) {
            let piece = answer.chunk().await.unwrap().expect("no end");
            said.push_str(std::str::from_utf8(&piece).unwrap());
        }
    };
    let read = tokio::time::timeout(SOON, reading).await;
    assert!(read.is_ok(), "{text} is not in {said}");
    said
}

#[tokio::test]
async fn who_has_no_web_socket_hears_and_goes_on_by_events() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    let ada = account.member("ada@example.com", "customer").await;
    let id = ada.id().await;
    let request = || ada.request(Method::GET, "/v1/notifications/sse");
    let mut answer = request().send().await.unwrap();
    until(&mut answer, "event: welcome").await;
    tell(&account, &id, "first").await;
    let said = until(&mut answer, "\"first\"").await;
    let last = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("id: "));
    let last = last.unwrap().to_owned();
    drop(answer);
    tell(&account, &id, "second").await;

    let again = request().header("Last-Event-ID", last).send().await;
    let said = until(&mut again.unwrap(), "\"second\"").await;

    assert!(!said.contains("\"first\""), "{said}");
    shop.assert_sound().await;
}
