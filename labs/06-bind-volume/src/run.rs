//! `lab-06 run`: a command in a container with volumes and limits.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::ExitCode,
};

use cgroups::{
    Bound, Bytes, Cpu, Cpus, Group, Hierarchies, Join, Limits, Memory, MemoryLimit, Site, Tasks,
    Temporary, sweep,
};
use ground::{Error, Explanation, Narrator, Result};
use namespaces::{Kinds, Signals, Spawn, Terminal, rootless};
use nix::unistd::geteuid;
use rootfs::DEFAULT_PATH;
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
    memory: Option<MemoryLimit>,
    /// At most so many processes; -1 is no limit
    #[arg(long, allow_negative_numbers = true)]
    pids: Option<Tasks>,
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
        let mut plan = args.group_explained()?;
        if ordinary {
            plan.extend(rootless::explain(Kinds::NONE));
        }
        let mut calls = container.running(&args.command, None)?.explain();
        calls.splice(1..1, args.joins_explained()?);
        plan.extend(calls);
        return narrator.plan(&plan).map(|()| ExitCode::SUCCESS).map_err(cannot_tell);
    }
    let signals = Signals::hold()?;
    // The group is looked for while we are who we are: a delegated one is ours by our real id.
    let group = args.group()?;
    rootless::enter(Kinds::NONE)?;
    let joins = group.as_deref().map(cgroups::Group::join).transpose()?.unwrap_or_default();
    let terminal = Terminal::ours();
    let spawn = limited(container.running(&args.command, terminal.as_ref())?, joins);
    let start = || spawn.start().map_err(|error| args.explained(error));
    let ended = signals.wait_with_terminal(&mut start()?, terminal.as_ref())?;
    if let Some(group) = &group {
        report_oom(group);
    }
    Ok(ExitCode::from(ended.code()))
}

/// SIGKILL alone does not say who sent it; the group's own count does.
#[allow(clippy::print_stderr, reason = "beside the command's own output, not in it")]
fn report_oom(group: &Group) {
    let memory = group.stat().memory;
    let kills = memory.oom_kills.unwrap_or_default();
    let limit = match memory.limit {
        Some(Bound::At(bytes)) => Bytes(bytes).to_string(),
        _ => "none of its own".to_owned(),
    };
    if kills > 0 {
        eprintln!(
            "lab-06: the kernel killed {kills} of the container's processes for want of memory \
             (limit: {limit})"
        );
    }
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
            memory: Memory { limit: self.memory.map(|it| Bound::At(it.0)), ..Memory::default() },
            pids: self.pids.map(|it| it.0),
            ..Limits::default()
        }
    }

    /// The group as it would be made; told to everybody, also to who could not make it.
    fn group_on_paper(&self) -> Result<Option<Group>> {
        if self.limits() == Limits::default() {
            return Ok(None);
        }
        let site = match Site::find() {
            Ok(site) => site,
            Err(_) => Site::on_paper(Hierarchies::of_this_process()?),
        };
        Group::plan(&site, Temporary::name("run"), &self.limits().controllers()).map(Some)
    }

    /// What making that group takes.
    fn group_explained(&self) -> Result<Vec<Explanation>> {
        let Some(group) = self.group_on_paper()? else { return Ok(Vec::new()) };
        let limits = self.limits();
        let mut calls = Temporary::explain_guardian();
        calls.extend(group.explain(&limits.controllers()));
        calls.extend(group.writes(&limits)?.iter().map(|(dir, write)| write.explain(dir)));
        Ok(calls)
    }

    /// What the child does first.
    fn joins_explained(&self) -> Result<Vec<Explanation>> {
        let group = self.group_on_paper()?;
        let join = |dir: &Path| {
            let call = format!("write(\"{}/cgroup.procs\", \"0\")", dir.display());
            Explanation::new(call, cgroups::advice::meaning("cgroup.procs"), "7 cgroups")
        };
        Ok(group.iter().flat_map(Group::directories).map(|(dir, ..)| join(dir)).collect())
    }

    /// The kernel's ENOENT may mean the program, its loader or its interpreter: the root file system
    /// tells which, unless a volume covers the place.
    fn explained(&self, error: Error) -> Error {
        const OF_PROGRAMS: [&str; 5] = ["/bin", "/sbin", "/lib", "/lib64", "/usr"];
        let covers =
            |spec: &Spec| OF_PROGRAMS.into_iter().any(|place| spec.target.starts_with(place));
        if error.exit_code != 127 || self.volumes.iter().any(covers) {
            return error;
        }
        let program = self.command.first().map_or(OsStr::new(""), OsString::as_os_str);
        rootfs::why_not_found(&self.rootfs, program, DEFAULT_PATH).unwrap_or(error)
    }

    /// A group with the limits that were asked for; none where none were.
    fn group(&self) -> Result<Option<Temporary>> {
        let limits = self.limits();
        if limits == Limits::default() {
            return Ok(None);
        }
        let site = Site::find()?;
        sweep(&site);
        let group = Temporary::guarded(&site, "run", &limits.controllers())?;
        group.apply(&limits)?;
        Ok(Some(group))
    }
}

/// The plan could not be written.
pub fn cannot_tell(error: std::io::Error) -> Error {
    Error::new("cannot tell the plan").io("write", &error)
}
