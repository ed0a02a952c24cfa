//! The store over a database of its own, and what it had announced.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tradepost_notification::adapters::grpc::NotificationApi;
use tradepost_notification::adapters::postgres::{MIGRATOR, PgNotifications};
use tradepost_notification::bootstrap::store::api;
use tradepost_notification::ports::{
    Announce, Announcement, Announcer, Entry, Groups, Outcome, Reader, Receipt, RequestKey,
    StreamKey, Telling, Tellings, Whom, Whose,
};
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_postgres::{Database, DatabaseConfig, idempotency};
use tradepost_testkit::TestDatabase;
use tradepost_types::{NotificationId, TenantId};

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Keeps what is announced.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<Announcement>>);

impl Announce for Heard {
    fn announce(&self, announcements: Vec<Announcement>) {
        self.0.lock().unwrap().extend(announcements);
    }
}

impl Heard {
    pub(crate) fn take(&self) -> Vec<Announcement> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

pub(crate) async fn fresh_database() -> TestDatabase {
    let extra = [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
    tradepost_testkit::database(&MIGRATOR, &extra).await
}

/// How a test reaches its database. A service gives up after a second without a connection; a test
/// must not, since a busy machine takes its time, and then it is slow and not broken.
pub(crate) fn patient(database: &TestDatabase) -> DatabaseConfig {
    DatabaseConfig {
        acquire_timeout_ms: 30_000,
        ..database.config()
    }
}

pub(crate) struct Desk {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
    pub(crate) store: Arc<PgNotifications>,
    pub(crate) api: NotificationApi,
    pub(crate) heard: Arc<Heard>,
    pub(crate) tenant: TenantId,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        let test_database = fresh_database().await;
        let database = Database::connect_lazy(&patient(&test_database), "store-test").unwrap();
        let store = Arc::new(PgNotifications::new(database.clone()));
        let heard = Arc::new(Heard::default());
        let announcer: Announcer = Arc::clone(&heard) as _;
        Self {
            api: api(&store, &announcer),
            test_database,
            database,
            store,
            heard,
            tenant: TenantId::new(),
        }
    }

    pub(crate) fn reader(&self, name: &str) -> Reader {
        Reader {
            tenant: self.tenant,
            user: user(name),
        }
    }

    pub(crate) fn of_user(&self, name: &str) -> StreamKey {
        StreamKey {
            tenant: self.tenant,
            whose: Whose::User(user(name)),
        }
    }

    pub(crate) fn of_group(&self, name: &str) -> StreamKey {
        StreamKey {
            tenant: self.tenant,
            whose: Whose::Group(group(name)),
        }
    }

    /// A request to tell users, with an id of its own.
    pub(crate) fn to_users(&self, names: &[&str], title: &str) -> Telling {
        self.telling(
            Whom::Users(names.iter().map(|name| user(name)).collect()),
            title,
        )
    }

    pub(crate) fn to_group(&self, name: &str, title: &str) -> Telling {
        self.telling(Whom::Group(group(name)), title)
    }

    fn telling(&self, whom: Whom, title: &str) -> Telling {
        let id = NotificationId::new();
        Telling {
            tenant: self.tenant,
            whom,
            id,
            content: Arc::new(content(title)),
            request: RequestKey {
                id: id.to_string(),
                fingerprint: [7; 32],
            },
        }
    }

    /// Tells it for the first time.
    pub(crate) async fn tell(&self, telling: Telling) -> (Receipt, Vec<Entry>) {
        match self.store.tell(telling).await.unwrap() {
            Outcome::Stored(receipt, entries) => (receipt, entries),
            other @ (Outcome::Replayed(_) | Outcome::Reused | Outcome::NoGroup) => {
                panic!("not stored: {other:?}")
            }
        }
    }

    pub(crate) async fn make_group(&self, name: &str) {
        let made = self.store.put(self.tenant, &group(name), "A group").await;
        assert!(made.unwrap().is_some());
    }

    pub(crate) async fn join(&self, name: &str, users: &[&str]) {
        let users: Vec<UserName> = users.iter().map(|name| user(name)).collect();
        self.store
            .join(self.tenant, &group(name), &users)
            .await
            .unwrap();
    }

    pub(crate) async fn leave(&self, name: &str, users: &[&str]) {
        let users: Vec<UserName> = users.iter().map(|name| user(name)).collect();
        let left = self.store.leave(self.tenant, &group(name), &users).await;
        assert!(left.unwrap().is_some());
    }
}

pub(crate) fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

pub(crate) fn group(name: &str) -> GroupName {
    name.parse().unwrap()
}

pub(crate) fn content(title: &str) -> Content {
    let data = r#"{"amount": 12345678901234567890.10}"#;
    Content::new(
        "test.told".to_owned(),
        title.to_owned(),
        "Text.".to_owned(),
        data,
    )
    .unwrap()
}
