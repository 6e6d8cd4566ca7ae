//! Network: whether a registry's name means this machine, or an address of a network.

use std::{
    net::{IpAddr, ToSocketAddrs},
    str::FromStr,
};

/// A network as `10.0.0.0/8` (RFC 4632).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').ok_or(())?;
        let address: IpAddr = address.parse().map_err(drop)?;
        let bits = bits.parse().map_err(drop)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if bits <= most { Ok(Self { address, bits }) } else { Err(()) }
    }
}

impl Network {
    /// Whether the address belongs to it.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(its)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                ours.to_bits() & mask == its.to_bits() & mask
            }
            (IpAddr::V6(ours), IpAddr::V6(its)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                ours.to_bits() & mask == its.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// Whether `domain` is one of `names`: `host`, `host:port`, or a network that one of its addresses
/// belongs to.
pub(super) fn is_one_of(domain: &str, names: &[String]) -> bool {
    let host = without_port(domain);
    if names.iter().any(|name| name == domain || name == host) {
        return true;
    }
    let networks: Vec<Network> = names.iter().filter_map(|name| name.parse().ok()).collect();
    // Names are looked up only where it matters.
    !networks.is_empty()
        && addresses(host).iter().any(|its| networks.iter().any(|network| network.holds(*its)))
}

fn addresses(host: &str) -> Vec<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse() {
        Ok(address) => vec![address],
        Err(_) => (host, 0).to_socket_addrs().into_iter().flatten().map(|it| it.ip()).collect(),
    }
}

/// Whether the name means this very machine.
pub(super) fn is_loopback(domain: &str) -> bool {
    let host = without_port(domain).trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host of `host:port`.
pub(super) fn without_port(domain: &str) -> &str {
    match domain.rsplit_once(':') {
        // The colons of [::1] are not a port's.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => domain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_named_by_itself_or_by_its_network() {
        let names = ["lab.example:5000".to_owned(), "old.example".into(), "10.0.0.0/8".into()];
        assert!(is_one_of("lab.example:5000", &names));
        assert!(!is_one_of("lab.example:5001", &names));
        assert!(is_one_of("old.example:1", &names));
        assert!(is_one_of("10.200.0.1:5000", &names));
        assert!(!is_one_of("11.0.0.1", &names));
    }

    #[test]
    fn networks_may_be_whole_or_single() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().holds(address.parse().unwrap())
        };
        assert!(holds("0.0.0.0/0", "1.2.3.4"));
        assert!(holds("1.2.3.4/32", "1.2.3.4"));
        assert!(!holds("1.2.3.4/32", "1.2.3.5"));
        assert!(!holds("::/0", "1.2.3.4"));
        assert!("1.2.3.4/33".parse::<Network>().is_err());
        assert!("1.2.3.4".parse::<Network>().is_err());
    }
}
