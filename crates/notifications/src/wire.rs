//! The frames. Every message is one text frame with one JSON object, whose `t` says which.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use tradepost_types::NotificationId;

use crate::content::Content;
use crate::stream::{Epoch, Position, Stream};

/// The subprotocol, and with it the version, that a client asks for.
pub const SUBPROTOCOL: &str = "tradepost.notifications.v1";
/// The most bytes of a message in either direction.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// What the server closes with.
pub mod close {
    /// The client said nothing it had to say in time, or nothing at all for too long.
    pub const IDLE: u16 = 1001;
    /// Not a WebSocket's frames.
    pub const PROTOCOL: u16 = 1002;
    /// A binary message.
    pub const UNSUPPORTED: u16 = 1003;
    /// A text that is no UTF-8.
    pub const NOT_TEXT: u16 = 1007;
    /// A message that is too large.
    pub const TOO_LARGE: u16 = 1009;
    /// A fault of the server: come back with back-off.
    pub const FAULT: u16 = 1011;
    /// The node goes: come back when `reconnect` said.
    pub const RESTART: u16 = 1012;
    /// The credentials ran out: come back with others.
    pub const EXPIRED: u16 = 4401;
    /// The credentials were revoked, or are another person's: do not come back.
    pub const REVOKED: u16 = 4403;
    /// The client reads too slowly: come back and resume.
    pub const SLOW: u16 = 4408;
    /// Too many messages: come back with back-off.
    pub const TOO_MANY: u16 = 4429;
    /// The history is another one: come back; what was missed is not recovered.
    pub const RESET: u16 = 4410;
    /// A message that is none of this protocol: do not come back.
    pub const UNSPOKEN: u16 = 4501;
    /// The user has too many connections; the oldest goes: do not come back by yourself.
    pub const REPLACED: u16 = 4503;
}

/// Credentials as a client gives them in a message. Nothing shows them by accident.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Box<str>);

impl Secret {
    /// The text, for whoever has to judge it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case", deny_unknown_fields)]
pub enum Said {
    /// The first: where it stands, so that it is told what it missed.
    Hello {
        /// By stream; a stream that is not named begins with what comes next.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        positions: BTreeMap<Stream, Position>,
        /// An access token, where none was shown before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Secret>,
        /// A ticket, where no credentials were shown before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<Secret>,
    },
    /// It has all up to these sequences: measured, never needed for delivery.
    Ack {
        /// By stream.
        streams: BTreeMap<Stream, u64>,
        /// For how many milliseconds the client has had the last of them that came to it: it may
        /// gather before it says so. Without it nothing is measured.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held_ms: Option<u64>,
    },
    /// The person has read all up to these.
    Read {
        /// By stream.
        streams: BTreeMap<Stream, u64>,
    },
    /// It wants a [`Told::Pong`].
    Ping,
    /// A further access token of the same person, before the last one runs out.
    Refresh {
        /// The token.
        token: Secret,
    },
}

impl Said {
    /// The first message of who has shown credentials already.
    #[must_use]
    pub const fn hello(positions: BTreeMap<Stream, Position>) -> Self {
        Self::Hello {
            positions,
            token: None,
            ticket: None,
        }
    }
}

/// Where a stream stands when a connection begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The last sequence that was told.
    pub seq: u64,
    /// Up to where the person has read.
    pub read: u64,
    /// Whether all after the client's position follows; absent if it named none. When false,
    /// something was missed for good here: fetch the history. What follows comes after `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
}

/// What the server says.
#[derive(Debug, Clone)]
pub enum Told {
    /// The answer to hello; what was missed follows.
    Welcome(Welcome),
    /// A durable notification.
    Notification(Box<Notification>),
    /// An ephemeral one.
    Signal(Box<Signal>),
    /// Where the streams stand: whoever has less has missed something, and reconnects.
    Tops(Places),
    /// The person has read up to here, on this connection or another.
    Read(Places),
    /// The user is in a further group from now on.
    Joined(Joined),
    /// The user is in that group no more.
    Left(Left),
    /// The node goes: disconnect, and come back after a while.
    Reconnect(Reconnect),
    /// The answer to ping.
    Pong,
    /// The answer to refresh.
    Refreshed(Refreshed),
}

