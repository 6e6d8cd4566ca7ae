//! What a container begins with: its first process, its descriptors, its filter, its cable.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ground::{Errno, Error};
use syscalls::Sysno;

use super::place;
use crate::{
    grade::prediction,
    photo::Photo,
    stage::{Ring, Trial, random_number, random_word},
    trace::{Call, Process},
    verdict::{Refusal, Verdict, expect, mistake},
};

/// The init and the program of a container, which are born in this order.
fn init_and_program(trial: &Trial) -> Result<(&Process, &Process), Refusal> {
    match &trial.trace.processes[..] {
        [_, init, program, ..] => Ok((init, program)),
        _ => {
            trial.ended_well()?;
            mistake("init", "no program was started", "PID 1, and the program below it")
        }
    }
}

pub fn first_process(ring: &mut Ring) -> Verdict {
    let status = random_number(3, 90);
    for (end, code) in [(status.to_string(), status.cast_signed()), ("killed".to_owned(), 137)] {
        let name = random_word();
        let trial = ring.run(&[&name, &end])?;
        let (init, program) = init_and_program(&trial)?;
        let asked = trial.trace.calls(Sysno::getpgid).filter(|it| it.process == 2);
        let reaped = asked.last().is_some_and(|it| it.answer == Err(Errno::ESRCH));
        let saw = "an orphan that has ended is still in the process table";
        expect(reaped, "zombie", saw, "its number is free again: getpgid(2) says ESRCH")?;
        let heard = match end.parse::<i32>() {
            Ok(code) => program.code == Some(code),
            Err(_) => PathBuf::from(format!("/tmp/{name}-heard")).exists(),
        };
        let saw = format!("the program ended with {:?}, and not by itself", program.code);
        expect(heard, "deaf", saw, "SIGTERM reaches the program")?;
        let saw = format!("the container ended with {:?}", init.code);
        expect(init.code == Some(code), "status", saw, format!("Some({code}), as the program"))?;
        trial.ended_well()?;
    }
    Ok(())
}

/// The child as it was when it had become its program.
fn executed<'a>(trial: &'a Trial, note: &str) -> Result<&'a Photo, Refusal> {
    match trial.trace.processes.iter().skip(1).find_map(|it| it.executed.first()) {
        Some(photo) => Ok(photo),
        None => mistake(note, trial.trace.said.trim(), "a child that executes its program"),
    }
}

pub fn inherited(ring: &mut Ring) -> Verdict {
    let (name, kept, high) = (random_word(), random_number(1, 5), random_number(300, 900));
    let numbers = [kept.to_string(), high.to_string()];
    let trial = ring.run(&[&name, &numbers[0], &numbers[1], "true"])?;
    let open = &executed(&trial, "refused")?.open;
    for number in 0..kept {
        let wanted = PathBuf::from(format!("/tmp/{name}-{number}"));
        let fd = 3 + number.cast_signed();
        let saw = format!("descriptor {fd}: {:?}", open.get(&fd));
        expect(open.get(&fd) == Some(&wanted), "lost", saw, format!("{}", wanted.display()))?;
    }
    let more: Vec<_> = open.iter().filter(|it| *it.0 >= 3 + kept.cast_signed()).collect();
    let saw = format!("the program has {more:?}");
    expect(more.is_empty(), "leaked", saw, "what its caller wanted it to have, and no more")?;
    trial.ended_well()?;
    let missing = format!("/tmp/{name}-missing");
    let trial = ring.run(&[&random_word(), &numbers[0], &numbers[1], &missing])?;
    let told = trial.trace.code() != 0 && trial.trace.said.contains(&missing);
    let saw = format!("{missing} does not exist, and the parent ended with {}", trial.trace.code());
    expect(told, "report", saw, "an error that names it")
}

pub fn filter_last(ring: &mut Ring) -> Verdict {
    ring.capable = false;
    let answers = [libc::ENOSYS, libc::EXDEV, libc::ENODEV, libc::EILSEQ, libc::ENOTTY];
    let errno = answers[random_number(0, answers.len() as u32) as usize];
    let name = random_word();
    let trial = ring.run(&[&name, &errno.to_string()])?;
    let calls = || trial.trace.calls.iter().filter(|it| it.process == 1);
    let refused = calls().find(|it| it.name == Sysno::seccomp && !it.succeeded());
    if let Some(call) = refused {
        return mistake("privileges", call.shown(), "seccomp(..) = 0");
    }
    let execve = calls().position(|it| it.name == Sysno::execve && it.succeeded());
    let early = calls().take(execve.unwrap_or(usize::MAX));
    if let Some(call) = early.filter(|it| it.name == Sysno::chdir).find(|it| !it.succeeded()) {
        return mistake("early", call.shown(), "the container's own steps are not judged");
    }
    let program = executed(&trial, "early")?;
    let said = |name: &str| format!("{name}: {}", program.status(name));
    expect(program.status("NoNewPrivs") == "1", "no-limit", said("NoNewPrivs"), "NoNewPrivs: 1")?;
    expect(program.status("Seccomp") == "2", "no-filter", said("Seccomp"), "Seccomp: 2")?;
    let saw = format!("the program stands in {}", program.cwd.display());
    expect(program.cwd == place(&name, ""), "elsewhere", saw, format!("/tmp/{name}"))?;
    let asked = calls().skip(execve.unwrap_or(0)).find(|it| it.name == Sysno::chdir);
    let expected = Errno::from_raw(errno);
    let saw = asked.map_or("no chdir(2)".to_owned(), Call::shown);
    let judged = asked.is_some_and(|it| it.answer == Err(expected));
    expect(judged, "no-filter", saw, format!("chdir(\"/\") = {expected:?}"))?;
    trial.ended_well()
}

