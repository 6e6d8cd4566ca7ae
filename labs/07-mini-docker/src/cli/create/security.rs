//! Security: the words of --security-opt, --cap-add, --cap-drop and --sysctl.

use std::{collections::BTreeMap, fs};

use ground::{Error, Result};
use mini_docker::{
    bundle,
    container::{SeccompMode, Security},
};

use crate::cli::args::SecurityFlags;

/// What the container's root may do.
///
/// # Errors
/// A word that nobody knows; a profile that cannot be read.
pub fn security(flags: &SecurityFlags, read_only: bool) -> Result<Security> {
    let mut security = Security {
        cap_add: capabilities(&flags.cap_add)?,
        cap_drop: capabilities(&flags.cap_drop)?,
        privileged: flags.privileged,
        read_only,
        ..Security::default()
    };
    for option in &flags.security_opt {
        apply(&mut security, option)?;
    }
    Ok(security)
}

/// Docker takes `=` and, from older days, `:` between name and value.
fn apply(security: &mut Security, option: &str) -> Result<()> {
    let (name, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
    match (name, value) {
        ("no-new-privileges", "" | "true") => security.no_new_privileges = true,
        ("no-new-privileges", "false") => security.no_new_privileges = false,
        ("seccomp", "unconfined") => security.seccomp = SeccompMode::Unconfined,
        ("seccomp", "builtin") => security.seccomp = SeccompMode::Default,
        ("seccomp", path) if !path.is_empty() => security.seccomp = profile(path)?,
        ("apparmor", profile) if !profile.is_empty() => {
            security.apparmor = Some(profile.to_owned())
        }
        ("label", label) if !label.is_empty() => security.labels.push(label.to_owned()),
        ("systempaths", "unconfined") => security.system_paths_unconfined = true,
        _ => {
            return Err(Error::new(format!("invalid --security-opt: {option:?}")).fix(
                "known are no-new-privileges, seccomp=unconfined, seccomp=FILE, \
                 apparmor=PROFILE, label=disable and systempaths=unconfined",
            ));
        }
    }
    Ok(())
}

fn profile(path: &str) -> Result<SeccompMode> {
    let text = fs::read(path).map_err(|error| {
        Error::new(format!("opening seccomp profile ({path}) failed"))
            .io(format_args!("open {path}"), &error)
            .fix("name a JSON file here, or seccomp=unconfined for no filter at all")
    })?;
    let broken = |why: String| {
        Error::new(format!("Decoding seccomp profile failed: {path}")).why(why).fix(
            "write a list of calls in the format of Docker's own: \
             {\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"read\"], \
             \"action\": \"SCMP_ACT_ALLOW\"}]}",
        )
    };
    let json = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    // Told now, and not at each start.
    bundle::check_seccomp(&json).map_err(|error| broken(error.to_string()))?;
    Ok(SeccompMode::Profile(json))
}

/// Names without `CAP_`, in capitals.
fn capabilities(words: &[String]) -> Result<Vec<String>> {
    let known = |name: &str| name == "ALL" || bundle::CAPABILITIES.contains(&name);
    words
        .iter()
        .flat_map(|words| words.split(','))
        .map(|word| {
            let name = word.to_ascii_uppercase();
            let name = name.strip_prefix("CAP_").unwrap_or(&name).to_owned();
            if known(&name) {
                return Ok(name);
            }
            Err(Error::new(format!("invalid capability: {word:?}"))
                .see("7 capabilities")
                .fix("give one of the manual page, with or without CAP_, or ALL"))
        })
        .collect()
}

/// `NAME=VALUE`; which names belong to a namespace is the runtime's to know.
///
/// # Errors
/// A name without a value.
pub fn sysctls(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let parsed = |text: &String| {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| {
            Error::new(format!("sysctl '{text}' is not allowed"))
                .why("it has no value")
                .see("8 sysctl")
                .fix("write NAME=VALUE: --sysctl net.ipv4.ip_forward=1")
        })
    };
    texts.iter().map(parsed).collect()
}
