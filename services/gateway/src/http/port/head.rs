//! The head of a request, byte by byte: whatever two readers could take for two requests is no
//! request.
//!
//! It only ever refuses. The HTTP library reads the same bytes after it, so a head that passes here
//! is as strict as both of them.

use axum::http::StatusCode;
use memchr::memchr;

use super::super::problem::Problem;

/// The largest head, its last empty line included.
const BYTES_MAX: usize = 16 * 1024;
/// The longest target in a request line.
const TARGET_BYTES_MAX: usize = 8 * 1024;
/// The most headers.
pub(super) const HEADERS_MAX: usize = 100;
/// The longest method, the space behind it included.
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

/// Without the end of a line, so many bytes may still be the beginning of a head.
pub(super) const LINE_BYTES_MAX: usize = METHOD_BYTES_MAX + TARGET_BYTES_MAX;

/// How the body after a head is delimited: by its length, or in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// What the bytes at the beginning of a request are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// So far so good, but not all of it.
    Partial,
    /// A whole head of so many bytes.
    Whole(usize, Framing),
}

/// Reads a head at the beginning of `bytes`.
///
/// # Errors
/// Says why there can be none, also before all of it is there.
pub(super) fn read(bytes: &[u8]) -> Result<Head, HeadFault> {
    let Some((line, mut rest)) = line(bytes)? else {
        return partial(bytes, bytes);
    };
    let is_11 = request_line(line)?;
    let (mut seen, mut count) = (Seen::default(), 0);
    loop {
        let Some((line, after)) = self::line(rest)? else {
            return partial(bytes, b"");
        };
        rest = after;
        if line.is_empty() {
            break;
        }
        count += 1;
        if count > HEADERS_MAX {
            return Err(HeadFault::TooLarge);
        }
        seen.header(line)?;
    }
    let length = bytes.len() - rest.len();
    if length > BYTES_MAX {
        return Err(HeadFault::TooLarge);
    }
    let framing = seen.framing(is_11)?;
    Ok(Head::Whole(length, framing))
}

/// What has no end yet may still be too long; `request_line` is what there is of one without end.
fn partial(bytes: &[u8], request_line: &[u8]) -> Result<Head, HeadFault> {
    if request_line.len() > LINE_BYTES_MAX {
        return Err(HeadFault::TargetTooLong);
    }
    if bytes.len() >= BYTES_MAX {
        return Err(HeadFault::TooLarge);
    }
    Ok(Head::Partial)
}

/// A line without its end, and what follows.
type Split<'a> = Option<(&'a [u8], &'a [u8])>;

/// The first line, if it is whole.
fn line(bytes: &[u8]) -> Result<Split<'_>, HeadFault> {
    let Some(end) = memchr(b'\n', bytes) else {
        return Ok(None);
    };
    let (line, rest) = bytes.split_at(end);
    match line.strip_suffix(b"\r") {
        Some(line) => Ok(Some((line, rest.get(1..).unwrap_or_default()))),
        None => Err(HeadFault::Malformed("a line ends with CR and LF")),
    }
}

/// Whether it is HTTP/1.1.
fn request_line(line: &[u8]) -> Result<bool, HeadFault> {
    let malformed = HeadFault::Malformed("the request line is a method, a target and a version");
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed);
    };
    let is_method = (1..METHOD_BYTES_MAX).contains(&method.len()) && all(method, is_token);
    if !is_method || method == b"CONNECT" {
        return Err(malformed);
    }
    if target.len() > TARGET_BYTES_MAX {
        return Err(HeadFault::TargetTooLong);
    }
    if target.is_empty() || !all(target, is_target) {
        return Err(HeadFault::Malformed("the target is not percent-encoded"));
    }
    match version {
        b"HTTP/1.1" => Ok(true),
        b"HTTP/1.0" => Ok(false),
        version if version.starts_with(b"HTTP/") => Err(HeadFault::Version),
        _ => Err(malformed),
    }
}

/// The headers by which two readers could disagree on where a request ends, or whom it is for.
#[derive(Default)]
struct Seen {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Seen {
    fn header(&mut self, line: &[u8]) -> Result<(), HeadFault> {
        let colon = memchr(b':', line);
        let (name, value) = line.split_at(colon.unwrap_or_default());
        if name.is_empty() || !all(name, is_token) {
            // A folded line begins with a space, which stands in no name.
            return Err(HeadFault::Malformed(
                "a header is a name, a colon and a value",
            ));
        }
        let value = value.get(1..).unwrap_or_default();
        if !all(value, is_value) {
            return Err(HeadFault::Malformed("a header holds a control character"));
        }
        if name.eq_ignore_ascii_case(b"host") {
            self.hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.content_length(value.trim_ascii())?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_known = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            if self.chunked || !is_known {
                return Err(HeadFault::Malformed("Transfer-Encoding is chunked, once"));
            }
            self.chunked = true;
        }
        Ok(())
    }

    /// Digits only: no sign, no list, and no second line even if it says the same.
    fn content_length(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        let digits = std::str::from_utf8(value).ok();
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits.and_then(|text| text.parse().ok());
        if length.is_none() || self.length.is_some() {
            return Err(HeadFault::Malformed("Content-Length is a number, once"));
        }
        self.length = length;
        Ok(())
    }

    fn framing(self, is_11: bool) -> Result<Framing, HeadFault> {
        if self.hosts > 1 || (is_11 && self.hosts == 0) {
            return Err(HeadFault::Malformed("Host is given once"));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(HeadFault::Malformed(
                "Content-Length and Transfer-Encoding exclude each other",
            )),
            (true, None) if is_11 => Ok(Framing::Chunked),
            (true, None) => Err(HeadFault::Malformed("HTTP/1.0 has no Transfer-Encoding")),
            (false, length) => Ok(Framing::Length(length.unwrap_or_default())),
        }
    }
}

/// Looks at every byte: many at once take less time than one by one up to the first that fails.
fn all(bytes: &[u8], is: impl Fn(&u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, byte| all & is(byte))
}

const fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// What may stand in a URI (RFC 3986), but no fragment.
const fn is_target(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
                | b'/'
                | b'?'
                | b'%'
                | b'['
                | b']'
        )
}

const fn is_value(byte: &u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e | 0x80..)
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
                "versions 1.1 and 1.0 are spoken here",
            ),
        };
        Self::new(status, reason, detail).closing()
    }
}

#[cfg(test)]
mod tests;
