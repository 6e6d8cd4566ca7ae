//! The label of a mount is an option of the mount (man 8 mount, "context").
//!
//! Source: runtime specification, config-linux.md, "Mount Label".

use oci::runtime::Mount;

/// The mounts with the label that SELinux is to give to all files in them: those whose file system
/// is made with the mount, and holds files of the container alone.
pub(super) fn labelled(mounts: &[Mount], label: &str) -> Vec<Mount> {
    let with_label = |mount: &Mount| {
        let mut mount = mount.clone();
        if matches!(mount.kind.as_deref(), Some("tmpfs" | "devpts" | "ramfs" | "overlay")) {
            mount.options.push(format!("context=\"{label}\""));
        }
        mount
    };
    mounts.iter().map(with_label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_systems_of_the_container_are_labelled() {
        let mount = |kind: &str| Mount { kind: Some(kind.to_owned()), ..Mount::default() };
        let mounts = labelled(&[mount("proc"), mount("tmpfs"), mount("bind")], "a:b:c:d");
        assert_eq!(mounts[1].options, ["context=\"a:b:c:d\""]);
        assert!(mounts[0].options.is_empty() && mounts[2].options.is_empty());
    }
}
