//! docs/asyncapi.json describes these messages, all of them and no other.

use std::collections::BTreeSet;

use serde_json::Value;
use tradepost_notifications::wire::{SUBPROTOCOL, Said, Told};

fn document() -> Value {
    let text = include_str!("../../../../docs/asyncapi.json");
    serde_json::from_str(text).unwrap()
}

/// The examples of an operation's messages.
fn examples(operation: &str) -> Vec<Value> {
    let document = document();
    let messages = document["operations"][operation]["messages"].as_array();
    let named = messages.unwrap().iter().map(|message| {
        let name = message["$ref"].as_str().unwrap().rsplit('/').next();
        let message = &document["components"]["messages"][name.unwrap()];
        message["examples"][0]["payload"].clone()
    });
    named.collect()
}

fn kinds(examples: &[Value]) -> BTreeSet<&str> {
    let kinds = examples.iter().map(|it| it["t"].as_str().unwrap());
    kinds.collect()
}

#[test]
fn what_the_server_says_is_described_as_it_is_said() {
    let examples = examples("tell");
    for example in &examples {
        let told = Told::parse(&example.to_string()).unwrap();
        let said: Value = serde_json::from_slice(&told.text()).unwrap();

        // Every variant, so that a new one is described too.
        let kind = match told {
            Told::Welcome(_) => "welcome",
            Told::Notification(_) => "notification",
            Told::Signal(_) => "signal",
            Told::Tops(_) => "tops",
            Told::Read(_) => "read",
            Told::Joined(_) => "joined",
            Told::Left(_) => "left",
            Told::Reconnect(_) => "reconnect",
            Told::Pong => "pong",
            Told::Refreshed(_) => "refreshed",
        };
        assert_eq!(&said, example);
        assert_eq!(said["t"], kind);
    }
    let all = [
        "joined",
        "left",
        "notification",
        "pong",
        "read",
        "reconnect",
        "refreshed",
        "signal",
        "tops",
        "welcome",
    ];
    assert_eq!(kinds(&examples), all.into());
}

#[test]
fn what_a_client_may_say_is_described_as_it_is_understood() {
    let examples = examples("say");
    for example in &examples {
        let said: Said = serde_json::from_value(example.clone()).unwrap();
        let again = serde_json::to_value(&said).unwrap();

        let kind = match said {
            Said::Hello { .. } => "hello",
            Said::Ack { .. } => "ack",
            Said::Read { .. } => "read",
            Said::Ping => "ping",
            Said::Refresh { .. } => "refresh",
        };
        assert_eq!(&again, example);
        assert_eq!(again["t"], kind);
    }
    let all = ["ack", "hello", "ping", "read", "refresh"];
    assert_eq!(kinds(&examples), all.into());
}

#[test]
fn the_version_is_named() {
    let channel = &document()["channels"]["notifications"];
    let description = channel["description"].as_str().unwrap();

    assert!(description.contains(SUBPROTOCOL), "{description}");
}
