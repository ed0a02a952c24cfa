//! Logging in. Whoever fails learns nothing: who is not there, who is disabled and who mistyped
//! get the same answer after the same work.

use std::sync::Arc;

use secrecy::SecretString;
use tradepost_types::TenantId;

use super::passwords::{HashError, Passwords};
use super::sessions::{Issued, Opening, SessionError, Sessions};
use crate::domain::email::Email;
use crate::domain::session::FIRST_PARTY;
use crate::domain::tenant::TenantState;
use crate::metrics::Metrics;
use crate::ports::identity::{Account, Author, LoginFailure, Membership, StoreError, UserStore};
use crate::ports::{FactorError, SecondFactor, Shown};

/// Someone who wants to log in.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What they say their address is.
    pub email: String,
    /// Their password.
    pub password: SecretString,
    /// Where; may be left out by who is a member of one tenant only, and by operators.
    pub tenant: Option<TenantId>,
    /// Their second factor.
    pub factor: Option<Shown>,
    /// What they log in on, in the client's words.
    pub device: String,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Something was wrong; what, is nobody's business.
    #[error("the login failed")]
    Failed,
    /// The password is right; too many second factors were wrong, and none is looked at for so long.
    #[error("too many codes were wrong; wait")]
    Paused(time::Duration),
    /// The password is right; the second factor is missing.
    #[error("a second factor is needed")]
    FactorRequired,
    /// The password is right; they must say where.
    #[error("the user is a member of several tenants: say which")]
    TenantRequired(Vec<Membership>),
    /// The password is right; the tenant may not use the platform at present.
    #[error("the tenant is suspended")]
    Suspended,
    /// The password was not checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No session was opened.
    #[error(transparent)]
    Session(SessionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Logs in.
#[derive(Clone)]
pub struct LogIn {
    /// Where users are.
    pub users: Arc<dyn UserStore>,
    /// Checks passwords.
    pub passwords: Arc<Passwords>,
    /// Checks second factors.
    pub factors: Arc<dyn SecondFactor>,
    /// Opens sessions.
    pub sessions: Sessions,
    /// What counts.
    pub metrics: Metrics,
}

impl LogIn {
    /// Logs in, or fails.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn run(&self, attempt: Attempt, author: &Author) -> Result<Issued, LoginError> {
        let result = self.try_run(attempt, author).await;
        self.metrics.logged_in(match &result {
            Ok(_) => "done",
            Err(LoginError::Failed) => "failed",
            Err(LoginError::FactorRequired | LoginError::TenantRequired(_)) => "incomplete",
            Err(LoginError::Suspended) => "suspended",
            Err(LoginError::Paused(_)) => "paused",
            Err(LoginError::Hash(HashError::Overloaded)) => "overloaded",
            Err(LoginError::Hash(_) | LoginError::Session(_) | LoginError::Store(_)) => "error",
        });
        result
    }

    async fn try_run(&self, attempt: Attempt, author: &Author) -> Result<Issued, LoginError> {
        let email: Option<Email> = attempt.email.parse().ok();
        let account = match &email {
            Some(email) => self.users.find_by_email(email).await?,
            None => None,
        };
        let hash = account
            .as_ref()
            .and_then(|account| account.password_hash.as_deref());
        let is_right = self.passwords.verify(&attempt.password, hash).await?;
        let Some(account) = account.filter(|account| is_right && account.is_active) else {
            return Err(self.fail(None, "PASSWORD", author).await);
        };
        if self.factors.is_needed(account.user).await? && attempt.factor.is_none() {
            return Err(LoginError::FactorRequired);
        }
        let tenant = match choose(&account, attempt.tenant) {
            Ok(tenant) => tenant,
            Err(LoginError::Failed) => {
                return Err(self.fail(Some(&account), "TENANT", author).await);
            }
            Err(error) => return Err(error),
        };
        let is_proved = self
            .prove(&account, attempt.factor.as_ref(), author)
            .await?;
        let author = Author {
            subject: Some(crate::domain::caller::Subject::User(account.user)),
            tenant,
            ..author.clone()
        };
        let opening = Opening {
            user: account.user,
            tenant,
            client: FIRST_PARTY.to_owned(),
            scope: None,
            device: attempt.device,
            is_proved,
        };
        match self.sessions.open(opening, &author).await {
            Ok(issued) => Ok(issued),
            Err(SessionError::Barred) => Err(self.fail(Some(&account), "BARRED", &author).await),
            Err(SessionError::Store(error)) => Err(error.into()),
            Err(error) => Err(LoginError::Session(error)),
        }
    }

    /// Whether a second factor was shown; what is shown must be right, needed or not.
    async fn prove(
        &self,
        account: &Account,
        factor: Option<&Shown>,
        author: &Author,
    ) -> Result<bool, LoginError> {
        let Some(shown) = factor else {
            return Ok(false);
        };
        match self.factors.take(account.user, shown, author).await {
            Ok(()) => Ok(true),
            Err(FactorError::Invalid) => {
                Err(self.fail(Some(account), "SECOND_FACTOR", author).await)
            }
            Err(FactorError::TooMany(pause)) => {
                self.fail(Some(account), "SECOND_FACTOR_PAUSED", author)
                    .await;
                Err(LoginError::Paused(pause))
            }
            Err(FactorError::Store(error)) => Err(error.into()),
        }
    }

    /// The failure, once it is in the audit trail.
    async fn fail(
        &self,
        account: Option<&Account>,
        reason: &'static str,
        author: &Author,
    ) -> LoginError {
        let failure = LoginFailure {
            user: account.map(|account| account.user),
            reason,
        };
        match self.sessions.store.login_failed(&failure, author).await {
            Ok(()) => LoginError::Failed,
            Err(error) => error.into(),
        }
    }
}

/// Where the login leads.
fn choose(account: &Account, wish: Option<TenantId>) -> Result<Option<TenantId>, LoginError> {
    let chosen = match (wish, account.memberships.as_slice()) {
        (Some(wish), memberships) => memberships.iter().find(|one| one.tenant.id == wish),
        (None, _) if account.is_operator => return Ok(None),
        (None, [only]) => Some(only),
        (None, []) => None,
        (None, several) => return Err(LoginError::TenantRequired(several.to_vec())),
    };
    let chosen = chosen.ok_or(LoginError::Failed)?;
    match chosen.tenant.state {
        TenantState::Active => Ok(Some(chosen.tenant.id)),
        TenantState::Suspended => Err(LoginError::Suspended),
    }
}
