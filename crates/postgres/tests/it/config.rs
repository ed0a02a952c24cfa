//! The database section of a configuration.

use garde::Validate;
use tradepost_postgres::{Database, DatabaseConfig};

fn parse(json: &str) -> DatabaseConfig {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_printed_or_logged_configuration_shows_no_password() {
    let mut config = parse(
        r#"{"url": "postgres://order_app:hunter2@db:5433/order?password=hunter2",
            "system_url": "postgres://order_system:hunter2@db/order"}"#,
    );
    config.owner_url = Some("hunter2 is no URL".into());

    let printed = serde_json::to_value(&config).unwrap();
    let logged = format!("{config:?}");
    let refused = Database::connect_lazy(&DatabaseConfig::new("hunter2", "hunter2"), "test");
    let refused = format!("{:?}", refused.unwrap_err());

    assert_eq!(printed["url"], "postgres://order_app:***@db:5433/order?***");
    assert_eq!(
        printed["system_url"],
        "postgres://order_system:***@db/order"
    );
    assert_eq!(printed["owner_url"], "***");
    assert_eq!(printed["max_connections"], 8);
    for text in [printed.to_string(), logged, refused] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn every_bad_field_is_reported_at_once() {
    let config = parse(
        r#"{"url": "mysql://db/order", "system_url": "nonsense", "owner_url": "http://db",
            "max_connections": 0, "lock_timeout_ms": 1}"#,
    );

    let report = config.validate().unwrap_err().to_string();

    for field in [
        "url:",
        "system_url:",
        "owner_url:",
        "max_connections:",
        "lock_timeout_ms:",
    ] {
        assert!(
            report.lines().any(|line| line.contains(field)),
            "{field} is not in: {report}"
        );
    }
}

#[test]
fn a_misspelt_field_is_refused() {
    let parsed = serde_json::from_str::<DatabaseConfig>(
        r#"{"url": "postgres://a", "system_url": "postgres://a", "max_connection": 3}"#,
    );

    assert!(parsed.is_err());
}
