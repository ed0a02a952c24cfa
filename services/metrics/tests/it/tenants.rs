//! Which plan a tenant is on: the highest version, in whatever order it is told.

use futures::future::join_all;
use tonic::{Response, Status};
use tradepost_metrics::ports::EventStore;
use tradepost_proto::metrics::v1 as pb;

use crate::support::{Client, Desk, batch, now_ms, reason};

fn platform(desk: &Desk) -> Client {
    desk.client(desk.tenant, &["tenants:write"])
}

fn put(desk: &Desk, plan: &str, plan_version: u64) -> pb::PutTenantRequest {
    pb::PutTenantRequest {
        tenant_id: desk.tenant.to_string(),
        plan: plan.to_owned(),
        plan_version,
    }
}

/// All that is known.
async fn known(desk: &Desk) -> Vec<(String, i64)> {
    let mut admin = desk.test_database.admin().await;
    sqlx::query_as("select plan, plan_version from tenants")
        .fetch_all(&mut admin)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_plan_that_is_none_or_has_no_version_is_refused() {
    let desk = Desk::open().await;
    let mut client = platform(&desk);
    let nobody = pb::PutTenantRequest {
        plan_version: 1,
        ..pb::PutTenantRequest::default()
    };
    let bad = [
        put(&desk, &"x".repeat(65), 1),
        put(&desk, "a\0b", 1),
        put(&desk, "small", 0),
        put(&desk, "small", u64::MAX),
        nobody,
    ];

    for request in bad {
        let refused: Result<Response<_>, Status> = client.put_tenant(request).await;
        assert_eq!(reason(&refused.unwrap_err()), "INVALID_FIELD");
    }

    assert_eq!(known(&desk).await, []);
}

#[tokio::test]
async fn the_highest_version_counts_in_whatever_order_plans_come() {
    let desk = Desk::open().await;
    let mut client = platform(&desk);
    // The tenant is known from an event, on no plan.
    let event = batch(desk.tenant, 1, &[(now_ms(), "a", "", 1.0)]);
    desk.store.store(&[event]).await.unwrap();
    let mut after_each = Vec::new();

    for (plan, version) in [
        ("middle", 4),
        ("old", 2),
        ("middle", 4),
        ("another", 4),
        ("new", 7),
        ("old", 6),
    ] {
        client.put_tenant(put(&desk, plan, version)).await.unwrap();
        after_each.extend(known(&desk).await);
    }

    let told = |plan: &str, version| (plan.to_owned(), version);
    let (middle, new) = (told("middle", 4), told("new", 7));
    let wanted = [&middle, &middle, &middle, &middle, &new, &new];
    assert_eq!(after_each.iter().collect::<Vec<_>>(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_plans_that_race_the_highest_version_stays() {
    let desk = Desk::open().await;
    let (mut versions, highest) = ((1..=24).collect::<Vec<u64>>(), "24".to_owned());
    versions.rotate_left(20);

    let puts = versions.into_iter().map(|version| {
        let mut client = platform(&desk);
        let request = put(&desk, &version.to_string(), version);
        async move { client.put_tenant(request).await }
    });
    let answers = join_all(puts).await;

    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(known(&desk).await, [(highest, 24)]);
}
