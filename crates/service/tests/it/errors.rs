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
