//! What an engine writes: blobs, layers, logs.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use ground::Error;
use syscalls::Sysno;

use super::{place, random_words};
use crate::{
    stage::{Ring, random_number, random_word},
    trace::Call,
    verdict::{Verdict, expect, mistake},
};

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

pub fn whole_or_not_at_all(ring: &mut Ring) -> Verdict {
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

pub fn link_in_a_layer(ring: &mut Ring) -> Verdict {
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

pub fn broken_off(ring: &mut Ring) -> Verdict {
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

pub fn lock_of_a_name(ring: &mut Ring) -> Verdict {
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

pub fn as_promised(ring: &mut Ring) -> Verdict {
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

/// The lines of one file of a log.
fn text_of(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What a log's file has, in short.
fn shown_lines(file: &str, text: &str) -> String {
    match text.lines().collect::<Vec<_>>().as_slice() {
        [] => format!("{file} has no line"),
        [_] => format!("{file} has a single line"),
        [first, rest @ ..] => format!("{file} has {} lines, from {first} on", rest.len() + 1),
    }
}

pub fn full_log(ring: &mut Ring) -> Verdict {
    let most = random_number(3, 6) as usize;
    rotated_log(ring, most)?;
    rotated_log(ring, 1)
}

/// A log of so many files at most. The first line is there before, and its file is open here, as for
/// whoever follows.
fn rotated_log(ring: &mut Ring, most: usize) -> Verdict {
    let (name, per_file) = (random_word(), random_number(4, 9) as usize);
    let count = per_file * (most + 2) + 2;
    let lines: Vec<_> = (10..10 + count).map(|it| format!("{it}-{}", random_word())).collect();
    let files: Vec<_> = lines.chunks(per_file).map(text_of).collect();
    let mut follower = (|| {
        fs::create_dir_all(place(&name, ""))?;
        fs::write(place(&name, "log"), text_of(&lines[..1]))?;
        fs::File::open(place(&name, "log"))
    })()
    .map_err(|error: io::Error| Error::new("cannot set the stage").io("open /tmp/..", &error))?;
    // The last line fills the file, and more than that.
    let size = (files[0].len() - 5).to_string();
    let trial = ring.run(&[&name, &size, &most.to_string(), &lines[1..].join(",")])?;
    trial.ended_well()?;
    let mut read = String::new();
    let heard = follower.read_to_string(&mut read).is_ok() && read == files[0];
    let text = |file: &str| fs::read_to_string(place(&name, file)).unwrap_or_default();
    let number = fs::read_dir(place(&name, "")).map_or(0, Iterator::count);
    if most == 1 {
        let saw = format!("{number} files; {}", shown_lines("log", &text("log")));
        let right = number == 1 && files.last() == Some(&text("log"));
        return expect(right, "alone", saw, "one file, and in it what came since it was full");
    }
    let (note, saw) = match read.starts_with(&files[0]) {
        true => ("descriptor", "the file that was log at first goes on growing"),
        false => ("followed", "the file that was log at first has lost its lines"),
    };
    expect(heard, note, saw, format!("its {per_file} lines, for whoever has it open"))?;
    let saw = format!("{number} files where max-file is {most}");
    expect(number <= most, "many", saw, format!("{most} files, log among them"))?;
    for (age, expected) in files.iter().rev().take(most).enumerate() {
        let file = if age == 0 { "log".to_owned() } else { format!("log.{age}") };
        let text = text(&file);
        let note = if text.lines().count() == 1 { "counter" } else { "lost" };
        let saw = shown_lines(&file, &text);
        expect(text == *expected, note, saw, shown_lines(&file, expected))?;
    }
    Ok(())
}

pub fn gone_in_a_layer(ring: &mut Ring) -> Verdict {
    let (name, word, other) = (random_word(), random_word(), random_word());
    let trial = ring.run(&[&name, &word, &other])?;
    let Some(files) = trial.overlay_at(&place(&name, "merged")) else {
        trial.ended_well()?;
        return mistake("failed", "no overlay was mounted", "a container that sees its layers");
    };
    let is_spelled = |it: &&String| it.rsplit('/').next().unwrap_or(it).starts_with(".wh.");
    if let Some(file) = files.keys().find(is_spelled) {
        let saw = format!("the container sees {file}");
        return mistake("literal", saw, "no file with .wh. in its name");
    }
    for file in [format!("gone-{word}"), format!("tree/deep/{word}"), format!("dir/old-{word}")] {
        let saw = format!("{file} is gone from the layer below");
        let is_there = place(&name, "base").join(&file).exists();
        expect(is_there, "shared", saw, "the layer below as it was")?;
    }
    let gone = |file: String, note| {
        let saw = format!("the container sees {file}");
        expect(!files.contains_key(&file), note, saw, format!("no {file}"))
    };
    gone(format!("gone-{word}"), "gone")?;
    gone(format!("tree/deep/{word}"), "gone")?;
    gone(format!(".{other}"), "gone")?;
    gone(format!("dir/old-{word}"), "opaque")?;
    gone(format!("dir/deep/{other}"), "opaque")?;
    let there = [
        (format!("dir/new-{other}"), "top", "own"),
        (format!("dir/sub/new-{word}"), "top", "own"),
        (format!(".what-{word}"), "top", "name"),
        (format!("other/new-{word}"), "top", "lost"),
        (format!("keep-{word}"), "base", "lost"),
    ];
    for (file, layer, note) in there {
        let text = files.get(&file).map_or("nothing", String::as_str);
        let saw = format!("{file} reads {text}");
        expect(text == layer, note, saw, format!("{file} reads {layer}"))?;
    }
    trial.ended_well()
}
