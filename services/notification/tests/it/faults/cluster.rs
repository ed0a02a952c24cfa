//! Node processes over one database, and a shop that tells its people something.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tonic::codegen::InterceptedService;
use tonic::transport::Channel;
use tradepost_notifications::stream::Stream;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_client::NotificationServiceClient;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_testkit::{PrivateRedis, Process, TestDatabase, Trust, eventually, free_port};
use tradepost_types::TenantId;

use super::listener::Listener;

pub(super) const LATE: Duration = Duration::from_secs(180);
const GROUP: &str = "staff";
const USERS: usize = 5;
/// Connections of each user.
const EACH: usize = 2;
/// How long a call may take before it is made again, at the next node.
const CALL_MAX: Duration = Duration::from_secs(3);

/// Between two calls that tell the same.
const PAUSE: Duration = Duration::from_millis(20);

type Client = NotificationServiceClient<InterceptedService<Channel, CallContext>>;

/// Where nodes are at the moment: what a load balancer knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    grpc: SocketAddr,
    pub(super) live: SocketAddr,
}

pub(super) type Addresses = Arc<Mutex<Vec<Address>>>;

/// Several nodes.
pub(super) struct Cluster {
    environment: Vec<(String, String)>,
    trust: Arc<Trust>,
    tenant: TenantId,
    addresses: Addresses,
    processes: Mutex<Vec<Option<Process>>>,
}

impl Cluster {
    pub(super) async fn start(
        database: &TestDatabase,
        redis: Option<&PrivateRedis>,
        nodes: usize,
    ) -> Self {
        let trust = Arc::new(Trust::new());
        let config = database.config();
        let owner_url = config.owner_url.clone().unwrap();
        let mut environment = vec![
            ("DATABASE__URL", config.url.expose_secret().to_owned()),
            (
                "DATABASE__SYSTEM_URL",
                config.system_url.expose_secret().to_owned(),
            ),
            ("DATABASE__OWNER_URL", owner_url.expose_secret().to_owned()),
            ("DATABASE__ACQUIRE_TIMEOUT_MS", "10000".to_owned()),
            (
                "SERVER__AUTH__TRUST_PATH",
                trust.trust_path().display().to_string(),
            ),
            ("LIVE__HEARTBEAT_MS", "500".to_owned()),
            ("LIVE__DRAIN_MS", "300".to_owned()),
            ("LIVE__LOOK_MS", "200".to_owned()),
        ];
        if let Some(redis) = redis {
            environment.push(("REDIS__URL", redis.url().expose_secret().to_owned()));
        }
        let name = |name: &str| format!("TRADEPOST_NOTIFICATION__{name}");
        let environment = environment.into_iter();
        let this = Self {
            environment: environment.map(|(key, value)| (name(key), value)).collect(),
            trust,
            tenant: TenantId::new(),
            addresses: Arc::default(),
            processes: Mutex::default(),
        };
        for _ in 0..nodes {
            let (process, address) = this.node().await;
            this.processes.lock().unwrap().push(Some(process));
            this.addresses.lock().unwrap().push(address);
        }
        this
    }

    async fn node(&self) -> (Process, Address) {
        let local = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (grpc, live, admin) = (local(), local(), local());
        let ports = [
            ("TRADEPOST_NOTIFICATION__SERVER__LISTEN_ADDR", grpc),
            ("TRADEPOST_NOTIFICATION__SERVER__ADMIN_ADDR", admin),
            ("TRADEPOST_NOTIFICATION__LIVE__LISTEN_ADDR", live),
        ];
        let builder = Process::builder(env!("CARGO_BIN_EXE_notification"));
        let builder = self
            .environment
            .iter()
            .fold(builder, |builder, (name, value)| builder.env(name, value));
        let builder = ports.iter().fold(builder, |builder, (name, address)| {
            builder.env(name, address.to_string())
        });
        let mut process = builder.spawn();
        process.ready(admin, LATE).await;
        (process, Address { grpc, live })
    }

    /// Kills a node as a power cut would.
    pub(super) fn kill(&self, node: usize) {
        let process = self.processes.lock().unwrap()[node].take();
        process.unwrap().kill();
    }

    /// Ends a node in order.
    pub(super) async fn end(&self, node: usize) -> ExitStatus {
        let process = self.processes.lock().unwrap()[node].take();
        let mut process = process.unwrap();
        process.terminate();
        process.wait(LATE).await
    }

    /// Starts one in the place of one that is gone, at other ports.
    pub(super) async fn start_anew(&self, node: usize) {
        let (process, address) = self.node().await;
        self.processes.lock().unwrap()[node] = Some(process);
        self.addresses.lock().unwrap()[node] = address;
    }

