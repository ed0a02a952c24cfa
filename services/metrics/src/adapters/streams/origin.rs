//! Whose batches a stream may bring, and what an entry is called that has no name.

use std::collections::HashSet;

use tonic::{Code, Status};
use tradepost_service::error::{Failure, Violations};
use tradepost_types::TenantId;

use crate::adapters::grpc::DOMAIN;
use crate::adapters::grpc::analytics::batch::Origin;
use crate::domain::BatchName;

/// The tenants of a stream; none: any.
#[derive(Debug, Clone)]
pub(super) struct Allowed(Option<HashSet<TenantId>>);

impl Allowed {
    pub(super) fn new(tenants: Option<Vec<TenantId>>) -> Self {
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

/// One entry as the origin of its batch.
pub(super) struct EntryOrigin<'a> {
    pub(super) allowed: &'a Allowed,
    pub(super) name: BatchName,
}

impl Origin for EntryOrigin<'_> {
    fn tenant(&self, tenant_id: &str) -> Result<TenantId, Status> {
        self.allowed.tenant(tenant_id)
    }

    fn name(&self) -> Option<BatchName> {
        Some(self.name.clone())
    }
}
