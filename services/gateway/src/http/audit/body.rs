//! Audit entries in JSON.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tradepost_service::page::{Page, PageRequest};
use utoipa::{IntoParams, ToSchema};

use crate::domain::audit::{self, Chain};
use crate::http::problem::Problem;
use crate::http::values::Time;
use crate::ports::audit::{AuditFilter, Kept};

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum AuditOutcome {
    /// About to be tried; another entry of the same trace tells the end.
    Attempted,
    /// Done.
    Succeeded,
    /// Refused for lack of a right or a proof.
    Denied,
    /// Allowed, but it did not come about.
    Failed,
}

impl From<audit::Outcome> for AuditOutcome {
    fn from(outcome: audit::Outcome) -> Self {
        match outcome {
            audit::Outcome::Attempted => Self::Attempted,
            audit::Outcome::Succeeded => Self::Succeeded,
            audit::Outcome::Denied => Self::Denied,
            audit::Outcome::Failed => Self::Failed,
        }
    }
}

impl From<AuditOutcome> for audit::Outcome {
    fn from(outcome: AuditOutcome) -> Self {
        match outcome {
            AuditOutcome::Attempted => Self::Attempted,
            AuditOutcome::Succeeded => Self::Succeeded,
            AuditOutcome::Denied => Self::Denied,
            AuditOutcome::Failed => Self::Failed,
        }
    }
}

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only entries of this user, key or client, of `anonymous`, or of a part of the platform.
    #[param(nullable = false)]
    actor: Option<String>,
    /// Only this action, e.g. `place_order`.
    #[param(nullable = false)]
    action: Option<String>,
    /// Only what was done to this, e.g. an order's id.
    #[param(nullable = false)]
    object: Option<String>,
    /// Only what ended so.
    #[param(nullable = false)]
    outcome: Option<AuditOutcome>,
    /// Only entries of this time or later.
    #[param(nullable = false, value_type = String, format = DateTime)]
    from: Option<Time>,
    /// Only entries before this time.
    #[param(nullable = false, value_type = String, format = DateTime)]
    until: Option<Time>,
    /// Entries a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl AuditQuery {
    /// Which page, bound to the chain and the filter.
    ///
    /// # Errors
    /// A size or a token that cannot be meant.
    pub(super) fn page(&self, chain: Chain) -> Result<PageRequest<i64>, Problem> {
        let bad = |name, reason, detail: &str| {
            let text = format!("the query parameter {name} {detail}");
            Problem::new(StatusCode::BAD_REQUEST, reason, text).parameter(name, detail)
        };
        if self.page_size < 0 {
            return Err(bad("page_size", "INVALID_QUERY", "must not be negative"));
        }
        let Self {
            actor,
            action,
            object,
            outcome,
            from,
            until,
            page_size: _,
            page_token: _,
        } = self;
        let filter =
            format!("{chain} {actor:?} {action:?} {object:?} {outcome:?} {from:?} {until:?}");
        PageRequest::parse(self.page_size, &self.page_token, filter.as_bytes()).map_err(|_other| {
            let detail = "must be one that this list has returned for the same filter";
            bad("page_token", "PAGE_TOKEN_INVALID", detail)
        })
    }

    pub(super) fn into_filter(self) -> AuditFilter {
        AuditFilter {
            actor: self.actor,
            action: self.action,
            object: self.object,
            outcome: self.outcome.map(Into::into),
            from: self.from.map(Into::into),
            until: self.until.map(Into::into),
        }
    }
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEntry {
    /// Its place in the chain, counted from 1.
    seq: i64,
    /// When it was recorded.
    record_time: Time,
    /// Who: a user, a key, a client, `anonymous`, or a part of the platform (`system:…`).
    #[schema(example = "user_01h455vb4pex5vsknk084sn02q")]
    actor: String,
    /// During which login.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session_id: Option<String>,
    /// What.
    #[schema(example = "place_order")]
    action: String,
    /// On what.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    object: Option<String>,
    /// How it ended.
    outcome: AuditOutcome,
    /// Why it was denied or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// In which trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trace_id: Option<String>,
    /// From which address; left out when it is not known or was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    address: Option<String>,
    /// What the client called itself; left out when it is not known or was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_agent: Option<String>,
    /// What else is known.
    details: BTreeMap<String, String>,
    /// The entry's hash.
    hash: String,
}

impl From<Kept> for AuditEntry {
    fn from(Kept { entry, origin }: Kept) -> Self {
        let (address, user_agent) =
            origin.map_or((None, None), |origin| (origin.address, origin.user_agent));
        Self {
            seq: entry.seq,
            record_time: entry.recorded_at.into(),
            actor: entry.actor,
            session_id: entry.session,
            action: entry.action,
            object: entry.object,
            outcome: entry.outcome.into(),
            reason: entry.reason,
            trace_id: entry.trace_id,
            address,
            user_agent,
            details: entry.details,
            hash: hex::encode(entry.hash),
        }
    }
}

/// A page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// Newest first.
    entries: Vec<AuditEntry>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl AuditPage {
    pub(super) fn of(page: Page<Kept>) -> Self {
        let token = page.next_page_token;
        Self {
            entries: page.items.into_iter().map(Into::into).collect(),
            next_page_token: (!token.is_empty()).then_some(token),
        }
    }
}
