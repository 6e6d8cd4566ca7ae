//! The floor: what is left of a runtime when there is nothing to read and nothing to decide.
//!
//! Namespaces, groups, mounts, pivot, capabilities and filter of the measured container, as bare
//! system calls with everything known beforehand. A runtime that makes the same calls cannot be
//! faster: the distance to the floor is what the runtime itself costs.
//!
//! As a runtime, it is executed once for each word: `create`, `start`, `delete`, `exec`, or `run` for
//! all in one. `timed` is `run` that says how long each part took.

use std::{
    cell::Cell,
    error::Error,
    ffi::CString,
    fs::{self, File},
    io::{Read, Write},
    os::{
        fd::AsFd,
        unix::fs::{OpenOptionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use ground::Step;
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::{
        stat::{Mode, SFlag, makedev, mknod, umask},
        wait::waitpid,
    },
    unistd::{Pid, chdir, mkfifo, pivot_root, setgroups, sethostname, setsid},
};

use crate::{bundle, sys};

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// The namespaces that clone3(2) makes.
const KINDS: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS);

/// What a runtime would have to find out.
struct Known<'a> {
    state: PathBuf,
    rootfs: PathBuf,
    /// The compiled filter; empty for none.
    filter: Vec<u8>,
    /// The program's argument.
    argument: &'a str,
    /// The directories of the container's group.
    groups: Vec<PathBuf>,
    clock: Clock,
}

/// Runs the floor: `VERB STATE ROOTFS FILTER ARGUMENT GROUP..`, FILTER a file or `-`.
pub fn main(args: &[String]) -> ExitCode {
    let [verb, state, rootfs, filter, argument, groups @ ..] = args else {
        return ExitCode::from(2);
    };
    let known = Known {
        state: state.into(),
        rootfs: rootfs.into(),
        filter: fs::read(filter).unwrap_or_default(),
        argument,
        groups: groups.iter().map(PathBuf::from).collect(),
        clock: Clock::new(verb == "timed"),
    };
    let done = match verb.as_str() {
        "create" => known.create().map(drop),
        "start" => known.start(),
        "delete" => known.delete(),
        "exec" => known.exec(),
        _ => known.run(),
    };
    if let Err(error) = &done {
        let _ = writeln!(std::io::stderr(), "floor {verb}: {error}");
    }
    ExitCode::from(u8::from(done.is_err()))
}

