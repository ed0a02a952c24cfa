//! A database, the calls, and as many workers as a test wants.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tradepost_notification::adapters::grpc::webhooks::WebhookApi;
use tradepost_notification::adapters::postgres::write::{ToUser, tell_users};
use tradepost_notification::adapters::postgres::{MIGRATOR, PgWebhooks};
use tradepost_notification::adapters::webhooks::{Guard, HttpCourier, Lookup};
use tradepost_notification::application::channels::{Deliver, FollowHistory, Pace};
use tradepost_notification::application::webhooks::SendWebhooks;
use tradepost_notification::domain::webhook::UrlRules;
use tradepost_notification::metrics::WebhookMetrics;
use tradepost_notification::ports::channels::{ChannelQueue, Followed};
use tradepost_notifications::content::Content;
use tradepost_postgres::{Database, idempotency};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::webhook_service_server::WebhookService;
use tradepost_service::Tasks;
use tradepost_service::auth::Caller;
use tradepost_testkit::{TestDatabase, eventually};
use tradepost_types::{NotificationId, TenantId};

use crate::store::support::patient;

/// How long a test waits for what must come. Another test's open transaction holds the cursor back.
pub(crate) const WAIT: Duration = Duration::from_secs(60);
/// What a laptop may.
pub(crate) const LOOSE: UrlRules = UrlRules {
    allow_http: true,
    allow_private: true,
};
const LOOK: Duration = Duration::from_millis(20);

/// Names that stand for what a test says.
pub(crate) struct Names(pub(crate) Vec<IpAddr>);

