//! /etc/hosts, /etc/hostname and /etc/resolv.conf: three files that belong to a container and not
//! to its image.

use std::fs;

use ground::{Error, Result};

use crate::{
    container::{Network, Record},
    layout::ContainerLayout,
};

const LOCAL: &str = "127.0.0.1\tlocalhost\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n\
                     fe00::\tip6-localnet\n\
                     ff00::\tip6-mcastprefix\n\
                     ff02::1\tip6-allnodes\n\
                     ff02::2\tip6-allrouters\n";

/// Writes the three files into the bundle, where the mounts take them from.
pub fn write(record: &Record, container: &ContainerLayout) -> Result<()> {
    let name = super::hostname(record);
    let host = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (hosts, hostname, resolv_conf) = match record.options.network {
        Network::Host => (host("/etc/hosts"), host("/etc/hostname"), host("/etc/resolv.conf")),
        // Nobody can be asked for a name without a network.
        Network::None => {
            (LOCAL.to_owned(), name.map(|name| name + "\n").unwrap_or_default(), String::new())
        }
    };
    for (name, text) in [("hosts", hosts), ("hostname", hostname), ("resolv.conf", resolv_conf)] {
        let path = container.bundle().join(name);
        fs::write(&path, text)
            .map_err(|error| Error::new("cannot write the bundle").io(path.display(), &error))?;
    }
    Ok(())
}
