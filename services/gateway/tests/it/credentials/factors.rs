//! One-time codes, recovery codes, and guessing at them.

use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use totp_rs::{Algorithm, Builder, Secret};
use tradepost_gateway::application::ChangeError;
use tradepost_gateway::domain::caller::{Caller, Proof, Subject};
use tradepost_gateway::domain::totp::TotpSecret;
use tradepost_gateway::ports::{FactorError, SecondFactor, Shown};
use tradepost_testkit::eventually;
use tradepost_types::{ApiKeyId, ClientId};

use super::vault::{Vault, now};
use crate::stage::SOON;

/// The authenticator of the user.
struct Device(TotpSecret);

impl Device {
    fn reading(base32: &SecretString) -> Self {
        let secret = Secret::try_from_base32(base32.expose_secret()).unwrap();
        let bytes: [u8; 20] = secret.as_bytes().try_into().unwrap();
        let rfc = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_secret(bytes)
            .build()
            .unwrap();
        let own = TotpSecret::new(bytes);
        let at = OffsetDateTime::from_unix_timestamp(1_111_111_109).unwrap();
        assert_eq!(own.code(at), rfc.generate(1_111_111_109).to_string());
        Self(own)
    }

    fn at(&self, steps: i64) -> SecretString {
        self.0.code(now() + Duration::seconds(30 * steps)).into()
    }
}

/// A user with a factor, what their device shows, and their recovery codes.
async fn enrolled(vault: &Vault) -> (Device, Vec<SecretString>) {
    let factors = &vault.credentials.factors;
    let (owner, by) = (vault.owner(), vault.author());
    let enrolment = factors.enrol(&owner, &by).await.unwrap();
    let device = Device::reading(&enrolment.secret);
    assert!(
        !factors.is_needed(vault.user).await.unwrap(),
        "not before it is confirmed"
    );
    // A code of one step back, so that those of this step and the next are left; the step may end
    // before it is looked at.
    let codes = eventually("it is confirmed", SOON, async || {
        factors.confirm(&owner, &device.at(-1), &by).await.ok()
    })
    .await;
    assert!(factors.is_needed(vault.user).await.unwrap());
    (device, codes)
}

async fn take(vault: &Vault, shown: Shown) -> Result<(), FactorError> {
    let factors = &vault.credentials.factors;
    factors.take(vault.user, &shown, &vault.author()).await
}

fn proved(caller: Caller, ago: Duration) -> Caller {
    Caller {
        proof: Proof::SecondFactor { at: now() - ago },
        ..caller
    }
}

#[tokio::test]
async fn a_code_works_once_and_one_step_off() {
    let vault = Vault::open().await;
    let (device, codes) = enrolled(&vault).await;
    assert_eq!(codes.len(), 10);

    let code = device.at(0);
    assert!(take(&vault, Shown::Code(code.clone())).await.is_ok());
    let twice = take(&vault, Shown::Code(code)).await;
    assert!(matches!(twice, Err(FactorError::Invalid)), "{twice:?}");
    let far = take(&vault, Shown::Code(device.at(3))).await;
    assert!(matches!(far, Err(FactorError::Invalid)), "{far:?}");
    assert!(take(&vault, Shown::Code(device.at(1))).await.is_ok());
    let actions = vault.actions().await;
    for action in ["mfa.enrol", "mfa.confirm", "mfa.check"] {
        assert!(actions.contains(&action.to_owned()), "{actions:?}");
    }
}

