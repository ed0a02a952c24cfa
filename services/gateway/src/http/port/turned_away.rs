//! Connections there is no place for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tradepost_service::Tasks;
use uuid::Uuid;

use super::slots::Full;
use crate::metrics::Metrics;

/// How many are told so at once; more are only closed.
const TOLD_AT_ONCE: usize = 64;
/// How long one may take to hear it.
const PATIENCE: Duration = Duration::from_secs(1);
const RETRY_AFTER_SECONDS: u64 = 1;

/// Tells them so, if that is cheap.
pub(super) struct TurnedAway {
    /// Whether an answer would need a handshake, which is not cheap.
    is_encrypted: bool,
    told: Arc<Semaphore>,
    metrics: Metrics,
}

impl TurnedAway {
    pub(super) fn new(is_encrypted: bool, metrics: Metrics) -> Self {
        Self {
            is_encrypted,
            told: Arc::new(Semaphore::new(TOLD_AT_ONCE)),
            metrics,
        }
    }

    pub(super) fn take(&self, tasks: &Tasks, stream: TcpStream, full: Full) {
        self.metrics.connection_refused(full.name());
        let Ok(place) = Arc::clone(&self.told).try_acquire_owned() else {
            return;
        };
        if self.is_encrypted {
            return;
        }
        tasks.detach(async move {
            let _ = timeout(PATIENCE, tell(stream)).await;
            drop(place);
        });
    }
}

/// The request is read to its end, or the answer would be lost with a reset connection.
async fn tell(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(answer().as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

fn answer() -> String {
    let trace_id = Uuid::now_v7().simple();
    let body = serde_json::json!({
        "type": "urn:tradepost:reason:OVERLOADED",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "too many connections are open; try again later",
        "instance": "/",
        "reason": "OVERLOADED",
        "trace_id": trace_id.to_string(),
        "retry_after_seconds": RETRY_AFTER_SECONDS,
    });
    let body = body.to_string();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\n\
         content-type: application/problem+json\r\n\
         content-length: {}\r\n\
         retry-after: {RETRY_AFTER_SECONDS}\r\n\
         cache-control: no-store\r\n\
         x-content-type-options: nosniff\r\n\
         x-request-id: {trace_id}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}
