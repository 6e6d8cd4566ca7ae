//! Lab 01: namespaces are inodes below `/proc/PID/ns`, and both sides of a clone can be compared.

use ground::Errno;
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
pub const GRADERS: [Grader; 11] = [
    clone_arguments,
    host_name,
    private_mounts,
    fresh_proc,
    the_hosts_proc,
    unshare_and_fork,
    id_maps,
    nested_pids,
    the_neighbour,
    without_privilege,
    refused_with_a_fallback,
];

/// The program itself.
fn program(trial: &Trial) -> &Process {
    &trial.trace.processes[0]
}

/// The first child that became `true`, as it was then.
fn contained<'a>(trial: &'a Trial, note: &str) -> Result<&'a Photo, Refusal> {
    let executed = trial.trace.processes.iter().skip(1).flat_map(|it| &it.executed);
    let mut found = executed.filter(|it| it.program.ends_with("true") || is_busybox(it));
    match found.next() {
        Some(photo) => Ok(photo),
        None => {
            trial.ended_well()?;
            mistake(note, "no child became a program", "a child that executes true(1)")
        }
    }
}

fn is_busybox(photo: &Photo) -> bool {
    photo.program.to_string_lossy().contains("box") || photo.program.ends_with("coreutils")
}

fn names(kinds: &[Kind]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn clone_arguments(ring: &mut Ring) -> Verdict {
    let kinds = [Kind::Mount, Kind::Uts, Kind::Ipc, Kind::Net, Kind::Pid];
    let first = random_number(0, 5) as usize;
    let second = (first + random_number(1, 5) as usize) % 5;
    let mut wanted = vec![kinds[first], kinds[second]];
    wanted.sort();
    let trial = ring.run(&[wanted[0].name(), wanted[1].name()])?;
    let main = program(&trial);
    let moved = main.last.other_kinds(&trial.before);
    let saw = format!("the program itself changed its namespaces: {}", names(&moved));
    expect(moved.is_empty(), "parent", saw, "the parent where it was; only the child moves")?;
    let Some(child) = trial.trace.processes.get(1) else {
        trial.ended_well()?;
        return mistake("no-child", "no process was made", "a child, by clone3(2)");
    };
    let got = child.born.other_kinds(&trial.before);
    let (saw, expected) = (names(&got), names(&wanted));
    let saw = format!("new namespaces of the child: {saw}");
    expect(got == wanted, "flags", saw, format!("new namespaces of the child: {expected}"))?;
    let clone = trial.trace.calls(Sysno::clone3).find(|call| call.succeeded());
    expect(clone.is_some(), "no-child", "no clone3(2) succeeded", "clone3(2)")?;
    let signalled = trial.trace.calls(Sysno::pidfd_send_signal);
    let refused = signalled.into_iter().find(|call| !call.succeeded());
    if let Some(call) = refused {
        return mistake("pidfd", call.shown(), "a descriptor of the child in args.pidfd");
    }
    let waited = trial.trace.calls(Sysno::wait4).find(|call| !call.succeeded());
    if let Some(call) = waited {
        return mistake("exit-signal", call.shown(), "a child that wait4(2) can wait for");
    }
    trial.ended_well()
}

fn host_name(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let after = &trial.after.host_name;
    let saw = format!("the host is called '{after}' now");
    expect(*after == trial.before.host_name, "host", saw, "the host with its old name")?;
    let inside = contained(&trial, "step")?;
    let saw = format!("inside, the host name is {:?}", inside.host_name);
    let expected = format!("inside, the host name is {name:?}");
    // A program that asks gets a C string, so what comes after a NUL byte is seen in the call only.
    if let Some(call) = trial.trace.calls(Sysno::sethostname).find(|call| call.text(0) != name) {
        return mistake("name", call.shown(), expected);
    }
    expect(inside.host_name == name, "name", saw, expected)?;
    trial.ended_well()
}

fn private_mounts(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let leaked = trial.leaked();
    let propagation = trial.trace.calls(Sysno::mount).find(|call| {
        call.text(1) == "/" && call.arguments[3] & (libc::MS_PRIVATE | libc::MS_SLAVE) != 0
    });
    let recursive = propagation.is_some_and(|call| call.has(3, libc::MS_REC));
    let note = match propagation {
        None => "no-call",
        Some(call) if !call.succeeded() => "refused",
        Some(_) if !recursive => "not-recursive",
        Some(_) => "shared",
    };
    let expected = "the host sees no mount of the child";
    if let Some(call) = propagation.filter(|call| !call.succeeded()) {
        return mistake(note, call.shown(), expected);
    }
    expect(leaked.is_empty(), note, format!("the host sees {leaked:?}"), expected)?;
    let inside = contained(&trial, "no-call")?;
    let tied = inside
        .mounts
        .iter()
        .find(|mount| mount.propagation.iter().any(|it| it.starts_with("shared:")));
    let saw = tied.map(|it| format!("{} is {}", it.point.display(), it.propagation.join(" ")));
    expect(tied.is_none(), note, saw.unwrap_or_default(), "no mount of the child is shared")?;
    trial.ended_well()
}

/// Whether the child's /proc is one of its own PID namespace.
fn judge_proc(trial: &Trial, inside: &Photo) -> Verdict {
    let proc = inside.mount_at("/proc");
    let known = proc.is_some_and(|it| trial.before.mounts.iter().any(|old| same(old, it)));
    let fstype = proc.map(|it| it.fstype.clone()).unwrap_or_default();
    let saw = format!("/proc inside is a mount of type '{fstype}'");
    expect(fstype == "proc", "type", saw, "a mount of type 'proc'")?;
    let root = proc.map(|it| it.root.display().to_string()).unwrap_or_default();
    let made = trial.trace.calls(Sysno::mount).filter(|call| call.succeeded());
    let fresh = made.into_iter().any(|call| call.text(2) == "proc" && call.text(1) == "/proc");
    let saw = format!("/proc inside is the old one, shown from {root}");
    expect(!known && fresh, "old", saw, "a proc that was mounted in the new PID namespace")
}

fn same(a: &rootfs::MountInfo, b: &rootfs::MountInfo) -> bool {
    a.id == b.id
}

/// Where mount(2) of a proc was called: in the child's own PID namespace, or outside.
fn mounted_in_new_pid_namespace(trial: &Trial) -> Verdict {
    let mounts = trial.trace.calls(Sysno::mount);
    for call in mounts.filter(|call| call.text(2) == "proc" && call.succeeded()) {
        let other = call.before().other_kinds(&trial.before);
        let saw = format!("{} in namespaces of its own: {}", call.shown(), names(&other));
        expect(other.contains(&Kind::Pid), "outside", saw, "the call in the new PID namespace")?;
    }
    Ok(())
}

fn fresh_proc(ring: &mut Ring) -> Verdict {
    let trial = ring.run(&[])?;
    let inside = contained(&trial, "refused")?;
    mounted_in_new_pid_namespace(&trial)?;
    judge_proc(&trial, inside)?;
    let options = inside.mount_at("/proc").map(|it| it.options.clone()).unwrap_or_default();
    let all = ["nosuid", "nodev", "noexec"].iter().all(|it| options.split(',').any(|o| o == *it));
    let expected = "nosuid, nodev and noexec, as every proc has them";
    expect(all, "options", format!("/proc inside has {options}"), expected)?;
    trial.ended_well()
}

fn the_hosts_proc(ring: &mut Ring) -> Verdict {
    let trial = ring.run(&[])?;
    let points = trial.leaked();
    let cut = trial.trace.calls(Sysno::mount).any(|call| {
        call.succeeded() && call.arguments[3] & (libc::MS_PRIVATE | libc::MS_SLAVE) != 0
    });
    let own_mounts = trial
        .trace
        .processes
        .iter()
        .any(|it| it.last.other_kinds(&trial.before).contains(&Kind::Mount));
    let note = match (own_mounts, cut) {
        (false, _) => "no-namespace",
        (true, false) => "shared",
        (true, true) => "order",
    };
    let saw = format!("the host has new mounts: {points:?}");
    expect(points.is_empty(), note, saw, "the host's /proc as it was")?;
    let inside = contained(&trial, "no-namespace")?;
    expect(
        inside.other_kinds(&trial.before).contains(&Kind::Pid),
        "no-pid",
        "the child is in the PID namespace of the host",
        "the child in a PID namespace of its own",
    )?;
    judge_proc(&trial, inside)?;
    trial.ended_well()
}

fn unshare_and_fork(ring: &mut Ring) -> Verdict {
    let word = random_word();
    let trial = ring.run(&[&word])?;
    let processes = &trial.trace.processes;
    let ran = |number: &str| {
        let name = format!("{word}-{number}");
        processes.iter().find(|it| {
            let made = trial.trace.calls(Sysno::mkdir).filter(|call| call.succeeded());
            made.into_iter()
                .any(|call| processes[call.process].pid == it.pid && call.text(0).ends_with(&name))
        })
    };
    let failed = trial.trace.calls.iter().find(|call| {
        matches!(call.name, Sysno::clone | Sysno::clone3 | Sysno::fork | Sysno::vfork)
            && call.answer == Err(ground::Errno::ENOMEM)
    });
    if let Some(call) = failed {
        let expected = "both commands run in one new PID namespace";
        return mistake("init-died", call.shown(), expected);
    }
    let (Some(first), Some(second)) = (ran("1"), ran("2")) else {
        trial.ended_well()?;
        return mistake("not-run", "the two directories were not made", "mkdir(1) twice");
    };
    let pid_of = |it: &Process| it.last.namespaces.get(&Kind::Pid).copied();
    let inside = first.last.other_kinds(&trial.before).contains(&Kind::Pid);
    let expected = "both commands in one new PID namespace";
    expect(inside, "not-inside", "the first command ran in the old PID namespace", expected)?;
    let saw = "the two commands ran in different PID namespaces";
    let is_init = |it: &Process| it.last.pids().last() == Some(&1);
    // The kernel gives the number of a namespace that is gone to the next one, but each has an init.
    let together = pid_of(first) == pid_of(second) && !(is_init(first) && is_init(second));
    expect(together, "apart", saw, expected)?;
    let saw = "the first command is PID 1 inside: it was init, and took all along";
    expect(!is_init(first), "init-died", saw, "an init that stays until both have ended")?;
    trial.ended_well()
}

fn id_maps(ring: &mut Ring) -> Verdict {
    ring.capable = false;
    let inside = random_number(1000, 60000);
    let trial = ring.run(&[&inside.to_string()])?;
    let writes: Vec<_> = trial.trace.calls(Sysno::write).collect();
    let to = |name: &str| writes.iter().position(|call| call.file.ends_with(name));
    let (setgroups, gids) = (to("setgroups"), to("gid_map"));
    let refused = writes.iter().find(|call| {
        let file = &call.file;
        let map = ["uid_map", "gid_map", "setgroups"].iter().any(|name| file.ends_with(name));
        map && !call.succeeded()
    });
    if let Some(call) = refused {
        let text = call.text(1);
        let fields: Vec<_> = text.split_whitespace().collect();
        let before = writes.iter().take_while(|it| !std::ptr::eq(**it, *call));
        let twice = before.into_iter().any(|it| it.file == call.file && it.succeeded());
        let note = match () {
            () if twice => "twice",
            () if call.file.ends_with("setgroups") => "setgroups",
            () if text.lines().count() > 1 || fields.get(2) != Some(&"1") => "range",
            () if fields.first() != Some(&inside.to_string().as_str()) => "swapped",
            () if call.file.ends_with("gid_map") && setgroups.is_none_or(|it| Some(it) > gids) => {
                "setgroups"
            }
            () => "refused",
        };
        let saw = format!("{} to {}", call.shown(), call.file.display());
        return mistake(note, saw, "the kernel takes all three files");
    }
    // A user namespace below one without setgroups(2) has none either: there the kernel takes it.
    let saw = "nobody wrote deny to setgroups before the map of groups was written";
    let first = setgroups.is_some() && (gids.is_none() || setgroups < gids);
    expect(first || gids.is_none(), "setgroups", saw, "deny in setgroups, then gid_map")?;
    let child = trial.trace.processes.get(1).map(|it| it.last.clone()).unwrap_or_default();
    for (file, id) in [("uid_map", "Uid"), ("gid_map", "Gid")] {
        let got: Vec<_> =
            child.files.get(file).map(|it| it.split_whitespace().collect()).unwrap_or_default();
        let ours = trial.before.status(id).split_whitespace().next().unwrap_or_default().to_owned();
        let wanted = [inside.to_string(), ours, "1".to_owned()];
        let note = if got.is_empty() { "empty" } else { "map" };
        let saw = format!("{file} of the child: '{}'", got.join(" "));
        expect(got == wanted, note, saw, format!("'{}'", wanted.join(" ")))?;
    }
    trial.ended_well()
}

fn nested_pids(ring: &mut Ring) -> Verdict {
    let (depth, before) = (random_number(2, 5), random_number(0, 5));
    let trial = ring.run(&[&depth.to_string(), &before.to_string()])?;
    let all: Vec<_> = trial.trace.processes.iter().map(|it| it.last.pids()).collect();
    let deepest = all.iter().map(Vec::len).max().unwrap_or_default();
    // The first that was born there: its init.
    let pids = all.into_iter().find(|it| it.len() == deepest).unwrap_or_default();
    let Some([around, own]) = pids.last_chunk::<2>().copied() else {
        trial.ended_well()?;
        return mistake("failed", "no nested namespace was made", "one below the other");
    };
    let truth = format!("{} {own} {around}", pids.len());
    let said = prediction(&trial);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (guess, facts) = (words(&said), words(&truth));
    let note = match () {
        () if guess.first() != facts.first() => "count",
        () if guess.get(1) != facts.get(1) => "own",
        () => "around",
    };
    let run = format!("with depth {depth} and {before} processes before");
    let saw = format!("predicted '{said}' {run}");
    expect(guess == facts, note, saw, format!("the kernel says '{truth}' (NSpid: {pids:?})"))?;
    trial.ended_well()
}

fn the_neighbour(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let open = ring.run(&["open", &name])?;
    let (victim, killer) = victim_of(&open, &name)?;
    let saw = "without a fence the neighbour still lives after the attack";
    expect(killer.is_some(), "attack", saw, "kill(2) of the neighbour by the attacker")?;
    let saw = "the neighbour was killed by somebody else than the attacker";
    expect(killer != Some(0) && killer != Some(victim), "attack", saw, "the attacker kills")?;
    let name = random_word();
    let closed = ring.run(&["closed", &name])?;
    let (_, killer) = victim_of(&closed, &name)?;
    let saw = "behind the fence the neighbour was killed as well";
    expect(killer.is_none_or(|it| it == 0), "fence", saw, "the neighbour lives")?;
    let attackers = closed.trace.processes.iter().flat_map(|it| &it.executed);
    let mut inside = attackers.filter(|it| it.other_kinds(&closed.before).contains(&Kind::Pid));
    let Some(inside) = inside.next_back() else {
        let saw = "the attacker is in the PID namespace of its neighbour";
        return mistake("fence", saw, "a PID namespace of its own");
    };
    judge_proc(&closed, inside)?;
    closed.ended_well()
}

/// The neighbour, and who killed it.
fn victim_of(trial: &Trial, name: &str) -> Result<(usize, Option<usize>), Refusal> {
    let processes = &trial.trace.processes;
    let victim = processes.iter().position(|it| {
        it.executed
            .iter()
            .any(|photo| photo.files.get("cmdline").is_some_and(|it| it.contains(name)))
            && it.executed.last().is_some_and(|photo| !photo.program.ends_with("program"))
    });
    let Some(victim) = victim else {
        trial.ended_well()?;
        return mistake("attack", "there was no neighbour", "the program as it was, but your part");
    };
    let pid = processes[victim].pid.as_raw();
    let kills = trial.trace.calls(Sysno::kill).filter(|call| call.succeeded());
    let mut hits = kills.filter(|call| call.arguments[0] as i32 == pid && call.arguments[1] != 0);
    Ok((victim, hits.next().map(|call| call.process)))
}

fn without_privilege(ring: &mut Ring) -> Verdict {
    ring.capable = false;
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let after = &trial.after.host_name;
    let saw = format!("the host is called '{after}' now");
    expect(*after == trial.before.host_name, "host", saw, "the host with its old name")?;
    let refused = trial.trace.calls(Sysno::clone3).find(|call| !call.succeeded());
    if let Some(call) = refused {
        return mistake("refused", call.shown(), "a child, although nobody here is root");
    }
    let renamed = trial.trace.calls(Sysno::sethostname).last();
    if let Some(call) = renamed.filter(|call| !call.succeeded()) {
        return mistake("step", call.shown(), "sethostname(..) = 0");
    }
    let Ok(inside) = contained(&trial, "step") else {
        return mistake("step", "no child became a program", "a child that executes true(1)");
    };
    let saw = format!("inside, the host name is {:?}", inside.host_name);
    expect(inside.host_name == name, "name", saw, format!("inside, it is {name:?}"))?;
    trial.ended_well()
}

/// The C library's own way to make a process is what is looked at, below a filter of the learner's.
fn refused_with_a_fallback(ring: &mut Ring) -> Verdict {
    ring.capable = false;
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let calls = || trial.trace.calls.iter().filter(|it| it.process == 1);
    let refused = calls().find(|it| it.name == Sysno::seccomp && !it.succeeded());
    if let Some(call) = refused {
        return mistake("privileges", call.shown(), "seccomp(..) = 0");
    }
    let inside = calls().skip_while(|it| it.name != Sysno::execve || !it.succeeded());
    let asked: Vec<_> = inside.filter(|it| it.name == Sysno::clone3).collect();
    let expected = "clone3(..) = ENOSYS, as an old kernel says";
    let Some(first) = asked.first() else {
        return mistake("no-filter", "nobody called clone3(2)", expected);
    };
    let through = asked.iter().find(|it| it.answer != Err(Errno::ENOSYS));
    match through.map(|it| (it, it.answer)) {
        Some((call, Ok(_) | Err(Errno::EINVAL))) => {
            return mistake("no-filter", call.shown(), expected);
        }
        Some((call, Err(_))) => return mistake("errno", call.shown(), expected),
        None => {}
    }
    let clone = calls().find(|it| it.name == Sysno::clone && it.answer == Err(Errno::ENOSYS));
    if let Some(call) = clone {
        return mistake("clone", call.shown(), "a process, made by clone(2)");
    }
    let made =
        trial.trace.calls(Sysno::mkdir).find(|it| it.succeeded() && it.text(0).ends_with(&name));
    expect(made.is_some(), "not-run", first.shown(), "a directory, made by mkdir(1)")?;
    trial.ended_well()
}
