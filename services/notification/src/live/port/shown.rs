//! The credentials that a request shows: in a header, or behind a marker among its subprotocols,
//! since a page cannot set a header. Never in the URL, which is logged.

use http::header::{AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName};
use secrecy::ExposeSecret;
use tradepost_notifications::wire::SUBPROTOCOL;

use super::refusal::Refusal;
use crate::ports::Credentials;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// What every API key begins with, and no access token.
const API_KEY_PREFIX: &str = "tp_";
/// The subprotocol behind which an access token stands.
const BEARER: &str = "bearer";
/// The subprotocol behind which a ticket stands.
const TICKET: &str = "ticket";
/// The longest credentials.
const CREDENTIALS_BYTES_MAX: usize = 6 * 1024;

/// What a client offers as subprotocols.
#[derive(Debug, Default)]
pub(super) struct Offered {
    /// This protocol.
    pub(super) is_spoken: bool,
    /// One that is not known.
    pub(super) is_other: bool,
    /// The marker before its credentials.
    pub(super) marker: Option<&'static str>,
    credentials: Vec<Credentials>,
}

impl Offered {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let mut names = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let mut offered = Self::default();
        while let Some(name) = names.next() {
            if name.eq_ignore_ascii_case(SUBPROTOCOL) {
                offered.is_spoken = true;
                continue;
            }
            let (marker, credentials): (_, fn(&str) -> Credentials) = match name {
                BEARER => (BEARER, token),
                TICKET => (TICKET, ticket),
                _ => {
                    offered.is_other = true;
                    continue;
                }
            };
            // A marker with nothing behind it shows nothing that could be taken.
            let shown = names.next().unwrap_or_default();
            offered.marker = Some(marker);
            offered.credentials.push(credentials(shown));
        }
        offered
    }
}

/// The credentials of a request, if it shows any.
pub(super) fn credentials(
    headers: &HeaderMap,
    offered: Offered,
) -> Result<Option<Credentials>, Refusal> {
    let mut shown = offered.credentials;
    for value in headers.get_all(AUTHORIZATION) {
        let text = value.to_str().map_err(|_binary| Refusal::Malformed)?;
        let (scheme, secret) = text.split_once(' ').ok_or(Refusal::Malformed)?;
        shown.push(if scheme.eq_ignore_ascii_case(BEARER) {
            token(secret)
        } else if scheme.eq_ignore_ascii_case(TICKET) {
            ticket(secret)
        } else {
            return Err(Refusal::Malformed);
        });
    }
    for value in headers.get_all(API_KEY) {
        let text = value.to_str().map_err(|_binary| Refusal::Malformed)?;
        shown.push(Credentials::Key(text.into()));
    }
    // Which of two counts would be a guess.
    if shown.len() > 1 {
        return Err(Refusal::Ambiguous);
    }
    let shown = shown.pop();
    match shown.as_ref().map(length) {
        Some(0) => Err(Refusal::Malformed),
        Some(length) if length > CREDENTIALS_BYTES_MAX => Err(Refusal::Malformed),
        Some(_) | None => Ok(shown),
    }
}

/// The page's origin, as a browser says it.
pub(super) fn origin(headers: &HeaderMap) -> Result<Option<Box<str>>, Refusal> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(None);
    };
    // One that cannot be read must not count as none.
    let origin = origin.to_str().map_err(|_binary| Refusal::Malformed)?;
    Ok(Some(origin.into()))
}

fn token(secret: &str) -> Credentials {
    match secret.starts_with(API_KEY_PREFIX) {
        true => Credentials::Key(secret.into()),
        false => Credentials::Token(secret.into()),
    }
}

fn ticket(secret: &str) -> Credentials {
    Credentials::Ticket(secret.into())
}

fn length(credentials: &Credentials) -> usize {
    match credentials {
        Credentials::Token(secret) | Credentials::Key(secret) | Credentials::Ticket(secret) => {
            secret.expose_secret().len()
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn shown(lines: &[(&'static str, &'static str)]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let credentials = credentials(&headers, Offered::of(&headers));
        let credentials = credentials.map_err(|refusal| refusal.label())?;
        Ok(credentials.map(|it| match it {
            Credentials::Token(secret) => format!("token {}", secret.expose_secret()),
            Credentials::Key(secret) => format!("key {}", secret.expose_secret()),
            Credentials::Ticket(secret) => format!("ticket {}", secret.expose_secret()),
        }))
    }

    #[test]
    fn credentials_stand_in_a_header_or_behind_a_marker() {
        for (lines, wanted) in [
            (&[][..], None),
            (&[("authorization", "Bearer abc")], Some("token abc")),
            (&[("authorization", "bearer tp_1")], Some("key tp_1")),
            (&[("authorization", "Ticket abc")], Some("ticket abc")),
            (&[("x-api-key", "tp_1")], Some("key tp_1")),
            (
                &[("sec-websocket-protocol", "bearer, abc")],
                Some("token abc"),
            ),
            (
                &[("sec-websocket-protocol", "v1, ticket ,abc")],
                Some("ticket abc"),
            ),
            (&[("sec-websocket-protocol", "v1")], None),
        ] {
            assert_eq!(shown(lines).unwrap().as_deref(), wanted, "{lines:?}");
        }
    }

    #[test]
    fn what_is_shown_twice_or_is_none_is_refused() {
        let bearer = ("authorization", "Bearer abc");
        for lines in [
            &[bearer, bearer][..],
            &[bearer, ("x-api-key", "tp_1")],
            &[bearer, ("sec-websocket-protocol", "ticket, abc")],
            &[("sec-websocket-protocol", "bearer, abc, ticket, abc")],
        ] {
            assert_eq!(shown(lines), Err("CREDENTIALS_AMBIGUOUS"), "{lines:?}");
        }
        for lines in [
            &[("authorization", "Basic abc")][..],
            &[("authorization", "Bearer ")],
            &[("authorization", "abc")],
            &[("x-api-key", "")],
            &[("sec-websocket-protocol", "bearer")],
        ] {
            assert_eq!(shown(lines), Err("CREDENTIALS_MALFORMED"), "{lines:?}");
        }
    }
}
