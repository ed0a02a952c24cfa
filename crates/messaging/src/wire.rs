//! The envelope as AMQP properties and headers (`CloudEvents` in binary mode), and back.
//!
//! Reading goes through [`Headers`], a flat map of texts: it is also what retry rows and parked
//! messages keep, so that even a message nobody can read is kept whole. Unknown headers are
//! carried along and ignored.

use std::collections::BTreeMap;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tradepost_types::{MessageId, TenantId};
use uuid::Uuid;

use crate::envelope::{DecodeError, Message};

/// Properties and headers of a message as flat text.
pub(crate) type Headers = BTreeMap<String, String>;

const ID: &str = "cloudEvents_id";
const KIND: &str = "cloudEvents_type";
const SOURCE: &str = "cloudEvents_source";
const SPECVERSION: &str = "cloudEvents_specversion";
const SUBJECT: &str = "cloudEvents_subject";
const TIME: &str = "cloudEvents_time";
const TENANT: &str = "tenant";
const CORRELATION: &str = "sagaid";
const CAUSATION: &str = "causationid";
const SEQUENCE: &str = "sequence";
const TRACEPARENT: &str = "traceparent";

const PERSISTENT: u8 = 2;
const CONTENT_TYPE: &str = "application/protobuf";

/// Renders the envelope for the broker. `None` when a name is longer than AMQP allows, which the
/// outbox's constraints rule out.
pub(crate) fn properties(message: &Message, source: &str) -> Option<BasicProperties> {
    let short = |text: &str| ShortString::try_new(text).ok();
    let mut table = FieldTable::default();
    for (name, value) in headers(message, source) {
        table.insert(short(&name)?, AMQPValue::LongString(value.into()));
    }
    let seconds = u64::try_from(message.time.unix_timestamp()).unwrap_or_default();
    Some(
        BasicProperties::default()
            .with_content_type(short(CONTENT_TYPE)?)
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short(&message.id.to_string())?)
            .with_correlation_id(short(&message.correlation.to_string())?)
            .with_type(short(&message.kind)?)
            .with_timestamp(seconds)
            .with_headers(table),
    )
}

/// The envelope as flat text.
pub(crate) fn headers(message: &Message, source: &str) -> Headers {
    let mut headers = Headers::new();
    let mut set = |name: &str, value: String| drop(headers.insert(name.to_owned(), value));
    set(SPECVERSION, "1.0".to_owned());
    set(SOURCE, source.to_owned());
    set(ID, message.id.to_string());
    set(KIND, message.kind.clone());
    set(TIME, message.time.format(&Rfc3339).unwrap_or_default());
    set(SUBJECT, message.subject.clone());
    set(TENANT, message.tenant.to_string());
    set(CORRELATION, message.correlation.to_string());
    set(SEQUENCE, message.sequence.to_string());
    if let Some(causation) = message.causation {
        set(CAUSATION, causation.to_string());
    }
    if let Some(traceparent) = &message.traceparent {
        set(TRACEPARENT, traceparent.clone());
    }
    headers
}

/// Flattens what the broker delivered. Properties stand in where their header is missing.
pub(crate) fn flatten(properties: &BasicProperties) -> Headers {
    let mut headers = Headers::new();
    if let Some(table) = properties.headers() {
        for (name, value) in table.inner() {
            headers.insert(storable(name.as_str()), storable(&text(value)));
        }
    }
    let mut stand_in = |name: &str, value: &Option<ShortString>| {
        if let Some(value) = value {
            headers
                .entry(name.to_owned())
                .or_insert_with(|| storable(value.as_str()));
        }
    };
    stand_in(ID, properties.message_id());
    stand_in(KIND, properties.kind());
    stand_in(CORRELATION, properties.correlation_id());
    headers
}

