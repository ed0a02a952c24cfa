//! Every order in which things can happen: commits, announcements that come late, twice, in another
//! order or never, a look at the database, connections that begin, end, and go to another node.

use std::collections::BTreeMap;

use tradepost_notifications::stream::Stream;

use super::world::{Client, Store, Wire, hub};
use crate::config::LiveConfig;
use crate::live::hub::Hub;
use crate::ports::{Announcement, Entry, Follow};

/// A choice among so many, in the order of all of them.
#[derive(Default)]
pub(super) struct Path {
    choices: Vec<(usize, usize)>,
    at: usize,
}

impl Path {
    pub(super) fn choose(&mut self, among: usize) -> usize {
        if self.at == self.choices.len() {
            self.choices.push((0, among));
        }
        let (chosen, known) = self.choices[self.at];
        assert_eq!(known, among, "the same path leads to the same place");
        self.at += 1;
        chosen
    }

    /// The next path; false after the last.
    pub(super) fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, among)) = self.choices.pop() {
            if chosen + 1 < among {
                self.choices.push((chosen + 1, among));
                return true;
            }
        }
        false
    }
}

#[derive(Debug, Clone, Copy)]
enum Action {
    CommitToUser,
    CommitToGroup,
    /// The oldest announcement that is under way to a node.
    Tell(usize),
    /// The newest one.
    TellNewest(usize),
    /// The oldest is lost.
    Lose(usize),
    /// The last that was told is told again.
    Repeat(usize),
    Heal(usize),
    Connect(usize),
    Step,
    Drop,
}

const NODES: usize = 2;

struct World {
    store: Store,
    hubs: Vec<Hub<Wire>>,
    /// Under way to each node.
    under_way: Vec<Vec<Entry>>,
    last: Vec<Option<Entry>>,
    /// What each node's healer has seen.
    seen: Vec<BTreeMap<Stream, u64>>,
    client: Client,
    staff: Stream,
}

impl World {
    fn new(config: &LiveConfig) -> Self {
        Self {
            store: Store::new(),
            hubs: (0..NODES).map(|_| hub(config)).collect(),
            under_way: vec![Vec::new(); NODES],
            last: vec![None; NODES],
            seen: vec![BTreeMap::new(); NODES],
            client: Client::default(),
            staff: "group:staff".parse().unwrap(),
        }
    }

    fn possible(&self, commits_max: u64) -> Vec<Action> {
        let mut possible = Vec::new();
        if self.store.top(&Stream::User) < commits_max {
            possible.push(Action::CommitToUser);
        }
        if self.store.top(&self.staff) < 1 {
            possible.push(Action::CommitToGroup);
        }
        match &self.client.session {
            None => possible.extend((0..NODES).map(Action::Connect)),
            Some(session) => {
                possible.extend([Action::Step, Action::Drop]);
                // What a node does to which nobody is connected changes nothing.
                let node = session.node;
                possible.push(Action::Heal(node));
                if !self.under_way[node].is_empty() {
                    possible.extend([Action::Tell(node), Action::Lose(node)]);
                }
                if self.under_way[node].len() > 1 {
                    possible.push(Action::TellNewest(node));
                }
                if self.last[node].is_some() {
                    possible.push(Action::Repeat(node));
                }
            }
        }
        possible
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::CommitToUser => self.commit(&Stream::User),
            Action::CommitToGroup => self.commit(&self.staff.clone()),
            Action::Tell(node) => {
                let entry = self.under_way[node].remove(0);
                self.tell(node, entry);
            }
            Action::TellNewest(node) => {
                let entry = self.under_way[node].pop().unwrap();
                self.tell(node, entry);
            }
            Action::Lose(node) => {
                self.under_way[node].remove(0);
            }
            Action::Repeat(node) => {
                let entry = self.last[node].clone().unwrap();
                self.tell(node, entry);
            }
            Action::Heal(node) => {
                let seen = &mut self.seen[node];
                self.store.heal_since(&self.hubs[node], seen);
            }
            Action::Connect(node) => self.client.connect(node, &self.hubs[node], &self.store),
            Action::Step => {
                let node = self.client.session.as_ref().unwrap().node;
                self.client.step(&self.hubs[node], &self.store);
            }
            Action::Drop => {
                let node = self.client.session.as_ref().unwrap().node;
                self.client.drop(&self.hubs[node]);
            }
        }
    }

    fn commit(&mut self, stream: &Stream) {
        let entry = self.store.commit(stream);
        for under_way in &mut self.under_way {
            under_way.push(entry.clone());
        }
    }

    fn tell(&mut self, node: usize, entry: Entry) {
        self.hubs[node].tell(&[Announcement::Entry(entry.clone())]);
        self.last[node] = Some(entry);
    }

    /// The client comes back if it is away, a look is taken at the database, and it reads.
    fn end(&mut self) {
        if self.client.session.is_none() {
            self.act(Action::Connect(0));
        }
        for _ in 0..8 {
            if !self.client.is_begun() {
                self.act(Action::Step);
            }
        }
        assert!(self.client.is_begun(), "it is welcomed at last");
        let node = self.client.session.as_ref().unwrap().node;
        self.act(Action::Heal(node));
        self.act(Action::Step);
        self.client.assert_whole(&self.store);
    }
}

/// Takes every path of so many steps after `before`; how many there are.
fn explore(config: &LiveConfig, before: &[Action], steps: usize, refused: bool) -> usize {
    let mut path = Path::default();
    let mut paths = 0;
    loop {
        let mut world = World::new(config);
        for action in before {
            world.act(*action);
        }
        for _ in 0..steps {
            let possible = world.possible(3);
            let chosen = possible[path.choose(possible.len())];
            world.act(chosen);
        }
        world.end();
        assert!(
            refused || world.client.refused == 0,
            "all of it could be had"
        );
        paths += 1;
        if !path.next() {
            return paths;
        }
    }
}

fn config() -> LiveConfig {
    LiveConfig {
        // So little that resuming has to ask the database too.
        kept_entries_max: 1,
        ..LiveConfig::default()
    }
}

/// A client that was here, had something, and is away.
const WAS_HERE: [Action; 7] = [
    Action::Connect(0),
    Action::Step,
    Action::Step,
    Action::Step,
    Action::Step,
    Action::Step,
    Action::Step,
];

#[test]
fn whatever_happens_while_a_connection_begins_nothing_is_missed() {
    assert!(explore(&config(), &[], 6, false) > 5_000);
}

#[test]
fn whatever_happens_between_two_connections_all_of_it_is_resumed() {
    let mut before = WAS_HERE.to_vec();
    before.extend([Action::CommitToUser, Action::Tell(0), Action::Step]);
    before.push(Action::Drop);

    assert!(explore(&config(), &before, 6, false) > 5_000);
}

#[test]
fn who_missed_more_than_is_resumed_is_told_so() {
    let config = LiveConfig {
        resume_max: 1,
        ..config()
    };
    let mut before = WAS_HERE.to_vec();
    before.extend([Action::Drop, Action::CommitToUser, Action::CommitToUser]);

    assert!(explore(&config, &before, 5, true) > 500);
}
