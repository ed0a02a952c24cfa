//! The form of `POST /oauth/revoke`.

use secrecy::SecretString;
use utoipa::ToSchema;

use super::{ClientForm, FromForm, Refused, wanted};

/// Which token is to end. The client shows itself as at `/oauth/token`.
#[derive(ToSchema)]
pub(in crate::http::oauth) struct RevocationForm {
    /// The token, of whatever kind.
    #[schema(value_type = String)]
    token: Option<SecretString>,
}

impl FromForm for RevocationForm {
    fn from_form(form: &mut ClientForm) -> Self {
        Self {
            token: form.take_secret("token"),
        }
    }
}

impl RevocationForm {
    pub(in crate::http::oauth) fn into_token(self) -> Result<SecretString, Refused> {
        wanted(self.token, "token")
    }
}
