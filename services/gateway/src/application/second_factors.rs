//! One-time codes and the codes that stand in for them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use tradepost_types::{SessionId, UserId};

use super::sealing::{Hashed, Purpose, SealError, Sealer};
use crate::domain::caller::{Caller, Proof};
use crate::domain::totp::{
    RECOVERY_CODE_BYTES, RECOVERY_CODES, RecoveryCode, SECRET_LEN, TotpSecret,
};
use crate::ports::credentials::{Confirmed, EnrolError, Factor, FactorStore, Guessing, Used};
use crate::ports::identity::{Author, StoreError, UserStore};
use crate::ports::{FactorError, SecondFactor, Shown};

/// For how long a second factor counts as shown lately, when the factor itself is to be changed.
pub const FRESH: Duration = Duration::minutes(10);

/// A secret that is yet to be confirmed; shown once.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// For typing it in.
    pub secret: SecretString,
    /// For scanning it.
    pub url: SecretString,
}

/// Why a second factor was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Second factors are people's.
    #[error("second factors are people's, not programs'")]
    NotAPerson,
    /// The one there is has to be shown first.
    #[error("the second factor has to be shown first")]
    StepUp,
    /// There is one already.
    #[error("there is a second factor already; remove it first")]
    Enrolled,
    /// There is none.
    #[error("there is no second factor")]
    Absent,
    /// The code is not good.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// What is stored cannot be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Factor(error.into())
    }
}

impl From<EnrolError> for ChangeError {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::Enrolled => Self::Enrolled,
            EnrolError::Store(error) => error.into(),
        }
    }
}

/// Knows, checks and changes second factors.
pub struct SecondFactors {
    store: Arc<dyn FactorStore>,
    users: Arc<dyn UserStore>,
    sealer: Arc<Sealer>,
}

impl SecondFactors {
    /// Factors in this store.
    #[must_use]
    pub fn new(
        store: Arc<dyn FactorStore>,
        users: Arc<dyn UserStore>,
        sealer: Arc<Sealer>,
    ) -> Self {
        Self {
            store,
            users,
            sealer,
        }
    }

