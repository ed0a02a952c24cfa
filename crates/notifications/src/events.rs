//! The same messages as server-sent events: each an event of its kind, with the message as its
//! data. Events that move on have an id; sent back, it is where the client stands.

mod heard;

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::wire::Told;
pub use heard::{Heard, ID_BYTES_MAX};

/// The header with what a client has heard already.
pub const LAST_EVENT_ID: &str = "Last-Event-ID";
/// What the answer is.
pub const CONTENT_TYPE: &str = "text/event-stream";
/// What keeps a connection alive and says nothing.
pub const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// What a message is for who hears events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// This, as it goes over the line.
    Event(Bytes),
    /// The node goes: the stream ends, and the client comes back then.
    Return {
        /// From now.
        after_ms: u64,
    },
}

impl Heard {
    /// A message as an event, and what is heard then; one without a name is nobody's, and is kept
    /// as a comment.
    pub fn piece(&mut self, text: &str) -> Piece {
        let Some(kind) = kind(text) else {
            return Piece::Event(COMMENT);
        };
        // One that is newer than this program is passed on, and moves nothing on.
        let mut told = Told::parse(text).ok();
        if let Some(Told::Welcome(welcome)) = &mut told
            && self.excuse(welcome)
        {
            let text = Told::Welcome(welcome.clone()).text();
            return self.piece(&String::from_utf8_lossy(&text));
        }
        if let Some(Told::Reconnect(reconnect)) = &told {
            let after_ms = reconnect.after_ms;
            return Piece::Return { after_ms };
        }
        let id = told.is_some_and(|told| self.note(&told));
        let id = id.then(|| self.id());
        Piece::Event(event(&kind, id.as_deref(), text))
    }
}

/// The last event: what a WebSocket would be closed with, and when to come back.
#[must_use]
pub fn closing(code: u16, reason: &str, after_ms: Option<u64>) -> Bytes {
    let data = json!({"code": code, "reason": reason}).to_string();
    let retry = after_ms.map_or_else(String::new, |after_ms| format!("retry: {after_ms}\n"));
    format!("{retry}event: closed\ndata: {data}\n\n").into()
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
}

/// Of what kind a message is, if that can stand in a line.
fn kind(text: &str) -> Option<String> {
    let tag: Tag<'_> = serde_json::from_str(text).ok()?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let plain = !tag.t.is_empty() && tag.t.bytes().all(is_plain);
    plain.then(|| tag.t.into_owned())
}

/// One event. Between the parts of JSON a line's end is white space, and within them there is none.
fn event(kind: &str, id: Option<&str>, json: &str) -> Bytes {
    let data = match json.contains(['\r', '\n']) {
        true => Cow::Owned(json.replace(['\r', '\n'], " ")),
        false => Cow::Borrowed(json),
    };
    let text = match id {
        Some(id) => format!("event: {kind}\nid: {id}\ndata: {data}\n\n"),
        None => format!("event: {kind}\ndata: {data}\n\n"),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(text: &str) -> String {
        match Heard::default().piece(text) {
            Piece::Event(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Piece::Return { after_ms } => after_ms.to_string(),
        }
    }

    #[test]
    fn a_message_is_an_event_of_its_kind() {
        let tops = r#"{"t":"tops","streams":{"user":4}}"#;
        assert_eq!(piece(tops), format!("event: tops\ndata: {tops}\n\n"));
        let later = "{\"t\":\"later\",\n\"x\":1}";
        let line = "event: later\ndata: {\"t\":\"later\", \"x\":1}\n\n";
        assert_eq!(piece(later), line);
        for unnamed in ["nonsense", "{}", r#"{"t":""}"#, r#"{"t":"a\nid: b"}"#] {
            assert_eq!(piece(unnamed), ":\n\n", "{unnamed}");
        }
        assert_eq!(piece(r#"{"t":"reconnect","after_ms":7}"#), "7");
    }

    #[test]
    fn an_event_that_moves_on_has_an_id() {
        let mut heard = Heard::default();
        let joined = r#"{"t":"joined","stream":"group:late","seq":5}"#;

        let Piece::Event(bytes) = heard.piece(joined) else {
            panic!("it is an event");
        };

        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains(&format!("\nid: {}\n", heard.id())), "{text}");
    }

    #[test]
    fn the_last_event_says_why_and_when_to_come_back() {
        let text = |after_ms| String::from_utf8(closing(4401, "late", after_ms).to_vec()).unwrap();
        let closed = "event: closed\ndata: {\"code\":4401,\"reason\":\"late\"}\n\n";

        assert_eq!(text(None), closed);
        assert_eq!(text(Some(9)), format!("retry: 9\n{closed}"));
    }
}
