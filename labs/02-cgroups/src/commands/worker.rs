//! The workers of the demonstration: this program again, in small roles that need no host tool.
//!
//! A worker reports on standard output, a line at a time, and dies with its parent.

mod init;

use std::{
    hint::black_box,
    io::{self, Write},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use cgroups::{Controller, CpuList, Site, Temporary};
use ground::{Error, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{prctl, signal::Signal, sysinfo::sysinfo},
    unistd::{Pid, gettid},
};

use super::{limit::own_program, repair};

/// The roles; hidden, because they mean nothing outside the demonstration.
#[derive(Debug, clap::Subcommand)]
pub enum Worker {
    /// Spin, in so many threads
    #[command(hide = true)]
    Busy { threads: usize, milliseconds: u64 },
    /// Touch so many bytes, a page at a time
    #[command(hide = true)]
    Allocate { bytes: usize },
    /// Start idle processes until the kernel refuses, at most so many
    #[command(hide = true)]
    ForkBomb { at_most: usize },
    /// Spin on the first CPU that we may use
    #[command(hide = true)]
    BusyOnOneCpu { milliseconds: u64 },
    /// Start an init in a PID namespace of its own, and pass signals on to it
    #[command(hide = true)]
    Container,
    /// Run two applications and an orphan, as PID 1
    #[command(hide = true)]
    Init,
    /// Start a process, say its id, and leave it to whoever adopts it
    #[command(hide = true)]
    Abandon,
    /// Make a guarded group, say its directories, and wait
    #[command(hide = true)]
    MakeAGroup,
    /// Wait for the end of the parent, for at most so long
    #[command(hide = true)]
    Idle { milliseconds: u64 },
    /// Wait for the end of standard input: the parent may die before it could be told so
    #[command(hide = true)]
    Hang,
    /// Count, for at most a minute
    #[command(hide = true)]
    Count,
    /// Have a second thread, say its id, and wait
    #[command(hide = true)]
    TwoThreads,
    /// Say how much memory and how many CPUs there seem to be
    #[command(hide = true)]
    Ask,
}

impl Worker {
    /// Plays the role.
    pub fn run(self) -> Result<ExitCode> {
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
        match self {
            Self::Busy { threads, milliseconds } => busy(threads, milliseconds),
            Self::BusyOnOneCpu { milliseconds } => return busy_on_one_cpu(milliseconds),
            Self::Container => return init::container(),
            Self::Init => return init::init(),
            Self::Abandon => return init::abandon(),
            Self::MakeAGroup => return make_a_group(),
            Self::Allocate { bytes } => allocate(bytes),
            Self::ForkBomb { at_most } => return fork_bomb(at_most),
            Self::Idle { milliseconds } => thread::sleep(Duration::from_millis(milliseconds)),
            Self::Hang => drop(io::copy(&mut io::stdin(), &mut io::sink())),
            Self::Count => return count(),
            Self::TwoThreads => return two_threads(),
            Self::Ask => return ask(),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn busy(threads: usize, milliseconds: u64) {
    let until = Instant::now() + Duration::from_millis(milliseconds);
    let spin = || {
        let mut spins = 0_u64;
        while Instant::now() < until {
            (0..1000).for_each(|it| spins = black_box(spins.wrapping_add(it)));
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(spin)));
        spin();
    });
}

/// Two of them fight for the CPU, whatever else the machine has.
fn busy_on_one_cpu(milliseconds: u64) -> Result<ExitCode> {
    let ourselves = Pid::from_raw(0);
    let placed =
        |errno| Error::new("cannot stay on one CPU").call("sched_setaffinity(0, ..)", errno);
    let ours = sched_getaffinity(ourselves).map_err(placed)?;
    let first = (0..CpuSet::count()).find(|it| ours.is_set(*it).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(first.unwrap_or_default()).map_err(placed)?;
    sched_setaffinity(ourselves, &one).map_err(placed)?;
    busy(1, milliseconds);
    Ok(ExitCode::SUCCESS)
}

fn make_a_group() -> Result<ExitCode> {
    let group = Temporary::guarded(&Site::find()?, "orphaned", &Controller::accounting())?;
    let directories: Vec<_> =
        group.directories().map(|(dir, ..)| dir.display().to_string()).collect();
    say(&directories.join(" "))?;
    thread::sleep(Duration::from_secs(30));
    Ok(ExitCode::SUCCESS)
}

fn allocate(bytes: usize) {
    let mut memory: Vec<u8> = Vec::with_capacity(bytes);
    // Memory is promised at the allocation and charged at the first touch.
    while memory.len() < bytes {
        memory.resize((memory.len() + 4096).min(bytes), 1);
    }
    black_box(&memory);
}

/// A process that counts the way to its own limit, and takes its children along.
fn fork_bomb(at_most: usize) -> Result<ExitCode> {
    let mut born = Vec::new();
    let mut refused = 0;
    let mut errno = 0;
    for _ in 0..at_most {
        let mut child = Command::new(own_program()?);
        let child = child.arg("hang").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        match child {
            Ok(child) => born.push(child),
            Err(error) => {
                refused += 1;
                errno = error.raw_os_error().unwrap_or_default();
            }
        }
    }
    say(&format!("{} {refused} {errno}", born.len()))?;
    for mut child in born {
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok(ExitCode::SUCCESS)
}

fn count() -> Result<ExitCode> {
    for number in 1..12_000_u32 {
        say(&number.to_string())?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(ExitCode::SUCCESS)
}

fn two_threads() -> Result<ExitCode> {
    let (tell, told) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = tell.send(gettid());
            thread::sleep(Duration::from_secs(30));
        });
        let tid = told.recv().map_err(|_| Error::new("the second thread did not start"))?;
        say(&tid.to_string())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn ask() -> Result<ExitCode> {
    let read = |file| std::fs::read_to_string(file).unwrap_or_default();
    let meminfo = read("/proc/meminfo");
    let total = meminfo.lines().find_map(|it| it.strip_prefix("MemTotal:"));
    let kib: u64 =
        total.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default();
    let begins = |text: &str, start| text.lines().filter(|it| it.starts_with(start)).count();
    let per_cpu = begins(&read("/proc/stat"), "cpu").saturating_sub(1);
    let online = repair::online().map_or(0, |CpuList(it)| it.len());
    let by_call = sysinfo().map(|it| it.ram_total()).unwrap_or_default();
    let affinity = sched_getaffinity(Pid::from_raw(0)).ok();
    let affinity = affinity
        .map(|set| (0..1024).filter(|it| set.is_set(*it).unwrap_or(false)).count())
        .unwrap_or_default();
    let processors = begins(&read("/proc/cpuinfo"), "processor");
    say(&format!("{} {by_call} {processors} {per_cpu} {online} {affinity}", kib * 1024))?;
    Ok(ExitCode::SUCCESS)
}

fn say(line: &str) -> Result<()> {
    let mut stdout = io::stdout();
    let said = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    said.map_err(|error| Error::new("the worker cannot report").io("write", &error))
}
