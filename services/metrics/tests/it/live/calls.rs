//! The calls: what they count, answer and refuse.

use tonic::{Code, Request};
use tradepost_metrics::adapters::grpc::live::RULES;
use tradepost_metrics::bootstrap;
use tradepost_metrics::config::LiveConfig;
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::metrics_service_server::MetricsServiceServer;
use tradepost_service::error::ErrorDetails;
use tradepost_service::{CommonConfig, Runtime};
use tradepost_testkit::{Trust, assert_guarded};
use tradepost_types::TenantId;

use super::support::{Node, RIGHTS, ask, batch, client, event, packed, query, send, total};
use crate::support::reason;

#[tokio::test]
async fn every_method_opens_to_its_own_right_only() {
    let trust = Trust::new();
    let common = CommonConfig {
        listen_addr: ([127, 0, 0, 1], 0).into(),
        auth: trust.config("metrics"),
        ..CommonConfig::default()
    };
    let runtime = Runtime::bind("metrics", common).await.unwrap();
    let (api, _observed) = bootstrap::live(&LiveConfig::default(), &runtime)
        .await
        .unwrap();

    assert_guarded(
        "metrics",
        MetricsServiceServer::new(api),
        FILE_DESCRIPTOR_SET,
        &RULES,
    )
    .await;
}

#[tokio::test]
async fn events_of_every_form_are_counted_and_answered() {
    let trust = Trust::new();
    let node = Node::start(&trust, LiveConfig::default()).await;
    let mut client = client(&node.url, &trust, TenantId::new(), RIGHTS);

    let single = pb::ProcessEventRequest {
        tenant_id: String::new(),
        event: Some(event("order.placed", 10.0)),
    };
    assert!(
        !client
            .process_event(single)
            .await
            .unwrap()
            .into_inner()
            .late
    );
    let (receipts, ended) = send(
        &mut client,
        vec![
            batch(
                "web",
                1,
                vec![event("order.placed", 20.0), event("page.viewed", 5.0)],
            ),
            packed("web", 2, &[30.0, 40.0]),
            batch(
                "web",
                1,
                vec![event("order.placed", 20.0), event("page.viewed", 5.0)],
            ),
        ],
    )
    .await;

    ended.unwrap();
    let told: Vec<_> = receipts
        .into_iter()
        .map(|answer| answer.receipt.unwrap())
        .map(|receipt| (receipt.sequence, receipt.duplicate, receipt.accepted))
        .collect();
    assert_eq!(told, [(1, false, 2), (2, false, 2), (1, true, 0)]);
    assert_answered(&ask(&mut client).await);
}

fn assert_answered(answer: &pb::GetAggregatesResponse) {
    let lines: Vec<_> = answer
        .aggregates
        .iter()
        .map(|line| {
            (
                line.event_type.as_str(),
                line.count,
                line.sum,
                line.min,
                line.max,
                line.mean,
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            ("order.placed", 4, 100.0, 10.0, 40.0, 25.0),
            ("page.viewed", 1, 5.0, 5.0, 5.0, 5.0)
        ]
    );
    let error = answer.percentile_relative_error;
    assert!((answer.aggregates[0].p50.unwrap() - 20.0).abs() <= 20.0 * error);
    assert!((answer.aggregates[0].p99.unwrap() - 40.0).abs() <= 40.0 * error);
    assert_eq!(answer.irregularities.as_ref().unwrap().duplicate, 2);
    let completeness = answer.completeness.unwrap();
    assert_eq!(
        (completeness.nodes_asked, completeness.nodes_answered),
        (1, 1)
    );
    assert!(
        !completeness.complete,
        "the node counts since less than an hour"
    );
}

#[tokio::test]
async fn a_single_event_is_refused_with_the_reason() {
    let trust = Trust::new();
    let node = Node::start(&trust, LiveConfig::default()).await;
    let mut client = client(&node.url, &trust, TenantId::new(), RIGHTS);

    for (value, why) in [
        (f64::NAN, "REJECTION_REASON_VALUE_NOT_FINITE"),
        (-1e101, "REJECTION_REASON_VALUE_TOO_LARGE"),
    ] {
        let single = pb::ProcessEventRequest {
            tenant_id: String::new(),
            event: Some(event("order.placed", value)),
        };
        let refused = ErrorDetails::from_status(&client.process_event(single).await.unwrap_err());
        assert_eq!(
            (refused.code, refused.reason.as_str()),
            (Code::InvalidArgument, "EVENT_REJECTED")
        );
        assert_eq!(refused.metadata["rejection_reason"], why);
    }
    let empty = client
        .process_event(pb::ProcessEventRequest::default())
        .await
        .unwrap_err();
    assert_eq!(reason(&empty), "INVALID_FIELD");
}

#[tokio::test]
async fn bad_events_are_refused_one_by_one_and_a_bad_batch_ends_its_stream() {
    let trust = Trust::new();
    let node = Node::start(&trust, LiveConfig::default()).await;
    let mut client = client(&node.url, &trust, TenantId::new(), RIGHTS);
    let timeless = pb::Event {
        event_time: None,
        ..event("order.placed", 1.0)
    };
    let odd = pb::Event {
        event_time: Some(prost_types::Timestamp {
            seconds: i64::MAX,
            nanos: -1,
        }),
        ..event("order.placed", 1.0)
    };

    let events = vec![
        event("order.placed", 1.0),
        timeless,
        event("NOPE", 1.0),
        odd,
    ];
    let batches = vec![
        batch("web", 1, events),
        batch("web", 0, vec![event("a", 1.0)]),
    ];
    let (receipts, ended) = send(&mut client, batches).await;

    let receipt = receipts.into_iter().next().unwrap().receipt.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected), (1, 3));
    let rejections: Vec<_> = receipt
        .rejections
        .iter()
        .map(|one| (one.index, one.reason()))
        .collect();
    assert_eq!(
        rejections,
        [
            (1, pb::RejectionReason::TimeInvalid),
            (2, pb::RejectionReason::EventTypeInvalid),
            (3, pb::RejectionReason::TimeInvalid),
        ]
    );
    assert_eq!(reason(&ended.unwrap_err()), "SEQUENCE_INVALID");
    let too_many = vec![event("a", 1.0); 10_001];
    for (bad, why) in [
        (pb::ProcessEventsRequest::default(), "INVALID_FIELD"),
        (batch("", 1, vec![event("a", 1.0)]), "PRODUCER_INVALID"),
        (batch("web", 9, Vec::new()), "INVALID_FIELD"),
        (batch("web", 9, too_many), "BATCH_TOO_LARGE"),
    ] {
        let (receipts, ended) = send(&mut client, vec![bad]).await;
        assert!(receipts.is_empty());
        assert_eq!(reason(&ended.unwrap_err()), why);
    }
}

