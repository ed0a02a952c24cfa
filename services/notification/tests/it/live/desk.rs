//! Nodes over a database in memory, whose callers say when something is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tradepost_notification::config::LiveConfig;
use tradepost_notification::live::hub::Hub;
use tradepost_notification::live::{Access, Live, Parts, RULE, Way};
use tradepost_notification::metrics::LiveMetrics;
use tradepost_notification::ports::{
    Announcement, Entry, Follow, Gap, GroupPlace, Opened, Past, Place, Portion, ReadCursors,
    ReadMove, Reader, Snapshot, StoreError, StreamKey, Tail, Whose,
};
use tradepost_notifications::client::{Client, Options};
use tradepost_notifications::content::Content;
use tradepost_notifications::follow::Event;
use tradepost_notifications::stream::{Epoch, GroupName, Stream};
use tradepost_notifications::wire::{Notification, Told};
use tradepost_service::auth::{Door, Grant};
use tradepost_service::{Clock, CommonConfig, Runtime, Tasks};
use tradepost_testkit::{Trust, eventually};
use tradepost_types::{NotificationId, TenantId};

use super::SOON;

/// What is committed.
#[derive(Default)]
pub(crate) struct Store {
    streams: Mutex<BTreeMap<StreamKey, Vec<Entry>>>,
    members: Mutex<BTreeMap<GroupName, BTreeSet<Reader>>>,
    pub(crate) reads: Mutex<Vec<(Reader, Stream, u64)>>,
}

impl Store {
    /// Commits one more; it is told by the caller, or never.
    pub(crate) fn commit(&self, key: &StreamKey, message: &str) -> Entry {
        let mut streams = self.streams.lock().unwrap();
        let entries = streams.entry(key.clone()).or_default();
        let seq = u64::try_from(entries.len()).unwrap() + 1;
        let (title, message) = (format!("number {seq}"), message.to_owned());
        let content = Content::new("note".to_owned(), title, message, "").unwrap();
        let time = Clock::system().now();
        let id = NotificationId::new();
        let told = Notification::new((key.seen(), seq), id, time, content);
        let entry = Entry {
            key: key.clone(),
            seq,
            stored_ms: i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap(),
            text: Told::Notification(Box::new(told)).text(),
        };
        entries.push(entry.clone());
        entry
    }

    pub(crate) fn join(&self, group: &str, reader: &Reader) {
        let mut members = self.members.lock().unwrap();
        let group = group.parse().unwrap();
        members.entry(group).or_default().insert(reader.clone());
    }

    fn place(&self, key: &StreamKey) -> Place {
        let streams = self.streams.lock().unwrap();
        let top = streams.get(key).map_or(0, Vec::len);
        Place {
            top: u64::try_from(top).unwrap(),
            read: 0,
        }
    }

    fn opened(&self, reader: &Reader) -> Opened {
        let members = self.members.lock().unwrap();
        let groups = members
            .iter()
            .filter(|(_, readers)| readers.contains(reader));
        Opened {
            epoch: Epoch("one".into()),
            user: self.place(&own(reader)),
            groups: groups
                .map(|(group, _)| GroupPlace {
                    group: group.clone(),
                    place: self.place(&group_of(reader.tenant, group)),
                    joined_after: 0,
                    stood: 0,
                    version: 1,
                })
                .collect(),
            preferred: None,
        }
    }
}

#[async_trait]
impl Past for Store {
    async fn open(&self, readers: &[Reader]) -> Result<Vec<Opened>, StoreError> {
        Ok(readers.iter().map(|reader| self.opened(reader)).collect())
    }

    async fn entries(
        &self,
        gaps: &[Gap],
        _portion: Portion,
    ) -> Result<Vec<Vec<Entry>>, StoreError> {
        let streams = self.streams.lock().unwrap();
        let of_gap = |gap: &Gap| {
            let entries = streams.get(&gap.key).into_iter().flatten();
            let within = entries.filter(|entry| entry.seq > gap.after && entry.seq <= gap.upto);
            within.cloned().collect()
        };
        Ok(gaps.iter().map(of_gap).collect())
    }

    async fn tail(&self, _since: Option<Snapshot>, _limit: u32) -> Result<Tail, StoreError> {
        Ok(Tail {
            epoch: Epoch("one".into()),
            tops: Vec::new(),
            members: Vec::new(),
            preferences: Vec::new(),
            reads: Vec::new(),
            next: Snapshot(0),
        })
    }
}

/// Cursors, and the hub that is told of them.
struct Cursors {
    store: Arc<Store>,
    hub: Arc<Hub<Way>>,
}

#[async_trait]
impl ReadCursors for Cursors {
    async fn read(&self, reader: &Reader, streams: &[(Stream, u64)]) -> Result<(), StoreError> {
        for (stream, seq) in streams {
            let (reader, stream, seq) = (reader.clone(), stream.clone(), *seq);
            let read = (reader.clone(), stream.clone(), seq);
            self.store.reads.lock().unwrap().push(read);
            let moved = ReadMove {
                reader,
                stream,
                seq,
            };
            self.hub.tell(&[Announcement::Read(moved)]);
        }
        Ok(())
    }
}

