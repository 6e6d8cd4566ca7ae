//! Lab 04: what an overlay shows is looked at through `/proc/PID/root`, what it wrote in its upper directory.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use syscalls::Sysno;

use super::{Grader, prediction};
use crate::{
    stage::{Ring, Trial, random_number, random_word},
    verdict::{Refusal, Verdict, expect, mistake},
};

/// By number.
pub const GRADERS: [Grader; 8] =
    [option_line, who_wins, whiteout, work_directory, image_order, opaque, copy_up, deleted_secret];

/// The stage's directory of this run.
fn place(name: &str, part: &str) -> PathBuf {
    Path::new("/tmp").join(name).join(part)
}

/// What the child saw in its overlay at its end: names and texts.
fn shown<'a>(
    trial: &'a Trial,
    name: &str,
    refused: impl FnOnce(&Trial) -> &'static str,
) -> Result<&'a BTreeMap<String, String>, Refusal> {
    let point = place(name, "merged");
    match trial.overlay_at(&point) {
        Some(files) => Ok(files),
        None => {
            let call = trial.trace.calls(Sysno::mount).find(|call| !call.succeeded());
            let saw = call.map_or("no overlay was mounted".to_owned(), |call| call.shown());
            let note = refused(trial);
            mistake(note, saw, format!("an overlay at {}", point.display()))
        }
    }
}

fn option_line(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let data = trial.trace.calls(Sysno::mount).find(|call| call.text(2) == "overlay");
    let data = data.map(|call| call.text(4).to_owned()).unwrap_or_default();
    let refused = |_: &Trial| match () {
        () if data.is_empty() => "no-overlay",
        () if !data.contains("one\\:two") || !data.contains("three\\,four") => "escape",
        () if !data.contains("workdir=") => "workdir",
        () => "no-overlay",
    };
    let files = shown(&trial, &name, refused)?;
    let text = files.get("both").cloned().unwrap_or_default();
    expect(text == "top", "order", format!("'both' reads '{text}'"), "'both' reads 'top'")?;
    let names: Vec<_> = files.keys().cloned().collect();
    let all = ["both", "bottom", "top"].iter().all(|it| files.contains_key(*it));
    expect(all, "escape", format!("merged shows {names:?}"), "the files of both layers")?;
    let written = place(&name, "C/new").exists();
    expect(written, "read-only", "the new file is not in the upper directory", "C/new")?;
    trial.ended_well()
}

fn who_wins(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let letters = ['f', 'w', '-'];
    let mut all: Vec<String> = Vec::new();
    for top in letters {
        for middle in letters {
            // A whiteout in the lowest layer has nothing to deny.
            all.extend(['f', '-'].map(|bottom| [top, middle, bottom].iter().collect()));
        }
    }
    let turn = random_number(0, all.len() as u32) as usize;
    all.rotate_left(turn);
    let trial = ring.run(&[&name, &all.join(",")])?;
    let files = shown(&trial, &name, |_| "order")?.clone();
    let truth = |number: usize| files.get(&number.to_string()).map_or("nothing", String::as_str);
    let said = prediction(&trial);
    let guesses: Vec<_> = said.split(' ').collect();
    // The plain ones first: who has those wrong has not come to whiteouts yet.
    let mut cases: Vec<_> = all.iter().enumerate().collect();
    cases.sort_by_key(|(_, states)| states.contains('w'));
    for (number, states) in cases {
        let guess = guesses.get(number).copied().unwrap_or_default();
        let note = match () {
            () if states.contains('w') && (guess == "nothing" || truth(number) == "nothing") => {
                "whiteout"
            }
            () if guess == "nothing" => "absent",
            () => "order",
        };
        let saw = format!("predicted '{guess}' for top, middle, bottom = {states}");
        let expected = format!("the kernel shows '{}'", truth(number));
        expect(guess == truth(number), note, saw, expected)?;
    }
    trial.ended_well()
}

fn is_whiteout(path: &Path) -> bool {
    let file = fs::symlink_metadata(path);
    file.is_ok_and(|it| it.file_type().is_char_device() && it.rdev() == 0)
}

fn whiteout(ring: &mut Ring) -> Verdict {
    let (name, file) = (random_word(), random_word());
    let trial = ring.run(&[&name, &file])?;
    let lower = place(&name, "A").join(&file).exists() && place(&name, "A/stays").exists();
    expect(lower, "lower", "the lower layer lost a file", "the lower layer as it was")?;
    let upper = place(&name, "C").join(&file);
    let image = place(&name, "C").join(format!(".wh.{file}")).exists();
    let note = match () {
        () if image => "image",
        () if upper.is_file() => "file",
        () => "gone",
    };
    let saw = format!("no device 0:0 at {}", upper.display());
    expect(is_whiteout(&upper), note, saw, "a character device 0:0 in the upper directory")?;
    let files = shown(&trial, &name, |_| "gone")?;
    let names: Vec<_> = files.keys().cloned().collect();
    expect(names == ["stays"], "gone", format!("merged shows {names:?}"), "only 'stays'")?;
    trial.ended_well()
}