/// The answer to hello.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Of which history all sequences of this connection are.
    pub epoch: Epoch,
    /// [`Told::Tops`] comes at least so often; a connection that is silent for twice as long is dead.
    pub heartbeat_ms: u64,
    /// All streams of the user.
    pub streams: BTreeMap<Stream, Start>,
}

/// Sequences by stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// By stream.
    pub streams: BTreeMap<Stream, u64>,
}

/// A further group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Its stream.
    pub stream: Stream,
    /// Where it stands: what is told comes after it.
    pub seq: u64,
    /// False: something was told between the joining and `seq` that will not come here. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
}

/// A group less.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its stream.
    pub stream: Stream,
}

/// When to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconnect {
    /// From now; every client has another.
    pub after_ms: u64,
}

/// The connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refreshed {
    /// Until then.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// A durable notification.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notification {
    /// The stream.
    pub stream: Stream,
    /// The place there: 1 more than that of the one before.
    pub seq: u64,
    /// The same for all who were told.
    pub id: String,
    /// When it was stored.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// Of what kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// A line.
    pub title: String,
    /// The text.
    pub message: String,
    /// What a program wants to know: a JSON object.
    pub data: Box<RawValue>,
    /// It must not interrupt the person: they muted its type, or it is a quiet time for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

impl Notification {
    /// `content` at its place in a stream.
    #[must_use]
    pub fn new(
        (stream, seq): (Stream, u64),
        id: NotificationId,
        time: OffsetDateTime,
        content: Content,
    ) -> Self {
        Self {
            stream,
            seq,
            id: id.to_string(),
            time,
            kind: content.kind,
            title: content.title,
            message: content.message,
            data: content.data,
            silent: false,
        }
    }
}

/// An ephemeral notification.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signal {
    /// `ntf_…`.
    pub id: String,
    /// Of what kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// A line.
    pub title: String,
    /// The text.
    pub message: String,
    /// What a program wants to know: a JSON object.
    pub data: Box<RawValue>,
}

/// A message with its kind.
#[derive(Serialize)]
struct Tagged<'a, T> {
    t: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    t: std::borrow::Cow<'a, str>,
}

/// A text that is no message of this protocol.
#[derive(Debug, thiserror::Error)]
pub enum UnreadMessage {
    /// No JSON, or another than its kind wants.
    #[error("malformed message: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Of a kind that is not known: a client ignores it.
    #[error("unknown kind of message")]
    Unknown,
}

impl Told {
    /// The message as text.
    #[must_use]
    pub fn text(&self) -> Bytes {
        match self {
            Self::Welcome(body) => text("welcome", body),
            Self::Notification(body) => text("notification", body.as_ref()),
            Self::Signal(body) => text("signal", body.as_ref()),
            Self::Tops(body) => text("tops", body),
            Self::Read(body) => text("read", body),
            Self::Joined(body) => text("joined", body),
            Self::Left(body) => text("left", body),
            Self::Reconnect(body) => text("reconnect", body),
            Self::Pong => text("pong", &Empty {}),
            Self::Refreshed(body) => text("refreshed", body),
        }
    }

    /// The message that a text is.
    ///
    /// # Errors
    /// [`UnreadMessage`] if it is none, or of a kind that is not known.
    pub fn parse(text: &str) -> Result<Self, UnreadMessage> {
        let tag: Tag<'_> = serde_json::from_str(text)?;
        Ok(match &*tag.t {
            "welcome" => Self::Welcome(serde_json::from_str(text)?),
            "notification" => Self::Notification(serde_json::from_str(text)?),
            "signal" => Self::Signal(serde_json::from_str(text)?),
            "tops" => Self::Tops(serde_json::from_str(text)?),
            "read" => Self::Read(serde_json::from_str(text)?),
            "joined" => Self::Joined(serde_json::from_str(text)?),
            "left" => Self::Left(serde_json::from_str(text)?),
            "reconnect" => Self::Reconnect(serde_json::from_str(text)?),
            "pong" => Self::Pong,
            "refreshed" => Self::Refreshed(serde_json::from_str(text)?),
            _ => return Err(UnreadMessage::Unknown),
        })
    }
}

/// Numbers, texts and JSON that was parsed before: none of it can fail to be written.
fn text<T: Serialize>(t: &'static str, body: &T) -> Bytes {
    let text = serde_json::to_vec(&Tagged { t, body });
    text.unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
