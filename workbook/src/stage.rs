//! The stage: where a learner's program runs, and where nothing it does can reach the host.
//!
//! ```text
//!   check     clone3(NEWNS|NEWPID|NEWUTS|NEWIPC|NEWNET, NEWUSER for a user) ──> grader, PID 1
//!   grader    its own /proc, a tmpfs on /tmp, a host name, and `/` shared as systemd makes it
//!   grader    runs the program below ptrace(2), looks, and writes its verdict to a pipe
//!   check     reads it; when the grader ends, or is killed, everything in there ends with it
//! ```

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::Read,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use cgroups::{Controller, Site, Temporary, Version};
use ground::{Error, Result, Step};
use namespaces::{
    Exec, IdMaps, Kind, Kinds, Spawn,
    steps::{MountProc, PrivateMounts, Redirect, SetHostname, Stream},
};
use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::{
        signal::{Signal, raise},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getegid, geteuid, getpid},
};
use rootfs::{Mount, MsFlags};

use crate::{
    exercise::Id,
    photo::Photo,
    trace::{Trace, trace},
    verdict::{self, Refusal, Verdict, expect, mistake},
};

/// What the grader calls itself on its command line.
pub const GRADER: &str = "grade-on-stage";
/// What a program is called before it is one.
pub const BECOME: &str = "become";
/// Which of several programs in one file is meant: for the tests of the exercises.
pub const VARIANT: &str = "WORKBOOK_VARIANT";
/// So long may a program take: more than any does, traced, on a busy machine of one processor.
const LIMIT: Duration = Duration::from_secs(20);
/// The program on the stage.
const PROGRAM: &str = "/tmp/program";

/// Runs `program` as an answer to `exercise`, and judges it.
///
/// # Errors
/// What the machine has against it.
pub fn check(exercise: Id, program: &Path, variant: &str) -> Result<Verdict> {
    let kinds = Kinds::of([Kind::Mount, Kind::Pid, Kind::Uts, Kind::Ipc, Kind::Net]);
    let (mut reader, writer) =
        std::io::pipe().map_err(|error| Error::new("cannot hear the grader").io("pipe", &error))?;
    let mut spawn = match geteuid().is_root() {
        true => Spawn::new(kinds),
        false => {
            let maps = IdMaps::with_subordinate_ids().unwrap_or_else(IdMaps::only_root);
            Spawn::new(kinds.with(Kind::User)).id_maps(maps)
        }
    };
    let id = exercise.to_string();
    let argv = ["/proc/self/exe".as_ref(), GRADER.as_ref(), id.as_ref(), program.as_os_str()];
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut envp = vec![path.to_owned(), format!("{VARIANT}={variant}")];
    let group = if exercise.lab == CGROUPS { Some(group()?) } else { None };
    if let Some(group) = &group {
        let dirs = GROUP.iter().filter_map(|it| Some((it, group.dir_of(*it)?)));
        let variable = |(it, dir): (&Controller, &Path)| {
            format!("GROUP_{}={}", it.name(Version::V2), dir.display())
        };
        envp.extend(dirs.map(variable));
    }
    spawn = spawn
        .step(PrivateMounts)
        .step(MountProc)
        .step(SetHostname::new("stage")?)
        .step(Redirect::new(writer.into(), Stream::Stdout))
        .step(Exec::new(&argv, &envp)?);
    let mut child = spawn.start()?;
    // With it goes our copy of the write end, which would keep end-of-file from arriving.
    drop(spawn);
    let mut said = String::new();
    let heard = reader.read_to_string(&mut said);
    let exit = child.wait()?;
    heard.map_err(|error| Error::new("cannot hear the grader").io("read", &error))?;
    group.map_or(Ok(()), Temporary::remove)?;
    serde_json::from_str(&said).map(|value| verdict::from_json(&value)).map_err(|_| {
        Error::new("the grader ended without a verdict")
            .why(format!("{exit:?}; it said '{}'", said.trim()))
    })
}

/// The lab whose exercises need a control group: that is no namespace, and not gone with one.
const CGROUPS: u8 = 2;
/// What its group can limit.
const GROUP: [Controller; 4] =
    [Controller::Pids, Controller::Memory, Controller::Cpu, Controller::Freezer];

