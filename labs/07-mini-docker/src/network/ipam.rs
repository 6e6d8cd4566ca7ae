//! IPAM: which subnet a network gets, and which address an endpoint. Pure: what is taken is told.
//!
//! A subnet is chosen from a list of private ones (RFC 1918) that overlaps with nothing that there
//! is a way to; an address is the lowest one that is free. The first address of a subnet is the
//! bridge's: for the containers it is the gateway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ground::{Error, Result};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// The addresses of a network, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The network and its mask.
    pub subnet: IpNet,
    /// The bridge's address, the containers' way out.
    pub gateway: IpAddr,
    /// The part that addresses are given from; all of it if none.
    #[serde(default)]
    pub range: Option<IpNet>,
    /// Whether somebody chose the subnet. Only then may addresses be chosen, too: ours may change.
    #[serde(default)]
    pub chosen: bool,
}

impl Pool {
    /// A subnet with the first address as its gateway.
    pub fn of(subnet: IpNet) -> Self {
        Self { subnet: subnet.trunc(), gateway: nth(subnet, 1), range: None, chosen: false }
    }

    /// The address that is asked for, if it can be had, or the lowest that is free.
    ///
    /// # Errors
    /// An address of another network, the network's own, or one that is taken; none left.
    pub fn allocate(&self, wanted: Option<IpAddr>, taken: &[IpAddr]) -> Result<IpAddr> {
        let range = self.range.unwrap_or(self.subnet);
        let is_free =
            |it: &IpAddr| *it != self.gateway && self.is_for_a_host(*it) && !taken.contains(it);
        match wanted {
            Some(address) if !self.subnet.contains(&address) => {
                Err(Error::new(format!("no configured subnet contains IP address {address}"))
                    .why(format!("the network is {}", self.subnet))
                    .fix("choose an address inside of it"))
            }
            Some(address) if !is_free(&address) => Err(Error::new("Address already in use")
                .why(format!("{address} belongs to another container, or to the network"))
                .fix("choose another address, or leave --ip out to get one")),
            Some(address) => Ok(address),
            None => candidates(range).find(is_free).ok_or_else(|| {
                Error::new("no available IPv4 addresses on this network's address pools")
                    .why(format!("all of {range} are taken"))
                    .fix("remove containers, or make a network with a larger --subnet")
            }),
        }
    }

    /// Whether it is neither the network's own address nor the one for everybody (IPv4).
    fn is_for_a_host(&self, address: IpAddr) -> bool {
        address != self.subnet.network()
            && (address.is_ipv6() || address != self.subnet.broadcast())
    }
}

/// How many addresses are looked at before a network counts as full.
const MOST: u128 = 1 << 17;

fn candidates(range: IpNet) -> impl Iterator<Item = IpAddr> {
    let bits = if range.addr().is_ipv4() { 32 } else { 128 };
    let count = 1u128.checked_shl(u32::from(bits - range.prefix_len())).unwrap_or(u128::MAX);
    (0..count.min(MOST)).map(move |offset| nth(range, offset))
}

/// The address that is `offset` after the subnet's first.
fn nth(subnet: IpNet, offset: u128) -> IpAddr {
    match subnet.network() {
        IpAddr::V4(first) => {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            Ipv4Addr::from(u32::from(first).saturating_add(offset)).into()
        }
        IpAddr::V6(first) => Ipv6Addr::from(u128::from(first).saturating_add(offset)).into(),
    }
}

/// The first of Docker's private subnets that overlaps with none of `taken`.
///
/// # Errors
/// When all are taken.
pub fn free_subnet(taken: &[IpNet]) -> Result<IpNet> {
    let sixteens = (17..32).map(|second| Ipv4Net::new_assert(Ipv4Addr::new(172, second, 0, 0), 16));
    let twenties = (0..16).map(|it| Ipv4Net::new_assert(Ipv4Addr::new(192, 168, it * 16, 0), 20));
    let tens = (0..=255).map(|it| Ipv4Net::new_assert(Ipv4Addr::new(10, 88, it, 0), 24));
    let mut all = sixteens.chain(twenties).chain(tens).map(IpNet::V4);
    all.find(|subnet| !taken.iter().any(|other| overlap(*subnet, *other))).ok_or_else(|| {
        Error::new("could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network")
            .why("this machine has a way to each of them already")
            .fix("choose one: --subnet 10.200.0.0/24, or remove networks: mini-docker network prune")
    })
}

