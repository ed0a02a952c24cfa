//! Whatever is done with secrets, no log line has one.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::fmt::MakeWriter;
use tradepost_gateway::application::{ClientShown, TokenWish};
use tradepost_gateway::domain::oauth::ClientKind;
use tradepost_gateway::ports::{KeyAuthenticator, SecondFactor, Shown};

use super::vault::{Vault, now, stranger, text};

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);

    let secrets = used().await;

    drop(logging);
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("api_keys"), "the statements are in the log");
    for secret in secrets {
        assert!(!logged.contains(&secret), "{secret} was logged");
    }
}

/// Uses secrets of all kinds, well and badly, and tells them.
async fn used() -> Vec<String> {
    let vault = Vault::open().await;
    let key = text(&vault.key("orders:read").await.secret);
    vault.callers.caller(&key, None, now()).await.unwrap();
    let last = if key.ends_with('x') { 'y' } else { 'x' };
    let mistyped = format!("{}{last}", &key[..key.len() - 1]);
    assert!(vault.callers.caller(&mistyped, None, now()).await.is_err());
    let (client, shown) = vault.client(ClientKind::Confidential, "orders:read").await;
    let oauth = &vault.credentials.oauth;
    oauth.authenticate(&shown).await.unwrap();
    let (_, other) = vault.client(ClientKind::Confidential, "orders:read").await;
    let wrong = ClientShown {
        id: shown.id.clone(),
        secret: other.secret.clone(),
    };
    assert!(oauth.authenticate(&wrong).await.is_err());
    let issued = oauth
        .grant(&client, TokenWish::Own { scope: None }, &stranger())
        .await;
    let token = issued.unwrap().access_token;
    oauth
        .revoke(&client, &token, &stranger(), now())
        .await
        .unwrap();
    let factors = &vault.credentials.factors;
    let enrolment = factors
        .enrol(&vault.owner(), &vault.author())
        .await
        .unwrap();
    let guess = SecretString::from("canary-code");
    let shown_code = Shown::Code(guess.clone());
    assert!(
        factors
            .take(vault.user, &shown_code, &vault.author())
            .await
            .is_err()
    );
    assert!(
        factors
            .confirm(&vault.owner(), &guess, &vault.author())
            .await
            .is_err()
    );
    let signature = token.expose_secret().rsplit('.').next().unwrap().to_owned();
    vec![
        key[35..78].to_owned(),
        mistyped[35..78].to_owned(),
        text(&shown.secret)[4..47].to_owned(),
        text(&other.secret)[4..47].to_owned(),
        signature,
        enrolment.secret.expose_secret().to_owned(),
        guess.expose_secret().to_owned(),
    ]
}
