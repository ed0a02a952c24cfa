//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics::{Counted, Metrics};

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// There are too many connections.
    Total,
    /// There are too many from this address.
    Address,
}

impl Full {
    /// For metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Address => "address",
        }
    }
}

/// Whom a connection counts for: one IPv6 subscriber has a whole /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Neighbour {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl From<IpAddr> for Neighbour {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// The places. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    total_max: usize,
    address_max: usize,
    taken: Arc<Mutex<Taken>>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<Neighbour, usize>,
}

impl Slots {
    pub(super) fn new(total_max: usize, address_max: usize, metrics: Metrics) -> Self {
        Self {
            total_max,
            address_max,
            taken: Arc::default(),
            metrics,
        }
    }

    /// A place for a connection from `address`; a proxy may have any number.
    pub(super) fn take(&self, address: IpAddr, is_proxy: bool) -> Result<Slot, Full> {
        let mut taken = self.lock();
        if taken.total >= self.total_max {
            return Err(Full::Total);
        }
        let neighbour = (!is_proxy).then(|| Neighbour::from(address));
        if let Some(neighbour) = neighbour {
            let count = taken.by_address.entry(neighbour).or_default();
            if *count >= self.address_max {
                return Err(Full::Address);
            }
            *count += 1;
        }
        taken.total += 1;
        drop(taken);
        Ok(Slot {
            neighbour,
            _open: self.metrics.connected(),
            slots: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Slot {
    neighbour: Option<Neighbour>,
    slots: Slots,
    _open: Counted,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.total -= 1;
        let Some(neighbour) = self.neighbour else {
            return;
        };
        if let Entry::Occupied(mut count) = taken.by_address.entry(neighbour) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tradepost_telemetry::Registry;

    use super::*;

    fn slots(total: usize, address: usize) -> Slots {
        Slots::new(total, address, Metrics::register(&Registry::new("gateway")))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_given_back_and_leaves_nothing_behind() {
        let slots = slots(2, 2);
        let (a, b) = (ip("1.1.1.1"), ip("2.2.2.2"));
        let first = slots.take(a, false).unwrap();
        let second = slots.take(b, false).unwrap();

        assert_eq!(slots.take(b, false).unwrap_err(), Full::Total);
        drop(first);
        assert!(slots.take(b, false).is_ok());

        drop(second);
        assert_eq!(slots.lock().total, 0);
        assert!(slots.lock().by_address.is_empty());
    }

    #[test]
    fn a_whole_network_of_ipv6_is_one_address() {
        let slots = slots(10, 1);
        let _first = slots.take(ip("2001:db8:0:1::1"), false).unwrap();

        assert_eq!(
            slots.take(ip("2001:db8:0:1:ffff::2"), false).unwrap_err(),
            Full::Address
        );
        assert!(slots.take(ip("2001:db8:0:2::1"), false).is_ok());
    }

    #[test]
    fn a_proxy_speaks_for_many() {
        let slots = slots(10, 1);
        let _first = slots.take(ip("10.0.0.1"), true).unwrap();
        let _second = slots.take(ip("10.0.0.1"), true).unwrap();

        assert!(slots.take(ip("10.0.0.1"), false).is_ok());
    }
}
