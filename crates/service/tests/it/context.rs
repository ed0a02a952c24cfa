//! Tenant and actor, out of one process and into another.

use tonic::metadata::MetadataMap;
use tonic::service::Interceptor;
use tonic::{Code, Request};
use tradepost_service::client::CallContext;
use tradepost_service::error::ErrorDetails;
use tradepost_service::{RequestContext, TENANT};
use tradepost_types::TenantId;

fn refused(metadata: &MetadataMap) -> (Code, String) {
    let status = RequestContext::from_metadata(metadata).unwrap_err();
    (status.code(), ErrorDetails::from_status(&status).reason)
}

#[test]
fn a_call_without_a_tenant_is_refused() {
    let reason = "TENANT_MISSING".to_owned();

    assert_eq!(
        refused(&MetadataMap::new()),
        (Code::Unauthenticated, reason)
    );
}

#[test]
fn a_tenant_that_is_no_tenant_id_is_refused() {
    let mut metadata = MetadataMap::new();
    for text in ["order_01h2xcejqtf2nbrexx3vqjhp41", "tenant_1", "acme"] {
        metadata.insert(TENANT, text.parse().expect("it is ASCII"));

        let reason = "TENANT_INVALID".to_owned();
        assert_eq!(
            refused(&metadata),
            (Code::Unauthenticated, reason),
            "{text}"
        );
    }
}

#[test]
fn what_the_client_side_writes_the_server_side_reads() {
    let tenant = TenantId::new();
    let mut interceptor =
        CallContext::new(tenant, "user:42").deadline(std::time::Duration::from_millis(250));

    let sent = interceptor
        .call(Request::new(()))
        .expect("it refuses nothing");
    let context = RequestContext::from_metadata(sent.metadata()).expect("a context");

    assert_eq!(context.tenant, tenant);
    assert_eq!(context.actor, "user:42");
    assert!(sent.metadata().get("grpc-timeout").is_some());
}

#[test]
fn an_actor_is_optional_but_not_endless() {
    let mut metadata = MetadataMap::new();
    metadata.insert(
        TENANT,
        TenantId::new().to_string().parse().expect("it is ASCII"),
    );
    let context = RequestContext::from_metadata(&metadata).expect("a context");
    assert_eq!(context.actor, "anonymous");

    metadata.insert(
        "x-tradepost-actor",
        "a".repeat(129).parse().expect("it is ASCII"),
    );
    assert_eq!(
        refused(&metadata),
        (Code::InvalidArgument, "ACTOR_INVALID".to_owned())
    );
}
