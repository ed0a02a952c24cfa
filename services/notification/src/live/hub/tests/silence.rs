//! What is silent for whom.

use std::sync::Arc;
use std::time::Duration;

use time::macros::datetime;
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::Stream;
use tradepost_notifications::wire::{self, Told};
use tradepost_service::Clock;
use tradepost_types::NotificationId;

use super::orders::Path;
use super::rules::visit;
use super::world::{Store, Wire, entry, hub, key, reader};
use crate::config::LiveConfig;
use crate::domain::{Minute, Preferences, QuietHours};
use crate::live::hub::{Conn, Hub, Opening, Step};
use crate::ports::{
    Announcement, Entry, Follow, Opened, PreferenceChange, Preferred, Reader, Signal,
};

/// `note` is the type of all entries of the store.
fn muting(types: &str) -> Arc<Preferences> {
    Arc::new(Preferences {
        muted: vec![types.parse().unwrap()],
        ..Preferences::default()
    })
}

fn told(reader: Reader, revision: u64, preferences: Option<Arc<Preferences>>) -> Announcement {
    Announcement::Preferences(PreferenceChange {
        reader,
        revision,
        preferences,
    })
}

fn prefer(store: &Store, revision: u64, types: &str) -> Announcement {
    told(reader(store.tenant), revision, Some(muting(types)))
}

/// The sequences that came, and whether silently.
fn heard(wire: &Wire) -> Vec<(u64, bool)> {
    let heard = wire.heard().into_iter();
    heard
        .filter_map(|told| match told {
            Told::Notification(told) => Some((told.seq, told.silent)),
            Told::Welcome(_)
            | Told::Signal(_)
            | Told::Tops(_)
            | Told::Read(_)
            | Told::Joined(_)
            | Told::Left(_)
            | Told::Reconnect(_)
            | Told::Refreshed(_)
            | Told::Pong => None,
        })
        .collect()
}

fn entries(entries: &[Entry]) -> Vec<Announcement> {
    entries.iter().cloned().map(Announcement::Entry).collect()
}

#[test]
fn what_is_muted_comes_silently_in_all_groups_on_all_connections_and_to_nobody_else() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let visitors = [visit(&hub, &store, &[]).0, visit(&hub, &store, &[]).0];
    let wire = store.visit_as_bob(&hub);
    let staff = "group:staff".parse().unwrap();

    hub.tell(&[prefer(&store, 1, "note")]);
    let both = [store.commit(&Stream::User), store.commit(&staff)];
    hub.tell(&entries(&both));
    hub.tell(&[prefer(&store, 2, "other")]);
    let both = [store.commit(&Stream::User), store.commit(&staff)];
    hub.tell(&entries(&both));

    for visitor in &visitors {
        let wanted = [(1, true), (1, true), (2, false), (2, false)];
        assert_eq!(heard(&visitor.wire), wanted);
    }
    assert_eq!(heard(&wire), [(1, false), (2, false)]);
}

#[test]
fn what_a_second_connection_learns_counts_for_the_first() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let (first, _) = visit(&hub, &store, &[]);
    // It is committed; before it is heard of here, another connection begins.
    store.preferred = Some(Preferred {
        preferences: muting("note"),
        revision: 1,
    });
    let (second, _) = visit(&hub, &store, &[]);

    hub.tell(&[prefer(&store, 1, "note")]);
    hub.tell(&entries(&[store.commit(&Stream::User)]));

    assert_eq!(heard(&first.wire), [(1, true)]);
    assert_eq!(heard(&second.wire), [(1, true)]);
}

#[test]
fn an_older_change_that_comes_late_changes_nothing() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);

    hub.tell(&[prefer(&store, 2, "note"), prefer(&store, 1, "other")]);
    hub.tell(&entries(&[store.commit(&Stream::User)]));

    assert_eq!(heard(&visitor.wire), [(1, true)]);
}

