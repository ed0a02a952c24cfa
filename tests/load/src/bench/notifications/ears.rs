//! What clients do once they are welcome: one thread takes all that comes out of their sockets, with
//! one read for each that has something. A task for each client would cost more than the node does,
//! and the bench would measure itself.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream as Std;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::clients::{Ending, Hearing};
use super::link::{CLOSE, PING, PONG, TEXT, frame, masked};

/// The largest read: with less, more may be there.
const READ_BYTES: usize = 64 * 1024;
/// Sockets that are told of at once.
const EVENTS: usize = 1_024;
/// For how long after it heard something the thread looks again by itself: to be woken would cost the
/// node's core, not the clients'.
const AWAKE: Duration = Duration::from_millis(5);
const WAKE: Token = Token(usize::MAX);

/// The thread, and the way to it.
pub(super) struct Ears {
    door: Door,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A connection whose client was welcomed.
struct Arrival {
    stream: Std,
    /// What was read of it already.
    rest: Vec<u8>,
    hearing: Hearing,
}

/// Where a client that was welcomed leaves its connection.
#[derive(Clone)]
pub(super) struct Door {
    arrivals: Sender<Arrival>,
    waker: Arc<Waker>,
}

impl Door {
    /// The thread listens to it from now on.
    pub(super) fn enter(&self, stream: Std, rest: Vec<u8>, hearing: Hearing) -> io::Result<()> {
        let arrival = Arrival {
            stream,
            rest,
            hearing,
        };
        // When the thread has ended, so have all clients.
        let _over = self.arrivals.send(arrival);
        self.waker.wake()
    }
}

impl Ears {
    pub(super) fn open() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (arrivals, arriving) = channel();
        let is_over = Arc::<AtomicBool>::default();
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            // A poll that fails is a fault of this program; what is not heard then shows.
            let _failed = listen(poll, &arriving, &over);
        });
        Ok(Self {
            door: Door { arrivals, waker },
            is_over,
            thread: Some(thread),
        })
    }

    pub(super) fn door(&self) -> Door {
        self.door.clone()
    }
}

/// All connections end without a word.
impl Drop for Ears {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _gone = self.door.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

struct Ear {
    stream: TcpStream,
    /// The begin of a frame that is not whole.
    rest: Vec<u8>,
    hearing: Hearing,
}

fn listen(mut poll: Poll, arriving: &Receiver<Arrival>, is_over: &AtomicBool) -> io::Result<()> {
    let mut events = Events::with_capacity(EVENTS);
    let mut ears: Vec<Option<Ear>> = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut heard = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let is_awake = heard.elapsed() < AWAKE;
        match poll.poll(&mut events, is_awake.then_some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        if events.is_empty() {
            std::thread::yield_now();
            continue;
        }
        heard = Instant::now();
        for event in &events {
            if event.token() == WAKE {
                take_in(poll.registry(), arriving, &mut ears)?;
                continue;
            }
            let Some(slot) = ears.get_mut(event.token().0) else {
                continue;
            };
            if let Some(ear) = slot
                && let Err(ending) = ear.read(&mut buffer)
            {
                ear.hearing.ended(ending);
                *slot = None;
            }
        }
    }
    Ok(())
}

/// Takes in who came.
fn take_in(
    registry: &Registry,
    arriving: &Receiver<Arrival>,
    ears: &mut Vec<Option<Ear>>,
) -> io::Result<()> {
    while let Ok(arrival) = arriving.try_recv() {
        let mut ear = Ear {
            stream: TcpStream::from_std(arrival.stream),
            rest: arrival.rest,
            hearing: arrival.hearing,
        };
        registry.register(&mut ear.stream, Token(ears.len()), Interest::READABLE)?;
        let rest = std::mem::take(&mut ear.rest);
        match ear.take(&rest) {
            Ok(()) => ears.push(Some(ear)),
            Err(ending) => ear.hearing.ended(ending),
        }
    }
    Ok(())
}

impl Ear {
    /// All that is there now: the poll says only once that there is something.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), Ending> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(Ending::Broken),
                Ok(length) => {
                    let read = buffer.get(..length).unwrap_or_default();
                    if self.rest.is_empty() {
                        self.take(read)?;
                    } else {
                        let mut whole = std::mem::take(&mut self.rest);
                        whole.extend_from_slice(read);
                        self.take(&whole)?;
                    }
                    if length < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_broken) => return Err(Ending::Broken),
            }
        }
    }

    /// Hears the frames that are whole, and keeps what is not.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), Ending> {
        while let Some((first, payload, rest)) = frame(bytes) {
            match first {
                TEXT => self.hearing.hear(payload),
                PING => {
                    let pong = masked(PONG, payload).map_err(|_long| Ending::Broken)?;
                    // It is small; a socket without room for it is one that nobody reads.
                    let _full = self.stream.write(&pong);
                }
                CLOSE => {
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    return Err(Ending::Closed(code.unwrap_or_default()));
                }
                _ => return Err(Ending::Broken),
            }
            bytes = rest;
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
        Ok(())
    }
}
