//! What a tenant manages.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tonic::Status;
use tradepost_notification::adapters::grpc::webhooks::WebhookApi;
use tradepost_notification::domain::webhook::{SigningSecret, UrlRules, signatures};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::webhook_service_server::WebhookService;
use tradepost_service::error::ErrorDetails;
use tradepost_types::{TenantId, WebhookDeliveryId, WebhookEndpointId};

use super::receiver::{Receiver, Reply};
use super::stage::{Stage, call_as};

const NOWHERE: &str = "http://127.0.0.1:1/";

fn reason<T>(answer: Result<T, Status>) -> String {
    ErrorDetails::from_status(&answer.err().expect("it is refused")).reason
}

fn create(request_id: &str, url: &str) -> pb::CreateEndpointRequest {
    pb::CreateEndpointRequest {
        request_id: request_id.to_owned(),
        url: url.to_owned(),
        types: vec!["order.*".to_owned(), "*".to_owned(), "order.*".to_owned()],
        description: "The shop's own".to_owned(),
    }
}

fn rotation(request_id: &str, endpoint_id: &str) -> pb::RotateSecretRequest {
    pb::RotateSecretRequest {
        request_id: request_id.to_owned(),
        endpoint_id: endpoint_id.to_owned(),
        at_once: false,
    }
}

fn test(request_id: &str, endpoint_id: &str) -> pb::TestEndpointRequest {
    pb::TestEndpointRequest {
        request_id: request_id.to_owned(),
        endpoint_id: endpoint_id.to_owned(),
    }
}

#[tokio::test]
async fn an_endpoint_is_made_shown_changed_and_ended() {
    let stage = Stage::open().await;
    let api = &stage.api;

    let made = api.create_endpoint(stage.call(create("1", NOWHERE))).await;
    let made = made.unwrap().into_inner();
    let endpoint = made.endpoint.unwrap();
    let id = endpoint.endpoint_id.clone();
    let request = pb::UpdateEndpointRequest {
        endpoint_id: id.clone(),
        url: Some("http://127.0.0.1:2/".to_owned()),
        types: vec!["stock.low".to_owned()],
        description: None,
        enabled: Some(false),
    };
    let changed = api.update_endpoint(stage.call(request.clone())).await;
    let again = api.update_endpoint(stage.call(request)).await;
    let listed = api
        .list_endpoints(stage.call(pb::ListEndpointsRequest {}))
        .await;
    let gone = pb::DeleteEndpointRequest {
        endpoint_id: id.clone(),
    };
    api.delete_endpoint(stage.call(gone.clone())).await.unwrap();
    api.delete_endpoint(stage.call(gone)).await.unwrap();
    let request = pb::GetEndpointRequest { endpoint_id: id };
    let after = api.get_endpoint(stage.call(request)).await;

    assert!(made.secret.starts_with("whsec_"));
    assert_eq!(endpoint.types, ["*", "order.*"]);
    assert_eq!(endpoint.state(), pb::EndpointState::Enabled);
    let changed = changed.unwrap().into_inner().endpoint.unwrap();
    assert_eq!(changed.url, "http://127.0.0.1:2/");
    assert_eq!(changed.types, ["stock.low"]);
    assert_eq!(changed.description, "The shop's own");
    assert_eq!(changed.disabled_reason(), pb::DisabledReason::Asked);
    assert_eq!(again.unwrap().into_inner().endpoint.unwrap(), changed);
    assert_eq!(listed.unwrap().into_inner().endpoints, [changed]);
    assert_eq!(reason(after), "ENDPOINT_NOT_FOUND");
}