impl Known<'_> {
    fn run(&self) -> Done {
        let pid = self.create()?;
        self.clock.restart();
        self.start()?;
        waitpid(pid, None)?;
        self.clock.tell("start, exec, end");
        self.delete()?;
        self.clock.tell("remove groups and state");
        Ok(())
    }

    fn create(&self) -> Done<Pid> {
        fs::create_dir(&self.state)?;
        let gate = self.state.join("exec.fifo");
        mkfifo(&gate, Mode::from_bits_truncate(0o600))?;
        let gate = File::options().read(true).write(true).open(gate)?;
        self.clock.tell("state directory with a fifo");
        self.make_groups()?;
        self.clock.tell("groups, device rules");
        let (mut ready, tell) = std::io::pipe()?;
        let group = self.v2_group()?;
        let Some(pid) = sys::clone3(KINDS.bits(), group.as_ref().map(AsFd::as_fd))? else {
            return Err(self.child(gate, tell));
        };
        drop(tell);
        fs::write(self.state.join("pid"), pid.to_string())?;
        ready.read_exact(&mut [0])?;
        Ok(pid)
    }

    fn make_groups(&self) -> Done {
        for group in &self.groups {
            fs::create_dir(group)?;
            if group.join("devices.deny").exists() {
                write(&group.join("devices.deny"), "a *:* rwm")?;
                for rule in bundle::DEVICE_RULES {
                    write(&group.join("devices.allow"), rule)?;
                }
            }
        }
        Ok(())
    }

    /// The only group of a v2 machine, for CLONE_INTO_CGROUP.
    fn v2_group(&self) -> Done<Option<File>> {
        match self.groups.as_slice() {
            [group] if group.join("cgroup.events").exists() => Ok(Some(File::open(group)?)),
            _ => Ok(None),
        }
    }

    /// Returns only when something failed.
    fn child(&self, gate: File, tell: std::io::PipeWriter) -> Box<dyn Error> {
        self.clock.tell("clone3 into five namespaces");
        match self.furnish().and_then(|()| self.become_the_program(gate, tell)) {
            Ok(()) => "the program returned".into(),
            Err(error) => error,
        }
    }

    fn furnish(&self) -> Done {
        self.join_v1_groups()?;
        unshare(CloneFlags::CLONE_NEWCGROUP)?;
        self.clock.tell("into the groups; cgroup namespace");
        setsid()?;
        sethostname("box")?;
        namespaces::steps::LoopbackUp.run()?;
        self.clock.tell("host name, loopback");
        enter(&self.rootfs)?;
        self.clock.tell("rootfs as a mount");
        mounts(&self.groups)?;
        self.clock.tell("mounts");
        devices()?;
        self.clock.tell("device nodes and links");
        hide()?;
        self.clock.tell("read-only and masked paths");
        pivot()?;
        self.clock.tell("pivot_root");
        Ok(())
    }

    fn become_the_program(&self, mut gate: File, mut tell: std::io::PipeWriter) -> Done {
        // While there is still CAP_SYS_ADMIN, which it takes without no_new_privs.
        if !self.filter.is_empty() {
            sys::seccomp(&self.filter)?;
            self.clock.tell("filter");
        }
        confine()?;
        self.clock.tell("capabilities");
        tell.write_all(b"r")?;
        gate.read_exact(&mut [0])?;
        Err(sys::execve(bundle::PAYLOAD, &CString::new(self.argument)?).into())
    }

    fn join_v1_groups(&self) -> Done {
        if self.v2_group()?.is_none() {
            for group in &self.groups {
                write(&group.join("tasks"), "0")?;
            }
        }
        Ok(())
    }

    fn start(&self) -> Done {
        let gate = self.state.join("exec.fifo");
        let mut gate = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(gate)?;
        Ok(gate.write_all(b"g")?)
    }

    fn delete(&self) -> Done {
        for group in &self.groups {
            fs::remove_dir(group)?;
        }
        Ok(fs::remove_dir_all(&self.state)?)
    }

    fn exec(&self) -> Done {
        let pid = fs::read_to_string(self.state.join("pid"))?.parse()?;
        let target = namespaces::pidfd::open(Pid::from_raw(pid))?;
        let group = self.v2_group()?;
        if let Some(child) = sys::clone3(0, group.as_ref().map(AsFd::as_fd))? {
            return Ok(waitpid(child, None).map(drop)?);
        }
        self.join_v1_groups()?;
        setns(target, KINDS | CloneFlags::CLONE_NEWCGROUP)?;
        // A joined PID namespace takes only children.
        if let Some(inside) = sys::clone3(0, None)? {
            return Ok(waitpid(inside, None).map(drop)?);
        }
        if !self.filter.is_empty() {
            sys::seccomp(&self.filter)?;
        }
        confine()?;
        Err(sys::execve(bundle::PAYLOAD, &CString::new(self.argument)?).into())
    }
}

fn write(file: &Path, text: &str) -> Done {
    // Without O_TRUNC and O_CREAT, which these files take for nothing.
    Ok(File::options().write(true).open(file)?.write_all(text.as_bytes())?)
}

const NONE: Option<&str> = None;

/// A mount of a file system, or with MS_BIND of a path.
fn put(kind: &str, at: &str, flags: MsFlags, data: &str) -> Done {
    Ok(mount(Some(kind), at, Some(kind), flags, Some(data))?)
}

