//! Answers that are kept: right whatever is written, and whatever Redis does.

mod crashes;
mod outages;
mod races;
mod stage;

use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::ports::{BookStore, Rebuilt, ReportStore, UpkeepStore};
use tradepost_proto::metrics::v1 as pb;
use tradepost_testkit::private_redis;
use tradepost_types::TenantId;

use stage::{ALWAYS, Node, stored};

use crate::support::{DAY_MS, Desk, now_ms, timestamp, today, today_ms};

#[tokio::test]
async fn a_write_makes_the_old_answers_unreachable_at_once_and_on_all_nodes() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let nodes = [
        Node::sharing(&desk, &redis.url(), ALWAYS).await,
        Node::sharing(&desk, &redis.url(), ALWAYS).await,
    ];

    for sequence in 1..=4_u64 {
        stored(&desk, desk.tenant, sequence, today_ms()).await;
        for node in [&nodes[0], &nodes[1], &nodes[0]] {
            let events = node.events(desk.tenant).await;
            let (top, lines) = (node.top(desk.tenant).await, node.report("").await);

            assert_eq!((events, top), (sequence, sequence));
            assert_eq!(lines, [(desk.tenant.to_string(), sequence)]);
        }
    }
}

#[tokio::test]
async fn what_was_answered_is_not_computed_again_here_nor_on_another_node() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let nodes = [
        Node::sharing(&desk, &redis.url(), ALWAYS).await,
        Node::sharing(&desk, &redis.url(), ALWAYS).await,
    ];
    stored(&desk, desk.tenant, 1, today_ms()).await;

    for _ in 0..3 {
        assert_eq!(nodes[0].events(desk.tenant).await, 1);
    }
    nodes[0].says_at_least("keys", 1, &redis).await;
    for _ in 0..3 {
        assert_eq!(nodes[1].events(desk.tenant).await, 1);
    }

    assert_eq!((nodes[0].computed(), nodes[1].computed()), (1, 0));
    assert_eq!(nodes[0].counted("source=\"memory\""), 2);
    assert_eq!(nodes[1].counted("source=\"redis\""), 1);
}

#[tokio::test]
async fn the_same_question_is_known_in_other_words() {
    let desk = Desk::open().await;
    let node = Node::alone(&desk, ALWAYS).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;
    let mut client = node.client(desk.tenant);
    let mut ask = async |types: &[&str], page_size, bucket: pb::Bucket| {
        let question = pb::QueryEventsRequest {
            event_types: types.iter().map(ToString::to_string).collect(),
            page_size,
            bucket: bucket.into(),
            ..stage::question()
        };
        client.query_events(question).await.unwrap();
    };

    ask(&["a", "b"], 0, pb::Bucket::Unspecified).await;
    ask(&["b", "a", "a"], 50, pb::Bucket::Day).await;
    let once = node.computed();
    ask(&["a"], 50, pb::Bucket::Day).await;
    ask(&["a", "b"], 49, pb::Bucket::Day).await;
    ask(&["a", "b"], 0, pb::Bucket::Hour).await;

    assert_eq!((once, node.computed()), (1, 4));
}

