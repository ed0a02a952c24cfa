//! Every field of every call has a bound, and what lies beyond it is refused by the field's name.

use prost_types::Timestamp;
use tonic::{Code, Response, Status};
use tradepost_proto::common::v1::PostalAddress;
use tradepost_proto::order::v1 as pb;
use tradepost_service::error::ErrorDetails;
use tradepost_types::OrderId;

use crate::stage::{Client, Stage, line, paid_by, reason, request};

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

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_address_has_a_bound() {
    type Change = fn(&mut PostalAddress);
    let stage = Stage::new().await;
    let beyond: [(&str, Change); 12] = [
        ("recipient", |to| to.recipient = "é".repeat(201)),
        ("recipient", |to| to.recipient = "a\nb".into()),
        ("lines", |to| to.lines = vec!["x".into(); 5]),
        ("lines[3]", |to| {
            to.lines = ["x", "x", "x", ""].map(str::to_owned).into();
        }),
        ("city", |to| to.city = String::new()),
        ("city", |to| to.city = "é".repeat(101)),
        ("city", |to| to.city = "a\0b".into()),
        ("region", |to| to.region = "a\tb".into()),
        ("postal_code", |to| to.postal_code = "\u{7f}".into()),
        ("country_code", |to| to.country_code = String::new()),
        ("country_code", |to| to.country_code = "GBR".into()),
        ("country_code", |to| to.country_code = "É".into()),
    ];

    for (field, change) in beyond {
        let mut request = request();
        change(request.shipping_address.as_mut().unwrap());
        let refused = stage.client.clone().place_order(request).await;
        assert_eq!(fields(refused), [format!("shipping_address.{field}")]);
    }
    assert_empty(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreed_price_is_one_of_the_orders_currency() {
    let stage = Stage::new().await;
    let priced = |minor_units, currency_code: &str| {
        let mut request = request();
        request.lines[0].agreed_unit_price = Some(tradepost_proto::common::v1::Money {
            currency_code: currency_code.to_owned(),
            minor_units,
        });
        let mut client = stage.client.clone();
        async move { client.place_order(request).await }
    };

    let foreign = priced(1, "EUR").await.unwrap_err();
    let unknown = priced(1, "XQX").await;
    let negative = priced(-1, "GBP").await;
    let largest = priced(i64::MAX, "GBP").await.unwrap_err();

    assert_eq!(reason(&foreign), "CURRENCY_MISMATCH");
    assert_eq!(fields(unknown), ["lines[0].agreed_unit_price"]);
    assert_eq!(fields(negative), ["lines[0].agreed_unit_price"]);
    assert_eq!(reason(&largest), "TOTAL_TOO_LARGE");
    assert_empty(&stage).await;
}

/// What no order is called.
fn no_orders() -> [String; 4] {
    let absent = OrderId::new().to_string();
    let payment = absent.replace("order_", "payment_");
    [
        String::new(),
        payment,
        format!("{absent}0"),
        "x".repeat(4_000),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_about_an_order_asks_for_its_id_alone() {
    let stage = Stage::new().await;
    let mut client = stage.client.clone();

    for order_id in no_orders() {
        let get = pb::GetOrderRequest {
            order_id: order_id.clone(),
        };
        assert_eq!(fields(client.get_order(get).await), ["order_id"]);
        let watch = pb::WatchOrderRequest {
            order_id: order_id.clone(),
        };
        assert_eq!(fields(client.watch_order(watch).await), ["order_id"]);
        let timeline = pb::GetOrderTimelineRequest {
            order_id: order_id.clone(),
        };
        let refused = client.get_order_timeline(timeline).await;
        assert_eq!(fields(refused), ["order_id"]);
        for verb in VERBS {
            let wish = Wish {
                order_id: order_id.clone(),
                ..wish()
            };
            assert_eq!(verb.run(&mut client, wish).await, ["order_id"], "{verb:?}");
        }
    }
}

/// A call that changes an order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verb {
    Cancel,
    Retry,
    Skip,
    Abandon,
}

const VERBS: [Verb; 4] = [Verb::Cancel, Verb::Retry, Verb::Skip, Verb::Abandon];

/// What those calls have in common.
struct Wish {
    request_id: String,
    order_id: String,
    text: String,
}

/// A good one, of an order that is not there.
fn wish() -> Wish {
    Wish {
        request_id: "~".repeat(255),
        order_id: OrderId::new().to_string(),
        text: "é".repeat(200),
    }
}

impl Verb {
    /// The field that holds the text.
    fn text(self) -> Option<&'static str> {
        match self {
            Self::Cancel => Some("note"),
            Self::Retry => None,
            Self::Skip | Self::Abandon => Some("reason"),
        }
    }

    /// The fields that are refused; none if only the order is missing.
    async fn run(self, client: &mut Client, wish: Wish) -> Vec<String> {
        let Wish {
            request_id,
            order_id,
            text,
        } = wish;
        let answer = match self {
            Self::Cancel => {
                let request = pb::CancelOrderRequest {
                    request_id,
                    order_id,
                    note: text,
                };
                client.cancel_order(request).await.map(|_| ())
            }
            Self::Retry => {
                let request = pb::RetryStuckOrderRequest {
                    request_id,
                    order_id,
                };
                client.retry_stuck_order(request).await.map(|_| ())
            }
            Self::Skip => {
                let request = pb::SkipStuckStepRequest {
                    request_id,
                    order_id,
                    reason: text,
                };
                client.skip_stuck_step(request).await.map(|_| ())
            }
            Self::Abandon => {
                let request = pb::AbandonStuckOrderRequest {
                    request_id,
                    order_id,
                    reason: text,
                };
                client.abandon_stuck_order(request).await.map(|_| ())
            }
        };
        match answer {
            Err(status) if reason(&status) == "ORDER_NOT_FOUND" => Vec::new(),
            answer => fields(answer.map(Response::new)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_call_that_changes_an_order_has_a_bound() {
    let stage = Stage::new().await;
    let mut client = stage.client.clone();

    for verb in VERBS {
        assert!(verb.run(&mut client, wish()).await.is_empty(), "{verb:?}");
        for request_id in [String::new(), "~".repeat(256), "é".into(), "a\nb".into()] {
            let wish = Wish {
                request_id,
                ..wish()
            };
            assert_eq!(
                verb.run(&mut client, wish).await,
                ["request_id"],
                "{verb:?}"
            );
        }
        let Some(field) = verb.text() else { continue };
        for text in ["é".repeat(201), "a\0b".to_owned(), String::new()] {
            let may_be_empty = verb == Verb::Cancel && text.is_empty();
            let expected: &[&str] = if may_be_empty { &[] } else { &[field] };
            let wish = Wish { text, ..wish() };
            assert_eq!(verb.run(&mut client, wish).await, expected, "{verb:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_list_has_a_bound() {
    type Change = fn(&mut pb::ListOrdersRequest);
    let stage = Stage::new().await;
    let mut client = stage.client.clone();
    let beyond: [(&str, Change); 13] = [
        ("page_size", |list| list.page_size = -1),
        ("states", |list| list.states = vec![1; 21]),
        ("states", |list| list.states = vec![99; 100_000]),
        ("states[1]", |list| list.states = vec![1, 99]),
        ("states[0]", |list| list.states = vec![0]),
        ("customer_ref", |list| list.customer_ref = "é".repeat(101)),
        ("customer_ref", |list| list.customer_ref = "a\0b".into()),
        ("create_time_from", |list| {
            list.create_time_from = at(0, -1);
        }),
        ("create_time_from", |list| {
            list.create_time_from = at(0, 1_000_000_000);
        }),
        ("create_time_from", |list| {
            list.create_time_from = at(i64::MIN, 0);
        }),
        ("create_time_until", |list| {
            list.create_time_until = at(0, i32::MIN);
        }),
        ("create_time_until", |list| {
            list.create_time_until = at(i64::MAX, 0);
        }),
        ("create_time_until", |list| {
            list.create_time_until = at(253_402_300_800, 0);
        }),
    ];

    for (field, change) in beyond {
        let mut request = pb::ListOrdersRequest::default();
        change(&mut request);
        assert_eq!(fields(client.list_orders(request).await), [field]);
    }
    let widest = pb::ListOrdersRequest {
        states: vec![1; 20],
        customer_ref: "é".repeat(100),
        create_time_from: at(-62_135_596_800, 0),
        create_time_until: at(253_402_300_799, 999_999_999),
        ..Default::default()
    };
    assert!(client.list_orders(widest).await.is_ok());
    let page_token = "A".repeat(2_049);
    let request = pb::ListOrdersRequest {
        page_token: page_token.clone(),
        ..Default::default()
    };
    let refused = client.list_orders(request).await.unwrap_err();
    assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    let request = pb::ListStuckOrdersRequest {
        page_token,
        ..Default::default()
    };
    let refused = client.list_stuck_orders(request).await.unwrap_err();
    assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    let request = pb::ListStuckOrdersRequest {
        page_size: -1,
        ..Default::default()
    };
    assert_eq!(
        fields(client.list_stuck_orders(request).await),
        ["page_size"]
    );
}

const fn at(seconds: i64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos })
}