#[tokio::test]
async fn a_repeated_request_makes_one_endpoint_and_is_told_its_secret_until_it_rotates() {
    let stage = Stage::open().await;
    let api = &stage.api;
    let answer = async |request| {
        let made = api.create_endpoint(stage.call(request)).await?;
        Ok::<_, Status>(made.into_inner())
    };

    let first = answer(create("1", NOWHERE)).await.unwrap();
    let second = answer(create("1", NOWHERE)).await.unwrap();
    let other = answer(create("1", "http://127.0.0.1:2/")).await;
    let id = first.endpoint.clone().unwrap().endpoint_id;
    let rotated = api.rotate_secret(stage.call(rotation("r", &id))).await;
    let rotated = rotated.unwrap().into_inner();
    let again = api.rotate_secret(stage.call(rotation("r", &id))).await;
    let third = answer(create("1", NOWHERE)).await.unwrap();

    assert_eq!(first, second);
    assert_eq!(reason(other), "REQUEST_ID_REUSED");
    assert_ne!(rotated.secret, first.secret);
    assert_eq!(again.unwrap().into_inner(), rotated);
    assert_eq!(third.secret, "");
    let listed = api
        .list_endpoints(stage.call(pb::ListEndpointsRequest {}))
        .await;
    assert_eq!(listed.unwrap().into_inner().endpoints.len(), 1);
}

#[tokio::test]
async fn nothing_of_a_tenant_is_seen_or_touched_by_another() {
    let stage = Stage::open().await;
    let (id, _) = stage.endpoint(NOWHERE, &["*"]).await;
    let request = test("t", &id);
    let delivery = stage.api.test_endpoint(stage.call(request)).await;
    let delivery_id = delivery.unwrap().into_inner().delivery.unwrap().delivery_id;
    let (api, other) = (&stage.api, TenantId::new());

    let endpoint_id = id.clone();
    let get = pb::GetEndpointRequest { endpoint_id };
    let get = api.get_endpoint(call_as(other, get)).await;
    let edit = pb::UpdateEndpointRequest {
        endpoint_id: id.clone(),
        enabled: Some(false),
        ..Default::default()
    };
    let edit = api.update_endpoint(call_as(other, edit)).await;
    let rotate = api.rotate_secret(call_as(other, rotation("1", &id))).await;
    let tested = api.test_endpoint(call_as(other, test("1", &id))).await;
    let resend = pb::ResendDeliveryRequest {
        request_id: "1".to_owned(),
        delivery_id,
    };
    let resend = api.resend_delivery(call_as(other, resend)).await;
    let endpoint_id = id.clone();
    let delete = pb::DeleteEndpointRequest { endpoint_id };
    api.delete_endpoint(call_as(other, delete)).await.unwrap();
    let list = api
        .list_endpoints(call_as(other, pb::ListEndpointsRequest {}))
        .await;

    assert_eq!(reason(get), "ENDPOINT_NOT_FOUND");
    assert_eq!(reason(edit), "ENDPOINT_NOT_FOUND");
    assert_eq!(reason(rotate), "ENDPOINT_NOT_FOUND");
    assert_eq!(reason(tested), "ENDPOINT_NOT_FOUND");
    assert_eq!(reason(resend), "DELIVERY_NOT_FOUND");
    assert_eq!(list.unwrap().into_inner().endpoints, []);
    let untouched = stage.get(&id).await;
    assert_eq!(untouched.state(), pb::EndpointState::Enabled);
    assert_eq!(untouched.previous_secret_expire_time, None);
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let stage = Stage::open().await;
    let strict = WebhookApi::new(stage.hooks.clone(), UrlRules::default());
    let request = pb::CreateEndpointRequest {
        request_id: String::new(),
        url: "http://127.0.0.1/".to_owned(),
        types: vec!["*".to_owned(), "Order".to_owned()],
        description: "x".repeat(201),
    };
    let none = pb::CreateEndpointRequest {
        types: vec![],
        ..create("1", "https://10.0.0.1/")
    };

    let bad = strict.create_endpoint(stage.call(request)).await;
    let none = strict.create_endpoint(stage.call(none)).await;

    let fields = |answer: Result<_, Status>| -> Vec<String> {
        let details = ErrorDetails::from_status(&answer.err().unwrap());
        details
            .fields
            .into_iter()
            .map(|fault| fault.field)
            .collect()
    };
    assert_eq!(
        fields(bad),
        ["request_id", "url", "types[1]", "description"]
    );
    assert_eq!(fields(none), ["url", "types"]);
}

