//! Mounts: `-v`, `--tmpfs` and `--volumes-from`.
//!
//! Who is mounted and where is lab 06's to read ([`Spec`]); the words after the second colon that
//! concern an engine, and not a mount, are read here.

use ground::{Error, Result};
use mini_docker::{
    container::{Mount, Source},
    engine::VolumesFrom,
};
use volumes::{Access, Spec};

use super::mount_option;
use crate::cli::args::FileFlags;

/// Everything that flags mount.
///
/// # Errors
/// A mount that makes no sense, or two on one place.
pub fn mounts(flags: &FileFlags) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for text in &flags.volume {
        mounts.push(volume(text)?);
    }
    for text in &flags.mount {
        mounts.push(mount_option::parse(text)?);
    }
    for text in &flags.tmpfs {
        mounts.push(tmpfs(text)?);
    }
    for (index, mount) in mounts.iter().enumerate() {
        if mounts[..index].iter().any(|other| other.destination == mount.destination) {
            return Err(Error::new(format!(
                "Duplicate mount point: {}",
                mount.destination.display()
            ))
            .why("two mounts on one place: the second would hide the first")
            .fix("mount each on a place of its own"));
        }
    }
    Ok(mounts)
}

/// How mounts spread, in the words of mount(8).
pub const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

fn volume(text: &str) -> Result<Mount> {
    let mut rest: Vec<&str> = text.splitn(3, ':').collect();
    let words: Vec<&str> = match rest.len() {
        3 => rest.pop().unwrap_or_default().split(',').collect(),
        _ => Vec::new(),
    };
    // What stays is lab 06's: who, where, and whether it can be written.
    let (ours, theirs): (Vec<&str>, Vec<&str>) = words.into_iter().partition(|word| is_ours(word));
    let theirs = theirs.join(",");
    if !theirs.is_empty() {
        rest.push(&theirs);
    }
    let spec: Spec = rest.join(":").parse().map_err(|error| named(error, text))?;
    let mut mount = meant(spec);
    for word in ours {
        match word {
            "nocopy" if mount.volume().is_none() => {
                return Err(Error::new(format!("invalid volume {text:?}"))
                    .why("nocopy is about the first content of a volume, and this is a directory")
                    .fix("leave nocopy out, or give a volume's name"));
            }
            "nocopy" => mount.no_copy = true,
            // How a file system of a Mac's host was kept in step; there is one kernel here.
            "cached" | "delegated" | "consistent" => {}
            word if mount.propagation.is_some() => {
                return Err(Error::new(format!("invalid volume {text:?}"))
                    .why(format!("{word:?} is a second word about propagation"))
                    .fix("give one of them"));
            }
            word => mount.propagation = Some(word.to_owned()),
        }
    }
    Ok(mount)
}

fn is_ours(word: &str) -> bool {
    PROPAGATIONS.contains(&word) || matches!(word, "nocopy" | "cached" | "delegated" | "consistent")
}

/// The report with the text as it was typed.
fn named(error: Error, text: &str) -> Error {
    match error.what.starts_with("invalid volume") {
        true => Error { what: format!("invalid volume {text:?}"), ..error },
        false => error,
    }
}

fn meant(spec: Spec) -> Mount {
    let source = match spec.source {
        volumes::Source::Host(path) => Source::Bind(path),
        volumes::Source::Named(name) => Source::Volume { name, anonymous: false },
        volumes::Source::Anonymous => Source::Volume { name: String::new(), anonymous: true },
    };
    let read_only = spec.access == Access::ReadOnly;
    Mount { read_only, ..Mount::new(source, spec.target) }
}

fn tmpfs(text: &str) -> Result<Mount> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let invalid = |why: String| {
        Error::new(format!("invalid tmpfs {text:?}"))
            .why(why)
            .fix("write --tmpfs /scratch or --tmpfs /scratch:size=64m,mode=1777")
    };
    if !path.starts_with('/') {
        return Err(invalid("the place in the container is not absolute".into()));
    }
    let options: Vec<String> =
        options.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
    if let Some(strange) = options.iter().find(|option| !is_of_tmpfs(option)) {
        return Err(invalid(format!("invalid tmpfs option [{strange:?}]")));
    }
    Ok(Mount::new(Source::Tmpfs(options), path))
}

/// man 5 tmpfs, and the words of mount(8) that concern any mount.
fn is_of_tmpfs(option: &str) -> bool {
    const WORDS: [&str; 16] = [
        "exec",
        "noexec",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "rw",
        "ro",
        "sync",
        "async",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "relatime",
        "strictatime",
    ];
    const NAMES: [&str; 7] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
    let name = option.split('=').next().unwrap_or_default();
    let has_value = option.contains('=');
    (!has_value && (WORDS.contains(&name) || PROPAGATIONS.contains(&name)))
        || (has_value && NAMES.contains(&name))
}

/// `CONTAINER[:ro]`: the volumes of another container.
///
/// # Errors
/// A word after the colon that there is not.
pub fn volumes_from(flags: &FileFlags) -> Result<Vec<VolumesFrom>> {
    let parsed = |text: &String| {
        let (container, mode) = text.split_once(':').unwrap_or((text, ""));
        let mut read_only = None;
        for word in mode.split(',').filter(|word| !word.is_empty()) {
            match word {
                "ro" => read_only = Some(true),
                "rw" => read_only = Some(false),
                "z" | "Z" => {}
                other => {
                    return Err(Error::new(format!("invalid mode for volumes-from: {other}"))
                        .fix("write CONTAINER, CONTAINER:ro or CONTAINER:rw"));
                }
            }
        }
        Ok(VolumesFrom { container: container.to_owned(), read_only })
    };
    flags.volumes_from.iter().map(parsed).collect()
}

/// What is said of a volume driver that is not ours.
pub fn no_such_driver(driver: &str) -> Error {
    Error::new(format!("error looking up volume plugin {driver}: plugin \"{driver}\" not found"))
        .why("plugins are programs that a daemon talks to, and there is no daemon")
        .fix(
            "use the driver local, which mounts what the kernel can: \
             mini-docker volume create -o type=nfs -o device=:/path -o o=addr=HOST NAME",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, change: impl FnOnce(&mut Mount)) {
        let mut expected = Mount::new(Source::Bind("/a".into()), "/b");
        change(&mut expected);
        assert_eq!(volume(text).unwrap(), expected);
    }

    #[test]
    fn an_engines_words_are_told_from_a_mounts() {
        check("/a:/b", |_| {});
        check("/a:/b:ro", |it| it.read_only = true);
        check("/a:/b:ro,rslave", |it| {
            it.read_only = true;
            it.propagation = Some("rslave".into());
        });
        check("/a:/b:z,cached", |_| {});
        assert!(volume("name:/b:nocopy").unwrap().no_copy);
        for wrong in ["/a:/b:nocopy", "/a:/b:shared,slave", "/a:/b:rx", "/a:b:ro"] {
            assert_eq!(volume(wrong).unwrap_err().what, format!("invalid volume {wrong:?}"));
        }
    }

    #[test]
    fn options_of_a_tmpfs_are_those_of_the_manual_page() {
        assert!(tmpfs("/x:size=64m,mode=1777,exec,rw").is_ok());
        assert!(tmpfs("/x:sice=64m").is_err() && tmpfs("/x:size").is_err() && tmpfs("x").is_err());
    }
}