    /// A new secret for the user. It is asked for once it is confirmed; until then another call
    /// replaces it.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn enrol(&self, caller: &Caller, author: &Author) -> Result<Enrolment, ChangeError> {
        let (user, _) = person_in_session(caller)?;
        let account = self
            .users
            .find(user)
            .await?
            .ok_or(ChangeError::NotAPerson)?;
        let bytes: [u8; SECRET_LEN] = rand::random();
        let place = user.to_string();
        let sealed = self
            .sealer
            .seal(Purpose::TotpSecret, place.as_bytes(), &bytes)?;
        self.store.enrol(user, &sealed, author).await?;
        let secret = TotpSecret::new(bytes);
        Ok(Enrolment {
            secret: secret.base32(),
            url: secret.otpauth_url(account.email.as_str()),
        })
    }

    /// Asks for the factor from now on, if the code is its first; the recovery codes, shown once.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn confirm(
        &self,
        caller: &Caller,
        code: &SecretString,
        author: &Author,
    ) -> Result<Vec<SecretString>, ChangeError> {
        let (user, _) = person_in_session(caller)?;
        let factor = match self.store.guess(user).await? {
            Guessing::Counted(factor) => factor,
            Guessing::Paused(pause) => return Err(FactorError::TooMany(pause).into()),
            Guessing::Absent => return Err(ChangeError::Absent),
        };
        if factor.confirmed_at.is_some() {
            return Err(ChangeError::Enrolled);
        }
        let Some(Used::Code(step)) = self.recognise(user, &factor, &Shown::Code(code.clone()))?
        else {
            self.store.wrong(user, author).await?;
            return Err(FactorError::Invalid.into());
        };
        let (codes, recovery) = self.recovery_codes(user);
        let confirmed = Confirmed {
            secret_sealed: factor.secret_sealed,
            step,
            recovery,
        };
        match self.store.confirm(user, &confirmed, author).await? {
            true => Ok(codes),
            false => Err(FactorError::Invalid.into()),
        }
    }

    /// New recovery codes in place of all there are, shown once.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn replace_recovery(
        &self,
        caller: &Caller,
        author: &Author,
        now: OffsetDateTime,
    ) -> Result<Vec<SecretString>, ChangeError> {
        let user = self.fresh(caller, now).await?;
        let (codes, hashes) = self.recovery_codes(user);
        match self.store.replace_recovery(user, &hashes, author).await? {
            true => Ok(codes),
            false => Err(ChangeError::Absent),
        }
    }

    /// Removes the factor.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove(
        &self,
        caller: &Caller,
        author: &Author,
        now: OffsetDateTime,
    ) -> Result<(), ChangeError> {
        let user = self.fresh(caller, now).await?;
        match self.store.remove(user, author).await? {
            true => Ok(()),
            false => Err(ChangeError::Absent),
        }
    }

    /// The user, if they have a factor and have shown it lately. One who enrolled after the login
    /// has to step up too: whoever holds their token must not take the factor away.
    async fn fresh(&self, caller: &Caller, now: OffsetDateTime) -> Result<UserId, ChangeError> {
        let (user, _) = person_in_session(caller)?;
        if !self.store.is_enrolled(user).await? {
            return Err(ChangeError::Absent);
        }
        match caller.proof {
            Proof::SecondFactor { at } if now - at <= FRESH => Ok(user),
            Proof::SecondFactor { .. } | Proof::Secret => Err(ChangeError::StepUp),
        }
    }

    /// What a guess is, if it is right.
    fn recognise(
        &self,
        user: UserId,
        factor: &Factor,
        shown: &Shown,
    ) -> Result<Option<Used>, SealError> {
        match shown {
            Shown::Code(code) => {
                let place = user.to_string();
                let sealed = &factor.secret_sealed;
                let bytes = self
                    .sealer
                    .open(Purpose::TotpSecret, place.as_bytes(), sealed)?;
                let bytes: [u8; SECRET_LEN] = bytes
                    .as_slice()
                    .try_into()
                    .map_err(|_length| SealError::Broken)?;
                let code = code.expose_secret();
                let step = TotpSecret::new(bytes).check(code, factor.last_step, factor.now);
                Ok(step.ok().map(Used::Code))
            }
            Shown::RecoveryCode(code) => {
                let code = RecoveryCode::parse(code.expose_secret());
                Ok(code.map(|code| Used::Recovery(self.recovery_hash(user, &code))))
            }
        }
    }

    fn recovery_codes(&self, user: UserId) -> (Vec<SecretString>, Vec<[u8; 32]>) {
        let codes = (0..RECOVERY_CODES).map(|_| {
            let bytes: [u8; RECOVERY_CODE_BYTES] = rand::random();
            let code = RecoveryCode::new(bytes);
            (code.render(), self.recovery_hash(user, &code))
        });
        codes.unzip()
    }

    fn recovery_hash(&self, user: UserId, code: &RecoveryCode) -> [u8; 32] {
        let message = [user.as_uuid().as_bytes().as_slice(), code.canonical()].concat();
        self.sealer.hash(Hashed::RecoveryCode, &message)
    }
}

#[async_trait]
impl SecondFactor for SecondFactors {
    async fn is_needed(&self, user: UserId) -> Result<bool, StoreError> {
        self.store.is_enrolled(user).await
    }

    async fn take(&self, user: UserId, shown: &Shown, author: &Author) -> Result<(), FactorError> {
        let factor = match self.store.guess(user).await? {
            Guessing::Counted(factor) if factor.confirmed_at.is_some() => factor,
            Guessing::Paused(pause) => return Err(FactorError::TooMany(pause)),
            Guessing::Counted(_) | Guessing::Absent => return Err(FactorError::Invalid),
        };
        let recognised = self.recognise(user, &factor, shown);
        let used = recognised.map_err(|error| StoreError::Faulty(Box::new(error)))?;
        let is_taken = match used {
            Some(used) => self.store.right(user, used, author).await?,
            None => false,
        };
        if is_taken {
            return Ok(());
        }
        self.store.wrong(user, author).await?;
        Err(FactorError::Invalid)
    }
}

impl fmt::Debug for SecondFactors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactors").finish_non_exhaustive()
    }
}

/// The user and their session, if it is a person in a login of their own who calls. An application
/// that acts for them has a session too: it must not change how its user logs in, nor let others
/// act for them.
///
/// # Errors
/// [`ChangeError::NotAPerson`].
pub fn person_in_session(caller: &Caller) -> Result<(UserId, SessionId), ChangeError> {
    caller.person().ok_or(ChangeError::NotAPerson)
}