    /// People, who are all staff and all listen.
    pub(super) async fn shop(&self) -> Shop {
        let shop = Shop {
            users: (0..USERS).map(|user| format!("user-{user}")).collect(),
            listeners: Mutex::default(),
            desk: Desk {
                trust: Arc::clone(&self.trust),
                tenant: self.tenant,
                addresses: Arc::clone(&self.addresses),
            },
        };
        let (group, users) = (GROUP.to_owned(), shop.users.clone());
        let mut client = shop.desk.client(0);
        let put = pb::PutGroupRequest {
            group_id: group.clone(),
            display_name: "Staff".to_owned(),
        };
        client.put_group(put).await.unwrap();
        let join = pb::JoinGroupRequest {
            group_id: group,
            user_ids: users,
        };
        client.join_group(join).await.unwrap();
        for connection in 0..USERS * EACH {
            let user = &shop.users[connection % USERS];
            let desk = shop.desk.clone();
            let listener = Listener::start(desk, user.clone(), connection).await;
            shop.listeners.lock().unwrap().push(listener);
        }
        shop
    }
}

/// Whoever calls and listens.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) trust: Arc<Trust>,
    pub(super) tenant: TenantId,
    pub(super) addresses: Addresses,
}

impl Desk {
    /// The node whose turn it is.
    pub(super) fn address(&self, turn: usize) -> Address {
        let addresses = self.addresses.lock().unwrap();
        addresses[turn % addresses.len()]
    }

    fn client(&self, turn: usize) -> Client {
        let url = format!("http://{}", self.address(turn).grpc);
        let channel = channel(&url, &ClientOptions::default()).unwrap();
        let rights = &["notifications:send", "notifications:manage"];
        let calls = self.trust.calls("notification", self.tenant, rights);
        NotificationServiceClient::with_interceptor(channel, calls)
    }

    /// Tells all of them and the group, however often it takes.
    async fn tell(&self, users: &[String], number: u64) {
        let content = Some(pb::Content {
            r#type: "test".to_owned(),
            title: format!("number {number}"),
            message: String::new(),
            data: String::new(),
        });
        let to_users = Call::Users(pb::SendToUsersRequest {
            request_id: TenantId::new().as_uuid().to_string(),
            user_ids: users.to_vec(),
            content: content.clone(),
            delivery: pb::Delivery::Durable.into(),
            collapse_key: String::new(),
        });
        let to_group = Call::Group(pb::BroadcastToGroupRequest {
            request_id: TenantId::new().as_uuid().to_string(),
            group_id: GROUP.to_owned(),
            content,
            delivery: pb::Delivery::Durable.into(),
            collapse_key: String::new(),
        });
        for (place, call) in [to_users, to_group].iter().enumerate() {
            let mut turn = usize::try_from(number).unwrap() + place;
            while !self.is_done(turn, call).await {
                turn += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    async fn is_done(&self, turn: usize, call: &Call) -> bool {
        let mut client = self.client(turn);
        let called = async {
            match call {
                Call::Users(request) => client.send_to_users(request.clone()).await.is_ok(),
                Call::Group(request) => client.broadcast_to_group(request.clone()).await.is_ok(),
            }
        };
        tokio::time::timeout(CALL_MAX, called)
            .await
            .unwrap_or(false)
    }
}

enum Call {
    Users(pb::SendToUsersRequest),
    Group(pb::BroadcastToGroupRequest),
}

/// The people, and what they are told.
pub(super) struct Shop {
    users: Vec<String>,
    listeners: Mutex<Vec<Listener>>,
    desk: Desk,
}

impl Shop {
    /// Tells everybody so often, by themselves and as staff.
    #[expect(clippy::disallowed_methods, reason = "a test waits for its tasks")]
    pub(super) fn tell(&self, times: u64) -> Telling {
        let told = Arc::<AtomicU64>::default();
        let (desk, users, count) = (self.desk.clone(), self.users.clone(), Arc::clone(&told));
        let task = tokio::spawn(async move {
            for number in 0..times {
                desk.tell(&users, number).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Telling { told, task }
    }

    /// Everybody has heard everything, once and in order.
    pub(super) async fn assert_heard(&self, times: u64) {
        let wanted: Vec<u64> = (1..=times).collect();
        let listeners = std::mem::take(&mut *self.listeners.lock().unwrap());
        for listener in listeners {
            let streams = [Stream::User, Stream::Group(GROUP.parse().unwrap())];
            eventually("all is heard", LATE, async || {
                let has = |stream| listener.heard(stream).len() >= wanted.len();
                (streams.iter().all(has) || !listener.faults().is_empty()).then_some(())
            })
            .await;
            assert_eq!(listener.faults(), Vec::<String>::new());
            for stream in &streams {
                assert_eq!(listener.heard(stream), wanted, "{stream}");
            }
        }
    }
}

/// Tells while the test does something else.
pub(super) struct Telling {
    told: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Telling {
    /// Until so many times were told.
    pub(super) async fn until(&self, times: u64) {
        eventually(&format!("{times} are told"), LATE, async || {
            (self.told.load(Ordering::SeqCst) >= times).then_some(())
        })
        .await;
    }

    pub(super) async fn done(self) {
        let done = tokio::time::timeout(LATE, self.task).await;
        done.expect("all are told in time").unwrap();
    }
}
