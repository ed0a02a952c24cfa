//! What only a process shows: it dies, it writes a log, it takes commands.

use std::net::SocketAddr;

use secrecy::ExposeSecret;
use tradepost_postgres::DatabaseConfig;
use tradepost_testkit::{Process, ProcessBuilder, TestDatabase, Trust, free_port};

use super::shop::{Gate, PASSWORD, Session};
use crate::stage::{ISSUER, MASTER_KEY, SOON, migrated};

pub(crate) fn builder(database: &TestDatabase, trust: &Trust) -> ProcessBuilder {
    builder_over(&database.config(), trust)
}

/// A process that reaches its database by this configuration.
pub(crate) fn builder_over(config: &DatabaseConfig, trust: &Trust) -> ProcessBuilder {
    let key = trust.key_path("gateway");
    let nowhere = "http://127.0.0.1:1";
    ["ORDER", "INVENTORY", "PAYMENT", "SHIPPING"]
        .into_iter()
        .fold(
            Process::builder(env!("CARGO_BIN_EXE_gateway")),
            |builder, name| {
                builder.env(format!("TRADEPOST_GATEWAY__UPSTREAMS__{name}_URL"), nowhere)
            },
        )
        .env("TRADEPOST_GATEWAY__LIMITS__LINGER_MS", "0")
        .env(
            "TRADEPOST_GATEWAY__SERVER__AUTH__KEY_PATH",
            key.display().to_string(),
        )
        .env("TRADEPOST_GATEWAY__IDENTITY__ISSUER", ISSUER)
        .env("TRADEPOST_GATEWAY__IDENTITY__MASTER_KEY", MASTER_KEY)
        .env("TRADEPOST_GATEWAY__DATABASE__ACQUIRE_TIMEOUT_MS", "20000")
        .env(
            "TRADEPOST_GATEWAY__DATABASE__URL",
            config.url.expose_secret(),
        )
        .env(
            "TRADEPOST_GATEWAY__DATABASE__SYSTEM_URL",
            config.system_url.expose_secret(),
        )
}

pub(crate) async fn served(builder: ProcessBuilder) -> (Process, Gate) {
    let (process, gate, _admin) = served_with_admin(builder).await;
    (process, gate)
}

/// As [`served`], with the admin port.
pub(crate) async fn served_with_admin(builder: ProcessBuilder) -> (Process, Gate, Gate) {
    let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let (listen, admin) = (local(free_port()), local(free_port()));
    let mut process = builder
        .env("TRADEPOST_GATEWAY__SERVER__LISTEN_ADDR", listen.to_string())
        .env("TRADEPOST_GATEWAY__SERVER__ADMIN_ADDR", admin.to_string())
        .spawn();
    process.ready(admin, SOON).await;
    (process, Gate::at(listen), Gate::at(admin))
}

/// Makes an operator by command; the password that is shown once.
pub(super) async fn operator(database: &TestDatabase, trust: &Trust, email: &str) -> String {
    let command = builder(database, trust)
        .arg("admin")
        .arg("create-operator")
        .arg("--email")
        .arg(email);
    let mut command = command.spawn();
    let status = command.wait(SOON).await;
    let said = command.log();
    assert!(status.success(), "{said}");
    let shown = said
        .lines()
        .find_map(|line| line.split_once("shown this once: "));
    shown.unwrap().1.trim().to_owned()
}

#[tokio::test]
async fn the_first_operator_is_made_by_command_and_a_killed_refresh_is_answered_later() {
    let (database, trust) = (migrated().await, Trust::new());
    let password = operator(&database, &trust, "root@example.com").await;
    let (_alive, gate) = served(builder(&database, &trust)).await;
    let session = Session::of(&gate.try_login("root@example.com", &password).await);
    let mortal = builder(&database, &trust)
        .env(
            "TRADEPOST_GATEWAY__SERVER__CRASH__POINT",
            "gateway.after_refresh",
        )
        .env("TRADEPOST_GATEWAY__SERVER__CRASH__HIT", "1");
    let (mut killed, doomed) = served(mortal).await;
    let body = serde_json::json!({"refresh_token": session.refresh});

    let lost = doomed
        .try_ask(axum::http::Method::POST, "/v1/auth/refresh", "", Some(body))
        .await;
    killed.wait(SOON).await;
    let again = Session::of(&gate.refresh(&session.refresh).await);
    let same = Session::of(&gate.refresh(&session.refresh).await);

    assert!(lost.is_err(), "the process died between commit and answer");
    assert_eq!(again.refresh, same.refresh);
    let chain: (i64, i64) = sqlx::query_as(
        "select count(*), count(*) filter (where used_at is null) from refresh_tokens",
    )
    .fetch_one(&mut database.admin().await)
    .await
    .unwrap();
    assert_eq!(chain, (2, 1), "one family, one live successor");
    Session::of(&gate.refresh(&again.refresh).await);
}

