//! The API against its own description: it serves what is described, nothing else, and answers
//! only as described, whatever it is sent.

mod generated;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, Request};
use http_body_util::Full;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::stage::{Stage, keyed};

fn document() -> Value {
    serde_json::to_value(tradepost_gateway::http::openapi()).unwrap()
}

/// Every path with the methods that are described for it.
fn paths(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| {
        item.as_object()
            .unwrap()
            .keys()
            .map(|key| key.to_uppercase())
            .collect()
    };
    paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)))
        .collect()
}

/// A path of a template: any name for every parameter.
fn filled(template: &str) -> String {
    template.replace(['{', '}'], "")
}

#[tokio::test]
async fn every_method_that_is_described_is_served() {
    let stage = Stage::new().await;
    for (path, methods) in paths(&document()) {
        for method in methods {
            let method: Method = method.parse().unwrap();
            let answer = stage
                .send(keyed(method.clone(), &filled(&path), "{}"))
                .await;
            let missing = answer.status == 405
                || (answer.status == 404 && answer.problem()["reason"] == "NOT_FOUND");
            assert!(!missing, "{method} {path}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn every_method_that_is_not_described_is_not_allowed() {
    let stage = Stage::new().await;
    for (path, methods) in paths(&document()) {
        let mut allowed = methods.clone();
        if methods.contains("GET") {
            allowed.insert("HEAD".to_owned());
        }
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LOCK",
        ] {
            if allowed.contains(method) {
                continue;
            }
            let request = Request::builder().method(method).uri(filled(&path));
            let answer = stage.send(request.body(Full::default()).unwrap()).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            let said = answer.header("allow").unwrap();
            let said: BTreeSet<_> = said.split(',').map(|name| name.trim().to_owned()).collect();
            assert_eq!(said, allowed, "{method} {path}");
        }
    }
    assert_eq!(stage.fake.calls(), 0);
}

/// For every operation, requests made after its schema and bent in every way: each is answered,
/// and with a status that the description names.
#[test]
fn whatever_is_sent_the_answer_is_one_of_those_described() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let stage = runtime.block_on(Stage::new());
    let document = document();
    for operation in generated::operations(&document) {
        let mut runner = TestRunner::new(Config {
            cases: 48,
            failure_persistence: None,
            ..Config::default()
        });
        let run = runner.run(&operation.requests(), |request| {
            let text = format!("{request:?}");
            let answer = runtime.block_on(stage.send(request.build()));
            let status = answer.status.as_u16().to_string();
            proptest::prop_assert!(operation.answers.contains(&status), "{status} to {text}");
            proptest::prop_assert_ne!(status, "500", "{}", text);
            let has_own_form = text.contains("\"/oauth/") && answer.is_oauth_error();
            if answer.status.is_client_error() && !has_own_form {
                answer.problem();
            }
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{} {}: {error}", operation.method, operation.path));
    }
}
