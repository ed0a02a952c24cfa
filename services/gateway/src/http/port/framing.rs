//! Where the body of a request ends, so that the head of the next one is known to be one.

use super::head::Framing;

/// The bytes are no body; the words say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// So many bytes.
    Bytes(u64),
    /// Chunks, at some point of one.
    Chunk(Chunk),
}

/// A point in a chunked body. A chunk is a size and no more: extensions and trailers are nothing
/// that this API knows, and two readers could end them in two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the size: so many digits, and their value.
    Size(u8, u64),
    /// Before the line feed behind it.
    SizeEnd(u64),
    /// In the data.
    Data(u64),
    /// Before the carriage return behind it.
    DataReturn,
    /// Before the line feed behind it.
    DataEnd,
    /// Behind the last chunk.
    LastReturn,
    /// Before the end of the body.
    LastEnd,
}

/// A size of more hexadecimal digits is larger than any body.
const DIGITS_MAX: u8 = 8;

impl Left {
    /// The whole body; `None` when there is none.
    pub(super) const fn of(framing: Framing) -> Option<Self> {
        match framing {
            Framing::Length(0) => None,
            Framing::Length(bytes) => Some(Self::Bytes(bytes)),
            Framing::Chunked => Some(Self::Chunk(Chunk::Size(0, 0))),
        }
    }

    /// Goes over bytes: how many of them belong to the body, and what is left of it then.
    ///
    /// # Errors
    /// Says why they can be no body, and how many bytes stand before the fault.
    pub(super) fn advance(self, bytes: &[u8]) -> Result<(usize, Option<Self>), (usize, Broken)> {
        match self {
            Self::Bytes(left) => {
                let taken = at_most(bytes.len(), left);
                let left = left - wide(taken);
                Ok((taken, (left > 0).then_some(Self::Bytes(left))))
            }
            Self::Chunk(chunk) => chunks(chunk, bytes),
        }
    }
}

fn chunks(mut chunk: Chunk, bytes: &[u8]) -> Result<(usize, Option<Left>), (usize, Broken)> {
    let mut taken = 0;
    while let Some(&byte) = bytes.get(taken) {
        if let Chunk::Data(left) = chunk {
            let data = at_most(bytes.len() - taken, left);
            taken += data;
            let left = left - wide(data);
            chunk = match left {
                0 => Chunk::DataReturn,
                left => Chunk::Data(left),
            };
            continue;
        }
        match chunk.step(byte) {
            Ok(Some(next)) => chunk = next,
            Ok(None) => return Ok((taken + 1, None)),
            Err(broken) => return Err((taken, broken)),
        }
        taken += 1;
    }
    Ok((taken, Some(Left::Chunk(chunk))))
}

impl Chunk {
    /// One byte on; `None` behind the last.
    fn step(self, byte: u8) -> Result<Option<Self>, Broken> {
        let next = match (self, byte) {
            (Self::Size(digits @ 1.., size), b'\r') if digits <= DIGITS_MAX => Self::SizeEnd(size),
            (Self::Size(digits, size), _) => {
                let digit = char::from(byte).to_digit(16).map(u64::from);
                let digit = digit.filter(|_| digits < DIGITS_MAX);
                let Some(digit) = digit else {
                    return Err(Broken(
                        "a chunk has a size in hexadecimal digits and no extension",
                    ));
                };
                Self::Size(digits + 1, size * 16 + digit)
            }
            (Self::SizeEnd(0), b'\n') => Self::LastReturn,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size(0, 0),
            (Self::LastReturn, b'\r') => Self::LastEnd,
            (Self::LastEnd, b'\n') => return Ok(None),
            (Self::LastReturn, _) => return Err(Broken("a body has no trailers")),
            (
                Self::SizeEnd(_) | Self::Data(_) | Self::DataReturn | Self::DataEnd | Self::LastEnd,
                _,
            ) => return Err(Broken("a chunk ends with CR and LF")),
        };
        Ok(Some(next))
    }
}

/// So many of `length` as `most` allows.
fn at_most(length: usize, most: u64) -> usize {
    usize::try_from(most).map_or(length, |most| length.min(most))
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: Left = Left::Chunk(Chunk::Size(0, 0));

    #[test]
    fn a_body_of_a_length_ends_there() {
        let body = Left::of(Framing::Length(3)).unwrap();

        assert_eq!(Left::of(Framing::Length(0)), None);
        assert_eq!(body.advance(b"ab"), Ok((2, Some(Left::Bytes(1)))));
        assert_eq!(body.advance(b"abcGET"), Ok((3, None)));
    }

    #[test]
    fn a_chunked_body_ends_behind_its_last_chunk_wherever_it_is_cut() {
        let body = b"5\r\nhello\r\n0A\r\n0123456789\r\n0\r\n\r\n";
        let next = b"GET / HTTP/1.1\r\n";
        for cut in 0..body.len() {
            let (taken, left) = CHUNKED.advance(&body[..cut]).unwrap();
            assert_eq!(taken, cut);

            let rest = [&body[cut..], next].concat();
            assert_eq!(left.unwrap().advance(&rest), Ok((body.len() - cut, None)));
        }
    }

    #[test]
    fn a_chunk_has_one_form() {
        for (body, fine) in [
            ("5;ext=1\r\nhello\r\n", 1),
            ("5 \r\nhello\r\n", 1),
            (" 5\r\n", 0),
            ("\r\n", 0),
            ("0x5\r\n", 1),
            ("-1\r\n", 0),
            ("+5\r\n", 0),
            ("000000005\r\n", 8),
            ("ffffffff0\r\n", 8),
            ("5\nhello\r\n", 1),
            ("5\r\nhello\n", 8),
            ("5\r\nhelloX", 8),
            ("5\r\nhello\r\r", 9),
            ("0\r\nTrailer: x\r\n\r\n", 3),
            ("0\r\n\n", 3),
            ("0\r\n\rx", 4),
        ] {
            let (before, _) = CHUNKED.advance(body.as_bytes()).unwrap_err();
            assert_eq!(before, fine, "{body:?}");
        }
    }
}