fn bind(from: &str, at: &str) -> Done {
    Ok(mount(Some(from), at, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?)
}

fn read_only(at: &str) -> Done {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    Ok(mount(NONE, at, NONE, flags, NONE)?)
}

fn enter(rootfs: &Path) -> Done {
    mount(NONE, "/", NONE, MsFlags::MS_SLAVE | MsFlags::MS_REC, NONE)?;
    mount(Some(rootfs), rootfs, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
    mount(NONE, rootfs, NONE, MsFlags::MS_PRIVATE | MsFlags::MS_REC, NONE)?;
    Ok(chdir(rootfs)?)
}

fn mounts(groups: &[PathBuf]) -> Done {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    put("proc", "proc", quiet, "")?;
    put("tmpfs", "dev", MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME, "mode=755,size=65536k")?;
    for directory in ["dev/pts", "dev/mqueue", "dev/shm"] {
        fs::create_dir(directory)?;
    }
    let terminals = "newinstance,ptmxmode=0666,mode=0620,gid=5";
    put("devpts", "dev/pts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, terminals)?;
    put("sysfs", "sys", quiet | MsFlags::MS_RDONLY, "")?;
    put("mqueue", "dev/mqueue", quiet, "")?;
    put("tmpfs", "dev/shm", quiet, "mode=1777,size=67108864")?;
    for name in bundle::BINDS {
        bind(&format!("../{name}"), &format!("etc/{name}"))?;
    }
    let kind = |group: &PathBuf| {
        group.parent().and_then(Path::file_name).and_then(|it| it.to_str()).map(str::to_owned)
    };
    match groups {
        [_] => put("cgroup2", "sys/fs/cgroup", quiet | MsFlags::MS_RDONLY, ""),
        groups => {
            put("tmpfs", "sys/fs/cgroup", quiet, "mode=755")?;
            for controllers in groups.iter().filter_map(kind) {
                let at = format!("sys/fs/cgroup/{controllers}");
                fs::create_dir(&at)?;
                let flags = quiet | MsFlags::MS_RDONLY;
                mount(Some("cgroup"), &*at, Some("cgroup"), flags, Some(&*controllers))?;
            }
            read_only("sys/fs/cgroup")
        }
    }
}

fn devices() -> Done {
    umask(Mode::empty());
    let mode = Mode::from_bits_truncate(0o666);
    for (name, (major, minor)) in rootfs::dev::NODES {
        mknod(&*format!("dev/{name}"), SFlag::S_IFCHR, mode, makedev(major.into(), minor.into()))?;
    }
    umask(Mode::from_bits_truncate(0o022));
    for (name, target) in rootfs::dev::LINKS {
        symlink(target, format!("dev/{name}"))?;
    }
    Ok(())
}

/// Paths that this kernel does not have need no hiding.
fn hide() -> Done {
    for path in mini_runc::defaults::READONLY_PATHS.map(|path| path.trim_start_matches('/')) {
        if Path::new(path).exists() {
            bind(path, path)?;
            read_only(path)?;
        }
    }
    for path in mini_runc::defaults::MASKED_PATHS.map(|path| path.trim_start_matches('/')) {
        match fs::metadata(path) {
            Ok(it) if it.is_dir() => put("tmpfs", path, MsFlags::MS_RDONLY, "size=0k,nr_inodes=2")?,
            Ok(_) => bind("/dev/null", path)?,
            Err(_) => {}
        }
    }
    Ok(())
}

fn pivot() -> Done {
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    Ok(chdir("/")?)
}

fn confine() -> Done {
    let kept = bundle::capability_mask();
    for capability in (0..=40).filter(|it| kept & (1 << it) == 0) {
        // One that this machine took away before is gone already.
        let _ = sys::drop_bounding(capability);
    }
    setgroups(&[])?;
    Ok(sys::set_capabilities(kept)?)
}

/// Says on standard error how long each part took, in microseconds; both sides of the clone do.
struct Clock {
    talks: bool,
    since: Cell<Instant>,
}

impl Clock {
    fn new(talks: bool) -> Self {
        Self { talks, since: Cell::new(Instant::now()) }
    }

    fn tell(&self, part: &str) {
        if self.talks {
            let line = format!("{part}\t{}\n", self.since.get().elapsed().as_micros());
            let _ = std::io::stderr().write_all(line.as_bytes());
            self.restart();
        }
    }

    fn restart(&self) {
        self.since.set(Instant::now());
    }
}
