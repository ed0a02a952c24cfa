//! Whatever is shown, well or badly, no log line has it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tradepost_proto::gateway::v1::admit_request::Credentials;

use super::door::{Door, bearer, ticket};
use crate::echo::{PATH, closed, echo, open};

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

/// All that is ours, and what the database is asked.
#[tokio::test]
async fn no_token_and_no_ticket_is_ever_logged() {
    let log = Log::default();
    let levels = [
        "tradepost_gateway",
        "tradepost_service",
        "tradepost_token",
        "sqlx",
    ];
    let levels = levels.map(|target| format!("{target}=trace")).join(",");
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("info,{levels}")))
        .with_writer(log.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);

    let secrets = shown().await;

    drop(logging);
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(
        logged.contains("connection_tickets"),
        "what is asked is in the log"
    );
    for secret in secrets {
        assert!(!logged.contains(&secret), "{secret} was logged");
    }
}

/// Shows credentials in every place, well and badly, and tells what would give them away.
async fn shown() -> Vec<String> {
    let (_seen, url) = echo().await;
    let door = Door::with(|config| {
        config.upstreams.notification_live_url = Some(url.parse().unwrap());
    })
    .await;
    let token = door.token().await;
    let (_, key) = door.key(&token, "orders:read").await;
    let used = door.ticket(&token).await;
    door.admit(bearer(&token)).await.unwrap();
    door.admit(Credentials::ApiKey(key.clone())).await.unwrap();
    door.admit(ticket(&used)).await.unwrap();
    door.refused(ticket(&used)).await;
    door.refused(bearer("canary-no-token")).await;
    let opened = door.ticket(&token).await;
    let protocols = format!("ticket, {opened}");
    let shown = [("sec-websocket-protocol", protocols.as_str())];
    let (mut socket, _) = open(door.shop.gate.addr(), PATH, &shown).await.unwrap();
    let fresh = door.token().await;
    for (shown, is_good) in [(fresh.as_str(), true), ("canary-no-refresh", false)] {
        let refresh = json!({"t": "refresh", "token": shown}).to_string();
        socket.send(Message::text(refresh)).await.unwrap();
        if is_good {
            let answer = socket.next().await.unwrap().unwrap();
            assert!(answer.to_text().unwrap().contains("refreshed"), "{answer}");
        }
    }
    assert_eq!(closed(&mut socket).await.0, 4401);
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    vec![
        signature(&token),
        signature(&fresh),
        key[35..78].to_owned(),
        used.trim_start_matches("tpt_").to_owned(),
        opened.trim_start_matches("tpt_").to_owned(),
        "canary-no-token".to_owned(),
        "canary-no-refresh".to_owned(),
    ]
}
