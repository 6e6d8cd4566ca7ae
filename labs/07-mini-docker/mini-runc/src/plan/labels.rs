//! Labels: what AppArmor and SELinux are told about the program and its files.
//!
//! Both are asked for by name; what a name allows is the machine's policy. The label of a process
//! takes hold with the next exec, so it is written early, while the host's /proc can be seen. The
//! label of a mount is an option of the mount, and the bundle has put it there.
//!
//! A label that the kernel cannot apply is refused, as runc does: whoever set it counts on it.
//!
//! Source: runtime specification, config.md, "Linux Process", config-linux.md, "Mount Label"; man 5
//! proc_pid_attr, man 8 mount ("context").

use ground::{Error, Result};

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
