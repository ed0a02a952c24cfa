//! What a client has heard, as the id of an event: enough to go on with anywhere.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::stream::{Epoch, Position, Stream};
use crate::wire::{Told, Welcome};

/// The most bytes of an id. A client sends it back in a header, beside its credentials, and a
/// request's head has 8 KiB.
pub const ID_BYTES_MAX: usize = 4 * 1024;
/// Stands at the end of an id that has not all streams.
const OTHERS: &str = ":+";

/// Up to where a client has heard each stream. Empty before the first welcome.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Of which history.
    epoch: Option<Epoch>,
    streams: BTreeMap<Stream, u64>,
    /// There were further streams, for which the id had no room.
    others: bool,
}

impl Heard {
    /// `None` for what is no id of ours.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let (id, others) = match id.strip_suffix(OTHERS) {
            Some(id) => (id, true),
            None => (id, false),
        };
        let mut parts = id.split(':');
        let epoch = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
        let epoch = String::from_utf8(epoch).ok()?;
        let mut heard = Self {
            epoch: (!epoch.is_empty()).then(|| Epoch(epoch.into())),
            streams: BTreeMap::new(),
            others,
        };
        match parts.next()? {
            "" => {}
            seq => drop(heard.streams.insert(Stream::User, seq.parse().ok()?)),
        }
        for part in parts {
            let (group, seq) = part.split_once('=')?;
            let group = Stream::Group(group.parse().ok()?);
            heard.streams.insert(group, seq.parse().ok()?);
        }
        Some(heard)
    }

    /// What stands here has heard. A client that comes from a WebSocket makes its first id of it.
    /// All sequences of an id are of one history: a stream of another one is left out, and begins
    /// anew.
    #[must_use]
    pub fn at(positions: &BTreeMap<Stream, Position>) -> Self {
        let epoch = positions.values().next().map(|at| at.epoch.clone());
        let same = positions
            .iter()
            .filter(|(_, at)| Some(&at.epoch) == epoch.as_ref());
        Self {
            streams: same.map(|(stream, at)| (stream.clone(), at.seq)).collect(),
            epoch,
            others: false,
        }
    }

    /// As an id: the epoch, the place in the person's own stream, and those in groups, as many as
    /// have room.
    #[must_use]
    pub fn id(&self) -> String {
        let epoch = self.epoch.as_ref().map_or("", |epoch| &epoch.0);
        let own = self.streams.get(&Stream::User).map(u64::to_string);
        let own = own.unwrap_or_default();
        let mut id = format!("{}:{own}", URL_SAFE_NO_PAD.encode(epoch));
        let mut others = self.others;
        for (stream, seq) in &self.streams {
            let Stream::Group(group) = stream else {
                continue;
            };
            let part = format!(":{}={seq}", group.as_str());
            if id.len() + part.len() + OTHERS.len() > ID_BYTES_MAX {
                others = true;
                break;
            }
            id.push_str(&part);
        }
        if others {
            id.push_str(OTHERS);
        }
        id
    }

    /// A stream for which the id had no room may have gone on while nobody listened: the welcome
    /// says so. Whether it was changed for that.
    pub(super) fn excuse(&self, welcome: &mut Welcome) -> bool {
        let mut is_changed = false;
        if self.others {
            for (stream, start) in &mut welcome.streams {
                if start.recovered.is_none() && !self.streams.contains_key(stream) {
                    start.recovered = Some(false);
                    is_changed = true;
                }
            }
        }
        is_changed
    }

    /// What a hello says of it.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<Stream, Position> {
        let Some(epoch) = &self.epoch else {
            return BTreeMap::new();
        };
        let position = |(stream, seq): (&Stream, &u64)| {
            let epoch = epoch.clone();
            (stream.clone(), Position { epoch, seq: *seq })
        };
        self.streams.iter().map(position).collect()
    }

    /// Notes what is told now; whether that moves on.
    pub fn note(&mut self, told: &Told) -> bool {
        match told {
            Told::Welcome(welcome) => {
                let streams = welcome.streams.iter().map(|(stream, start)| {
                    // What was missed follows; until then the client is where it was.
                    let recovered = start.recovered == Some(true);
                    let before = self.streams.get(stream).filter(|_| recovered);
                    (stream.clone(), before.copied().unwrap_or(start.seq))
                });
                self.streams = streams.collect();
                self.epoch = Some(welcome.epoch.clone());
                self.others = false;
            }
            Told::Notification(notification) => {
                self.streams
                    .insert(notification.stream.clone(), notification.seq);
            }
            Told::Joined(joined) => {
                self.streams.insert(joined.stream.clone(), joined.seq);
            }
            Told::Left(left) => {
                self.streams.remove(&left.stream);
            }
            Told::Signal(_)
            | Told::Tops(_)
            | Told::Read(_)
            | Told::Reconnect(_)
            | Told::Pong
            | Told::Refreshed(_) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Told {
        Told::parse(text).unwrap()
    }

    /// Nothing was heard before.
    const FIRST: &str = r#"{"t":"welcome","epoch":"e1","heartbeat_ms":1000,"streams":{
        "user":{"seq":7,"read":0},"group:staff":{"seq":3,"read":0}}}"#;

    fn seq(heard: &Heard, stream: &str) -> Option<u64> {
        let positions = heard.positions();
        positions.get(&stream.parse().unwrap()).map(|at| at.seq)
    }

    #[test]
    fn an_id_is_what_was_heard() {
        let mut heard = Heard::default();
        assert!(heard.positions().is_empty());

        assert!(heard.note(&told(FIRST)));

        assert_eq!(Heard::parse(&heard.id()), Some(heard.clone()));
        assert_eq!(seq(&heard, "user"), Some(7));
        assert_eq!(seq(&heard, "group:staff"), Some(3));
    }

    /// As docs/websocket-protocol.md writes it: who changes from a WebSocket makes it themselves.
    #[test]
    fn a_position_is_written_as_an_id() {
        let position = |epoch: &str, seq| Position {
            epoch: Epoch(epoch.into()),
            seq,
        };
        let user: Stream = "user".parse().unwrap();
        let group: Stream = "group:staff".parse().unwrap();
        let positions = BTreeMap::from([(user.clone(), position("e1", 42))]);

        let heard = Heard::at(&positions);

        assert_eq!(heard.id(), "ZTE:42");
        assert_eq!(heard.positions(), positions);
        let two = [(user, position("e2", 1)), (group, position("e1", 7))];
        assert_eq!(Heard::at(&two.into()).positions().len(), 1);
        assert_eq!(Heard::at(&BTreeMap::new()), Heard::default());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in [
            "",
            "x",
            "e30",
            "ZTE",
            "ZTE:x",
            "ZTE:1:staff",
            "ZTE:1:A=2",
            "ZTE:1:a=",
            "!:1",
        ] {
            assert_eq!(Heard::parse(id), None, "{id}");
        }
    }

    /// The connection may break between the welcome and what was missed.
    #[test]
    fn what_was_missed_is_not_heard_before_it_is_told() {
        let mut heard = Heard::default();
        heard.note(&told(FIRST));
        let again = r#"{"t":"welcome","epoch":"e1","heartbeat_ms":1000,"streams":{
            "user":{"seq":9,"read":0,"recovered":true},
            "group:staff":{"seq":400,"read":0,"recovered":false}}}"#;

        heard.note(&told(again));

        assert_eq!(seq(&heard, "user"), Some(7));
        assert_eq!(seq(&heard, "group:staff"), Some(400));
    }

    /// However many groups there are, a head has room for the id, and what is not in it is not taken
    /// for had.
    #[test]
    fn an_id_is_bounded_and_what_had_no_room_is_said_to_be_missed() {
        let groups: Vec<String> = (0..1_000).map(|n| format!("group:team-{n:03}")).collect();
        let starts = groups
            .iter()
            .map(|group| format!(r#""{group}":{{"seq":9,"read":0}}"#));
        let starts = starts.collect::<Vec<_>>().join(",");
        let begin = format!(
            r#"{{"t":"welcome","epoch":"e1","heartbeat_ms":1000,"streams":{{
            "user":{{"seq":7,"read":0,"recovered":true}},{starts}}}}}"#
        );
        let mut heard = Heard::default();
        heard.note(&told(&begin));

        let id = heard.id();
        let again = Heard::parse(&id).unwrap();

        assert!(id.len() <= ID_BYTES_MAX, "{}", id.len());
        assert_eq!(again.id(), id);
        let named = again.positions().len();
        assert!((250..1_000).contains(&named), "{named}");
        let Told::Welcome(mut welcome) = told(&begin) else {
            panic!("no welcome");
        };
        assert!(again.excuse(&mut welcome));
        let excused = welcome.streams.values();
        let excused = excused.filter(|start| start.recovered == Some(false));
        assert_eq!(excused.count(), 1_001 - named);
        assert_eq!(welcome.streams[&Stream::User].recovered, Some(true));
        assert!(!heard.excuse(&mut welcome), "it knows all of them");
    }

    #[test]
    fn groups_come_and_go() {
        let mut heard = Heard::default();
        heard.note(&told(FIRST));

        let joined = r#"{"t":"joined","stream":"group:late","seq":5}"#;
        assert!(heard.note(&told(joined)));
        assert!(heard.note(&told(r#"{"t":"left","stream":"group:staff"}"#)));
        let tops = r#"{"t":"tops","streams":{"user":99}}"#;
        assert!(!heard.note(&told(tops)));

        assert_eq!(seq(&heard, "group:late"), Some(5));
        assert_eq!(seq(&heard, "group:staff"), None);
        assert_eq!(seq(&heard, "user"), Some(7));
    }
}