fn work_directory(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let data = trial.trace.calls(Sysno::mount).find(|call| call.text(2) == "overlay");
    let data = data.map(|call| call.text(4).to_owned()).unwrap_or_default();
    let option = |key: &str| data.split(',').find_map(|it| it.strip_prefix(key)).unwrap_or("");
    let (upper, work) = (option("upperdir="), option("workdir="));
    let refused = |_: &Trial| match () {
        () if work.starts_with(upper) && !upper.is_empty() => "inside",
        () if work.contains("/other") != upper.contains("/other") => "other-file-system",
        () => "no-overlay",
    };
    shown(&trial, &name, refused)?;
    let expected = "what is written goes to C";
    expect(!upper.is_empty(), "read-only", "there is no upper directory", expected)?;
    let written = place(&name, "C/new").exists();
    expect(written, "upper", format!("upperdir={upper}"), expected)?;
    trial.ended_well()
}

fn image_order(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let count = random_number(3, 7);
    let trial = ring.run(&[&name, &count.to_string()])?;
    let files = shown(&trial, &name, |_| "no-overlay")?;
    let missing: Vec<_> =
        (0..count).map(|it| format!("only-{it}")).filter(|it| !files.contains_key(it)).collect();
    expect(
        missing.is_empty(),
        "missing",
        format!("not shown: {missing:?}"),
        "the files of all layers",
    )?;
    let version = files.get("version").cloned().unwrap_or_default();
    let newest = (count - 1).to_string();
    let saw = format!("of {count} versions the container sees {version}");
    expect(version == newest, "order", saw, format!("version {newest}, of the highest layer"))?;
    let data = trial.trace.calls(Sysno::mount).find(|call| call.text(2) == "overlay");
    let data = data.map(|call| call.text(4).to_owned()).unwrap_or_default();
    let places: Vec<_> = (0..count).map(|it| data.find(&format!("layer-{it}"))).collect();
    let descending = places.windows(2).all(|it| it[0] > it[1]);
    expect(descending, "order", data, "lowerdir from the highest layer to the lowest")?;
    trial.ended_well()
}

fn opaque(ring: &mut Ring) -> Verdict {
    let (name, old) = (random_word(), random_word());
    let trial = ring.run(&[&name, &old])?;
    let image = place(&name, "C/dir/.wh..wh..opq").exists();
    let files = shown(&trial, &name, |_| "merged")?;
    let names: Vec<_> = files.keys().cloned().collect();
    let seen = files.contains_key(&format!("dir/{old}"));
    let note = if image { "image" } else { "merged" };
    expect(!seen, note, format!("merged shows {names:?}"), "nothing of the old directory")?;
    let new = files.get("dir/new").is_some_and(|it| it == "new");
    expect(new, "new", format!("merged shows {names:?}"), "dir/new")?;
    let lower = place(&name, "A/dir").join(&old).exists();
    expect(lower, "merged", "the lower layer lost a file", "the lower layer as it was")?;
    trial.ended_well()
}

fn copy_up(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let mut operations =
        ["read", "stat", "write", "open-rdwr", "append-nothing", "chmod", "link", "truncate"];
    operations.rotate_left(random_number(0, 8) as usize);
    let trial = ring.run(&[&name, &operations.join(",")])?;
    shown(&trial, &name, |_| "failed")?;
    let said = prediction(&trial);
    let guesses: Vec<_> = said.split(' ').collect();
    for (number, operation) in operations.iter().enumerate() {
        let truth = if place(&name, "C").join(operation).exists() { "yes" } else { "no" };
        let guess = guesses.get(number).copied().unwrap_or_default();
        let note = match *operation {
            "read" | "stat" => "read",
            "chmod" | "link" => "metadata",
            _ => "open",
        };
        let saw = format!("predicted '{guess}' for {operation}");
        expect(guess == truth, note, saw, format!("in the upper directory: {truth}"))?;
    }
    trial.ended_well()
}

fn deleted_secret(ring: &mut Ring) -> Verdict {
    let (name, secret, open) = (random_word(), random_word(), random_word());
    let trial = ring.run(&[&name, &secret, &open])?;
    let loot = fs::read_to_string(place(&name, "loot")).unwrap_or_default();
    let saw = format!("the loot is '{loot}'");
    expect(loot.trim() == secret, "steal", saw, "the key")?;
    shown(&trial, &name, |_| "lost")?;
    let published = place(&name, "published");
    let readme = fs::read_to_string(published.join("app/readme")).unwrap_or_default();
    let found = contains(&published, &secret);
    expect(!found, "leak", "the published layer has the key in it", "no file with the key")?;
    let saw = format!("app/readme of the published layer reads '{readme}'");
    expect(readme == open, "lost", saw, format!("'{open}'"))?;
    trial.ended_well()
}

/// Whether some file below `dir` has this text in it.
fn contains(dir: &Path, text: &str) -> bool {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| match path.is_dir() {
        true => contains(&path, text),
        false => fs::read_to_string(&path).is_ok_and(|it| it.contains(text)),
    })
}
