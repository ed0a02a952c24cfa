//! Guards for as long as nobody is asked who they are: everybody is an owner of one tenant.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use tokio::sync::watch;
use tradepost_service::Clock;
use tradepost_types::{ApiKeyId, SessionId, TenantId, UserId};

use crate::domain::audit::Entry;
use crate::domain::caller::{Caller, Plan, Proof, Subject, Verified};
use crate::domain::rights::Role;
use crate::ports::{Authenticate, Directory, Guards, Key, Limits, Refused, Trail, Unavailable};

/// Everybody is an owner of this tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demo {
    /// The tenant.
    pub(crate) tenant: TenantId,
    /// The user that everybody is.
    pub(crate) user: UserId,
}

impl Demo {
    /// The guards; only the limits are what they will be.
    pub(crate) fn guards(self, limits: Arc<dyn Limits>) -> Guards {
        let demo = Arc::new(self);
        Guards {
            limits,
            authenticate: demo.clone(),
            directory: demo.clone(),
            trail: demo,
            clock: Clock::system(),
        }
    }
}

#[async_trait]
impl Authenticate for Demo {
    async fn verify(&self, _: &HeaderMap, _: IpAddr) -> Result<Option<Verified>, Refused> {
        let caller = Caller {
            subject: Subject::User(self.user),
            tenant: Some(self.tenant),
            role: Role::Owner,
            rights: Role::Owner.rights(),
            session: Some(SessionId::new()),
            client: None,
            plan: Plan::Internal,
            proof: Proof::Secret,
            expires_at: None,
        };
        Ok(Some(Verified::of(caller, Clock::system().now())))
    }

    async fn redeem(&self, _: &str) -> Result<Verified, Refused> {
        Err(Refused::Unavailable(Unavailable))
    }

    async fn judge_again(&self, _: &Verified) -> Result<(), Refused> {
        Ok(())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }
}

#[async_trait]
impl Directory for Demo {
    async fn is_active(&self, tenant: TenantId) -> Result<bool, Unavailable> {
        Ok(tenant == self.tenant)
    }

    async fn allows_origin(&self, _: TenantId, _: &str) -> Result<bool, Unavailable> {
        Ok(false)
    }

    async fn member(&self, _: TenantId, user: UserId) -> Result<Option<Role>, Unavailable> {
        Ok((user == self.user).then_some(Role::Owner))
    }

    async fn key(&self, _: TenantId, _: ApiKeyId) -> Result<Option<Key>, Unavailable> {
        Ok(None)
    }

    async fn has_second_factor(&self, _: UserId) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

#[async_trait]
impl Trail for Demo {
    async fn record(&self, _: Entry) -> Result<(), Unavailable> {
        Ok(())
    }
}
