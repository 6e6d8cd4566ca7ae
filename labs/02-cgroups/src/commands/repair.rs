//! `repair-proc`: /proc files that tell the limits of the group we are in, bound over the host's.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use cgroups::{
    Bytes, CpuList, Group, Stat,
    proc_files::{self, Allowance, FILES},
};
use ground::{Errno, Error, Explanation, Narrator, Result, Step};
use namespaces::{Exec, Kind, Kinds, rootless};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::sched_getaffinity,
    sys::{prctl, signal::Signal},
    unistd::{Pid, getpid, getppid},
};

use crate::told;

/// Where the repaired files are written: in a tmpfs that covers it for a moment, for us alone.
const SHELF: &str = "/tmp";

/// The flags of `repair-proc`.
#[derive(Debug, clap::Args)]
pub struct RepairCommand {
    /// Show this much memory instead of the group's limit
    #[arg(long, value_name = "BYTES")]
    memory: Option<Bytes>,
    /// Show this many CPUs instead of the group's quota
    #[arg(long, value_name = "N")]
    cpus: Option<usize>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl RepairCommand {
    /// Becomes the command, in a mount namespace of its own.
    pub fn run(self, narrator: &mut Narrator<'_>) -> Result<ExitCode> {
        if narrator.plans_only() {
            told(narrator.plan(&explain()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let exec = Exec::with_own_environment(&self.command)?;
        let allowance = self.allowance()?;
        let parent = getppid();
        rootless::enter(Kinds::of([Kind::Mount]))?;
        // Becoming root of a user namespace clears it, and our supervisor counts on it.
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
        if getppid() != parent {
            return Err(Error::new("cannot run the command").why("its supervisor has died"));
        }
        cover(&allowance)?;
        let Err(errno) = exec.run() else { return Ok(ExitCode::SUCCESS) };
        let not_found = if errno == Errno::ENOENT { 127 } else { 126 };
        Err(exec.failed(errno).exit_code(not_found))
    }

    fn allowance(&self) -> Result<Allowance> {
        let group = Group::of_process(getpid())?;
        let affinity = sched_getaffinity(Pid::from_raw(0)).map_err(|errno| {
            Error::new("cannot see which CPUs are ours")
                .call("sched_getaffinity(0, ..)", errno)
                .see("2 sched_setaffinity")
        })?;
        let placed = (0..1024).filter(|it| affinity.is_set(*it).unwrap_or(false)).count();
        let mut allowance = Allowance::of(&self.given(group.stat()), placed, Duration::ZERO);
        allowance.cpus = self.cpus.unwrap_or(allowance.cpus);
        Ok(allowance)
    }

    fn given(&self, mut stat: Stat) -> Stat {
        if let Some(Bytes(memory)) = self.memory {
            stat.memory.limit = Some(cgroups::Bound::At(memory));
            stat.memory.current = Some(0);
            stat.memory.file = Some(0);
        }
        stat
    }
}

/// The calls of a repair, in order.
pub fn explain() -> Vec<Explanation> {
    let mut calls = rootless::explain(Kinds::of([Kind::Mount]));
    calls.push(Explanation::new(
        format!("mount(\"tmpfs\", \"{SHELF}\", \"tmpfs\", MS_NOSUID|MS_NODEV, \"mode=1777\")"),
        "a place that only we see, to write the repaired files",
        "5 tmpfs",
    ));
    let covers = FILES.iter().map(|file| Cover::new(Path::new(file)).explain());
    calls.extend(covers);
    calls.push(Explanation::new(
        format!("umount2(\"{SHELF}\", MNT_DETACH)"),
        "uncovers the directory again; the bind mounts keep the files",
        "2 umount",
    ));
    calls
}

/// Writes the repaired text of every file there is and binds it over the host's.
fn cover(allowance: &Allowance) -> Result<()> {
    // Read all of them first: the later are computed from the host's, not from our own.
    let texts: Vec<(&str, String)> = FILES
        .into_iter()
        .filter_map(|file| Some((file, fs::read_to_string(file).ok()?)))
        .map(|(file, host)| (file, proc_files::repaired(file, &host, allowance)))
        .collect();
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), SHELF, Some("tmpfs"), flags, Some("mode=1777")).map_err(|errno| {
        Error::new("cannot repair /proc")
            .call(&format!("mount(\"tmpfs\", \"{SHELF}\", ..)"), errno)
            .see("2 mount")
            .fix("run it as root, or where user namespaces are allowed")
    })?;
    for (file, text) in texts {
        let step = Cover::new(Path::new(file));
        fs::write(&step.source, text).map_err(|error| {
            Error::new("cannot repair /proc")
                .io(format_args!("write {}", step.source.display()), &error)
        })?;
        step.run().map_err(|errno| step.failed(errno))?;
    }
    umount2(SHELF, MntFlags::MNT_DETACH).map_err(|errno| {
        Error::new("cannot repair /proc")
            .call(&format!("umount2(\"{SHELF}\", MNT_DETACH)"), errno)
            .see("2 umount")
    })
}

/// A repaired file bound over the host's.
#[derive(Debug)]
struct Cover {
    source: PathBuf,
    target: PathBuf,
}

impl Cover {
    fn new(target: &Path) -> Self {
        let name = target.file_name().unwrap_or_default();
        Self { source: Path::new(SHELF).join(name), target: target.to_owned() }
    }
}

impl Step for Cover {
    fn run(&self) -> Result<(), Errno> {
        let none = None::<&str>;
        mount(Some(&self.source), &self.target, none, MsFlags::MS_BIND, none)
    }

    fn explain(&self) -> Explanation {
        let (source, target) = (self.source.display(), self.target.display());
        Explanation::new(
            format!("mount(\"{source}\", \"{target}\", NULL, MS_BIND, NULL)"),
            reader(&self.target),
            "2 mount",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EPERM | Errno::EACCES => Some("run it as root, or allow user namespaces"),
            _ => None,
        }
    }
}

/// Who reads a file, and so what covering it changes.
fn reader(file: &Path) -> &'static str {
    match file.file_name().and_then(|it| it.to_str()) {
        Some("meminfo") => "free and top read it; the host's file is covered, not changed",
        Some("cpuinfo") => "lscpu and many programs count CPUs in it",
        Some("stat") => "top counts and weighs CPUs in it",
        Some("uptime") => "uptime and top read it; the clock itself stays",
        Some("loadavg") => "uptime and top read it; the machine's load is not the group's",
        _ => "glibc counts CPUs in it for sysconf(3)",
    }
}

/// The CPUs that /sys says are online, for a table.
pub fn online() -> Option<CpuList> {
    fs::read_to_string("/sys/devices/system/cpu/online").ok()?.parse().ok()
}
