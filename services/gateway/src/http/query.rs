//! Query strings, taken exactly: no unknown parameter, none twice that may stand once.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::fault::{Fault, Segment};
use super::problem::Problem;
use super::router::Shared;

/// The parameters of a request's query.
pub(super) struct StrictQuery<T>(pub(super) T);

/// For routes that have no parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl<T: DeserializeOwned> FromRequestParts<Shared> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        parse(&parts.uri).map(Self)
    }
}

/// Refuses every query.
pub(super) fn refuse(uri: &Uri) -> Result<(), Problem> {
    parse::<Nothing>(uri).map(|_nothing| ())
}

fn parse<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    read(uri.query().unwrap_or_default())
        .and_then(T::deserialize)
        .map_err(|fault| {
            let name = fault.parameter();
            let detail = format!("the query parameter {name} {}", fault.detail);
            Problem::new(StatusCode::BAD_REQUEST, "INVALID_QUERY", detail)
                .parameter(name, &fault.detail)
        })
}

/// The parameters with all their values.
struct Pairs(BTreeMap<String, Vec<String>>);

fn read(query: &str) -> Result<Pairs, Fault> {
    let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let malformed = || Fault::new("is not percent-encoded UTF-8");
        let name = decode(name).ok_or_else(malformed)?;
        let value = decode(value)
            .ok_or_else(malformed)
            .map_err(|fault| fault.under(Segment::Key(name.clone())))?;
        pairs.entry(name).or_default().push(value);
    }
    Ok(Pairs(pairs))
}

/// `None` for a `%` without two digits behind it, and for what is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl<'de> Deserializer<'de> for Pairs {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let named = self.0.into_iter().map(|(name, values)| {
            let of = name.clone();
            (name, Values { of, values })
        });
        visitor.visit_map(MapDeserializer::new(named))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// All values of one parameter.
struct Values {
    of: String,
    values: Vec<String>,
}

impl Values {
    /// Reads the value of a parameter that may stand once.
    fn once<T>(self, read: impl FnOnce(String) -> Result<T, Fault>) -> Result<T, Fault> {
        let Self { of, values } = self;
        let mut values = values.into_iter();
        let fault = match (values.next(), values.next()) {
            (Some(value), None) => match read(value) {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            },
            _ => Fault::new("must not be given twice"),
        };
        Err(fault.under(Segment::Key(of)))
    }
}

impl<'de> IntoDeserializer<'de, Fault> for Values {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Values {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.once(|value| visitor.visit_string(value))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.once(|value| {
            let number = value.parse();
            let number = number.map_err(|_malformed| Fault::new("must be an integer of 32 bits"))?;
            visitor.visit_i32(number)
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Self { of, values } = self;
        visitor
            .visit_seq(SeqDeserializer::new(values.into_iter()))
            .map_err(|fault: Fault| fault.under(Segment::Key(of)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}
