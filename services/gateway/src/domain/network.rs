//! Networks that a credential may be used from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A network in CIDR notation, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkFault {
    /// It is neither an address nor CIDR notation.
    #[error("must be an address or a network such as 203.0.113.0/24")]
    Form,
    /// It names an address inside the network: which of the two is meant would be a guess.
    #[error("has bits set beyond its prefix")]
    HostBits,
}

impl Network {
    /// Whether the address lies in it; an IPv4 address is the same in IPv6 clothes.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let net: IpNet = text.parse().map_err(|_malformed| NetworkFault::Form)?;
        if net.trunc() != net {
            return Err(NetworkFault::HostBits);
        }
        Ok(Self(net))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_lies_in_its_network_in_either_clothes() {
        let network: Network = "203.0.113.0/24".parse().unwrap();

        assert!(network.contains("203.0.113.7".parse().unwrap()));
        assert!(network.contains("::ffff:203.0.113.7".parse().unwrap()));
        assert!(!network.contains("203.0.114.7".parse().unwrap()));
        assert!(!network.contains("::1".parse().unwrap()));
        let one: Network = "2001:db8::1".parse().unwrap();
        assert!(one.contains("2001:db8::1".parse().unwrap()));
        assert_eq!(one.to_string(), "2001:db8::1/128");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "203.0.113",
            "203.0.113.0/33",
            "203.0.113.0/ 24",
            "host/24",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NetworkFault::Form), "{text}");
        }
        assert_eq!(
            "203.0.113.7/24".parse::<Network>(),
            Err(NetworkFault::HostBits)
        );
    }
}
