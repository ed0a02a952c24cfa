//! Appending lines so that a killed process loses none, and reading them back.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Entry;

/// Where a line lies in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    offset: u64,
    length: usize,
}

/// The log of one simulator: a file, or memory when nobody wants to keep it.
#[derive(Debug)]
pub(crate) enum Journal {
    File { file: File, end: u64 },
    Memory(Vec<u8>),
}

impl Journal {
    pub(crate) fn in_memory() -> Self {
        Self::Memory(Vec::new())
    }

    /// Opens the log and hands every entry in it to `visit`. A torn last line (the process died
    /// while writing, so nobody was answered) is cut off.
    pub(crate) fn open(path: &Path, mut visit: impl FnMut(Entry, Position)) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(path)?;
        let mut end = 0;
        for line in lines(&file) {
            let line = line?;
            let position = Position {
                offset: end,
                length: line.len(),
            };
            end += line.len() as u64;
            visit(parse(&line)?, position);
        }
        file.set_len(end)?;
        Ok(Self::File { file, end })
    }

    /// The line has reached the operating system when this returns.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<Position> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let length = line.len();
        match self {
            Self::Memory(bytes) => {
                let offset = bytes.len() as u64;
                bytes.append(&mut line);
                Ok(Position { offset, length })
            }
            Self::File { file, end } => {
                if let Err(error) = file.write_all(&line) {
                    // Half a line must not stay: the next one would be glued to it.
                    file.set_len(*end)?;
                    return Err(error);
                }
                let offset = *end;
                *end += length as u64;
                Ok(Position { offset, length })
            }
        }
    }

    pub(crate) fn read(&self, position: Position) -> io::Result<Entry> {
        match self {
            Self::File { file, .. } => {
                let mut line = vec![0; position.length];
                file.read_exact_at(&mut line, position.offset)?;
                parse(&line)
            }
            Self::Memory(bytes) => {
                let start = usize::try_from(position.offset).map_err(io::Error::other)?;
                let line = bytes.get(start..start.saturating_add(position.length));
                parse(line.ok_or(io::ErrorKind::UnexpectedEof)?)
            }
        }
    }
}

/// The complete lines of a log, each with its newline; a torn last one is left out.
pub(crate) fn lines(source: impl io::Read) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let mut reader = BufReader::with_capacity(1 << 16, source);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(_) if line.last() == Some(&b'\n') => Some(Ok(line)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    })
}

pub(super) fn parse(line: &[u8]) -> io::Result<Entry> {
    serde_json::from_slice(line).map_err(io::Error::from)
}
