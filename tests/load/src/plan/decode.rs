//! From the file's bytes to text: unpacked if gzipped, UTF-8 if it is, Latin-1 otherwise.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::PlanError;

const GZIP: &[u8] = &[0x1f, 0x8b];
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a file, without a byte order mark.
pub(super) fn text(bytes: &[u8]) -> Result<String, PlanError> {
    let bytes = unpacked(bytes)?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        // Every byte is a character of Latin-1, so this cannot fail.
        Err(_not_utf8) => bytes.iter().copied().map(char::from).collect(),
    };
    Ok(match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Told by the content, not by the file's name.
fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, PlanError> {
    if !bytes.starts_with(GZIP) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .map_err(PlanError::Gzip)?;
    Ok(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn utf_8_latin_1_and_gzip_give_the_same_text() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all("£".as_bytes()).unwrap();

        assert_eq!(text("£".as_bytes()).unwrap(), "£");
        assert_eq!(text("\u{feff}£".as_bytes()).unwrap(), "£");
        assert_eq!(text(b"\xa3").unwrap(), "£");
        assert_eq!(text(&packed.finish().unwrap()).unwrap(), "£");
    }

    #[test]
    fn a_torn_gzip_file_is_an_error() {
        assert!(matches!(text(b"\x1f\x8b\x08"), Err(PlanError::Gzip(_))));
    }
}
