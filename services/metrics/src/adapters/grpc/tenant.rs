//! Whose things a call is about: one rule for both services.
//!
//! A request names a tenant or leaves it to the token. Another tenant than the token's own takes a
//! right of its own, which only the platform's callers have. The rules of all methods are
//! `Rule::of_platform`, because a caller of the platform has no tenant.

use std::sync::Arc;

use tonic::{Code, Request, Status};
use tradepost_service::auth::Caller;
use tradepost_service::error::{Failure, PLATFORM_DOMAIN, Violations};
use tradepost_types::TenantId;

use super::DOMAIN;

/// How far a caller reaches. It outlives the request's head, since a stream names a tenant in each
/// message.
#[derive(Debug, Clone)]
pub struct Reach(Arc<Caller>);

impl Reach {
    /// The reach of whoever calls.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` with reason `TOKEN_MISSING`: the server has refused such a call already.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let caller = request.extensions().get::<Arc<Caller>>().ok_or_else(|| {
            let (code, message) = (Code::Unauthenticated, "nobody has verified who calls");
            Failure::new(code, "TOKEN_MISSING", PLATFORM_DOMAIN, message)
        })?;
        Ok(Self(Arc::clone(caller)))
    }

    /// The tenant of the caller; the platform's own callers have none.
    #[must_use]
    pub fn own(&self) -> Option<TenantId> {
        self.0.tenant
    }

    /// That the caller has a right, where it depends on the request which one is needed.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` with reason `TENANT_FORBIDDEN`, which names the right.
    pub fn require(&self, right: &'static str) -> Result<(), Status> {
        if self.0.may(right) {
            return Ok(());
        }
        let message = format!("to ask about these tenants takes the right {right}");
        Err(refused(message, right))
    }

    /// The tenant that a request is about: `tenant_id`, or the caller's own where it is empty.
    /// Another's than the caller's takes the right `any`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for what is no tenant's id, `PERMISSION_DENIED` with reason
    /// `TENANT_MISSING` where neither names one, or `TENANT_FORBIDDEN` for another's.
    pub fn tenant(&self, tenant_id: &str, any: &'static str) -> Result<TenantId, Status> {
        if tenant_id.is_empty() {
            return self.0.tenant.ok_or_else(missing);
        }
        let mut faults = Violations::new();
        let named = faults.take("tenant_id", tenant_id.parse::<TenantId>());
        faults.check(DOMAIN)?;
        match named {
            Some(tenant) if self.0.tenant == Some(tenant) || self.0.may(any) => Ok(tenant),
            Some(_) | None => Err(forbidden(any)),
        }
    }
}

fn missing() -> Status {
    let message = "neither the request nor the token names a tenant";
    let code = Code::PermissionDenied;
    Failure::new(code, "TENANT_MISSING", PLATFORM_DOMAIN, message).into()
}

fn forbidden(any: &'static str) -> Status {
    let message = format!("another tenant than the caller's own takes the right {any}");
    refused(message, any)
}

fn refused(message: String, right: &'static str) -> Status {
    Failure::new(Code::PermissionDenied, "TENANT_FORBIDDEN", DOMAIN, message)
        .metadata("right", right)
        .into()
}

#[cfg(test)]
mod tests {
    use tradepost_service::error::ErrorDetails;

    use super::*;

    const ANY: &str = "analytics:read_any";

    fn reach(tenant: Option<TenantId>, rights: &[&str]) -> Reach {
        let of_someone = Caller::of_tenant(TenantId::new(), "tester", rights);
        let caller = Caller {
            tenant,
            ..of_someone
        };
        let mut request = Request::new(());
        request.extensions_mut().insert(Arc::new(caller));
        Reach::of(&request).unwrap()
    }

    fn refusal(answer: Result<TenantId, Status>) -> (Code, String) {
        let status = answer.unwrap_err();
        (status.code(), ErrorDetails::from_status(&status).reason)
    }

    #[test]
    fn without_a_name_it_is_the_callers_own() {
        let own = TenantId::new();

        let tenant = reach(Some(own), &[]).tenant("", ANY);

        assert_eq!(tenant.unwrap(), own);
    }

    #[test]
    fn the_own_tenant_may_be_named() {
        let own = TenantId::new();

        let tenant = reach(Some(own), &[]).tenant(&own.to_string(), ANY);

        assert_eq!(tenant.unwrap(), own);
    }

    #[test]
    fn anothers_takes_the_right_to_all() {
        let (own, other) = (TenantId::new(), TenantId::new());

        let without = reach(Some(own), &["analytics:read"]).tenant(&other.to_string(), ANY);
        let with = reach(Some(own), &[ANY]).tenant(&other.to_string(), ANY);

        let wanted = (Code::PermissionDenied, "TENANT_FORBIDDEN".to_owned());
        assert_eq!(refusal(without), wanted);
        assert_eq!(with.unwrap(), other);
    }

    #[test]
    fn the_platform_has_no_tenant_of_its_own_and_must_name_one() {
        let other = TenantId::new();
        let platform = reach(None, &[ANY]);

        let nobody = platform.tenant("", ANY);
        let named = platform.tenant(&other.to_string(), ANY);
        let shut = reach(None, &[]).tenant(&other.to_string(), ANY);

        let missing = (Code::PermissionDenied, "TENANT_MISSING".to_owned());
        assert_eq!(refusal(nobody), missing);
        assert_eq!(named.unwrap(), other);
        assert_eq!(refusal(shut).1, "TENANT_FORBIDDEN");
    }

    #[test]
    fn what_is_no_id_is_a_bad_field_whatever_the_caller_may() {
        let answer = reach(None, &[ANY]).tenant("tenant_one", ANY);

        let wanted = (Code::InvalidArgument, "INVALID_FIELD".to_owned());
        assert_eq!(refusal(answer), wanted);
    }

    #[test]
    fn nobody_reaches_nothing() {
        let refused = Reach::of(&Request::new(())).unwrap_err();

        assert_eq!(refused.code(), Code::Unauthenticated);
    }
}
