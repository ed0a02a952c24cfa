//! Forms, taken exactly: no parameter twice, and a client that shows itself in one way only.
//!
//! Parameters that are not known are left alone, as RFC 6749, section 3.2 wants it, and those
//! without a value count as absent.

pub(super) mod introspection;
pub(super) mod revocation;
pub(super) mod token;

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::answer::Refused;
use super::{FromForm, from_form};
use crate::application::ClientShown;
use crate::domain::oauth::OAuthError;
use crate::http::problem::Problem;
use crate::http::router::Shared;
use crate::http::{body, query};

/// The largest form: tokens and URIs, a few of them.
const BYTES_MAX: usize = 32 * 1024;

/// A form, and the client that sends it if it says so in the header.
pub(super) struct Form {
    parameters: ClientForm,
    basic: Option<ClientShown>,
}

/// The parameters of a form.
#[derive(Default)]
pub(super) struct ClientForm(BTreeMap<String, String>);

impl FromRequest<Shared> for Form {
    type Rejection = Refused;

    async fn from_request(request: Request, gateway: &Shared) -> Result<Self, Refused> {
        // A secret in a query would stand in logs.
        query::refuse(request.uri())?;
        check_type(request.headers())?;
        let basic = basic(request.headers())?;
        let bytes = body::read(request, BYTES_MAX, gateway).await?;
        let parameters = ClientForm::parse(&bytes)?;
        Ok(Self { parameters, basic })
    }
}

impl Form {
    /// The client that sends it, and what it wants.
    ///
    /// # Errors
    /// `invalid_client` when it says nothing of itself, `invalid_request` when it does so twice.
    pub(super) fn client<T: FromForm>(mut self) -> Result<(ClientShown, T), Refused> {
        let id = self.parameters.take("client_id");
        let secret = self.parameters.take_secret("client_secret");
        let wish = T::from_form(&mut self.parameters);
        let shown = match self.basic {
            None => from_form(id, secret)?,
            Some(_) if secret.is_some() => {
                let detail = "the client shows its secret in the header and in the form";
                return Err(Refused::request(detail));
            }
            Some(basic) if id.is_some_and(|id| id != basic.id) => {
                let detail = "client_id is another one than in the header";
                return Err(Refused::request(detail));
            }
            Some(basic) => basic,
        };
        Ok((shown, wish))
    }
}

impl ClientForm {
    fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        if std::str::from_utf8(bytes).is_err() {
            return Err(Refused::request("the form is not UTF-8"));
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            let name = name.into_owned();
            if parameters.contains_key(&name) {
                // The name may be anything: only known ones are repeated to the sender.
                return Err(Refused::request("a parameter is given twice"));
            }
            parameters.insert(name, value.into_owned());
        }
        parameters.retain(|_, value| !value.is_empty());
        Ok(Self(parameters))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(super) fn take_secret(&mut self, name: &str) -> Option<SecretString> {
        self.take(name).map(SecretString::from)
    }
}

/// A parameter that must be there.
pub(super) fn wanted<T>(value: Option<T>, name: &str) -> Result<T, Refused> {
    value.ok_or_else(|| Refused::request(format!("{name} is required")))
}

fn check_type(headers: &HeaderMap) -> Result<(), Refused> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let only = match (types.next(), types.next()) {
        (Some(only), None) => only.to_str().unwrap_or_default(),
        _ => "",
    };
    let essence = only.split(';').next().unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if is_form && !headers.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    let detail = "the body must be of Content-Type application/x-www-form-urlencoded";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, "UNSUPPORTED_MEDIA_TYPE", detail).into())
}

/// The client by HTTP Basic: id and secret, each form-encoded (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<ClientShown>, Refused> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(Refused::request("Authorization is given twice")),
    };
    let shown = value.to_str().ok().and_then(read_basic);
    shown
        .map(Some)
        .ok_or_else(|| OAuthError::InvalidClient.into())
}

fn read_basic(value: &str) -> Option<ClientShown> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let plain = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let plain = std::str::from_utf8(&plain).ok()?;
    let (id, secret) = plain.split_once(':')?;
    let secret = decoded(secret)?;
    Some(ClientShown {
        id: decoded(id)?,
        secret: (!secret.is_empty()).then(|| secret.into()),
    })
}

fn decoded(text: &str) -> Option<String> {
    // As the value of a parameter without a name: `=` and `&` inside it must be encoded.
    if text.contains(['=', '&']) {
        return None;
    }
    let value = format!("={text}");
    let mut pairs = form_urlencoded::parse(value.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_parameter_given_twice_is_refused_and_an_empty_one_is_absent() {
        assert!(ClientForm::parse(b"scope=a&scope=b").is_err());
        assert!(ClientForm::parse(b"scope=&scope=").is_err());
        let mut form = ClientForm::parse(b"scope=&code=a%2Bb+c").unwrap();
        assert_eq!(form.take("scope"), None);
        assert_eq!(form.take("code").as_deref(), Some("a+b c"));
        assert!(ClientForm::parse(b"\xff").is_err());
    }

    #[test]
    fn a_client_shows_itself_by_basic_as_the_rfc_encodes_it() {
        let header = |plain: &str| format!("Basic {}", STANDARD.encode(plain));

        let shown = read_basic(&header("client_1:a%2Bb")).unwrap();
        assert_eq!(shown.id, "client_1");
        assert_eq!(shown.secret.unwrap().expose_secret(), "a+b");
        assert!(read_basic(&header("client_1:")).unwrap().secret.is_none());
        for wrong in [
            "Basic",
            "Basic !",
            "Bearer x",
            &header("client_1"),
            &header("a:b&c"),
        ] {
            assert!(read_basic(wrong).is_none(), "{wrong}");
        }
    }
}
