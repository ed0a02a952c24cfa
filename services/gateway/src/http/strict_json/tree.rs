//! From bytes to JSON: syntax, depth, size, and no key twice.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::http::fault::{Fault, Segment};

/// How deep arrays and objects may be nested; an order needs four.
const DEPTH_MAX: usize = 32;
/// How many values a body may hold. An order of 2,000 lines with prices has about 18,000; a tree
/// takes many times the room of the text `[0,0,0,…`, so it is limited by itself.
pub(super) const VALUES_MAX: usize = 50_000;

/// A JSON value, as it stands in the body.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    /// An integer beyond 64 bits with a sign.
    Large(u64),
    /// A number with a fraction or an exponent, or one that is too large for any integer.
    Fraction(f64),
    Text(String),
    Array(Vec<Json>),
    /// No key occurs twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A field of an object.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => {
                let mut fields = fields.iter();
                fields.find(|(key, _)| key == name).map(|(_, value)| value)
            }
            Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::Large(_)
            | Self::Fraction(_)
            | Self::Text(_)
            | Self::Array(_) => None,
        }
    }

    /// How many elements an array has.
    pub(super) const fn len(&self) -> Option<usize> {
        match self {
            Self::Array(elements) => Some(elements.len()),
            Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::Large(_)
            | Self::Fraction(_)
            | Self::Text(_)
            | Self::Object(_) => None,
        }
    }
}

/// Reads a whole body of at most so many values.
pub(super) fn read(bytes: &[u8], values_max: usize) -> Result<Json, Fault> {
    if bytes.is_empty() {
        return Err(Fault::new("is required"));
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        return Err(Fault::new(format!("is not UTF-8 from byte {at} on")));
    }
    let mut walk = Walk {
        path: Vec::new(),
        values: 0,
        values_max,
        why: None,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = Node(&mut walk)
        .deserialize(&mut deserializer)
        .and_then(|json| deserializer.end().map(|()| json));
    read.map_err(|error| walk.fault(&error))
}

/// Where the reader is, and why it stopped if not for the syntax.
struct Walk {
    path: Vec<Segment>,
    values: usize,
    values_max: usize,
    why: Option<String>,
}

impl Walk {
    /// The fault at the place where the reader stopped.
    fn fault(self, error: &serde_json::Error) -> Fault {
        let why = self.why.unwrap_or_else(|| format!("is not JSON: {error}"));
        let path = self.path.into_iter().rev();
        path.fold(Fault::new(why), Fault::under)
    }

    /// Stops the reader. What it says is kept beside, since the parser's error adds to the text.
    fn stop<E: Error>(&mut self, why: impl Into<String>) -> E {
        self.why = Some(why.into());
        E::custom("")
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        if self.path.len() >= DEPTH_MAX {
            return Err(self.stop(format!("is nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(())
    }

    fn count<E: Error>(&mut self) -> Result<(), E> {
        self.values += 1;
        let values_max = self.values_max;
        if self.values > values_max {
            return Err(self.stop(format!("is beyond the {values_max} values of a body")));
        }
        Ok(())
    }
}

/// One value in the making.
struct Node<'walk>(&'walk mut Walk);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.0.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Large(value), Json::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let walk = self.0;
        walk.enter()?;
        let mut array = Vec::new();
        loop {
            walk.path.push(Segment::Index(array.len()));
            let Some(value) = elements.next_element_seed(Node(walk))? else {
                break;
            };
            array.push(value);
            walk.path.pop();
        }
        walk.path.pop();
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let walk = self.0;
        walk.enter()?;
        let mut object = Vec::new();
        while let Some(key) = fields.next_key::<String>()? {
            walk.path.push(Segment::Key(key.clone()));
            let value = fields.next_value_seed(Node(walk))?;
            walk.path.pop();
            object.push((key, value));
        }
        if let Some(twice) = twice(&object) {
            walk.path.push(Segment::Key(twice));
            return Err(walk.stop("is given twice"));
        }
        Ok(Json::Object(object))
    }
}

/// Up to how many keys it is faster to compare all with all than to sort them.
const KEYS_FEW: usize = 16;

/// A key that occurs more than once.
fn twice(object: &[(String, Json)]) -> Option<String> {
    if object.len() <= KEYS_FEW {
        let mut keys = object.iter().map(|(key, _)| key).enumerate();
        let earlier = |at: usize| object.iter().take(at).map(|(key, _)| key);
        let twice = keys.find(|&(at, key)| earlier(at).any(|other| other == key));
        return twice.map(|(_at, key)| key.clone());
    }
    let mut keys: Vec<&String> = object.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    let pair = keys.windows(2).find(|pair| pair.first() == pair.last())?;
    pair.first().map(|&key| key.clone())
}
