//! Several nodes answer as one, and say when one is missing.

use tradepost_metrics::config::LiveConfig;
use tradepost_proto::metrics::v1 as pb;
use tradepost_testkit::{Trust, eventually};
use tradepost_types::TenantId;

use super::support::{Node, RIGHTS, ask, batch, client, event, packed, query, send};
use crate::support::{SOON, now_ms, reason, timestamp};

/// Three nodes that know each other.
async fn cluster(trust: &Trust) -> Vec<Node> {
    trust.believe("metrics", &["metrics:read"]);
    let mut listening = Vec::new();
    for _ in 0..3 {
        listening.push(Node::listen(trust).await);
    }
    let urls: Vec<_> = listening.iter().map(|node| node.url()).collect();
    let mut nodes = Vec::new();
    for node in listening {
        let own = node.url();
        let config = LiveConfig {
            peers: urls.iter().filter(|url| **url != own).cloned().collect(),
            peer_timeout_ms: 10_000,
            ..LiveConfig::default()
        };
        nodes.push(node.start(config).await);
    }
    nodes
}

#[tokio::test]
async fn nodes_answer_as_one_and_say_who_is_silent() {
    let trust = Trust::new();
    let nodes = cluster(&trust).await;
    let tenant = TenantId::new();
    let mut clients: Vec<_> = nodes
        .iter()
        .map(|node| client(&node.url, &trust, tenant, RIGHTS))
        .collect();
    for (number, client) in (0_u32..).zip(&mut clients) {
        let values: Vec<_> = (1..=100)
            .map(|step| f64::from(number * 100 + step))
            .collect();
        send(client, vec![packed("web", 1, &values)])
            .await
            .1
            .unwrap();
    }

    for client in &mut clients {
        let answer = ask(client).await;
        let line = &answer.aggregates[0];
        assert_eq!(answer.aggregates.len(), 1);
        assert_eq!(
            (line.count, line.sum, line.min, line.max),
            (300, 45_150.0, 1.0, 300.0)
        );
        let error = answer.percentile_relative_error;
        assert!((line.p50.unwrap() - 150.0).abs() <= 150.0 * error);
        assert!((line.p99.unwrap() - 297.0).abs() <= 297.0 * error);
        let completeness = answer.completeness.unwrap();
        assert_eq!(
            (completeness.nodes_asked, completeness.nodes_answered),
            (3, 3)
        );
    }
    let own = pb::GetAggregatesRequest {
        scope: pb::Scope::Node.into(),
        ..query(5)
    };
    let own = clients[0].get_aggregates(own).await.unwrap().into_inner();
    assert_eq!(own.aggregates[0].count, 100);

    nodes[2].stop().await;
    let answer = ask(&mut clients[0]).await;

    assert_eq!(answer.aggregates[0].count, 200);
    let completeness = answer.completeness.unwrap();
    assert_eq!(
        (completeness.nodes_asked, completeness.nodes_answered),
        (3, 2)
    );
    assert!(!completeness.complete);
}

#[tokio::test]
async fn a_node_that_is_its_own_peer_or_is_listed_twice_counts_once() {
    let trust = Trust::new();
    trust.believe("metrics", &["metrics:read"]);
    let (one, other) = (Node::listen(&trust).await, Node::listen(&trust).await);
    let config = LiveConfig {
        peers: vec![one.url(), other.url(), other.url()],
        peer_timeout_ms: 10_000,
        ..LiveConfig::default()
    };
    let nodes = [
        one.start(config).await,
        other.start(LiveConfig::default()).await,
    ];
    let tenant = TenantId::new();
    for node in &nodes {
        let mut client = client(&node.url, &trust, tenant, RIGHTS);
        send(&mut client, vec![packed("web", 1, &[1.0])])
            .await
            .1
            .unwrap();
    }

    let answer = ask(&mut client(&nodes[0].url, &trust, tenant, RIGHTS)).await;

    assert_eq!(answer.aggregates[0].count, 2);
    let completeness = answer.completeness.unwrap();
    assert_eq!(
        (completeness.nodes_asked, completeness.nodes_answered),
        (2, 2)
    );
}

#[tokio::test]
async fn an_answer_of_all_nodes_is_no_longer_than_that_of_one() {
    let trust = Trust::new();
    let nodes = cluster(&trust).await;
    let tenant = TenantId::new();
    let newest_ms = now_ms();
    // Each node has lines enough for an answer, and no line of another one.
    for (number, node) in nodes.iter().enumerate() {
        let mut client = client(&node.url, &trust, tenant, RIGHTS);
        let events = (0..4_000).map(|step| pb::Event {
            event_time: Some(timestamp(newest_ms - step / 100 * 1_000)),
            ..event(&format!("n{number}.t{}", step % 100), 1.0)
        });
        let (receipts, ended) = send(&mut client, vec![batch("web", 1, events.collect())]).await;
        ended.unwrap();
        assert_eq!(receipts[0].receipt.as_ref().unwrap().accepted, 4_000);
    }
    let mut client = client(&nodes[0].url, &trust, tenant, RIGHTS);
    let by_second = |scope: pb::Scope| pb::GetAggregatesRequest {
        grouping: pb::Grouping::Second.into(),
        scope: scope.into(),
        ..query(2)
    };

    let own = client.get_aggregates(by_second(pb::Scope::Node)).await;
    let all = client.get_aggregates(by_second(pb::Scope::Cluster)).await;

    assert_eq!(own.unwrap().into_inner().aggregates.len(), 4_000);
    assert_eq!(reason(&all.unwrap_err()), "ANSWER_TOO_LARGE");
}

#[tokio::test]
async fn a_question_that_cannot_be_answered_is_not_asked_of_others() {
    let trust = Trust::new();
    trust.believe("metrics", &["metrics:read"]);
    let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    peer.set_nonblocking(true).unwrap();
    let config = LiveConfig {
        peers: vec![format!("http://{}", peer.local_addr().unwrap())],
        ..LiveConfig::default()
    };
    let node = Node::start(&trust, config).await;
    let mut client = client(&node.url, &trust, TenantId::new(), RIGHTS);

    let refused = client.get_aggregates(query(0)).await.unwrap_err();

    assert_eq!(reason(&refused), "WINDOW_INVALID");
    assert!(peer.accept().is_err(), "it was called");
    client.get_aggregates(query(1)).await.unwrap();
    eventually("it is called", SOON, async || peer.accept().ok()).await;
}
