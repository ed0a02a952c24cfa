//! Whom the servers of a test believe: keys and a trust file of the test's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs, process};

use secrecy::ExposeSecret;
use serde_json::json;
use tradepost_service::Clock;
use tradepost_service::auth::{AuthConfig, Caller, Grant, Identity};
use tradepost_service::client::CallContext;
use tradepost_token::{Algorithm, Jwk, KeySet, Policy, SigningKey, Verifier};
use tradepost_types::TenantId;
use uuid::Uuid;

/// The issuer that every test has.
const GATEWAY: &str = "gateway";
/// Tests do not wait for a second.
const POLL_MS: u64 = 20;

/// Issuers, their keys, and the file that servers read them from. The files go with it.
#[derive(Debug)]
pub struct Trust {
    dir: PathBuf,
    gateway: Identity,
    issuers: Mutex<BTreeMap<String, Believed>>,
}

#[derive(Debug)]
struct Believed {
    rights: Vec<String>,
    keys: Vec<Jwk>,
}

impl Default for Trust {
    fn default() -> Self {
        Self::new()
    }
}

impl Trust {
    /// A gateway that is believed everything.
    #[must_use]
    pub fn new() -> Self {
        let name = format!("tradepost-trust-{}-{}", process::id(), Uuid::now_v7());
        let dir = env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let issuers = Mutex::default();
        let gateway = add(&dir, &issuers, GATEWAY, &["*"]);
        Self {
            dir,
            gateway,
            issuers,
        }
    }

    /// The one that is believed everything.
    #[must_use]
    pub const fn gateway(&self) -> &Identity {
        &self.gateway
    }

    /// Adds a key of an issuer, who is believed these rights from now on; `*` is all of them. An
    /// issuer that is known keeps its old keys too.
    pub fn believe(&self, issuer: &str, rights: &[&str]) -> Identity {
        add(&self.dir, &self.issuers, issuer, rights)
    }

    /// Believes an issuer nothing more.
    pub fn forget(&self, issuer: &str) {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        issuers.remove(issuer);
        write(&self.trust_path(), &issuers);
    }

    /// Where the trust file is.
    #[must_use]
    pub fn trust_path(&self) -> PathBuf {
        self.dir.join("trust.json")
    }

    /// Where the newest key of an issuer is.
    #[must_use]
    pub fn key_path(&self, issuer: &str) -> PathBuf {
        key_path(&self.dir, issuer)
    }

    /// The configuration of a server that believes these issuers, and of a process that is one of
    /// them.
    #[must_use]
    pub fn config(&self, service: &str) -> AuthConfig {
        let key = self.key_path(service);
        AuthConfig {
            trust_path: Some(self.trust_path()),
            key_path: key.exists().then_some(key),
            poll_ms: POLL_MS,
        }
    }

    /// Calls of the gateway to a service, for a tenant, with these rights.
    #[must_use]
    pub fn calls(
        &self,
        audience: &'static str,
        tenant: TenantId,
        rights: &[&'static str],
    ) -> CallContext {
        let grant = Grant::of_service(audience, "tester", tenant, rights);
        CallContext::new(&self.gateway, grant)
    }

    /// Who is behind the value of `authorization` of a call to `audience`.
    ///
    /// # Panics
    /// If these issuers are not to be believed it.
    #[must_use]
    pub fn caller(&self, audience: &str, authorization: &str) -> Arc<Caller> {
        let issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = issuers.iter().flat_map(|(issuer, believed)| {
            let keys = believed.keys.iter().cloned();
            keys.map(move |key| (issuer.clone(), key))
        });
        let keys = KeySet::of_issuers(keys).unwrap_or_else(|error| panic!("{error}"));
        let policy = Policy {
            issuer: String::new(),
            audience: audience.to_owned(),
            typ: "tradepost-internal+jwt",
            lifetime_max: Duration::from_secs(60),
            skew: Duration::ZERO,
        };
        let token = authorization.trim_start_matches("Bearer ");
        Verifier::new(policy, keys, 0)
            .verify(token, Clock::system().now())
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        // A left-over file is harmless: nobody believes it.
        let _best_effort = fs::remove_dir_all(&self.dir);
    }
}

fn key_path(dir: &Path, issuer: &str) -> PathBuf {
    dir.join(format!("{}.pem", issuer.replace('/', "-")))
}

fn add(
    dir: &Path,
    issuers: &Mutex<BTreeMap<String, Believed>>,
    issuer: &str,
    rights: &[&str],
) -> Identity {
    let key = SigningKey::generate(Algorithm::EdDsa)
        .unwrap_or_else(|error| panic!("no key for {issuer}: {error}"));
    let path = key_path(dir, issuer);
    replace(&path, key.to_pkcs8_pem().expose_secret());
    let mut issuers = issuers.lock().unwrap_or_else(PoisonError::into_inner);
    let believed = issuers.entry(issuer.to_owned()).or_insert(Believed {
        rights: Vec::new(),
        keys: Vec::new(),
    });
    believed.rights = rights.iter().map(|right| (*right).to_owned()).collect();
    believed.keys.push(key.public_jwk());
    write(&dir.join("trust.json"), &issuers);
    Identity::new(key, issuer)
}

fn write(path: &Path, issuers: &BTreeMap<String, Believed>) {
    let entries = issuers.iter().map(|(issuer, believed)| {
        json!({"issuer": issuer, "rights": believed.rights, "keys": believed.keys})
    });
    let document = json!({"issuers": entries.collect::<Vec<_>>()});
    replace(path, &document.to_string());
}

/// As an operator should: no reader ever sees half a file.
fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text)
        .and_then(|()| fs::rename(&next, path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
