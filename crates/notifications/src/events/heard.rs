//! What a client has heard, as the id of an event: opaque to it, and enough to go on with
//! anywhere.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::stream::{Epoch, Position, Stream};
use crate::wire::Told;

/// Up to where a client has heard each stream. Empty before the first welcome.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// Of which history.
    epoch: Option<Epoch>,
    streams: BTreeMap<Stream, u64>,
}

impl Heard {
    /// `None` for what is no id of ours.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(id).ok()?;
        serde_json::from_slice(&json).ok()
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
        }
    }

    /// As an id.
    #[must_use]
    pub fn id(&self) -> String {
        // Names and numbers: none of it can fail to be written.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
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

        let id = "eyJlcG9jaCI6ImUxIiwic3RyZWFtcyI6eyJ1c2VyIjo0Mn19";
        assert_eq!(heard.id(), id);
        assert_eq!(heard.positions(), positions);
        let two = [(user, position("e2", 1)), (group, position("e1", 7))];
        assert_eq!(Heard::at(&two.into()).positions().len(), 1);
        assert_eq!(Heard::at(&BTreeMap::new()), Heard::default());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in ["", "x", "e30", "bm8"] {
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
