//! Commands: from arguments to rooms, one function each.

use std::path::PathBuf;

use ground::{Error, Result};
use nix::unistd::geteuid;

use super::{
    args::{Args, Command, Create, Delete, How, Kill, Run},
    events, exec, features, look,
    report::{Log, SUCCESS},
    update,
};
use crate::{
    caller,
    create::{self, Console},
    delete, kill,
    record::Root,
    run, start,
};

pub(super) fn run(args: Args, log: &Log) -> Result<u8> {
    let systemd_cgroup = args.global.systemd_cgroup;
    let root = Root { dir: args.global.root.unwrap_or_else(default_root) };
    let warn = &mut |text: String| log.warn(&text);
    match args.command {
        Command::Create(args) => create(&root, args, systemd_cgroup, warn)?,
        Command::Start(id) => start::start_or_destroy(&root.container(&id.id)?, warn)?,
        Command::Run(args) => return foreground_or_not(&root, args, systemd_cgroup, warn),
        Command::State(id) => look::state(&root, &id.id)?,
        Command::Kill(args) => signal(&root, &args)?,
        Command::Delete(Delete { force, id }) => delete::delete(&root, &id.id, force, warn)?,
        Command::Exec(args) => return exec::exec(&root, *args, warn),
        Command::List(args) => look::list(&root, &args)?,
        Command::Ps(args) => look::ps(&root, &args)?,
        Command::Pause(id) => kill::pause(&root.container(&id.id)?)?,
        Command::Resume(id) => kill::resume(&root.container(&id.id)?)?,
        Command::Update(args) => update::update(&root, &args, warn)?,
        Command::Events(args) => events::events(&root, &args)?,
        Command::Checkpoint(_) | Command::Restore(_) => return Err(no_checkpoints()),
        Command::Spec(args) => look::spec(&args)?,
        Command::Features => features::features()?,
    }
    Ok(SUCCESS)
}

/// Where the state is kept: it must not survive a restart of the machine, so below /run. An ordinary
/// user's podman runs us as root of a user namespace, where /run is still the machine's.
fn default_root() -> PathBuf {
    let own_run = geteuid().is_root() && !caller::in_user_namespace();
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !own_run) {
        Some(dir) => PathBuf::from(dir).join("mini-runc"),
        None => PathBuf::from("/run/mini-runc"),
    }
}

fn options(how: How, systemd_cgroup: bool) -> create::Options {
    let How { bundle, pid_file, console_socket, pidfd_socket, preserve_fds, .. } = how;
    let no_pivot = how.no_pivot;
    let console = console_socket.map_or(Console::None, Console::Path);
    create::Options {
        bundle,
        pid_file,
        console,
        pidfd_socket,
        preserve_fds,
        no_pivot,
        systemd_cgroup,
    }
}

fn create(root: &Root, args: Create, systemd: bool, warn: crate::Warn<'_>) -> Result<()> {
    let options = options(args.how, systemd);
    if args.explain {
        let calls = create::explain(&args.id.id, options, warn)?;
        return if args.json { look::plan_as_event(&calls) } else { look::plan(&calls) };
    }
    create::create(root, &args.id.id, options, warn).map(drop)
}

fn foreground_or_not(root: &Root, args: Run, systemd: bool, warn: crate::Warn<'_>) -> Result<u8> {
    let id = &args.id.id;
    let options = options(args.how, systemd);
    if args.detach {
        run::detached(root, id, options, warn)?;
        return Ok(SUCCESS);
    }
    run::foreground(root, id, options, args.keep, warn).map(|exit| exit.code())
}

fn signal(root: &Root, args: &Kill) -> Result<()> {
    let signal = kill::parse_signal(&args.signal)?;
    let container = root.container(&args.id.id)?;
    kill::kill(&container, signal, args.all)
}

fn no_checkpoints() -> Error {
    Error::new("checkpoint and restore are not done here")
        .why("they are the work of CRIU, a program that this runtime does not drive")
        .see("8 criu")
        .fix("use runc or crun for containers that are to be checkpointed")
}
