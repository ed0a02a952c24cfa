//! What one address may have and do: connections, and how fast they come.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::AccessConfig;
use crate::live::limits::{Bucket, Places, Seat};

/// So many seconds' worth of connections may come at once.
const BURST_SECONDS: u32 = 2;
/// Addresses that are counted. Who finds no room among them is refused.
const ADDRESSES_MAX: usize = 200_000;

/// Why an address gets no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::live) enum Crowded {
    /// It has as many as it may have.
    Connections,
    /// They come too fast.
    Pace,
    /// Too many have shown no credentials yet.
    Waiting,
}

/// Counts by address.
pub(in crate::live) struct Addresses {
    table: Mutex<HashMap<IpAddr, Address>>,
    connections_max: u32,
    per_second: u32,
    waiting_max: u32,
    /// Those who wait, of all addresses.
    waiting: Places,
}

struct Address {
    open: u32,
    waiting: u32,
    pace: Bucket,
}

/// One connection's place; given back when dropped.
pub(in crate::live) struct Visit {
    addresses: Arc<Addresses>,
    block: IpAddr,
}

/// The place of one who has shown nothing yet; given back when dropped.
pub(in crate::live) struct Waiting {
    addresses: Arc<Addresses>,
    block: IpAddr,
    _seat: Seat,
}

impl Addresses {
    pub(super) fn new(config: &AccessConfig) -> Self {
        Self {
            table: Mutex::default(),
            connections_max: config.address_connections_max,
            per_second: config.address_connects_per_second,
            waiting_max: config.address_waiting_max,
            waiting: Places::new(config.waiting_max),
        }
    }

    /// A further connection.
    pub(in crate::live) fn visit(
        self: &Arc<Self>,
        address: IpAddr,
        now: Instant,
    ) -> Result<Visit, Crowded> {
        let block = block(address);
        let mut table = self.lock();
        if table.len() >= ADDRESSES_MAX && !table.contains_key(&block) {
            table.retain(|_, it| it.open > 0 || !it.pace.is_full(now));
            if table.len() >= ADDRESSES_MAX {
                return Err(Crowded::Connections);
            }
        }
        let it = table.entry(block).or_insert_with(|| Address {
            open: 0,
            waiting: 0,
            pace: Bucket::new(self.per_second, BURST_SECONDS, now),
        });
        if !it.pace.takes(now) {
            return Err(Crowded::Pace);
        }
        if it.open >= self.connections_max {
            return Err(Crowded::Connections);
        }
        it.open += 1;
        Ok(Visit {
            addresses: Arc::clone(self),
            block,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        // No step leaves half a count behind.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// It has shown nothing yet.
    pub(in crate::live) fn wait(&self) -> Result<Waiting, Crowded> {
        let seat = self.addresses.waiting.take().ok_or(Crowded::Waiting)?;
        let mut table = self.addresses.lock();
        let it = table.get_mut(&self.block).ok_or(Crowded::Waiting)?;
        if it.waiting >= self.addresses.waiting_max {
            return Err(Crowded::Waiting);
        }
        it.waiting += 1;
        Ok(Waiting {
            addresses: Arc::clone(&self.addresses),
            block: self.block,
            _seat: seat,
        })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(it) = self.addresses.lock().get_mut(&self.block) {
            it.open = it.open.saturating_sub(1);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(it) = self.addresses.lock().get_mut(&self.block) {
            it.waiting = it.waiting.saturating_sub(1);
        }
    }
}

/// What counts as one address: who has one IPv6 address has all of its network.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(config: AccessConfig) -> Arc<Addresses> {
        Arc::new(Addresses::new(&config))
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_mapped_one_is_that_of_ipv4() {
        let of = |text: &str| block(text.parse().unwrap());

        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::4"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn each_address_has_its_own_bounds() {
        let addresses = addresses(AccessConfig {
            address_connections_max: 2,
            address_waiting_max: 1,
            waiting_max: 2,
            ..AccessConfig::default()
        });
        let now = Instant::now();
        let visit = |text: &str| addresses.visit(text.parse().unwrap(), now);
        let (one, two) = (visit("192.0.2.1").unwrap(), visit("192.0.2.1").unwrap());

        assert_eq!(visit("192.0.2.1").err(), Some(Crowded::Connections));
        let waiting = one.wait().unwrap();
        assert_eq!(two.wait().err(), Some(Crowded::Waiting));
        let other = visit("192.0.2.2").unwrap();
        let _other_waits = other.wait().unwrap();
        let third = visit("192.0.2.3").unwrap();
        assert_eq!(third.wait().err(), Some(Crowded::Waiting), "of all");
        drop(waiting);
        assert!(third.wait().is_ok());
        drop(one);
        assert!(visit("192.0.2.1").is_ok());
    }

    #[test]
    fn an_address_that_comes_too_fast_is_told_so() {
        let addresses = addresses(AccessConfig {
            address_connects_per_second: 1,
            ..AccessConfig::default()
        });
        let now = Instant::now();
        let visit = |text: &str| addresses.visit(text.parse().unwrap(), now).err();

        assert_eq!([visit("192.0.2.1"), visit("192.0.2.1")], [None, None]);
        assert_eq!(visit("192.0.2.1"), Some(Crowded::Pace));
        assert_eq!(visit("192.0.2.2"), None);
    }
}