/// A group for one grading; its guardian removes it if we are killed.
fn group() -> Result<Temporary> {
    let site = Site::find()?;
    cgroups::sweep(&site);
    let needed = GROUP.into();
    site.require(&needed)?;
    Temporary::guarded(&site, "workbook", &needed)
}

/// Where a program is run and looked at.
#[derive(Debug)]
pub struct Ring {
    /// Whether the program has the capabilities of root; if not, it is an ordinary user.
    pub capable: bool,
    variant: String,
    /// What the last run showed to whoever only ran it.
    pub symptom: String,
    /// The mount namespace of the program: its host.
    host: fs::File,
}

impl Ring {
    /// Sets the stage for a program; its grader is PID 1 there.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn open(program: &Path) -> Result<Self> {
        let read = |error| {
            Error::new("cannot read the program")
                .io(format_args!("open {}", program.display()), &error)
        };
        let bytes = fs::read(program).map_err(read)?;
        let tmpfs = Mount::tmpfs(c"/tmp", c"mode=1777");
        tmpfs.run().map_err(|errno| tmpfs.failed(errno))?;
        let shared = Mount::propagation(
            c"/",
            MsFlags::MS_REC | MsFlags::MS_SHARED,
            "as systemd makes it: whoever forgets to cut the ties is seen",
        );
        shared.run().map_err(|errno| shared.failed(errno))?;
        let write = |error| Error::new("cannot set the stage").io("write /tmp/program", &error);
        fs::write(PROGRAM, bytes).map_err(write)?;
        fs::set_permissions(PROGRAM, fs::Permissions::from_mode(0o755)).map_err(write)?;
        let variant = std::env::var(VARIANT).unwrap_or_default();
        let host = fs::File::open("/proc/self/ns/mnt").map_err(write)?;
        // A program that breaks its host's /proc must not break ours: we look at it from beside.
        let kinds = Kinds::of([Kind::Mount]);
        unshare(kinds.flags()).map_err(|errno| {
            Error::new("cannot set the stage").call("unshare(CLONE_NEWNS)", errno)
        })?;
        PrivateMounts.run().map_err(|errno| PrivateMounts.failed(errno))?;
        Ok(Self { capable: true, variant, symptom: String::new(), host })
    }

    /// A process that stops, goes to the host's mount namespace, and becomes a program.
    fn newcomer(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("/proc/self/exe");
        let host = format!("/proc/{}/fd/{}", getpid(), self.host.as_raw_fd());
        command.arg(BECOME).arg(if self.capable { "capable" } else { "incapable" });
        command.arg(host).args(argv).env(VARIANT, &self.variant).current_dir("/");
        command
    }

    /// The host as a process in it sees it.
    fn host(&self) -> Result<Photo> {
        let cannot = |error| Error::new("cannot look at the host").io("execve", &error);
        let mut witness = self.newcomer(&["true"]).spawn().map_err(cannot)?;
        let pid = Pid::from_raw(witness.id().cast_signed());
        let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED));
        let photo = Photo::of(pid);
        witness.kill().and_then(|()| witness.wait()).map_err(cannot)?;
        match stopped {
            Ok(WaitStatus::Stopped(..)) => Ok(photo),
            other => Err(Error::new("cannot look at the host").why(format!("{other:?}"))),
        }
    }

    /// Runs the program to its end, or until its time is up.
    ///
    /// # Errors
    /// The mistake of a program that hangs or says that it is not written yet.
    pub fn run(&mut self, arguments: &[&str]) -> Result<Trial, Refusal> {
        let before = self.host()?;
        let argv = [&[PROGRAM], arguments].concat();
        let capable = self.capable;
        let prepare = |pid| if capable { Ok(()) } else { map_an_ordinary_user(pid) };
        let trace = trace(&mut self.newcomer(&argv), LIMIT, prepare)?;
        self.symptom = symptom(&trace);
        let trial = Trial { trace, before, after: self.host()? };
        let said = &trial.trace.said;
        if said.contains("not yet implemented") {
            let expected = "your part in its place";
            return mistake("todo", "the program stops at todo!()", expected);
        }
        let seconds = LIMIT.as_secs();
        let saw = format!("no end after {seconds} s; it was killed");
        expect(!trial.trace.timed_out, "hangs", saw, "a program that ends")?;
        Ok(trial)
    }
}

/// A program's run, and the stage before and after it.
#[derive(Debug)]
pub struct Trial {
    /// What it did.
    pub trace: Trace,
    /// The stage before.
    pub before: Photo,
    /// The stage after.
    pub after: Photo,
}

