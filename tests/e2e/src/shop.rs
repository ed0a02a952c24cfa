//! The shop: its processes, and what is around them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tradepost_audit::{DatabaseName, Findings, Targets, Verdict, audit};
use tradepost_provider_sim::{Config, Running, Simulator, WebhookTarget};
use tradepost_testkit::{TestDatabase, Trust, broker, eventually, free_port};
use tradepost_types::{OrderId, TenantId};

use crate::settings::{Exchange, give_data, give_identity, have_patience, hurry};
use crate::{Account, Buyer, Cluster, SOON, Service, Unit};

const WEBHOOK_SECRET: &str = "whsec_e2e";

/// What a shop is built on.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// Where the databases are.
    pub cluster: Cluster<'a>,
    /// A broker of the test's own: its URL. Else the one that all tests share.
    pub broker: Option<SecretString>,
    /// Settings beyond those of every test: the service, the key, the value.
    pub settings: Vec<(Service, &'a str, String)>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            cluster: Cluster::Shared,
            broker: None,
            settings: Vec::new(),
        }
    }
}

impl<'a> Setup<'a> {
    /// With one more setting.
    #[must_use]
    pub fn with(mut self, service: Service, key: &'a str, value: impl ToString) -> Self {
        self.settings.push((service, key, value.to_string()));
        self
    }
}

/// All services as processes, a card provider, and one tenant who trades.
#[derive(Debug)]
pub struct Shop {
    /// The card provider.
    pub provider: Running,
    /// Who buys in it.
    pub buyer: Buyer,
    /// Whose shop it is.
    pub tenant: TenantId,
    /// Whom the services believe.
    pub trust: Trust,
    units: BTreeMap<Service, Unit>,
    databases: BTreeMap<Service, TestDatabase>,
    _accounts: TestDatabase,
    provider_log: PathBuf,
}

impl Shop {
    /// Opens a shop with fast clocks and waits until every service is ready.
    pub async fn open() -> Self {
        Self::with(Setup::default()).await
    }

    /// Opens a shop on another ground.
    pub async fn with(setup: Setup<'_>) -> Self {
        let mut units: BTreeMap<_, _> = Service::ALL
            .map(|service| (service, Unit::new(service)))
            .into();
        let mut databases = BTreeMap::new();
        let shared = broker();
        let exchange = Exchange {
            url: setup.broker.unwrap_or_else(|| shared.url()),
            namespace: shared.namespace().to_owned(),
        };
        for service in Service::WITH_DATA {
            let database = setup.cluster.database(service).await;
            let unit = units.get_mut(&service).unwrap();
            give_data(unit, &database.config(), &exchange);
            databases.insert(service, database);
        }
        let accounts = setup.cluster.database(Service::Gateway).await;
        give_identity(
            units.get_mut(&Service::Gateway).unwrap(),
            &accounts.config(),
        );
        let provider_log = log_file();
        let provider = provider(provider_log.clone(), &units[&Service::Gateway]).await;
        let tenant = TenantId::new();
        introduce(&mut units, &provider);
        let trust = Trust::new();
        trust.believe("order", &["items:read"]);
        trust.believe("notification", &["access:admit"]);
        give_trust(&mut units, &trust);
        for (&service, unit) in &mut units {
            hurry(unit, service);
            have_patience(unit, service);
        }
        for (service, key, value) in &setup.settings {
            units.get_mut(service).unwrap().set(key, value);
        }
        for service in Service::ALL {
            units.get_mut(&service).unwrap().start().await;
        }
        let buyer = Buyer::of(&units, &trust, tenant);
        Self {
            provider,
            buyer,
            tenant,
            trust,
            units,
            databases,
            _accounts: accounts,
            provider_log,
        }
    }

    /// Opens an account at the gateway; from now on the shop is its tenant's.
    pub async fn open_account(&mut self) -> Account {
        let account = Account::open(self.unit(Service::Gateway)).await;
        self.tenant = account.tenant;
        self.buyer = Buyer::of(&self.units, &self.trust, account.tenant);
        account
    }

    /// A service.
    #[must_use]
    pub fn unit(&self, service: Service) -> &Unit {
        &self.units[&service]
    }

    /// A service, to be started and stopped.
    pub fn unit_mut(&mut self, service: Service) -> &mut Unit {
        self.units.get_mut(&service).unwrap()
    }

