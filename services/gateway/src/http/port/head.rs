//! The head of a request, byte by byte: whatever two readers could take for two requests is no
//! request.
//!
//! It only ever refuses. The HTTP library reads the same bytes after it, so a head that passes here
//! is as strict as both of them.

use axum::http::StatusCode;

use super::super::problem::Problem;

/// The largest head, its last empty line included.
pub(super) const BYTES_MAX: usize = 16 * 1024;
/// The longest target in a request line.
pub(super) const TARGET_BYTES_MAX: usize = 8 * 1024;
/// The most headers.
pub(super) const HEADERS_MAX: usize = 100;
/// The longest method.
const METHOD_BYTES_MAX: usize = 32;

/// Why a head is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum HeadFault {
    /// Not the form of RFC 9112, or two forms at once: the words say which.
    Malformed(&'static str),
    /// More than 16 KiB, or more than 100 headers.
    TooLarge,
    /// A target of more than 8 KiB.
    TargetTooLong,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    Version,
}

/// How the body after a head is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

impl HeadFault {
    /// For metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::Version => "version",
        }
    }
}

impl From<HeadFault> for Problem {
    fn from(fault: HeadFault) -> Self {
        let (status, reason, detail) = match fault {
            HeadFault::Malformed(what) => (StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", what),
            HeadFault::TooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "HEAD_TOO_LARGE",
                "a head has at most 16 KiB and 100 headers",
            ),
            HeadFault::TargetTooLong => (
                StatusCode::URI_TOO_LONG,
                "URI_TOO_LONG",
                "the target of a request has at most 8 KiB",
            ),
            HeadFault::Version => (
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "VERSION_NOT_SUPPORTED",
                "only HTTP/1.1 and HTTP/1.0 are spoken here",
            ),
        };
        Self::new(status, reason, detail).closing()
    }
}
