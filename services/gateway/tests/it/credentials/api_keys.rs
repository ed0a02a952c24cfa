//! Making, showing, rotating and ending API keys.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tradepost_gateway::application::{KeyCallers, KeyRotation, ManageFault, Refused, Sealer};
use tradepost_gateway::domain::api_key::{ApiKey, KeyText, Mode, ScopeFault};
use tradepost_gateway::domain::caller::{Caller, Subject};
use tradepost_gateway::domain::revocation::{Basis, Revocation};
use tradepost_gateway::domain::rights::{Permission, Role};
use tradepost_gateway::ports::credentials::{
    ApiKeyStore, CredentialError, NewApiKey, Replacement, StoredApiKey,
};
use tradepost_gateway::ports::identity::{Author, Made, RequestKey, StoreError};
use tradepost_gateway::ports::{KeyAuthenticator, KeyRefused};
use tradepost_types::{ApiKeyId, TenantId};

use super::vault::{Vault, author, key_wish, now, text};
use crate::stage::MASTER_KEY;

/// A store that only counts how often it is asked who shows a key.
#[derive(Default)]
struct Asked(AtomicUsize);

#[async_trait]
impl ApiKeyStore for Asked {
    async fn look_up(&self, _: ApiKeyId) -> Result<Option<StoredApiKey>, StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }
    async fn add(
        &self,
        _: &NewApiKey,
        _: &RequestKey,
        _: &Author,
    ) -> Result<Made<ApiKey>, CredentialError> {
        unreachable!()
    }
    async fn used(&self, _: &ApiKey) -> Result<(), StoreError> {
        unreachable!()
    }
    async fn find(&self, _: TenantId, _: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        unreachable!()
    }
    async fn list(
        &self,
        _: TenantId,
        _: Option<ApiKeyId>,
        _: i64,
    ) -> Result<Vec<ApiKey>, StoreError> {
        unreachable!()
    }
    async fn replace_secret(
        &self,
        _: &Replacement,
        _: &RequestKey,
        _: &Author,
    ) -> Result<Made<ApiKey>, CredentialError> {
        unreachable!()
    }
    async fn revoke(
        &self,
        _: TenantId,
        _: ApiKeyId,
        _: &Author,
    ) -> Result<Revocation, CredentialError> {
        unreachable!()
    }
}

fn anywhere() -> Option<IpAddr> {
    Some("203.0.113.7".parse().unwrap())
}

async fn shown(vault: &Vault, key: &str) -> Result<Caller, KeyRefused> {
    vault.callers.caller(key, anywhere(), now()).await
}

#[tokio::test]
async fn a_wrong_checksum_asks_nobody() {
    let store = Arc::new(Asked::default());
    let sealer = Arc::new(Sealer::new(&MASTER_KEY.into()).unwrap());
    let callers = KeyCallers::new(store.clone(), sealer, Mode::Live);
    let good = KeyText::new(Mode::Live, ApiKeyId::new(), &[7; 32]).render();
    let good = secrecy::ExposeSecret::expose_secret(&good).to_owned();
    let test = KeyText::new(Mode::Test, ApiKeyId::new(), &[7; 32]).render();
    let test = secrecy::ExposeSecret::expose_secret(&test).to_owned();
    let last = good.len() - 1;
    let other = if good.ends_with('0') { "1" } else { "0" };

    for wrong in [
        &format!("{}{other}", &good[..last]),
        &good[..last],
        "tp_live_",
        "",
        &test,
    ] {
        let refused = callers.caller(wrong, anywhere(), now()).await;
        assert_eq!(refused, Err(KeyRefused::Invalid), "{wrong}");
    }
    assert_eq!(store.0.load(Ordering::Relaxed), 0);

    for _ in 0..3 {
        let refused = callers.caller(&good, anywhere(), now()).await;
        assert_eq!(refused, Err(KeyRefused::Invalid));
    }
    assert_eq!(
        store.0.load(Ordering::Relaxed),
        1,
        "a bad key is remembered for a while"
    );
}

#[tokio::test]
async fn a_key_is_its_tenants_program_with_its_scope_and_no_more() {
    let vault = Vault::open().await;
    let made = vault.key("orders:read items:read").await;

    let caller = shown(&vault, &text(&made.secret)).await.unwrap();

    assert_eq!(caller.subject, Subject::Key(made.made.made.id));
    assert_eq!(caller.tenant, Some(vault.tenant));
    assert_eq!(caller.role, Role::Service);
    assert_eq!(caller.rights.to_string(), "orders:read items:read");
    assert_eq!(caller.session, None);
    let found = vault
        .credentials
        .api_keys
        .find(&vault.owner(), made.made.made.id)
        .await;
    assert!(found.unwrap().last_used_at.is_some(), "its use is noted");
}