pub(crate) fn own(reader: &Reader) -> StreamKey {
    StreamKey {
        tenant: reader.tenant,
        whose: Whose::User(reader.user.clone()),
    }
}

pub(crate) fn group_of(tenant: TenantId, group: &GroupName) -> StreamKey {
    StreamKey {
        tenant,
        whose: Whose::Group(group.clone()),
    }
}

/// A node.
pub(crate) struct Node {
    pub(crate) hub: Arc<Hub<Way>>,
    pub(crate) addr: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: Tasks,
}

/// Several nodes over one database, and whom they believe.
pub(crate) struct Desk {
    pub(crate) store: Arc<Store>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) tenant: TenantId,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self {
            store: Arc::default(),
            trust: Arc::new(Trust::new()),
            tenant: TenantId::new(),
        }
    }

    pub(crate) async fn node(&self, config: LiveConfig) -> Node {
        self.node_with(config, None).await
    }

    /// A node to which people come straight, too.
    pub(crate) async fn node_with(&self, config: LiveConfig, access: Option<Access>) -> Node {
        let common = CommonConfig {
            listen_addr: ([127, 0, 0, 1], 0).into(),
            auth: self.trust.config("notification"),
            ..CommonConfig::default()
        };
        let runtime = Runtime::bind("notification", common).await.unwrap();
        let metrics = LiveMetrics::register(&runtime.registry);
        let hub = Arc::new(Hub::new(&config, metrics.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let parts = Parts {
            config,
            hub: Arc::clone(&hub),
            past: self.store.clone(),
            recent: None,
            cursors: Arc::new(Cursors {
                store: Arc::clone(&self.store),
                hub: Arc::clone(&hub),
            }),
            door: Door::open(&runtime, RULE).unwrap(),
            access,
            metrics,
            tasks: runtime.tasks.clone(),
            shutdown: runtime.shutdown.clone(),
        };
        Live::start(parts, listener);
        Node {
            hub,
            addr,
            shutdown: runtime.shutdown,
            tasks: runtime.tasks,
        }
    }

    pub(crate) fn reader(&self, user: &str) -> Reader {
        Reader {
            tenant: self.tenant,
            user: user.parse().unwrap(),
        }
    }

    /// The value of `Authorization` for a user.
    pub(crate) fn credentials(&self, user: &str, rights: &[&'static str]) -> String {
        credentials(&self.trust, self.tenant, user, rights)
    }

    pub(crate) fn client(&self, node: &Node, user: &str) -> Client {
        let (trust, tenant) = (Arc::clone(&self.trust), self.tenant);
        let user = user.to_owned();
        let mut options = Options::new(format!("ws://{}/", node.addr));
        options.back_off_first = std::time::Duration::from_millis(50);
        Client::new(options, move || {
            credentials(&trust, tenant, &user, &["notifications:read"])
        })
    }

    /// Commits to a stream and tells these nodes.
    pub(crate) fn tell(&self, nodes: &[&Node], key: &StreamKey, message: &str) {
        let entry = self.store.commit(key, message);
        for node in nodes {
            node.hub.tell(&[Announcement::Entry(entry.clone())]);
        }
    }
}

fn credentials(trust: &Trust, tenant: TenantId, user: &str, rights: &[&'static str]) -> String {
    let grant = Grant {
        customer: true,
        ..Grant::of_service("notification", user, tenant, rights)
    };
    let bearer = trust.gateway().bearer(&grant).unwrap();
    bearer.to_metadata().to_str().unwrap().to_owned()
}

/// The next event, soon.
pub(crate) async fn event(client: &mut Client) -> Event {
    let next = tokio::time::timeout(SOON, client.next()).await;
    next.expect("an event").expect("the client goes on")
}

/// The sequence of the next notification; nothing else may come before it but beginnings.
pub(crate) async fn seq(client: &mut Client) -> u64 {
    loop {
        match event(client).await {
            Event::Notification(told) => return told.seq,
            Event::Missed {
                stream,
                after,
                upto,
            } => panic!("missed {stream} {after}..{upto}"),
            Event::Opened(_)
            | Event::Signal(_)
            | Event::Read(_)
            | Event::Joined(_)
            | Event::Left(_) => {}
        }
    }
}

pub(crate) async fn opened(client: &mut Client) {
    let event = event(client).await;
    assert!(matches!(event, Event::Opened(_)), "{event:?}");
}

/// Waits until so many are connected.
pub(crate) async fn until_connected(node: &Node, connections: usize) {
    let is_so = async || (node.hub.len() == connections).then_some(());
    eventually("so many are connected", SOON, is_so).await;
}
