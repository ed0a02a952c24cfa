//! What is wrong with a request, and where.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

/// A fault at a place of a body or a query. It is the error of our deserializers: serde tells what
/// is missing, unknown or of the wrong type, and the place is added on the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From the fault outwards.
    path: Vec<Segment>,
    /// What is wanted, as the end of a sentence: `must be an integer, not a string`.
    pub(super) detail: String,
}

impl Fault {
    pub(super) fn new(detail: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            detail: detail.into(),
        }
    }

    /// The same fault, seen from one step further out.
    pub(super) fn under(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }

    /// The place as a JSON pointer (RFC 6901).
    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for segment in self.path.iter().rev() {
            pointer.push('/');
            match segment {
                Segment::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Segment::Index(index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }

    /// The outermost name: the parameter, when the whole is a query.
    pub(super) fn parameter(&self) -> &str {
        match self.path.last() {
            Some(Segment::Key(key)) => key,
            Some(Segment::Index(_)) | None => "",
        }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pointer(), self.detail)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let (expected, found) = (wanted(expected), found(unexpected));
        Self::new(format!("must be {expected}, not {found}"))
    }

    fn invalid_value(_unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("must be {}", wanted(expected)))
    }

    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = match expected {
            [] => "is not known here".to_owned(),
            known => format!("is not known here; known: {}", known.join(", ")),
        };
        Self::new(known).under(Segment::Key(field.to_owned()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is required").under(Segment::Key(field.to_owned()))
    }
}

/// Rust's names are none of the caller's business.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "i64" => "an integer of 64 bits".to_owned(),
        "i32" => "an integer of 32 bits".to_owned(),
        "u64" => "an integer of 64 bits, not negative".to_owned(),
        "u32" => "an integer of 32 bits, not negative".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "an array".to_owned(),
        _ => text,
    }
}

/// What stands there, but not its value: it may be personal.
const fn found(unexpected: Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number with a fraction or an exponent",
        Unexpected::Char(_)
        | Unexpected::Str(_)
        | Unexpected::Bytes(_)
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant => "a string",
        Unexpected::Unit | Unexpected::Option | Unexpected::Other(_) => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map | Unexpected::NewtypeStruct => "an object",
    }
}
