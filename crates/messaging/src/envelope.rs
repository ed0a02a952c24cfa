//! What travels between services: a protobuf body and what a reader must know about it.
//!
//! It is *not* for how that looks on the wire; see `wire.rs`.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use time::OffsetDateTime;
use tradepost_types::{MessageId, TenantId};
use uuid::Uuid;

/// A message with its envelope. Its `Debug` tells only the length of the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// By this a consumer recognises a duplicate.
    pub id: MessageId,
    /// Full protobuf name of the body, e.g. `tradepost.inventory.command.v1.ReserveStock`.
    pub kind: String,
    /// Whose message it is.
    pub tenant: TenantId,
    /// The order's id, which is also the saga's: all messages of one order share it.
    pub correlation: Uuid,
    /// The message that caused this one.
    pub causation: Option<MessageId>,
    /// Text id of the aggregate it tells about.
    pub subject: String,
    /// Version of that aggregate; 0 when there is none.
    pub sequence: i64,
    /// When it happened.
    pub time: OffsetDateTime,
    /// W3C trace context of the writer.
    pub traceparent: Option<String>,
    /// The protobuf body.
    pub body: Bytes,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An attribute of the envelope is missing or malformed.
    #[error("the envelope's \"{name}\" is missing or malformed")]
    Envelope {
        /// Which attribute.
        name: &'static str,
    },
    /// The body is of another kind than the reader asked for.
    #[error("expected a {expected}, got a {found}")]
    Kind {
        /// What the reader wanted.
        expected: String,
        /// What the envelope says.
        found: String,
    },
    /// The body is not a protobuf message of its kind.
    #[error("the body is not a valid {kind}")]
    Body {
        /// What the envelope says.
        kind: String,
        /// Where the body breaks.
        #[source]
        source: prost::DecodeError,
    },
}

/// A body may hold a card's token or an address, which no log may show.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            kind,
            tenant,
            correlation,
            causation,
            subject,
            sequence,
            time,
            traceparent,
            body,
        } = self;
        f.debug_struct("Message")
            .field("id", id)
            .field("kind", kind)
            .field("tenant", tenant)
            .field("correlation", correlation)
            .field("causation", causation)
            .field("subject", subject)
            .field("sequence", sequence)
            .field("time", time)
            .field("traceparent", traceparent)
            .field("body", &format_args!("{} bytes", body.len()))
            .finish()
    }
}

impl Message {
    /// Whether the body is an `M`.
    #[must_use]
    pub fn is<M: prost::Name>(&self) -> bool {
        self.kind == M::full_name()
    }

    /// Reads the body as an `M`.
    pub fn decode<M: prost::Message + Default + prost::Name>(&self) -> Result<M, DecodeError> {
        if !self.is::<M>() {
            return Err(DecodeError::Kind {
                expected: M::full_name(),
                found: self.kind.clone(),
            });
        }
        M::decode(self.body.clone()).map_err(|source| DecodeError::Body {
            kind: self.kind.clone(),
            source,
        })
    }
}

/// How many orders, or other things that go their way alone, the messages tell about. Those of one
/// come together however idle the shop is.
pub(crate) fn matters<'a>(messages: impl Iterator<Item = &'a Message>) -> usize {
    let correlations: HashSet<Uuid> = messages.map(|message| message.correlation).collect();
    correlations.len()
}

/// Where a message goes, and whether somebody must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To the one service that carries it out; it stays in the outbox until that queue exists.
    Command {
        /// The service, e.g. `inventory`.
        service: &'static str,
        /// The command, e.g. `reserve`.
        name: &'static str,
    },
    /// To whoever listens.
    Event {
        /// `aggregate.past-tense`, e.g. `inventory.reserved`.
        key: &'static str,
        /// A saga waits for it: it stays in the outbox until some queue takes it.
        required: bool,
    },
}

/// A message on its way into the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where it goes.
    pub route: Route,
    /// What goes there.
    pub message: Message,
}

