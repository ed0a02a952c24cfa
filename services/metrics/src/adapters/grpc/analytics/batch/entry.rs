//! Batches that nobody calls with: those in the entries of a stream.

use std::collections::HashSet;

use tonic::{Code, Status};
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::{ErrorDetails, Failure, Violations};
use tradepost_types::TenantId;

use super::{Origin, Parsed, Window, parse};
use crate::adapters::grpc::DOMAIN;
use crate::domain::BatchName;

/// The tenants whose batches a stream may bring; none: any.
#[derive(Debug, Clone)]
pub(crate) struct Allowed(Option<HashSet<TenantId>>);

/// Why an entry has no batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// One of those that calls are refused with.
    pub(crate) reason: String,
    /// For the person who looks at it.
    pub(crate) message: String,
}

/// Reads the batch of an entry, which has that name unless it says another.
///
/// # Errors
/// [`Refusal`] for what is wrong with the batch as a whole.
pub(crate) fn read(
    request: pb::IngestEventsRequest,
    allowed: &Allowed,
    name: BatchName,
    window: Window,
) -> Result<Parsed, Refusal> {
    let origin = Entry { allowed, name };
    parse(request, &origin, window).map_err(|status| Refusal {
        reason: ErrorDetails::from_status(&status).reason,
        message: status.message().to_owned(),
    })
}

struct Entry<'a> {
    allowed: &'a Allowed,
    name: BatchName,
}

impl Origin for Entry<'_> {
    fn tenant(&self, tenant_id: &str) -> Result<TenantId, Status> {
        self.allowed.tenant(tenant_id)
    }

    fn name(&self) -> Option<BatchName> {
        Some(self.name.clone())
    }
}

impl Allowed {
    pub(crate) fn new(tenants: Option<Vec<TenantId>>) -> Self {
        Self(tenants.map(|tenants| tenants.into_iter().collect()))
    }

    /// The tenant that is named; or the only one there is.
    fn tenant(&self, tenant_id: &str) -> Result<TenantId, Status> {
        if tenant_id.is_empty() {
            let mut tenants = self.0.iter().flatten();
            return match (tenants.next(), tenants.next()) {
                (Some(&only), None) => Ok(only),
                _ => Err(refused("TENANT_MISSING", "the entry names no tenant")),
            };
        }
        let mut faults = Violations::new();
        let named = faults.take("tenant_id", tenant_id.parse::<TenantId>());
        faults.check(DOMAIN)?;
        match (named, &self.0) {
            (Some(tenant), None) => Ok(tenant),
            (Some(tenant), Some(tenants)) if tenants.contains(&tenant) => Ok(tenant),
            _ => Err(refused(
                "TENANT_FORBIDDEN",
                "the stream is not of this tenant",
            )),
        }
    }
}

fn refused(reason: &'static str, message: &str) -> Status {
    Failure::new(Code::PermissionDenied, reason, DOMAIN, message).into()
}
