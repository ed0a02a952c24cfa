//! Several nodes answer as one, and say when one is missing.

use tradepost_metrics::config::LiveConfig;
use tradepost_proto::metrics::v1 as pb;
use tradepost_testkit::Trust;
use tradepost_types::TenantId;

use super::support::{Node, RIGHTS, ask, client, packed, query, send};

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
