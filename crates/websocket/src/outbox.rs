//! What waits until the socket takes it: bounded, in order, and nothing while it does.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Result};

use tokio::net::TcpStream;

use crate::connection::Pushed;
use crate::frame::Frame;
use crate::socket;

/// The most frames of one write.
const FRAMES_OF_A_WRITE: usize = 64;

/// How much may wait, and how large a message may come.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes that wait.
    pub queue_bytes: usize,
    /// The most messages that wait.
    pub queue_messages: usize,
    /// The most bytes of a client's message, all fragments together.
    pub message_bytes: usize,
}

/// What becomes of a frame that has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// It is sent, or the connection ends.
    Must,
    /// Of those with the same key only the newest waits, behind all that came before it.
    Collapse(Box<str>),
    /// It goes when there is no room, first the older ones.
    Ephemeral,
}

#[derive(Debug)]
struct Waiting {
    frame: Frame,
    class: Class,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    /// Of all that wait, whole frames.
    bytes: usize,
    /// So much of the first is on its way, and it cannot be taken back.
    written: usize,
    /// What was let in above the limits, until all is written.
    run: Run,
}

#[derive(Debug, Default)]
struct Run {
    bytes: usize,
    messages: usize,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes and messages that wait.
    pub(crate) fn queued(&self) -> (usize, usize) {
        (self.bytes - self.written, self.waiting.len())
    }

    /// A frame of which so much was written, and nothing waits before it.
    pub(crate) fn begun(&mut self, frame: &Frame, written: usize) {
        self.append(frame, Class::Must);
        self.written = written;
    }

    /// The frame waits, if its class lets it; and how many others were dropped for it.
    pub(crate) fn put(&mut self, frame: &Frame, class: Class, limits: &Limits) -> (Pushed, u64) {
        if let Class::Collapse(_) = &class {
            self.remove_first(|waiting| waiting.class == class);
        }
        let mut evicted = 0;
        // A new one goes before an old one where both are ephemeral: it says what is so now.
        while !self.fits(frame, limits) && self.remove_first(|old| old.class == Class::Ephemeral) {
            evicted += 1;
        }
        if self.fits(frame, limits) {
            self.append(frame, class);
            return (Pushed::Taken, evicted);
        }
        match class {
            Class::Must => (Pushed::Overflow, evicted),
            Class::Collapse(_) | Class::Ephemeral => (Pushed::Dropped, evicted + 1),
        }
    }

    /// Frames that belong together wait, all or none of them. When nothing waits before them they
    /// may be more than the limits: their caller bounds them, and they came at the client's wish.
    pub(crate) fn put_run(&mut self, frames: &[Frame], limits: &Limits) -> (Pushed, u64) {
        if self.is_empty() {
            for frame in frames {
                self.append(frame, Class::Must);
            }
            self.run = Run {
                bytes: self.bytes,
                messages: self.waiting.len(),
            };
            return (Pushed::Taken, 0);
        }
        let mut evicted = 0;
        for frame in frames {
            let (pushed, dropped) = self.put(frame, Class::Must, limits);
            evicted += dropped;
            if pushed != Pushed::Taken {
                return (pushed, evicted);
            }
        }
        (Pushed::Taken, evicted)
    }

    /// The last frame of all: it waits whatever the limits say.
    pub(crate) fn put_last(&mut self, frame: &Frame) {
        self.append(frame, Class::Must);
    }

    /// Forgets what is not on its way.
    pub(crate) fn forget(&mut self) {
        let begun = (self.written > 0)
            .then(|| self.waiting.pop_front())
            .flatten();
        self.waiting = VecDeque::from_iter(begun);
        self.bytes = self.waiting.iter().map(|it| it.frame.len()).sum();
    }

    /// The first of those that wait, for who writes whole frames.
    pub(crate) fn pop(&mut self) -> Option<Frame> {
        let first = self.waiting.pop_front()?;
        self.bytes -= first.frame.len();
        if self.is_empty() {
            // Its memory as well: most connections never wait again.
            *self = Self::default();
        }
        Some(first.frame)
    }

    /// Writes what the socket takes; whether that was all.
    pub(crate) fn write(&mut self, stream: &TcpStream) -> Result<bool> {
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); FRAMES_OF_A_WRITE];
            match socket::write_vectored(stream, self.slices(&mut slices)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => self.advance(bytes),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Its memory as well: most connections never wait again.
        *self = Self::default();
        Ok(true)
    }

    fn slices<'a, 'b>(&'a self, slices: &'b mut [IoSlice<'a>]) -> &'b [IoSlice<'a>] {
        let mut written = self.written;
        let mut frames = 0;
        for (slice, waiting) in slices.iter_mut().zip(&self.waiting) {
            let left = waiting.frame.bytes().get(written..).unwrap_or_default();
            *slice = IoSlice::new(left);
            written = 0;
            frames += 1;
        }
        slices.get(..frames).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(first) = self.waiting.front() {
            let length = first.frame.len();
            if self.written < length {
                return;
            }
            self.written -= length;
            self.bytes -= length;
            self.waiting.pop_front();
        }
    }

    fn fits(&self, frame: &Frame, limits: &Limits) -> bool {
        self.bytes + frame.len() <= limits.queue_bytes + self.run.bytes
            && self.waiting.len() < limits.queue_messages + self.run.messages
    }

    fn append(&mut self, frame: &Frame, class: Class) {
        self.bytes += frame.len();
        self.waiting.push_back(Waiting {
            frame: frame.clone(),
            class,
        });
    }

    /// Whether there was one that is not on its way.
    fn remove_first(&mut self, is_it: impl Fn(&Waiting) -> bool) -> bool {
        let begun = usize::from(self.written > 0);
        let Some(at) = self.waiting.iter().skip(begun).position(is_it) else {
            return false;
        };
        if let Some(removed) = self.waiting.remove(begun + at) {
            self.bytes -= removed.frame.len();
        }
        true
    }
}
