//! Lab 07: an engine's promises are about bytes on disk, and a runtime's about what a program begins with.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ground::{Errno, Error};
use syscalls::Sysno;

use super::{Grader, prediction};
use crate::{
    photo::Photo,
    stage::{Ring, Trial, random_number, random_word},
    trace::{Call, Process},
    verdict::{Refusal, Verdict, expect, mistake},
};

/// By number.
pub const GRADERS: [Grader; 10] = [
    whole_or_not_at_all,
    first_process,
    inherited,
    filter_last,
    cannot_be_run,
    link_in_a_layer,
    broken_off,
    lock_of_a_name,
    as_promised,
    sealed_runtime,
];

/// The stage's directory of this run.
fn place(name: &str, part: &str) -> PathBuf {
    Path::new("/tmp").join(name).join(part)
}

/// Words that nobody knows beforehand, so many of them.
fn random_words(count: u32) -> String {
    (0..count).map(|_| random_word()).collect::<Vec<_>>().join("-")
}

/// The file that a call gives a name, if it gives one.
fn named(call: &Call) -> Option<&str> {
    let place = match call.name {
        Sysno::rename | Sysno::link => 1,
        Sysno::renameat | Sysno::renameat2 | Sysno::linkat => 3,
        _ => return None,
    };
    Some(call.text(place)).filter(|_| call.succeeded())
}

fn forces(call: &Call, file: &Path) -> bool {
    let whole = matches!(call.name, Sysno::sync | Sysno::syncfs);
    let one = matches!(call.name, Sysno::fsync | Sysno::fdatasync) && call.file == file;
    call.succeeded() && (whole || one)
}

fn whole_or_not_at_all(ring: &mut Ring) -> Verdict {
    let (name, digest, content) = (random_word(), random_word(), random_words(5));
    let trial = ring.run(&[&name, &content, &digest])?;
    let (from, to) = (place(&name, "ingest/part"), place(&name, "blobs/sha256").join(&digest));
    let calls = &trial.trace.calls;
    let made = calls.iter().find(|call| {
        let open = matches!(call.name, Sysno::openat | Sysno::openat2 | Sysno::open);
        let path = if call.name == Sysno::open { 0 } else { 1 };
        let flags = if call.name == Sysno::open { 1 } else { 2 };
        let writes = call.has(flags, libc::O_WRONLY as u64) || call.has(flags, libc::O_RDWR as u64);
        open && call.succeeded() && call.text(path).ends_with(&*digest) && writes
    });
    let expected = "a file that is written under another name, and renamed";
    if let Some(call) = made {
        return mistake("visible", call.shown(), expected);
    }
    let place = calls.iter().position(|it| named(it).is_some_and(|it| it.ends_with(&*digest)));
    let Some(place) = place else {
        trial.ended_well()?;
        return mistake("unnamed", format!("nothing gave {} its name", to.display()), expected);
    };
    let (before, after) = calls.split_at(place);
    let written = before.iter().rposition(|it| it.name == Sysno::write && it.file == from);
    let since = &before[written.unwrap_or(0)..];
    let safe = since.iter().any(|call| forces(call, &from));
    let saw = format!("no fsync(2) of the file before {}", calls[place].shown());
    expect(safe, "unforced", saw, "fsync(2), then the name")?;
    let content_is = fs::read_to_string(&to).is_ok_and(|it| it == content);
    expect(content_is, "bytes", "the blob has other bytes", "what was downloaded")?;
    expect(!from.exists(), "left", format!("{} is still there", from.display()), "only the blob")?;
    let directory = to.parent().unwrap_or(&to);
    let safe = after.iter().any(|call| forces(call, directory));
    let saw = format!("no fsync(2) of {} afterwards", directory.display());
    expect(safe, "directory", saw, "the name on the disk as well")?;
    trial.ended_well()
}

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

