//! Outgoing webhooks: what the service is asked, what the caller is told, and that a secret is told once.

use axum::http::Method;
use serde_json::{Value, json};
use tonic::Code;
use tradepost_proto::notification::v1 as ntf;
use tradepost_service::error::Failure;
use tradepost_testkit::eventually;

use crate::fake::{ENDPOINT_ID, NOTIFICATION_ID, SECRET};
use crate::stage::{Answer, SOON, Stage, bare, keyed};

const ENDPOINTS: &str = "/v1/webhook-endpoints";

fn endpoint_path(rest: &str) -> String {
    format!("{ENDPOINTS}/{ENDPOINT_ID}{rest}")
}

fn told(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json())
}

fn place(kind: &str, name: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), name.to_owned())]
}

fn wanted() -> Value {
    json!({"url": "https://shop.example/hooks", "types": ["order.*"], "description": "The till"})
}

fn endpoint() -> Value {
    json!({
        "endpoint_id": ENDPOINT_ID,
        "url": "https://shop.example/hooks",
        "types": ["order.*"],
        "description": "The till",
        "state": "ENABLED",
        "create_time": "1970-01-01T00:00:00Z",
    })
}

fn delivery() -> Value {
    json!({
        "delivery_id": "whd_01h455vb4pex5vsknk084sn02q",
        "endpoint_id": ENDPOINT_ID,
        "webhook_id": NOTIFICATION_ID,
        "type": "order.confirmed",
        "state": "PENDING",
        "attempts": 0,
        "next_attempt_time": "1970-01-01T00:01:00Z",
        "create_time": "1970-01-01T00:00:00Z",
    })
}

fn failure(code: Code, reason: &'static str) -> Failure {
    Failure::new(code, reason, "notification.tradepost", "no")
}

#[tokio::test]
async fn an_endpoint_is_made_with_its_secret() {
    let stage = Stage::new().await;

    let made = stage.post(ENDPOINTS, &wanted()).await;
    let plain = json!({"url": "https://shop.example/hooks", "types": ["*"]});
    stage.post(ENDPOINTS, &plain).await;

    let expected = json!({"endpoint": endpoint(), "secret": SECRET});
    assert_eq!(told(&made), (201, expected));
    let asked = stage.fake.all::<ntf::CreateEndpointRequest>();
    let request = ntf::CreateEndpointRequest {
        request_id: "key-1".to_owned(),
        url: "https://shop.example/hooks".to_owned(),
        types: vec!["order.*".to_owned()],
        description: "The till".to_owned(),
    };
    assert_eq!(asked[0], request);
    assert_eq!(asked[1].description, "");
}

#[tokio::test]
async fn a_repetition_after_a_rotation_is_told_no_secret() {
    let stage = Stage::new().await;
    *stage.fake.old.lock().unwrap() = true;

    let made = stage.post(ENDPOINTS, &wanted()).await;

    assert_eq!(told(&made), (201, json!({"endpoint": endpoint()})));
}

/// No shared cache, no list and no trail has it.
#[tokio::test]
async fn a_secret_is_in_the_answers_that_make_it_and_nowhere_else() {
    let stage = Stage::new().await;
    let rotate = keyed(Method::POST, &endpoint_path("/secret"), "");

    let answers = [
        (true, stage.post(ENDPOINTS, &wanted()).await),
        (true, stage.send(rotate).await),
        (false, stage.get(ENDPOINTS).await),
        (false, stage.get(&endpoint_path("")).await),
        (false, stage.get(&endpoint_path("/deliveries")).await),
    ];

    for (shown, answer) in &answers {
        assert!(answer.status.is_success());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let text = String::from_utf8_lossy(&answer.bytes);
        assert_eq!(text.contains(SECRET), *shown, "{text}");
        assert_eq!(text.contains("secret\""), *shown, "{text}");
    }
    let entries = eventually("both calls have ended", SOON, async || {
        let entries = stage.doubles.entries();
        (entries.len() == 4).then_some(entries)
    })
    .await;
    let actions: Vec<_> = entries.iter().map(|entry| entry.action()).collect();
    for action in ["create_webhook_endpoint", "rotate_webhook_secret"] {
        assert!(actions.contains(&action), "{actions:?}");
    }
    let whole = format!("{entries:?}");
    assert!(
        !whole.contains("whsec_") && !whole.contains("shop.example"),
        "{whole}"
    );
}