#[tokio::test]
async fn tenants_never_see_each_others_answers() {
    let (desk, redis) = (Desk::open().await, private_redis().await);
    let node = Node::sharing(&desk, &redis.url(), ALWAYS).await;
    let other = TenantId::new();
    for (tenant, sequences) in [(desk.tenant, 1..=1), (other, 1..=2)] {
        for sequence in sequences {
            stored(&desk, tenant, sequence, today_ms()).await;
        }
    }

    let own = (node.events(desk.tenant).await, node.top(desk.tenant).await);
    let others = (node.events(other).await, node.top(other).await);

    assert_eq!((own, others), ((1, 1), (2, 2)));
    node.says_at_least("keys", 4, &redis).await;
    for name in stage::names(&redis).await {
        let of: Vec<_> = [desk.tenant, other]
            .into_iter()
            .filter(|tenant| name.contains(&format!(":{tenant}:")))
            .collect();
        assert_eq!(of.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn days_that_are_closed_are_answered_without_a_computation_while_others_are_written() {
    let desk = Desk::open().await;
    let node = Node::alone(&desk, ALWAYS).await;
    let old = today_ms() - 5 * DAY_MS;
    stored(&desk, desk.tenant, 1, old).await;
    stored(&desk, desk.tenant, 2, old - DAY_MS).await;
    let page_of_old = pb::ReportDailyRequest {
        since: Some(timestamp(old - 10 * DAY_MS)),
        page_size: 1,
        ..pb::ReportDailyRequest::default()
    };
    let newest = node.page(page_of_old.clone()).await;
    // Behind a line of the past there is nothing newer.
    let deep = pb::ReportDailyRequest {
        page_token: newest.next_page_token,
        ..page_of_old
    };

    let before = node.computed();
    for sequence in 3..=6 {
        let past = node.events_of(desk.tenant, old, old + DAY_MS).await;
        let page = node.page(deep.clone()).await;
        assert_eq!((past, page.lines.len()), (1, 1));
        stored(&desk, desk.tenant, sequence, today_ms()).await;
    }
    let once = node.computed() - before;
    stored(&desk, desk.tenant, 7, old).await;
    stored(&desk, desk.tenant, 8, old - DAY_MS).await;

    assert_eq!(once, 2);
    assert_eq!(node.events_of(desk.tenant, old, old + DAY_MS).await, 2);
    assert_eq!(node.page(deep).await.lines[0].count, 2);
}

#[tokio::test]
async fn a_change_of_plans_changes_the_report() {
    let desk = Desk::open().await;
    let node = Node::alone(&desk, ALWAYS).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;
    let mut client = node.client(desk.tenant);
    let mut put = async |plan: &str, plan_version| {
        let request = pb::PutTenantRequest {
            tenant_id: desk.tenant.to_string(),
            plan: plan.to_owned(),
            plan_version,
        };
        client.put_tenant(request).await.unwrap();
    };

    put("large", 1).await;
    let large = (
        node.report("large").await.len(),
        node.of_plan("large").await,
    );
    put("small", 2).await;

    assert_eq!(large, (1, (1, 1)));
    assert_eq!(node.report("large").await, []);
    assert_eq!(node.report("small").await.len(), 1);
    assert_eq!(node.of_plan("large").await, (0, 0));
    assert_eq!(node.of_plan("small").await, (1, 1));
}

#[tokio::test]
async fn sums_of_a_plan_are_kept_until_any_of_its_tenants_writes() {
    let desk = Desk::open().await;
    let node = Node::alone(&desk, ALWAYS).await;
    let tenants = [desk.tenant, TenantId::new()];
    for tenant in tenants {
        desk.store.put_tenant(tenant, "large", 1).await.unwrap();
        stored(&desk, tenant, 1, today_ms()).await;
    }

    let first = node.of_plan("large").await;
    let again = node.of_plan("large").await;
    let computed = node.computed();
    stored(&desk, tenants[1], 2, today_ms()).await;

    assert_eq!((first, again, computed), ((2, 2), (2, 2), 2));
    assert_eq!(node.of_plan("large").await, (3, 3));
}

#[tokio::test]
async fn a_day_that_is_rebuilt_and_hours_that_are_forgotten_change_answers() {
    let desk = Desk::with(AnalyticsConfig {
        hours_kept_days: 2,
        ..AnalyticsConfig::default()
    })
    .await;
    let node = Node::alone(&desk, ALWAYS).await;
    stored(&desk, desk.tenant, 1, today_ms()).await;
    let mut admin = desk.test_database.admin().await;
    let wrong = "update rollup_days set n = 100; update rollup_hours set
        start_time = start_time - interval '3 days'";
    sqlx::raw_sql(wrong).execute(&mut admin).await.unwrap();
    assert_eq!(node.events(desk.tenant).await, 100);
    let old = today_ms() - 3 * DAY_MS;
    let hours = pb::QueryEventsRequest {
        range: stage::range(old, old + DAY_MS),
        bucket: pb::Bucket::Hour.into(),
        ..pb::QueryEventsRequest::default()
    };
    let ask = async || {
        let mut client = node.client(desk.tenant);
        let answer = client.query_events(hours.clone()).await.unwrap();
        answer.into_inner().sums.len()
    };
    assert_eq!(ask().await, 1);

    let rebuilt = desk.store.rebuild(today(), None).await.unwrap();
    assert_eq!(desk.store.forget(1_000).await.unwrap(), 1);

    let done = Rebuilt::Done {
        tenants: 1,
        events: 1,
    };
    assert_eq!(rebuilt, done);
    assert_eq!(node.events(desk.tenant).await, 1);
    assert_eq!(ask().await, 0);
}

#[tokio::test]
async fn an_answer_says_of_when_it_is() {
    let desk = Desk::open().await;
    for node in [
        Node::alone(&desk, ALWAYS).await,
        Node::uncached(&desk).await,
    ] {
        let before = now_ms();
        let answer = node
            .client(desk.tenant)
            .query_events(stage::question())
            .await;
        let as_of = answer.unwrap().into_inner().as_of_time.unwrap();

        let as_of_ms = as_of.seconds * 1_000 + i64::from(as_of.nanos) / 1_000_000;
        assert!((before..=now_ms()).contains(&as_of_ms));
    }
}
