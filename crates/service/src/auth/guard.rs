//! Stands before every call: who is it, and may they?

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tonic::{Code, Status};
use tradepost_telemetry::Registry;

use super::caller::Caller;
use super::rule::Rule;
use super::trust::{Disbelief, Trust};
use crate::clock::Clock;
use crate::error::{Failure, PLATFORM_DOMAIN};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

#[derive(Clone)]
pub(crate) struct Guard {
    /// None for a server without services: it has nobody to believe.
    trust: Option<Arc<Trust>>,
    clock: Clock,
    refused: Family<RefusalLabels, Counter<u64, AtomicU64>>,
}

/// Why a call is not let in.
enum Refusal {
    TokenMissing,
    Disbelieved(Disbelief),
    MethodUnknown,
    RightMissing(Rule),
    TenantMissing,
}

impl Guard {
    pub(crate) fn new(trust: Option<Arc<Trust>>, registry: &Registry) -> Self {
        let guard = Self::uncounted(trust);
        registry.register(
            "rpc_server_calls_refused",
            "Calls without a token that is believed, or without the right, by reason",
            guard.refused.clone(),
        );
        guard
    }

    /// One whose refusals somebody else counts.
    pub(super) fn uncounted(trust: Option<Arc<Trust>>) -> Self {
        Self {
            trust,
            clock: Clock::system(),
            refused: Family::default(),
        }
    }

    /// Who calls, if they may call what this rule is about.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        rule: Option<&Rule>,
    ) -> Result<Arc<Caller>, Status> {
        self.judge(headers, rule).map_err(|refusal| {
            let reason = refusal.reason();
            self.refused.get_or_create(&RefusalLabels { reason }).inc();
            tracing::info!(event = "rpc.refused", reason, "a call was not let in");
            refusal.into()
        })
    }

    fn judge(&self, headers: &HeaderMap, rule: Option<&Rule>) -> Result<Arc<Caller>, Refusal> {
        let token = bearer(headers).ok_or(Refusal::TokenMissing)?;
        let trust = self.trust.as_ref().ok_or(Refusal::MethodUnknown)?;
        let believed = trust.believe(token, self.clock.now());
        let caller = believed.map_err(Refusal::Disbelieved)?;
        let rule = rule.ok_or(Refusal::MethodUnknown)?;
        if !rule.rights().any(|right| caller.may(right)) {
            return Err(Refusal::RightMissing(*rule));
        }
        if rule.of_tenant && caller.tenant.is_none() {
            return Err(Refusal::TenantMissing);
        }
        Ok(caller)
    }
}

/// The one token of a call; of two, neither counts.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

impl Refusal {
    const fn reason(&self) -> &'static str {
        match self {
            Self::TokenMissing => "TOKEN_MISSING",
            Self::Disbelieved(Disbelief::Token(error)) => error.reason(),
            Self::Disbelieved(Disbelief::BeyondBound) => "ISSUER_BEYOND_BOUND",
            Self::MethodUnknown => "METHOD_UNKNOWN",
            Self::RightMissing(_) => "RIGHT_MISSING",
            Self::TenantMissing => "TENANT_MISSING",
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let fail =
            |code, message: &str| Failure::new(code, refusal.reason(), PLATFORM_DOMAIN, message);
        match &refusal {
            Refusal::TokenMissing => fail(
                Code::Unauthenticated,
                "the call has no token: authorization: Bearer <token>",
            ),
            Refusal::Disbelieved(Disbelief::Token(error)) => {
                fail(Code::Unauthenticated, &error.to_string())
            }
            Refusal::Disbelieved(Disbelief::BeyondBound) => fail(
                Code::PermissionDenied,
                "the token allows more than its issuer may allow",
            ),
            Refusal::MethodUnknown => fail(Code::Unimplemented, "there is no such method"),
            Refusal::RightMissing(rule) => {
                let rights = rule.rights().collect::<Vec<_>>().join(" or ");
                fail(
                    Code::PermissionDenied,
                    &format!("the call needs the right {rights}"),
                )
                .metadata("right", &rights)
            }
            Refusal::TenantMissing => fail(
                Code::PermissionDenied,
                "the call is about a tenant's things, and the token names no tenant",
            ),
        }
        .into()
    }
}
