//! A server believes nobody but a signature.

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tonic::{Code, Request, Status};
use tradepost_proto::shipping::v1::shipping_service_server::ShippingServiceServer;
use tradepost_proto::shipping::v1::{ListRatesRequest, RecordTrackingEventRequest};
use tradepost_service::auth::{AuthConfig, Grant, Identity, MintArgs, Rule, mint};
use tradepost_service::error::ErrorDetails;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Runtime};
use tradepost_testkit::Trust;
use tradepost_token::{Algorithm, SigningKey};
use tradepost_types::TenantId;

use crate::support::{
    Obedient, RULES, Server, eventually, local, shipment, soon, start, start_trusting,
};

const READ: &str = "shipments:read";

fn grant(rights: &[&'static str]) -> Grant {
    Grant::of_service("test", "tester", TenantId::new(), rights)
}

fn signed<T>(message: T, identity: &Identity, grant: &Grant) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = identity.bearer(grant).expect("it signs");
    let metadata = request.metadata_mut();
    metadata.insert("authorization", bearer.to_metadata());
    request
}

fn told(status: &Status) -> (Code, String) {
    (status.code(), ErrorDetails::from_status(status).reason)
}

/// What reading a shipment with this grant is answered.
async fn read(server: &Server, identity: &Identity, grant: &Grant) -> Result<(), (Code, String)> {
    let request = signed(shipment("ok"), identity, grant);
    let answer = soon(server.plain().get_shipment(request)).await;
    answer.map(|_shipment| ()).map_err(|status| told(&status))
}

fn refused(code: Code, reason: &str) -> Result<(), (Code, String)> {
    Err((code, reason.to_owned()))
}

#[tokio::test]
async fn a_call_without_a_token_is_unauthenticated() {
    let server = start(local()).await;

    let status = soon(server.plain().get_shipment(shipment("ok"))).await;

    assert_eq!(
        told(&status.unwrap_err()),
        (Code::Unauthenticated, "TOKEN_MISSING".to_owned())
    );
}

