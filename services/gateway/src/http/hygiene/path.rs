//! What a path must not hold.
//!
//! Ids need no escape at all. A SKU is the shop's own text and may hold any printable character,
//! so its segment may hold a slash, a backslash, a semicolon or a percent sign, percent-encoded.
//! It is decoded once, after the route is known, and nothing behind the gateway decodes it again.

/// Below this stand items by their SKU, which is the third segment.
const ITEMS: &str = "/v1/items/";
const SKU_INDEX: usize = 2;

/// What is wrong with `path`, if anything, as the end of a sentence.
pub(super) fn fault(path: &str) -> Option<&'static str> {
    let Some(rest) = path.strip_prefix('/') else {
        return Some("must begin with a slash");
    };
    let in_items = path.starts_with(ITEMS);
    let mut segments = rest.split('/').enumerate().peekable();
    while let Some((index, segment)) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Some("must not hold an empty segment");
        }
        let fault = segment_fault(segment.as_bytes(), in_items && index == SKU_INDEX);
        if fault.is_some() {
            return fault;
        }
    }
    None
}

fn segment_fault(mut rest: &[u8], is_sku: bool) -> Option<&'static str> {
    let (mut dots, mut others) = (0_usize, false);
    while let [first, tail @ ..] = rest {
        let byte = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let Some(byte) = decoded(*high, *low) else {
                    return Some("must be percent-encoded");
                };
                let fault = escape_fault(byte, tail, is_sku);
                if fault.is_some() {
                    return fault;
                }
                rest = tail;
                byte
            }
            (b'%', _) => return Some("must be percent-encoded"),
            (b';', _) => return Some("must not hold parameters"),
            (b'\\', _) => return Some("must not hold a backslash"),
            (byte, tail) => {
                rest = tail;
                *byte
            }
        };
        dots += usize::from(byte == b'.');
        others |= byte != b'.';
    }
    (!others && matches!(dots, 1 | 2)).then_some("must not hold dot segments")
}

/// What is wrong with an escape for `byte` before `tail`.
fn escape_fault(byte: u8, tail: &[u8], is_sku: bool) -> Option<&'static str> {
    match byte {
        0..=0x1f | 0x7f => Some("must not hold control characters"),
        b'%' => {
            let looks_encoded = matches!(tail, [high, low, ..] if decoded(*high, *low).is_some());
            (looks_encoded || !is_sku).then_some("must not be encoded twice")
        }
        b'/' | b'\\' | b';' if !is_sku => Some("must not hold encoded separators"),
        _ => None,
    }
}

fn decoded(high: u8, low: u8) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
