//! Clients that come one by one while others storm: how long each waits for its upgrade. They have a
//! thread of their own, so that they do not wait for the storm's.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::link::request;
use crate::samples::Samples;

/// How far apart they come.
const EVERY: Duration = Duration::from_millis(10);
/// How long one waits.
const WAIT_MAX: Duration = Duration::from_secs(10);
const ACCEPTED: &[u8] = b"HTTP/1.1 101 ";

/// They come until they are told to stop.
pub(super) struct Probes {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Probed>,
}

/// What they met.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// From connecting to the upgrade.
    pub(super) accepted: Samples,
    pub(super) refused: u64,
}

impl Probes {
    pub(super) fn start(node: SocketAddr, bearer: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut probed = Probed::default();
            while !stopped.load(Ordering::Relaxed) {
                let begun = Instant::now();
                match probe(node, &bearer) {
                    Ok(true) => probed.accepted.push(begun.elapsed()),
                    Ok(false) | Err(_) => probed.refused += 1,
                }
                sleep(EVERY);
            }
            probed
        });
        Self { stop, thread }
    }

    pub(super) fn finish(self) -> Probed {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Whether it was let in.
fn probe(node: SocketAddr, bearer: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&node, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.write_all(request(node, bearer).as_bytes())?;
    let mut head = [0; ACCEPTED.len()];
    stream.read_exact(&mut head)?;
    Ok(head == ACCEPTED)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_is_let_in_is_measured_and_who_is_not_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let answers: [&[u8]; 2] = [
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        ];

        let probes = Probes::start(addr, "Bearer x".to_owned());
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answer).unwrap();
            // Until it has gone, so that it has read the answer.
            let mut rest = Vec::new();
            let _reset = stream.read_to_end(&mut rest);
            assert!(rest.starts_with(b"GET / HTTP/1.1\r\n"));
        }
        drop(listener);
        let probed = probes.finish();

        assert_eq!(probed.accepted.len(), 1);
        assert!(probed.refused >= 1);
    }
}