#[tokio::test]
async fn a_secret_is_shown_once_and_stored_nowhere() {
    let vault = Vault::open().await;
    let keys = &vault.credentials.api_keys;
    let (owner, by) = (vault.owner(), vault.author());
    let wish = key_wish("orders:read");
    let create = || keys.create(&owner, &by, wish.clone(), now());

    let first = create().await.unwrap();
    let again = create().await.unwrap();

    assert!(again.made.is_replayed && again.secret.is_none());
    assert_eq!(again.made.made.id, first.made.made.id);
    let secret = text(&first.secret);
    assert!(!vault.everything().await.contains(&secret[35..78]));
    assert!(!format!("{first:?}").contains(&secret[35..78]));
    let mut other = wish.clone();
    other.name = "another".to_owned();
    let reused = keys.create(&owner, &by, other, now()).await;
    assert!(matches!(
        reused,
        Err(ManageFault::Credential(CredentialError::KeyReused))
    ));
}

#[tokio::test]
async fn nobody_gives_a_key_more_than_they_have_and_programs_give_none() {
    let vault = Vault::open().await;
    let keys = &vault.credentials.api_keys;
    let by = vault.author();

    let support = vault.member(Role::Support);
    let beyond = keys
        .create(&support, &by, key_wish("payments:refund"), now())
        .await;
    assert!(matches!(
        beyond,
        Err(ManageFault::Scope(ScopeFault::BeyondMaker))
    ));
    let people = keys
        .create(&vault.owner(), &by, key_wish("keys:manage"), now())
        .await;
    assert!(matches!(
        people,
        Err(ManageFault::Scope(ScopeFault::NotForPrograms))
    ));
    let key = vault.key("orders:read").await;
    let program = shown(&vault, &text(&key.secret)).await.unwrap();
    let made = keys
        .create(&program, &author(&program), key_wish("orders:read"), now())
        .await;
    assert!(matches!(made, Err(ManageFault::NotAPerson)));
    let revoked = keys.revoke(&program, &by, key.made.made.id).await;
    assert!(matches!(revoked, Err(ManageFault::NotAPerson)));
    assert!(!program.rights.contain(Permission::KeysManage));
    let mut forever = key_wish("orders:read");
    forever.expires_at = Some(now() + Duration::days(366));
    let made = keys.create(&vault.owner(), &by, forever, now()).await;
    assert!(matches!(
        made,
        Err(ManageFault::Field {
            field: "expires_at",
            ..
        })
    ));
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_by_those_who_remember_it() {
    let vault = Vault::open().await;
    let made = vault.key("orders:read").await;
    let (id, secret) = (made.made.made.id, text(&made.secret));
    let caller = shown(&vault, &secret).await.unwrap();

    let keys = &vault.credentials.api_keys;
    keys.revoke(&vault.owner(), &vault.author(), id)
        .await
        .unwrap();

    assert_eq!(shown(&vault, &secret).await, Err(KeyRefused::Invalid));
    let basis = Basis {
        issued_at: now() + Duration::HOUR,
        subject: caller.subject,
        tenant: caller.tenant,
        session: None,
        token: None,
        client: None,
    };
    assert!(vault.identity.revocations.find(&basis).is_some());
    let actions = vault.actions().await;
    assert!(
        actions.contains(&"api_key.create".to_owned()),
        "{actions:?}"
    );
    assert!(
        actions.contains(&"api_key.revoke".to_owned()),
        "{actions:?}"
    );
}

#[tokio::test]
async fn an_expired_key_is_refused() {
    let vault = Vault::open().await;
    let made = vault.key("orders:read").await;
    let secret = text(&made.secret);

    let at = |at: OffsetDateTime| vault.callers.caller(&secret, anywhere(), at);

    let end = made.made.made.expires_at;
    assert!(at(end - Duration::SECOND).await.is_ok());
    assert_eq!(
        at(end).await,
        Err(KeyRefused::Invalid),
        "also one that is remembered"
    );
}

#[tokio::test]
async fn a_key_of_another_tenant_is_not_there() {
    let vault = Vault::open().await;
    let made = vault.key("orders:read").await;
    let id = made.made.made.id;
    let (other, stranger) = (TenantId::new(), tradepost_types::UserId::new());
    vault.add_tenant(other).await;
    vault.add_member(other, stranger, Role::Owner).await;
    let foreign = Caller {
        subject: Subject::User(stranger),
        tenant: Some(other),
        ..vault.owner()
    };
    let (keys, by) = (&vault.credentials.api_keys, author(&foreign));
    let rotation = KeyRotation {
        id,
        previous_until: None,
        request_id: "r".to_owned(),
    };

    let not_found = |error| matches!(error, ManageFault::Credential(CredentialError::NotFound));
    assert!(not_found(keys.find(&foreign, id).await.unwrap_err()));
    assert!(not_found(keys.revoke(&foreign, &by, id).await.unwrap_err()));
    let rotated = keys.rotate(&foreign, &by, rotation, now()).await;
    assert!(not_found(rotated.unwrap_err()));
    assert!(keys.list(&foreign, None, 10).await.unwrap().is_empty());
    assert!(shown(&vault, &text(&made.secret)).await.is_ok());
}

#[tokio::test]
async fn a_key_bound_to_networks_is_refused_elsewhere() {
    let vault = Vault::open().await;
    let mut wish = key_wish("orders:read");
    wish.networks = vec!["198.51.100.0/24".parse().unwrap()];
    let keys = &vault.credentials.api_keys;
    let made = keys
        .create(&vault.owner(), &vault.author(), wish, now())
        .await;
    let secret = text(&made.unwrap().secret);
    let from = |address: Option<&str>| {
        let address = address.map(|address| address.parse().unwrap());
        vault.callers.caller(&secret, address, now())
    };

    assert!(from(Some("198.51.100.9")).await.is_ok());
    assert_eq!(from(Some("203.0.113.7")).await, Err(KeyRefused::Address));
    assert_eq!(from(None).await, Err(KeyRefused::Address));
}

#[tokio::test]
async fn after_a_rotation_both_secrets_work_until_the_old_ones_time() {
    let vault = Vault::open().await;
    let made = vault.key("orders:read").await;
    let (id, old) = (made.made.made.id, text(&made.secret));
    assert!(shown(&vault, &old).await.is_ok());
    let keys = &vault.credentials.api_keys;
    let until = now() + Duration::HOUR;
    let rotate = |until: OffsetDateTime, request_id: &str| {
        let rotation = KeyRotation {
            id,
            previous_until: Some(until),
            request_id: request_id.to_owned(),
        };
        let (owner, by) = (vault.owner(), vault.author());
        async move { keys.rotate(&owner, &by, rotation, now()).await.unwrap() }
    };

    let rotated = rotate(until, "first").await;
    let new = text(&rotated.secret);

    assert_ne!(new, old);
    assert!(shown(&vault, &new).await.is_ok());
    assert!(shown(&vault, &old).await.is_ok());
    let later = vault.callers.caller(&old, anywhere(), until).await;
    assert_eq!(later, Err(KeyRefused::Invalid));
    assert!(vault.callers.caller(&new, anywhere(), until).await.is_ok());
    let again = rotate(until, "first").await;
    assert!(again.made.is_replayed && again.secret.is_none());
    let third = rotate(now(), "second").await;
    assert_eq!(shown(&vault, &old).await, Err(KeyRefused::Invalid));
    assert_eq!(
        shown(&vault, &new).await,
        Err(KeyRefused::Invalid),
        "no overlap was wished"
    );
    assert!(shown(&vault, &text(&third.secret)).await.is_ok());
}

#[tokio::test]
async fn a_key_comes_in_either_header_and_never_beside_another_credential() {
    let vault = Vault::open().await;
    let secret = text(&vault.key("orders:read").await.secret);
    let bearer = format!("Bearer {secret}");
    let asked = async |headers: &[(&'static str, &str)]| {
        let headers = headers.iter().map(|(name, value)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, axum::http::HeaderValue::from_str(value).unwrap())
        });
        let headers = headers.fold(axum::http::HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        });
        let authenticator = &vault.identity.authenticator;
        authenticator.caller(&headers, anywhere(), now()).await
    };

    for headers in [
        [("authorization", bearer.as_str())],
        [("x-api-key", secret.as_str())],
    ] {
        let caller = asked(&headers).await.unwrap().unwrap();
        assert!(matches!(caller.subject, Subject::Key(_)));
    }
    for headers in [
        [
            ("authorization", bearer.as_str()),
            ("x-api-key", secret.as_str()),
        ],
        [
            ("authorization", "Bearer x.y.z"),
            ("x-api-key", secret.as_str()),
        ],
        [
            ("x-api-key", secret.as_str()),
            ("x-api-key", secret.as_str()),
        ],
    ] {
        let refused = asked(&headers).await;
        assert!(matches!(refused, Err(Refused::Ambiguous)), "{refused:?}");
    }
}
