//! What operators can do at the gateway's command line: begin, rotate keys, revoke, look after the
//! audit trail.

pub mod audit;

use std::io::{Read, Write};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use tradepost_backend::Provision;
use tradepost_postgres::Database;
use tradepost_telemetry::Registry;
use tradepost_token::SigningKey;
use tradepost_types::{ApiKeyId, SessionId, UserId};

use audit::AuditCommand;

use crate::adapters::postgres::PgCredentials;
use crate::application::{Identity, generate_password};
use crate::bootstrap::identity;
use crate::config::GatewayConfig;
use crate::domain::email::Email;
use crate::domain::password;
use crate::metrics::Metrics;
use crate::ports::credentials::ApiKeyStore;
use crate::ports::identity::{Author, NewOperator};

const SERVICE: &str = "gateway";
/// More than that is no password.
const PASSWORD_BYTES_MAX: u64 = 1_024;
/// More than that is no key of the kinds we take.
const KEY_BYTES_MAX: u64 = 8_192;

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// Make a platform operator: someone who makes tenants
    CreateOperator(CreateOperator),
    /// Publish the next key for access tokens; it signs once everybody can know it
    RotateKeys(RotateKeys),
    /// End sessions, and take their tokens no more within a second
    #[command(subcommand)]
    Revoke(Revoke),
    /// Shut a user or an operator out everywhere, or let them in again
    #[command(subcommand)]
    User(UserCommand),
    /// Export and verify the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Make the database and the three roles that the configuration names
    Provision(Provision),
}

/// Who is to be an operator.
#[derive(Debug, Args)]
pub struct CreateOperator {
    /// The address they log in by
    #[arg(long)]
    email: Email,
    /// Read the password from standard input instead of making one; it is no argument, because
    /// everyone sees the arguments of a process
    #[arg(long)]
    password_stdin: bool,
}

/// How keys are rotated.
#[derive(Debug, Args)]
pub struct RotateKeys {
    /// Take nothing any more that the present keys have signed: for a key that became known
    #[arg(long)]
    at_once: bool,
    /// Read the key from standard input (PKCS#8, PEM; Ed25519 or P-256) instead of making one
    #[arg(long, conflicts_with = "at_once")]
    key_stdin: bool,
}

/// What is revoked.
#[derive(Debug, Subcommand)]
pub enum Revoke {
    /// Every session there is
    All,
    /// Every session in a tenant
    Tenant {
        /// Its id
        id: tradepost_types::TenantId,
    },
    /// Every session of a user
    User {
        /// Their id
        id: UserId,
    },
    /// One session
    Session {
        /// Its id
        id: SessionId,
    },
    /// An API key, for good
    Key {
        /// Its id: `key_`, then what follows `tp_live_` in its text
        id: ApiKeyId,
    },
}

/// What becomes of a user.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// No login, no session and no token of theirs counts any more; their API keys go on
    Disable {
        /// Their id
        id: UserId,
    },
    /// They may log in again
    Enable {
        /// Their id
        id: UserId,
    },
}

/// Runs one command.
///
/// # Errors
/// Fails with a sentence for the operator.
pub async fn run(command: GatewayCommand, config: &GatewayConfig) -> anyhow::Result<()> {
    let command = match command {
        GatewayCommand::Provision(provision) => {
            return tradepost_backend::provision(&provision, SERVICE, &config.database).await;
        }
        GatewayCommand::Audit(command) => return audit::run(command, config).await,
        command @ (GatewayCommand::CreateOperator(_)
        | GatewayCommand::RotateKeys(_)
        | GatewayCommand::User(_)
        | GatewayCommand::Revoke(_)) => command,
    };
    let database = Database::connect_lazy(&config.database, SERVICE)?;
    let metrics = Metrics::register(&Registry::new(SERVICE));
    let identity = identity(
        &config.identity,
        &config.credentials,
        database.clone(),
        &metrics,
    )?;
    let done = match command {
        GatewayCommand::CreateOperator(command) => create_operator(command, &identity).await,
        GatewayCommand::RotateKeys(command) => rotate(&command, &identity).await,
        GatewayCommand::User(what) => change_user(&what, &identity).await,
        GatewayCommand::Revoke(what) => revoke(&what, &identity, &database).await,
        GatewayCommand::Provision(_) | GatewayCommand::Audit(_) => Ok(()),
    };
    database.close().await;
    done
}

async fn create_operator(command: CreateOperator, identity: &Identity) -> anyhow::Result<()> {
    let given = match command.password_stdin {
        true => Some(read_secret("password", PASSWORD_BYTES_MAX)?),
        false => None,
    };
    let password = match &given {
        Some(given) => given.clone(),
        None => generate_password()?,
    };
    password::check(password.expose_secret(), &command.email).context("the password")?;
    let new = NewOperator {
        user: UserId::new(),
        email: command.email,
        password_hash: identity.passwords.hash(&password).await?,
    };
    let users = Arc::clone(&identity.ports().users);
    users.add_operator(&new, &Author::process()).await?;
    say(&format!("operator {} is {}", new.email, new.user))?;
    if given.is_none() {
        let password = password.expose_secret();
        say(&format!("password, shown this once: {password}"))?;
    }
    Ok(())
}

/// Nothing else runs in this process that a blocked thread could hold up.
fn read_secret(what: &str, bytes_max: u64) -> anyhow::Result<SecretString> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(bytes_max)
        .read_to_string(&mut text)
        .with_context(|| format!("the {what} cannot be read from standard input"))?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

async fn rotate(command: &RotateKeys, identity: &Identity) -> anyhow::Result<()> {
    let kid = match (command.key_stdin, command.at_once) {
        (true, _) => {
            let pem = read_secret("key", KEY_BYTES_MAX)?;
            let key = SigningKey::from_pkcs8_pem(&pem).context("the key")?;
            identity.keys.adopt(&key).await?
        }
        (false, true) => identity.keys.replace_at_once().await?,
        (false, false) => identity.keys.rotate().await?,
    };
    say(&format!("the next key is {kid}"))
}

async fn revoke(what: &Revoke, identity: &Identity, database: &Database) -> anyhow::Result<()> {
    let (ports, author) = (identity.ports(), Author::process());
    match what {
        Revoke::All => {
            ports.sessions.revoke_everything(&author).await?;
        }
        Revoke::Tenant { id } => {
            ports.tenants.revoke(*id, &author).await?;
        }
        Revoke::User { id } => {
            if ports.users.revoke_user(*id, &author).await?.is_none() {
                bail!("there is no such user");
            }
        }
        Revoke::Session { id } => {
            let ended = ports
                .sessions
                .revoke_any(*id, "revoked by command", &author);
            if ended.await?.is_none() {
                bail!("there is no such session, or it has ended");
            }
        }
        Revoke::Key { id } => {
            let keys = PgCredentials::new(database.clone());
            let Some(stored) = keys.look_up(*id).await? else {
                bail!("there is no such API key");
            };
            keys.revoke(stored.key.tenant, *id, &author).await?;
        }
    }
    say("revoked")
}

async fn change_user(what: &UserCommand, identity: &Identity) -> anyhow::Result<()> {
    let (id, is_active) = match what {
        UserCommand::Disable { id } => (*id, false),
        UserCommand::Enable { id } => (*id, true),
    };
    let users = &identity.ports().users;
    if !users.set_active(id, is_active, &Author::process()).await? {
        bail!("there is no such user");
    }
    say(if is_active { "enabled" } else { "disabled" })
}

/// The answer to a command goes to standard output, where no log goes.
fn say(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}").context("the answer cannot be written")
}
