//! Lab 05: who has joined whom is a comparison of inodes, of the joiner, the target and the host.

use std::path::Path;

use namespaces::Kind;
use syscalls::Sysno;

use super::{Grader, prediction};
use crate::{
    photo::Photo,
    stage::{Ring, Trial, random_number, random_word},
    trace::Process,
    verdict::{Refusal, Verdict, expect, mistake},
};

/// By number.
pub const GRADERS: [Grader; 8] =
    [join_process, exec_in, by_files, surroundings, who_moves, wrong_file, user_first, pinned];

/// The container that is joined.
fn target(trial: &Trial) -> Result<&Photo, Refusal> {
    process(trial, 1).map(|it| &it.last)
}

/// The process that joins, before its end.
fn joiner(trial: &Trial) -> Result<&Photo, Refusal> {
    process(trial, 2).map(|it| &it.last)
}

fn process(trial: &Trial, place: usize) -> Result<&Process, Refusal> {
    match trial.trace.processes.get(place) {
        Some(process) => Ok(process),
        None => {
            trial.ended_well()?;
            mistake("failed", "no such process was made", "the program as it was, but your part")
        }
    }
}

fn same(a: &Photo, b: &Photo, kind: Kind) -> bool {
    a.namespaces.get(&kind) == b.namespaces.get(&kind)
}

