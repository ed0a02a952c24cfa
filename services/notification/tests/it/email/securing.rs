//! What is sent is for the mail server's eyes only.

use secrecy::SecretString;
use tradepost_notification::adapters::smtp::{Security, SmtpSettings};
use tradepost_proto::notification::v1 as pb;

use super::server::{Doors, MailServer, Manner};
use super::stage::{Stage, WAIT, settings};

fn secured(server: &MailServer, security: Security) -> SmtpSettings {
    SmtpSettings {
        security,
        login: Some(("shop".to_owned(), SecretString::from("canary-of-the-login"))),
        ca_pem: Some(server.pem.clone().into_bytes()),
        ..settings(server, WAIT)
    }
}

async fn sent(server: &MailServer, settings: SmtpSettings) -> pb::Email {
    let stage = Stage::open().await;
    stage.reader("ann").await;
    stage.work_with(settings, 4);
    stage.tell(&["ann"]).await;
    let email = stage.after("ann", 1).await;
    drop(stage);
    assert_eq!(server.got().len(), usize::from(email.last_status == 250));
    email
}

#[tokio::test]
async fn it_goes_over_tls_from_the_first_byte() {
    let server = MailServer::start(Doors::Implicit).await;

    let email = sent(&server, secured(&server, Security::Implicit)).await;

    assert_eq!(email.last_status, 250, "{}", email.last_error);
    assert!(server.lines()[1].starts_with("AUTH PLAIN "));
}

#[tokio::test]
async fn it_goes_over_tls_by_starttls_and_nobody_is_named_before() {
    let server = MailServer::start(Doors::StartTls).await;

    let email = sent(&server, secured(&server, Security::StartTls)).await;

    assert_eq!(email.last_status, 250, "{}", email.last_error);
    let lines = server.lines();
    assert_eq!(lines[..2], ["EHLO shop.example", "STARTTLS"]);
    assert!(lines[3].starts_with("AUTH PLAIN "), "{lines:?}");
}

#[tokio::test]
async fn a_server_without_starttls_is_told_nothing() {
    let server = MailServer::start(Doors::Plain).await;

    let email = sent(&server, secured(&server, Security::StartTls)).await;

    assert_eq!(
        (email.last_error.as_str(), email.last_status, email.state()),
        ("tls", 0, pb::EmailState::Pending)
    );
    assert!(
        server
            .lines()
            .iter()
            .all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL"))
    );
}

#[tokio::test]
async fn a_server_that_refuses_starttls_is_told_nothing() {
    let server = MailServer::start(Doors::StartTls).await;
    server.behave(Manner::Says("STARTTLS", "454 not now"));

    let email = sent(&server, secured(&server, Security::StartTls)).await;

    assert_eq!(
        (email.last_error.as_str(), email.last_status),
        ("reply", 454)
    );
    assert!(server.lines().iter().all(|line| !line.starts_with("AUTH")));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_taken() {
    for (doors, security) in [
        (Doors::Implicit, Security::Implicit),
        (Doors::StartTls, Security::StartTls),
    ] {
        let server = MailServer::start(doors).await;
        let unknown = SmtpSettings {
            ca_pem: None,
            ..secured(&server, security)
        };

        let email = sent(&server, unknown).await;

        assert_eq!(email.last_error, "tls");
        assert!(server.lines().iter().all(|line| !line.starts_with("AUTH")));
    }
}

#[tokio::test]
async fn a_login_that_is_not_taken_costs_nobody_their_mail() {
    let server = MailServer::start(Doors::Implicit).await;
    server.behave(Manner::Says("AUTH", "535 5.7.8 wrong"));

    let email = sent(&server, secured(&server, Security::Implicit)).await;

    assert_eq!(email.state(), pb::EmailState::Pending);
    assert_eq!(
        (email.last_error.as_str(), email.last_status),
        ("reply", 535)
    );
}
