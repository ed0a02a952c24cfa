//! One connection through the proxy.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Fault, Signals};

/// Chunks under way in one direction; more wait in the sockets, as in a real network.
const IN_FLIGHT_MAX: usize = 256;
const CHUNK_BYTES: usize = 16 * 1024;

/// Carries bytes until one side closes or the connection is cut.
pub(super) async fn run(mut client: TcpStream, upstream: SocketAddr, signals: Signals) {
    let mut cut = signals.clone();
    cut.cuts.mark_unchanged();
    let end = tokio::select! {
        biased;
        () = must_reset(&mut cut) => Pumped::Cut,
        end = carry(&mut client, upstream, signals) => end,
    };
    if end == Pumped::Cut {
        // Else the close would look like an orderly end to the client.
        let _ = client.set_zero_linger();
    }
}

/// Ends when this connection is to be reset by command.
async fn must_reset(signals: &mut Signals) {
    loop {
        if signals.fault() == Fault::Reset {
            return;
        }
        tokio::select! {
            _ = signals.cuts.changed() => return,
            changed = signals.fault.changed() => if changed.is_err() { return },
        }
    }
}

async fn carry(client: &mut TcpStream, upstream: SocketAddr, signals: Signals) -> Pumped {
    passable(&mut signals.clone()).await;
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return Pumped::Cut;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let up = async {
        match pump(
            from_client,
            to_server,
            signals.clone(),
            Some(Trigger::default()),
        )
        .await
        {
            // A client that half-closes still gets its answer: the other direction decides.
            Pumped::End => std::future::pending().await,
            Pumped::Cut => Pumped::Cut,
        }
    };
    // The end of the server's bytes is the end of the connection: the protocols that we carry do
    // not half-close from that side.
    tokio::select! {
        end = up => end,
        end = pump(from_server, to_client, signals.clone(), None) => end,
    }
}

/// Why one direction carries no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pumped {
    End,
    Cut,
}

/// Reads and writes one direction; the queue between them lets bytes be late without slowing the
/// flow.
async fn pump(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    signals: Signals,
    trigger: Option<Trigger>,
) -> Pumped {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT_MAX);
    let (_, pumped) = tokio::join!(read(from, sender), write(to, receiver, signals, trigger));
    pumped
}

type Chunk = (Instant, Vec<u8>);

async fn read(mut from: ReadHalf<'_>, queue: mpsc::Sender<Chunk>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let chunk = tokio::select! {
            () = queue.closed() => return,
            count = from.read(&mut buffer) => match count {
                Ok(count) if count > 0 => buffer.get(..count).unwrap_or_default().to_vec(),
                _ => return,
            },
        };
        if queue.send((Instant::now(), chunk)).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut to: WriteHalf<'_>,
    mut queue: mpsc::Receiver<Chunk>,
    mut signals: Signals,
    mut trigger: Option<Trigger>,
) -> Pumped {
    while let Some((arrived, chunk)) = queue.recv().await {
        let delay = passable(&mut signals).await;
        tokio::time::sleep_until(arrived + delay).await;
        if to.write_all(&chunk).await.is_err() {
            return Pumped::End;
        }
        if let Some(trigger) = &mut trigger
            && trigger.fires(&signals.fault(), &chunk)
        {
            // The server must read what was sent, so its side ends in order.
            let _ = to.shutdown().await;
            return Pumped::Cut;
        }
    }
    let _ = to.shutdown().await;
    Pumped::End
}

/// Waits while nothing passes, and says how late bytes are to be.
async fn passable(signals: &mut Signals) -> Duration {
    loop {
        match signals.fault() {
            Fault::Blackhole => {
                if signals.fault.changed().await.is_err() {
                    return Duration::ZERO;
                }
            }
            Fault::Latency(delay) => return delay,
            Fault::None
            | Fault::Refuse
            | Fault::CutAfterBytes(_)
            | Fault::CutAfterRequest(_)
            | Fault::Reset => return Duration::ZERO,
        }
    }
}

/// Watches the client's bytes for the moment to cut.
#[derive(Debug, Default)]
struct Trigger {
    carried: usize,
    /// The end of the bytes so far, since a pattern may be torn between two chunks.
    tail: Vec<u8>,
}

impl Trigger {
    fn fires(&mut self, fault: &Fault, chunk: &[u8]) -> bool {
        self.carried += chunk.len();
        self.tail.extend_from_slice(chunk);
        match fault {
            Fault::CutAfterBytes(limit) => self.carried >= *limit,
            Fault::CutAfterRequest(pattern) => {
                let found = self
                    .tail
                    .windows(pattern.len().max(1))
                    .any(|part| part == *pattern);
                let keep = self.tail.len().saturating_sub(pattern.len());
                self.tail.drain(..keep);
                found
            }
            Fault::None | Fault::Latency(_) | Fault::Blackhole | Fault::Refuse | Fault::Reset => {
                self.tail.clear();
                false
            }
        }
    }
}