#[test]
fn what_is_only_known_to_have_changed_is_looked_for() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let ada = reader(store.tenant);

    hub.tell(&[told(ada.clone(), 3, None)]);
    assert!(hub.unsure.lock().unwrap().remove(&ada));
    store.preferred = Some(Preferred {
        preferences: muting("note"),
        revision: 3,
    });
    hub.settle(&ada, &store.open());
    hub.tell(&entries(&[store.commit(&Stream::User)]));

    assert_eq!(heard(&visitor.wire), [(1, true)]);
    // It is known now.
    hub.tell(&[told(ada.clone(), 3, None)]);
    assert!(!hub.unsure.lock().unwrap().contains(&ada));
}

#[test]
fn what_was_missed_is_silent_whether_it_is_had_here_or_fetched() {
    for kept_entries_max in [0, 1, 10] {
        let config = LiveConfig {
            kept_entries_max,
            ..LiveConfig::default()
        };
        let (hub, mut store) = (hub(&config), Store::new());
        let (_stays, _) = visit(&hub, &store, &[]);
        for _ in 0..3 {
            hub.tell(&entries(&[store.commit(&Stream::User)]));
        }
        store.preferred = Some(Preferred {
            preferences: muting("*"),
            revision: 1,
        });

        let (visitor, _) = visit(&hub, &store, &[(&Stream::User, 0)]);

        assert_eq!(heard(&visitor.wire), [(1, true), (2, true), (3, true)]);
    }
}

#[test]
fn it_is_quiet_when_it_is_delivered() {
    let clock = Clock::fixed(datetime!(2026-07-01 21:59:59 UTC));
    let hub = hub(&LiveConfig::default()).with_clock(clock.clone());
    let mut store = Store::new();
    let minute = |minute| Minute::try_from(minute).unwrap();
    let night = QuietHours::new(minute(22 * 60), minute(60), "UTC".parse().unwrap());
    store.preferred = Some(Preferred {
        preferences: Arc::new(Preferences {
            quiet: Some(night.unwrap()),
            ..Preferences::default()
        }),
        revision: 1,
    });
    let (visitor, _) = visit(&hub, &store, &[]);

    for advanced in [1, 3 * 60 * 60 - 1, 1] {
        hub.tell(&entries(&[store.commit(&Stream::User)]));
        clock.advance(Duration::from_secs(advanced));
    }
    hub.tell(&entries(&[store.commit(&Stream::User)]));

    let wanted = [(1, false), (2, true), (3, true), (4, false)];
    assert_eq!(heard(&visitor.wire), wanted);
}

