//! E-mail: its calls, and what follows the history and sends.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::sync::Notify;
use tradepost_postgres::Database;
use tradepost_proto::notification::v1::email_service_server::EmailServiceServer;
use tradepost_service::{GrpcServer, Runtime};

use crate::adapters::grpc::email::{EMAIL_RULES, EmailApi};
use crate::adapters::postgres::PgEmails;
use crate::adapters::smtp::{Security, SmtpMailer, SmtpSettings};
use crate::application::channels::{Deliver, FollowHistory, Pace, PruneDeliveries};
use crate::application::email::{SendEmails, WatchEmails};
use crate::config::{EmailConfig, EmailTls};
use crate::domain::email::{EmailAddress, Schedule};
use crate::metrics::EmailMetrics;

const MINUTE: Duration = Duration::from_secs(60);

/// Adds the calls, and starts the workers if there is a mail server.
///
/// # Errors
/// Fails if what is said of the mail server does not go together.
pub(super) fn serve(
    server: GrpcServer,
    config: Option<&EmailConfig>,
    database: Database,
    runtime: &Runtime,
) -> anyhow::Result<GrpcServer> {
    let late_hours_max = config.map_or(0, |config| config.late_hours_max);
    let store = Arc::new(PgEmails::new(database, late_hours_max));
    let api = EmailApi::new(store.clone());
    match config {
        Some(config) => start(&store, config, runtime)?,
        None => tracing::info!(
            event = "notification.no_mail_server",
            "there is no email.host: nothing is mailed"
        ),
    }
    Ok(server.service(EmailServiceServer::new(api), &EMAIL_RULES))
}

fn start(store: &Arc<PgEmails>, config: &EmailConfig, runtime: &Runtime) -> anyhow::Result<()> {
    let metrics = EmailMetrics::register(&runtime.registry);
    let mailer = Arc::new(SmtpMailer::new(settings(config)?)?);
    let look = Duration::from_millis(config.look_ms);
    let (tasks, shutdown) = (&runtime.tasks, &runtime.shutdown);
    let due = Arc::new(Notify::new());

    let pace = (look, config.follow_batch_max);
    let follow = FollowHistory::new(store.clone(), metrics.made(), pace, due.clone());
    tasks.spawn("email-follower", follow.run(shutdown.clone()));

    let waits = config.retry_minutes.iter().map(|minutes| MINUTE * *minutes);
    let courier = SendEmails::new(mailer, metrics.clone(), Schedule(waits.collect()));
    let pace = Pace {
        look,
        in_flight_max: config.in_flight_max,
        each_in_flight_max: config.tenant_in_flight_max,
        timeout: Duration::from_millis(config.timeout_ms),
    };
    let deliver = Deliver::new(store.clone(), Arc::new(courier), pace, due);
    tasks.spawn("email-sender", deliver.run(tasks.clone(), shutdown.clone()));

    let prune = PruneDeliveries::new(store.clone(), config.kept_days);
    tasks.spawn("email-upkeep", prune.run(shutdown.clone()));
    let watch = WatchEmails::new(store.clone(), metrics);
    tasks.spawn("email-watch", watch.run(shutdown.clone()));
    Ok(())
}

fn settings(config: &EmailConfig) -> anyhow::Result<SmtpSettings> {
    let (security, port) = match config.tls {
        EmailTls::Implicit => (Security::Implicit, 465),
        EmailTls::Starttls => (Security::StartTls, 587),
        EmailTls::None => (Security::Plain, 25),
    };
    ensure!(
        security != Security::Plain || config.allow_plaintext,
        "email.tls is none: others could read what is sent; email.allow_plaintext is for tests and a laptop"
    );
    let login = match (&config.user, &config.secret) {
        (Some(user), Some(secret)) => Some((user.clone(), secret.clone())),
        (None, None) => None,
        (_, _) => bail!("email.user and email.secret go together"),
    };
    let ca_pem = config.ca_path.as_ref().map(|path| {
        std::fs::read(path).with_context(|| format!("email.ca_path: {}", path.display()))
    });
    Ok(SmtpSettings {
        host: config.host.clone(),
        port: config.port.unwrap_or(port),
        security,
        login,
        from: EmailAddress::parse(&config.from_address).context("email.from_address")?,
        from_name: config.from_name.clone(),
        unsubscribe_url: config.unsubscribe_url.clone(),
        ca_pem: ca_pem.transpose()?,
        timeout: Duration::from_millis(config.timeout_ms),
        idle_max: config.in_flight_max,
    })
}
