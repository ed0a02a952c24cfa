//! What is sent.

use bytes::Bytes;

/// The bit that says that a frame is its message's last.
const FIN: u8 = 0x80;
/// Lengths that the second byte says itself.
pub(crate) const SHORT_MAX: u8 = 125;
/// The second byte when the length has two bytes of its own.
pub(crate) const LENGTH_OF_TWO: u8 = 126;
/// The second byte when the length has eight.
pub(crate) const LENGTH_OF_EIGHT: u8 = 127;
/// The most bytes of a close reason: a control frame's, less the code.
const REASON_BYTES_MAX: usize = 123;
/// The longest head of a frame that is not masked.
const HEAD_BYTES_MAX: usize = 10;

/// A ping without a payload.
const PING: &[u8] = &[FIN | Opcode::Ping.bits(), 0];

/// What the lower half of a frame's first byte says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(crate) const fn of(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    /// Whether it may stand between the fragments of a message.
    pub(crate) const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

/// A message of the server, framed once and shared by all who get it: a clone copies nothing.
#[derive(Debug, Clone)]
pub struct Frame(Bytes);

impl Frame {
    /// A text message. That the payload is UTF-8 is the caller's to know.
    #[must_use]
    pub fn text(payload: &[u8]) -> Self {
        Self::framed(Opcode::Text, payload)
    }

    /// A ping: the client's side answers by itself, and so is heard of.
    #[must_use]
    pub const fn ping() -> Self {
        Self(Bytes::from_static(PING))
    }

    /// A text message with a [ping](Self::ping) behind it, which go in one write.
    #[must_use]
    pub fn text_and_ping(payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(payload.len() + HEAD_BYTES_MAX + PING.len());
        head(&mut bytes, Opcode::Text, payload.len());
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(PING);
        Self(bytes.into())
    }

    pub(crate) fn pong(payload: &[u8]) -> Self {
        Self::framed(Opcode::Pong, payload)
    }

    /// A close; without a code, its frame is empty, as that was which it answers.
    pub(crate) fn close(code: Option<u16>, reason: &str) -> Self {
        let reason = reason
            .get(..reason.floor_char_boundary(REASON_BYTES_MAX))
            .unwrap_or_default();
        let payload: Vec<u8> = code.map_or_else(Vec::new, |code| {
            code.to_be_bytes()
                .into_iter()
                .chain(reason.bytes())
                .collect()
        });
        Self::framed(Opcode::Close, &payload)
    }

    fn framed(opcode: Opcode, payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(payload.len() + HEAD_BYTES_MAX);
        head(&mut bytes, opcode, payload.len());
        bytes.extend_from_slice(payload);
        Self(bytes.into())
    }

    /// Its bytes on the wire.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a frame has a head and is never empty"
    )]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// What it carries.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        let head = match self.0.get(1) {
            Some(&LENGTH_OF_TWO) => 4,
            Some(&LENGTH_OF_EIGHT) => 10,
            Some(_) | None => 2,
        };
        self.0.get(head..).unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The head of a frame of so many bytes.
fn head(bytes: &mut Vec<u8>, opcode: Opcode, length: usize) {
    bytes.push(FIN | opcode.bits());
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length <= SHORT_MAX => bytes.push(length),
        (_, Ok(length)) => {
            bytes.push(LENGTH_OF_TWO);
            bytes.extend(length.to_be_bytes());
        }
        (_, Err(_longer)) => {
            bytes.push(LENGTH_OF_EIGHT);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Frame;

    #[test]
    fn a_length_has_as_few_bytes_as_hold_it() {
        for (payload, head) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xff, 0xff]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame::text(&vec![b'x'; payload]);

            assert_eq!(&frame.bytes()[..head.len()], head, "{payload}");
            assert_eq!(frame.len(), head.len() + payload);
            assert_eq!(frame.payload(), vec![b'x'; payload]);
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let frame = Frame::close(Some(1000), &"ä".repeat(100));

        // 61 characters of two bytes, and the code.
        assert_eq!(frame.len(), 2 + 2 + 122);
        assert!(std::str::from_utf8(&frame.bytes()[4..]).is_ok());
    }
}
