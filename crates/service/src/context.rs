//! Who calls: tenant, actor and trace of one request.

use std::sync::Arc;

use tonic::{Code, Request, Status};
use tradepost_telemetry::TRACEPARENT;
use tradepost_types::TenantId;

use crate::auth::Caller;
use crate::error::{Failure, PLATFORM_DOMAIN};

/// Who calls about a tenant's things, by the token that the server has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// Whose rows the call may see.
    pub tenant: TenantId,
    /// Who acts, for the audit trail.
    pub actor: String,
    /// The one customer whose things the call may see; none if it may see the tenant's.
    pub own_only: Option<String>,
    /// The caller's trace, if it sent one.
    pub traceparent: Option<String>,
    caller: Arc<Caller>,
}

impl RequestContext {
    /// Reads the context of a call.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with reason `TOKEN_MISSING` or `PERMISSION_DENIED` with reason
    /// `TENANT_MISSING`. The server has refused such a call already, unless its rule is one of
    /// the platform.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let refuse =
            |code, reason, message: &str| Failure::new(code, reason, PLATFORM_DOMAIN, message);
        let caller = request.extensions().get::<Arc<Caller>>().ok_or_else(|| {
            let message = "nobody has verified who calls";
            refuse(Code::Unauthenticated, "TOKEN_MISSING", message)
        })?;
        let tenant = caller.tenant.ok_or_else(|| {
            let message = "the token names no tenant";
            refuse(Code::PermissionDenied, "TENANT_MISSING", message)
        })?;
        let traceparent = request.metadata().get(TRACEPARENT);
        Ok(Self {
            tenant,
            actor: caller.subject.clone(),
            own_only: caller.customer.then(|| caller.subject.clone()),
            traceparent: traceparent
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            caller: Arc::clone(caller),
        })
    }

    /// Whether the caller has a right beyond the one that opens the method.
    #[must_use]
    pub fn may(&self, right: &str) -> bool {
        self.caller.may(right)
    }

    /// The same as a refusal.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` with reason `RIGHT_MISSING`.
    pub fn require(&self, right: &str) -> Result<(), Status> {
        if self.may(right) {
            return Ok(());
        }
        let message = format!("the call needs the right {right}");
        let code = Code::PermissionDenied;
        Err(
            Failure::new(code, "RIGHT_MISSING", PLATFORM_DOMAIN, &message)
                .metadata("right", right)
                .into(),
        )
    }

    /// Whether things of this customer may be seen.
    #[must_use]
    pub fn sees(&self, customer_ref: &str) -> bool {
        self.own_only
            .as_deref()
            .is_none_or(|own| own == customer_ref)
    }
}