    /// Where the notification service takes connections without the gateway in between, once it has
    /// heard from the gateway what is revoked: before that it lets nobody in.
    pub async fn node(&self) -> String {
        let address = self
            .unit(Service::Notification)
            .setting("LIVE__LISTEN_ADDR");
        let address = address.unwrap().to_owned();
        eventually("the node judges who comes", SOON, async || {
            let status = knock(&address, "nobody").await;
            (status != StatusCode::SERVICE_UNAVAILABLE).then_some(())
        })
        .await;
        address
    }

    /// The database of a service.
    #[must_use]
    pub fn database(&self, service: Service) -> &TestDatabase {
        &self.databases[&service]
    }

    /// Holds the books of all services against each other and against the provider's log.
    ///
    /// # Panics
    /// If the auditor finds anything, or cannot look.
    pub async fn assert_sound(&self) {
        self.assert_sound_but_for(0).await;
    }

    /// The same in a shop where exactly so many messages are poison, and parked.
    ///
    /// # Panics
    /// If the auditor finds anything else, or cannot look.
    pub async fn assert_sound_but_for(&self, poison: u64) {
        let findings = self.audit(poison).await;
        assert_eq!(findings.verdict(), Verdict::Clean, "{findings}");
    }

    async fn audit(&self, parked_expected: u64) -> Findings {
        let server = self.databases[&Service::Order].admin_url();
        let named = |(service, database): (&Service, &TestDatabase)| {
            let name = format!("{}={}", service.name(), database.name());
            name.parse::<DatabaseName>().unwrap()
        };
        let targets = Targets {
            databases: self.databases.iter().map(named).collect(),
            wait: SOON,
            parked_expected,
            ..Targets::new(server.expose_secret(), &self.provider_log)
        };
        audit(&targets).await.unwrap()
    }
}

/// Tells every service where the others are.
fn introduce(units: &mut BTreeMap<Service, Unit>, provider: &Running) {
    let urls: BTreeMap<_, _> = units.iter().map(|(of, unit)| (*of, unit.url())).collect();
    let order = units.get_mut(&Service::Order).unwrap();
    order.set("INVENTORY__URL", &urls[&Service::Inventory]);
    let payment = units.get_mut(&Service::Payment).unwrap();
    payment.set("PROVIDER__BASE_URL", provider.url());
    payment.set("PROVIDER__SECRET_KEY", Config::default().secret_key);
    payment.set("PROVIDER__WEBHOOK_SECRET", WEBHOOK_SECRET);
    let live = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let notification = units.get_mut(&Service::Notification).unwrap();
    let access = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    notification.set("LIVE__LISTEN_ADDR", live);
    notification.set("ACCESS__URL", format!("http://{access}"));
    let gateway = units.get_mut(&Service::Gateway).unwrap();
    gateway.set("UPSTREAMS__NOTIFICATION_LIVE_URL", format!("http://{live}"));
    gateway.set("ACCESS__LISTEN_ADDR", access);
    for service in Service::WITH_DATA {
        let key = format!("UPSTREAMS__{}_URL", service.name().to_uppercase());
        gateway.set(&key, &urls[&service]);
    }
}

/// Tells every service whom to believe, and those that call others who they are.
fn give_trust(units: &mut BTreeMap<Service, Unit>, trust: &Trust) {
    for (service, unit) in units {
        unit.set("SERVER__AUTH__TRUST_PATH", trust.trust_path().display());
        let key = trust.key_path(service.name());
        if key.exists() {
            unit.set("SERVER__AUTH__KEY_PATH", key.display());
        }
    }
}

/// What somebody is answered who wants to listen at the node at `address` with this token.
///
/// # Panics
/// If there is no answer.
pub async fn knock(address: &str, token: &str) -> StatusCode {
    let request = reqwest::Client::new().get(format!("http://{address}/v1/notifications/ws"));
    let request = request
        .bearer_auth(token)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    request.send().await.unwrap().status()
}

async fn provider(log: PathBuf, gateway: &Unit) -> Running {
    let webhook = WebhookTarget {
        url: format!("{}/v1/webhooks/payments", gateway.url()),
        secret: WEBHOOK_SECRET.to_owned(),
    };
    let config = Config {
        log: Some(log),
        webhook: Some(webhook),
        ..Config::default()
    };
    Simulator::start(config).await.unwrap()
}

fn log_file() -> PathBuf {
    let dir = std::env::temp_dir().join("tradepost-e2e");
    fs::create_dir_all(&dir).unwrap();
    dir.join(format!("{}.provider.log", OrderId::new()))
}

impl Drop for Shop {
    fn drop(&mut self) {
        // A left-over file is harmless.
        let _best_effort = fs::remove_file(&self.provider_log);
    }
}
