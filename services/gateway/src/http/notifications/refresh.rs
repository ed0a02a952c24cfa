//! Fresh credentials, said on the socket before the old ones run out. The gateway has judged the
//! old ones, so it judges these: the service never sees them.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tradepost_notifications::wire::{Refreshed, Said, Secret, Told, close::UNSPOKEN};

use super::ending::close;

/// No message with a token is longer. What is longer is not looked at.
const BYTES_MAX: usize = 16 * 1024;

static REFRESH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("refresh"));

/// What kind of message it is.
#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    t: std::borrow::Cow<'a, str>,
}

/// The token of a message that shows one; `None` for every other message.
///
/// # Errors
/// How to close the socket of who wants to show one and says it wrongly: it may hold a token, so
/// it goes no further.
pub(super) fn token(message: &Message) -> Result<Option<Secret>, CloseFrame> {
    let Message::Text(text) = message else {
        return Ok(None);
    };
    if !may_be(text) {
        return Ok(None);
    }
    match serde_json::from_str::<Tag<'_>>(text) {
        Ok(tag) if tag.t == "refresh" => match serde_json::from_str(text) {
            Ok(Said::Refresh { token }) => Ok(Some(token)),
            Ok(Said::Hello { .. } | Said::Ack { .. } | Said::Read { .. } | Said::Ping) | Err(_) => {
                Err(close(UNSPOKEN, "a refresh has a token and nothing else"))
            }
        },
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Whether it is worth being read: the word may be written with escapes.
fn may_be(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= BYTES_MAX
        && (REFRESH.find(bytes).is_some() || memchr::memchr(b'\\', bytes).is_some())
}

/// What the client is answered.
pub(super) fn done(expires_at: OffsetDateTime) -> Message {
    let told = Told::Refreshed(Refreshed { expires_at }).text();
    Message::text(String::from_utf8_lossy(&told).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<String>, u16> {
        let token = token(&Message::text(text)).map_err(|close| u16::from(close.code))?;
        Ok(token.map(|token| token.expose().to_owned()))
    }

    #[test]
    fn a_refresh_is_found_however_it_is_written() {
        for text in [
            r#"{"t":"refresh","token":"abc"}"#,
            r#" { "token" : "abc" , "t" : "refresh" } "#,
            r#"{"t":"\u0072efresh","token":"abc"}"#,
        ] {
            assert_eq!(read(text), Ok(Some("abc".to_owned())), "{text}");
        }
    }

    #[test]
    fn everything_else_is_the_services() {
        for text in [
            "",
            "refresh",
            r#"{"t":"ping"}"#,
            r#"{"t":"hello","positions":{}}"#,
            r#"{"t":"refreshing"}"#,
            r#"{"x":"refresh","t":"ping"}"#,
            r#"{"t":"a\nb"}"#,
        ] {
            assert_eq!(read(text), Ok(None), "{text}");
        }
        let long = format!(r#"{{"t":"refresh","token":"{}"}}"#, "a".repeat(BYTES_MAX));
        assert_eq!(read(&long), Ok(None));
        let binary = Message::binary(br#"{"t":"refresh","token":"abc"}"#.to_vec());
        assert_eq!(token(&binary), Ok(None));
    }

    #[test]
    fn a_refresh_that_is_said_wrongly_goes_no_further() {
        for text in [
            r#"{"t":"refresh"}"#,
            r#"{"t":"refresh","token":1}"#,
            r#"{"t":"refresh","token":"abc","and":"more"}"#,
        ] {
            assert_eq!(read(text), Err(UNSPOKEN), "{text}");
        }
    }

    #[test]
    fn the_answer_says_until_when() {
        let done = done(OffsetDateTime::UNIX_EPOCH);
        let text = r#"{"t":"refreshed","expires_at":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(done, Message::text(text));
    }
}
