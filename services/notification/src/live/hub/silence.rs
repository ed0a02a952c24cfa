//! What must not interrupt whom. Who said nothing of it costs a look at a flag.

use std::sync::Arc;

use time::OffsetDateTime;
use tradepost_notifications::wire::{Notification, Told};

use super::conn::Conn;
use super::people::Person;
use super::{Hub, lock};
use crate::domain::Preferences;
use crate::live::Line;
use crate::metrics::LiveMetrics;
use crate::ports::{PreferenceChange, Preferred};

/// What is known of somebody who has said something.
#[derive(Debug, Clone)]
pub(super) struct Known {
    revision: u64,
    /// None: nothing is ever silent by them.
    preferences: Option<Arc<Preferences>>,
}

impl<L: Line> Person<L> {
    /// Takes over what is newer than what is known; whether it was.
    fn prefer(&mut self, revision: u64, preferences: &Arc<Preferences>) -> bool {
        if self.preferred_revision() >= revision {
            return false;
        }
        let some = (!preferences.is_never_silent()).then(|| Arc::clone(preferences));
        self.preferred = Some(Box::new(Known {
            revision,
            preferences: some,
        }));
        true
    }

    /// Takes over what the database said.
    pub(super) fn prefer_as(&mut self, preferred: Option<&Preferred>) -> bool {
        preferred.is_some_and(|some| self.prefer(some.revision, &some.preferences))
    }

    fn preferred_revision(&self) -> u64 {
        self.preferred.as_ref().map_or(0, |known| known.revision)
    }

    /// Lets a connection follow what its person prefers.
    pub(super) fn tune(&self, conn: &Conn<L>) {
        let known = self.preferred.as_ref();
        conn.prefer(known.and_then(|known| known.preferences.clone()));
    }

    pub(super) fn tune_all(&self) {
        for conn in &self.conns {
            self.tune(conn);
        }
    }
}

impl<L: Line> Hub<L> {
    /// Somebody wants to be told otherwise from now on.
    pub(super) fn prefer(&self, change: &PreferenceChange) {
        let mut people = lock(self.person_shard(&change.reader));
        let Some(person) = people.get_mut(&change.reader) else {
            return;
        };
        let Some(preferences) = &change.preferences else {
            if person.preferred_revision() < change.revision {
                self.look_again(&change.reader);
            }
            return;
        };
        if person.prefer(change.revision, preferences) {
            person.tune_all();
        }
    }

    /// These frames as a connection gets them that was not there when they came: each is made silent
    /// for it alone.
    pub(super) fn quieted(&self, conn: &Conn<L>, frames: Vec<L::Frame>) -> Vec<L::Frame> {
        if frames.is_empty() || !conn.is_choosy() {
            return frames;
        }
        let mut run = Run::<L>::new(frames, self.clock.now());
        let heard = run.quieted(conn, 0);
        run.count(&self.metrics);
        heard.unwrap_or(run.frames)
    }
}

/// Notifications that follow each other, given to many; what is silent is made once for all.
pub(super) struct Run<L: Line> {
    pub(super) frames: Vec<L::Frame>,
    /// Of each frame, as soon as somebody is choosy; none: it is no notification.
    voices: Vec<Option<Voice<L>>>,
    now: OffsetDateTime,
    /// How often one was given that is silent.
    silent: usize,
}

/// A notification that somebody is choosy about.
struct Voice<L: Line> {
    told: Box<Notification>,
    silent: Option<L::Frame>,
}

impl<L: Line> Run<L> {
    pub(super) const fn new(frames: Vec<L::Frame>, now: OffsetDateTime) -> Self {
        Self {
            frames,
            voices: Vec::new(),
            now,
            silent: 0,
        }
    }

    /// The frames from a place on as this connection gets them; none: as they are.
    pub(super) fn quieted(&mut self, conn: &Conn<L>, from: usize) -> Option<Vec<L::Frame>> {
        let preferences = conn.preferences()?;
        if self.voices.is_empty() {
            self.voices = self.frames.iter().map(Voice::of).collect();
        }
        let voices = self.voices.iter_mut().zip(&self.frames).skip(from);
        let frames = voices.map(|(voice, frame)| match voice {
            Some(voice) if preferences.is_silent(&voice.told.kind, self.now) => {
                self.silent = self.silent.saturating_add(1);
                voice.silent()
            }
            Some(_) | None => frame.clone(),
        });
        Some(frames.collect())
    }

    pub(super) fn count(&self, metrics: &LiveMetrics) {
        metrics.silent(self.silent);
    }
}

impl<L: Line> Voice<L> {
    fn of(frame: &L::Frame) -> Option<Self> {
        match told::<L>(frame)? {
            Told::Notification(told) => Some(Self { told, silent: None }),
            Told::Welcome(_)
            | Told::Signal(_)
            | Told::Tops(_)
            | Told::Read(_)
            | Told::Joined(_)
            | Told::Left(_)
            | Told::Reconnect(_)
            | Told::Refreshed(_)
            | Told::Pong => None,
        }
    }

    fn silent(&mut self) -> L::Frame {
        if let Some(frame) = &self.silent {
            return frame.clone();
        }
        self.told.silent = true;
        let told = Told::Notification(self.told.clone());
        let frame = L::frame(&told.text());
        self.silent = Some(frame.clone());
        frame
    }
}

/// A signal, which who must not be interrupted by it does not get.
pub(super) struct Call<L: Line> {
    pub(super) frame: L::Frame,
    /// Its type, as soon as somebody is choosy; within: none: it is no signal.
    kind: Option<Option<String>>,
    now: OffsetDateTime,
}

impl<L: Line> Call<L> {
    pub(super) const fn new(frame: L::Frame, now: OffsetDateTime) -> Self {
        Self {
            frame,
            kind: None,
            now,
        }
    }

    /// Whether it is kept from this connection.
    pub(super) fn is_silent_for(&mut self, conn: &Conn<L>) -> bool {
        let Some(preferences) = conn.preferences() else {
            return false;
        };
        let frame = &self.frame;
        let kind = self.kind.get_or_insert_with(|| kind_of::<L>(frame));
        kind.as_ref()
            .is_some_and(|kind| preferences.is_silent(kind, self.now))
    }
}

fn kind_of<L: Line>(frame: &L::Frame) -> Option<String> {
    match told::<L>(frame)? {
        Told::Signal(told) => Some(told.kind),
        Told::Welcome(_)
        | Told::Notification(_)
        | Told::Tops(_)
        | Told::Read(_)
        | Told::Joined(_)
        | Told::Left(_)
        | Told::Reconnect(_)
        | Told::Refreshed(_)
        | Told::Pong => None,
    }
}

fn told<L: Line>(frame: &L::Frame) -> Option<Told> {
    Told::parse(std::str::from_utf8(L::text(frame)).ok()?).ok()
}
