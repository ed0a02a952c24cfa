//! Log lines: valid JSON, with the trace they belong to, without what must not be shown.

use std::error::Error;
use std::io;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tradepost_telemetry::{LogFormat, Redacted, current_trace_id};

use crate::support::{json, logged};

#[test]
fn a_line_is_json_with_all_that_a_reader_needs() {
    let mut trace_id = None;

    let lines = json("info", || {
        let _span =
            tracing::info_span!("rpc", otel.kind = "server", rpc.method = "a.B/C").entered();
        trace_id = current_trace_id();
        tracing::info!(
            event = "order.placed",
            order.lines = 3,
            "an \"order\"\nwas placed"
        );
    });

    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["message"], "an \"order\"\nwas placed");
    assert_eq!(line["severity"], "INFO");
    assert_eq!(line["service.name"], "test");
    assert_eq!(line["event"], "order.placed");
    assert_eq!(line["order.lines"], 3);
    assert_eq!(
        line["rpc.method"], "a.B/C",
        "the fields of the span are in the line"
    );
    assert!(
        line.get("otel.kind").is_none(),
        "instructions to the trace layer are not"
    );
    assert_eq!(line["trace_id"].as_str(), trace_id.as_deref());
    assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
    assert_eq!(line["span_id"].as_str().map(str::len), Some(16));
    let timestamp = line["timestamp"].as_str().expect("a text");
    let parsed = OffsetDateTime::parse(timestamp, &Rfc3339).expect("RFC 3339");
    assert!(parsed.offset().is_utc());
}

#[test]
fn a_line_outside_of_any_span_has_no_ids() {
    let lines = json("info", || tracing::info!("alone"));

    assert!(lines[0].get("trace_id").is_none());
}

#[test]
fn a_quiet_log_still_knows_the_trace() {
    let lines = json("warn", || {
        let _span = tracing::info_span!("rpc", tenant = "t").entered();
        tracing::info!("not shown");
        tracing::warn!("shown");
    });

    assert_eq!(lines.len(), 1);
    assert!(lines[0]["trace_id"].is_string());
    assert_eq!(lines[0]["tenant"], "t");
}

#[test]
fn inner_fields_win_and_recorded_fields_appear() {
    let lines = json("info", || {
        let outer = tracing::info_span!("outer", step = 1, code = tracing::field::Empty).entered();
        outer.record("code", "OK");
        let _inner = tracing::info_span!("inner", step = 2).entered();
        tracing::info!("said");
    });

    assert_eq!(lines[0]["step"], 2);
    assert_eq!(lines[0]["code"], "OK");
}

#[test]
fn no_field_can_replace_what_every_line_has() {
    let lines = json("info", || {
        tracing::info!(severity = "FAKE", timestamp = "never", "said");
    });

    assert_eq!(lines[0]["severity"], "INFO");
    assert_ne!(lines[0]["timestamp"], "never");
}

#[test]
fn an_error_is_logged_with_all_its_causes() {
    let cause = io::Error::other("the disk is full");
    let error = io::Error::other(Wrapped(cause));

    let lines = json("info", || {
        tracing::error!(error = &error as &(dyn Error + 'static), "failed");
    });

    assert_eq!(lines[0]["error"], "writing failed: the disk is full");
}

#[test]
fn what_is_redacted_reaches_no_line() {
    let email = Redacted::new("someone@example.com");

    for format in [LogFormat::Json, LogFormat::Text] {
        let log = logged("info", format, || {
            let _span = tracing::info_span!("rpc", customer = %email).entered();
            tracing::info!(debug = ?email, display = %email, nested = ?Some(&email), "said {email}");
        });

        assert!(log.contains("[redacted]"), "{log}");
        assert!(!log.contains("someone"), "{log}");
    }
    assert_eq!(*email.expose(), "someone@example.com");
}

#[test]
fn a_text_line_stays_one_line() {
    let log = logged("info", LogFormat::Text, || {
        tracing::info!(a = 1, "first\nsecond");
    });

    assert_eq!(log.lines().count(), 1);
    assert!(log.contains("INFO first\\nsecond a=1"), "{log}");
}

#[derive(Debug)]
struct Wrapped(io::Error);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("writing failed")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
