//! Ports nobody listens on.

use std::net::TcpListener;

/// A port of 127.0.0.1 that was free a moment ago. Somebody else may take it: where the code under
/// test can take a bound listener, give it one instead.
///
/// # Panics
/// If the machine has no free port.
#[must_use]
pub fn free_port() -> u16 {
    let bound = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    match bound {
        Ok(address) => address.port(),
        Err(error) => panic!("no free port: {error}"),
    }
}
