//! Identity as the gate asks for it.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use tokio::sync::watch;
use tradepost_service::Clock;
use tradepost_types::{ApiKeyId, TenantId, UserId};

use crate::application::{Credentials, Identity, Refused as Fault};
use crate::domain::api_key::ROLE;
use crate::domain::caller::Caller;
use crate::domain::rights::Role;
use crate::domain::tenant::{Origin, TenantState};
use crate::ports::identity::StoreError;
use crate::ports::{Authenticate, Directory, Key, Refused, Unavailable};

/// Knows callers, tenants and members.
#[derive(Clone)]
pub struct Known {
    identity: Arc<Identity>,
    credentials: Arc<Credentials>,
    clock: Clock,
}

impl Known {
    /// What both know, at the time of `clock`.
    #[must_use]
    pub const fn new(identity: Arc<Identity>, credentials: Arc<Credentials>, clock: Clock) -> Self {
        Self {
            identity,
            credentials,
            clock,
        }
    }
}

#[async_trait]
impl Authenticate for Known {
    async fn caller(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Option<Caller>, Refused> {
        let authenticator = &self.identity.authenticator;
        let now = self.clock.now();
        let found = authenticator.caller(headers, Some(address), now).await;
        found.map_err(|fault| refused(&fault))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.identity.revocations.changes()
    }
}

fn refused(fault: &Fault) -> Refused {
    let (reason, detail) = (fault.reason(), fault.to_string());
    match fault {
        Fault::Ambiguous | Fault::Malformed => Refused::Malformed { reason, detail },
        Fault::Token(_) | Fault::Revoked(_) | Fault::Key | Fault::KeyAddress => {
            Refused::Invalid { reason, detail }
        }
        Fault::Unavailable => Refused::Unavailable(Unavailable),
    }
}

#[async_trait]
impl Directory for Known {
    async fn is_active(&self, tenant: TenantId) -> Result<bool, Unavailable> {
        let found = self.identity.directory.tenant(tenant).await.map_err(gone)?;
        Ok(found.is_some_and(|tenant| tenant.state == TenantState::Active))
    }

    async fn allows_origin(&self, tenant: TenantId, origin: &str) -> Result<bool, Unavailable> {
        let found = self.identity.directory.tenant(tenant).await.map_err(gone)?;
        let allows = |allowed: &Origin| allowed.as_str() == origin;
        Ok(found.is_some_and(|tenant| tenant.cors_origins.iter().any(allows)))
    }

    async fn member(&self, tenant: TenantId, user: UserId) -> Result<Option<Role>, Unavailable> {
        let users = &self.identity.ports().users;
        let found = users.member(tenant, user).await.map_err(gone)?;
        Ok(found.map(|member| member.role))
    }

    async fn key(&self, tenant: TenantId, key: ApiKeyId) -> Result<Option<Key>, Unavailable> {
        let found = self.credentials.api_keys.known(tenant, key).await;
        let now = self.clock.now();
        let good = found
            .map_err(gone)?
            .filter(|key| key.revoked_at.is_none() && key.expires_at > now);
        Ok(good.map(|key| Key {
            role: ROLE,
            scope: key.scope,
        }))
    }

    async fn has_second_factor(&self, user: UserId) -> Result<bool, Unavailable> {
        let is_needed = self.identity.ports().factors.is_needed(user).await;
        is_needed.map_err(gone)
    }
}

fn gone(error: StoreError) -> Unavailable {
    let error: &dyn std::error::Error = &error;
    tracing::warn!(
        event = "identity.store_unavailable",
        error,
        "the gate cannot know"
    );
    Unavailable
}