#[tokio::test]
async fn headers_that_name_a_tenant_are_worth_nothing() {
    let server = start(local()).await;
    let mut request = Request::new(shipment("ok"));
    for (name, value) in [
        ("x-tradepost-tenant", TenantId::new().to_string()),
        ("x-tradepost-actor", "admin".to_owned()),
    ] {
        let value = value.parse().expect("it is ASCII");
        request.metadata_mut().insert(name, value);
    }

    let status = soon(server.plain().get_shipment(request)).await;

    assert_eq!(status.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_malformed_authorization_is_no_token() {
    let server = start(local()).await;
    let good = server.signed(());
    let good = good.metadata().get("authorization").expect("a token");
    let good = good.to_str().expect("it is ASCII").to_owned();
    for (text, reason) in [
        (good.replace("Bearer ", "Basic "), "TOKEN_MISSING"),
        (good.replace("Bearer ", ""), "TOKEN_MISSING"),
        ("Bearer ".to_owned(), "TOKEN_MALFORMED"),
        (good.replace("Bearer ", "Bearer  "), "TOKEN_MALFORMED"),
        (format!("{good}="), "TOKEN_MALFORMED"),
        (good[..good.len() - 2].to_owned(), "TOKEN_SIGNATURE_WRONG"),
        (format!("Bearer {}", "a".repeat(9_000)), "TOKEN_TOO_LARGE"),
    ] {
        let mut request = Request::new(shipment("ok"));
        let value = text.parse().expect("it is ASCII");
        request.metadata_mut().insert("authorization", value);
        let status = soon(server.plain().get_shipment(request))
            .await
            .unwrap_err();
        assert_eq!(told(&status), (Code::Unauthenticated, reason.to_owned()));
        assert!(
            !format!("{status:?}").contains(&good[20..]),
            "no token in an answer"
        );
    }
    let mut twice = server.signed(shipment("ok"));
    let value = good.parse().expect("it is ASCII");
    twice.metadata_mut().append("authorization", value);
    let status = soon(server.plain().get_shipment(twice)).await.unwrap_err();
    assert_eq!(told(&status).1, "TOKEN_MISSING");
}

#[tokio::test]
async fn a_foreign_or_stale_token_is_unauthenticated() {
    let server = start(local()).await;
    let key = || SigningKey::generate(Algorithm::EdDsa).expect("a key");
    let gateway = server.trust.gateway();
    let stranger = Identity::new(key(), "gateway");
    let code = Code::Unauthenticated;

    let unknown = read(&server, &stranger, &grant(&[READ])).await;
    assert_eq!(unknown, refused(code, "TOKEN_KEY_UNKNOWN"));

    let mut elsewhere = grant(&[READ]);
    elsewhere.audience = "order";
    let elsewhere = read(&server, gateway, &elsewhere).await;
    assert_eq!(elsewhere, refused(code, "TOKEN_AUDIENCE_WRONG"));

    server.trust.believe("shipping", &["*"]);
    let posing = key_of(&server.trust, "shipping", "gateway", Clock::system());
    eventually(
        "its key is known, and its name is not its own",
        async || {
            let posing = read(&server, &posing, &grant(&[READ])).await;
            (posing == refused(code, "TOKEN_ISSUER_WRONG")).then_some(())
        },
    )
    .await;

    let past = Clock::fixed(Clock::system().now() - Duration::from_secs(75));
    let late = key_of(&server.trust, "gateway", "gateway", past);
    let late = read(&server, &late, &grant(&[READ])).await;
    assert_eq!(late, refused(code, "TOKEN_EXPIRED"));

    let future = Clock::fixed(Clock::system().now() + Duration::from_secs(60));
    let early = key_of(&server.trust, "gateway", "gateway", future);
    let early = read(&server, &early, &grant(&[READ])).await;
    assert_eq!(early, refused(code, "TOKEN_NOT_YET_VALID"));
}

/// The key of one issuer under another name and clock.
fn key_of(trust: &Trust, issuer: &str, name: &str, clock: Clock) -> Identity {
    let pem = std::fs::read_to_string(trust.key_path(issuer)).expect("a key file");
    let key = SigningKey::from_pkcs8_pem(&pem.into()).expect("a key");
    Identity::with_clock(key, name, clock)
}

#[tokio::test]
async fn a_missing_right_is_denied_and_named() {
    let server = start(local()).await;
    let gateway = server.trust.gateway();

    let request = signed(shipment("ok"), gateway, &grant(&["orders:read"]));
    let status = soon(server.plain().get_shipment(request))
        .await
        .unwrap_err();

    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.code, Code::PermissionDenied);
    assert_eq!(details.reason, "RIGHT_MISSING");
    assert_eq!(details.metadata["right"], READ);
    assert_eq!(read(&server, gateway, &grant(&[READ])).await, Ok(()));
    let event = RecordTrackingEventRequest::default();
    let event = signed(event, gateway, &grant(&[READ]));
    let status = soon(server.plain().record_tracking_event(event)).await;
    assert_eq!(told(&status.unwrap_err()).1, "RIGHT_MISSING");
}

#[tokio::test]
async fn of_several_rights_each_opens_a_method_and_no_other_does() {
    let server = start(local()).await;
    let gateway = server.trust.gateway();
    let rates = async |rights: &[&'static str]| {
        let request = signed(ListRatesRequest::default(), gateway, &grant(rights));
        soon(server.plain().list_rates(request)).await.unwrap_err()
    };

    for right in ["shipments:operate", "rates:read"] {
        // The handler says who it believes the caller to be.
        assert_eq!(rates(&[right]).await.code(), Code::Aborted, "{right}");
    }
    let status = rates(&[READ]).await;

    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.reason, "RIGHT_MISSING");
    assert_eq!(details.metadata["right"], "shipments:operate or rates:read");
}

#[tokio::test]
async fn a_method_about_a_tenant_needs_a_token_that_names_one() {
    let server = start(local()).await;
    let mut platform = grant(&[READ, "shipments:operate"]);
    platform.tenant = None;
    let gateway = server.trust.gateway();

    let denied = read(&server, gateway, &platform).await;
    let rates = signed(ListRatesRequest::default(), gateway, &platform);
    let let_in = soon(server.plain().list_rates(rates)).await.unwrap_err();

    assert_eq!(denied, refused(Code::PermissionDenied, "TENANT_MISSING"));
    // The server let it in; the handler asked for the tenant.
    assert_eq!(told(&let_in).1, "TENANT_MISSING");
}

#[tokio::test]
async fn a_handler_learns_who_calls_from_the_token_alone() {
    let server = start(local()).await;
    let mut customer = grant(&["shipments:operate"]);
    customer.subject = "user_of_ann".to_owned();
    customer.customer = true;
    let request = signed(
        ListRatesRequest::default(),
        server.trust.gateway(),
        &customer,
    );

    let status = soon(server.plain().list_rates(request)).await.unwrap_err();

    let heard = status.message();
    let tenant = customer.tenant.expect("it has one");
    assert!(heard.contains(&format!("{tenant:?}")), "{heard}");
    assert!(heard.contains("own_only: Some(\"user_of_ann\")"), "{heard}");
    assert!(!heard.contains("Bearer"), "{heard}");
}

