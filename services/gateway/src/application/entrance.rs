//! What the gate asks of identity: who calls, and which tenants, members and factors there are.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use tokio::sync::watch;
use tradepost_service::Clock;
use tradepost_types::{ApiKeyId, TenantId, UserId};

use super::{ApiKeys, Authenticator, Directory, Refused, Revocations, Tickets};
use crate::domain::api_key::ROLE;
use crate::domain::caller::Verified;
use crate::domain::rights::Role;
use crate::domain::tenant::{Origin, TenantState};
use crate::ports::identity::UserStore;
use crate::ports::{self, Authenticate, Key, SecondFactor, Unavailable};

/// Identity, as the gate sees it.
pub struct Entrance {
    /// Verifies credentials.
    pub authenticator: Arc<Authenticator>,
    /// What was revoked.
    pub revocations: Arc<Revocations>,
    /// The tenants.
    pub tenants: Arc<Directory>,
    /// The members.
    pub users: Arc<dyn UserStore>,
    /// The second factors.
    pub factors: Arc<dyn SecondFactor>,
    /// The API keys.
    pub keys: Arc<ApiKeys>,
    /// The tickets.
    pub tickets: Arc<Tickets>,
    /// By which credentials run out.
    pub clock: Clock,
}

#[async_trait]
impl Authenticate for Entrance {
    async fn verify(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Option<Verified>, ports::Refused> {
        let now = self.clock.now();
        let verified = self.authenticator.verify(headers, Some(address), now).await;
        Ok(verified?)
    }

    async fn redeem(&self, ticket: &str) -> Result<Verified, ports::Refused> {
        let taken = self.tickets.take(ticket).await.map_err(Refused::from)?;
        let judged = self.authenticator.ticket(taken, self.clock.now()).await;
        Ok(judged?)
    }

    async fn judge_again(&self, verified: &Verified) -> Result<(), ports::Refused> {
        let now = self.clock.now();
        let judged = self.authenticator.judge_again(verified.clone(), now).await;
        Ok(judged.map(|_good| ())?)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.revocations.changes()
    }
}

impl From<Refused> for ports::Refused {
    fn from(refused: Refused) -> Self {
        let (reason, detail) = (refused.reason(), refused.to_string());
        match refused {
            Refused::Ambiguous | Refused::Malformed => Self::Malformed { reason, detail },
            Refused::Token(_)
            | Refused::Revoked(_)
            | Refused::Key
            | Refused::KeyAddress
            | Refused::Ticket => Self::Invalid { reason, detail },
            Refused::Suspended => Self::Suspended,
            Refused::Unavailable => Self::Unavailable(Unavailable),
        }
    }
}

#[async_trait]
impl ports::Directory for Entrance {
    async fn is_active(&self, tenant: TenantId) -> Result<bool, Unavailable> {
        let found = self.tenants.tenant(tenant).await;
        let found = found.map_err(|_store| Unavailable)?;
        Ok(found.is_some_and(|tenant| tenant.state == TenantState::Active))
    }

    async fn allows_origin(&self, tenant: TenantId, origin: &str) -> Result<bool, Unavailable> {
        let found = self.tenants.tenant(tenant).await;
        let found = found.map_err(|_store| Unavailable)?;
        let allows = |allowed: &Origin| allowed.as_str() == origin;
        Ok(found.is_some_and(|tenant| tenant.cors_origins.iter().any(allows)))
    }

    async fn member(&self, tenant: TenantId, user: UserId) -> Result<Option<Role>, Unavailable> {
        let member = self.users.member(tenant, user).await;
        let member = member.map_err(|_store| Unavailable)?;
        Ok(member.map(|member| member.role))
    }

    async fn key(&self, tenant: TenantId, key: ApiKeyId) -> Result<Option<Key>, Unavailable> {
        let found = self.keys.known(tenant, key).await;
        let found = found.map_err(|_store| Unavailable)?;
        let now = self.clock.now();
        let good = found.filter(|key| key.revoked_at.is_none() && key.expires_at > now);
        Ok(good.map(|key| Key {
            role: ROLE,
            scope: key.scope,
        }))
    }

    async fn has_second_factor(&self, user: UserId) -> Result<bool, Unavailable> {
        let is_needed = self.factors.is_needed(user).await;
        is_needed.map_err(|_store| Unavailable)
    }
}
