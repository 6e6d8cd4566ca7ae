//! The switches: what can keep an ordinary user from all of this, and what it says then.

use std::{fs::File, io::Read};

use ground::{Errno, Error, Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use namespaces::{
    Exec, IdMaps, Kind, Kinds, Spawn,
    steps::{Redirect, Stream},
    walls::Facts,
};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::{self, pipe2},
};

use super::{Stage, check};

const SWITCH: &std::ffi::CStr = c"/proc/sys/user/max_user_namespaces";

/// Claim N09.
pub fn scene() -> Result<Scene<Stage>> {
    let what = "The switches of this machine are read; one is turned off inside a user namespace, and \
                `lab-01 run --user` is tried there.";
    Ok(Scene::new(what, attempt()?.explain(), act))
}

fn attempt() -> Result<Spawn<'static>> {
    let argv = ["/proc/self/exe", "run", "--user", "--", "true"];
    Ok(Spawn::new(Kinds::of([Kind::User]))
        .id_maps(IdMaps::only_root())
        .step(TurnOff)
        .step(Exec::with_own_environment(&argv)?))
}

/// Sets the limit of user namespaces to 0. It counts for the user namespace that the caller is in
/// and those below, so the machine's own limit stays as it is.
#[derive(Debug)]
struct TurnOff;

impl Step for TurnOff {
    fn run(&self) -> std::result::Result<(), Errno> {
        let file = open(SWITCH, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        unistd::write(file, b"0").map(drop)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("write({SWITCH:?}, \"0\")"),
            "every user namespace has limits of its own, so this one only binds what is inside",
            "5 proc_sys_user",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EROFS | Errno::EACCES => Some("/proc/sys is read-only here, as in a container"),
            _ => None,
        }
    }
}

fn act(_: &mut Stage) -> Result<Outcome> {
    let said = match refused() {
        Ok(said) => said,
        Err(error) => return Ok(Outcome::NotHere(error)),
    };
    check(said.contains("ENOSPC"), "a limit of 0 refuses the next user namespace with ENOSPC")?;
    check(Facts::read().max_user_namespaces != Some(0), "our own limit is as it was")?;
    let mut words = Table::new(["lab-01 run --user, with the limit at 0"]);
    said.lines().for_each(|line| words.push([line]));
    let follows = "User namespaces need not be switched on; some machines switch them off, in one of these ways. \
                   Each has its own errno and its own cure, and the error above names them.";
    Ok(Evidence::new(follows).table(switches(&Facts::read())).table(words).into())
}

fn switches(facts: &Facts) -> Table {
    let absent = || "not on this machine".to_owned();
    let number = |value: Option<u64>| value.map_or_else(absent, |value| value.to_string());
    let filtered = if facts.filtered { "yes" } else { "no" };
    Table::new(["switch", "here", "it refuses with"])
        .title("/proc/sys and /proc/self/status")
        .row(["user.max_user_namespaces", &number(facts.max_user_namespaces), "0: ENOSPC"])
        .row([
            "kernel.unprivileged_userns_clone",
            &number(facts.unprivileged_userns_clone),
            "0: EPERM",
        ])
        .row([
            "kernel.apparmor_restrict_unprivileged_userns",
            &number(facts.apparmor_restrict),
            "1: EPERM, at the map",
        ])
        .row(["a seccomp filter on us", filtered, "yes: EPERM or ENOSYS"])
}

/// What the attempt writes to standard error.
fn refused() -> Result<String> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)
        .map_err(|errno| Error::new("cannot talk to the child").call("pipe2(O_CLOEXEC)", errno))?;
    let mut spawn = attempt()?;
    spawn.steps.insert(0, Box::new(Redirect::new(write, Stream::Stderr)));
    let mut child = spawn.start()?;
    // With it goes our copy of the write end, which would keep end-of-file from arriving.
    drop(spawn);
    let mut said = String::new();
    File::from(read)
        .read_to_string(&mut said)
        .map_err(|error| Error::new("cannot hear from the child").io("read", &error))?;
    child.wait()?;
    Ok(said)
}
