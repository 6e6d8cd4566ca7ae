//! The switches: what can keep an ordinary user from all of this, and what it says then.

use std::{fs::File, io::Read};

use ground::{Errno, Error, Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use namespaces::{
    Exec, Exit, IdMaps, Kind, Kinds, Spawn,
    steps::{Redirect, RefuseClone3, Stream},
    walls::Facts,
};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::{self, pipe2},
};

use super::{Stage, check};

/// Our own program, as somebody would start it who has not read this lesson.
const ATTEMPT: [&str; 5] = ["/proc/self/exe", "run", "--user", "--", "true"];

const SWITCH: &std::ffi::CStr = c"/proc/sys/user/max_user_namespaces";

/// Claim N09.
pub fn scene() -> Result<Scene<Stage>> {
    let what = "lab-01 run --user is tried as it is, below a limit, and below a filter.";
    let attempts = [as_it_is()?, below_a_limit()?, below_a_filter()?];
    Ok(Scene::new(what, attempts.iter().flat_map(Spawn::explain).map(with_arguments), act))
}

/// Says what our own program is to do: here that is the point.
fn with_arguments(call: Explanation) -> Explanation {
    let ours = format!("execve({:?}, ..)", ATTEMPT[0]);
    Explanation {
        call: call.call.replace(&ours, &format!("execve({:?}, {ATTEMPT:?}, ..)", ATTEMPT[0])),
        ..call
    }
}

/// `lab-01 run --user`, in the user namespace that we are in.
fn as_it_is() -> Result<Spawn<'static>> {
    Ok(Spawn::new(Kinds::NONE).step(attempt()?))
}

fn below_a_limit() -> Result<Spawn<'static>> {
    let spawn = Spawn::new(Kinds::of([Kind::User])).id_maps(IdMaps::only_root());
    Ok(spawn.step(TurnOff).step(attempt()?))
}

fn below_a_filter() -> Result<Spawn<'static>> {
    Ok(Spawn::new(Kinds::NONE).step(RefuseClone3).step(attempt()?))
}

fn attempt() -> Result<Exec> {
    Exec::with_own_environment(&ATTEMPT)
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
    let facts = Facts::read();
    let attempts = [as_it_is()?, below_a_limit()?, below_a_filter()?].map(said);
    let [free, limited, filtered] = match attempts {
        [Ok(free), Ok(limited), Ok(filtered)] => [free, limited, filtered],
        [Err(error), ..] | [_, Err(error), _] | [.., Err(error)] => {
            return Ok(Outcome::NotHere(error));
        }
    };
    if !free.is_empty() {
        return Ok(Outcome::NotHere(
            Error::new("this machine has a switch off already").why(free.trim_end()),
        ));
    }
    check(errno_in(&limited) == Some("ENOSPC"), "a limit of 0 refuses with ENOSPC")?;
    check(errno_in(&filtered) == Some("ENOSYS"), "the filter's errno is what clone3 returns")?;
    check(Facts::read() == facts, "our own switches are as they were")?;
    let follows = "User namespaces need not be switched on: the first attempt had nothing to say. Some machines \
                   switch them off, in one of these ways; each errno has its own cure. The two of the kernel \
                   hold for the whole machine, so a demonstration leaves them alone.";
    Ok(Evidence::new(follows)
        .table(switches(&facts, &limited, &filtered))
        .table(words("lab-01 run --user, with the limit at 0", &limited))
        .table(words("lab-01 run --user, below the filter", &filtered))
        .into())
}

fn switches(facts: &Facts, limited: &str, filtered: &str) -> Table {
    let number =
        |value: Option<u64>| value.map_or_else(|| "absent".to_owned(), |it| it.to_string());
    let errno = |said| errno_in(said).unwrap_or("nothing");
    Table::new(["switch", "here", "it refuses with"])
        .title("/proc/sys/{user,kernel}, /proc/self/status, and the children's errnos")
        .row(["max_user_namespaces", &number(facts.max_user_namespaces), errno(limited)])
        .row(["a seccomp filter", if facts.filtered { "yes" } else { "no" }, errno(filtered)])
        .row(["unprivileged_userns_clone", &number(facts.unprivileged_userns_clone), "not tried"])
        .row([
            "apparmor_restrict_unprivileged_userns",
            &number(facts.apparmor_restrict),
            "not tried",
        ])
}

fn words(heading: &str, said: &str) -> Table {
    let mut words = Table::new([heading]);
    said.lines().for_each(|line| words.push([line.trim_start()]));
    words
}

/// The name after the call, as in `clone3(..) = ENOSPC (No space left on device)`.
fn errno_in(said: &str) -> Option<&str> {
    let (_, after) = said.split_once(" = ")?;
    after.split(' ').next()
}

/// What an attempt writes to standard error; nothing when it succeeds.
fn said(mut spawn: Spawn<'_>) -> Result<String> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)
        .map_err(|errno| Error::new("cannot talk to the child").call("pipe2(O_CLOEXEC)", errno))?;
    spawn.steps.insert(0, Box::new(Redirect::new(write, Stream::Stderr)));
    let mut child = spawn.start()?;
    // With it goes our copy of the write end, which would keep end-of-file from arriving.
    drop(spawn);
    let mut said = String::new();
    File::from(read)
        .read_to_string(&mut said)
        .map_err(|error| Error::new("cannot hear from the child").io("read", &error))?;
    let succeeded = child.wait()? == Exit::Code(0);
    check(succeeded == said.is_empty(), "an attempt fails with words, or succeeds without")?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::errno_in;

    #[test]
    fn the_errno_stands_after_the_call() {
        let said = "error: no\n  why: clone3({flags=CLONE_NEWUSER}) = ENOSPC (No space)\n";
        assert_eq!(errno_in(said), Some("ENOSPC"));
        assert_eq!(errno_in(""), None);
    }
}
