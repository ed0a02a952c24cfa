//! Identity and credentials without a port: their stores, a tenant, and an owner who is logged in.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tradepost_gateway::adapters::postgres::{PgCredentials, PgIdentity};
use tradepost_gateway::application::{
    ClientShown, ClientWish, CredentialPorts, Credentials, Identity, IdentityPorts, KeyCallers,
    KeyWish, Keyring, Opening, Sealer, ShownOnce,
};
use tradepost_gateway::config::IdentityConfig;
use tradepost_gateway::domain::api_key::{ApiKey, Mode};
use tradepost_gateway::domain::caller::{Caller, Plan, Proof, Subject};
use tradepost_gateway::domain::oauth::{Client, ClientKind, RedirectUri};
use tradepost_gateway::domain::rights::Role;
use tradepost_gateway::domain::session::FIRST_PARTY;
use tradepost_gateway::metrics::Metrics;
use tradepost_gateway::ports::identity::Author;
use tradepost_postgres::Database;
use tradepost_service::Tasks;
use tradepost_telemetry::Registry;
use tradepost_testkit::TestDatabase;
use tradepost_types::{SessionId, TenantId, UserId};

use crate::stage::{ISSUER, MASTER_KEY, migrated};

pub(crate) struct Vault {
    pub(crate) test_database: TestDatabase,
    pub(crate) identity: Identity,
    pub(crate) credentials: Credentials,
    pub(crate) callers: Arc<KeyCallers>,
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    shutdown: CancellationToken,
}

impl Vault {
    pub(crate) async fn open() -> Self {
        let test_database = migrated().await;
        let mut config = test_database.config();
        config.acquire_timeout_ms = 10_000;
        let database = Database::connect_lazy(&config, "credentials-test").unwrap();
        let kept = Arc::new(PgIdentity::new(database.clone()));
        let stored = Arc::new(PgCredentials::new(database));
        let sealer = Arc::new(Sealer::new(&MASTER_KEY.into()).unwrap());
        let ports = CredentialPorts {
            api_keys: stored.clone(),
            clients: stored.clone(),
            codes: stored.clone(),
            factors: stored.clone(),
            tickets: stored,
            users: kept.clone(),
        };
        let keyring = Keyring::new(ports, &sealer, Mode::Live);
        let callers = Arc::clone(&keyring.callers);
        let ports = IdentityPorts {
            users: kept.clone(),
            sessions: kept.clone(),
            tenants: kept.clone(),
            keys: kept.clone(),
            feed: kept,
            api_keys: callers.clone(),
            factors: keyring.factors.clone(),
        };
        let config = IdentityConfig::new(ISSUER.parse().unwrap(), MASTER_KEY.into());
        let metrics = Metrics::register(&Registry::new("gateway"));
        let identity = Identity::new(&config, ports, &metrics).unwrap();
        let shutdown = CancellationToken::new();
        let tasks = Tasks::new(shutdown.clone());
        identity.start(&tasks, &shutdown).await.unwrap();
        let credentials = Credentials::new(keyring, &identity, ISSUER.to_owned(), None);
        let mut vault = Self {
            test_database,
            identity,
            credentials,
            callers,
            tenant: TenantId::new(),
            user: UserId::new(),
            session: SessionId::new(),
            shutdown,
        };
        vault.add_tenant(vault.tenant).await;
        vault
            .add_member(vault.tenant, vault.user, Role::Owner)
            .await;
        vault.session = vault.log_in().await;
        vault
    }

    pub(crate) async fn run(&self, sql: &'static str) {
        let mut admin = self.test_database.admin().await;
        sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
    }

    pub(crate) async fn add_tenant(&self, tenant: TenantId) {
        let mut admin = self.test_database.admin().await;
        sqlx::query("insert into tenants (tenant_id, name, plan) values ($1, 'shop', 'standard')")
            .bind(tenant.as_uuid())
            .execute(&mut admin)
            .await
            .unwrap();
    }