#[tokio::test]
async fn another_tenants_events_and_aggregates_take_rights_of_their_own() {
    let trust = Trust::new();
    let node = Node::start(&trust, LiveConfig::default()).await;
    let (own, other) = (TenantId::new(), TenantId::new());
    let mut without = client(&node.url, &trust, own, RIGHTS);
    let all = &[
        "events:write",
        "events:write_any",
        "metrics:read",
        "metrics:read_any",
    ];
    let mut with = client(&node.url, &trust, own, all);
    let single = || pb::ProcessEventRequest {
        tenant_id: other.to_string(),
        event: Some(event("order.placed", 1.0)),
    };
    let of_other = || pb::GetAggregatesRequest {
        tenant_id: other.to_string(),
        ..query(5)
    };

    let refused = without.process_event(single()).await.unwrap_err();
    assert_eq!(reason(&refused), "TENANT_FORBIDDEN");
    let refused = without.get_aggregates(of_other()).await.unwrap_err();
    assert_eq!(reason(&refused), "TENANT_FORBIDDEN");

    with.process_event(single()).await.unwrap();
    let found = with.get_aggregates(of_other()).await.unwrap().into_inner();
    assert_eq!(found.aggregates[0].count, 1);
    assert_eq!(total(&mut without).await, 0, "it is not the caller's");
}

#[tokio::test]
async fn a_hasty_tenant_is_refused_and_another_is_not() {
    let trust = Trust::new();
    let config = LiveConfig {
        tenant_events_per_second: 100,
        ..LiveConfig::default()
    };
    let node = Node::start(&trust, config).await;
    let mut hasty = client(&node.url, &trust, TenantId::new(), RIGHTS);
    let mut other = client(&node.url, &trust, TenantId::new(), RIGHTS);

    let batches = vec![packed("web", 1, &[1.0; 1_000]), packed("web", 2, &[1.0])];
    let (receipts, ended) = send(&mut hasty, batches).await;

    assert_eq!(receipts.len(), 1);
    let refused = ErrorDetails::from_status(&ended.unwrap_err());
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (Code::ResourceExhausted, "TENANT_BUSY")
    );
    assert!(refused.retry_after.is_some());
    let (receipts, ended) = send(&mut other, vec![packed("web", 1, &[1.0])]).await;
    assert_eq!(receipts.len(), 1);
    ended.unwrap();
}

#[tokio::test]
async fn streams_past_their_bound_are_refused() {
    let trust = Trust::new();
    let config = LiveConfig {
        streams_max: 1,
        ..LiveConfig::default()
    };
    let node = Node::start(&trust, config).await;
    let mut client = client(&node.url, &trust, TenantId::new(), RIGHTS);
    let watch = || pb::WatchAggregatesRequest {
        query: Some(query(1)),
    };
    let open = client.watch_aggregates(watch()).await.unwrap();

    let refused = ErrorDetails::from_status(&client.watch_aggregates(watch()).await.unwrap_err());

    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (Code::ResourceExhausted, "OVERLOADED")
    );
    drop(open);
}

