//! Who is admitted, and who is not.

use axum::http::Method;
use serde_json::json;
use tonic::Code;
use tradepost_proto::gateway::v1 as pb;
use tradepost_proto::gateway::v1::admit_request::Credentials;
use tradepost_service::error::ErrorDetails;

use super::door::{Door, MEMBER, RIGHT, asking, bearer, client, reason, ticket};
use crate::identity::shop::OPERATOR;

#[tokio::test]
async fn a_token_is_admitted_with_what_it_may_do_there_and_what_it_rests_on() {
    let door = Door::open().await;
    let session = door.shop.gate.login(super::door::OWNER).await;

    let admitted = door.admit(bearer(&session.access)).await.unwrap();
    let elsewhere = pb::AdmitRequest {
        audience: "order".to_owned(),
        ..asking(bearer(&session.access))
    };
    let elsewhere = door.ask(elsewhere).await.unwrap();

    assert_eq!(admitted.subject, session.user);
    assert_eq!(admitted.tenant_id, door.tenant);
    let rights = ["read", "read_any", "send", "manage"];
    assert_eq!(
        admitted.rights,
        rights.map(|right| format!("notifications:{right}"))
    );
    assert!(!admitted.customer);
    let (issued, expire) = (admitted.issue_time.unwrap(), admitted.expire_time.unwrap());
    assert!((599..=601).contains(&(expire.seconds - issued.seconds)));
    for part in [
        "all:".to_owned(),
        format!("tenant:{}", door.tenant),
        format!("user:{}", session.user),
        format!("member:{}/{}", door.tenant, session.user),
        format!("session:{}", session.session),
    ] {
        assert!(
            admitted.parts.contains(&part),
            "{part}: {:?}",
            admitted.parts
        );
    }
    assert!(elsewhere.rights.contains(&"orders:read".to_owned()));
    assert!(
        elsewhere
            .rights
            .iter()
            .all(|right| right.starts_with("orders:"))
    );
}

#[tokio::test]
async fn keys_customers_and_operators_are_admitted_as_what_they_are() {
    let door = Door::open().await;
    let owner = door.token().await;
    let (id, key) = door.key(&owner, "orders:read notifications:send").await;
    let bob = door.shop.member(MEMBER, "customer", &owner).await;
    let customer = door.shop.gate.login(MEMBER).await.access;
    let operator = door.shop.gate.login(OPERATOR).await.access;

    let key = door.admit(Credentials::ApiKey(key)).await.unwrap();
    let customer = door.admit(bearer(&customer)).await.unwrap();
    let operator = door.admit(bearer(&operator)).await.unwrap();

    assert_eq!(key.subject, id);
    assert_eq!(key.rights, ["notifications:send"]);
    assert!(key.parts.contains(&format!("key:{id}")));
    assert_eq!((customer.subject, customer.customer), (bob, true));
    assert_eq!(customer.rights, ["notifications:read"]);
    assert_eq!(
        (operator.tenant_id.as_str(), operator.rights.len()),
        ("", 0)
    );
}

/// There is one way to judge: what the gateway says to a request, it says to a service.
#[tokio::test]
async fn what_is_not_good_is_refused_with_the_gateways_own_reasons() {
    let door = Door::open().await;
    let owner = door.token().await;
    let ended = door.shop.gate.login(super::door::OWNER).await.access;
    door.shop.gate.call("/v1/auth/logout", &ended).await;
    let (id, key) = door.key(&owner, "orders:read").await;
    let path = format!("/v1/api-keys/{id}");
    door.shop.gate.delete(&path, &owner).await;
    let cut = owner[..owner.len() - 4].to_owned();

    for token in ["nonsense", &cut, &ended, &key, "tp_live_nothing"] {
        let (status, expected) = door.shop.gate.standing(token).await.unwrap_err();
        assert_eq!(status, 401);
        let refused = door.refused(bearer(token)).await;
        assert_eq!(refused, (Code::Unauthenticated, expected), "{token}");
    }
    let (_, expected) = door.shop.gate.standing(&key).await.unwrap_err();
    let as_key = door.refused(Credentials::ApiKey(key)).await;
    assert_eq!(as_key, (Code::Unauthenticated, expected));
    let unprintable = door.refused(bearer("a\nb")).await;
    assert_eq!(unprintable.1, "CREDENTIALS_MALFORMED");
}