#[async_trait::async_trait]
impl Lookup for Names {
    async fn addresses(&self, _name: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

pub(crate) struct Stage {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
    pub(crate) hooks: Arc<PgWebhooks>,
    pub(crate) api: WebhookApi,
    pub(crate) tenant: TenantId,
    stop: CancellationToken,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let extra = [
            (idempotency::SCHEMA, &idempotency::MIGRATOR),
            ("messaging", &tradepost_messaging::MIGRATOR),
        ];
        let test_database = tradepost_testkit::database(&MIGRATOR, &extra).await;
        let database = Database::connect_lazy(&patient(&test_database), "webhooks-test").unwrap();
        let hooks = Arc::new(PgWebhooks::new(database.clone()));
        Self {
            test_database,
            api: WebhookApi::new(hooks.clone(), LOOSE),
            database,
            hooks,
            tenant: TenantId::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Follows and sends, as a process does.
    pub(crate) fn work(&self) {
        self.work_with(LOOSE, Duration::from_secs(10), vec![]);
    }

    pub(crate) fn work_with(&self, rules: UrlRules, timeout: Duration, names: Vec<IpAddr>) {
        let (queue, metrics) = (self.hooks.clone(), WebhookMetrics::default());
        let due = Arc::new(Notify::new());
        let follow = FollowHistory::new(queue.clone(), metrics.made(), (LOOK, 100), due.clone());
        tokio::spawn(follow.run(self.stop.clone()));
        let pace = Pace {
            look: LOOK,
            in_flight_max: 64,
            each_in_flight_max: 4,
            timeout,
        };
        let guard = Guard::new(Arc::new(Names(names)), rules);
        let courier = Arc::new(HttpCourier::new(guard, timeout).unwrap());
        let courier = Arc::new(SendWebhooks::new(courier, metrics, rules));
        let deliver = Deliver::new(queue, courier, pace, due);
        let tasks = Tasks::new(self.stop.clone());
        tokio::spawn(deliver.run(tasks, self.stop.clone()));
    }

    /// Follows by itself until everything was seen, and says how many deliveries were made.
    pub(crate) async fn follow(&self) -> u64 {
        let mut all = 0;
        loop {
            match self.hooks.follow(50).await.unwrap() {
                Followed::More(made) => all += made,
                Followed::UpToDate(made) => return all + made,
                Followed::Busy => panic!("nobody else follows"),
            }
        }
    }

    /// Follows until so many were made: other tests' transactions hold the cursor back.
    pub(crate) async fn follow_until(&self, wanted: u64) {
        let mut all = 0;
        eventually("the deliveries are made", WAIT, async || {
            all += self.follow().await;
            (all >= wanted).then_some(())
        })
        .await;
        assert_eq!(all, wanted);
    }

    pub(crate) async fn endpoint(&self, url: &str, types: &[&str]) -> (String, String) {
        self.endpoint_of(self.tenant, url, types).await
    }

    /// Its id and its secret.
    pub(crate) async fn endpoint_of(
        &self,
        tenant: TenantId,
        url: &str,
        types: &[&str],
    ) -> (String, String) {
        let request = pb::CreateEndpointRequest {
            request_id: NotificationId::new().to_string(),
            url: url.to_owned(),
            types: types.iter().map(ToString::to_string).collect(),
            description: String::new(),
        };
        let made = self.api.create_endpoint(call_as(tenant, request)).await;
        let made = made.unwrap().into_inner();
        (made.endpoint.unwrap().endpoint_id, made.secret)
    }

    pub(crate) fn call<T>(&self, message: T) -> Request<T> {
        call_as(self.tenant, message)
    }

    /// Tells one user, and says which notification that was.
    pub(crate) async fn tell(&self, kind: &str) -> NotificationId {
        self.tell_users(self.tenant, kind, 1).await
    }

    pub(crate) async fn tell_users(
        &self,
        tenant: TenantId,
        kind: &str,
        users: usize,
    ) -> NotificationId {
        let id = NotificationId::new();
        let mut tx = self.database.system_tx().await.unwrap();
        tell_users(tx.conn(), &messages(tenant, id, kind, users))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(crate) async fn get(&self, endpoint_id: &str) -> pb::Endpoint {
        let endpoint_id = endpoint_id.to_owned();
        let request = self.call(pb::GetEndpointRequest { endpoint_id });
        let found = self.api.get_endpoint(request).await.unwrap();
        found.into_inner().endpoint.unwrap()
    }

    /// The newest first.
    pub(crate) async fn deliveries(&self, endpoint_id: &str) -> Vec<pb::WebhookDelivery> {
        let request = self.call(pb::ListDeliveriesRequest {
            endpoint_id: endpoint_id.to_owned(),
            state: 0,
            page_size: 500,
            page_token: String::new(),
        });
        let found = self.api.list_deliveries(request).await.unwrap();
        found.into_inner().deliveries
    }

    /// The endpoint's only delivery, once that many attempts were made.
    pub(crate) async fn after(&self, endpoint_id: &str, attempts: i32) -> pb::WebhookDelivery {
        eventually("an attempt is noted", WAIT, async || {
            let delivery = self.deliveries(endpoint_id).await.pop()?;
            (delivery.attempts == attempts).then_some(delivery)
        })
        .await
    }

    /// Changes rows as a superuser: time passes, or something was done by hand.
    pub(crate) async fn sabotage(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        self.test_database.admin().await.execute(sql).await.unwrap();
    }

    /// Makes what waits for its next attempt due.
    pub(crate) async fn time_passes(&self) {
        self.sabotage(
            "update webhook_deliveries set next_attempt_at = now() - interval '1 second'",
        )
        .await;
    }
}

pub(crate) fn messages(
    tenant: TenantId,
    id: NotificationId,
    kind: &str,
    users: usize,
) -> Vec<ToUser> {
    let content = Content::new(kind.into(), "Title".into(), "Text".into(), "{\"n\":1.10}").unwrap();
    (0..users)
        .map(|number| ToUser {
            tenant,
            user: format!("user-{number:04}").parse().unwrap(),
            id,
            content: content.clone(),
        })
        .collect()
}

pub(crate) fn call_as<T>(tenant: TenantId, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::of_tenant(tenant, "tester", &[]);
    request.extensions_mut().insert(Arc::new(caller));
    request
}
