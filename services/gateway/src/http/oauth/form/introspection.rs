//! The form of `POST /oauth/introspect`.

use secrecy::SecretString;
use utoipa::ToSchema;

use super::{ClientForm, FromForm, Refused, wanted};

/// Which token is asked about. The client shows itself as at `/oauth/token`.
#[derive(ToSchema)]
pub(in crate::http::oauth) struct IntrospectionForm {
    /// The token.
    #[schema(value_type = String)]
    token: Option<SecretString>,
}

impl FromForm for IntrospectionForm {
    fn from_form(form: &mut ClientForm) -> Self {
        Self {
            token: form.take_secret("token"),
        }
    }
}

impl IntrospectionForm {
    pub(in crate::http::oauth) fn into_token(self) -> Result<SecretString, Refused> {
        wanted(self.token, "token")
    }
}
