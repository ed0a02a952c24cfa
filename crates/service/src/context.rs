//! Who calls: tenant, actor and trace of one request.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tradepost_telemetry::TRACEPARENT;
use tradepost_types::TenantId;

use crate::error::{Failure, PLATFORM_DOMAIN};

/// The metadata key that holds the tenant's text id.
pub const TENANT: &str = "x-tradepost-tenant";
/// The metadata key that names who acts: a user, an API key, another service.
pub const ACTOR: &str = "x-tradepost-actor";

/// Who an actor is when the caller does not say.
const ANONYMOUS: &str = "anonymous";
/// The longest actor that is taken over into tables and logs.
const ACTOR_LEN_MAX: usize = 128;

/// Who calls, as the edge has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// Whose rows the call may see.
    pub tenant: TenantId,
    /// Who acts, for the audit trail.
    pub actor: String,
    /// The caller's trace, if it sent one.
    pub traceparent: Option<String>,
}

impl RequestContext {
    /// Reads the context of a call.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with reason `TENANT_MISSING` or `TENANT_INVALID`; `INVALID_ARGUMENT` with
    /// reason `ACTOR_INVALID` for an actor that is too long.
    pub fn from_metadata(metadata: &MetadataMap) -> Result<Self, Status> {
        let refuse = |reason, message: &str| {
            Failure::new(Code::Unauthenticated, reason, PLATFORM_DOMAIN, message)
        };
        let tenant = text(metadata, TENANT)
            .ok_or_else(|| refuse("TENANT_MISSING", "the call names no tenant"))?;
        let tenant = tenant.parse().map_err(|error| {
            refuse(
                "TENANT_INVALID",
                &format!("the tenant is malformed: {error}"),
            )
        })?;
        let actor = text(metadata, ACTOR).unwrap_or(ANONYMOUS);
        if actor.len() > ACTOR_LEN_MAX {
            let message = "the actor must not be longer than 128 characters";
            return Err(Failure::new(
                Code::InvalidArgument,
                "ACTOR_INVALID",
                PLATFORM_DOMAIN,
                message,
            )
            .into());
        }
        Ok(Self {
            tenant,
            actor: actor.to_owned(),
            traceparent: text(metadata, TRACEPARENT).map(str::to_owned),
        })
    }
}

fn text<'metadata>(metadata: &'metadata MetadataMap, key: &str) -> Option<&'metadata str> {
    metadata
        .get(key)
        .map(MetadataValue::to_str)?
        .ok()
        .filter(|text| !text.is_empty())
}
