//! A client, a webhook receiver and a log file that goes away.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tradepost_provider_sim::{Config, Running, Simulator, WebhookTarget};

pub(crate) const SECRET: &str = "whsec_test";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Sim {
    pub(crate) running: Running,
    pub(crate) client: Client,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) replayed: bool,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().expect("an object").to_owned()
    }

    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn error_type(&self) -> &str {
        self.body["error"]["type"].as_str().unwrap_or_default()
    }

    pub(crate) fn state(&self) -> &str {
        self.body["status"].as_str().unwrap_or_default()
    }
}

impl Sim {
    pub(crate) async fn start(config: Config) -> Self {
        let running = Simulator::start(config)
            .await
            .expect("the simulator starts");
        Self {
            running,
            client: client(),
        }
    }

    pub(crate) async fn plain() -> Self {
        Self::start(Config::default()).await
    }

    pub(crate) fn request_to_post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let url = format!("{}{path}", self.running.url());
        self.client.post(url).bearer_auth("sk_test_sim").form(form)
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        answer(
            self.request_to_post(path, form)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    }

    pub(crate) async fn post_keyed(
        &self,
        path: &str,
        key: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let request = self
            .request_to_post(path, form)
            .header("Idempotency-Key", key);
        Ok(answer(request.send().await?).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.running.url());
        let request = self.client.get(url).bearer_auth("sk_test_sim");
        answer(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn search(&self, payment: &str) -> Answer {
        let url = format!("{}/v1/payment_intents/search", self.running.url());
        let query = format!("metadata['payment_id']:'{payment}'");
        let url = url::Url::parse_with_params(&url, [("query", query.as_str())]).expect("a url");
        answer(
            self.client
                .get(url)
                .bearer_auth("sk_test_sim")
                .send()
                .await
                .expect("answer"),
        )
        .await
    }

    pub(crate) async fn admin(&self, method: reqwest::Method, path: &str, body: Value) -> Answer {
        let request = self
            .client
            .request(method, format!("{}{path}", self.running.url()));
        answer(request.json(&body).send().await.expect("an answer")).await
    }

    /// Authorises 1000 EUR cents for a payment.
    pub(crate) async fn authorise(&self, payment: &str, card: &str) -> Answer {
        self.post("/v1/payment_intents", &intent(payment, card))
            .await
    }

    pub(crate) async fn captured(&self, payment: &str, card: &str) -> String {
        let id = self.authorise(payment, card).await.id();
        let captured = self
            .post(&format!("/v1/payment_intents/{id}/capture"), &[])
            .await;
        assert_eq!(captured.status, 200, "{}", captured.body);
        id
    }
}

pub(crate) fn client() -> Client {
    // Fails when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().expect("a client")
}

pub(crate) fn intent<'a>(payment: &'a str, card: &'a str) -> [(&'a str, &'a str); 8] {
    [
        ("amount", "1000"),
        ("currency", "eur"),
        ("capture_method", "manual"),
        ("confirm", "true"),
        ("payment_method", card),
        ("metadata[payment_id]", payment),
        ("metadata[order_id]", "ord_1"),
        ("metadata[tenant_id]", "ten_1"),
    ]
}

pub(crate) async fn answer(response: Response) -> Answer {
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let (replayed, retry_after) = (
        header("idempotent-replayed").is_some(),
        header("retry-after"),
    );
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer {
        status,
        replayed,
        retry_after,
        body,
    }
}

/// A log file of its own, removed at the end.
pub(crate) struct LogFile(pub(crate) PathBuf);

impl LogFile {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("provider-sim-{}-{number}.jsonl", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            log: Some(self.0.clone()),
            ..Config::default()
        }
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// One received webhook.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) signature: String,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Received {
    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().expect("a type")
    }

    pub(crate) fn timestamp(&self) -> i64 {
        let t = self
            .signature
            .split(',')
            .find_map(|part| part.strip_prefix("t="));
        t.expect("a timestamp").parse().expect("seconds")
    }

    pub(crate) fn is_genuine(&self) -> bool {
        self.signature == tradepost_provider_sim::signature(SECRET, self.timestamp(), &self.text)
    }
}

/// Takes webhooks; refuses the first `refusals` with a 500.
pub(crate) struct Receiver {
    pub(crate) target: WebhookTarget,
    received: mpsc::UnboundedReceiver<Received>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn start(refusals: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!(
            "http://{}/hooks",
            listener.local_addr().expect("an address")
        );
        let (sender, received) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            let left = std::sync::Arc::new(AtomicU32::new(refusals));
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                connections.spawn(serve(stream, sender.clone(), left.clone()));
            }
        });
        let target = WebhookTarget {
            url,
            secret: SECRET.to_owned(),
        };
        Self {
            target,
            received,
            _tasks: tasks,
        }
    }

    pub(crate) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(PATIENCE, self.received.recv()).await;
        next.expect("a webhook arrives in time")
            .expect("the receiver runs")
    }

    pub(crate) fn arrived(&mut self) -> Option<Received> {
        self.received.try_recv().ok()
    }
}

/// Just enough HTTP/1.1 for one POST after the other.
async fn serve(
    mut stream: tokio::net::TcpStream,
    sender: mpsc::UnboundedSender<Received>,
    refusals: std::sync::Arc<AtomicU32>,
) {
    let mut buffer = Vec::new();
    loop {
        let head_end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let length: usize = header("content-length")
            .expect("a length")
            .parse()
            .expect("a number");
        while buffer.len() < head_end + length {
            if matches!(stream.read_buf(&mut buffer).await, Ok(0) | Err(_)) {
                return;
            }
        }
        let text = String::from_utf8(buffer[head_end..head_end + length].to_vec()).expect("text");
        buffer.drain(..head_end + length);
        let body = serde_json::from_str(&text).expect("JSON");
        let signature = header("stripe-signature").expect("a signature");
        let refuse = refusals
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        let _ = sender.send(Received {
            signature,
            text,
            body,
        });
        let status = if refuse {
            "500 Internal Server Error"
        } else {
            "200 OK"
        };
        let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}