#[tokio::test]
async fn no_secret_gets_into_the_log() {
    let (database, trust) = (migrated().await, Trust::new());
    let first = operator(&database, &trust, "root@example.com").await;
    let chatty =
        builder(&database, &trust).env("TRADEPOST_GATEWAY__SERVER__TELEMETRY__LOG_FILTER", "trace");
    let (mut process, gate) = served(chatty).await;
    let session = Session::of(&gate.try_login("root@example.com", &first).await);
    gate.try_login("root@example.com", PASSWORD).await;
    let next = Session::of(&gate.refresh(&session.refresh).await);
    gate.refresh(&session.refresh).await;
    gate.standing(&next.access).await.unwrap();
    let body = serde_json::json!({"name": "A", "owner_email": "a@example.com",
        "owner_password": PASSWORD});
    assert_eq!(
        gate.post("/v1/tenants", &next.access, body).await.status,
        201
    );

    process.terminate();
    process.wait(SOON).await;

    let log = process.log();
    assert!(log.contains("process.stopped"), "there is a log");
    let secrets = [
        first.as_str(),
        PASSWORD,
        MASTER_KEY,
        &session.refresh,
        &session.access,
        &next.refresh,
        &next.access,
        "$argon2id$",
        "PRIVATE KEY",
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}

#[tokio::test]
async fn keys_are_rotated_and_everything_is_revoked_by_command() {
    let (database, trust) = (migrated().await, Trust::new());
    let password = operator(&database, &trust, "root@example.com").await;
    let (_alive, gate) = served(builder(&database, &trust)).await;
    let session = Session::of(&gate.try_login("root@example.com", &password).await);

    for arguments in [&["rotate-keys"][..], &["revoke", "all"]] {
        let command = arguments
            .iter()
            .fold(builder(&database, &trust), |builder, argument| {
                builder.arg(*argument)
            });
        let mut command = command.spawn();
        let status = command.wait(SOON).await;
        assert!(status.success(), "{}", command.log());
    }

    tradepost_testkit::eventually("revoked", SOON, async || {
        gate.standing(&session.access).await.err()
    })
    .await;
    assert_eq!(gate.refresh(&session.refresh).await.status, 401);
    Session::of(&gate.try_login("root@example.com", &password).await);
}

/// Runs a command; what it said.
async fn command(database: &TestDatabase, trust: &Trust, arguments: &[&str]) -> (bool, String) {
    let builder = arguments
        .iter()
        .fold(builder(database, trust), |builder, argument| {
            builder.arg(*argument)
        });
    let mut command = builder.spawn();
    let status = command.wait(SOON).await;
    (status.success(), command.log())
}

#[tokio::test]
async fn a_user_is_shut_out_and_let_in_by_command() {
    let (database, trust) = (migrated().await, Trust::new());
    let password = operator(&database, &trust, "root@example.com").await;
    let (_alive, gate) = served(builder(&database, &trust)).await;
    let login = || gate.try_login("root@example.com", &password);
    let session = Session::of(&login().await);
    let user = session.user.as_str();

    let (done, said) = command(&database, &trust, &["user", "disable", user]).await;
    assert!(done, "{said}");

    tradepost_testkit::eventually("their token counts no more", SOON, async || {
        gate.standing(&session.access).await.err()
    })
    .await;
    assert_eq!(gate.refresh(&session.refresh).await.status, 401);
    assert_eq!(login().await.status, 401);
    let (done, said) = command(&database, &trust, &["user", "enable", user]).await;
    assert!(done, "{said}");
    Session::of(&login().await);
    let nobody = "user_01h455vb4pex5vsknk084sn02q";
    let (done, said) = command(&database, &trust, &["user", "disable", nobody]).await;
    assert!(!done && said.contains("there is no such user"), "{said}");
}