impl Trial {
    /// The mount points that the stage has now and had not.
    pub fn leaked(&self) -> Vec<PathBuf> {
        let known = |id| self.before.mounts.iter().any(|mount| mount.id == id);
        let new = self.after.mounts.iter().filter(|mount| !known(mount.id));
        new.map(|mount| mount.point.clone()).collect()
    }

    /// What the last of its children to have one saw in an overlay at its end: names and texts.
    pub fn overlay_at(&self, point: &Path) -> Option<&BTreeMap<String, String>> {
        let children = self.trace.processes.iter().skip(1);
        children.filter_map(|it| it.last.overlays.get(point)).next_back()
    }

    /// The end of every grading: the program must have ended well and left nothing.
    ///
    /// # Errors
    /// What it said, or left.
    pub fn ended_well(&self) -> Verdict {
        let code = self.trace.code();
        let said = last_lines(&self.trace.said);
        expect(code == 0, "failed", format!("status {code}{said}"), "status 0")?;
        let leaked = self.leaked();
        let saw = format!("new mounts outside of the program: {leaked:?}");
        expect(leaked.is_empty(), "leak", saw, "the mount table of the host as it was")?;
        let left = self.trace.processes.iter().filter(|it| it.left_behind).count();
        let saw = format!("{left} of its processes still ran when it had ended");
        expect(left == 0, "left", saw, "no process left behind")
    }
}

/// A run as one who looks at nothing else would see it, with strace(1) beside it.
fn symptom(trace: &Trace) -> String {
    let calls = trace.refusals().into_iter().map(|call| format!("kernel   {call}\n"));
    let said = trace.said.lines().map(|line| format!("program  {line}\n"));
    let status = format!("status   {}\n", trace.code());
    calls.chain(said).chain([status]).collect()
}

fn last_lines(said: &str) -> String {
    let lines: Vec<_> = said.trim().lines().collect();
    let last = &lines[lines.len().saturating_sub(6)..];
    if last.is_empty() { String::new() } else { format!("; it said:\n{}", last.join("\n")) }
}

/// A word that nobody can know beforehand: an x and six letters.
pub fn random_word() -> String {
    format!("x{}", random_letters())
}

fn random_letters() -> String {
    let mut bytes = [0; 6];
    let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    // Without it a word that nobody expects either.
    if read.is_err() {
        bytes[..4].copy_from_slice(&getpid().as_raw().to_ne_bytes());
    }
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// A number from `low` on, below `high`.
pub fn random_number(low: u32, high: u32) -> u32 {
    let word = random_letters();
    let number = word.bytes().fold(0u32, |sum, byte| sum * 26 + u32::from(byte - b'a'));
    low + number % (high - low)
}

/// A process that is to be watched: goes to its host, stops until it is seen, becomes the program.
///
/// # Errors
/// When the program cannot be executed.
pub fn become_program(incapable: bool, host: &Path, argv: &[OsString]) -> Result<()> {
    let shown = host.display().to_string();
    let cannot = |error: std::io::Error| Error::new("cannot go on stage").io(&shown, &error);
    let host = fs::File::open(host).map_err(cannot)?;
    setns(&host, CloneFlags::CLONE_NEWNS)
        .map_err(|errno| Error::new("cannot go on stage").call("setns(CLONE_NEWNS)", errno))?;
    if incapable {
        unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| cannot(errno.into()))?;
    }
    let exec = Exec::with_own_environment(argv)?;
    raise(Signal::SIGSTOP)
        .map_err(|errno| Error::new("cannot wait for the tracer").call("raise(SIGSTOP)", errno))?;
    match exec.run() {
        Err(errno) => Err(exec.failed(errno)),
        Ok(()) => Ok(()),
    }
}

/// A process in a new user namespace becomes uid 1000 there: execve(2) takes all capabilities of one
/// who is not root. A second uid outside is not to be had where an ordinary user plays.
fn map_an_ordinary_user(pid: Pid) -> Result<()> {
    let files = [("uid_map", geteuid().as_raw()), ("gid_map", getegid().as_raw())];
    files.iter().try_for_each(|(file, ours)| {
        let path = format!("/proc/{pid}/{file}");
        fs::write(&path, format!("1000 {ours} 1"))
            .map_err(|error| Error::new("cannot make an ordinary user").io(path, &error))
    })
}
