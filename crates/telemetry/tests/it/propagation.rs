//! Trace context across process borders.

use tonic::metadata::MetadataMap;
use tradepost_telemetry::{
    TRACEPARENT, current_trace_id, current_traceparent, inject, set_parent_from, span_with_parent,
};

use crate::support::json;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The trace id of a span whose parent is said to be `traceparent`.
fn trace_under(traceparent: &str) -> String {
    let mut trace_id = None;
    json("info", || {
        let _span = span_with_parent(tracing::info_span!("child"), Some(traceparent)).entered();
        trace_id = current_trace_id();
    });
    trace_id.expect("every span has an id")
}

#[test]
fn a_trace_goes_on_in_the_next_process() {
    let mut metadata = MetadataMap::new();
    let mut received = None;

    let lines = json("info", || {
        let _here = span_with_parent(tracing::info_span!("send"), Some(PARENT)).entered();
        inject(&mut metadata);
        let there = tracing::info_span!(parent: None, "receive");
        set_parent_from(&there, &metadata);
        let _there = there.entered();
        received = current_traceparent();
        tracing::info!("received");
    });

    let sent = metadata
        .get(TRACEPARENT)
        .and_then(|value| value.to_str().ok())
        .expect("it is set");
    assert!(sent.starts_with(&format!("00-{TRACE_ID}-")), "{sent}");
    assert_ne!(sent, PARENT, "the span is another one");
    let received = received.expect("a span is current");
    assert!(
        received.starts_with(&format!("00-{TRACE_ID}-")),
        "{received}"
    );
    assert_eq!(lines[0]["trace_id"], TRACE_ID);
}

#[test]
fn outside_of_a_span_nothing_is_sent() {
    let mut metadata = MetadataMap::new();

    json("info", || inject(&mut metadata));

    assert!(metadata.is_empty());
}

#[test]
fn a_later_version_of_the_header_is_understood() {
    let later = PARENT.replacen("00", "42", 1);

    assert_eq!(trace_under(&later), TRACE_ID);
    assert_eq!(trace_under(&format!("{later}-more")), TRACE_ID);
}

#[test]
fn a_malformed_header_starts_a_new_trace() {
    let zero = PARENT.replace(TRACE_ID, &"0".repeat(32));
    let longer = format!("{PARENT}-more");
    let upper = PARENT.to_uppercase();
    let forbidden = PARENT.replacen("00", "ff", 1);
    for header in [
        "",
        "00",
        "garbage",
        &PARENT[..54],
        &zero,
        &longer,
        &upper,
        &forbidden,
    ] {
        let trace_id = trace_under(header);

        assert_eq!(trace_id.len(), 32);
        assert_ne!(trace_id, TRACE_ID, "{header}");
    }
}