/// A private IPv6 subnet (RFC 4193) made of the digits of an ID: nobody else has the same.
pub fn unique_local(id: &str) -> IpNet {
    let digits = u64::from_str_radix(id.get(..14).unwrap_or("0"), 16).unwrap_or_default();
    // fd, 40 bits of chance, and a subnet of 16 bits.
    let bits = (0xfd_u128 << 120) | (u128::from(digits) << 64);
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from(bits), 64))
}

/// Whether two networks have an address in common.
pub fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// The hardware address for an IPv4 address, as Docker makes it: the same address is always behind
/// the same hardware, so nobody's neighbour table goes stale. The second bit says "made up here".
pub fn mac(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

/// The hardware address of an interface without IPv4, from its ID.
pub fn mac_of(id: &str) -> [u8; 6] {
    let byte = |at: usize| id.get(at..at + 2).and_then(|it| u8::from_str_radix(it, 16).ok());
    let byte = |at| byte(at).unwrap_or_default();
    [0x02, 0x42, byte(0), byte(2), byte(4), byte(6)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(subnet: &str) -> Pool {
        Pool::of(subnet.parse().unwrap())
    }

    #[track_caller]
    fn check(pool: Pool, wanted: Option<&str>, taken: &[&str], expected: Result<&str, &str>) {
        let taken: Vec<IpAddr> = taken.iter().map(|it| it.parse().unwrap()).collect();
        let got = pool.allocate(wanted.map(|it| it.parse().unwrap()), &taken);
        let got = got.map(|it| it.to_string()).map_err(|error| error.what);
        assert_eq!(got.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn the_lowest_free_address_is_given() {
        check(pool("172.17.0.0/16"), None, &[], Ok("172.17.0.2"));
        check(pool("172.17.0.0/16"), None, &["172.17.0.2", "172.17.0.4"], Ok("172.17.0.3"));
        check(pool("fd00:1::/64"), None, &["fd00:1::2"], Ok("fd00:1::3"));
    }

    #[test]
    fn a_range_narrows_what_is_given_and_not_what_may_be_asked_for() {
        let range = Some("10.0.0.128/25".parse().unwrap());
        check(Pool { range, ..pool("10.0.0.0/24") }, None, &[], Ok("10.0.0.128"));
        check(Pool { range, ..pool("10.0.0.0/24") }, Some("10.0.0.9"), &[], Ok("10.0.0.9"));
    }

    #[test]
    fn a_full_network_and_foreign_addresses_are_refused() {
        let full = "no available IPv4 addresses on this network's address pools";
        check(pool("10.0.0.0/30"), None, &["10.0.0.2"], Err(full));
        let foreign = "no configured subnet contains IP address 10.0.1.2";
        check(pool("10.0.0.0/24"), Some("10.0.1.2"), &[], Err(foreign));
        for taken in ["10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.0.7"] {
            let pool = pool("10.0.0.0/24");
            check(pool, Some(taken), &["10.0.0.7"], Err("Address already in use"));
        }
    }

    #[test]
    fn a_new_subnet_overlaps_with_nothing() {
        let free = |taken: &[&str]| {
            let taken: Vec<_> = taken.iter().map(|it| it.parse().unwrap()).collect();
            free_subnet(&taken).map(|it| it.to_string()).ok()
        };
        assert_eq!(free(&[]).unwrap(), "172.17.0.0/16");
        assert_eq!(free(&["172.17.5.0/24", "172.18.0.0/15"]).unwrap(), "172.20.0.0/16");
        assert_eq!(free(&["172.16.0.0/12"]).unwrap(), "192.168.0.0/20");
        assert_eq!(free(&["0.0.0.0/0"]), None);
    }

    #[test]
    fn addresses_are_made_up_in_the_private_ranges() {
        assert_eq!(unique_local("0123456789abcdef").to_string(), "fd01:2345:6789:abcd::/64");
        assert_eq!(mac(Ipv4Addr::new(172, 17, 0, 2)), [2, 0x42, 172, 17, 0, 2]);
    }
}
