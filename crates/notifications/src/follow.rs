//! What a client makes of what it hears: each notification once and in order, and never a silent
//! gap. Pure: it knows no socket and no clock.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::stream::{Position, Stream};
use crate::wire::{Joined, Notification, Places, Said, Signal, Start, Told, Welcome};

/// Something for who uses the client.
#[derive(Debug, Clone)]
pub enum Event {
    /// The connection has begun: where all streams stand.
    Opened(BTreeMap<Stream, Start>),
    /// A notification that was not had before, after all before it.
    Notification(Box<Notification>),
    /// These will not come here any more: read the history.
    Missed {
        /// Of which stream.
        stream: Stream,
        /// The last that is had.
        after: u64,
        /// The last that is missing.
        upto: u64,
    },
    /// An ephemeral notification.
    Signal(Box<Signal>),
    /// The person has read up to here, on this device or another.
    Read(Places),
    /// The person is in a further group.
    Joined(Stream),
    /// The person is in that group no more.
    Left(Stream),
}

/// What is to be done with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    Stay,
    /// Something was missed: end it, and resume at once.
    Resume,
    /// The node goes: end it after so many milliseconds, and resume then.
    Leave {
        /// From now.
        after_ms: u64,
    },
}

/// Where a client stands in all its streams.
#[derive(Debug, Clone, Default)]
pub struct Follower {
    positions: BTreeMap<Stream, Position>,
}

impl Follower {
    /// One that stands here: nowhere, or where one stood before.
    #[must_use]
    pub const fn new(positions: BTreeMap<Stream, Position>) -> Self {
        Self { positions }
    }

    /// Where it stands: what a later one begins with.
    #[must_use]
    pub const fn positions(&self) -> &BTreeMap<Stream, Position> {
        &self.positions
    }

    /// The first message of a connection.
    #[must_use]
    pub fn hello(&self) -> Said {
        Said::hello(self.positions.clone())
    }

    /// Where it stands, for the server to measure; the last notification came so long ago.
    #[must_use]
    pub fn ack(&self, held: Duration) -> Said {
        let positions = self.positions.iter();
        Said::Ack {
            streams: positions
                .map(|(stream, position)| (stream.clone(), position.seq))
                .collect(),
            held_ms: Some(u64::try_from(held.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// Takes a message in; what it means is added to `events`.
    pub fn hear(&mut self, told: Told, events: &mut Vec<Event>) -> Turn {
        match told {
            Told::Welcome(welcome) => self.begin(welcome, events),
            Told::Notification(told) => return self.take(told, events),
            Told::Tops(tops) => {
                let is_behind = |(stream, top): (&Stream, &u64)| {
                    let position = self.positions.get(stream);
                    position.is_some_and(|position| position.seq < *top)
                };
                if tops.streams.iter().any(is_behind) {
                    return Turn::Resume;
                }
            }
            Told::Signal(signal) => events.push(Event::Signal(signal)),
            Told::Read(places) => events.push(Event::Read(places)),
            Told::Joined(joined) => self.join(joined, events),
            Told::Left(left) => {
                self.positions.remove(&left.stream);
                events.push(Event::Left(left.stream));
            }
            Told::Reconnect(reconnect) => {
                return Turn::Leave {
                    after_ms: reconnect.after_ms,
                };
            }
            Told::Pong | Told::Refreshed(_) => {}
        }
        Turn::Stay
    }

    fn begin(&mut self, welcome: Welcome, events: &mut Vec<Event>) {
        let mut before = std::mem::take(&mut self.positions);
        events.push(Event::Opened(welcome.streams.clone()));
        for (stream, start) in welcome.streams {
            let had = before.remove(&stream);
            let seq = match (had, start.recovered) {
                (Some(had), Some(true)) => had.seq,
                (Some(had), Some(false) | None) => {
                    let same = had.epoch == welcome.epoch;
                    events.push(Event::Missed {
                        stream: stream.clone(),
                        after: if same { had.seq.min(start.seq) } else { 0 },
                        upto: start.seq,
                    });
                    start.seq
                }
                (None, _) => start.seq,
            };
            let epoch = welcome.epoch.clone();
            self.positions.insert(stream, Position { epoch, seq });
        }
    }

    fn take(&mut self, told: Box<Notification>, events: &mut Vec<Event>) -> Turn {
        let Some(position) = self.positions.get_mut(&told.stream) else {
            return Turn::Stay;
        };
        if told.seq <= position.seq {
            return Turn::Stay;
        }
        if told.seq != position.seq + 1 {
            return Turn::Resume;
        }
        position.seq = told.seq;
        events.push(Event::Notification(told));
        Turn::Stay
    }

    fn join(&mut self, joined: Joined, events: &mut Vec<Event>) {
        // All sequences of a connection are of one history.
        let any = self.positions.values().next();
        if let Some(epoch) = any.map(|position| position.epoch.clone()) {
            let seq = joined.seq;
            let position = Position { epoch, seq };
            self.positions.insert(joined.stream.clone(), position);
        }
        events.push(Event::Joined(joined.stream.clone()));
        if joined.recovered == Some(false) {
            // Since when one is a member is not said: the history knows it.
            events.push(Event::Missed {
                stream: joined.stream,
                after: 0,
                upto: joined.seq,
            });
        }
    }
}

#[cfg(test)]
mod tests;
