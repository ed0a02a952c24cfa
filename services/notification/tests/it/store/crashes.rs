//! The process dies around the commit of what somebody tells; who repeats the call has told it once.

use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_client::NotificationServiceClient;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_testkit::{Process, Trust, eventually, free_port};
use tradepost_types::TenantId;

use super::support::{SOON, fresh_database};
use crate::feed::stage::{command, count};

/// A process that serves, and whoever calls it.
struct Server {
    process: Process,
    client: NotificationServiceClient<InterceptedService<Channel, CallContext>>,
}

impl Server {
    fn start(
        database: &tradepost_testkit::TestDatabase,
        trust: &Trust,
        tenant: TenantId,
        crash: Option<&str>,
    ) -> Self {
        let local = || format!("127.0.0.1:{}", free_port());
        let listen = local();
        let mut settings = vec![
            ("SERVER__LISTEN_ADDR", listen.clone()),
            ("SERVER__ADMIN_ADDR", local()),
            ("LIVE__LISTEN_ADDR", local()),
            (
                "SERVER__AUTH__TRUST_PATH",
                trust.trust_path().display().to_string(),
            ),
        ];
        if let Some(point) = crash {
            settings.push(("SERVER__CRASH__POINT", point.to_owned()));
            settings.push(("SERVER__CRASH__HIT", "1".to_owned()));
        }
        let process = settings
            .into_iter()
            .fold(command(database, &[]), |builder, (name, value)| {
                builder.env(format!("TRADEPOST_NOTIFICATION__{name}"), value)
            })
            .spawn();
        let channel = channel(&format!("http://{listen}"), &ClientOptions::default()).unwrap();
        let calls = trust.calls("notification", tenant, &["notifications:send"]);
        let client = NotificationServiceClient::with_interceptor(channel, calls.deadline(SOON));
        Self { process, client }
    }

    /// One call; the same one each time.
    async fn tell(&self) -> Result<pb::SendToUsersResponse, Status> {
        let request = pb::SendToUsersRequest {
            request_id: "one".to_owned(),
            user_ids: vec!["ann".to_owned()],
            content: Some(pb::Content {
                r#type: "order.confirmed".to_owned(),
                title: "Confirmed".to_owned(),
                message: "Your order is confirmed.".to_owned(),
                data: String::new(),
            }),
            ..pb::SendToUsersRequest::default()
        };
        let told = self.client.clone().send_to_users(request).await;
        Ok(told?.into_inner())
    }
}

/// How much is stored between the death and the repetition.
async fn stored_after_death_at(point: &str) -> i64 {
    let (database, trust, tenant) = (fresh_database().await, Trust::new(), TenantId::new());
    let mut dying = Server::start(&database, &trust, tenant, Some(point));
    eventually("it dies", SOON, async || {
        let answer = dying.tell().await;
        assert!(answer.is_err(), "it answered: {answer:?}");
        dying.process.ended()
    })
    .await;
    let between = count(&database, "notifications").await;

    let living = Server::start(&database, &trust, tenant, None);
    let told = eventually("it is told", SOON, async || living.tell().await.ok()).await;

    assert_eq!(told.sequences, [1], "{point}");
    assert_eq!(living.tell().await.unwrap(), told, "{point}");
    assert_eq!(count(&database, "notifications").await, 1, "{point}");
    between
}

#[tokio::test]
async fn who_dies_before_the_commit_has_told_nobody_and_the_repetition_tells() {
    assert_eq!(stored_after_death_at("notification.before_commit").await, 0);
}

#[tokio::test]
async fn who_dies_after_the_commit_has_told_and_the_repetition_is_answered_the_same() {
    assert_eq!(stored_after_death_at("notification.after_commit").await, 1);
}
