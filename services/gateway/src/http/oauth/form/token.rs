//! The form of `POST /oauth/token`.

use secrecy::SecretString;
use utoipa::ToSchema;

use super::{ClientForm, FromForm, Refused, wanted};
use crate::application::{CodeShown, TokenWish};
use crate::domain::oauth::GrantType;

/// What a token is wanted for. A client without a secret gives its `client_id` too.
#[derive(ToSchema)]
pub(in crate::http::oauth) struct TokenForm {
    /// `authorization_code`, `client_credentials` or `refresh_token`.
    #[schema(value_type = String, example = "client_credentials")]
    grant_type: Option<String>,
    /// With `client_credentials`: permissions with a space between two; left out: all that the
    /// client may have.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// With `authorization_code`: the code.
    #[schema(value_type = String, nullable = false)]
    code: Option<SecretString>,
    /// With `authorization_code`: where the user was sent with it.
    #[schema(nullable = false)]
    redirect_uri: Option<String>,
    /// With `authorization_code`: what was hashed for the challenge.
    #[schema(value_type = String, nullable = false)]
    code_verifier: Option<SecretString>,
    /// With `refresh_token`: that token.
    #[schema(value_type = String, nullable = false)]
    refresh_token: Option<SecretString>,
    /// The client, if it does not show itself by HTTP Basic.
    #[schema(nullable = false)]
    #[expect(
        dead_code,
        reason = "read from the form with every wish; here it is described"
    )]
    client_id: Option<String>,
    /// Its secret, if it has one and does not show it by HTTP Basic.
    #[schema(value_type = String, nullable = false)]
    #[expect(
        dead_code,
        reason = "read from the form with every wish; here it is described"
    )]
    client_secret: Option<SecretString>,
}

impl FromForm for TokenForm {
    fn from_form(form: &mut ClientForm) -> Self {
        Self {
            grant_type: form.take("grant_type"),
            scope: form.take("scope"),
            code: form.take_secret("code"),
            redirect_uri: form.take("redirect_uri"),
            code_verifier: form.take_secret("code_verifier"),
            refresh_token: form.take_secret("refresh_token"),
            client_id: None,
            client_secret: None,
        }
    }
}

impl TokenForm {
    pub(in crate::http::oauth) fn into_wish(self) -> Result<TokenWish, Refused> {
        let grant: GrantType = wanted(self.grant_type, "grant_type")?.parse()?;
        Ok(match grant {
            GrantType::AuthorizationCode => TokenWish::Code(CodeShown {
                code: wanted(self.code, "code")?,
                redirect_uri: wanted(self.redirect_uri, "redirect_uri")?,
                verifier: wanted(self.code_verifier, "code_verifier")?,
            }),
            GrantType::ClientCredentials => TokenWish::Own { scope: self.scope },
            GrantType::RefreshToken => TokenWish::Refresh {
                token: wanted(self.refresh_token, "refresh_token")?,
            },
        })
    }
}
