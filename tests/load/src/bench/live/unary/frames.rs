//! HTTP/2, as far as small calls over a connection of one's own need it: bytes are put together and
//! taken apart here, and nothing is kept between them. A client of the field costs as much as the
//! service, on the same cores.
//!
//! Of an answer's headers nothing is read. A call that was refused has no message, and one that was
//! not has: for a unary call that is all there is to tell.

/// What a connection begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOODBYE: u8 = 7;
pub(super) const WINDOW: u8 = 8;

/// Of DATA and HEADERS; of SETTINGS and PING the same bit says that it is the answer.
pub(super) const END: u8 = 1;
const END_HEADERS: u8 = 4;

/// The setting that says how many calls a connection may have under way.
const STREAMS_MAX: u16 = 3;
const ENABLE_PUSH: u16 = 2;

/// A frame as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame, if all of it is there, and what stands behind it.
    pub(super) fn take(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = bytes.split_first_chunk::<9>()?;
        let [length @ .., kind, flags, _, _, _, _] = *head;
        let [a, b, c] = length;
        let [.., e, f, g, h] = *head;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        let (payload, rest) = rest.split_at_checked(length)?;
        let frame = Self {
            kind,
            flags,
            stream: u32::from_be_bytes([e & 0x7f, f, g, h]),
            payload,
        };
        Some((frame, rest))
    }

    /// Whether nothing follows on its stream; of SETTINGS and PING whether it is an answer.
    pub(super) fn ends(&self) -> bool {
        self.flags & END != 0
    }

    /// The number that a RESET or WINDOW is about.
    pub(super) fn number(&self) -> u32 {
        self.payload
            .first_chunk()
            .map_or(0, |number| u32::from_be_bytes(*number) & 0x7fff_ffff)
    }

    /// How many calls the other side takes at once, if these SETTINGS say so.
    pub(super) fn streams_max(&self) -> Option<u32> {
        let settings = self.payload.as_chunks::<6>().0.iter();
        let mut named = settings.filter_map(|setting| {
            let [a, b, value @ ..] = *setting;
            (u16::from_be_bytes([a, b]) == STREAMS_MAX).then(|| u32::from_be_bytes(value))
        });
        named.next_back()
    }
}

/// Writes a frame.
pub(super) fn put(out: &mut Vec<u8>, (kind, flags): (u8, u8), stream: u32, payload: &[u8]) {
    put_head(out, (kind, flags), stream, payload.len());
    out.extend_from_slice(payload);
}

/// What a client says first: no pushes, and as much room for answers as there can be.
pub(super) fn put_greeting(out: &mut Vec<u8>) {
    out.extend_from_slice(PREFACE);
    let mut settings = ENABLE_PUSH.to_be_bytes().to_vec();
    settings.extend(0_u32.to_be_bytes());
    put(out, (SETTINGS, 0), 0, &settings);
    // On top of the 65,535 bytes that there are.
    put(out, (WINDOW, 0), 0, &0x7fff_0000_u32.to_be_bytes());
}

/// Writes a call: its headers, and its one message.
pub(super) fn put_call(out: &mut Vec<u8>, stream: u32, headers: &[u8], message: &[u8]) {
    put(out, (HEADERS, END_HEADERS), stream, headers);
    put_head(out, (DATA, END), stream, MESSAGE_HEAD + message.len());
    out.push(0);
    out.extend(length_of(message.len()).to_be_bytes());
    out.extend_from_slice(message);
}

/// What gRPC puts before a message: whether it is compressed, and its length.
pub(super) const MESSAGE_HEAD: usize = 5;

fn put_head(out: &mut Vec<u8>, (kind, flags): (u8, u8), stream: u32, length: usize) {
    let [_, a, b, c] = length_of(length).to_be_bytes();
    out.extend([a, b, c, kind, flags]);
    out.extend(stream.to_be_bytes());
}

fn length_of(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The headers of a call. The first call of a connection spells them out and puts them into the
/// connection's table, as gRPC clients do; later ones name their places in it. The path is spelt out
/// each time, as tonic's client does.
#[derive(Debug, Default, Clone)]
pub(super) struct CallHead {
    /// With which they are put into the table.
    pub(super) first: Vec<u8>,
    /// By their places.
    pub(super) again: Vec<u8>,
}

impl CallHead {
    pub(super) fn new(path: &str, authority: &str, authorization: &[u8]) -> Self {
        // POST, http, and a path that is not put into the table.
        let mut common = vec![0x83, 0x86, 0x04];
        put_text(&mut common, path.as_bytes());
        let mut first = common.clone();
        // 0x40 and the name's place in the table that everybody has, or 0x40 and the name.
        for (name, value) in [
            (0x41, authority.as_bytes()),
            (0x5f, b"application/grpc"),
            (0x7a, b"tradepost-load"),
            (0x57, authorization),
        ] {
            first.push(name);
            put_text(&mut first, value);
        }
        first.push(0x40);
        put_text(&mut first, b"te");
        put_text(&mut first, b"trailers");
        // The newest entry has place 62; the authority is the oldest, and has to come first.
        let mut again = common;
        again.extend((62..67_u8).rev().map(|place| 0x80 | place));
        Self { first, again }
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len();
    if let Some(short) = u8::try_from(length).ok().filter(|length| *length < 127) {
        out.push(short);
    } else {
        out.push(127);
        length -= 127;
        while length > 127 {
            out.push(u8::try_from(length % 128).unwrap_or(0) | 0x80);
            length /= 128;
        }
        out.push(u8::try_from(length).unwrap_or(0));
    }
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_once_all_of_it_is_there() {
        let mut bytes = Vec::new();
        put(&mut bytes, (RESET, 0), 7, &8_u32.to_be_bytes());
        put(&mut bytes, (DATA, END), 9, b"ab");

        let (reset, rest) = Frame::take(&bytes).unwrap();
        let (data, none) = Frame::take(rest).unwrap();

        assert_eq!((reset.kind, reset.stream, reset.number()), (RESET, 7, 8));
        assert!(!reset.ends() && data.ends());
        assert_eq!((data.payload, none.len()), (&b"ab"[..], 0));
        assert_eq!(Frame::take(&bytes[..12]), None);
    }

    #[test]
    fn settings_say_how_many_calls_there_may_be() {
        let payload = [0, 4, 0, 0, 1, 0, 0, 3, 0, 0, 4, 64];
        let mut bytes = Vec::new();
        put(&mut bytes, (SETTINGS, 0), 0, &payload);

        let (settings, _) = Frame::take(&bytes).unwrap();

        assert_eq!(settings.streams_max(), Some(1_088));
    }

    #[test]
    fn long_texts_have_their_length_in_several_bytes() {
        let mut out = Vec::new();

        put_text(&mut out, &[b'x'; 600]);

        // 600 - 127 = 473 = 3 * 128 + 89.
        assert_eq!(out[..4], [127, 0x80 | 89, 3, b'x']);
    }
}
