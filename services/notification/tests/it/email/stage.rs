//! A database, the calls, and as many workers as a test wants.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tradepost_notification::adapters::grpc::email::EmailApi;
use tradepost_notification::adapters::postgres::write::{ToGroup, ToUser, tell_group, tell_users};
use tradepost_notification::adapters::postgres::{MIGRATOR, PgEmails};
use tradepost_notification::adapters::smtp::{Security, SmtpMailer, SmtpSettings};
use tradepost_notification::application::channels::{Deliver, FollowHistory, Pace};
use tradepost_notification::application::email::SendEmails;
use tradepost_notification::domain::email::{EmailAddress, Schedule};
use tradepost_notification::metrics::EmailMetrics;
use tradepost_notification::ports::channels::{ChannelQueue, Followed};
use tradepost_notifications::content::Content;
use tradepost_postgres::{Database, idempotency};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::email_service_server::EmailService;
use tradepost_service::Tasks;
use tradepost_service::auth::Caller;
use tradepost_testkit::{TestDatabase, eventually};
use tradepost_types::{NotificationId, TenantId};

use super::server::MailServer;
use crate::store::support::patient;

/// How long a test waits for what must come. Another test's open transaction holds the cursor back.
pub(crate) const WAIT: Duration = Duration::from_secs(60);
/// A rule that mails everything.
pub(crate) const ALL: &str = r#"[{"types": "*", "channels": ["live", "email"]}]"#;
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Stage {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
    pub(crate) emails: Arc<PgEmails>,
    pub(crate) api: EmailApi,
    pub(crate) tenant: TenantId,
    stop: CancellationToken,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A server without TLS, and nobody we have to be.
pub(crate) fn settings(server: &MailServer, timeout: Duration) -> SmtpSettings {
    SmtpSettings {
        host: "localhost".to_owned(),
        port: server.port,
        security: Security::Plain,
        login: None,
        from: EmailAddress::parse("shop@shop.example").unwrap(),
        from_name: "The Shop".to_owned(),
        unsubscribe_url: None,
        ca_pem: None,
        timeout,
        idle_max: 4,
    }
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let extra = [
            (idempotency::SCHEMA, &idempotency::MIGRATOR),
            ("messaging", &tradepost_messaging::MIGRATOR),
        ];
        let test_database = tradepost_testkit::database(&MIGRATOR, &extra).await;
        let database = Database::connect_lazy(&patient(&test_database), "email-test").unwrap();
        let emails = Arc::new(PgEmails::new(database.clone(), 24));
        Self {
            test_database,
            api: EmailApi::new(emails.clone()),
            database,
            emails,
            tenant: TenantId::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Follows and sends, as a process does.
    pub(crate) fn work(&self, server: &MailServer) {
        self.work_with(settings(server, Duration::from_secs(20)), 4);
    }

    pub(crate) fn work_with(&self, settings: SmtpSettings, tenant_max: u32) {
        let metrics = EmailMetrics::default();
        let due = Arc::new(Notify::new());
        let queue = self.emails.clone();
        let follow = FollowHistory::new(queue.clone(), metrics.made(), (LOOK, 100), due.clone());
        tokio::spawn(follow.run(self.stop.clone()));
        let pace = Pace {
            look: LOOK,
            in_flight_max: 16,
            each_in_flight_max: tenant_max,
            timeout: settings.timeout,
        };
        let mailer = Arc::new(SmtpMailer::new(settings).unwrap());
        let schedule = Schedule([60, 300].map(Duration::from_secs).to_vec());
        let courier = Arc::new(SendEmails::new(mailer, metrics, schedule));
        let deliver = Deliver::new(queue, courier, pace, due);
        let tasks = Tasks::new(self.stop.clone());
        tokio::spawn(deliver.run(tasks, self.stop.clone()));
    }

    /// Follows by itself until everything was seen, and says how many e-mails were made.
    pub(crate) async fn follow(&self) -> u64 {
        let mut all = 0;
        loop {
            match self.emails.follow(50).await.unwrap() {
                Followed::More(made) => all += made,
                Followed::UpToDate(made) => return all + made,
                Followed::Busy => panic!("nobody else follows"),
            }
        }
    }

    /// Follows until so many were made: other tests' transactions hold the cursor back.
    pub(crate) async fn follow_until(&self, wanted: u64) {
        let mut all = 0;
        eventually("the e-mails are made", WAIT, async || {
            all += self.follow().await;
            (all >= wanted).then_some(())
        })
        .await;
        assert_eq!(all, wanted);
    }

    /// Follows until the cursor has passed what was told up to now.
    pub(crate) async fn follow_all(&self) -> u64 {
        let told: i64 = sqlx::query_scalar("select coalesce(max(tx), 0) from notifications")
            .fetch_one(&mut self.test_database.admin().await)
            .await
            .unwrap();
        let mut all = 0;
        eventually("everything is seen", WAIT, async || {
            all += self.follow().await;
            let xmin: i64 =
                sqlx::query_scalar("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
                    .fetch_one(&mut self.test_database.admin().await)
                    .await
                    .unwrap();
            if xmin <= told {
                return None;
            }
            all += self.follow().await;
            Some(all)
        })
        .await
    }

    /// A user who wants everything mailed, at `<user>@home.example`.
    pub(crate) async fn reader(&self, user: &str) {
        self.reader_of(self.tenant, user).await;
    }

    pub(crate) async fn reader_of(&self, tenant: TenantId, user: &str) {
        self.prefer(tenant, user, ALL, "").await;
        self.put(tenant, user, &format!("{user}@home.example"))
            .await;
    }

    pub(crate) async fn put(&self, tenant: TenantId, user: &str, address: &str) {
        let request = pb::PutAddressRequest {
            user_id: user.to_owned(),
            address: address.to_owned(),
        };
        let put = self.api.put_address(call_as(tenant, request)).await;
        put.unwrap();
    }

    /// Writes preferences as their own service would: `more` is set besides.
    pub(crate) async fn prefer(&self, tenant: TenantId, user: &str, rules: &str, more: &str) {
        let tenant = tenant.as_uuid();
        let wants = rules.contains("email");
        self.sabotage(&format!(
            "insert into user_preferences (tenant_id, user_id, channel_rules, wants_email)
             values ('{tenant}', '{user}', '{rules}', {wants})
             on conflict (tenant_id, user_id) do update
             set channel_rules = excluded.channel_rules, wants_email = excluded.wants_email"
        ))
        .await;
        if !more.is_empty() {
            self.sabotage(&format!(
                "update user_preferences set {more}
                 where tenant_id = '{tenant}' and user_id = '{user}'"
            ))
            .await;
        }
    }

    pub(crate) fn call<T>(&self, message: T) -> Request<T> {
        call_as(self.tenant, message)
    }

    /// Tells users, and says which notification that was.
    pub(crate) async fn tell(&self, users: &[&str]) -> NotificationId {
        let id = NotificationId::new();
        let content = content("a.b", "Title", "Text");
        self.tell_of(self.tenant, id, users, &content).await;
        id
    }

    pub(crate) async fn tell_of(
        &self,
        tenant: TenantId,
        id: NotificationId,
        users: &[&str],
        content: &Content,
    ) {
        let messages: Vec<ToUser> = users
            .iter()
            .map(|user| ToUser {
                tenant,
                user: user.parse().unwrap(),
                id,
                content: content.clone(),
            })
            .collect();
        let mut tx = self.database.system_tx().await.unwrap();
        tell_users(tx.conn(), &messages).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn tell_group(&self, group: &str) -> NotificationId {
        let id = NotificationId::new();
        let to = ToGroup {
            tenant: self.tenant,
            group: group.parse().unwrap(),
            id,
            content: content("a.b", "Title", "Text"),
        };
        let mut tx = self.database.system_tx().await.unwrap();
        tell_group(tx.conn(), &[to]).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// The newest first.
    pub(crate) async fn emails(&self, user: &str) -> Vec<pb::Email> {
        self.emails_of(self.tenant, user).await
    }

    pub(crate) async fn emails_of(&self, tenant: TenantId, user: &str) -> Vec<pb::Email> {
        let request = pb::ListEmailsRequest {
            user_id: user.to_owned(),
            page_size: 500,
            ..Default::default()
        };
        let found = self.api.list_emails(call_as(tenant, request)).await;
        found.unwrap().into_inner().emails
    }

    /// The user's newest e-mail, once that many attempts were made.
    pub(crate) async fn after(&self, user: &str, attempts: i32) -> pb::Email {
        eventually("an attempt is noted", WAIT, async || {
            let email = self.emails(user).await.into_iter().next()?;
            (email.attempts == attempts).then_some(email)
        })
        .await
    }

    pub(crate) async fn address(&self, user: &str) -> pb::EmailAddress {
        let user_id = user.to_owned();
        let request = self.call(pb::GetAddressRequest { user_id });
        let found = self.api.get_address(request).await.unwrap();
        found.into_inner().email_address.unwrap()
    }

    /// Changes rows as a superuser: time passes, or something was done by hand.
    pub(crate) async fn sabotage(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        self.test_database.admin().await.execute(sql).await.unwrap();
    }

    /// Makes what waits for its next attempt due.
    pub(crate) async fn time_passes(&self) {
        self.sabotage("update emails set next_attempt_at = now() - interval '1 second'")
            .await;
    }
}

pub(crate) fn content(kind: &str, title: &str, message: &str) -> Content {
    Content::new(
        kind.into(),
        title.into(),
        message.into(),
        r#"{"secret": "in the data"}"#,
    )
    .unwrap()
}

pub(crate) fn call_as<T>(tenant: TenantId, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::of_tenant(tenant, "tester", &[]);
    request.extensions_mut().insert(Arc::new(caller));
    request
}
