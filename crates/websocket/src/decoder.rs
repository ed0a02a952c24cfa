//! Bytes of a client to messages, as RFC 6455 says, however they are cut. It holds what is
//! unfinished and nothing else, and reserves nothing for what a head only promises.

use crate::frame::{LENGTH_OF_EIGHT, LENGTH_OF_TWO, Opcode, SHORT_MAX};

/// The most bytes of a head: two, a length of eight, and the mask.
const HEAD_BYTES_MAX: usize = 14;
/// The bytes of a mask.
const MASK_BYTES: usize = 4;

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Protocol,
    Binary,
    NotText,
    TooLarge,
}

impl Fault {
    /// The close code.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::Binary => 1003,
            Self::NotText => 1007,
            Self::TooLarge => 1009,
        }
    }

    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Protocol => "not a WebSocket's frames",
            Self::Binary => "only text is read",
            Self::NotText => "a text is not UTF-8",
            Self::TooLarge => "a message is too large",
        }
    }
}

/// What a client did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// With the code that it gave.
    Close(Option<u16>),
}

/// A frame whose head was read.
#[derive(Debug)]
struct Opened {
    opcode: Opcode,
    is_last: bool,
    /// Turned so that its first byte is for the next one of the payload.
    mask: [u8; MASK_BYTES],
    left: u64,
}

#[derive(Debug)]
pub(crate) struct Decoder {
    message_bytes_max: usize,
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: u8,
    frame: Option<Opened>,
    control: Vec<u8>,
    /// A message has begun and not ended.
    is_begun: bool,
    message: Vec<u8>,
    /// So much of the message is whole characters.
    text_bytes: usize,
}

impl Decoder {
    pub(crate) const fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            head: [0; HEAD_BYTES_MAX],
            head_bytes: 0,
            frame: None,
            control: Vec::new(),
            is_begun: false,
            message: Vec::new(),
            text_bytes: 0,
        }
    }

    /// Takes bytes off the input up to the end of the next event; `None` if they are all taken
    /// before.
    pub(crate) fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Event>, Fault> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.head(input)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            self.payload(&mut frame, input)?;
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(event) = self.ended(&frame)? {
                return Ok(Some(event));
            }
        }
    }

    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Opened>, Fault> {
        while let Some((byte, rest)) = input.split_first() {
            let at = usize::from(self.head_bytes);
            if let Some(place) = self.head.get_mut(at) {
                *place = *byte;
            }
            self.head_bytes += 1;
            *input = rest;
            // A fault is known before the client has sent the rest, which it may never do.
            if at == 1 {
                self.judge()?;
            }
            if at >= 1 && at + 1 == self.head_bytes_due() {
                return self.opened().map(Some);
            }
        }
        Ok(None)
    }

    const fn head_bytes_due(&self) -> usize {
        let [_, second, ..] = self.head;
        2 + MASK_BYTES
            + match second & 0x7f {
                LENGTH_OF_TWO => 2,
                LENGTH_OF_EIGHT => 8,
                _ => 0,
            }
    }

    /// What the first two bytes of a head may not say.
    fn judge(&self) -> Result<(), Fault> {
        let [first, second, ..] = self.head;
        let opcode = Opcode::of(first & 0x0f).ok_or(Fault::Protocol)?;
        let is_last = first & 0x80 != 0;
        let (is_reserved, is_masked) = (first & 0x70 != 0, second & 0x80 != 0);
        if is_reserved || !is_masked {
            return Err(Fault::Protocol);
        }
        let is_fit = match opcode {
            Opcode::Continuation => self.is_begun,
            Opcode::Text => !self.is_begun,
            Opcode::Binary => return Err(Fault::Binary),
            Opcode::Close | Opcode::Ping | Opcode::Pong => is_last && second & 0x7f <= SHORT_MAX,
        };
        if is_fit { Ok(()) } else { Err(Fault::Protocol) }
    }

    fn opened(&mut self) -> Result<Opened, Fault> {
        self.head_bytes = 0;
        let [first, second, a, b, c, d, e, f, g, h, i, j, k, l] = self.head;
        let (left, mask) = match second & 0x7f {
            LENGTH_OF_TWO => (u64::from(u16::from_be_bytes([a, b])), [c, d, e, f]),
            LENGTH_OF_EIGHT => (u64::from_be_bytes([a, b, c, d, e, f, g, h]), [i, j, k, l]),
            length => (u64::from(length), [a, b, c, d]),
        };
        let least = match second & 0x7f {
            LENGTH_OF_TWO => u64::from(SHORT_MAX) + 1,
            LENGTH_OF_EIGHT => u64::from(u16::MAX) + 1,
            _ => 0,
        };
        // Of eight bytes, the first bit is zero.
        if left < least || i64::try_from(left).is_err() {
            return Err(Fault::Protocol);
        }
        let opcode = Opcode::of(first & 0x0f).ok_or(Fault::Protocol)?;
        let room = self.message_bytes_max.saturating_sub(self.message.len());
        if !opcode.is_control() && left > room as u64 {
            return Err(Fault::TooLarge);
        }
        Ok(Opened {
            opcode,
            is_last: first & 0x80 != 0,
            mask,
            left,
        })
    }

    fn payload(&mut self, frame: &mut Opened, input: &mut &[u8]) -> Result<(), Fault> {
        let here = usize::try_from(frame.left).map_or(input.len(), |left| left.min(input.len()));
        let (payload, rest) = input.split_at(here);
        *input = rest;
        frame.left -= here as u64;
        let unmasked = payload
            .iter()
            .zip(frame.mask.into_iter().cycle())
            .map(|(byte, mask)| byte ^ mask);
        if frame.opcode.is_control() {
            self.control.extend(unmasked);
        } else {
            self.message.extend(unmasked);
            self.check_text()?;
        }
        frame.mask.rotate_left(here % MASK_BYTES);
        Ok(())
    }

    /// Refuses what cannot become text, whatever follows.
    fn check_text(&mut self) -> Result<(), Fault> {
        let unchecked = self.message.get(self.text_bytes..).unwrap_or_default();
        match std::str::from_utf8(unchecked) {
            Ok(text) => self.text_bytes += text.len(),
            Err(error) if error.error_len().is_none() => self.text_bytes += error.valid_up_to(),
            Err(_never_text) => return Err(Fault::NotText),
        }
        Ok(())
    }

    fn ended(&mut self, frame: &Opened) -> Result<Option<Event>, Fault> {
        match frame.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                self.is_begun = !frame.is_last;
                if self.is_begun {
                    return Ok(None);
                }
                self.text_bytes = 0;
                String::from_utf8(std::mem::take(&mut self.message))
                    .map(|text| Some(Event::Text(text)))
                    .map_err(|_cut_within_a_character| Fault::NotText)
            }
            Opcode::Close => closed(&std::mem::take(&mut self.control)).map(Some),
            Opcode::Ping => Ok(Some(Event::Ping(std::mem::take(&mut self.control)))),
            Opcode::Pong => {
                self.control = Vec::new();
                Ok(Some(Event::Pong))
            }
        }
    }
}