#[tokio::test]
async fn half_of_the_streams_are_left_to_others_than_one_tenant() {
    let trust = Trust::new();
    let config = LiveConfig {
        streams_max: 2,
        ..LiveConfig::default()
    };
    let node = Node::start(&trust, config).await;
    let watch = || pb::WatchAggregatesRequest {
        query: Some(query(1)),
    };
    let mut greedy = client(&node.url, &trust, TenantId::new(), RIGHTS);
    let mut other = client(&node.url, &trust, TenantId::new(), RIGHTS);
    let open = greedy.watch_aggregates(watch()).await.unwrap();

    let watching = greedy.watch_aggregates(watch()).await.unwrap_err();
    let batches = Request::new(futures::stream::pending());
    let sending = greedy.process_events(batches).await.unwrap_err();

    for refused in [watching, sending] {
        let refused = ErrorDetails::from_status(&refused);
        assert_eq!(
            (refused.code, refused.reason.as_str()),
            (Code::ResourceExhausted, "TENANT_BUSY")
        );
        assert!(refused.retry_after.is_some());
    }
    other.watch_aggregates(watch()).await.unwrap();
    drop(open);
}

#[tokio::test]
async fn a_stream_that_is_as_old_as_it_may_be_ends_and_another_may_be_opened() {
    let trust = Trust::new();
    let config = LiveConfig {
        stream_seconds_max: 1,
        ..LiveConfig::default()
    };
    let node = Node::start(&trust, config).await;
    let mut client = client(&node.url, &trust, TenantId::new(), RIGHTS);
    let watch = || pb::WatchAggregatesRequest {
        query: Some(query(1)),
    };

    let mut watching = client.watch_aggregates(watch()).await.unwrap().into_inner();
    let batches = Request::new(futures::stream::pending());
    let mut sending = client.process_events(batches).await.unwrap().into_inner();
    let watched = loop {
        if let Err(status) = watching.message().await {
            break status;
        }
    };
    let sent = sending.message().await.unwrap_err();

    assert_eq!(
        (reason(&watched), reason(&sent)),
        ("STREAM_EXPIRED".to_owned(), "STREAM_EXPIRED".to_owned())
    );
    assert!(ErrorDetails::from_status(&sent).retry_after.is_some());
    client.watch_aggregates(watch()).await.unwrap();
}

#[tokio::test]
async fn a_watcher_is_told_again_and_again_until_the_process_ends() {
    let trust = Trust::new();
    let node = Node::start(&trust, LiveConfig::default()).await;
    let mut client = client(&node.url, &trust, TenantId::new(), RIGHTS);
    send(&mut client, vec![packed("web", 1, &[1.0])])
        .await
        .1
        .unwrap();
    let request = pb::WatchAggregatesRequest {
        query: Some(query(5)),
    };
    let mut watching = client.watch_aggregates(request).await.unwrap().into_inner();

    let mut told = async || {
        let told = watching.message().await.unwrap().unwrap();
        told.aggregates.unwrap().aggregates[0].count
    };

    assert_eq!(told().await, 1);
    send(&mut client, vec![packed("web", 2, &[1.0])])
        .await
        .1
        .unwrap();
    // On a busy machine the watcher may be told before that is counted.
    while told().await != 2 {}
    node.stop().await;

    let ended = loop {
        if let Err(status) = watching.message().await {
            break status;
        }
    };
    assert_eq!(reason(&ended), "DRAINING");
}

#[tokio::test]
async fn questions_that_cannot_be_answered_are_refused() {
    let trust = Trust::new();
    let node = Node::start(&trust, LiveConfig::default()).await;
    let mut client = client(&node.url, &trust, TenantId::new(), RIGHTS);
    let by_second = |minutes| pb::GetAggregatesRequest {
        grouping: pb::Grouping::Second.into(),
        ..query(minutes)
    };
    let long = pb::GetAggregatesRequest {
        event_types: vec!["a".to_owned(); 101],
        ..query(1)
    };
    let odd = pb::GetAggregatesRequest {
        grouping: 99,
        ..query(1)
    };

    for (question, why) in [
        (query(0), "WINDOW_INVALID"),
        (query(1_441), "WINDOW_INVALID"),
        (by_second(3), "WINDOW_INVALID"),
        (long, "INVALID_FIELD"),
        (odd, "INVALID_FIELD"),
    ] {
        let refused = client
            .get_aggregates(Request::new(question))
            .await
            .unwrap_err();
        assert_eq!(reason(&refused), why);
    }
    let watch = pb::WatchAggregatesRequest {
        query: Some(by_second(1)),
    };
    assert_eq!(
        reason(&client.watch_aggregates(watch).await.unwrap_err()),
        "INVALID_FIELD"
    );
    client.get_aggregates(by_second(2)).await.unwrap();
}
