//! Mounts: everything that flags mount, with `--tmpfs` and `--volumes-from`.

use ground::{Error, Result};
use mini_docker::{
    container::{Mount, Source},
    engine::VolumesFrom,
};

use super::{
    mount_option,
    volume_option::{self, PROPAGATIONS},
};
use crate::cli::args::FileFlags;

/// Everything that flags mount.
///
/// # Errors
/// A mount that makes no sense, or two on one place.
pub fn mounts(flags: &FileFlags) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for text in &flags.volume {
        mounts.push(volume_option::parse(text)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_tmpfs_are_those_of_the_manual_page() {
        assert!(tmpfs("/x:size=64m,mode=1777,exec,rw").is_ok());
        assert!(tmpfs("/x:sice=64m").is_err() && tmpfs("/x:size").is_err() && tmpfs("x").is_err());
    }
}
