//! Who calls, out of one process and into another.

use std::sync::Arc;
use std::time::Duration;

use tonic::service::Interceptor;
use tonic::{Code, Request};
use tradepost_service::RequestContext;
use tradepost_service::auth::{Caller, Grant};
use tradepost_service::client::CallContext;
use tradepost_service::error::ErrorDetails;
use tradepost_testkit::Trust;
use tradepost_types::TenantId;

fn from(caller: Caller) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Arc::new(caller));
    request
}

fn refused(request: &Request<()>) -> (Code, String) {
    let status = RequestContext::of(request).unwrap_err();
    (status.code(), ErrorDetails::from_status(&status).reason)
}

#[test]
fn a_call_that_nobody_verified_has_no_context() {
    let mut request = Request::new(());
    let tenant = TenantId::new().to_string();
    let metadata = request.metadata_mut();
    metadata.insert("x-tradepost-tenant", tenant.parse().expect("it is ASCII"));

    let reason = "TOKEN_MISSING".to_owned();
    assert_eq!(refused(&request), (Code::Unauthenticated, reason));
}

#[test]
fn a_call_about_no_tenant_has_no_context() {
    let mut caller = Caller::of_tenant(TenantId::new(), "gateway", &[]);
    caller.tenant = None;

    let reason = "TENANT_MISSING".to_owned();
    assert_eq!(refused(&from(caller)), (Code::PermissionDenied, reason));
}

#[test]
fn a_customer_sees_only_what_is_their_own() {
    let tenant = TenantId::new();
    let mut caller = Caller::of_tenant(tenant, "ann", &["orders:read"]);
    let member = RequestContext::of(&from(caller.clone())).expect("a context");
    caller.customer = true;
    let customer = RequestContext::of(&from(caller)).expect("a context");

    assert!(member.sees("ann") && member.sees("bob"));
    assert!(customer.sees("ann") && !customer.sees("bob"));
    assert_eq!(customer.own_only.as_deref(), Some("ann"));
    assert_eq!((customer.tenant, customer.actor.as_str()), (tenant, "ann"));
}

#[test]
fn a_right_beyond_the_method_is_asked_for() {
    let caller = Caller::of_tenant(TenantId::new(), "ann", &["orders:place"]);
    let context = RequestContext::of(&from(caller)).expect("a context");

    assert!(context.require("orders:place").is_ok());
    let status = context.require("orders:price").unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.reason, "RIGHT_MISSING");
    assert_eq!(details.metadata["right"], "orders:price");
}

#[test]
fn a_client_sends_its_token_and_its_deadline_and_shows_neither() {
    let trust = Trust::new();
    let grant = Grant::of_service("order", "tester", TenantId::new(), &["orders:read"]);
    let mut calls = CallContext::new(trust.gateway(), grant).deadline(Duration::from_millis(250));

    let sent = calls.call(Request::new(())).expect("it refuses nothing");

    assert!(sent.metadata().get("grpc-timeout").is_some());
    let token = sent.metadata().get("authorization").expect("a token");
    let token = token.to_str().expect("it is ASCII");
    assert!(token.starts_with("Bearer ey"));
    for shown in [format!("{sent:?}"), format!("{calls:?}")] {
        assert!(!shown.contains(&token[7..]), "{shown}");
    }
}
