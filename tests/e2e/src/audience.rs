//! People who listen through the gateway whatever happens to it and behind it, each over every way
//! there is, and who write down what they hear.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tradepost_notifications::client::{Client, Options, Way};
use tradepost_notifications::follow::Event;
use tradepost_notifications::stream::Stream;
use tradepost_testkit::eventually;
use tradepost_types::OrderId;

use crate::{Account, OldProxy, SOON};

const MEMBERS: [&str; 2] = ["ada@example.com", "bob@example.com"];
const GROUP: &str = "/v1/notification-groups/staff";
/// How long a call may take before it is made again.
const CALL_MAX: Duration = Duration::from_secs(5);
/// Between two calls that tell the same.
const PAUSE: Duration = Duration::from_millis(20);
/// Nobody waits long to come back: all of it is over soon.
const BACK_OFF_MAX: Duration = Duration::from_millis(500);

/// Members of a tenant, all of them staff, who listen.
#[derive(Debug)]
pub struct Audience {
    program: Account,
    ids: Vec<String>,
    ears: Vec<Ear>,
    _proxy: OldProxy,
}

/// Tells while the test does something else.
#[derive(Debug)]
pub struct Telling {
    told: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// One who listens.
#[derive(Debug)]
struct Ear {
    name: String,
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Log {
    heard: BTreeMap<Stream, Vec<u64>>,
    /// Over what, each time that it began.
    ways: Vec<Way>,
    faults: Vec<String>,
}

impl Audience {
    /// Each member listens by a WebSocket, by events behind a proxy that knows no other way, and
    /// by what a client chooses.
    pub async fn gather(account: &Account) -> Self {
        let owner = account.owner();
        call(&owner, Method::PUT, GROUP, json!({"display_name": "Staff"})).await;
        let proxy = OldProxy::before(account.address()).await;
        let direct = options(account.address());
        let ways = [
            (
                "socket",
                Options {
                    events_url: None,
                    ..direct.clone()
                },
            ),
            ("events", options(&proxy.address())),
            ("any", direct),
        ];
        let (mut ids, mut ears) = (Vec::new(), Vec::new());
        for email in MEMBERS {
            let member = account.member(email, "customer").await;
            let id = member.id().await;
            let path = format!("{GROUP}/members/{id}");
            call(&owner, Method::PUT, &path, Value::Null).await;
            ids.push(id);
            for (way, options) in &ways {
                let name = format!("{email} by {way}");
                ears.push(Ear::open(name, &member, options.clone()).await);
            }
        }
        Self {
            program: account.clone(),
            ids,
            ears,
            _proxy: proxy,
        }
    }