#[tokio::test]
async fn endpoints_are_read_with_what_stands_against_them() {
    let stage = Stage::new().await;

    let all = stage.get(ENDPOINTS).await;
    let one = stage.get(&endpoint_path("")).await;

    let mut disabled = endpoint();
    for (field, value) in [
        ("state", json!("DISABLED")),
        ("disabled_reason", json!("FAILING")),
        ("disable_time", json!("1970-01-01T00:01:00Z")),
        ("failing_since_time", json!("1970-01-01T00:00:00Z")),
        ("previous_secret_expire_time", json!("1970-01-01T00:02:00Z")),
    ] {
        disabled[field] = value;
    }
    let expected = json!({"endpoints": [endpoint(), disabled]});
    assert_eq!(told(&all), (200, expected));
    assert_eq!(told(&one), (200, endpoint()));
    let asked = &stage.fake.all::<ntf::GetEndpointRequest>()[0];
    assert_eq!(asked.endpoint_id, ENDPOINT_ID);
}

#[tokio::test]
async fn a_patch_changes_what_it_names() {
    let stage = Stage::new().await;
    let change = async |patch: Value| {
        let path = endpoint_path("");
        let request = keyed(Method::PATCH, &path, patch.to_string());
        stage.send(request).await
    };

    let stopped = change(json!({"enabled": false})).await;
    change(json!({"types": ["order.*"], "description": ""})).await;
    let nothing = change(json!({"types": []})).await;

    assert_eq!(told(&stopped), (200, endpoint()));
    let asked = stage.fake.all::<ntf::UpdateEndpointRequest>();
    let untouched = ntf::UpdateEndpointRequest {
        endpoint_id: ENDPOINT_ID.to_owned(),
        ..ntf::UpdateEndpointRequest::default()
    };
    let expected = ntf::UpdateEndpointRequest {
        enabled: Some(false),
        ..untouched.clone()
    };
    assert_eq!(asked[0], expected);
    let expected = ntf::UpdateEndpointRequest {
        types: vec!["order.*".to_owned()],
        description: Some(String::new()),
        ..untouched
    };
    assert_eq!(asked[1], expected);
    // To the service no types would be those it has.
    let refused = (400, "INVALID_FIELD".to_owned(), place("pointer", "/types"));
    assert_eq!((nothing.faults(), asked.len()), (refused, 2));
}

#[tokio::test]
async fn what_is_asked_for_by_the_path_is_asked_with_the_key() {
    let stage = Stage::new().await;
    let resend = "/v1/webhook-deliveries/whd_1/resend";

    let rotated = stage
        .send(keyed(Method::POST, &endpoint_path("/secret"), ""))
        .await;
    let tested = stage
        .send(keyed(Method::POST, &endpoint_path("/test"), ""))
        .await;
    let resent = stage.send(keyed(Method::POST, resend, "")).await;
    let removed = stage.send(bare(Method::DELETE, &endpoint_path(""))).await;

    let made = json!({"endpoint": endpoint(), "secret": SECRET});
    assert_eq!(told(&rotated), (201, made));
    assert_eq!(told(&tested), (202, delivery()));
    assert_eq!(told(&resent), (202, delivery()));
    assert_eq!((removed.status.as_u16(), removed.bytes.len()), (204, 0));
    let (endpoint_id, request_id) = (ENDPOINT_ID.to_owned(), "key-1".to_owned());
    let rotate = ntf::RotateSecretRequest {
        request_id: request_id.clone(),
        endpoint_id: endpoint_id.clone(),
        at_once: false,
    };
    assert_eq!(stage.fake.all::<ntf::RotateSecretRequest>(), [rotate]);
    let test = ntf::TestEndpointRequest {
        request_id: request_id.clone(),
        endpoint_id: endpoint_id.clone(),
    };
    assert_eq!(stage.fake.all::<ntf::TestEndpointRequest>(), [test]);
    let resend = ntf::ResendDeliveryRequest {
        request_id,
        delivery_id: "whd_1".to_owned(),
    };
    assert_eq!(stage.fake.all::<ntf::ResendDeliveryRequest>(), [resend]);
    let delete = ntf::DeleteEndpointRequest { endpoint_id };
    assert_eq!(stage.fake.all::<ntf::DeleteEndpointRequest>(), [delete]);
}

#[tokio::test]
async fn a_secret_that_is_known_is_replaced_at_once() {
    let stage = Stage::new().await;
    let path = endpoint_path("/secret?at_once=true");

    let rotated = stage.send(keyed(Method::POST, &path, "")).await;
    let path = endpoint_path("/secret?at_once=perhaps");
    let refused = stage.send(keyed(Method::POST, &path, "")).await;

    assert_eq!(rotated.status, 201);
    assert_eq!(refused.faults().1, "INVALID_QUERY");
    let asked = stage.fake.all::<ntf::RotateSecretRequest>();
    let asked: Vec<bool> = asked.into_iter().map(|request| request.at_once).collect();
    assert_eq!(asked, [true]);
}

