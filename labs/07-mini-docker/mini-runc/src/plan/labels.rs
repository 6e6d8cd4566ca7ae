//! Labels: what AppArmor and SELinux are told about the program and its files.
//!
//! Both are asked for by name; what a name allows is the machine's policy. The label of a process
//! takes hold with the next exec, so it is written early, while the host's /proc can be seen. The
//! label of a mount is an option of the mount.
//!
//! A label that the kernel cannot apply is refused, as runc does: whoever set it counts on it.
//!
//! Source: runtime specification, config.md, "Linux Process", config-linux.md, "Mount Label"; man 5
//! proc_pid_attr, man 8 mount ("context").

use ground::{Error, Result};
use oci::runtime::Mount;

use super::{Context, Steps, files::WriteFile};

/// # Errors
/// A label where the kernel has nothing that reads it.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    let asked = |label: &Option<String>| label.clone().filter(|it| !it.is_empty());
    let (process, caller) = (context.process, context.caller);
    if let Some(profile) = asked(&process.apparmor_profile) {
        if !caller.apparmor {
            let field = "process.apparmorProfile";
            return Err(refused("AppArmor profile", field, &profile, "AppArmor").see("7 apparmor"));
        }
        let why = "the profile takes hold with the next exec";
        let text = format!("exec {profile}");
        steps.add("mini-runc", WriteFile::new("/proc/self/attr/apparmor/exec", text, why)?);
    }
    let of_process = asked(&process.selinux_label).map(|it| ("process.selinuxLabel", it));
    let of_mounts = asked(&context.linux.mount_label).map(|it| ("linux.mountLabel", it));
    if let Some((field, label)) = of_process.clone().or(of_mounts).filter(|_| !caller.selinux) {
        return Err(refused("SELinux label", field, &label, "SELinux").see("8 selinux"));
    }
    if let Some((_, label)) = of_process {
        let why = "the label takes hold with the next exec";
        steps.add("mini-runc", WriteFile::new("/proc/self/attr/exec", label, why)?);
    }
    Ok(())
}

fn refused(what: &str, field: &str, label: &str, module: &str) -> Error {
    Error::new(format!("cannot apply the {what}"))
        .why(format!("config.json has {field} {label:?}, and this kernel runs without {module}"))
        .fix(format!("leave {field} out"))
}

/// The mounts with the label that SELinux is to give to all files in them: those whose file system
/// is made with the mount, and holds files of the container alone.
pub(crate) fn labelled(mounts: &[Mount], label: &str) -> Vec<Mount> {
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