fn names(kinds: &[Kind]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The kinds in which the joiner is where the target is, and the host is not.
fn joined(trial: &Trial) -> Result<Vec<Kind>, Refusal> {
    let (target, joiner) = (target(trial)?, joiner(trial)?);
    let own = target.other_kinds(&trial.before);
    Ok(own.into_iter().filter(|kind| same(target, joiner, *kind)).collect())
}

fn join_process(ring: &mut Ring) -> Verdict {
    let kinds = [Kind::Mount, Kind::Uts, Kind::Ipc, Kind::Net];
    let first = random_number(0, 4) as usize;
    let mut wanted = vec![kinds[first], kinds[(first + random_number(1, 4) as usize) % 4]];
    wanted.sort();
    let trial = ring.run(&[&random_word(), wanted[0].name(), wanted[1].name()])?;
    let refused = trial.trace.calls(Sysno::setns).find(|call| !call.succeeded());
    if let Some(call) = refused {
        return mistake("refused", call.shown(), "setns(..) = 0");
    }
    let joined = joined(&trial)?;
    let moved = joiner(&trial)?.other_kinds(&trial.before);
    let expected = format!("in the container's {}", names(&wanted));
    let new: Vec<_> = moved.iter().copied().filter(|kind| !joined.contains(kind)).collect();
    let saw = format!("in new namespaces: {}", names(&new));
    expect(new.is_empty(), "new", saw, expected.clone())?;
    let saw = format!("in the container's {}", names(&joined));
    let all = wanted.iter().all(|kind| joined.contains(kind));
    expect(all, "not-joined", saw.clone(), expected.clone())?;
    expect(joined == wanted, "too-many", saw, expected)?;
    trial.ended_well()
}

fn exec_in(ring: &mut Ring) -> Verdict {
    let trial = ring.run(&[&random_word()])?;
    let target = target(&trial)?.clone();
    let executed = trial.trace.processes.iter().skip(2).flat_map(|it| &it.executed).next_back();
    let Some(program) = executed else {
        trial.ended_well()?;
        return mistake("not-joined", "no program was started", "true(1) in the container");
    };
    let inside = [Kind::Pid, Kind::Mount].map(|kind| same(&target, program, kind));
    let kinds = program.other_kinds(&trial.before);
    let saw = format!("the program is elsewhere than the host in: {}", names(&kinds));
    let expected = "in the container's PID and mount namespace";
    expect(inside != [false, false], "not-joined", saw.clone(), expected)?;
    expect(inside[0], "no-fork", saw.clone(), expected)?;
    expect(inside[1], "mount", saw, expected)?;
    trial.ended_well()
}

fn by_files(ring: &mut Ring) -> Verdict {
    let trial = ring.run(&[&random_word()])?;
    let joined = joined(&trial)?;
    let opened = trial.trace.calls(Sysno::openat).filter(|it| it.text(1).contains("/ns/"));
    let lost = opened.into_iter().find(|call| !call.succeeded());
    if let Some(call) = lost {
        return mistake("proc", call.shown(), "both files opened");
    }
    let both = joined.contains(&Kind::Mount) && joined.contains(&Kind::Uts);
    let saw = format!("joined: {}", names(&joined));
    expect(both, "not-joined", saw, "joined: mnt, uts")?;
    trial.ended_well()
}

fn surroundings(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let calls = [Sysno::chroot, Sysno::fchdir];
    let mut failed = trial.trace.calls.iter().filter(|it| calls.contains(&it.name));
    if let Some(call) = failed.find(|it| !it.succeeded()) {
        return mistake("refused", call.shown(), "a call that succeeds");
    }
    let (target, joiner) = (target(&trial)?, joiner(&trial)?);
    let saw = format!("its root directory is {}", joiner.root.display());
    let expected = format!("its root directory is {}", target.root.display());
    expect(joiner.root == target.root, "root", saw, expected)?;
    let saw = format!("it stands in {}", joiner.cwd.display());
    let expected = format!("it stands in {}", target.cwd.display());
    expect(joiner.cwd == target.cwd, "cwd", saw, expected)?;
    trial.ended_well()
}

fn who_moves(ring: &mut Ring) -> Verdict {
    let mut kinds = [Kind::Mount, Kind::Uts, Kind::Ipc, Kind::Net, Kind::Pid];
    kinds.rotate_left(random_number(0, 5) as usize);
    for kind in kinds {
        let trial = ring.run(&[&random_word(), kind.name()])?;
        let moved = same(target(&trial)?, joiner(&trial)?, kind);
        let truth = if moved { "yes" } else { "no" };
        let said = prediction(&trial);
        let note = if kind == Kind::Pid { "pid" } else { "other" };
        let saw = format!("predicted '{said}' for {}", kind.name());
        expect(said == truth, note, saw, format!("the kernel says '{truth}'"))?;
        trial.ended_well()?;
    }
    Ok(())
}

fn wrong_file(ring: &mut Ring) -> Verdict {
    let naive = ring.run(&[&random_word(), "naive"])?;
    let tricked = joined(&naive)?;
    let saw = format!("the naive program joined: {}", names(&tricked));
    expect(tricked == [Kind::Uts], "plant", saw, "the naive program joined: uts")?;
    naive.ended_well()?;
    let careful = ring.run(&[&random_word(), "careful"])?;
    let tricked = joined(&careful)?;
    let saw = format!("your program joined: {}", names(&tricked));
    expect(tricked.is_empty(), "joined", saw, "your program joined: none")?;
    careful.ended_well()?;
    let honest = ring.run(&[&random_word(), "honest"])?;
    let right = joined(&honest)?;
    let saw = format!("with the right file it joined: {}", names(&right));
    expect(right == [Kind::Net], "network", saw, "with the right file it joined: net")?;
    honest.ended_well()
}

fn user_first(ring: &mut Ring) -> Verdict {
    ring.capable = false;
    let trial = ring.run(&[])?;
    if let Some(call) = trial.trace.calls(Sysno::setns).find(|call| !call.succeeded()) {
        return mistake("order", call.shown(), "setns(..) = 0");
    }
    let (target, joiner) = (target(&trial)?, joiner(&trial)?);
    let inside = [Kind::User, Kind::Uts].map(|kind| same(target, joiner, kind));
    let saw = format!("joined: user {}, uts {}", inside[0], inside[1]);
    expect(inside == [true, true], "not-joined", saw, "joined: user, uts")?;
    trial.ended_well()
}

fn pinned(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let file = format!("/tmp/{name}-uts");
    let link = std::fs::symlink_metadata(&file).is_ok_and(|it| it.is_symlink());
    let main = process(&trial, 0)?;
    let pin = main.last.mount_at(&file).filter(|it| it.fstype == "nsfs");
    let note = if link { "link" } else { "no-pin" };
    let saw = format!("nothing is mounted at {file}");
    expect(pin.is_some(), note, saw, "a mount of a namespace")?;
    let inode = target(&trial)?.namespaces.get(&Kind::Uts).copied().unwrap_or_default();
    let root = pin.map(|it| it.root.clone()).unwrap_or_default();
    let saw = format!("the file keeps {}", root.display());
    let expected = format!("uts:[{inode}]");
    expect(root == Path::new(&expected), "other", saw, format!("the file keeps {expected}"))?;
    trial.ended_well()
}
