//! Ports as people see them: `0.0.0.0:8080->80/tcp`.

use std::{fmt, net::IpAddr};

use ground::Error as Report;

use super::{Error, Result};

/// A port of a container, and what of the host leads to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Its number inside.
    pub private: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The address of the host that leads there.
    pub ip: Option<IpAddr>,
    /// The port of the host that leads there.
    pub public: Option<u16>,
}

/// Docker's column: neighbours whose number is the same outside and inside stand as a range.
pub fn shown(ports: &[Port]) -> String {
    let mut ports = ports.to_vec();
    ports.sort();
    let mut ranges: Vec<(Port, u16)> = Vec::new();
    let mut leads = Vec::new();
    for port in ports {
        if let (Some(_), Some(public)) = (port.ip, port.public)
            && public != port.private
        {
            leads.push(format!("{}->{}/{}", Outside(&port), port.private, port.protocol));
            continue;
        }
        let before = ranges.iter_mut().find(|(first, last)| {
            (first.ip, &first.protocol) == (port.ip, &port.protocol)
                && (*last == port.private || last.checked_add(1) == Some(port.private))
        });
        match before {
            Some((_, last)) => *last = port.private,
            None => ranges.push((port.clone(), port.private)),
        }
    }
    let range = |(first, last): &(Port, u16)| {
        let numbers = match first.private == *last {
            true => last.to_string(),
            false => format!("{}-{last}", first.private),
        };
        match first.ip {
            Some(ip) => format!("{}:{numbers}->{numbers}/{}", Address(ip), first.protocol),
            None => format!("{numbers}/{}", first.protocol),
        }
    };
    ranges.iter().map(range).chain(leads).collect::<Vec<_>>().join(", ")
}

/// `0.0.0.0:8080`, `[::]:8080`
struct Outside<'a>(&'a Port);

impl fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ip) = self.0.ip {
            write!(f, "{}:", Address(ip))?;
        }
        write!(f, "{}", self.0.public.unwrap_or_default())
    }
}

struct Address(IpAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

/// `8080`, `8080/udp`, `8000-8080/tcp`: what the filters `publish` and `expose` take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    first: u16,
    last: u16,
    protocol: String,
}

impl Range {
    pub(super) fn parse(filter: &str, text: &str) -> Result<Self> {
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let number = |text: &str| {
            text.parse().map_err(|_| {
                Error::invalid(
                    Report::new(format!("Invalid filter '{filter}={text}'"))
                        .why("that is no port, which is a number up to 65535")
                        .fix(format!("as in --filter {filter}=8080, =8000-8080 or =53/udp")),
                )
            })
        };
        let protocol = protocol.to_lowercase();
        Ok(Self { first: number(first)?, last: number(last)?, protocol })
    }

    /// Whether a number of a port is in the range.
    pub(super) fn has(&self, number: u16, port: &Port) -> bool {
        (self.first..=self.last).contains(&number) && self.protocol == port.protocol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, public: u16, private: u16) -> Port {
        let ip = (!ip.is_empty()).then(|| ip.parse().unwrap());
        Port { private, protocol: "tcp".into(), ip, public: ip.map(|_| public) }
    }

    #[test]
    fn ports_stand_as_docker_writes_them() {
        let check = |ports: &[Port], expected| assert_eq!(shown(ports), expected);
        check(&[], "");
        check(&[port("", 0, 80)], "80/tcp");
        check(&[port("", 0, 81), port("", 0, 80), port("", 0, 443)], "80-81/tcp, 443/tcp");
        check(
            &[port("0.0.0.0", 8080, 80), port("::", 8080, 80)],
            "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
        );
        check(
            &[port("0.0.0.0", 80, 80), port("0.0.0.0", 81, 81), port("", 0, 90)],
            "0.0.0.0:80-81->80-81/tcp, 90/tcp",
        );
    }

    #[test]
    fn a_range_of_ports_is_a_filter() {
        let range = Range::parse("publish", "8000-8080/tcp").unwrap();
        let port = port("0.0.0.0", 8080, 80);
        assert!(range.has(8080, &port) && !range.has(80, &port));
        assert!(Range::parse("publish", "abc").is_err());
        assert!(Range::parse("publish", "70000").is_err());
    }
}