#[tokio::test]
async fn a_tenant_has_twenty_endpoints_at_most() {
    let stage = Stage::open().await;
    for _ in 0..18 {
        stage.endpoint(NOWHERE, &["*"]).await;
    }
    let racing = (0..5).map(async |number| {
        let request = create(&number.to_string(), NOWHERE);
        stage.api.create_endpoint(stage.call(request)).await
    });

    let all = futures::future::join_all(racing).await;

    let (made, refused): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 2);
    for refused in refused {
        assert_eq!(reason(refused), "TOO_MANY_ENDPOINTS");
    }
    stage.endpoint_of(TenantId::new(), NOWHERE, &["*"]).await;
}

#[tokio::test]
async fn for_a_day_after_a_rotation_both_secrets_sign() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let (id, old) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work();

    let rotated = stage
        .api
        .rotate_secret(stage.call(rotation("1", &id)))
        .await;
    let rotated = rotated.unwrap().into_inner();
    stage.tell("a.b").await;
    stage.after(&id, 1).await;
    stage
        .sabotage("update webhook_endpoints set previous_until = now() - interval '1 second'")
        .await;
    let request = stage.deliveries(&id).await.remove(0).delivery_id;
    let request = pb::ResendDeliveryRequest {
        request_id: "1".to_owned(),
        delivery_id: request,
    };
    stage
        .api
        .resend_delivery(stage.call(request))
        .await
        .unwrap();
    tradepost_testkit::eventually("it is sent again", super::stage::WAIT, async || {
        (receiver.got().len() == 2).then_some(())
    })
    .await;

    let secret = |text: &str| SigningSecret::parse(text.to_owned()).unwrap();
    let (old, new) = (secret(&old), secret(&rotated.secret));
    let got = receiver.got();
    let signed = |number: usize, secrets: &[&SigningSecret]| {
        let headers = &got[number].headers;
        let timestamp = headers["webhook-timestamp"].parse().unwrap();
        let body = got[number].body.as_bytes();
        let secrets = secrets.iter().copied();
        signatures(secrets, &headers["webhook-id"], timestamp, body).unwrap()
    };
    assert!(
        rotated
            .endpoint
            .unwrap()
            .previous_secret_expire_time
            .is_some()
    );
    assert_eq!(
        got[0].headers["webhook-signature"],
        signed(0, &[&new, &old])
    );
    assert_eq!(got[1].headers["webhook-signature"], signed(1, &[&new]));
    assert_eq!(got[0].headers["webhook-id"], got[1].headers["webhook-id"]);
}