/// Files that cannot be executed, and the note for who is wrong about one.
const CANNOT: [(&str, &str); 11] = [
    ("missing", "path"),
    ("directory", "permission"),
    ("plain", "permission"),
    ("words", "format"),
    ("nothing", "format"),
    ("script", "interpreter"),
    ("windows", "interpreter"),
    ("by-a-plain-file", "interpreter"),
    ("dangling", "path"),
    ("circle", "path"),
    ("plain/below", "path"),
];

pub fn cannot_be_run(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let mut files = CANNOT;
    files.rotate_left(random_number(0, CANNOT.len() as u32) as usize);
    let words: Vec<_> = files.iter().map(|it| it.0).collect();
    let trial = ring.run(&[&name, &words.join(",")])?;
    trial.ended_well()?;
    let said = prediction(&trial);
    let predicted: Vec<_> = said.split(' ').collect();
    let truth = |file: &str| {
        let path = place(&name, file);
        let mut asked = trial.trace.calls(Sysno::execve);
        let call = asked.find(|it| it.process > 0 && Path::new(it.text(0)) == path);
        call.map_or("nothing".to_owned(), |it| {
            it.answer.map_or_else(|e| format!("{e:?}"), |_| "0".into())
        })
    };
    // Who has the interpreter wrong is to read of that first.
    let mut cases: Vec<_> = files.iter().enumerate().collect();
    cases.sort_by_key(|it| it.1.1 != "interpreter");
    for (number, (file, note)) in cases {
        let guess = predicted.get(number).copied().unwrap_or_default();
        let truth = truth(file);
        let saw = format!("predicted '{guess}' for {file}");
        expect(guess == truth, note, saw, format!("the kernel said {truth}"))?;
    }
    Ok(())
}

pub fn sealed_runtime(ring: &mut Ring) -> Verdict {
    for how in ["plain", "sealed"] {
        let (name, word) = (random_word(), random_word());
        let trial = ring.run(&[&name, how, &word])?;
        let runtime = place(&name, "runtime");
        let begins = fs::read(&runtime).is_ok_and(|it| it.starts_with(word.as_bytes()));
        let saw = format!(
            "{} begins {} the word",
            runtime.display(),
            if begins { "with" } else { "without" }
        );
        if how == "plain" {
            expect(begins, "attack", saw, "the container's word in the unsealed runtime")?;
            continue;
        }
        expect(!begins, "overwritten", saw, "the sealed runtime's file as it was")?;
        let written = trial.trace.calls.iter().find(|call| {
            let process = &trial.trace.processes[call.process];
            let is_inside = process.parent.is_some()
                && process.executed.last().is_some_and(|it| it.program.ends_with("tmp/program"));
            let writes = call.name == Sysno::pwrite64 || call.text(1) == word;
            is_inside && writes && call.answer.is_ok_and(|it| it > 0)
        });
        let saw = written.map_or_else(String::new, Call::shown);
        expect(written.is_none(), "writable", saw, "EPERM, or no call at all")?;
        trial.ended_well()?;
    }
    Ok(())
}

pub fn plugged_in(ring: &mut Ring) -> Verdict {
    let (name, subnet) = (random_word(), random_number(1, 250).to_string());
    let trial = ring.run(&[&name, &subnet])?;
    let causes = || trial.trace.said.lines().filter_map(|it| it.trim().strip_prefix("why: "));
    if let Some(cause) = causes().find(|it| it.starts_with("own_card()")) {
        let error = Error::new("this machine has no veth devices").why(cause).see("4 veth");
        return Err(error.fix("modprobe veth, as root").into());
    }
    if let Some(cause) = causes().find(|it| it.starts_with("plug(..)")) {
        let note = if cause.contains("EEXIST") { "taken" } else { "refused" };
        return mistake(note, cause, "plug(..) = 0");
    }
    let host = &trial.trace.processes[0].last;
    let own = host.interfaces().contains_key("eth0");
    expect(own, "robbed", "the host has no eth0", "its own eth0, as it was")?;
    let inside = executed(&trial, "ends")?.interfaces();
    let shown = |name: &str| if inside.contains_key(name) { "there" } else { "not there" };
    let saw = format!("in the container: eth0 is {}, {name} is {}", shown("eth0"), shown(&name));
    let right = inside.contains_key("eth0") && !inside.contains_key(&*name);
    expect(right, "ends", saw, format!("eth0 is there, {name} is not there"))?;
    let looked = trial.trace.calls(Sysno::chdir).filter(|it| it.process == 0).last();
    let Some(host) = looked.map(Call::before) else {
        trial.ended_well()?;
        return mistake("ends", format!("there is no {name} on the host"), "the other end");
    };
    let saw = format!("the host has no route through {name}");
    expect(host.routed().contains(&*name), "down", saw, "that of its address")?;
    let received = host.interfaces().get(&*name).copied().unwrap_or_default();
    let saw = format!("{name} has received {received} packets");
    expect(received > 0, "silent", saw, "what the container says")?;
    trial.ended_well()
}