#[tokio::test]
async fn of_the_same_code_at_once_one_is_taken() {
    let vault = Vault::open().await;
    let (device, _) = enrolled(&vault).await;
    let code = device.at(0);

    let (one, other) = tokio::join!(
        take(&vault, Shown::Code(code.clone())),
        take(&vault, Shown::Code(code.clone())),
    );

    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

#[tokio::test]
async fn guessing_is_paused_after_five_and_a_right_code_does_not_help_then() {
    let vault = Vault::open().await;
    let (device, codes) = enrolled(&vault).await;
    let wrong = || Shown::Code(SecretString::from("000000"));

    let guesses = futures::future::join_all((0..20).map(|_| take(&vault, wrong()))).await;

    let looked_at = guesses
        .iter()
        .filter(|guess| matches!(guess, Err(FactorError::Invalid)))
        .count();
    assert_eq!(looked_at, 5, "as many at once as there like: {guesses:?}");
    let right = take(&vault, Shown::Code(device.at(0))).await;
    assert!(matches!(right, Err(FactorError::TooMany(_))), "{right:?}");
    let recovery = take(&vault, Shown::RecoveryCode(codes[0].clone())).await;
    assert!(
        matches!(recovery, Err(FactorError::TooMany(_))),
        "{recovery:?}"
    );
    vault.run("update totp set paused_until = now()").await;
    assert!(
        take(&vault, Shown::Code(device.at(0))).await.is_ok(),
        "never for good"
    );
}

#[tokio::test]
async fn a_recovery_code_works_once_and_new_ones_end_the_old() {
    let vault = Vault::open().await;
    let (_, codes) = enrolled(&vault).await;
    let recovery = |at: usize| take(&vault, Shown::RecoveryCode(codes[at].clone()));

    assert!(recovery(0).await.is_ok());
    assert!(matches!(recovery(0).await, Err(FactorError::Invalid)));
    let factors = &vault.credentials.factors;
    let fresh = proved(vault.owner(), Duration::ZERO);
    let new = factors
        .replace_recovery(&fresh, &vault.author(), now())
        .await;
    let new = new.unwrap();
    assert!(matches!(recovery(1).await, Err(FactorError::Invalid)));
    assert!(
        take(&vault, Shown::RecoveryCode(new[0].clone()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_factor_is_changed_only_by_who_has_shown_it_lately() {
    let vault = Vault::open().await;
    enrolled(&vault).await;
    let factors = &vault.credentials.factors;
    let by = vault.author();

    let unproved = factors.remove(&vault.owner(), &by, now()).await;
    assert!(matches!(unproved, Err(ChangeError::StepUp)), "{unproved:?}");
    let long_ago = proved(vault.owner(), Duration::minutes(11));
    let stale = factors.remove(&long_ago, &by, now()).await;
    assert!(matches!(stale, Err(ChangeError::StepUp)), "{stale:?}");
    let stale = factors.replace_recovery(&long_ago, &by, now()).await;
    assert!(matches!(stale, Err(ChangeError::StepUp)), "{stale:?}");
    let over = factors.enrol(&vault.owner(), &by).await;
    assert!(matches!(over, Err(ChangeError::Enrolled)), "{over:?}");
    let fresh = proved(vault.owner(), Duration::minutes(1));
    factors.remove(&fresh, &by, now()).await.unwrap();
    assert!(!factors.is_needed(vault.user).await.unwrap());
}

#[tokio::test]
async fn programs_and_applications_have_no_second_factor_to_change() {
    let vault = Vault::open().await;
    let factors = &vault.credentials.factors;
    let key = Caller {
        subject: Subject::Key(ApiKeyId::new()),
        session: None,
        ..vault.owner()
    };
    let application = Caller {
        client: Some(ClientId::new()),
        ..vault.owner()
    };

    for caller in [key, application] {
        let enrolment = factors.enrol(&caller, &vault.author()).await;
        assert!(
            matches!(enrolment, Err(ChangeError::NotAPerson)),
            "{enrolment:?}"
        );
    }
}

#[tokio::test]
async fn a_step_up_stands_in_the_next_token() {
    let vault = Vault::open().await;
    let (device, _) = enrolled(&vault).await;
    take(&vault, Shown::Code(device.at(0))).await.unwrap();

    let sessions = &vault.identity.sessions;
    let token = sessions
        .prove(vault.session, &vault.author())
        .await
        .unwrap();

    let claims = vault
        .identity
        .tokens
        .verify(token.token.expose_secret(), now())
        .unwrap();
    assert!(matches!(claims.proof, Proof::SecondFactor { .. }));
}

#[tokio::test]
async fn no_secret_of_a_factor_is_stored_as_it_is() {
    let vault = Vault::open().await;
    let factors = &vault.credentials.factors;
    let enrolment = factors
        .enrol(&vault.owner(), &vault.author())
        .await
        .unwrap();
    let secret = Secret::try_from_base32(enrolment.secret.expose_secret()).unwrap();
    let bytes = hex::encode(secret.as_bytes());

    let stored = vault.everything().await;

    assert!(!stored.contains(&bytes));
    assert!(!stored.contains(enrolment.secret.expose_secret()));
    assert!(!format!("{enrolment:?}").contains(enrolment.secret.expose_secret()));
}
