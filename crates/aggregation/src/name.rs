//! A short text that lies where it is used: comparing two never follows a pointer.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};

const LEN_MAX: usize = 64;

/// A text of 1 to 64 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    len: u8,
    bytes: [u8; LEN_MAX],
}

impl Name {
    /// What events count under whose types are too many. No event type is called so.
    pub(crate) fn overflow() -> Self {
        let mut bytes = [0; LEN_MAX];
        for (to, from) in bytes.iter_mut().zip(b"__other__") {
            *to = *from;
        }
        Self { len: 9, bytes }
    }

    /// The name, unless the text is empty or too long.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let len = u8::try_from(text.len()).ok().filter(|&len| len > 0)?;
        let mut bytes = [0; LEN_MAX];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        Some(Self { len, bytes })
    }

    /// The name of a producer: 1 to 64 of `a-z A-Z 0-9 . _ -`.
    pub(crate) fn producer(text: &str) -> Option<Self> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.bytes().all(letters) {
            Self::new(text)
        } else {
            None
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The text: names are made of text only.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
