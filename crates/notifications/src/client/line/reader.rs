//! Server-sent events as they are written: lines, and an empty one behind each event.

use std::collections::VecDeque;
use std::time::Duration;

/// The most bytes of an event: a message, and an id that names every group of a person.
const BLOCK_BYTES_MAX: usize = 256 * 1024;

/// An event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) data: String,
    pub(super) retry: Option<Duration>,
}

/// Reads events from pieces that end anywhere.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// What came of a line that has not ended.
    line: Vec<u8>,
    /// The event that has not ended.
    block: Block,
    read: VecDeque<Block>,
}

impl Reader {
    /// Takes what came; whether it can go on.
    pub(super) fn take(&mut self, piece: &[u8]) -> bool {
        let mut lines = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            self.line.extend_from_slice(line);
            // The last has no end yet.
            if lines.peek().is_some() {
                let line = std::mem::take(&mut self.line);
                let Ok(line) = std::str::from_utf8(&line) else {
                    return false;
                };
                self.end(line.strip_suffix('\r').unwrap_or(line));
            }
        }
        self.line.len() + self.block.data.len() <= BLOCK_BYTES_MAX
    }

    /// The next event, once its end has come.
    pub(super) fn block(&mut self) -> Option<Block> {
        self.read.pop_front()
    }

    fn end(&mut self, line: &str) {
        if line.is_empty() {
            let block = std::mem::take(&mut self.block);
            // What has no data is none.
            if !block.data.is_empty() {
                self.read.push_back(block);
            }
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.block.kind),
            "data" => {
                if !self.block.data.is_empty() {
                    self.block.data.push('\n');
                }
                self.block.data.push_str(value);
            }
            "retry" => self.block.retry = value.parse().ok().map(Duration::from_millis),
            // Comments, ids (where it stands is known without), and what is newer.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(kind: &str, data: &str, retry: Option<u64>) -> Block {
        Block {
            kind: kind.to_owned(),
            data: data.to_owned(),
            retry: retry.map(Duration::from_millis),
        }
    }

    #[test]
    fn events_are_read_wherever_their_pieces_end() {
        let text = ":\n\nevent: tops\nid: x\ndata: {\"a\":\"\u{e9}\"}\n\n: still here\r\n\r\n\
                    retry: 70\r\nevent: closed\r\ndata: {\"code\":1012,\ndata:\"x\":1}\r\n\r\ndata: late";
        let wanted = [
            block("tops", "{\"a\":\"\u{e9}\"}", None),
            block("closed", "{\"code\":1012,\n\"x\":1}", Some(70)),
        ];
        for size in [1, 2, 7, text.len()] {
            let mut reader = Reader::default();
            let mut read = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                assert!(reader.take(piece));
                read.extend(std::iter::from_fn(|| reader.block()));
            }
            assert_eq!(read, wanted, "pieces of {size}");
        }
    }

    #[test]
    fn what_has_no_end_or_is_no_text_is_not_read_on() {
        let mut endless = Reader::default();
        let piece = vec![b'a'; BLOCK_BYTES_MAX / 2];
        assert!(endless.take(&piece));
        assert!(endless.take(&piece));
        assert!(!endless.take(b"a"));

        assert!(!Reader::default().take(b"data: \xff\n"));
    }
}
