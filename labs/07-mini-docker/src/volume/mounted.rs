//! A volume that is a mount: `volume create -o type=tmpfs -o o=size=64m`.
//!
//! The three options are the words of mount(8), as Docker's driver `local` takes them: `type` and
//! `device` as they are, `o` with flags and what the file system reads, mixed.

use std::{ffi::CString, net::ToSocketAddrs};

use ground::{Error, Result, Step};
use rootfs::{Mount, MsFlags, c_path};

use super::Volume;
use crate::layout::Layout;

/// Words of `o` that are flags, as mount(2) has them.
const FLAGS: [(&str, MsFlags); 12] = [
    ("ro", MsFlags::MS_RDONLY),
    ("nosuid", MsFlags::MS_NOSUID),
    ("nodev", MsFlags::MS_NODEV),
    ("noexec", MsFlags::MS_NOEXEC),
    ("sync", MsFlags::MS_SYNCHRONOUS),
    ("dirsync", MsFlags::MS_DIRSYNC),
    ("noatime", MsFlags::MS_NOATIME),
    ("nodiratime", MsFlags::MS_NODIRATIME),
    ("relatime", MsFlags::MS_RELATIME),
    ("strictatime", MsFlags::MS_STRICTATIME),
    ("bind", MsFlags::MS_BIND),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC)),
];

/// Words that say what is so anyway.
const DEFAULTS: [&str; 8] =
    ["defaults", "rw", "suid", "dev", "exec", "async", "atime", "norelatime"];

/// Whether the options of a new volume say what is to be mounted.
///
/// # Errors
/// A name that there is not, or one that is missing.
pub fn check_options(volume: &Volume) -> Result<()> {
    if let Some(name) =
        volume.options.keys().find(|it| !["type", "device", "o"].contains(&it.as_str()))
    {
        return Err(Error::new(format!("create {}: invalid option: {name:?}", volume.name))
            .why("the driver local knows type, device and o, the words of mount(8)")
            .fix("as -o type=tmpfs -o o=size=64m, or -o type=none -o o=bind -o device=/path"));
    }
    let has = |name: &str| volume.options.contains_key(name);
    let needs = |missing: &str| {
        Err(Error::new(format!("create {}: missing required option: {missing:?}", volume.name))
            .why("half of what mount(8) is told is no mount")
            .fix("give -o type=.., -o device=.. and, if it needs some, -o o=OPTIONS"))
    };
    match (volume.options.is_empty(), has("type"), has("device")) {
        (true, ..) | (_, true, true) => Ok(()),
        (_, true, false) if volume.is_in_memory() => Ok(()),
        (_, true, false) => needs("device"),
        (_, false, _) => needs("type"),
    }
}

/// Mounts a volume on its directory, in the mount namespace of the caller.
///
/// # Errors
/// What the kernel says of it, with Docker's sentence.
pub fn mount(layout: &Layout, volume: &Volume) -> Result<()> {
    let data = layout.volume_data(&volume.name);
    let option = |name: &str| volume.options.get(name).map_or("", String::as_str);
    let (mut kind, device) = (option("type"), option("device"));
    let (flags, mut words) = split(option("o"));
    if flags.contains(MsFlags::MS_BIND) {
        kind = "";
    }
    if matches!(kind, "nfs" | "nfs4" | "cifs") {
        words = resolved(&words);
    }
    let c = |text: &str| CString::new(text).unwrap_or_default();
    let device = c(if device.is_empty() { kind } else { device });
    let step = match flags.contains(MsFlags::MS_BIND) {
        true if flags.contains(MsFlags::MS_REC) => Mount::rbind(device, c_path(data.clone())?),
        true => Mount::bind(device, c_path(data.clone())?),
        false => {
            Mount::filesystem(c(kind), device, c_path(data.clone())?, flags, c(&words.join(",")))
        }
    };
    let failed = |error: Error| {
        let what = format!("error while mounting volume '{}'", data.display());
        let fix = "check type, device and o: mini-docker volume inspect shows them; what an \
                   ordinary user may mount is tmpfs and directories (type=none, o=bind)";
        Error { what, ..error }.fix(fix)
    };
    step.run().map_err(|errno| failed(step.failed(errno)))?;
    // A bind mount takes its flags only when it is mounted again (mount(2)).
    if flags.contains(MsFlags::MS_BIND | MsFlags::MS_RDONLY) {
        let again = volumes::RemountReadOnly::new(&c_path(data.clone())?);
        again.run().map_err(|errno| failed(again.failed(errno)))?;
    }
    Ok(())
}

/// Flags, and what the file system reads.
fn split(options: &str) -> (MsFlags, Vec<String>) {
    let mut flags = MsFlags::empty();
    let mut words = Vec::new();
    for word in options.split(',').filter(|word| !word.is_empty()) {
        match FLAGS.iter().find(|(name, _)| *name == word) {
            Some((_, flag)) => flags |= *flag,
            None if DEFAULTS.contains(&word) => {}
            None => words.push(word.to_owned()),
        }
    }
    (flags, words)
}

/// The kernel wants numbers where a network file system's `addr` has a name.
fn resolved(words: &[String]) -> Vec<String> {
    let resolve = |word: &String| {
        let host = word.strip_prefix("addr=")?;
        let address = (host, 0).to_socket_addrs().ok()?.next()?;
        Some(format!("addr={}", address.ip()))
    };
    words.iter().map(|word| resolve(word).unwrap_or_else(|| word.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn flags_are_told_from_what_the_file_system_reads() {
        let (flags, words) = split("size=64m,nosuid,rw,uid=1000,ro");
        assert_eq!(flags, MsFlags::MS_NOSUID | MsFlags::MS_RDONLY);
        assert_eq!(words, ["size=64m", "uid=1000"]);
    }

    #[test]
    fn half_a_mount_is_none() {
        let check = |options: &[(&str, &str)]| {
            let options: BTreeMap<_, _> =
                options.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            check_options(&Volume { options, ..Volume::default() }).is_ok()
        };
        assert!(check(&[]) && check(&[("type", "tmpfs"), ("o", "size=1m")]));
        assert!(check(&[("type", "none"), ("o", "bind"), ("device", "/srv")]));
        assert!(!check(&[("type", "none"), ("o", "bind")]) && !check(&[("o", "bind")]));
        assert!(!check(&[("device", "/srv")]) && !check(&[("size", "1m")]));
    }
}
