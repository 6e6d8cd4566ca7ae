//! `-v /a:/b:ro,rslave`: the short way to say it.
//!
//! Who is mounted and where is lab 06's to read ([`Spec`]); the words after the second colon that
//! concern an engine, and not a mount, are read here.

use ground::{Error, Result};
use mini_docker::container::{Mount, Source};
use volumes::{Access, Spec};

/// How mounts spread, in the words of mount(8).
pub const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/// # Errors
/// What lab 06 refuses; a word that means nothing here, or a second one about propagation.
pub fn parse(text: &str) -> Result<Mount> {
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
        assert_eq!(parse(text).unwrap(), expected);
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
        assert!(parse("name:/b:nocopy").unwrap().no_copy);
        for wrong in ["/a:/b:nocopy", "/a:/b:shared,slave", "/a:/b:rx", "/a:b:ro"] {
            assert_eq!(parse(wrong).unwrap_err().what, format!("invalid volume {wrong:?}"));
        }
    }
}
