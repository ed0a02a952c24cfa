//! The gateway as a process, with its telemetry.

use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tradepost_testkit::{Process, TestDatabase, Trust, free_port};

use crate::fake::Fake;
use crate::identity::shop::{Gate, OPERATOR, PASSWORD, make_operator};
use crate::stage::{ISSUER, MASTER_KEY, SOON, migrated};

/// A gateway that serves; its REST port.
async fn started(url: &str, database: &TestDatabase, trust: &Trust) -> (Process, String) {
    let local = |port: u16| format!("127.0.0.1:{port}");
    let config = database.config();
    let key = trust.key_path("gateway");
    let (listen, admin) = (local(free_port()), local(free_port()));
    let mut process = ["ORDER", "INVENTORY", "PAYMENT", "SHIPPING"]
        .into_iter()
        .fold(
            Process::builder(env!("CARGO_BIN_EXE_gateway")),
            |builder, name| builder.env(format!("TRADEPOST_GATEWAY__UPSTREAMS__{name}_URL"), url),
        )
        .env("TRADEPOST_GATEWAY__SERVER__LISTEN_ADDR", &listen)
        .env("TRADEPOST_GATEWAY__SERVER__ADMIN_ADDR", &admin)
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
        .spawn();
    process.ready(admin.parse().unwrap(), SOON).await;
    (process, listen)
}

#[tokio::test]
async fn it_ends_at_the_signal() {
    let (_fake, url) = Fake::serve().await;
    let database = migrated().await;
    let trust = Trust::new();
    let (mut process, _) = started(&url, &database, &trust).await;

    process.terminate();
    let status = process.wait(SOON).await;

    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_trace_goes_through_to_the_services_and_back() {
    let (fake, url) = Fake::serve().await;
    let database = migrated().await;
    let trust = Trust::new();
    let (_process, listen) = started(&url, &database, &trust).await;
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    make_operator(&database.config()).await;
    let gate = Gate::at(listen.parse().unwrap());
    let operator = gate.login(OPERATOR).await.access;
    let body = serde_json::json!({"name": "A", "owner_email": "a@example.com",
        "owner_password": PASSWORD});
    assert_eq!(gate.post("/v1/tenants", &operator, body).await.status, 201);
    let token = gate.login("a@example.com").await.access;
    let request = format!(
        "GET /v1/orders/o HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\
         traceparent: 00-{trace_id}-b7ad6b7169203331-01\r\n\r\n"
    );

    let mut stream = TcpStream::connect(listen).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(
        answer.contains(&format!("x-request-id: {trace_id}\r\n")),
        "{answer}"
    );
    assert!(
        answer.contains(&format!("traceresponse: 00-{trace_id}-")),
        "{answer}"
    );
    let metadata = fake.metadata();
    let traceparent = metadata.get("traceparent").unwrap().to_str().unwrap();
    assert!(
        traceparent.starts_with(&format!("00-{trace_id}-")),
        "{traceparent}"
    );
    assert!(!traceparent.contains("b7ad6b7169203331"), "{traceparent}");
}
