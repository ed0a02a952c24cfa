//! The plans of tenants, as the metrics service learns them.

use axum::http::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::Status;
use tradepost_proto::metrics::v1::PutTenantRequest;
use tradepost_testkit::eventually;

use super::shop::{OPERATOR, Shop};
use crate::fake::Fake;
use crate::stage::SOON;

impl Shop {
    /// As an operator does it.
    async fn change_plan(&self, tenant: &str, plan: &str) {
        let operator = self.gate.login(OPERATOR).await.access;
        let path = format!("/v1/tenants/{tenant}");
        let change = Some(json!({"plan": plan}));
        let changed = self.gate.ask(Method::PATCH, &path, &operator, change).await;
        assert_eq!(changed.status, 200, "{}", changed.json());
    }

    /// What was told last, as far as this is remembered: version and the version told.
    async fn versions(&self, tenant: &str) -> (i64, i64) {
        let tenant: tradepost_types::TenantId = tenant.parse().unwrap();
        sqlx::query_as("select plan_version, plan_told_version from tenants where tenant_id = $1")
            .bind(tenant.as_uuid())
            .fetch_one(&mut self.database.admin().await)
            .await
            .unwrap()
    }
}

async fn with_metrics(url: &str) -> Shop {
    Shop::with(|config| config.upstreams.metrics_url = Some(url.parse().unwrap())).await
}

async fn knows(fake: &Fake, tenant: &str, plan: &str) {
    eventually("the plan is known", SOON, async || {
        (fake.plan_of(tenant).as_deref() == Some(plan)).then_some(())
    })
    .await;
}

async fn is_told(shop: &Shop, tenant: &str, version: i64) {
    eventually("it is remembered", SOON, async || {
        (shop.versions(tenant).await == (version, version)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tenant_is_told_when_it_is_made_and_when_its_plan_changes() {
    let (fake, url) = Fake::serve().await;
    let shop = with_metrics(&url).await;

    let tenant = shop.tenant("ada@example.com").await;
    knows(&fake, &tenant, "standard").await;
    shop.change_plan(&tenant, "plus").await;
    knows(&fake, &tenant, "plus").await;
    is_told(&shop, &tenant, 2).await;

    // What is no change of the plan is nothing to tell.
    let operator = shop.gate.login(OPERATOR).await.access;
    let path = format!("/v1/tenants/{tenant}");
    let change = Some(json!({"name": "Acme & Co", "plan": "plus"}));
    shop.gate.ask(Method::PATCH, &path, &operator, change).await;
    assert_eq!(shop.versions(&tenant).await, (2, 2));
}

#[tokio::test]
async fn a_service_that_is_down_for_a_while_learns_the_last_plan_of_everybody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let shop = with_metrics(&format!("http://{addr}")).await;
    let ada = shop.tenant("ada@example.com").await;
    let bob = shop.tenant("bob@example.com").await;
    shop.change_plan(&ada, "plus").await;
    shop.change_plan(&ada, "internal").await;
    assert_eq!(shop.versions(&ada).await, (3, 0));

    let (fake, _url) = Fake::serve_at(TcpListener::bind(addr).await.unwrap());
    knows(&fake, &ada, "internal").await;
    knows(&fake, &bob, "standard").await;

    // And again, when it answers but cannot do it.
    fake.fail(Status::unavailable("the store is gone"));
    shop.change_plan(&bob, "plus").await;
    let before = fake.calls();
    eventually("it was tried", SOON, async || {
        (fake.calls() > before).then_some(())
    })
    .await;
    assert_eq!(fake.plan_of(&bob).as_deref(), Some("standard"));
    assert_eq!(shop.versions(&bob).await, (2, 1));
    fake.heal();
    knows(&fake, &bob, "plus").await;
    is_told(&shop, &bob, 2).await;
}

#[tokio::test]
async fn what_a_gateway_left_untold_another_tells() {
    // The first has no metrics service, as one of a version before this, and one that was killed.
    let shop = Shop::open().await;
    let tenant = shop.tenant("ada@example.com").await;
    shop.change_plan(&tenant, "plus").await;
    let (fake, url) = Fake::serve().await;

    let _second = shop
        .second_with(|config| config.upstreams.metrics_url = Some(url.parse().unwrap()))
        .await;

    knows(&fake, &tenant, "plus").await;
    is_told(&shop, &tenant, 2).await;
}

#[tokio::test]
async fn a_plan_that_comes_late_does_not_replace_a_newer_one() {
    let (fake, url) = Fake::serve().await;
    let shop = with_metrics(&url).await;
    let tenant = shop.tenant("ada@example.com").await;
    knows(&fake, &tenant, "standard").await;

    for plan in ["plus", "internal", "standard", "plus"] {
        shop.change_plan(&tenant, plan).await;
    }
    is_told(&shop, &tenant, 5).await;

    assert_eq!(fake.plan_of(&tenant).as_deref(), Some("plus"));
    let told: Vec<PutTenantRequest> = fake.all();
    let versions: Vec<_> = told
        .iter()
        .map(|told| (told.plan_version, &*told.plan))
        .collect();
    let made = [
        (1, "standard"),
        (2, "plus"),
        (3, "internal"),
        (4, "standard"),
        (5, "plus"),
    ];
    assert!(
        versions.iter().all(|told| made.contains(told)),
        "{versions:?}"
    );
}

#[tokio::test]
async fn after_a_day_everybody_is_told_again() {
    let (fake, url) = Fake::serve().await;
    let shop = with_metrics(&url).await;
    let tenant = shop.tenant("ada@example.com").await;
    knows(&fake, &tenant, "standard").await;
    is_told(&shop, &tenant, 1).await;

    // The service is restored from a copy of yesterday.
    fake.forget_plans();
    sqlx::query("update tenants set plan_told_at = plan_told_at - interval '1 day'")
        .execute(&mut shop.database.admin().await)
        .await
        .unwrap();

    knows(&fake, &tenant, "standard").await;
}

#[tokio::test]
async fn a_tenant_that_is_refused_holds_up_no_other() {
    let (fake, url) = Fake::serve().await;
    let shop = Shop::open().await;
    let ada = shop.tenant("ada@example.com").await;
    let bob = shop.tenant("bob@example.com").await;
    fake.fail_times(1, Status::invalid_argument("no such tenant"));

    let _second = shop
        .second_with(|config| config.upstreams.metrics_url = Some(url.parse().unwrap()))
        .await;

    knows(&fake, &ada, "standard").await;
    knows(&fake, &bob, "standard").await;
}
