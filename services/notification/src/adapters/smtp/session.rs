//! One connection to the mail server, and those that are kept for a next mail.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::response::Response;
use tokio::time::Instant;

use super::super::webhooks::cause;
use super::{Security, Server};
use crate::domain::email::{Answer, Fault, Step};

/// How long a connection waits for a next mail.
const IDLE: Duration = Duration::from_secs(20);
/// Mails that one connection takes: servers have such a bound themselves.
const MAILS_MAX: u32 = 100;
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A connection on which mails may be sent.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    mails: u32,
    used: Instant,
    is_good: bool,
}

impl Session {
    /// Connects, secures the connection, and says who we are.
    pub(super) async fn open(server: &Server) -> Result<Self, Answer> {
        let implicit = match server.security {
            Security::Implicit => server.tls.clone(),
            Security::StartTls | Security::Plain => None,
        };
        let place = (server.host.as_str(), server.port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(place, None, &server.hello, implicit, None).await;
        let mut connection = connected.map_err(|error| answer(Step::Session, &error))?;
        if let (Security::StartTls, Some(tls)) = (server.security, &server.tls) {
            if !connection.can_starttls() {
                return Err(Answer::None(Fault::Tls));
            }
            let secured = connection.starttls(tls.clone(), &server.hello).await;
            secured.map_err(|error| answer(Step::Session, &error))?;
        }
        if let Some(login) = &server.login {
            let taken = connection.auth(&MECHANISMS, login).await;
            taken.map_err(|error| answer(Step::Session, &error))?;
        }
        Ok(Self {
            connection,
            mails: 0,
            used: Instant::now(),
            is_good: true,
        })
    }

    /// Sends one mail to one address.
    pub(super) async fn send(&mut self, from: &Address, to: Address, mail: &[u8]) -> Answer {
        self.mails += 1;
        // Until the server's last word the connection is in the middle of something.
        self.is_good = false;
        let answer = match self.dialogue(from, to, mail).await {
            Ok(reply) => {
                self.is_good = true;
                Answer::Taken(reply.code().into())
            }
            Err((at, error)) => {
                if error.status().is_some() {
                    self.is_good = self.connection.command(Rset).await.is_ok();
                }
                answer(at, &error)
            }
        };
        self.used = Instant::now();
        answer
    }

    async fn dialogue(
        &mut self,
        from: &Address,
        to: Address,
        mail: &[u8],
    ) -> Result<Response, (Step, Error)> {
        let at = |step: Step| move |error: Error| (step, error);
        let connection = &mut self.connection;
        let sender = Mail::new(Some(from.clone()), Vec::new());
        connection.command(sender).await.map_err(at(Step::Sender))?;
        let recipient = Rcpt::new(to, Vec::new());
        connection
            .command(recipient)
            .await
            .map_err(at(Step::Recipient))?;
        connection.command(Data).await.map_err(at(Step::Message))?;
        connection.message(mail).await.map_err(at(Step::Message))
    }
}

/// What went wrong, by what its owner can do about it.
fn answer(at: Step, error: &Error) -> Answer {
    if let Some(code) = error.status() {
        let code = u16::from(code);
        return Answer::Refused {
            at,
            code,
            is_policy: is_policy(code, error),
        };
    }
    if cause::<rustls::Error>(error).is_some() || error.is_tls() {
        return Answer::None(Fault::Tls);
    }
    if error.is_timeout() {
        return Answer::None(Fault::Timeout);
    }
    Answer::None(Fault::Connect)
}

/// Whether a reply is about what we may do: a command out of place, an authentication that is missing, or
/// an enhanced code that says so (RFC 3463).
fn is_policy(code: u16, error: &Error) -> bool {
    let enhanced = error.source().map(ToString::to_string).unwrap_or_default();
    matches!(code, 500..=509 | 530..=539)
        || enhanced.starts_with("5.7.")
        || enhanced.starts_with("4.7.")
}

/// Connections that wait for a next mail.
pub(super) struct Idle {
    sessions: Mutex<Vec<Session>>,
    max: usize,
}

impl Idle {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            sessions: Mutex::new(Vec::new()),
            max,
        }
    }

    /// One that the server still answers on, if there is one.
    pub(super) async fn take(&self) -> Option<Session> {
        loop {
            let mut session = self.lock().pop()?;
            if session.used.elapsed() < IDLE && session.connection.test_connected().await {
                return Some(session);
            }
        }
    }

    /// Keeps it, if another mail may be sent on it; else it is closed.
    pub(super) fn give_back(&self, session: Session) {
        let mut sessions = self.lock();
        sessions.retain(|kept| kept.used.elapsed() < IDLE);
        if session.is_good && session.mails < MAILS_MAX && sessions.len() < self.max {
            sessions.push(session);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
