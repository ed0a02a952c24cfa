//! The demo page in a real browser: what it shows is what happens.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tradepost_e2e::{Account, Browser, Service, Shop};
use tradepost_types::OrderId;

const MEMBER: &str = "mia@example.com";
const PASSWORD: &str = "correct horse battery staple";

async fn tell(owner: &Account, user: &str, title: &str) {
    let body = json!({"user_ids": [user], "type": "greeting", "title": title, "message": "hello"});
    let request = owner.request(Method::POST, "/v1/notifications").json(&body);
    let key = OrderId::new().to_string();
    let answer = request.header("Idempotency-Key", key).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
}

async fn log_in(browser: &Browser, shop: &Shop) {
    let url = format!("{}/demo", shop.unit(Service::Gateway).url());
    browser.go(&url).await;
    let fill = format!(
        "(() => {{ const form = document.getElementById('login'); \
         form.elements.email.value = '{MEMBER}'; form.elements.password.value = '{PASSWORD}'; \
         form.requestSubmit(); }})()"
    );
    browser.look(&fill).await;
    browser.sees(LAMP, "live").await;
}

const LAMP: &str = "document.getElementById('lamp').dataset.state";
const UNREAD: &str = "document.getElementById('unread').textContent";

/// The titles in a list, from its top.
fn titles(list: &str) -> String {
    format!("[...document.querySelectorAll('#{list} strong')].map((it) => it.textContent)")
}

#[tokio::test]
async fn the_demo_page_shows_what_happens_and_outlives_the_service_behind_it() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    let member = account.member(MEMBER, "support").await;
    let me = member.request(Method::GET, "/v1/auth/me").send().await;
    let me: Value = me.unwrap().json().await.unwrap();
    let user = me["subject"].as_str().unwrap();
    let owner = account.owner();
    tell(&owner, user, "before").await;
    let browser = Browser::open().await;

    log_in(&browser, &shop).await;
    browser.sees(&titles("history"), json!(["before"])).await;
    tell(&owner, user, "one").await;
    browser.sees(&titles("live"), json!(["one"])).await;
    browser.sees(UNREAD, "2").await;
    browser
        .look("document.getElementById('read-all').click()")
        .await;
    browser.sees(UNREAD, "0").await;

    shop.unit_mut(Service::Notification).kill();
    browser.sees(LAMP, "waiting").await;
    shop.unit_mut(Service::Notification).start().await;
    tell(&owner, user, "two").await;
    browser.sees(&titles("live"), json!(["two", "one"])).await;
    browser.sees(LAMP, "live").await;
    browser.sees(UNREAD, "1").await;

    log_in(&browser, &shop).await;
    let all = json!(["two", "one", "before"]);
    browser.sees(&titles("history"), all).await;
}
