//! Every field of every call has a bound, and what lies beyond it is refused by the field's name.

use tonic::Code;
use tradepost_proto::order::v1 as pb;
use tradepost_service::error::ErrorDetails;

use crate::stage::{Stage, line, request};

/// Asserts that nothing was kept of what was refused.
async fn assert_empty(stage: &Stage) {
    let mut admin = stage.admin().await;
    let counted = sqlx::query_scalar(
        "select (select count(*) from orders) + (select count(*) from order_lines)
              + (select count(*) from order_events)",
    );
    let rows: i64 = counted.fetch_one(&mut admin).await.unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_bad_lines_only_is_refused_by_its_first_lines() {
    let stage = Stage::new().await;
    let malformed = pb::PlaceOrderRequest {
        lines: vec![line("", 0); 2_000],
        ..request()
    };
    let unknown = pb::PlaceOrderRequest {
        lines: vec![line("NOPE", 1); 2_000],
        ..request()
    };

    for (request, reason, faults) in [
        (malformed, "INVALID_FIELD", "4000"),
        (unknown, "UNKNOWN_SKU", "2000"),
    ] {
        let refused = stage.plain().await.place_order(request).await.unwrap_err();

        let details = ErrorDetails::from_status(&refused);
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert_eq!(details.reason, reason);
        assert_eq!(details.metadata["faults"], faults);
        assert_eq!(details.fields.len(), 50);
        assert_eq!(details.fields[0].field, "lines[0].sku");
    }
    assert_empty(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_not_utf_8_and_a_message_that_is_too_large_are_the_callers_fault() {
    let stage = Stage::new().await;

    for (key, code, reason) in [
        (
            b"key\xff".to_vec(),
            Code::InvalidArgument,
            "MESSAGE_MALFORMED",
        ),
        (vec![b'k'; 5 << 20], Code::OutOfRange, "MESSAGE_TOO_LARGE"),
    ] {
        let refused = stage.place_raw(key).await.unwrap_err();

        let details = ErrorDetails::from_status(&refused);
        assert_eq!(refused.code(), code, "{refused:?}");
        assert_eq!(
            (details.domain.as_str(), details.reason.as_str()),
            ("tradepost", reason)
        );
    }
    assert_empty(&stage).await;
}