#[tokio::test]
async fn a_suspended_tenant_is_not_admitted_until_it_is_resumed() {
    let door = Door::open().await;
    let token = door.token().await;
    let waiting = door.ticket(&token).await;
    let operator = door.shop.gate.login(OPERATOR).await.access;
    let at = |verb: &str| format!("/v1/tenants/{}/{verb}", door.tenant);

    door.shop.gate.call(&at("suspend"), &operator).await;
    let suspended = (Code::PermissionDenied, "TENANT_SUSPENDED".to_owned());
    assert_eq!(door.refused(bearer(&token)).await, suspended);
    assert_eq!(door.refused(ticket(&waiting)).await, suspended);

    door.shop.gate.call(&at("resume"), &operator).await;
    assert!(door.admit(bearer(&token)).await.is_ok());
}

#[tokio::test]
async fn pages_of_foreign_origins_are_not_admitted_and_the_trail_has_it() {
    let door = Door::open().await;
    let token = door.token().await;
    let operator = door.shop.gate.login(OPERATOR).await.access;
    let path = format!("/v1/tenants/{}", door.tenant);
    let body = Some(json!({"cors_origins": ["https://shop.example"]}));
    door.shop
        .gate
        .ask(Method::PATCH, &path, &operator, body)
        .await;
    let from = |origin: &str| pb::AdmitRequest {
        origin: origin.to_owned(),
        ..asking(bearer(&token))
    };

    let foreign = door.ask(from("https://evil.example")).await.unwrap_err();
    let own = door.ask(from("https://shop.example")).await;

    let expected = (Code::PermissionDenied, "ORIGIN_NOT_ALLOWED".to_owned());
    assert_eq!(reason(&foreign), expected);
    assert!(own.is_ok());
    assert_eq!(door.shop.entries("access.admit").await, 1);
}

#[tokio::test]
async fn an_address_that_comes_too_often_is_told_when_to_come_back() {
    let door = Door::with(|config| config.rate_limits.address_per_second = 5).await;

    let tries = (0..200).map(|_| door.admit(bearer("nonsense")));
    let refused = futures::future::join_all(tries).await;

    let refused = refused.iter().filter_map(|one| one.as_ref().err());
    let mut details = refused.map(ErrorDetails::from_status);
    let limited = details.find(|one| one.code == Code::ResourceExhausted);
    let limited = limited.expect("one of them came too often");
    assert_eq!(limited.reason, "RATE_LIMITED");
    assert!(limited.retry_after.is_some());
}

#[tokio::test]
async fn a_malformed_question_names_its_fields() {
    let door = Door::open().await;
    let empty = pb::AdmitRequest {
        credentials: None,
        address: "home".to_owned(),
        origin: "x".repeat(513),
        audience: "gateway".to_owned(),
    };
    let long = Credentials::Ticket("t".repeat(16 * 1024 + 1));

    let empty = ErrorDetails::from_status(&door.ask(empty).await.unwrap_err());
    let long = ErrorDetails::from_status(&door.admit(long).await.unwrap_err());

    assert_eq!(empty.reason, "INVALID_FIELD");
    assert_eq!(empty.domain, "gateway.tradepost");
    let fields: Vec<_> = empty.fields.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["credentials", "address", "origin", "audience"]);
    assert_eq!(long.fields[0].field, "ticket");
}

#[tokio::test]
async fn only_a_service_with_the_right_may_ask() {
    let door = Door::open().await;
    let token = door.token().await;
    let (known, other) = (&door.service, &door.other);
    let stranger = tradepost_testkit::Trust::new().believe("notification", &[RIGHT]);

    for (identity, rights, expected) in [
        (known, &["items:read"][..], "ISSUER_BEYOND_BOUND"),
        (known, &[], "RIGHT_MISSING"),
        (other, &[RIGHT], "ISSUER_BEYOND_BOUND"),
        (&stranger, &[RIGHT], "TOKEN_KEY_UNKNOWN"),
    ] {
        let mut client = client(&door.url, identity, rights);
        let asked = client.admit(asking(bearer(&token))).await.unwrap_err();
        assert_eq!(reason(&asked).1, expected);
        let request = pb::WatchRevocationsRequest {};
        let watched = client.watch_revocations(request).await.unwrap_err();
        assert_eq!(reason(&watched).1, expected);
    }
}

#[tokio::test]
async fn without_an_address_nobody_is_asked() {
    let door = Door::with(|config| config.access.listen_addr = None).await;
    let token = door.token().await;

    let refused = door.admit(bearer(&token)).await.unwrap_err();

    assert_eq!(refused.code(), Code::Unavailable);
}