#[tokio::test]
async fn while_two_secrets_sign_there_is_no_third_but_at_once() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let (id, first) = stage.endpoint(&receiver.url(), &["*"]).await;
    let rotate = async |request: pb::RotateSecretRequest| {
        let rotated = stage.api.rotate_secret(stage.call(request)).await?;
        Ok::<_, Status>(rotated.into_inner())
    };
    let signed = async |number: usize, secrets: &[&str]| {
        let got = tradepost_testkit::eventually("it is sent", super::stage::WAIT, async || {
            receiver.got().get(number).cloned()
        })
        .await;
        let timestamp = got.headers["webhook-timestamp"].parse().unwrap();
        let secrets: Vec<_> = secrets
            .iter()
            .map(|text| SigningSecret::parse((*text).to_owned()).unwrap())
            .collect();
        let id = &got.headers["webhook-id"];
        let wanted = signatures(&secrets, id, timestamp, got.body.as_bytes()).unwrap();
        assert_eq!(got.headers["webhook-signature"], wanted);
    };
    stage.work();

    let second = rotate(rotation("1", &id)).await.unwrap();
    let refused = rotate(rotation("2", &id)).await;
    let repeated = rotate(rotation("1", &id)).await.unwrap();
    stage.tell("a.b").await;
    signed(0, &[second.secret.as_str(), first.as_str()]).await;
    let at_once = pb::RotateSecretRequest {
        at_once: true,
        ..rotation("3", &id)
    };
    let third = rotate(at_once).await.unwrap();
    stage.tell("a.b").await;
    signed(1, &[third.secret.as_str()]).await;
    let otherwise = rotate(rotation("3", &id)).await;
    let fourth = rotate(rotation("4", &id)).await.unwrap();
    stage
        .sabotage("update webhook_endpoints set previous_until = now() - interval '1 second'")
        .await;
    let fifth = rotate(rotation("2", &id)).await.unwrap();
    stage.tell("a.b").await;
    signed(2, &[fifth.secret.as_str(), fourth.secret.as_str()]).await;

    let refused = ErrorDetails::from_status(&refused.unwrap_err());
    let until = second.endpoint.unwrap().previous_secret_expire_time;
    let said = &refused.metadata["previous_secret_expire_time"];
    let said = OffsetDateTime::parse(said, &Rfc3339).unwrap();
    assert_eq!(refused.reason, "ROTATION_UNDER_WAY");
    assert_eq!(said.unix_timestamp(), until.unwrap().seconds);
    assert_eq!(repeated.secret, second.secret);
    assert_eq!(third.endpoint.unwrap().previous_secret_expire_time, None);
    assert_eq!(reason(otherwise), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a_test_reaches_an_endpoint_that_wants_other_types_once_and_only_while_it_is_enabled() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let (id, _) = stage.endpoint(&receiver.url(), &["order.placed"]).await;
    stage.work();

    let first = stage.api.test_endpoint(stage.call(test("1", &id))).await;
    let again = stage.api.test_endpoint(stage.call(test("1", &id))).await;
    stage.after(&id, 1).await;
    let request = pb::UpdateEndpointRequest {
        endpoint_id: id.clone(),
        enabled: Some(false),
        ..Default::default()
    };
    stage
        .api
        .update_endpoint(stage.call(request))
        .await
        .unwrap();
    let disabled = stage.api.test_endpoint(stage.call(test("2", &id))).await;
    let first = first.unwrap().into_inner().delivery.unwrap();
    let request = pb::ResendDeliveryRequest {
        request_id: "1".to_owned(),
        delivery_id: first.delivery_id.clone(),
    };
    let resend = stage.api.resend_delivery(stage.call(request)).await;

    let again = again.unwrap().into_inner().delivery.unwrap();
    assert_eq!(again.delivery_id, first.delivery_id);
    assert_eq!(first.r#type, "webhook.test");
    assert_eq!(receiver.ids(), [first.webhook_id]);
    assert_eq!(reason(disabled), "ENDPOINT_DISABLED");
    assert_eq!(reason(resend), "ENDPOINT_DISABLED");
}

#[tokio::test]
async fn a_list_of_deliveries_is_paged_and_filtered() {
    let stage = Stage::open().await;
    let (id, _) = stage.endpoint(NOWHERE, &["*"]).await;
    for number in 0..5 {
        let request = test(&number.to_string(), &id);
        stage.api.test_endpoint(stage.call(request)).await.unwrap();
    }
    let all = stage.deliveries(&id).await;
    let mut paged = Vec::new();
    let mut request = pb::ListDeliveriesRequest {
        endpoint_id: id.clone(),
        state: pb::DeliveryState::Pending.into(),
        page_size: 2,
        page_token: String::new(),
    };

    loop {
        let page = stage.api.list_deliveries(stage.call(request.clone())).await;
        let page = page.unwrap().into_inner();
        assert!(page.deliveries.len() <= 2);
        paged.extend(page.deliveries);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    request.state = pb::DeliveryState::Failed.into();
    let other_filter = stage.api.list_deliveries(stage.call(request.clone())).await;
    request.page_token = String::new();
    let none = stage.api.list_deliveries(stage.call(request)).await;

    assert_eq!(paged, all);
    assert_eq!(paged.len(), 5);
    assert_eq!(reason(other_filter), "PAGE_TOKEN_INVALID");
    assert_eq!(none.unwrap().into_inner().deliveries, []);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let stage = Stage::open().await;
    let endpoint_id = WebhookEndpointId::new().to_string();
    let request = pb::ListDeliveriesRequest {
        endpoint_id,
        state: 0,
        page_size: 0,
        page_token: String::new(),
    };
    let list = stage.api.list_deliveries(stage.call(request)).await;
    let request = pb::ResendDeliveryRequest {
        request_id: "1".to_owned(),
        delivery_id: WebhookDeliveryId::new().to_string(),
    };
    let resend = stage.api.resend_delivery(stage.call(request)).await;

    assert_eq!(reason(list), "ENDPOINT_NOT_FOUND");
    assert_eq!(reason(resend), "DELIVERY_NOT_FOUND");
}
