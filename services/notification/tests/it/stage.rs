//! Nodes in this process, each with a runtime of its own, so that one can be killed: over one database,
//! with or without Redis.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime as Threads};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tradepost_notification::adapters::grpc::NotificationApi;
use tradepost_notification::adapters::grpc::preferences::PreferenceApi;
use tradepost_notification::adapters::grpc::presence::PresenceApi;
use tradepost_notification::adapters::postgres::PgNotifications;
use tradepost_notification::application::{KnowPresence, MoveCursors};
use tradepost_notification::bootstrap::nodes::Fanout;
use tradepost_notification::bootstrap::{people, store};
use tradepost_notification::config::{LiveConfig, RedisConfig};
use tradepost_notification::live::hub::Hub;
use tradepost_notification::live::{Live, Parts, RULE};
use tradepost_notification::metrics::LiveMetrics;
use tradepost_notifications::client::{Client, Options};
use tradepost_notifications::follow::Event;
use tradepost_notifications::wire::Notification;
use tradepost_postgres::Database;
use tradepost_service::auth::{Caller, Door, Grant};
use tradepost_service::{CommonConfig, Runtime};
use tradepost_testkit::{PrivateRedis, TestDatabase, Trust};
use tradepost_types::TenantId;

use super::store::support::{SOON, fresh_database, patient};

/// How nodes are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How often they look at the database.
    pub(crate) look: Duration,
    /// How often they say who is here.
    pub(crate) presence: Duration,
}

impl Pace {
    /// A test need not wait.
    pub(crate) const OFTEN: Self = Self {
        look: Duration::from_millis(100),
        presence: Duration::from_millis(200),
    };
}

/// One database, and whom nodes believe.
pub(crate) struct Stage {
    pub(crate) database: TestDatabase,
    trust: Arc<Trust>,
    pub(crate) tenant: TenantId,
}

/// A node.
pub(crate) struct Node {
    pub(crate) addr: SocketAddr,
    pub(crate) told: NotificationApi,
    pub(crate) preferences: PreferenceApi,
    pub(crate) presence: PresenceApi,
    until: CancellationToken,
    threads: Option<Threads>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self {
            database: fresh_database().await,
            trust: Arc::new(Trust::new()),
            tenant: TenantId::new(),
        }
    }

    pub(crate) async fn node(&self, redis: Option<&PrivateRedis>, pace: Pace) -> Node {
        let threads = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let redis = RedisConfig {
            url: redis.map(PrivateRedis::url),
            presence_ms: pace.presence.as_millis().try_into().unwrap(),
        };
        let database = patient(&self.database);
        let auth = self.trust.config("notification");
        let starting = threads.spawn(async move {
            let database = Database::connect_lazy(&database, "stage").unwrap();
            let common = CommonConfig {
                listen_addr: ([127, 0, 0, 1], 0).into(),
                auth,
                ..CommonConfig::default()
            };
            let runtime = Runtime::bind("notification", common).await.unwrap();
            start(database, redis, pace, runtime).await
        });
        let mut node = starting.await.unwrap();
        node.threads = Some(threads);
        node
    }

    /// A call of this user with these rights.
    pub(crate) fn by<T>(&self, (user, rights): (&str, &[&str]), message: T) -> Request<T> {
        by(self.tenant, (user, rights), message)
    }

    /// A connection to a node.
    pub(crate) fn client(&self, node: &Node, user: &str) -> Client {
        let (trust, tenant, user) = (Arc::clone(&self.trust), self.tenant, user.to_owned());
        let mut options = Options::new(format!("ws://{}/", node.addr));
        options.back_off_first = Duration::from_millis(50);
        Client::new(options, move || {
            let grant = Grant {
                customer: true,
                ..Grant::of_service("notification", &user, tenant, &["notifications:read"])
            };
            let bearer = trust.gateway().bearer(&grant).unwrap();
            bearer.to_metadata().to_str().unwrap().to_owned()
        })
    }
}

async fn start(database: Database, redis: RedisConfig, pace: Pace, runtime: Runtime) -> Node {
    let config = LiveConfig::default();
    let (until, tasks) = (CancellationToken::new(), &runtime.tasks);
    let pg = Arc::new(PgNotifications::new(database));
    let metrics = LiveMetrics::register(&runtime.registry);
    let hub = Arc::new(Hub::new(&config, metrics.clone()));
    let fanout = Fanout::new(&redis, &runtime.registry).unwrap();
    let recents = fanout.recents();
    let others = fanout.tell_presence(Arc::clone(&hub) as _, pace.presence, (tasks, &until));
    let ends = (Arc::clone(&pg) as _, Arc::clone(&hub) as _);
    let announcer = fanout.start(ends, pace.look, (tasks, &until)).await;
    let told = store::api(&pg, &announcer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let parts = Parts {
        config,
        hub: Arc::clone(&hub),
        past: Arc::clone(&pg) as _,
        recent: Some(recents),
        cursors: Arc::new(MoveCursors::new(told.history.clone())),
        door: Door::open(&runtime, RULE).unwrap(),
        metrics,
        tasks: runtime.tasks.clone(),
        shutdown: runtime.shutdown.clone(),
        access: None,
    };
    Live::start(parts, listener);
    let here = Arc::clone(&hub) as _;
    let presence = KnowPresence::new(here, others, Arc::clone(&pg) as _);
    Node {
        addr,
        told,
        preferences: people::preferences(&pg, &announcer),
        presence: PresenceApi::new(presence),
        until,
        threads: None,
    }
}

impl Node {
    /// Ends it as a power cut would: nothing is taken back.
    pub(crate) fn kill(mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }

    /// Ends it in order.
    pub(crate) fn end(&self) {
        self.until.cancel();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// A call of a tenant's user with these rights.
pub(crate) fn by<T>(tenant: TenantId, (user, rights): (&str, &[&str]), message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::of_tenant(tenant, user, rights);
    request.extensions_mut().insert(Arc::new(caller));
    request
}

/// The next event, soon.
pub(crate) async fn event(client: &mut Client) -> Event {
    let next = tokio::time::timeout(SOON, client.next()).await;
    next.expect("an event").expect("the client goes on")
}

/// Until it was welcomed.
pub(crate) async fn opened(client: &mut Client) {
    let event = event(client).await;
    assert!(matches!(event, Event::Opened(_)), "{event:?}");
}

/// The next notification.
pub(crate) async fn notification(client: &mut Client) -> Notification {
    loop {
        match event(client).await {
            Event::Notification(told) => return *told,
            Event::Opened(_)
            | Event::Missed { .. }
            | Event::Signal(_)
            | Event::Read(_)
            | Event::Joined(_)
            | Event::Left(_) => {}
        }
    }
}
