//! The demo page in a real browser: what it shows is what happens.

use reqwest::Method;
use serde_json::{Value, json};
use tradepost_e2e::{Account, Browser, SOON, Service, Shop};
use tradepost_testkit::eventually;
use tradepost_types::OrderId;

const MEMBER: &str = "mia@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// Tells it once, with one key until it is answered: the service may have begun a moment ago.
async fn tell(owner: &Account, user: &str, title: &str) {
    let body = json!({"user_ids": [user], "type": "greeting", "title": title, "message": "hello"});
    let key = OrderId::new().to_string();
    let status = eventually("it is told", SOON, async || {
        let request = owner.request(Method::POST, "/v1/notifications").json(&body);
        let answer = request.header("Idempotency-Key", &key).send().await;
        let status = answer.unwrap().status();
        (!status.is_server_error()).then_some(status)
    })
    .await;
    assert!(status.is_success(), "{status}");
}

async fn log_in(browser: &Browser, shop: &Shop) {
    let url = format!("{}/demo", shop.unit(Service::Gateway).url());
    browser.go(&url).await;
    submit(browser, PASSWORD).await;
    browser.sees(LAMP, "live").await;
}

async fn submit(browser: &Browser, password: &str) {
    let fill = format!(
        "(() => {{ const form = document.getElementById('login'); \
         form.elements.email.value = '{MEMBER}'; form.elements.password.value = '{password}'; \
         form.requestSubmit(); }})()"
    );
    browser.look(&fill).await;
}

/// A network that passes none.
const NO_SOCKETS: &str = "window.WebSocket = class { \
     constructor() { setTimeout(() => this.onclose?.({ code: 1006, reason: '' })); } \
     close() {} }";
const LAMP: &str = "document.getElementById('lamp').dataset.state";
const LAMP_TEXT: &str = "document.getElementById('lamp').textContent";
const FAULT: &str = "document.getElementById('fault').textContent !== ''";
const LOGIN_HIDDEN: &str = "document.getElementById('login').hidden";
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

#[tokio::test]
async fn where_no_web_socket_passes_the_demo_page_goes_on_by_events() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    let member = account.member(MEMBER, "support").await;
    let (user, owner) = (member.id().await, account.owner());
    let browser = Browser::open().await;
    browser.prepare(NO_SOCKETS).await;

    log_in(&browser, &shop).await;
    browser.sees(LAMP_TEXT, "live, by events").await;
    tell(&owner, &user, "one").await;
    browser.sees(&titles("live"), json!(["one"])).await;
    browser.sees(UNREAD, "1").await;
    browser
        .look("document.getElementById('read-all').click()")
        .await;
    browser.sees(UNREAD, "0").await;

    shop.unit_mut(Service::Notification).kill();
    browser.sees(LAMP, "waiting").await;
    shop.unit_mut(Service::Notification).start().await;
    tell(&owner, &user, "two").await;
    browser.sees(&titles("live"), json!(["two", "one"])).await;
    browser.sees(LAMP_TEXT, "live, by events").await;
}

#[tokio::test]
async fn who_may_not_come_in_is_told_so_and_who_leaves_is_out() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    account.member(MEMBER, "support").await;
    let browser = Browser::open().await;
    let url = format!("{}/demo", shop.unit(Service::Gateway).url());

    browser.go(&url).await;
    submit(&browser, "not the password").await;
    browser.sees(FAULT, true).await;
    browser.sees(LAMP, "stopped").await;
    browser.sees(LOGIN_HIDDEN, false).await;

    log_in(&browser, &shop).await;
    browser.sees(LOGIN_HIDDEN, true).await;
    browser
        .look("document.getElementById('log-out').click()")
        .await;
    // The page is another one then, and knows nothing of before.
    browser.sees(LOGIN_HIDDEN, false).await;
    browser.sees(LAMP, "stopped").await;
}
