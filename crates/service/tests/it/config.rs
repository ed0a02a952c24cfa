//! Configuration: precedence, all faults at once, no secrets shown.

use std::fs;
use std::path::PathBuf;

use garde::Validate;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tradepost_service::CommonConfig;
use tradepost_service::config::{ConfigErrors, Sources, load, secret};

#[derive(Debug, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
struct Config {
    #[garde(dive)]
    #[serde(default)]
    server: CommonConfig,
    #[garde(dive)]
    database: Database,
    #[garde(range(max = 100))]
    #[serde(default)]
    retries: u32,
    #[garde(skip)]
    #[serde(default)]
    regions: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
struct Database {
    #[garde(skip)]
    #[serde(serialize_with = "secret::mask")]
    url: SecretString,
    #[garde(skip)]
    name: String,
    #[garde(skip)]
    #[serde(default, serialize_with = "secret::mask_option")]
    owner_url: Option<SecretString>,
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("the directory is writable");
    path
}

fn environment(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables
        .iter()
        .map(|(key, value)| (format!("TRADEPOST_ORDER__{key}"), (*value).to_owned()))
        .collect()
}

fn faults(sources: &Sources) -> Vec<String> {
    let ConfigErrors(problems) = load::<Config>("order", sources).expect_err("it is faulty");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn each_source_wins_over_the_one_before() {
    let sources = Sources {
        file: Some(file(
            "precedence.toml",
            "retries = 1\n[database]\nname = 'file'\nurl = 'file'\n[server]\ncalls_max = 7\n",
        )),
        dotenv: Some(file(
            "precedence.env",
            "TRADEPOST_ORDER__RETRIES=2\nTRADEPOST_ORDER__DATABASE__NAME='dot env'\nOTHER=1\n",
        )),
        environment: environment(&[("RETRIES", "3"), ("SERVER__TELEMETRY__LOG_FORMAT", "text")]),
    };

    let config: Config = load("order", &sources).expect("a good configuration");

    assert_eq!(config.retries, 3, "the environment");
    assert_eq!(config.database.name, "dot env", ".env");
    assert_eq!(config.server.calls_max, 7, "the file");
    assert_eq!(config.server.deadline_default_ms, 10_000, "the default");
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_printed() {
    let secret = file("secret", "postgres://hunter2\n");
    let path = secret.to_str().expect("it is text");
    let sources = Sources {
        environment: environment(&[
            ("DATABASE__URL_FILE", path),
            ("DATABASE__NAME", "12345"),
            ("DATABASE__OWNER_URL", "67890"),
            ("REGIONS", "[eu, us]"),
        ]),
        ..Sources::default()
    };

    let config: Config = load("order", &sources).expect("a good configuration");
    let printed = serde_json::to_string(&config).expect("it serialises");

    assert_eq!(config.database.url.expose_secret(), "postgres://hunter2");
    assert_eq!(
        config.database.name, "12345",
        "a text that looks like a number stays a text"
    );
    assert_eq!(config.regions, ["eu", "us"]);
    assert!(
        printed.contains(r#""url":"***","name":"12345","owner_url":"***""#),
        "{printed}"
    );
    assert!(!printed.contains("hunter2") && !format!("{config:?}").contains("hunter2"));
}

#[test]
fn every_fault_is_listed_with_its_key_and_origin_and_without_its_value() {
    let sources = Sources {
        file: Some(file(
            "faults.toml",
            "colour = 'blue'\n[server]\ncalls_max = 0\n",
        )),
        environment: environment(&[
            ("RETRIES", "manytimes"),
            ("DATABASE__URI", "hunter2"),
            ("DATABASE__OWNER_URL_FILE", "/no/such/file"),
            ("SERVER__LISTEN_ADDR", "hunter3"),
            ("SERVER__TELEMETRY__LOG_FORMAT", "xml"),
            ("SERVER__TELEMETRY__SAMPLE_RATIO", "2.5"),
        ]),
        ..Sources::default()
    };

    let faults = faults(&sources);

    let all = faults.join("\n");
    for (key, origin) in [
        ("colour: is no known key", "faults.toml"),
        ("retries: must be", "TRADEPOST_ORDER__RETRIES"),
        (
            "database.uri: is no known key; known are url, name",
            "TRADEPOST_ORDER__DATABASE__URI",
        ),
        ("database.url: is required", ""),
        ("database.name: is required", ""),
        (
            "database.owner_url: its file",
            "TRADEPOST_ORDER__DATABASE__OWNER_URL_FILE",
        ),
        (
            "server.listen_addr: ",
            "TRADEPOST_ORDER__SERVER__LISTEN_ADDR",
        ),
        ("server.telemetry.log_format: must be one of", "LOG_FORMAT"),
        ("server.calls_max: ", "faults.toml"),
        ("server.telemetry.sample_ratio: ", "SAMPLE_RATIO"),
    ] {
        let found = faults.iter().find(|fault| fault.starts_with(key));
        assert!(
            found.is_some_and(|fault| fault.contains(origin)),
            "{key} in\n{all}"
        );
    }
    assert_eq!(faults.len(), 10, "{all}");
    assert!(!all.contains("hunter"), "{all}");
}

#[test]
fn a_missing_table_is_asked_for_key_by_key() {
    let faults = faults(&Sources::default());

    assert_eq!(
        faults,
        [
            "database: is required",
            "database.url: is required",
            "database.name: is required"
        ]
    );
}

#[test]
fn a_key_given_both_as_value_and_as_file_is_a_fault() {
    let path = file("twice", "b");
    let sources = Sources {
        environment: environment(&[
            ("DATABASE__NAME", "n"),
            ("DATABASE__URL", "a"),
            ("DATABASE__URL_FILE", path.to_str().expect("it is text")),
        ]),
        ..Sources::default()
    };

    let faults = faults(&sources);

    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(
        faults[0].starts_with("database.url: is given twice"),
        "{faults:?}"
    );
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_a_fault() {
    for path in [PathBuf::from("/no/such.toml"), file("broken.toml", "a = [")] {
        let sources = Sources {
            file: Some(path),
            environment: environment(&[("DATABASE__URL", "a"), ("DATABASE__NAME", "b")]),
            ..Sources::default()
        };

        assert_eq!(faults(&sources).len(), 1);
    }
}
