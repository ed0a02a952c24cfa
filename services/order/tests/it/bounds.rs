//! Every field of every call has a bound, and what lies beyond it is refused by the field's name.

use tonic::{Code, Response, Status};
use tradepost_proto::order::v1 as pb;
use tradepost_service::error::ErrorDetails;

use crate::stage::{Stage, line, paid_by, request};

type Answer<T> = Result<Response<T>, Status>;

/// The fields a refusal names.
fn fields<T>(answer: Answer<T>) -> Vec<String> {
    let status = answer.err().expect("it is refused");
    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.reason, "INVALID_FIELD", "{status:?}");
    assert_eq!(status.code(), Code::InvalidArgument);
    let fields = details.fields.into_iter().map(|fault| fault.field);
    fields.collect()
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_card_number_is_refused_and_a_token_taken_as_payment_does() {
    let stage = Stage::new().await;

    for number in [
        "4242424242424242",
        "4242-4242-4242-4242",
        "4242.4242.4242.4242",
        "tok_123456789012",
        "pm_4242424242424242",
        "card:4242/4242/4242/4242!",
    ] {
        let refused = stage.client.clone().place_order(paid_by(number)).await;
        assert_eq!(fields(refused), ["payment_method"], "{number}");
    }
    assert_empty(&stage).await;
    for token in ["pm_1MqLiJLkdIwHu7ixUOGbGKnV", "tok_12345678901"] {
        stage.place(paid_by(token)).await;
    }
}