    pub(crate) async fn add_member(&self, tenant: TenantId, user: UserId, role: Role) {
        let mut admin = self.test_database.admin().await;
        sqlx::query("insert into users (user_id, email) values ($1, $2) on conflict do nothing")
            .bind(user.as_uuid())
            .bind(format!("{user}@shop.example"))
            .execute(&mut admin)
            .await
            .unwrap();
        sqlx::query("insert into memberships (tenant_id, user_id, role) values ($1, $2, $3)")
            .bind(tenant.as_uuid())
            .bind(user.as_uuid())
            .bind(role.as_str())
            .execute(&mut admin)
            .await
            .unwrap();
    }

    async fn log_in(&self) -> SessionId {
        let opening = Opening {
            user: self.user,
            tenant: Some(self.tenant),
            client: FIRST_PARTY.to_owned(),
            scope: None,
            device: "test".to_owned(),
            is_proved: false,
        };
        let issued = self.identity.sessions.open(opening, &stranger()).await;
        issued.unwrap().opened.standing.session
    }

    /// The owner.
    pub(crate) fn owner(&self) -> Caller {
        self.member(Role::Owner)
    }

    /// The same person in another role.
    pub(crate) fn member(&self, role: Role) -> Caller {
        Caller {
            subject: Subject::User(self.user),
            tenant: Some(self.tenant),
            role,
            rights: role.rights(),
            session: Some(self.session),
            client: None,
            plan: Plan::Standard,
            proof: Proof::Secret,
            expires_at: None,
        }
    }

    pub(crate) fn author(&self) -> Author {
        author(&self.owner())
    }

    pub(crate) async fn key(&self, scope: &str) -> ShownOnce<ApiKey> {
        let wish = key_wish(scope);
        let keys = &self.credentials.api_keys;
        let made = keys
            .create(&self.owner(), &self.author(), wish, now())
            .await;
        made.unwrap()
    }

    pub(crate) async fn client(&self, kind: ClientKind, scope: &str) -> (Client, ClientShown) {
        let wish = client_wish(kind, scope);
        let clients = &self.credentials.clients;
        let made = clients
            .create(&self.owner(), &self.author(), wish, now())
            .await;
        let made = made.unwrap();
        let client = made.made.made;
        let shown = ClientShown {
            id: client.id.to_string(),
            secret: made.secret,
        };
        (client, shown)
    }

    /// What the audit trail says was done.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let mut admin = self.test_database.admin().await;
        sqlx::query_scalar("select action from audit_entries order by recorded_at, seq")
            .fetch_all(&mut admin)
            .await
            .unwrap()
    }

    /// All that is stored, as text.
    pub(crate) async fn everything(&self) -> String {
        let mut admin = self.test_database.admin().await;
        let mut all = String::new();
        for table in [
            "api_keys",
            "oauth_clients",
            "authorization_codes",
            "totp",
            "recovery_codes",
            "sessions",
            "refresh_tokens",
            "audit_entries",
            "audit_origins",
            "revocations",
            "platform.idempotency_keys",
        ] {
            let sql = format!("select coalesce(string_agg(t::text, ' '), '') from {table} t");
            let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_one(&mut admin)
                .await
                .unwrap();
            all.push_str(&rows);
        }
        all
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) fn key_wish(scope: &str) -> KeyWish {
    KeyWish {
        name: "till".to_owned(),
        scope: scope.parse().unwrap(),
        networks: Vec::new(),
        expires_at: None,
        request_id: uuid::Uuid::now_v7().to_string(),
    }
}

pub(crate) const PLACE: &str = "https://books.example/callback";

pub(crate) fn client_wish(kind: ClientKind, scope: &str) -> ClientWish {
    ClientWish {
        name: "books".to_owned(),
        kind,
        redirect_uris: vec![RedirectUri::parse(PLACE).unwrap()],
        scope: scope.parse().unwrap(),
        request_id: uuid::Uuid::now_v7().to_string(),
    }
}

pub(crate) fn author(caller: &Caller) -> Author {
    Author::of(caller, "203.0.113.7".parse().unwrap(), None)
}

pub(crate) fn stranger() -> Author {
    Author::stranger("203.0.113.7".parse().unwrap(), None)
}

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

pub(crate) fn text(secret: &Option<SecretString>) -> String {
    secret.as_ref().unwrap().expose_secret().to_owned()
}
