//! From JSON to the value that a handler wants.
//!
//! Stricter than `serde_json`: an object is not taken from an array, nor an enum from an object.

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::tree::Json;
use crate::http::fault::{Fault, Segment};

impl Json {
    const fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Integer(value) => Unexpected::Signed(*value),
            Self::Large(value) => Unexpected::Unsigned(*value),
            Self::Fraction(value) => Unexpected::Float(*value),
            Self::Text(value) => Unexpected::Str(value.as_str()),
            Self::Array(_) => Unexpected::Seq,
            Self::Object(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Json {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Integer(value) => visitor.visit_i64(value),
            Self::Large(value) => visitor.visit_u64(value),
            Self::Fraction(value) => visitor.visit_f64(value),
            Self::Text(value) => visitor.visit_string(value),
            Self::Array(values) => visitor.visit_seq(Elements::new(values)),
            Self::Object(fields) => visitor.visit_map(Fields::new(fields)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Self::Null => visitor.visit_none(),
            Self::Bool(_)
            | Self::Integer(_)
            | Self::Large(_)
            | Self::Fraction(_)
            | Self::Text(_)
            | Self::Array(_)
            | Self::Object(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Self::Object(fields) = self else {
            return Err(Fault::invalid_type(self.unexpected(), &"an object"));
        };
        visitor.visit_map(Fields::new(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Self::Text(value) = self else {
            return Err(Fault::invalid_type(self.unexpected(), &"a string"));
        };
        visitor.visit_enum(text(value))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn text(value: String) -> StringDeserializer<Fault> {
    value.into_deserializer()
}

struct Elements {
    left: std::vec::IntoIter<Json>,
    index: usize,
}

impl Elements {
    fn new(values: Vec<Json>) -> Self {
        Self {
            left: values.into_iter(),
            index: 0,
        }
    }
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(value) = self.left.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        let value = seed.deserialize(value);
        value
            .map(Some)
            .map_err(|fault| fault.under(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

struct Fields {
    left: std::vec::IntoIter<(String, Json)>,
    next: Option<(String, Json)>,
}

impl Fields {
    fn new(fields: Vec<(String, Json)>) -> Self {
        Self {
            left: fields.into_iter(),
            next: None,
        }
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.next = self.left.next();
        match &self.next {
            Some((key, _)) => seed.deserialize(text(key.clone())).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, value) = self
            .next
            .take()
            .ok_or_else(|| Fault::new("is asked for before its key"))?;
        seed.deserialize(value)
            .map_err(|fault| fault.under(Segment::Key(key)))
    }
}