impl Outgoing {
    /// Asks `service` to carry out `name`.
    #[must_use]
    pub fn command<M: prost::Message + prost::Name>(
        service: &'static str,
        name: &'static str,
        tenant: TenantId,
        body: &M,
    ) -> Self {
        Self::new(Route::Command { service, name }, tenant, body)
    }

    /// A fact that may have no listener.
    #[must_use]
    pub fn event<M: prost::Message + prost::Name>(
        key: &'static str,
        tenant: TenantId,
        body: &M,
    ) -> Self {
        let route = Route::Event {
            key,
            required: false,
        };
        Self::new(route, tenant, body)
    }

    /// A fact that a saga waits for: it stays in the outbox until a queue takes it.
    #[must_use]
    pub fn required_event<M: prost::Message + prost::Name>(
        key: &'static str,
        tenant: TenantId,
        body: &M,
    ) -> Self {
        let route = Route::Event {
            key,
            required: true,
        };
        Self::new(route, tenant, body)
    }

    fn new<M: prost::Message + prost::Name>(route: Route, tenant: TenantId, body: &M) -> Self {
        let id = MessageId::new();
        let message = Message {
            id,
            kind: M::full_name(),
            tenant,
            correlation: id.as_uuid(),
            causation: None,
            subject: String::new(),
            sequence: 0,
            time: created_at(id),
            traceparent: None,
            body: Bytes::from(body.encode_to_vec()),
        };
        Self { route, message }
    }

    /// Continues the story of `cause`: its correlation and, unless this one has its own, its trace.
    #[must_use]
    pub fn caused_by(mut self, cause: &Message) -> Self {
        self.message.causation = Some(cause.id);
        self.message.correlation = cause.correlation;
        if self.message.traceparent.is_none() {
            self.message.traceparent.clone_from(&cause.traceparent);
        }
        self
    }

    /// Names the aggregate and its version.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>, sequence: i64) -> Self {
        self.message.subject = subject.into();
        self.message.sequence = sequence;
        self
    }

    /// Joins the saga of that id.
    #[must_use]
    pub fn correlated(mut self, correlation: Uuid) -> Self {
        self.message.correlation = correlation;
        self
    }

    /// Sets when it happened; without this it is when the message was made.
    #[must_use]
    pub fn at(mut self, time: OffsetDateTime) -> Self {
        self.message.time = time;
        self
    }

    /// Sets the W3C trace context.
    #[must_use]
    pub fn traced(mut self, traceparent: Option<String>) -> Self {
        self.message.traceparent = traceparent;
        self
    }
}

/// A `UUIDv7` holds the millisecond it was made in, so the envelope needs no clock of its own.
fn created_at(id: MessageId) -> OffsetDateTime {
    let made = id
        .as_uuid()
        .get_timestamp()
        .map_or((0, 0), |made| made.to_unix());
    let nanos = i128::from(made.0) * 1_000_000_000 + i128::from(made.1);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Delivery;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Pay {
        #[prost(string, tag = "1")]
        token: String,
    }

    impl prost::Name for Pay {
        const NAME: &'static str = "Pay";
        const PACKAGE: &'static str = "tradepost.test.v1";
    }

    #[test]
    fn no_debug_text_shows_a_body() {
        let token = "pm_card_visa".to_owned();
        let outgoing = Outgoing::event("probe.sent", TenantId::new(), &Pay { token });
        let message = outgoing.message.clone();
        let delivery = Delivery {
            message: message.clone(),
            queue: "probe.events".to_owned(),
            attempt: 1,
            redelivered: false,
        };

        let bytes: Vec<String> = message.body.iter().map(u8::to_string).collect();
        for text in [
            format!("{message:?}"),
            format!("{outgoing:?}"),
            format!("{delivery:?}"),
        ] {
            assert!(text.contains("body: 14 bytes"), "{text}");
            assert!(text.contains("tradepost.test.v1.Pay"), "{text}");
            assert!(!text.contains("pm_card"), "{text}");
            assert!(!text.contains(&bytes.join(", ")), "{text}");
        }
    }
}
