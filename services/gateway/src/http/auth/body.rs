//! Logins and tokens as JSON.

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::application::{Attempt, Issued};
use crate::domain::caller::{Caller, Proof};
use crate::domain::session::Session;
use crate::http::problem::Problem;
use crate::http::values::Time;
use crate::ports::Shown;

/// What a device is called if it does not say.
const DEVICE: &str = "unknown";
const DEVICE_CHARS_MAX: usize = 200;

/// Someone who wants to log in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The address.
    #[schema(example = "ada@example.com")]
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Where; may be left out by members of one tenant only, and by operators.
    #[schema(nullable = false, example = "tenant_01h455vb4pex5vsknk084sn02q")]
    tenant_id: Option<String>,
    /// The code of the moment, for who has a second factor.
    #[schema(value_type = Option<String>, nullable = false, example = "123456")]
    code: Option<SecretString>,
    /// Or one of the codes that were written down.
    #[schema(value_type = Option<String>, nullable = false)]
    recovery_code: Option<SecretString>,
    /// What is logged in on, as the list of sessions shows it.
    #[schema(nullable = false, max_length = 200, example = "Firefox on Linux")]
    device: Option<String>,
}

impl Login {
    pub(super) fn into_attempt(self) -> Result<Attempt, Problem> {
        let tenant = self.tenant_id.as_deref().map(str::parse).transpose();
        let tenant =
            tenant.map_err(|_malformed| Problem::field("/tenant_id", "must be a tenant's id"))?;
        let factor = match (self.code, self.recovery_code) {
            (Some(code), None) => Some(Shown::Code(code)),
            (None, Some(code)) => Some(Shown::RecoveryCode(code)),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(Problem::field(
                    "/recovery_code",
                    "must not stand beside code",
                ));
            }
        };
        let device = self.device.unwrap_or_else(|| DEVICE.to_owned());
        if device.chars().count() > DEVICE_CHARS_MAX || device.chars().any(char::is_control) {
            let wanted = "must have at most 200 characters, none of them a control character";
            return Err(Problem::field("/device", wanted));
        }
        Ok(Attempt {
            email: self.email,
            password: self.password,
            tenant,
            factor,
            device,
        })
    }
}

/// A refresh token to be exchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    /// The token.
    #[schema(value_type = String, format = Password)]
    pub(super) refresh_token: SecretString,
}

/// A change of one's own password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// The one that counts.
    #[schema(value_type = String, format = Password)]
    pub(super) current_password: SecretString,
    /// The one that is to count.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    pub(super) new_password: SecretString,
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// To be sent as `Authorization: Bearer …`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// After how many seconds the access token runs out.
    expires_in: i64,
    /// To be exchanged at `/v1/auth/refresh`, once.
    refresh_token: String,
    /// When the refresh token runs out if nobody uses it.
    refresh_expires_at: Time,
    /// The session.
    #[schema(example = "session_01h455vb4pex5vsknk084sn02q")]
    session_id: String,
    /// The user.
    #[schema(example = "user_01h455vb4pex5vsknk084sn02q")]
    user_id: String,
    /// The tenant; left out for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant_id: Option<String>,
    /// What the user is there.
    #[schema(example = "manager")]
    role: String,
    /// What the access token allows: permissions with a space between two.
    #[schema(example = "orders:read items:read")]
    scope: String,
}

impl From<&Issued> for Tokens {
    fn from(issued: &Issued) -> Self {
        let standing = &issued.opened.standing;
        Self {
            access_token: issued.access.token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: issued.access.lifetime.whole_seconds(),
            refresh_token: issued.refresh.expose_secret().to_owned(),
            refresh_expires_at: issued.opened.refresh_expires_at.into(),
            session_id: standing.session.to_string(),
            user_id: standing.user.to_string(),
            tenant_id: standing.tenant.map(|tenant| tenant.to_string()),
            role: standing.role.to_string(),
            scope: standing.rights().to_string(),
        }
    }
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// A user's, key's or client's id.
    #[schema(example = "user_01h455vb4pex5vsknk084sn02q")]
    subject: String,
    /// The tenant; left out for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant_id: Option<String>,
    /// What the subject is there.
    #[schema(example = "manager")]
    role: String,
    /// What the credentials allow: permissions with a space between two.
    scope: String,
    /// The session, for users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session_id: Option<String>,
    /// When a second factor was last shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    second_factor_time: Option<Time>,
    /// When the credentials run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expire_time: Option<Time>,
}

impl From<&Caller> for Me {
    fn from(caller: &Caller) -> Self {
        Self {
            subject: caller.subject.to_string(),
            tenant_id: caller.tenant.map(|tenant| tenant.to_string()),
            role: caller.role.to_string(),
            scope: caller.rights.to_string(),
            session_id: caller.session.map(|session| session.to_string()),
            second_factor_time: match caller.proof {
                Proof::Secret => None,
                Proof::SecondFactor { at } => Some(at.into()),
            },
            expire_time: caller.expires_at.map(Time::from),
        }
    }
}

/// A login on one device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// Its id.
    #[schema(example = "session_01h455vb4pex5vsknk084sn02q")]
    session_id: String,
    /// In which tenant; left out for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tenant_id: Option<String>,
    /// Through which client.
    #[schema(example = "tradepost")]
    client_id: String,
    /// On what, in the client's words.
    device: String,
    /// From which address.
    address: String,
    /// Whether it is the one that asks.
    current: bool,
    /// When it was opened.
    create_time: Time,
    /// When it was last refreshed.
    last_use_time: Time,
    /// When it ends.
    expire_time: Time,
}

impl SessionView {
    pub(super) fn new(session: Session, caller: &Caller) -> Self {
        Self {
            session_id: session.id.to_string(),
            tenant_id: session.tenant.map(|tenant| tenant.to_string()),
            client_id: session.client,
            device: session.device,
            address: session.address,
            current: caller.session == Some(session.id),
            create_time: session.created_at.into(),
            last_use_time: session.last_used_at.into(),
            expire_time: session.expires_at.into(),
        }
    }
}

/// The live sessions of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionList {
    /// Newest first; at most 100.
    pub(super) sessions: Vec<SessionView>,
}

/// There is no such session, or it is somebody else's.
pub(super) fn no_session() -> Problem {
    let detail = "there is no such session";
    Problem::new(StatusCode::NOT_FOUND, "SESSION_NOT_FOUND", detail)
}
