//! What is written into a status is read out of it.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_service::error::{ErrorDetails, Failure, FieldViolation, Violations};

#[test]
fn every_detail_survives_the_way_to_the_caller() {
    let status = Status::from(
        Failure::new(
            Code::FailedPrecondition,
            "ORDER_NOT_CANCELLABLE",
            "order.tradepost",
            "the order is shipped",
        )
        .metadata("state", "SHIPPED")
        .precondition("ORDER_STATE", "order_1", "it is SHIPPED")
        .retry_after(Duration::from_millis(1500)),
    );

    // Over the wire only the header's bytes travel.
    let received = Status::from_header_map(status.into_http::<()>().headers()).expect("a status");
    let details = ErrorDetails::from_status(&received);

    assert_eq!(details.code, Code::FailedPrecondition);
    assert_eq!(details.message, "the order is shipped");
    assert_eq!(details.reason, "ORDER_NOT_CANCELLABLE");
    assert_eq!(details.domain, "order.tradepost");
    assert_eq!(
        details.metadata.get("state").map(String::as_str),
        Some("SHIPPED")
    );
    assert_eq!(details.preconditions.len(), 1);
    assert_eq!(details.preconditions[0].kind, "ORDER_STATE");
    assert_eq!(details.retry_after, Some(Duration::from_millis(1500)));
}

#[test]
fn every_bad_field_is_listed_in_one_answer() {
    let mut violations = Violations::new();
    violations.request_id("");
    let sku = violations.take("lines[0].sku", "x".parse::<u8>());
    violations.add("lines[3].quantity", "must be at least 1");

    let details = ErrorDetails::from_status(&violations.check("order.tradepost").unwrap_err());

    assert_eq!(sku, None);
    assert_eq!(
        (details.code, details.reason.as_str()),
        (Code::InvalidArgument, "INVALID_FIELD")
    );
    let fields: Vec<&str> = details.fields.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["request_id", "lines[0].sku", "lines[3].quantity"]);
    let last = details.fields.last().expect("three fields");
    assert_eq!(
        last,
        &FieldViolation {
            field: "lines[3].quantity".to_owned(),
            description: "must be at least 1".to_owned()
        }
    );
}

/// What the headers of an answer count for, by the rules of HTTP/2; clients take 16 KiB of them.
fn header_bytes(status: Status) -> usize {
    let response = status.into_http::<()>();
    let headers = response.headers().iter();
    headers
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum()
}

const HEADER_BYTES_MAX: usize = 12 * 1_024;

#[test]
fn of_thousands_of_faults_the_first_are_named_and_the_others_counted() {
    let mut violations = Violations::new();
    for line in 0..2_000 {
        violations.add(format!("lines[{line}].sku"), "a SKU must not be empty");
        violations.add(format!("lines[{line}].quantity"), "must be at least 1");
    }

    let status = violations.check("order.tradepost").unwrap_err();

    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.reason, "INVALID_FIELD");
    assert_eq!(details.fields.len(), 50);
    assert_eq!(details.fields[0].field, "lines[0].sku");
    assert_eq!(details.fields[49].field, "lines[24].quantity");
    assert_eq!(details.metadata["faults"], "4000");
    let message = &details.message;
    assert!(
        message.starts_with("lines[0].sku a SKU must not be empty; lines[0].quantity"),
        "{message}"
    );
    let listed = message.split("; ").count() - 1;
    assert!(
        message.ends_with(&format!("; and {} more", 4_000 - listed)),
        "{message}"
    );
    assert!(header_bytes(status) < HEADER_BYTES_MAX);
}

#[test]
fn the_words_of_the_caller_do_not_make_an_answer_too_long() {
    let mut violations = Violations::new();
    for _ in 0..50 {
        violations.add("é".repeat(10_000), "ü".repeat(10_000));
    }
    let long = Failure::new(
        Code::NotFound,
        "NOT_FOUND",
        "tradepost",
        "é".repeat(100_000),
    );

    let refused = violations.check("order.tradepost").unwrap_err();

    let details = ErrorDetails::from_status(&refused);
    assert_eq!(details.metadata["faults"], "50");
    assert!(details.fields[0].field.ends_with("é…"));
    assert!(details.message.ends_with("; and 49 more"));
    assert!(header_bytes(refused) < HEADER_BYTES_MAX);
    assert!(header_bytes(long.into()) < HEADER_BYTES_MAX);
}

#[test]
fn faults_that_are_named_one_by_one_are_counted_too() {
    let failure = Failure::new(
        Code::InvalidArgument,
        "UNKNOWN_SKU",
        "order.tradepost",
        "no",
    );
    let named = (0..2_000).fold(failure, |failure, line| {
        failure.field(format!("lines[{line}].sku"), "is unknown")
    });

    let status = Status::from(named);

    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.fields.len(), 50);
    assert_eq!(details.metadata["faults"], "2000");
    assert!(header_bytes(status) < HEADER_BYTES_MAX);
}

#[test]
fn a_request_without_bad_fields_passes() {
    assert!(Violations::new().check("order.tradepost").is_ok());
}

#[test]
fn a_status_of_another_make_has_empty_details() {
    let details = ErrorDetails::from_status(&Status::unavailable("no connection"));

    assert_eq!(details.code, Code::Unavailable);
    assert_eq!(details.reason, "");
    assert!(details.fields.is_empty());
}

#[test]
fn request_ids_are_printable_and_of_a_sane_length() {
    use tradepost_service::request_id::fault;

    assert_eq!(fault("0190c6a2-7d0c-7b1e-8f4b-3f1d2c4b5a69"), None);
    assert_eq!(fault(&"a".repeat(255)), None);
    for bad in ["", &"a".repeat(256), "a\nb", "é"] {
        assert!(fault(bad).is_some(), "{bad:?}");
    }
}
