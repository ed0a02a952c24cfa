//! Ports nobody listens on.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rand::Rng;

/// Below the ports that the kernel gives to connections on their way out, and below those that
/// `scripts/stack` takes, which knows nothing of our locks.
const RANGE: std::ops::Range<u16> = 10_000..20_000;
const TRIES_MAX: u32 = 1_000;

/// Locks on the ports that this process was given: other tests leave them alone until it ends.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 on which nobody listens. No other test of this machine gets it while this
/// process lives, and no connection is given it by chance.
///
/// # Panics
/// If none is found.
#[must_use]
pub fn free_port() -> u16 {
    let dir = std::env::temp_dir().join("tradepost-ports");
    for _ in 0..TRIES_MAX {
        let port = rand::rng().random_range(RANGE);
        if take(&dir, port).unwrap_or(false) {
            return port;
        }
    }
    panic!("no free port: see {}", dir.display());
}

fn take(dir: &Path, port: u16) -> io::Result<bool> {
    fs::create_dir_all(dir)?;
    let lock = File::create(dir.join(port.to_string()))?;
    let is_ours = lock.try_lock().is_ok();
    if !is_ours || TcpListener::bind(("127.0.0.1", port)).is_err() {
        return Ok(false);
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    taken.push(lock);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_port_is_given_once() {
        let ports: BTreeSet<u16> = (0..200).map(|_| free_port()).collect();

        assert_eq!(ports.len(), 200);
        let dir = std::env::temp_dir().join("tradepost-ports");
        for port in ports {
            let again = File::create(dir.join(port.to_string())).unwrap();
            assert!(again.try_lock().is_err(), "{port} is ours");
        }
    }
}