#[test]
fn a_silent_signal_is_not_given() {
    let (hub, store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let signal = |kind: &str| {
        let content = Content::new(kind.to_owned(), "x".to_owned(), String::new(), "").unwrap();
        let told = wire::Signal {
            id: NotificationId::new().to_string(),
            kind: content.kind,
            title: content.title,
            message: content.message,
            data: content.data,
        };
        Announcement::Signal(Signal {
            key: key(store.tenant, &Stream::User),
            collapse: None,
            text: Told::Signal(Box::new(told)).text(),
        })
    };
    let kinds = |wire: &Wire| {
        let heard = wire.heard().into_iter();
        let kinds = heard.map(|told| match told {
            Told::Signal(told) => told.kind,
            other @ (Told::Welcome(_)
            | Told::Notification(_)
            | Told::Tops(_)
            | Told::Read(_)
            | Told::Joined(_)
            | Told::Left(_)
            | Told::Reconnect(_)
            | Told::Refreshed(_)
            | Told::Pong) => panic!("{other:?}"),
        });
        kinds.collect::<Vec<_>>()
    };

    hub.tell(&[signal("typing")]);
    hub.tell(&[
        prefer(&store, 1, "typing"),
        signal("typing"),
        signal("ring"),
    ]);

    assert_eq!(kinds(&visitor.wire), ["typing", "ring"]);
}

#[test]
fn who_is_never_silent_is_not_choosy() {
    let (hub, store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let nothing = Some(Arc::new(Preferences::default()));

    hub.tell(&[prefer(&store, 1, "note")]);
    assert!(visitor.conn.is_choosy());
    hub.tell(&[told(reader(store.tenant), 2, nothing)]);

    assert!(!visitor.conn.is_choosy());
}

/// How far the connection is.
enum At {
    Away,
    Entered(Arc<Conn<Wire>>),
    Asked(Arc<Conn<Wire>>, Opened),
    Placed(Arc<Conn<Wire>>, Opening<Wire>),
    Begun,
}

/// A person changes their mind twice while they connect: committed, and announced in any order, twice
/// or never.
struct Mind {
    store: Store,
    hub: Hub<Wire>,
    wire: Wire,
    at: At,
    revision: u64,
    under_way: Vec<u64>,
}

impl Mind {
    fn new() -> Self {
        let (store, hub) = (Store::new(), hub(&LiveConfig::default()));
        // The group is placed already, so that opening needs no second answer.
        let _stays = store.visit_as_bob(&hub);
        Self {
            hub,
            store,
            wire: Wire::default(),
            at: At::Away,
            revision: 0,
            under_way: Vec::new(),
        }
    }

    /// Odd revisions mute everything.
    fn of(revision: u64) -> Arc<Preferences> {
        muting(if revision % 2 == 1 { "*" } else { "other" })
    }

    fn step(&mut self) {
        self.at = match std::mem::replace(&mut self.at, At::Begun) {
            At::Away => At::Entered(self.hub.enter(reader(self.store.tenant), self.wire.clone())),
            At::Entered(conn) => At::Asked(conn, self.store.open()),
            At::Asked(conn, opened) => {
                let mut opening = Opening::new([].into());
                let step = self.hub.place(&conn, &mut opening, &opened);
                assert_eq!(step, Step::Fetch(Vec::new()));
                At::Placed(conn, opening)
            }
            At::Placed(conn, opening) => {
                self.hub.begin(&conn, opening, Vec::new());
                At::Begun
            }
            At::Begun => At::Begun,
        };
    }

    fn act(&mut self, path: &mut Path) {
        let mut possible = vec![0];
        possible.extend((self.revision < 3).then_some(1));
        possible.extend((0..self.under_way.len()).flat_map(|place| [10 + place, 20 + place]));
        match possible[path.choose(possible.len())] {
            0 => self.step(),
            1 => {
                self.revision += 1;
                self.store.preferred = Some(Preferred {
                    preferences: Self::of(self.revision),
                    revision: self.revision,
                });
                self.under_way.push(self.revision);
            }
            place @ 10..20 => {
                let revision = self.under_way.remove(place - 10);
                self.tell(revision);
            }
            // It comes a second time later.
            place => {
                let revision = self.under_way[place - 20];
                self.tell(revision);
            }
        }
    }

    fn tell(&self, revision: u64) {
        let ada = reader(self.store.tenant);
        let change = told(ada, revision, Some(Self::of(revision)));
        self.hub.tell(&[change]);
    }

    /// A look at the database names the last change; what is still under way is lost.
    fn end(&mut self) -> bool {
        while !matches!(self.at, At::Begun) {
            self.step();
        }
        let ada = reader(self.store.tenant);
        self.hub.tell(&[told(ada.clone(), self.revision, None)]);
        if self.hub.unsure.lock().unwrap().remove(&ada) {
            self.hub.settle(&ada, &self.store.open());
        }
        let entry = entry(&key(self.store.tenant, &Stream::User), 1);
        self.hub.tell(&[Announcement::Entry(entry)]);
        let heard = heard(&self.wire);
        assert_eq!(heard.len(), 1);
        heard[0].1
    }
}

#[test]
fn whatever_happens_meanwhile_the_last_word_counts() {
    let (mut path, mut paths) = (Path::default(), 0);
    loop {
        let mut mind = Mind::new();
        for _ in 0..7 {
            mind.act(&mut path);
        }
        let is_silent = mind.end();
        assert_eq!(is_silent, mind.revision % 2 == 1);
        paths += 1;
        if !path.next() {
            break;
        }
    }
    assert!(paths > 5_000, "{paths}");
}
