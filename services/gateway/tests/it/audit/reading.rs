//! `GET /v1/audit` and its export.

use axum::http::Method;
use tradepost_gateway::adapters::postgres::audit::append_all;
use tradepost_gateway::command::audit::verify_export;
use tradepost_gateway::domain::audit::{Actor, Chain, Entry, Origin, Outcome};
use tradepost_gateway::domain::rights::Role;

use super::support::{self, a_chain, entry};
use crate::doubles::{TENANT, caller};
use crate::stage::{Stage, bare};

/// A gateway with a tenant's chain of 60, another tenant's and the platform's.
async fn stage() -> (support::Stage, Stage) {
    let stored = support::Stage::new().await;
    let mut config = stored.test_database.config();
    config.acquire_timeout_ms = 30_000;
    let stage = Stage::with(|gateway| gateway.database = config).await;
    let chain = Chain::Tenant(TENANT.parse().unwrap());
    let mut entries: Vec<Entry> = (0..60)
        .map(|n| {
            let outcome = Outcome::ALL[n % 4];
            Entry::new(chain, Actor::Anonymous, "place_order", outcome)
                .on(format!("order_{n}"))
                .from(Origin::new(Some("203.0.113.7".parse().unwrap()), None))
        })
        .collect();
    entries.push(entry(a_chain().1));
    entries.push(Entry::new(
        Chain::Platform,
        Actor::System("test"),
        "create_tenant",
        Outcome::Succeeded,
    ));
    let mut tx = stored.database.system_tx().await.unwrap();
    append_all(tx.conn(), &entries).await.unwrap();
    tx.commit().await.unwrap();
    (stored, stage)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_reads_its_own_trail_newest_first_and_page_by_page() {
    let (_stored, stage) = stage().await;

    let first = stage.get("/v1/audit").await.json();
    let token = first["next_page_token"].as_str().unwrap();
    let second = stage.get(&format!("/v1/audit?page_token={token}")).await;
    let second = second.json();

    let seqs = |page: &serde_json::Value| -> Vec<i64> {
        let entries = page["entries"].as_array().unwrap().iter();
        entries
            .map(|entry| entry["seq"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(seqs(&first), (11..=60).rev().collect::<Vec<_>>());
    assert_eq!(seqs(&second), (1..=10).rev().collect::<Vec<_>>());
    assert!(second.get("next_page_token").is_none());
    let entry = &second["entries"][9];
    assert_eq!(entry["actor"], "anonymous");
    assert_eq!(entry["outcome"], "ATTEMPTED");
    assert_eq!(entry["object"], "order_0");
    assert_eq!(entry["address"], "203.0.113.7");
    assert!(entry.get("reason").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_found_by_what_is_known_of_them() {
    let (_stored, stage) = stage().await;
    for (query, count) in [
        ("outcome=DENIED", 15),
        ("object=order_7", 1),
        ("actor=anonymous&action=place_order&page_size=500", 60),
        ("action=cancel_order", 0),
        ("from=2999-01-01T00:00:00Z", 0),
        (
            "from=2020-01-01T00:00:00Z&until=2999-01-01T00:00:00Z&page_size=500",
            60,
        ),
        ("until=2020-01-01T00:00:00Z", 0),
    ] {
        let page = stage.get(&format!("/v1/audit?{query}")).await.json();
        assert_eq!(page["entries"].as_array().unwrap().len(), count, "{query}");
    }
    let token = stage.get("/v1/audit").await.json()["next_page_token"].clone();
    let token = token.as_str().unwrap();
    let other = format!("/v1/audit?outcome=DENIED&page_token={token}");
    for (path, reason) in [
        ("/v1/audit?page_size=-1", "INVALID_QUERY"),
        ("/v1/audit?page_token=x", "PAGE_TOKEN_INVALID"),
        ("/v1/audit?outcome=denied", "INVALID_QUERY"),
        ("/v1/audit?tenant_id=x", "INVALID_QUERY"),
        (other.as_str(), "PAGE_TOKEN_INVALID"),
    ] {
        let (status, found, _) = stage.get(path).await.faults();
        assert_eq!((status, found.as_str()), (400, reason), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reads_the_platforms_trail_and_others_read_none() {
    let (_stored, stage) = stage().await;
    stage.doubles.knows("op", caller(Role::Operator));
    stage.doubles.knows("manager", caller(Role::Manager));
    let ask = async |path: &str, token: &str| {
        let mut request = bare(Method::GET, path);
        let token = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", token);
        stage.send(request).await
    };

    let platform = ask("/v1/audit", "op").await.json();

    assert_eq!(platform["entries"].as_array().unwrap().len(), 1);
    assert_eq!(platform["entries"][0]["action"], "create_tenant");
    for path in ["/v1/audit", "/v1/audit/export"] {
        assert_eq!(ask(path, "manager").await.faults().0, 403, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_what_the_verifier_takes_and_is_an_entry_itself() {
    let (_stored, stage) = stage().await;

    let answer = stage.get("/v1/audit/export").await;

    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let report = verify_export(answer.bytes.as_ref(), &[], None).unwrap();
    assert!(report.is_good());
    assert_eq!((report.rows, report.chains.len()), (60, 1));
    let told = stage.doubles.entries();
    assert_eq!(told.last().unwrap().action(), "export_audit");

    stage.doubles.break_trail();
    let (status, reason, _) = stage.get("/v1/audit/export").await.faults();
    assert_eq!((status, reason.as_str()), (503, "AUDIT_UNAVAILABLE"));
}