#[tokio::test]
async fn health_and_reflection_are_open() {
    let server = start(local()).await;
    let request = tonic_health::pb::HealthCheckRequest::default();
    let mut health = tonic_health::pb::health_client::HealthClient::new(server.channel.clone());

    assert!(soon(health.check(request)).await.is_ok());
    let mut grpc = tonic::client::Grpc::new(server.channel.clone());
    grpc.ready().await.expect("the server is there");
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let asked = tokio_stream::iter([()]);
    let path = http::uri::PathAndQuery::from_static(path);
    let answer = soon(grpc.streaming(Request::new(asked), path, codec)).await;
    let refused = answer.err().map(|status| status.code());
    assert_ne!(refused, Some(Code::Unauthenticated));
}

#[tokio::test]
async fn refusals_are_counted_by_reason() {
    let server = start(local()).await;
    let _refused = soon(server.plain().get_shipment(shipment("ok"))).await;

    let text = server.registry.render().expect("the registry renders");
    assert!(
        text.contains("tradepost_rpc_server_calls_refused_total{reason=\"TOKEN_MISSING\"} 1"),
        "{text}"
    );
    assert!(text.contains("code=\"UNAUTHENTICATED\"} 1"), "{text}");
}

async fn serve(auth: AuthConfig, rules: &[Rule]) -> String {
    let common = CommonConfig { auth, ..local() };
    let runtime = Runtime::bind("test", common).await.expect("a free port");
    let server = GrpcServer::new(&runtime)
        .descriptor(tradepost_proto::FILE_DESCRIPTOR_SET)
        .service(ShippingServiceServer::new(Obedient::idle()), rules);
    let failed = soon(server.serve(runtime.listener)).await.unwrap_err();
    format!("{failed:#}")
}

#[tokio::test]
async fn a_method_without_a_rule_keeps_the_server_from_starting() {
    let trust = Trust::new();

    let shut = serve(trust.config("test"), &RULES[..2]).await;
    let idle = [&RULES[..], &[Rule::of_tenant("GetShipmnt", READ)]].concat();
    let idle = serve(trust.config("test"), &idle).await;

    let service = "/tradepost.shipping.v1.ShippingService";
    assert!(
        shut.contains(&format!("{service}/RecordTrackingEvent")),
        "{shut}"
    );
    assert!(!shut.contains("GetShipment"), "{shut}");
    assert!(idle.contains(&format!("{service}/GetShipmnt")), "{idle}");
}

#[tokio::test]
async fn a_server_without_trust_does_not_start_and_says_what_is_missing() {
    let trust = Trust::new();
    let path = trust.trust_path();
    let none = serve(AuthConfig::default(), &RULES).await;
    assert!(none.contains("server.auth.trust_path"), "{none}");
    let key = serde_json::to_string(
        &SigningKey::generate(Algorithm::EdDsa)
            .expect("a key")
            .public_jwk(),
    )
    .expect("it is JSON");

    for (text, wanted) in [
        ("", "EOF"),
        ("{\"issuers\":[]}", "no key"),
        ("{\"issuers\":[{\"issuer\":\"a\",\"rights\":[]}]}", "keys"),
        (
            &format!("{{\"issuers\":[{{\"issuer\":\"a\",\"rights\":[],\"keys\":[{key},{key}]}}]}}"),
            "same kid",
        ),
        (
            &format!(
                "{{\"issuers\":[{{\"issuer\":\"a\",\"rights\":[],\"keys\":[{key}]}},\
                 {{\"issuer\":\"a\",\"rights\":[\"*\"],\"keys\":[{key}]}}]}}"
            ),
            "twice",
        ),
    ] {
        std::fs::write(&path, text).expect("it is ours");
        let said = serve(trust.config("test"), &RULES).await;
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    token: MintArgs,
}

#[tokio::test]
async fn an_operator_mints_a_token_for_grpcurl() {
    let trust = Arc::new(Trust::new());
    trust.believe("operator/ada", &[READ]);
    let server = start_trusting(local(), Arc::clone(&trust)).await;
    let tenant = TenantId::new().to_string();
    let key = trust.key_path("operator/ada");
    let key = key.to_str().expect("a plain path");
    let mint_with = |right: &str| {
        let arguments = [
            "token", "--key", key, "--as", "ada", "--for", "test", "--tenant", &tenant, "--right",
            right,
        ];
        mint(&Cli::parse_from(arguments).token, "order").expect("a token")
    };
    let read = |token: String| {
        let mut request = Request::new(shipment("ok"));
        let value = format!("Bearer {token}").parse().expect("it is ASCII");
        request.metadata_mut().insert("authorization", value);
        let mut client = server.plain();
        async move { soon(client.get_shipment(request)).await }
    };

    assert!(read(mint_with(READ)).await.is_ok());
    let status = read(mint_with("orders:read")).await.unwrap_err();
    assert_eq!(told(&status).1, "ISSUER_BEYOND_BOUND");
}
