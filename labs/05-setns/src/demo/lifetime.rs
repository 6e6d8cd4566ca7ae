//! How long a namespace lives: as long as something refers to it.

use std::{
    fs::{File, read_to_string},
    os::fd::AsRawFd,
    path::Path,
};

use ground::{Error, Evidence, Outcome, Result, Scene, Table};
use namespaces::{Id, Kind, Kinds, Spawn, census, steps::SetHostname};
use nix::sys::signal::Signal;
use setns::{JoinFile, Target, pin, pin_explained, unpin, unpin_explained};

use super::{check, of_some_process, stage::Stage, witness::start};
use crate::args::Role;

const FILE: &str = "/tmp/kept";
const NAME: &str = "kept";

/// Claim S05.
pub fn scene(target: &Target) -> Scene<Stage> {
    let pinned = pin_explained(target, Kind::Uts, Path::new(FILE));
    let calls = of_some_process(pinned.into_iter().chain(unpin_explained(Path::new(FILE))));
    let what = "A process ends; a bind mount keeps its namespace, then a descriptor does.";
    Scene::new(what, calls, act)
}

/// Whether no mount stands for a namespace at our file any more (man 5 proc_pid_mountinfo).
fn unpinned() -> Result<bool> {
    let mounts = read_to_string("/proc/self/mountinfo")
        .map_err(|error| Error::new("cannot read the mount table").io("mountinfo", &error))?;
    Ok(!mounts.lines().any(|line| line.split(' ').nth(4) == Some(FILE)))
}

/// Whether a process is in it. The number alone does not tell: the kernel gives that of a namespace
/// that has ended to a new one, which somebody else may just have made.
fn is_inhabited(namespace: Id) -> Result<bool> {
    let all = census::take()?.namespaces.into_iter().filter(|it| it.id == namespace);
    let is_ours = |pid| host_name(&format!("/proc/{pid}/ns/uts")).is_ok_and(|name| name == NAME);
    Ok(all.flat_map(|it| it.pids).any(is_ours))
}

/// The host name in a UTS namespace, as a process says that joins it.
fn host_name(path: &str) -> Result<String> {
    let visitor =
        start(Role::Look, Spawn::new(Kinds::NONE).step(JoinFile::open(path, Kind::Uts)?))?;
    Ok(visitor.fact("nodename").to_owned())
}

fn act(_: &mut Stage) -> Result<Outcome> {
    let spawn = Spawn::new(Kinds::of([Kind::Uts])).step(SetHostname::new(NAME)?).stay();
    let mut process = match spawn.start() {
        Ok(process) => process,
        Err(error) => return Ok(Outcome::NotHere(error)),
    };
    let link = format!("/proc/{}/ns/uts", process.pid());
    let mut table = Table::new(["what refers to it", "opened by", "inode", "host name"]);
    let mut note = |what: &str, opened: &str, path: &str| -> Result<Id> {
        let id = Id::at(path, Kind::Uts)?;
        let name = host_name(path)?;
        check(name == NAME, "the host name is still in it")?;
        table.push([what, opened, &id.ino.to_string(), &name]);
        Ok(id)
    };
    let alive = note("a process", "/proc/PID/ns/uts", &link)?;
    pin(&Target::open(process.pid())?, Kind::Uts, Path::new(FILE))?;
    process.kill(Signal::SIGKILL)?;
    process.wait()?;
    check(Id::at(&link, Kind::Uts).is_err(), "the link goes with the process")?;
    let pinned = note("a bind mount", FILE, FILE)?;
    let held = File::open(FILE).map_err(|error| Error::new("cannot hold it").io("open", &error))?;
    unpin(Path::new(FILE))?;
    let descriptor = format!("/proc/self/fd/{}", held.as_raw_fd());
    let open = note("an open descriptor", "/proc/self/fd/N", &descriptor)?;
    check(alive == pinned && alive == open, "it is one namespace all the time")?;
    drop(held);
    check(!is_inhabited(alive)? && unpinned()?, "nothing names it any more")?;
    table.push(["nothing", "/proc/*/ns, mountinfo", "not found", "-"]);
    let follows = "A namespace is counted like a file: processes, descriptors and mounts refer to it, and with the \
                   last reference it ends. ip netns keeps its networks on /run/netns this way.";
    Ok(Evidence::new(follows).table(table).into())
}