#[tokio::test]
async fn without_a_key_nothing_is_made_or_sent() {
    let stage = Stage::new().await;
    for path in [
        ENDPOINTS.to_owned(),
        endpoint_path("/secret"),
        endpoint_path("/test"),
        "/v1/webhook-deliveries/whd_1/resend".to_owned(),
        "/v1/emails/eml_1/resend".to_owned(),
    ] {
        let answer = stage.send(bare(Method::POST, &path)).await;
        let (status, reason, _) = answer.faults();
        let expected = (400, "IDEMPOTENCY_KEY_MISSING".to_owned());
        assert_eq!((status, reason), expected, "{path}");
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn deliveries_are_listed_by_state_and_page() {
    let stage = Stage::new().await;
    let path = endpoint_path("/deliveries");

    let page = stage
        .get(&format!("{path}?state=FAILED&page_size=7&page_token=t"))
        .await;
    stage.get(&path).await;
    let odd = stage.get(&format!("{path}?state=LOST")).await;

    let mut failed = delivery();
    failed.as_object_mut().unwrap().remove("next_attempt_time");
    for (field, value) in [
        ("state", json!("FAILED")),
        ("attempts", json!(10)),
        ("last_attempt_time", json!("1970-01-01T00:01:00Z")),
        ("last_status", json!(503)),
        ("last_error", json!("status")),
    ] {
        failed[field] = value;
    }
    let expected = json!({"deliveries": [delivery(), failed], "next_page_token": "next"});
    assert_eq!(told(&page), (200, expected));
    let refused = (400, "INVALID_QUERY".to_owned(), place("parameter", "state"));
    assert_eq!(odd.faults(), refused);
    let asked = stage.fake.all::<ntf::ListDeliveriesRequest>();
    let all = ntf::ListDeliveriesRequest {
        endpoint_id: ENDPOINT_ID.to_owned(),
        ..ntf::ListDeliveriesRequest::default()
    };
    let some = ntf::ListDeliveriesRequest {
        state: ntf::DeliveryState::Failed.into(),
        page_size: 7,
        page_token: "t".to_owned(),
        ..all.clone()
    };
    assert_eq!(asked, [some, all]);
}

#[tokio::test]
async fn what_the_service_refuses_is_said_in_http() {
    let stage = Stage::new().await;
    let secret = endpoint_path("/secret");
    for (code, reason, path, status) in [
        (
            Code::ResourceExhausted,
            "TOO_MANY_ENDPOINTS",
            ENDPOINTS,
            429,
        ),
        (Code::AlreadyExists, "REQUEST_ID_REUSED", ENDPOINTS, 422),
        (Code::NotFound, "ENDPOINT_NOT_FOUND", &*secret, 404),
        (
            Code::FailedPrecondition,
            "ROTATION_UNDER_WAY",
            &*secret,
            409,
        ),
        (
            Code::FailedPrecondition,
            "ENDPOINT_DISABLED",
            &*endpoint_path("/test"),
            409,
        ),
        (
            Code::NotFound,
            "DELIVERY_NOT_FOUND",
            "/v1/webhook-deliveries/whd_1/resend",
            404,
        ),
    ] {
        stage.fake.fail(failure(code, reason));
        let answer = stage.post(path, &wanted()).await;
        assert_eq!(answer.faults(), (status, reason.to_owned(), vec![]));
    }
    for (field, kind, name) in [
        ("url", "pointer", "/url"),
        ("types[0]", "pointer", "/types/0"),
        ("request_id", "header", "Idempotency-Key"),
    ] {
        let fault = failure(Code::InvalidArgument, "INVALID_FIELD").field(field, "is not good");
        stage.fake.fail(fault);
        let answer = stage.post(ENDPOINTS, &wanted()).await;
        let expected = (400, "INVALID_FIELD".to_owned(), place(kind, name));
        assert_eq!(answer.faults(), expected);
    }
    let fault = failure(Code::InvalidArgument, "INVALID_FIELD").field("endpoint_id", "is none");
    stage.fake.fail(fault);
    for request in [
        bare(Method::GET, &endpoint_path("")),
        bare(Method::DELETE, &endpoint_path("")),
        keyed(Method::PATCH, &endpoint_path(""), "{}"),
        keyed(Method::POST, &secret, ""),
    ] {
        let answer = stage.send(request).await;
        assert_eq!(answer.faults().2, place("parameter", "endpoint_id"));
    }
}

/// What is repeated by itself carries its key, so it is made once.
#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let stage = Stage::new().await;
    stage.fake.fail_times(1, failure(Code::Unavailable, "AWAY"));

    let made = stage.post(ENDPOINTS, &wanted()).await;

    assert_eq!(made.status, 201);
    let asked = stage.fake.all::<ntf::CreateEndpointRequest>();
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]));
}
