//! What people are to be told, as JSON.

use std::fmt;

use axum::extract::{FromRequest, Request};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tradepost_proto::notification::v1 as pb;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::router::Shared;
use crate::http::strict_json;

/// What must not get lost, and what may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Delivery {
    /// Stored, in sequence, and delivered at least once to who resumes.
    Durable,
    /// Not stored: whoever is not connected or too slow misses it.
    Ephemeral,
}

impl From<Delivery> for pb::Delivery {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Durable => Self::Durable,
            Delivery::Ephemeral => Self::Ephemeral,
        }
    }
}

/// Whether it is stored; it is, unless somebody says otherwise.
fn is_kept(delivery: Option<Delivery>) -> bool {
    delivery != Some(Delivery::Ephemeral)
}

fn in_proto(delivery: Option<Delivery>) -> i32 {
    pb::Delivery::from(delivery.unwrap_or(Delivery::Durable)).into()
}

/// What users are told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNotification {
    /// Whom: users, or what orders call `customer_ref`. One given twice counts once.
    #[schema(min_items = 1, max_items = 1000, example = json!(["user_01h455vb4pex5vsknk084sn02q"]))]
    user_ids: Vec<String>,
    /// Of what kind: of `a-z 0-9 . _ -`.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 64, example = "stock.arrived")]
    kind: String,
    /// A line.
    #[schema(min_length = 1, max_length = 200, example = "The teapot is back")]
    title: String,
    /// The text.
    #[schema(nullable = false, max_length = 4000)]
    message: Option<String>,
    /// What a program wants to know: an object of up to 16 KiB. It is kept as it is written.
    #[serde(default)]
    #[schema(value_type = Option<Object>, nullable = false)]
    #[expect(dead_code, reason = "it is taken as it is written, by `Telling`")]
    data: Option<AnObject>,
    /// What may get lost. Left out: nothing.
    #[schema(inline, nullable = false)]
    delivery: Option<Delivery>,
    /// Of an ephemeral one: of those with the same key that wait for a slow reader, only the newest
    /// stays.
    #[schema(nullable = false, max_length = 64)]
    collapse_key: Option<String>,
}

impl NewNotification {
    pub(super) fn is_kept(&self) -> bool {
        is_kept(self.delivery)
    }

    pub(super) fn into_request(self, request_id: String, data: String) -> pb::SendToUsersRequest {
        pb::SendToUsersRequest {
            request_id,
            user_ids: self.user_ids,
            content: Some(pb::Content {
                r#type: self.kind,
                title: self.title,
                message: self.message.unwrap_or_default(),
                data,
            }),
            delivery: in_proto(self.delivery),
            collapse_key: self.collapse_key.unwrap_or_default(),
        }
    }
}

/// What a group is told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBroadcast {
    /// Of what kind: of `a-z 0-9 . _ -`.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 64, example = "shift.changed")]
    kind: String,
    /// A line.
    #[schema(
        min_length = 1,
        max_length = 200,
        example = "The late shift starts at six"
    )]
    title: String,
    /// The text.
    #[schema(nullable = false, max_length = 4000)]
    message: Option<String>,
    /// What a program wants to know: an object of up to 16 KiB. It is kept as it is written.
    #[serde(default)]
    #[schema(value_type = Option<Object>, nullable = false)]
    #[expect(dead_code, reason = "it is taken as it is written, by `Telling`")]
    data: Option<AnObject>,
    /// What may get lost. Left out: nothing.
    #[schema(inline, nullable = false)]
    delivery: Option<Delivery>,
    /// Of an ephemeral one: of those with the same key that wait for a slow reader, only the newest
    /// stays.
    #[schema(nullable = false, max_length = 64)]
    collapse_key: Option<String>,
}

impl NewBroadcast {
    pub(super) fn is_kept(&self) -> bool {
        is_kept(self.delivery)
    }

    pub(super) fn into_request(
        self,
        request_id: String,
        group_id: String,
        data: String,
    ) -> pb::BroadcastToGroupRequest {
        pb::BroadcastToGroupRequest {
            request_id,
            group_id,
            content: Some(pb::Content {
                r#type: self.kind,
                title: self.title,
                message: self.message.unwrap_or_default(),
                data,
            }),
            delivery: in_proto(self.delivery),
            collapse_key: self.collapse_key.unwrap_or_default(),
        }
    }
}

/// It was stored, or sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sent {
    /// Its id.
    #[schema(example = "ntf_01h455vb4pex5vsknk084sn02q")]
    notification_id: String,
    /// Its place in the stream of each, in the order of `user_ids` without repetitions; none for an
    /// ephemeral one.
    sequences: Vec<u64>,
}

impl From<pb::SendToUsersResponse> for Sent {
    fn from(sent: pb::SendToUsersResponse) -> Self {
        Self {
            notification_id: sent.notification_id,
            sequences: sent.sequences,
        }
    }
}

/// It was stored, or sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Broadcast {
    /// Its id.
    #[schema(example = "ntf_01h455vb4pex5vsknk084sn02q")]
    notification_id: String,
    /// Its place in the group's stream; left out for an ephemeral one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 42)]
    sequence: Option<u64>,
}

impl From<pb::BroadcastToGroupResponse> for Broadcast {
    fn from(sent: pb::BroadcastToGroupResponse) -> Self {
        Self {
            notification_id: sent.notification_id,
            sequence: (sent.sequence > 0).then_some(sent.sequence),
        }
    }
}

/// A body as [`strict_json::StrictJson`] takes it, and beside it the text of its field `data` as it
/// was written: a number that is read and written again may lose digits.
pub(super) struct Telling<T>(pub(super) T, pub(super) String);

/// The field alone.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<T: DeserializeOwned> FromRequest<Shared> for Telling<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Shared) -> Result<Self, Problem> {
        let bytes = strict_json::read(request, gateway).await?;
        let body = strict_json::parse(&bytes)?;
        // It was read as JSON before: this cannot fail.
        let written: Option<Written<'_>> = serde_json::from_slice(&bytes).ok();
        let data = written.and_then(|written| written.data);
        Ok(Self(body, data.map_or("", RawValue::get).to_owned()))
    }
}

/// An object, whatever is in it.
#[derive(Debug)]
struct AnObject;

impl<'de> Deserialize<'de> for AnObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = AnObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<AnObject, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(AnObject)
    }
}
