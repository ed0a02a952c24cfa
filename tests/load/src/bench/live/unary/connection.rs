//! A connection that has many calls under way, and never waits: whoever has it looks at it again and
//! again.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use super::frames::{
    self, CallHead, DATA, END, Frame, GOODBYE, HEADERS, MESSAGE_HEAD, PING, RESET, SETTINGS, WINDOW,
};

const READ_BYTES: usize = 64 * 1024;
/// What the protocol gives a connection before the other side has said anything.
const WINDOW_BYTES: i64 = 65_535;

pub(super) struct Connection {
    stream: TcpStream,
    head: CallHead,
    /// Whether the other side's table has the headers.
    known: bool,
    calls: VecDeque<Call>,
    /// The number of the first of them.
    first: u32,
    under_way: usize,
    streams_max: usize,
    /// Bytes of messages that the other side has room for.
    window: i64,
    unsent: Vec<u8>,
    buffer: Vec<u8>,
    filled: usize,
}

struct Call {
    due: Instant,
    sent: Option<Instant>,
    message: bool,
    over: bool,
}

/// What became of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) due: Instant,
    /// When all of it had been given to the kernel.
    pub(super) sent: Instant,
    pub(super) how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// By a message.
    Answered,
    /// Without one.
    Refused,
    /// By a reset of this code.
    Reset(u32),
}

impl Connection {
    pub(super) fn open(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut unsent = Vec::new();
        frames::put_greeting(&mut unsent);
        Ok(Self {
            stream,
            head: CallHead::default(),
            known: false,
            calls: VecDeque::new(),
            first: 0,
            under_way: 0,
            streams_max: usize::MAX,
            window: WINDOW_BYTES,
            unsent,
            buffer: vec![0; READ_BYTES],
            filled: 0,
        })
    }

    /// From now on calls have these headers.
    pub(super) fn introduce(&mut self, head: CallHead) {
        (self.head, self.known) = (head, false);
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Begins a call, unless the other side has no room for it. It is sent by `flush`.
    pub(super) fn call(&mut self, message: &[u8], due: Instant) -> bool {
        let bytes = i64::try_from(MESSAGE_HEAD + message.len()).unwrap_or(i64::MAX);
        if self.under_way >= self.streams_max || self.window < bytes {
            return false;
        }
        let number = self.first + u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let headers = match std::mem::replace(&mut self.known, true) {
            true => &self.head.again,
            false => &self.head.first,
        };
        frames::put_call(&mut self.unsent, number * 2 + 1, headers, message);
        self.window -= bytes;
        self.under_way += 1;
        self.calls.push_back(Call {
            due,
            sent: None,
            message: false,
            over: false,
        });
        true
    }

    /// Gives the kernel what it takes.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        match self.stream.write(&self.unsent) {
            Ok(written) => drop(self.unsent.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        if self.unsent.is_empty() {
            let now = Instant::now();
            let fresh = self.calls.iter_mut().rev();
            fresh
                .take_while(|call| call.sent.is_none())
                .for_each(|call| call.sent = Some(now));
        }
        Ok(())
    }

    /// Takes what came; whether anything did.
    pub(super) fn read(&mut self, ended: &mut impl FnMut(Ended)) -> Result<bool> {
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(free) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        let buffer = std::mem::take(&mut self.buffer);
        let came = buffer.get(..self.filled).unwrap_or_default();
        let rest = self.understand(came, ended);
        let taken = rest.map(|rest| self.filled - rest);
        self.buffer = buffer;
        let taken = taken?;
        self.buffer.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        Ok(true)
    }

    /// How many bytes are left that are no whole frame.
    fn understand(&mut self, mut bytes: &[u8], ended: &mut impl FnMut(Ended)) -> Result<usize> {
        while let Some((frame, rest)) = Frame::take(bytes) {
            bytes = rest;
            match frame.kind {
                DATA | HEADERS | RESET => {
                    if let Some(call) = self.heard(&frame) {
                        ended(call);
                    }
                }
                SETTINGS if !frame.ends() => {
                    if let Some(most) = frame.streams_max() {
                        self.streams_max = usize::try_from(most).unwrap_or(usize::MAX);
                    }
                    frames::put(&mut self.unsent, (SETTINGS, END), 0, &[]);
                }
                PING if !frame.ends() => {
                    frames::put(&mut self.unsent, (PING, END), 0, frame.payload);
                }
                WINDOW if frame.stream == 0 => self.window += i64::from(frame.number()),
                GOODBYE => return Err(Error::other("the service ends the connection")),
                _ => {}
            }
        }
        Ok(bytes.len())
    }

    /// A frame of a call; the call, if it is over now.
    fn heard(&mut self, frame: &Frame<'_>) -> Option<Ended> {
        let place = (frame.stream / 2).checked_sub(self.first)?;
        let call = self.calls.get_mut(usize::try_from(place).ok()?)?;
        call.message |= frame.kind == DATA && frame.payload.len() >= MESSAGE_HEAD;
        if call.over || !(frame.ends() || frame.kind == RESET) {
            return None;
        }
        call.over = true;
        let how = match (frame.kind, call.message) {
            (RESET, _) => How::Reset(frame.number()),
            (_, true) => How::Answered,
            (_, false) => How::Refused,
        };
        let ended = Ended {
            due: call.due,
            sent: call.sent.unwrap_or(call.due),
            how,
        };
        self.under_way -= 1;
        while self.calls.pop_front_if(|call| call.over).is_some() {
            self.first += 1;
        }
        Some(ended)
    }
}
