//! Second factors as JSON.

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::application;
use crate::http::problem::Problem;
use crate::ports;

/// The first code of a new secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    /// Six digits.
    #[schema(value_type = String, min_length = 6, max_length = 6, example = "287082")]
    pub(super) code: SecretString,
}

/// A second factor: exactly one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    /// The code of the moment.
    #[schema(value_type = String, nullable = false, example = "287082")]
    code: Option<SecretString>,
    /// A recovery code, which is then used up.
    #[schema(value_type = String, nullable = false, example = "zw01-28hk-8hap-cxw8")]
    recovery_code: Option<SecretString>,
}

impl Shown {
    pub(super) fn into_factor(self) -> Result<ports::Shown, Problem> {
        match (self.code, self.recovery_code) {
            (Some(code), None) => Ok(ports::Shown::Code(code)),
            (None, Some(code)) => Ok(ports::Shown::RecoveryCode(code)),
            (Some(_), Some(_)) | (None, None) => {
                let wanted = "must have either code or recovery_code";
                let detail = format!("the body {wanted}");
                Err(
                    Problem::new(StatusCode::BAD_REQUEST, "INVALID_FIELD", detail)
                        .pointer(String::new(), wanted),
                )
            }
        }
    }
}

/// A secret for an authenticator app.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Enrolment {
    /// For typing it in: base32.
    secret: String,
    /// For a QR code.
    #[schema(example = "otpauth://totp/Tradepost:ada%40example.com?secret=GEZDGNBVGY3TQOJQ")]
    otpauth_url: String,
}

impl From<application::Enrolment> for Enrolment {
    fn from(enrolment: application::Enrolment) -> Self {
        Self {
            secret: enrolment.secret.expose_secret().to_owned(),
            otpauth_url: enrolment.url.expose_secret().to_owned(),
        }
    }
}

/// Codes that stand in for a lost device, each once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    /// Ten of them, shown once.
    #[schema(example = json!(["zw01-28hk-8hap-cxw8"]))]
    recovery_codes: Vec<String>,
}

impl From<Vec<SecretString>> for RecoveryCodes {
    fn from(codes: Vec<SecretString>) -> Self {
        let codes = codes.iter().map(|code| code.expose_secret().to_owned());
        Self {
            recovery_codes: codes.collect(),
        }
    }
}

/// An access token that says that a second factor was shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SteppedUp {
    /// The token; the refresh token of the session stays as it is.
    access_token: String,
    /// How it is sent.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// How many seconds it lives.
    #[schema(example = 600)]
    expires_in: i64,
}

impl From<application::AccessToken> for SteppedUp {
    fn from(token: application::AccessToken) -> Self {
        Self {
            access_token: token.token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: token.lifetime.whole_seconds(),
        }
    }
}