    /// Tells all of them so often, by themselves and as staff.
    pub fn tell(&self, times: u64) -> Telling {
        let told = Arc::<AtomicU64>::default();
        let (program, ids, count) = (self.program.clone(), self.ids.clone(), Arc::clone(&told));
        let task = tokio::spawn(async move {
            let to_group = format!("{GROUP}/notifications");
            for number in 0..times {
                let content = json!({"type": "test", "title": format!("number {number}")});
                let mut to_users = content.clone();
                to_users["user_ids"] = ids.clone().into();
                call(&program, Method::POST, "/v1/notifications", to_users).await;
                call(&program, Method::POST, &to_group, content).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Telling { told, task }
    }

    /// Everybody has heard everything, once and in order.
    ///
    /// # Panics
    /// If anybody has not.
    pub async fn assert_heard(&self, times: u64) {
        let wanted: Vec<u64> = (1..=times).collect();
        let group = Stream::Group("staff".parse().unwrap());
        for Ear { name, log, .. } in &self.ears {
            let heard = |stream: &Stream| {
                let log = log.lock().unwrap();
                log.heard.get(stream).cloned().unwrap_or_default()
            };
            let faults = || log.lock().unwrap().faults.clone();
            eventually(&format!("{name} hears all"), SOON, async || {
                let has = |stream| heard(stream).len() >= wanted.len();
                (has(&Stream::User) && has(&group) || !faults().is_empty()).then_some(())
            })
            .await;
            assert_eq!(faults(), Vec::<String>::new(), "{name}");
            for stream in [&Stream::User, &group] {
                assert_eq!(heard(stream), wanted, "{name}: {stream}");
            }
        }
    }

    /// Everybody was away and has come back, over the way they were to come by.
    ///
    /// # Panics
    /// If anybody was not.
    pub fn assert_came_back(&self) {
        for Ear { name, log, .. } in &self.ears {
            let ways = log.lock().unwrap().ways.clone();
            assert!(ways.len() > 1, "{name} was never away: {ways:?}");
            let only = |way| ways.iter().all(|it| *it == way);
            assert!(
                !name.ends_with("socket") || only(Way::Socket),
                "{name}: {ways:?}"
            );
            assert!(
                !name.ends_with("events") || only(Way::Events),
                "{name}: {ways:?}"
            );
        }
    }
}

impl Telling {
    /// Until so many times were told.
    pub async fn until(&self, times: u64) {
        eventually(&format!("{times} are told"), SOON, async || {
            (self.told.load(Ordering::SeqCst) >= times).then_some(())
        })
        .await;
    }

    /// Until all is told.
    ///
    /// # Panics
    /// If something was refused for good.
    pub async fn done(self) {
        let told = tokio::time::timeout(SOON, self.task).await;
        told.expect("all is told in time").unwrap();
    }
}

impl Ear {
    /// Returns once it was welcomed.
    async fn open(name: String, member: &Account, options: Options) -> Self {
        let log = Arc::<Mutex<Log>>::default();
        let credentials = member.authorization();
        let client = Client::new(options, move || credentials.clone());
        let task = tokio::spawn(listen(client, Arc::clone(&log)));
        eventually(&format!("{name} is welcomed"), SOON, async || {
            (!log.lock().unwrap().ways.is_empty()).then_some(())
        })
        .await;
        Self { name, log, task }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(mut client: Client, log: Arc<Mutex<Log>>) {
    loop {
        let event = client.next().await;
        let way = client.way();
        let mut log = log.lock().unwrap();
        match event {
            Ok(Event::Opened(_)) => log.ways.extend(way),
            Ok(Event::Notification(told)) => {
                log.heard
                    .entry(told.stream.clone())
                    .or_default()
                    .push(told.seq);
            }
            Ok(Event::Signal(_) | Event::Read(_)) => {}
            Ok(wrong @ (Event::Missed { .. } | Event::Joined(_) | Event::Left(_))) => {
                log.faults.push(format!("{wrong:?}"));
            }
            Err(ended) => return log.faults.push(format!("{ended:?}")),
        }
    }
}

fn options(address: &str) -> Options {
    Options {
        back_off_max: BACK_OFF_MAX,
        ..Options::new(format!("ws://{address}/v1/notifications/ws"))
    }
}

/// Calls with one key until it is answered for good.
async fn call(account: &Account, method: Method, path: &str, body: Value) {
    let key = OrderId::new().to_string();
    loop {
        let request = account.request(method.clone(), path);
        let request = request.header("Idempotency-Key", &key).timeout(CALL_MAX);
        match is_done(request, &body).await {
            Ok(true) => return,
            Ok(false) => tokio::time::sleep(PAUSE).await,
            Err(status) => panic!("{path}: {status}"),
        }
    }
}

/// Whether it was done; not yet, if nobody could say so.
async fn is_done(request: RequestBuilder, body: &Value) -> Result<bool, StatusCode> {
    let request = match body.is_null() {
        true => request,
        false => request.json(body),
    };
    let Ok(answer) = request.send().await else {
        return Ok(false);
    };
    let status = answer.status();
    let is_passing = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::CONFLICT;
    match status.is_success() {
        true => Ok(true),
        false if is_passing => Ok(false),
        false => Err(status),
    }
}
