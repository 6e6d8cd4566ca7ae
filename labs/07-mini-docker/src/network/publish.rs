//! Publish: which port of the host leads to which port of a container. Pure.
//!
//! ```text
//! -p [IP:][HOST[-END]:]CONTAINER[-END][/tcp|udp]
//! ```

use std::{fmt, net::IpAddr, str::FromStr};

use ground::{Error, Result};
use serde::{Deserialize, Serialize};

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port of a container, as in `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

/// What `-p` asks for, for one port of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The address of the host; all if none.
    pub host_ip: Option<IpAddr>,
    /// The first and the last port of the host that will do; any if none.
    pub host_ports: Option<(u16, u16)>,
    /// The container's port.
    pub port: Port,
}

/// A port of the host that leads to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// The address of the host.
    pub host_ip: IpAddr,
    /// The port of the host.
    pub host_port: u16,
    /// The container's port.
    pub port: Port,
}

/// A lead with the container that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The container's ID.
    pub container: String,
    /// From where.
    #[serde(flatten)]
    pub lead: Lead,
    /// The container's address.
    pub target: IpAddr,
}

/// What `-p` and `--publish` say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publishes(pub Vec<Publish>);

impl FromStr for Publishes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |what: String| {
            Error::new(what).why(format!("it was read in -p {text}")).fix(
                "write -p 8080:80, -p 127.0.0.1:8080:80, -p 8000-8009:8000-8009 or -p 53:53/udp",
            )
        };
        let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(invalid(format!("Invalid proto: {other}"))),
        };
        let (rest, container) = split_last(ports);
        let (ip, host) = rest.map_or((None, None), |rest| {
            let (ip, host) = split_last(rest);
            (ip, Some(host))
        });
        if container.is_empty() {
            return Err(invalid(format!("No port specified: {text}<empty>")));
        }
        let container = range(container)
            .ok_or_else(|| invalid(format!("Invalid containerPort: {container}")))?;
        let host_ip = match ip.map(|ip| ip.trim_matches(['[', ']'])).filter(|ip| !ip.is_empty()) {
            Some(ip) => Some(ip.parse().map_err(|_| invalid(format!("Invalid ip address: {ip}")))?),
            None => None,
        };
        let host_ports = match host.filter(|host| !host.is_empty()) {
            // Port 0 is the kernel's word for any.
            Some("0") | None => None,
            Some(host) => {
                Some(range(host).ok_or_else(|| invalid(format!("Invalid hostPort: {host}")))?)
            }
        };
        let each = pairs(container, host_ports).ok_or_else(|| {
            invalid("Invalid ranges specified for container and host Ports".into())
        })?;
        let publish =
            |(number, host_ports)| Publish { host_ip, host_ports, port: Port { number, protocol } };
        Ok(Self(each.into_iter().map(publish).collect()))
    }
}

/// What `--expose` says: `80`, `53/udp`, `8000-8009`.
///
/// # Errors
/// Text that is none of these.
pub fn exposed(text: &str) -> Result<Vec<Port>> {
    let invalid = || {
        Error::new(format!("invalid range format for --expose: {text}"))
            .why("a port is a number from 1 to 65535")
            .fix("write --expose 80, --expose 53/udp or --expose 8000-8009")
    };
    if text.contains(':') {
        return Err(invalid());
    }
    let publishes: Publishes = text.parse().map_err(|_| invalid())?;
    Ok(publishes.0.into_iter().map(|publish| publish.port).collect())
}

/// The words before and after the last colon that is in no brackets.
fn split_last(text: &str) -> (Option<&str>, &str) {
    if text.ends_with(']') {
        return (None, text);
    }
    match text.rsplit_once(':') {
        Some((before, after)) => (Some(before), after),
        None => (None, text),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

/// Which ports of the host go with each port of the container: one to one, or a range to choose
/// from for a single one.
#[allow(clippy::type_complexity, reason = "it is made and taken apart within a few lines")]
fn pairs(
    container: (u16, u16),
    host: Option<(u16, u16)>,
) -> Option<Vec<(u16, Option<(u16, u16)>)>> {
    let ports = container.0..=container.1;
    match host {
        None => Some(ports.map(|port| (port, None)).collect()),
        Some(host) if container.0 == container.1 => Some(vec![(container.0, Some(host))]),
        Some(host) if host.1 - host.0 == container.1 - container.0 => {
            let pair = |port: u16| {
                let host = host.0 + (port - container.0);
                (port, Some((host, host)))
            };
            Some(ports.map(pair).collect())
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let shown = |publish: &Publish| {
            let ip = publish.host_ip.map(|ip| ip.to_string()).unwrap_or("*".into());
            let ports =
                publish.host_ports.map_or("*".into(), |(first, last)| match first == last {
                    true => first.to_string(),
                    false => format!("{first}-{last}"),
                });
            format!("{ip} {ports} {}", publish.port)
        };
        let got = text.parse::<Publishes>().map_err(|error| error.what);
        let got = got.map(|it| it.0.iter().map(shown).collect::<Vec<_>>().join(", "));
        assert_eq!(got.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn every_form_of_docker_is_read() {
        check("80", Ok("* * 80/tcp"));
        check("8080:80", Ok("* 8080 80/tcp"));
        check("127.0.0.1:8080:80", Ok("127.0.0.1 8080 80/tcp"));
        check("127.0.0.1::80", Ok("127.0.0.1 * 80/tcp"));
        check("[::1]:8080:80", Ok("::1 8080 80/tcp"));
        check("53:53/udp", Ok("* 53 53/udp"));
        check("8000-8001:9000-9001", Ok("* 8000 9000/tcp, * 8001 9001/tcp"));
        check("8000-8009:80", Ok("* 8000-8009 80/tcp"));
        check("7000-7001", Ok("* * 7000/tcp, * * 7001/tcp"));
        check("0:80", Ok("* * 80/tcp"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_dockers_words() {
        check("", Err("No port specified: <empty>"));
        check("80:", Err("No port specified: 80:<empty>"));
        check("x:80", Err("Invalid hostPort: x"));
        check("80:x", Err("Invalid containerPort: x"));
        check("80/icmp", Err("Invalid proto: icmp"));
        check("1.2.3:80:80", Err("Invalid ip address: 1.2.3"));
        check("80-79:80", Err("Invalid hostPort: 80-79"));
        check("70000:80", Err("Invalid hostPort: 70000"));
        check("1-3:80-81", Err("Invalid ranges specified for container and host Ports"));
    }
}
