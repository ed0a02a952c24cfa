//! What an access token says (RFC 9068).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tradepost_types::{ClientId, SessionId, TenantId};
use uuid::Uuid;

use crate::domain::caller::{Proof, Subject};
use crate::domain::revocation::Basis;
use crate::domain::rights::{Rights, Role};
use crate::domain::session::FIRST_PARTY;

/// For whom access tokens are.
pub const AUDIENCE: &str = "tradepost";
/// What the header says an access token is.
pub const TOKEN_TYPE: &str = "at+jwt";

/// What a verified token says, read once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Wire")]
pub struct AccessClaims {
    /// What revocation goes by.
    pub basis: Basis,
    /// What the subject is.
    pub role: Role,
    /// What the token allows of that.
    pub rights: Rights,
    /// How the subject has shown who they are.
    pub proof: Proof,
    /// When the token runs out.
    pub expires_at: OffsetDateTime,
}

/// The claims as they are written.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Wire {
    pub(super) iss: String,
    pub(super) aud: Vec<String>,
    pub(super) sub: String,
    pub(super) client_id: String,
    pub(super) jti: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<String>,
    /// The tenant; absent for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) org: Option<String>,
    pub(super) role: String,
    pub(super) scope: String,
    pub(super) auth_time: i64,
    pub(super) amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) otp_at: Option<i64>,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
    /// `iat` in microseconds: a revocation and a login may share a second.
    pub(super) iat_us: i64,
}

/// A signed token of ours that we cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("the claim {0} is none of ours")]
pub(super) struct ClaimFault(&'static str);

impl TryFrom<Wire> for AccessClaims {
    type Error = ClaimFault;

    fn try_from(wire: Wire) -> Result<Self, ClaimFault> {
        let subject = subject(&wire.sub).ok_or(ClaimFault("sub"))?;
        let role: Role = wire.role.parse().map_err(|_unknown| ClaimFault("role"))?;
        let tenant: Option<TenantId> = parsed(wire.org.as_deref(), "org")?;
        if tenant.is_none() != (role == Role::Operator) {
            return Err(ClaimFault("org"));
        }
        let session: Option<SessionId> = parsed(wire.sid.as_deref(), "sid")?;
        if session.is_none() && matches!(subject, Subject::User(_)) {
            return Err(ClaimFault("sid"));
        }
        let client = match wire.client_id.as_str() {
            FIRST_PARTY => None,
            other => parsed::<ClientId>(Some(other), "client_id")?,
        };
        let rights: Rights = wire.scope.parse().map_err(|_unknown| ClaimFault("scope"))?;
        let proof = match wire.otp_at {
            None => Proof::Secret,
            Some(at) => Proof::SecondFactor {
                at: seconds(at, "otp_at")?,
            },
        };
        let issued_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(wire.iat_us) * 1_000)
            .map_err(|_range| ClaimFault("iat_us"))?;
        Ok(Self {
            basis: Basis {
                issued_at,
                subject,
                tenant,
                session,
                token: Some(wire.jti),
                client,
            },
            role,
            rights: role.rights().and(rights),
            proof,
            expires_at: seconds(wire.exp, "exp")?,
        })
    }
}

fn subject(text: &str) -> Option<Subject> {
    let user = text.parse().map(Subject::User);
    let subject = user.or_else(|_other| text.parse().map(Subject::Client));
    subject.ok()
}

fn parsed<T: std::str::FromStr>(
    text: Option<&str>,
    claim: &'static str,
) -> Result<Option<T>, ClaimFault> {
    text.map(str::parse)
        .transpose()
        .map_err(|_malformed| ClaimFault(claim))
}

fn seconds(at: i64, claim: &'static str) -> Result<OffsetDateTime, ClaimFault> {
    OffsetDateTime::from_unix_timestamp(at).map_err(|_range| ClaimFault(claim))
}
