//! Makes the database and the roles that a service's own configuration names, so that nobody
//! writes the names and passwords down a second time.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use tradepost_postgres::DatabaseConfig;
use tradepost_postgres::provision::{self as roles, Passwords};
use url::Url;

/// How to make them. Idempotent: what is there is kept, passwords are set anew.
#[derive(Debug, Args)]
pub struct Provision {
    /// A file with the URL of a superuser (/dev/stdin works). The URL is no argument itself, because
    /// everyone sees the arguments of a process.
    #[arg(long, value_name = "FILE")]
    admin_url_file: PathBuf,
}

/// Makes the database and the roles of `service`.
///
/// # Errors
/// Fails with a sentence for the operator.
pub async fn provision(
    command: &Provision,
    service: &str,
    config: &DatabaseConfig,
) -> anyhow::Result<()> {
    let file = &command.admin_url_file;
    let admin_url = tokio::fs::read_to_string(file)
        .await
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let admin_url = SecretString::from(admin_url.trim().to_owned());
    let Some(owner_url) = &config.owner_url else {
        bail!("database.owner_url is not set: it names the role that owns the database");
    };
    let passwords = Passwords {
        owner: password("owner_url", owner_url, service, "owner")?,
        app: password("url", &config.url, service, "app")?,
        system: password("system_url", &config.system_url, service, "system")?,
    };
    roles::provision(&admin_url, service, &passwords)
        .await
        .context("the database and its roles cannot be made")?;
    tracing::info!(
        event = "backend.provisioned",
        database = service,
        "made or already there"
    );
    Ok(())
}

/// The password in a URL, after a look at whether the URL names what will be made.
fn password(
    key: &str,
    url: &SecretString,
    service: &str,
    suffix: &str,
) -> anyhow::Result<SecretString> {
    let Ok(url) = Url::parse(url.expose_secret()) else {
        bail!("database.{key} is not a URL");
    };
    let role = format!("{service}_{suffix}");
    ensure!(
        url.username() == role,
        "database.{key} has the user {:?}; it must be {role:?}",
        url.username()
    );
    ensure!(
        url.path() == format!("/{service}"),
        "database.{key} has the database {:?}; it must be {service:?}",
        url.path().trim_start_matches('/')
    );
    let Some(password) = url.password() else {
        bail!("database.{key} has no password");
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
    ensure!(
        password.chars().all(plain),
        "database.{key}: a password that is made here has letters, digits and -._~ only"
    );
    Ok(SecretString::from(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<String, String> {
        password("url", &SecretString::from(url), "order", "app")
            .map(|password| password.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_that_names_something_else_is_refused_without_its_password() {
        let faults = [
            ("postgres://order_owner:s3cret@db/order", "\"order_app\""),
            ("postgres://order_app:s3cret@db/orders", "\"order\""),
            ("postgres://order_app@db/order", "no password"),
            ("postgres://order_app:s3%20cret@db/order", "letters, digits"),
            ("order_app", "not a URL"),
        ];
        for (url, says) in faults {
            let fault = check(url).unwrap_err();

            assert!(fault.contains(says), "{fault}");
            assert!(!fault.contains("s3"), "{fault}");
        }
    }

    #[test]
    fn the_password_comes_from_the_url() {
        let url = "postgres://order_app:s3-cret_~.@db:5432/order";

        assert_eq!(check(url).as_deref(), Ok("s3-cret_~."));
    }
}
