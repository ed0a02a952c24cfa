//! Query strings, taken exactly: no unknown parameter, none twice that may stand once.

use std::collections::{BTreeMap, btree_map};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use serde::de::value::SeqDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
};
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
        visitor.visit_map(Parameters {
            left: self.0.into_iter(),
            next: None,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// One parameter after the other; what is wrong with a value is placed under its name.
struct Parameters {
    left: btree_map::IntoIter<String, Vec<String>>,
    next: Option<(String, Vec<String>)>,
}

impl<'de> MapAccess<'de> for Parameters {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.next = self.left.next();
        match &self.next {
            Some((name, _)) => seed
                .deserialize(name.as_str().into_deserializer())
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (name, values) = self
            .next
            .take()
            .ok_or_else(|| Fault::new("is asked for before its name"))?;
        seed.deserialize(Values(values))
            .map_err(|fault| fault.under(Segment::Key(name)))
    }
}

/// All values of one parameter.
struct Values(Vec<String>);

impl Values {
    /// The value of a parameter that may stand once.
    fn only(self) -> Result<String, Fault> {
        let mut values = self.0.into_iter();
        match (values.next(), values.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Fault::new("must not be given twice")),
        }
    }
}

impl<'de> Deserializer<'de> for Values {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_string(self.only()?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.only()?.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(Fault::new("must be true or false")),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let number = self.only()?.parse();
        let number = number.map_err(|_malformed| Fault::new("must be an integer of 32 bits"))?;
        visitor.visit_i32(number)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let number = self.only()?.parse();
        let wanted = "must be an integer of 32 bits, not negative";
        visitor.visit_u32(number.map_err(|_malformed| Fault::new(wanted))?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(self.only()?.into_deserializer())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(SeqDeserializer::new(self.0.into_iter()))
    }

    forward_to_deserialize_any! {
        i8 i16 i64 i128 u8 u16 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests;
