//! exec: from arguments to a process as in config.json.

use std::{fs, os::fd::OwnedFd, path::Path};

use ground::{Error, Result};
use oci::runtime::{Capabilities, Process};

use super::{args::Exec, report::SUCCESS};
use crate::{
    Warn,
    bundle::part,
    console,
    exec::{self, Options, Told, process_like},
    record::Root,
    signals::Signals,
};

pub(super) fn exec(root: &Root, args: Exec, warn: Warn<'_>) -> Result<u8> {
    let container = root.container(&args.id.id)?;
    let bundle = container.bundle()?;
    let process = match &args.process {
        Some(path) => read(path)?,
        None => assemble(bundle.process(), &args)?,
    };
    let (console_socket, own) = sockets(&args, process.terminal)?;
    let options = Options {
        process,
        told: Told { pid_file: args.pid_file, pidfd_socket: args.pidfd_socket },
        console_socket,
        preserve_fds: args.preserve_fds,
        cgroups: args.cgroup,
        join_paused: args.ignore_paused,
    };
    if args.detach {
        exec::exec(&container, bundle, options, warn)?;
        return Ok(SUCCESS);
    }
    let signals = Signals::block()?;
    let mut child = exec::exec(&container, bundle, options, warn)?;
    let ended = match own {
        Some(socket) => console::Session::accept(socket)
            .and_then(|session| session.until_end(&signals, &mut child)),
        None => signals.forward_until_end(&mut child),
    };
    Ok(ended.inspect_err(|_| exec::end(&child))?.code())
}

/// The child's socket, and ours if nobody else wants the terminal.
fn sockets(args: &Exec, terminal: bool) -> Result<(Option<OwnedFd>, Option<OwnedFd>)> {
    match &args.console_socket {
        Some(path) => Ok((Some(console::connect(path)?), None)),
        None if terminal && args.detach => Err(Error::new(
            "cannot allocate tty if runc will detach without setting console socket",
        )
        .why("a terminal is asked for, and nobody is there to hold its other side")
        .fix("give --console-socket, or leave --detach out")),
        None if terminal => console::pair().map(|(theirs, ours)| (Some(theirs), Some(ours))),
        None => Ok((None, None)),
    }
}

fn read(path: &Path) -> Result<Process> {
    let cannot = || Error::new(format!("cannot read the process {}", path.display()));
    let text = fs::read(path)
        .map_err(|error| cannot().io(format_args!("open {}", path.display()), &error))?;
    part(&text, "process", cannot)
}

fn assemble(first: &Process, args: &Exec) -> Result<Process> {
    let mut process = process_like(first, args.command.clone())?;
    process.terminal = args.tty;
    if let Some(cwd) = &args.cwd {
        process.cwd.clone_from(cwd);
    }
    process.env.extend(args.env.iter().cloned());
    process.no_new_privileges |= args.no_new_privs;
    process.apparmor_profile = args.apparmor.clone().or(process.apparmor_profile);
    process.selinux_label = args.process_label.clone().or(process.selinux_label);
    if let Some(user) = &args.user {
        (process.user.uid, process.user.gid) = parse_user(user, process.user.gid)?;
    }
    process.user.additional_gids.extend(&args.additional_gids);
    add(process.capabilities.get_or_insert_default(), &args.cap);
    Ok(process)
}

fn parse_user(text: &str, gid: u32) -> Result<(u32, u32)> {
    let (uid, group) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
    let number = |text: &str| {
        text.parse().map_err(|_| {
            Error::new(format!("cannot be the user {text:?}"))
                .why(
                    "only numbers mean something to the kernel, and names are the image's business",
                )
                .fix("give UID or UID:GID")
        })
    };
    Ok((number(uid)?, group.map_or(Ok(gid), number)?))
}

fn add(sets: &mut Capabilities, names: &[String]) {
    for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
        set.extend(names.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_number_or_two() {
        assert_eq!(parse_user("1000", 7).unwrap(), (1000, 7));
        assert_eq!(parse_user("1000:100", 7).unwrap(), (1000, 100));
        assert!(parse_user("root", 7).is_err());
        assert!(parse_user("1:", 7).is_err());
    }
}
