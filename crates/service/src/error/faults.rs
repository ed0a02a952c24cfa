//! The fields at fault, as many of them as an answer can carry.
//!
//! Details travel in a header, and clients take 16 KiB of headers: a longer answer would reach
//! them as a broken connection, and be tried again. So an answer names the first faults and counts
//! the others.

use std::fmt::Write;

use super::violations::FieldViolation;

/// The most fields that an answer names.
const NAMED_MAX: usize = 50;
/// The most bytes of their paths and descriptions.
const NAMED_BYTES_MAX: usize = 4_096;
/// The longest path and the longest description, in bytes: callers write parts of them.
const TEXT_BYTES_MAX: usize = 256;
/// The most bytes of faults that stand in the message too, which travels twice.
const LISTED_BYTES_MAX: usize = 512;

/// Faults in the order they were found: the first are named, all are counted.
#[derive(Debug, Default, Clone)]
pub(super) struct Faults {
    named: Vec<FieldViolation>,
    bytes: usize,
    unnamed: usize,
}

impl Faults {
    pub(super) const fn none() -> Self {
        Self {
            named: Vec::new(),
            bytes: 0,
            unnamed: 0,
        }
    }

    /// Notes a fault. Once one is only counted, those behind it are too.
    pub(super) fn push(&mut self, mut fault: FieldViolation) {
        cut(&mut fault.field, TEXT_BYTES_MAX);
        cut(&mut fault.description, TEXT_BYTES_MAX);
        let bytes = self.bytes + fault.field.len() + fault.description.len();
        let full = self.named.len() >= NAMED_MAX || bytes > NAMED_BYTES_MAX;
        if full || self.unnamed > 0 {
            self.unnamed += 1;
            return;
        }
        self.bytes = bytes;
        self.named.push(fault);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// How many there are, if not all are named.
    pub(super) fn total_beyond_named(&self) -> Option<usize> {
        (self.unnamed > 0).then_some(self.named.len() + self.unnamed)
    }

    pub(super) fn into_named(self) -> Vec<FieldViolation> {
        self.named
    }

    /// The first of them in words, and how many more there are.
    pub(super) fn told(&self) -> String {
        let mut told = String::new();
        let mut left = self.named.len() + self.unnamed;
        for fault in &self.named {
            let length = fault.field.len() + fault.description.len();
            if !told.is_empty() && told.len() + length > LISTED_BYTES_MAX {
                break;
            }
            let comma = if told.is_empty() { "" } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(told, "{comma}{} {}", fault.field, fault.description);
            left -= 1;
        }
        if left > 0 {
            let _ = write!(told, "; and {left} more");
        }
        told
    }
}

/// Cuts a text that is longer than `bytes_max`, and shows that it was cut.
pub(super) fn cut(text: &mut String, bytes_max: usize) {
    const MARK: &str = "…";
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub(MARK.len())));
        text.push_str(MARK);
    }
}