fn closed(payload: &[u8]) -> Result<Event, Fault> {
    match payload {
        [] => Ok(Event::Close(None)),
        [first, second, reason @ ..] => {
            let code = u16::from_be_bytes([*first, *second]);
            // The others are reserved, or stand for what no frame says.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Fault::Protocol);
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(Fault::NotText);
            }
            Ok(Event::Close(Some(code)))
        }
        [_half_a_code] => Err(Fault::Protocol),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Decoder, Event, Fault};

    fn decoded(bytes: &[u8], piece: usize) -> (Vec<Event>, Option<Fault>) {
        let (mut decoder, mut events) = (Decoder::new(300), Vec::new());
        for mut input in bytes.chunks(piece) {
            loop {
                match decoder.decode(&mut input) {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(fault) => return (events, Some(fault)),
                }
            }
        }
        (events, None)
    }

    /// Frames that are often right: an opcode, a length that may lie, some bytes.
    fn frames() -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![
            4 => prop::sample::select(vec![0x81, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8a]),
            1 => any::<u8>(),
        ];
        let second = prop_oneof![4 => 0x80..0x84_u8, 1 => any::<u8>()];
        let frame = (first, second, prop::collection::vec(any::<u8>(), 0..12));
        prop::collection::vec(frame, 0..6).prop_map(|frames| {
            let bytes = frames
                .into_iter()
                .flat_map(|(first, second, rest)| [vec![first, second], rest].concat());
            bytes.collect()
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_the_same_messages_however_they_are_cut(
            bytes in frames(),
            piece in 1_usize..20,
        ) {
            prop_assert_eq!(decoded(&bytes, piece), decoded(&bytes, bytes.len().max(1)));
        }
    }
}