fn first_process(ring: &mut Ring) -> Verdict {
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

fn inherited(ring: &mut Ring) -> Verdict {
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

fn filter_last(ring: &mut Ring) -> Verdict {
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

fn cannot_be_run(ring: &mut Ring) -> Verdict {
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

fn link_in_a_layer(ring: &mut Ring) -> Verdict {
    let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let (name, word) = (random_word(), random_word());
    let naive = ring.run(&[&name, "naive", &word])?;
    let secret = place(&name, "secret");
    let saw = format!("{} reads {:?}", secret.display(), text(&secret));
    expect(text(&secret) == word, "plant", saw, format!("{word:?}, unpacked naively"))?;
    naive.ended_well()?;
    let (name, word) = (random_word(), random_word());
    let own = ring.run(&[&name, "careful", &word])?;
    let secret = place(&name, "secret");
    let saw = format!("{} reads {:?}", secret.display(), text(&secret));
    expect(text(&secret) == "the host's", "escaped", saw, "the host's file as it was")?;
    let outside = fs::read_dir(place(&name, "")).into_iter().flatten().flatten();
    let outside: Vec<_> = outside.map(|it| it.file_name()).filter(|it| it != "root").collect();
    let saw = format!("beside the layer there is {outside:?}");
    expect(outside == ["secret"], "escaped", saw, "nothing new on the host")?;
    own.ended_well()?;
    let (name, word) = (random_word(), random_word());
    let honest = ring.run(&[&name, "honest", &word])?;
    for file in [format!("{name}/bin/{word}"), format!("deep/{word}"), format!("top-{word}")] {
        let path = place(&name, "root").join(&file);
        let saw =
            format!("{} reads {:?}; {}", path.display(), text(&path), honest.trace.said.trim());
        expect(text(&path) == word, "lost", saw, format!("{word:?}, as in the container"))?;
    }
    honest.ended_well()
}

fn broken_off(ring: &mut Ring) -> Verdict {
    for (how, note) in [("exact", "bytes"), ("whole", "ignored"), ("earlier", "earlier")] {
        let (name, blob) = (random_word(), random_words(6));
        let length = random_number(7, blob.len() as u32 - 7);
        let trial = ring.run(&[&name, how, &blob, &length.to_string()])?;
        let sent = trial.trace.calls(Sysno::write).filter(|it| it.process == 0);
        let sent: String = sent.map(|it| it.text(1)).collect::<String>().to_lowercase();
        let range = sent.split("range:").nth(1).and_then(|it| it.split("\r\n").next());
        let saw = "the request has no Range";
        expect(range.is_some(), "unasked", saw, format!("Range: bytes={length}-"))?;
        let range = range.unwrap_or_default().trim();
        let saw = format!("asked for {range}, with {length} bytes in the file");
        expect(range == format!("bytes={length}-"), "bytes", saw, format!("bytes={length}-"))?;
        let part = fs::read_to_string(format!("/tmp/{name}-part")).unwrap_or_default();
        let saw = format!("a file of {} bytes, of a server that sends {how}", part.len());
        let note = if part.len() > blob.len() { note } else { "other" };
        expect(part == blob, note, saw, format!("the blob, of {} bytes", blob.len()))?;
        trial.ended_well()?;
    }
    Ok(())
}

fn lock_of_a_name(ring: &mut Ring) -> Verdict {
    let (name, blob, word) = (random_word(), random_words(4), format!("second-{}-", random_word()));
    let trial = ring.run(&[&name, &blob, &word])?;
    let calls = &trial.trace.calls;
    let writes = |it: &Call| it.name == Sysno::pwrite64 && it.process == 1 && it.succeeded();
    let renamed = calls.iter().position(|it| named(it).is_some_and(|it| it.ends_with("blob")));
    let wrote = calls.iter().position(writes);
    let early = wrote.is_some_and(|wrote| renamed.is_none_or(|renamed| wrote < renamed));
    let saw = "the second one wrote while the first had the lock";
    expect(!early, "impatient", saw, "it waits for the lock")?;
    let text = |part: &str| fs::read_to_string(place(&name, part)).unwrap_or_default();
    let saw = format!("the finished blob reads {:?}", text("blobs/blob"));
    expect(text("blobs/blob") == blob, "overwritten", saw, format!("{blob:?}"))?;
    let said = trial.trace.said.lines().next();
    let kept_out = !trial.trace.said.contains("it is not locked");
    expect(kept_out, "unlocked", said.unwrap_or_default(), "a visitor is told EWOULDBLOCK")?;
    let saw = format!("ingest/part reads {:?}", text("ingest/part"));
    expect(text("ingest/part").starts_with(&word), "nothing", saw, format!("{word:?}"))?;
    trial.ended_well()
}

/// The SHA-256 of a text, by sha256sum(1): the workbook needs no hash function but here.
fn sha256(text: &str) -> Result<String, Error> {
    let asked = (|| {
        let mut sum = Command::new("sha256sum");
        let mut sum = sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        sum.stdin.take().map_or(Ok(()), |mut it| it.write_all(text.as_bytes()))?;
        sum.wait_with_output()
    })();
    let said = asked.map_err(|error| {
        Error::new("cannot hash").io("execve sha256sum", &error).fix("install coreutils")
    })?;
    Ok(String::from_utf8_lossy(&said.stdout).split(' ').next().unwrap_or_default().to_owned())
}

/// What is sent, of what was promised; the note for who takes it for right; whether it stays for the next try.
const SENT: [(&str, &str, bool); 4] = [
    ("all", "refused", false),
    ("other", "unverified", false),
    ("less", "short", true),
    ("more", "endless", false),
];

fn as_promised(ring: &mut Ring) -> Verdict {
    for (how, note, stays) in SENT {
        let (name, promised) = (random_word(), random_words(6));
        let sent = match how {
            // As long as the last word.
            "other" => format!("{}another", &promised[..promised.len() - "another".len()]),
            "less" => promised[..random_number(7, 40) as usize].to_owned(),
            "more" => format!("{promised}-{}", random_words(2)),
            _ => promised.clone(),
        };
        let digest = sha256(&promised)?;
        let trial = ring.run(&[&name, &sent, &promised.len().to_string(), &digest])?;
        let part = place(&name, "ingest/part");
        let written = trial.trace.calls(Sysno::write).filter(|it| it.file == part);
        let written: i64 = written.filter_map(|it| it.answer.ok()).sum();
        let most = promised.len() as i64;
        let saw = format!("{written} bytes were written, and {most} were promised");
        expect(written <= most, "endless", saw, "an end at the first byte too many")?;
        let blob = place(&name, "blobs/sha256").join(&digest);
        let saw = format!("{how} was sent; in the store: {:?}", fs::read_to_string(&blob).ok());
        let expected = if how == "all" { "the content" } else { "None" };
        let is_right = fs::read_to_string(&blob).is_ok_and(|it| it == promised);
        let holds = if how == "all" { is_right } else { !blob.exists() };
        expect(holds, if how == "less" { "unverified" } else { note }, saw, expected)?;
        let saw = format!("{how} was sent; ingest/part: {:?}", fs::read_to_string(&part).ok());
        let expected = if stays { "what came, for the next try" } else { "None" };
        let kept = fs::read_to_string(&part).ok().filter(|it| stays && *it == sent);
        let note = if how == "other" { "left" } else { note };
        expect(kept.is_some() == stays && part.exists() == stays, note, saw, expected)?;
        trial.ended_well()?;
    }
    Ok(())
}

fn sealed_runtime(ring: &mut Ring) -> Verdict {
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
