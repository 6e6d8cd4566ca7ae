//! Without clone: a process can change its own namespaces, but for the one it is numbered in.

use std::fs::File;

use ground::{Errno, Error, Evidence, Explanation, Outcome, Result, Scene, Table};
use namespaces::{Id, Kind, Kinds, Spawn, witness::Facts};
use nix::{
    sched::{setns, unshare},
    unistd::getpid,
};

use super::{
    Stage, check, with,
    witness::{look, start},
};
use crate::args::Role;

const MOMENTS: [&str; 4] = ["before", "after unshare", "with a child", "after setns"];

/// Claim N02.
pub fn scene() -> Scene<Stage> {
    let unshare = Explanation::new(
        format!("unshare({})", changed().flag_names()),
        "new namespaces for the process that runs, without a new process",
        "2 unshare",
    );
    let setns = Explanation::new(
        "setns(open(\"/proc/self/ns/uts\"), CLONE_NEWUTS)",
        "back into the namespace that was kept open; lab 05 is about this call",
        "2 setns",
    );
    let calls =
        [own_table().clone_explained(), unshare, Spawn::new(Kinds::NONE).clone_explained(), setns];
    Scene::new("A child changes its namespaces by unshare(2), and back by setns(2).", calls, act)
}

/// To go back, one must have power over where one came from: so the first is its own already.
fn own_table() -> Spawn<'static> {
    Spawn::new(Kinds::of([Kind::Uts]))
}

fn changed() -> Kinds {
    Kinds::of([Kind::Uts, Kind::Pid])
}

/// The witness's side: changes its namespaces and notes what it sees at each moment.
///
/// # Errors
/// What the kernel has against it.
pub fn change(facts: &mut Facts) -> Result<()> {
    let kept = keep(Kind::Uts)?;
    note(facts, 0)?;
    unshare(changed().flags())
        .map_err(|errno| refused("unshare(CLONE_NEWUTS|CLONE_NEWPID)", errno))?;
    note(facts, 1)?;
    let child = look(Spawn::new(Kinds::NONE))?;
    note(facts, 2)?;
    setns(kept, Kind::Uts.flag()).map_err(|errno| refused("setns(fd, CLONE_NEWUTS)", errno))?;
    note(facts, 3)?;
    facts.insert("child".to_owned(), child.fact("pid").to_string());
    Ok(())
}

fn note(facts: &mut Facts, moment: usize) -> Result<()> {
    // The link leads nowhere between the unshare and the first child.
    let for_children = Id::at("/proc/self/ns/pid_for_children", Kind::Pid);
    facts.insert(format!("{moment}.own PID"), getpid().to_string());
    facts.insert(format!("{moment}.uts inode"), Id::own(Kind::Uts)?.ino.to_string());
    facts.insert(format!("{moment}.pid inode"), Id::own(Kind::Pid)?.ino.to_string());
    let for_children =
        for_children.map_or_else(|_| "not there yet".to_owned(), |id| id.ino.to_string());
    facts.insert(format!("{moment}.inode for children"), for_children);
    Ok(())
}

fn act(_: &mut Stage) -> Result<Outcome> {
    with(start(Role::Unshare, own_table()), |witness| {
        let at = |moment: usize, fact: &str| witness.fact(&format!("{moment}.{fact}")).to_owned();
        check(
            at(1, "uts inode") != at(0, "uts inode"),
            "unshare moves the caller into a new UTS namespace",
        )?;
        check(at(2, "pid inode") == at(0, "pid inode"), "and leaves it in its PID namespace")?;
        check(at(2, "own PID") == at(0, "own PID"), "so that its PID stays")?;
        check(at(2, "inode for children") != at(0, "pid inode"), "which its children are not in")?;
        check(witness.fact("child") == "1", "the first child is PID 1 of the new namespace")?;
        check(at(3, "uts inode") == at(0, "uts inode"), "setns leads back")?;
        let facts = ["own PID", "uts inode", "pid inode", "inode for children"];
        let columns = ["moment"].into_iter().chain(facts);
        let mut table = Table::new(columns).title("/proc/self/ns of the child");
        for (moment, words) in MOMENTS.into_iter().enumerate() {
            let cells = facts.map(|fact| at(moment, fact));
            table.push([words.to_owned()].into_iter().chain(cells));
        }
        let follows = "The same flags work without clone. The UTS namespace changed under the running process; the \
                       PID namespace only took its next child, which became number one there.";
        Ok(Evidence::new(follows).table(table).into())
    })
}

fn keep(kind: Kind) -> Result<File> {
    let path = format!("/proc/self/ns/{}", kind.name());
    File::open(&path).map_err(|error| {
        Error::new("cannot keep the namespace").io(format_args!("open {path}"), &error)
    })
}

fn refused(call: &str, errno: Errno) -> Error {
    Error::new("cannot change the namespaces").call(call, errno).see("7 namespaces")
}
