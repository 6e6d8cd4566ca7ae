//! What those processes do: each role's own side.

use std::{
    env, fs, io,
    net::{TcpListener, TcpStream},
    os::unix::fs::chroot,
    process::ExitCode,
    thread,
    time::Duration,
};

use caps::{CapSet, Capability};
use ground::{Errno, Error, Result, Step};
use namespaces::{
    Id, Kind, Kinds, Spawn,
    witness::{Facts, testify as tell},
};
use nix::{
    ifaddrs::getifaddrs,
    mount::{MsFlags, mount},
    sys::utsname::uname,
    unistd::{Pid, getpid},
};
use setns::{JoinProcess, Target};

use crate::args::Role;

/// Where the target has its root.
const ROOT: &str = "/tmp/root";

/// The capability that the target gives up.
pub const GIVEN_UP: Capability = Capability::CAP_SYS_TIME;

/// Does what the role asks for, and says what it sees.
///
/// # Errors
/// What the kernel has against its role.
pub fn testify(role: Role) -> Result<ExitCode> {
    let mut facts = Facts::new();
    let mut add = |name: &str, fact: String| {
        facts.insert(name.to_owned(), fact);
    };
    match role {
        Role::Target { port } => {
            let _listener = settle(port)?;
            add("ready", "yes".to_owned());
            return tell(&facts, &mut io::stdout()).map(|()| ExitCode::SUCCESS);
        }
        Role::Look => {
            add("interfaces", interfaces());
            add("nodename", nodename());
        }
        Role::Connect { port } => add("answer", connect(port)),
        Role::JoinPid { pid } => join_pid(Pid::from_raw(pid), &mut add)?,
        Role::JoinAs { pid, threads } => join_as(Pid::from_raw(pid), threads, &mut add)?,
        Role::Make => {
            let _idle = super::cost::make(&mut facts)?;
            return tell(&facts, &mut io::stdout()).map(|()| ExitCode::SUCCESS);
        }
    }
    tell(&facts, &mut io::stdout()).map(|()| ExitCode::SUCCESS)
}

/// The target's way into its place: a socket, a root below the root of its mount table, a
/// working directory, and one capability less.
fn settle(port: u16) -> Result<TcpListener> {
    let cannot =
        |call: &'static str| move |error| Error::new("cannot be the target").io(call, &error);
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(cannot("listen"))?;
    fs::create_dir(ROOT).map_err(cannot("mkdir"))?;
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/"), ROOT, None::<&str>, bind, None::<&str>)
        .map_err(|errno| cannot("mount")(errno.into()))?;
    chroot(ROOT).map_err(cannot("chroot"))?;
    env::set_current_dir("/usr").map_err(cannot("chdir"))?;
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::drop(None, set, GIVEN_UP)
            .map_err(|error| Error::new("cannot be the target").why(error.to_string()))?;
    }
    Ok(listener)
}

fn interfaces() -> String {
    let mut names: Vec<String> =
        getifaddrs().into_iter().flatten().map(|interface| interface.interface_name).collect();
    names.sort();
    names.dedup();
    names.join(" ")
}

fn nodename() -> String {
    uname().map(|machine| machine.nodename().to_string_lossy().into_owned()).unwrap_or_default()
}

/// What becomes of a connection to the port, in words.
pub fn connect(port: u16) -> String {
    match TcpStream::connect(("127.0.0.1", port)) {
        Ok(_) => "connected".to_owned(),
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            format!("{errno:?} ({})", errno.desc())
        }
    }
}

fn join_pid(pid: Pid, add: &mut impl FnMut(&str, String)) -> Result<()> {
    let target = Target::open(pid)?;
    let join = JoinProcess::new(&target, Kinds::of([Kind::Pid]));
    moment(0, add)?;
    join.run().map_err(|errno| join.failed(errno))?;
    moment(1, add)?;
    let child = Spawn::new(Kinds::NONE).stay().start()?;
    let numbers = super::status_of(child.pid(), "NSpid")?;
    let inside = numbers.split_whitespace().last().unwrap_or_default();
    add("child.pid", Id::of(child.pid(), Kind::Pid)?.to_string());
    add("child.inside", inside.to_owned());
    Ok(())
}

fn join_as(pid: Pid, threads: usize, add: &mut impl FnMut(&str, String)) -> Result<()> {
    let target = Target::open(pid)?;
    for _ in 1..threads {
        thread::spawn(|| thread::sleep(Duration::MAX));
    }
    add("threads", super::status_of(getpid(), "Threads")?);
    // The user namespace last: it takes the power over what lies outside.
    for kind in [Kind::Mount, Kind::User] {
        let joined = JoinProcess::new(&target, Kinds::of([kind])).run();
        let said = joined.map_or_else(|errno| format!("{errno:?}"), |()| "joined".to_owned());
        add(kind.name(), said);
    }
    Ok(())
}

fn moment(moment: usize, add: &mut impl FnMut(&str, String)) -> Result<()> {
    add(&format!("{moment}.getpid"), getpid().to_string());
    add(&format!("{moment}.pid"), Id::own(Kind::Pid)?.to_string());
    let for_children = Id::at("/proc/self/ns/pid_for_children", Kind::Pid)?;
    add(&format!("{moment}.for_children"), for_children.to_string());
    Ok(())
}
