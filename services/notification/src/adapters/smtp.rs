//! Mails to the operator's mail server over SMTP.
//!
//! The dialogue is ours command by command, because what a refusal means depends on the command that it
//! answers. Of a reply only its code is kept, and whether it is about what we may do: its text may
//! name the address. Nothing here writes to the log, for the same reason.
//!
//! A mail is sent once per attempt. When time runs out between its last byte and the reply, nobody knows
//! whether the server took it; it is sent again, under the same `Message-ID`.

mod letter;
mod session;

use std::time::Duration;

use async_trait::async_trait;
use lettre::Address;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::email::{Answer, EmailAddress, Fault};
use crate::ports::email::{Letter, Mailer};
use letter::Sender;
use session::{Idle, Session};

/// How the connection is kept from others' eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Implicit,
    /// TLS by STARTTLS; a server that has none is told nothing.
    StartTls,
    /// Not at all. For tests and a server on the same host.
    Plain,
}

/// Where mails are handed over, and from whom they are.
#[derive(Debug)]
pub struct SmtpSettings {
    /// The name of the mail server, which its certificate is for.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// Who we are there.
    pub login: Option<(String, SecretString)>,
    /// From whom mails are.
    pub from: EmailAddress,
    /// How that is called.
    pub from_name: String,
    /// Where people say that they want no more.
    pub unsubscribe_url: Option<String>,
    /// A certificate, as PEM, that vouches for the server's besides the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// The most that an attempt takes.
    pub timeout: Duration,
    /// Connections that are kept for a next mail.
    pub idle_max: usize,
}

/// Hands mails to one server.
pub struct SmtpMailer {
    server: Server,
    sender: Sender,
    timeout: Duration,
    idle: Idle,
}

/// How a session is begun.
pub(super) struct Server {
    host: String,
    port: u16,
    tls: Option<TlsParameters>,
    security: Security,
    hello: ClientId,
    login: Option<Credentials>,
}

impl SmtpMailer {
    /// A mailer for this server.
    ///
    /// # Errors
    /// Fails if the certificate cannot be read.
    pub fn new(settings: SmtpSettings) -> anyhow::Result<Self> {
        let from = address(&settings.from);
        let tls = match settings.security {
            Security::Plain => None,
            Security::Implicit | Security::StartTls => {
                let mut tls = TlsParameters::builder(settings.host.clone());
                if let Some(pem) = &settings.ca_pem {
                    tls = tls.add_root_certificate(Certificate::from_pem(pem)?);
                }
                Some(tls.build_rustls()?)
            }
        };
        let server = Server {
            hello: ClientId::Domain(from.domain().to_owned()),
            host: settings.host,
            port: settings.port,
            tls,
            security: settings.security,
            login: settings
                .login
                .map(|(user, secret)| Credentials::new(user, secret.expose_secret().to_owned())),
        };
        Ok(Self {
            server,
            sender: Sender {
                address: from,
                name: settings.from_name,
                unsubscribe_url: settings.unsubscribe_url,
            },
            timeout: settings.timeout,
            idle: Idle::new(settings.idle_max),
        })
    }

    async fn attempt(&self, letter: Letter<'_>) -> Answer {
        // What was parsed as an address and is none for the library is none.
        let Ok(mail) = self.sender.compose(letter) else {
            return Answer::None(Fault::NoAddress);
        };
        let mut session = match self.idle.take().await {
            Some(session) => session,
            None => match Session::open(&self.server).await {
                Ok(session) => session,
                Err(answer) => return answer,
            },
        };
        let to = address(letter.to);
        let answer = session.send(&self.sender.address, to, &mail).await;
        self.idle.give_back(session);
        answer
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn hand_over(&self, letter: Letter<'_>) -> Answer {
        let attempt = tokio::time::timeout(self.timeout, self.attempt(letter)).await;
        attempt.unwrap_or(Answer::None(Fault::Timeout))
    }
}

/// As the library has it. Its form was looked at when it was parsed.
fn address(address: &EmailAddress) -> Address {
    let (local, domain) = address.parts();
    Address::new_dangerous(local, domain)
}
