//! `lab-06 run`: a command in a container with volumes and limits.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use cgroups::{
    Bound, Bytes, Cpu, Cpus, Group, Hierarchies, Join, Limits, Memory, Site, Temporary, sweep,
};
use ground::{Error, Explanation, Narrator, Result};
use namespaces::{Kinds, Signals, Spawn, Terminal, rootless};
use nix::unistd::geteuid;
use volumes::Spec;

use crate::container::Container;

/// What `run` understands.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show a directory or file of the host in the container; `:ro` for read-only
    #[arg(short, long = "volume", value_name = "SRC:DST[:ro]")]
    volumes: Vec<Spec>,
    /// The host name inside
    #[arg(long, default_value = "unboxed")]
    hostname: String,
    /// At most so many CPUs: 0.2 is a fifth of one
    #[arg(long)]
    cpus: Option<Cpus>,
    /// At most so much memory: 64m
    #[arg(long)]
    memory: Option<Bytes>,
    /// At most so many processes
    #[arg(long)]
    pids: Option<u64>,
    /// A directory with a root file system (see lab-03 rootfs); it is not changed
    rootfs: PathBuf,
    /// The command, and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the command and passes its exit status on; with `--explain`, tells the plan.
pub fn run(args: &Args, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    let ordinary = !geteuid().is_root();
    let container = Container {
        rootfs: &args.rootfs,
        volumes: &args.volumes,
        hostname: &args.hostname,
        rootless: ordinary,
    };
    if narrator.plans_only() {
        let mut plan = if ordinary { rootless::explain(Kinds::NONE) } else { Vec::new() };
        plan.extend(args.group_explained()?);
        plan.extend(container.running(&args.command, None)?.explain());
        return narrator.plan(&plan).map(|()| ExitCode::SUCCESS).map_err(cannot_tell);
    }
    let signals = Signals::hold()?;
    // The group is looked for while we are who we are: a delegated one is ours by our real id.
    let group = args.group()?;
    rootless::enter(Kinds::NONE)?;
    let joins = group.as_deref().map(cgroups::Group::join).transpose()?.unwrap_or_default();
    let terminal = Terminal::ours();
    let spawn = limited(container.running(&args.command, terminal.as_ref())?, joins);
    let ended = signals.wait_with_terminal(&mut spawn.start()?, terminal.as_ref())?;
    Ok(ExitCode::from(ended.code()))
}

/// Joins the group before anything else, so that every page and process is counted.
fn limited(mut spawn: Spawn<'static>, joins: Vec<Join>) -> Spawn<'static> {
    let joins = joins.into_iter().map(|join| Box::new(join) as Box<dyn ground::Step>);
    spawn.steps.splice(0..0, joins);
    spawn
}

impl Args {
    fn limits(&self) -> Limits {
        Limits {
            cpu: Cpu {
                quota_us: self.cpus.map(|cpus| Bound::At(cpus.quota_us())),
                ..Cpu::default()
            },
            memory: Memory {
                limit: self.memory.map(|bytes| Bound::At(bytes.0)),
                ..Memory::default()
            },
            pids: self.pids.map(Bound::At),
            ..Limits::default()
        }
    }

    /// What making that group takes; told to everybody, also to who could not make it.
    fn group_explained(&self) -> Result<Vec<Explanation>> {
        let limits = self.limits();
        if limits == Limits::default() {
            return Ok(Vec::new());
        }
        let site = match Site::find() {
            Ok(site) => site,
            Err(_) => Site::on_paper(Hierarchies::of_this_process()?),
        };
        let needed = limits.controllers();
        let group = Group::plan(&site, Temporary::name("run"), &needed)?;
        let mut calls = group.explain(&needed);
        calls.extend(group.writes(&limits)?.iter().map(|(dir, write)| write.explain(dir)));
        Ok(calls)
    }

    /// A group with the limits that were asked for; none where none were.
    fn group(&self) -> Result<Option<Temporary>> {
        let limits = self.limits();
        if limits == Limits::default() {
            return Ok(None);
        }
        let site = Site::find()?;
        sweep(&site);
        let group = Temporary::create(&site, "run", &limits.controllers())?;
        group.apply(&limits)?;
        Ok(Some(group))
    }
}

/// The plan could not be written.
pub fn cannot_tell(error: std::io::Error) -> Error {
    Error::new("cannot tell the plan").io("write", &error)
}
