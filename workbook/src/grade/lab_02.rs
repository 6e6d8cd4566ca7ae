//! Lab 02: a limit is what its file says, a member is who is in it, and the effect is what fork(2) answers.

use std::fs;

use ground::Errno;
use syscalls::Sysno;

use super::{Grader, prediction};
use crate::{
    photo::{Photo, group_directory},
    stage::{Ring, Trial, random_number, random_word},
    trace::{Call, Process},
    verdict::{Refusal, Verdict, expect, mistake},
};

/// By number.
pub const GRADERS: [Grader; 8] =
    [pids, in_time, cpu_quota, memory, whose_quota, removal, bomb, freeze];

/// What a file of the group says now.
fn file(controller: &str, name: &str) -> String {
    let path = group_directory(controller).map(|it| it.join(name)).unwrap_or_default();
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Whether a process was in the group.
fn is_member(photo: &Photo) -> bool {
    let name = group_directory("pids").and_then(|it| it.file_name().map(ToOwned::to_owned));
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    photo.files.get("cgroup").is_some_and(|it| it.contains(&name))
}

/// A write to a file of the group that the kernel refused.
fn refused(trial: &Trial) -> Verdict {
    let mut writes = trial.trace.calls(Sysno::write);
    let failed = writes.find(|it| !it.succeeded() && it.file.starts_with("/sys/fs/cgroup"));
    match failed {
        Some(call) => {
            mistake("refused", format!("{} to {}", call.shown(), call.file.display()), "0 errors")
        }
        None => Ok(()),
    }
}

fn worker(trial: &Trial) -> Result<&Process, Refusal> {
    match trial.trace.processes.get(1) {
        Some(worker) => Ok(worker),
        None => {
            trial.ended_well()?;
            mistake("failed", "no worker was started", "the program as it was, but your part")
        }
    }
}

/// The children of the worker, and theirs.
fn offspring(trial: &Trial) -> Vec<&Process> {
    let processes = &trial.trace.processes;
    let below = |process: &&Process| {
        let mut parent = process.parent;
        while let Some(place) = parent {
            if place == 1 {
                return true;
            }
            parent = processes[place].parent;
        }
        false
    };
    processes.iter().filter(below).collect()
}

fn fork_was_refused(trial: &Trial) -> bool {
    let forks = [Sysno::clone, Sysno::clone3, Sysno::fork, Sysno::vfork];
    let mut calls = trial.trace.calls.iter().filter(|call| forks.contains(&call.name));
    calls.any(|call| call.answer == Err(Errno::EAGAIN))
}

/// The limit is in the file and the worker in the group.
fn limited(trial: &Trial, most: u32) -> Verdict {
    refused(trial)?;
    let worker = worker(trial)?;
    let says = file("pids", "pids.max");
    let saw = format!("pids.max says {says}");
    expect(says == most.to_string(), "limit", saw, format!("pids.max says {most}"))?;
    let saw = "the process was in another group";
    expect(is_member(&worker.last), "member", saw, "the process in the group")
}

fn pids(ring: &mut Ring) -> Verdict {
    let most = random_number(5, 12);
    let trial = ring.run(&[&most.to_string()])?;
    limited(&trial, most)?;
    let expected = "fork(2) = EAGAIN";
    expect(fork_was_refused(&trial), "effect", "no fork(2) was refused", expected)?;
    trial.ended_well()
}

fn in_time(ring: &mut Ring) -> Verdict {
    let most = random_number(5, 12);
    let trial = ring.run(&[&most.to_string()])?;
    limited(&trial, most)?;
    let offspring = offspring(&trial);
    let expected = "all that the worker forks is in the group";
    expect(!offspring.is_empty(), "never", "the worker did not fork at all", expected)?;
    let outside = offspring.iter().filter(|it| !is_member(&it.last)).count();
    let saw = format!("{outside} of {} children are outside of the group", offspring.len());
    expect(outside == 0, "late", saw, expected)?;
    expect(fork_was_refused(&trial), "effect", "no fork(2) was refused", "fork(2) = EAGAIN")?;
    trial.ended_well()
}

/// Quota and period, in us.
fn quota() -> Option<(u64, u64)> {
    let max = file("cpu", "cpu.max");
    let (quota, period) = match max.split_once(' ') {
        Some((quota, period)) => (quota.to_owned(), period.to_owned()),
        None => (file("cpu", "cpu.cfs_quota_us"), file("cpu", "cpu.cfs_period_us")),
    };
    Some((quota.parse().ok()?, period.parse().ok()?))
}

fn throttled() -> u64 {
    let stat = file("cpu", "cpu.stat");
    let value = stat.lines().find_map(|line| line.strip_prefix("nr_throttled "));
    value.and_then(|it| it.parse().ok()).unwrap_or_default()
}

fn cpu_quota(ring: &mut Ring) -> Verdict {
    // So little that a busy machine, too, gives more than that.
    let thousandths = u64::from(random_number(20, 60));
    let before = throttled();
    let trial = ring.run(&[&thousandths.to_string()])?;
    refused(&trial)?;
    let expected = format!("a quota of {thousandths}/1000 of the period");
    let written = |name: &str| trial.trace.calls(Sysno::write).any(|it| it.file.ends_with(name));
    let weight = written("cpu.shares") || written("cpu.weight");
    let note = if weight { "weight" } else { "quota" };
    match quota() {
        Some((quota, period)) => {
            let saw = format!("a quota of {quota} us in {period} us");
            expect(quota * 1000 == thousandths * period, note, saw, expected)?;
        }
        None => return mistake(note, "no quota", expected),
    }
    expect(throttled() > before, "effect", "nr_throttled is as it was", "it is higher")?;
    trial.ended_well()
}

fn memory(ring: &mut Ring) -> Verdict {
    let limit = random_number(24, 40);
    let mut amounts = [limit * 2, limit / 4];
    amounts.rotate_left(random_number(0, 2) as usize);
    for wanted in amounts {
        let trial = ring.run(&[&limit.to_string(), &wanted.to_string()])?;
        refused(&trial)?;
        let truth = worker(&trial)?.code.unwrap_or(-1);
        let said = prediction(&trial);
        let note = match (truth, said.as_str()) {
            (0, _) => "lives",
            (_, "0") => "killed",
            _ => "status",
        };
        let saw = format!("predicted '{said}' for {wanted} of {limit} MiB");
        let expected = format!("it ended with status {truth}");
        expect(said == truth.to_string(), note, saw, expected)?;
        trial.ended_well()?;
    }
    Ok(())
}

fn whose_quota(ring: &mut Ring) -> Verdict {
    let (thousandths, processes) = (random_number(20, 60), random_number(2, 4));
    let before = throttled();
    let trial = ring.run(&[&thousandths.to_string(), &processes.to_string()])?;
    refused(&trial)?;
    let Some((quota, period)) = quota() else {
        trial.ended_well()?;
        return mistake("failed", "no quota was set", "the program as it was, but your part");
    };
    let truth = quota * 1000 / period;
    let said = prediction(&trial);
    let guess: u64 = said.parse().unwrap_or_default();
    let factor = u64::from(processes);
    let shared = guess == truth * factor || guess == truth / factor;
    let note = if shared { "shared" } else { "unit" };
    let throttled = throttled() - before;
    let saw = format!("predicted '{said}' for {thousandths}/1000 and {processes} processes");
    let expected = format!("the group has {truth} ms; it was throttled {throttled} times");
    expect(guess == truth, note, saw, expected)?;
    trial.ended_well()
}

fn removal(ring: &mut Ring) -> Verdict {
    let trial = ring.run(&[&random_word()])?;
    let calls = &trial.trace.calls;
    let denied =
        |call: &&Call| matches!(call.name, Sysno::unlink | Sysno::unlinkat) && !call.succeeded();
    if let Some(call) = calls.iter().find(denied) {
        return mistake("files", call.shown(), "rmdir(2) of the directory");
    }
    let busy = |call: &Call| call.answer == Err(Errno::EBUSY) && call.name == Sysno::rmdir;
    let first = calls.iter().position(busy);
    let gone = calls.iter().position(|call| call.name == Sysno::rmdir && call.succeeded());
    let code = trial.trace.code();
    if let Some(place) = first.filter(|_| code != 0) {
        let kills = [Sysno::kill, Sysno::pidfd_send_signal];
        let killed = calls[..place].iter().any(|it| kills.contains(&it.name) && it.succeeded());
        let note = if killed { "zombie" } else { "alive" };
        return mistake(note, calls[place].shown(), "rmdir(..) = 0");
    }
    let saw = "the group was still there";
    expect(gone.is_some() && code == 0, "alive", saw, "rmdir(..) = 0")?;
    let worker = worker(&trial)?;
    expect(is_member(&worker.last), "moved", "the worker left the group", "it ended in there")?;
    trial.ended_well()
}

fn bomb(ring: &mut Ring) -> Verdict {
    let open = ring.run(&["open"])?;
    let made = offspring(&open).len();
    let saw = format!("{made} processes were made, where nothing held them");
    expect(made >= 30, "bomb", saw, "30 processes")?;
    open.ended_well()?;
    let most = random_number(5, 12);
    let closed = ring.run(&["lid", &most.to_string()])?;
    let says = file("pids", "pids.max");
    let saw = format!("pids.max says {says}");
    expect(says == most.to_string(), "limit", saw, format!("pids.max says {most}"))?;
    let made = offspring(&closed).len();
    let saw = format!("{made} processes were made below a lid of {most}");
    expect(made < most as usize && fork_was_refused(&closed), "lid", saw, "fork(2) = EAGAIN")?;
    closed.ended_well()
}

fn freeze(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    refused(&trial)?;
    let signal = trial.trace.calls(Sysno::kill).any(|it| it.arguments[1] == libc::SIGSTOP as u64);
    expect(!signal, "stopped", "SIGSTOP was sent", "the group frozen as a whole")?;
    let marker = format!("/tmp/{name}-frozen");
    let seen = trial.trace.calls(Sysno::mkdir).find(|it| it.text(0) == marker);
    let state = seen.map(|call| call.before().group).unwrap_or_default();
    let v1 = state.get("freezer.state").cloned();
    let says = v1.or_else(|| state.get("cgroup.events").cloned()).unwrap_or_default();
    let frozen = says == "FROZEN" || says.contains("frozen 1");
    expect(frozen, "asked", format!("the group says '{says}'"), "FROZEN, or frozen 1")?;
    trial.ended_well()
}