/// Reads the envelope back.
pub(crate) fn parse(headers: &Headers, body: Bytes) -> Result<Message, DecodeError> {
    let time = required(headers, TIME, |text| {
        OffsetDateTime::parse(text, &Rfc3339).ok()
    })?;
    Ok(Message {
        id: required(headers, ID, |text| text.parse::<MessageId>().ok())?,
        kind: required(headers, KIND, |text| {
            (!text.is_empty()).then(|| text.to_owned())
        })?,
        tenant: required(headers, TENANT, |text| text.parse::<TenantId>().ok())?,
        correlation: required(headers, CORRELATION, |text| text.parse::<Uuid>().ok())?,
        causation: optional(headers, CAUSATION, |text| text.parse::<MessageId>().ok())?,
        subject: headers.get(SUBJECT).cloned().unwrap_or_default(),
        sequence: optional(headers, SEQUENCE, |text| text.parse::<i64>().ok())?.unwrap_or_default(),
        time,
        traceparent: headers.get(TRACEPARENT).cloned(),
        body,
    })
}

/// The message id a header map names, if it names one at all, readable or not.
pub(crate) fn id_text(headers: &Headers) -> Option<&str> {
    headers.get(ID).map(String::as_str)
}

/// The kind a header map names.
pub(crate) fn kind_text(headers: &Headers) -> Option<&str> {
    headers.get(KIND).map(String::as_str)
}

fn required<T>(
    headers: &Headers,
    name: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DecodeError> {
    let text = headers.get(name).ok_or(DecodeError::Envelope { name })?;
    parse(text).ok_or(DecodeError::Envelope { name })
}

fn optional<T>(
    headers: &Headers,
    name: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, DecodeError> {
    match headers.get(name) {
        Some(text) => parse(text).map(Some).ok_or(DecodeError::Envelope { name }),
        None => Ok(None),
    }
}

/// PostgreSQL's texts cannot hold NUL, and a message must be storable whatever it carries.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn text(value: &AMQPValue) -> String {
    let bytes = |text: &LongString| String::from_utf8_lossy(text.as_bytes()).into_owned();
    if let AMQPValue::LongString(value) = value {
        bytes(value)
    } else if let AMQPValue::ShortString(value) = value {
        value.to_string()
    } else {
        // Tables and numbers, such as the broker's own x-death: kept for people, not for us.
        serde_json::to_string(value).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tradepost_types::OrderId;

    use super::*;

    fn message() -> Message {
        Message {
            id: MessageId::new(),
            kind: "tradepost.test.v1.Probe".to_owned(),
            tenant: TenantId::new(),
            correlation: OrderId::new().as_uuid(),
            causation: Some(MessageId::new()),
            subject: "order_1".to_owned(),
            sequence: 3,
            time: OffsetDateTime::UNIX_EPOCH + time::Duration::microseconds(1_234_567),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            body: Bytes::from_static(b"body"),
        }
    }

    #[test]
    fn an_envelope_survives_the_wire() {
        let sent = message();

        let properties = properties(&sent, "probe").unwrap();
        let received = parse(&flatten(&properties), sent.body.clone());

        assert_eq!(received, Ok(sent));
    }

    #[test]
    fn unknown_headers_are_kept_and_ignored() {
        let sent = message();
        let mut headers = headers(&sent, "probe");
        headers.insert("from-the-future".to_owned(), "42".to_owned());

        assert_eq!(parse(&headers, sent.body.clone()), Ok(sent));
    }

    #[test]
    fn an_envelope_without_a_required_attribute_is_refused() {
        for name in [ID, KIND, TENANT, CORRELATION, TIME] {
            let mut headers = headers(&message(), "probe");
            headers.remove(name);

            let refused = parse(&headers, Bytes::new());

            assert_eq!(refused, Err(DecodeError::Envelope { name }), "{name}");
        }
    }

    #[test]
    fn a_malformed_optional_attribute_is_refused_and_a_missing_one_is_not() {
        let mut headers = headers(&message(), "probe");
        headers.insert(SEQUENCE.to_owned(), "three".to_owned());
        assert!(parse(&headers, Bytes::new()).is_err());

        for name in [SEQUENCE, CAUSATION, TRACEPARENT, SUBJECT] {
            headers.remove(name);
        }
        assert!(parse(&headers, Bytes::new()).is_ok());
    }

    #[test]
    fn another_kind_of_id_is_not_a_tenant() {
        let mut headers = headers(&message(), "probe");
        headers.insert(TENANT.to_owned(), OrderId::new().to_string());

        assert!(parse(&headers, Bytes::new()).is_err());
    }
}
