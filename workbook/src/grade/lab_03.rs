//! Lab 03: a root is a link below `/proc/PID`, and what is mounted in it is in its mount table.

use std::path::{Path, PathBuf};

use ground::Errno;
use rootfs::MountInfo;
use syscalls::Sysno;

use super::{Grader, prediction};
use crate::{
    photo::Photo,
    stage::{Ring, Trial, random_number, random_word},
    trace::Call,
    verdict::{Refusal, Verdict, expect, mistake},
};

/// By number.
pub const GRADERS: [Grader; 8] = [
    another_root,
    pivot,
    pivot,
    read_only,
    loader,
    mounts_after_chroot,
    escape_from_chroot,
    leaked_descriptor,
];

/// The child as it was at its end.
fn child(trial: &Trial) -> Result<&Photo, Refusal> {
    match trial.trace.processes.get(1) {
        Some(child) => Ok(&child.last),
        None => {
            trial.ended_well()?;
            mistake("failed", "no child was made", "the program as it was, but your part")
        }
    }
}

fn another_root(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let new_root = PathBuf::from("/tmp").join(&name);
    let trial = ring.run(&[&name])?;
    let child = child(&trial)?;
    let saw = format!("the root directory of the child is {}", child.root.display());
    let expected = format!("the root directory of the child is {}", new_root.display());
    expect(child.root == new_root, "root", saw, expected)?;
    let saw = format!("the working directory of the child is {}", child.cwd.display());
    expect(child.cwd.starts_with(&new_root), "cwd", saw, "one below its root")?;
    trial.ended_well()
}

/// Why pivot_root(2) was refused: what the process saw when it called.
fn reason(call: &Call) -> &'static str {
    let before = call.before();
    let path = |text: &str| before_root(&before, &before.cwd.join(text));
    let (new_root, put_old) = (path(call.text(0)), path(call.text(1)));
    let mount = before.mounts.iter().rev().find(|it| it.point == new_root);
    let parent = mount.and_then(|it| before.mounts.iter().find(|other| other.id == it.parent));
    let shared = |it: &&MountInfo| it.propagation.iter().any(|word| word.starts_with("shared:"));
    match call.answer {
        Err(Errno::ENOENT) => "missing",
        Err(Errno::EBUSY) => "same",
        _ if before.root != Path::new("/") => "chrooted",
        _ if mount.is_none() => "no-mount-point",
        _ if mount.filter(shared).is_some() || parent.filter(shared).is_some() => "shared",
        _ if !put_old.starts_with(&new_root) => "put-old",
        _ => "no-pivot",
    }
}

/// A path of ours as the process sees it.
fn before_root(photo: &Photo, path: &Path) -> PathBuf {
    path.strip_prefix(&photo.root).map_or_else(|_| path.to_owned(), |it| Path::new("/").join(it))
}

fn pivot(ring: &mut Ring) -> Verdict {
    let trial = ring.run(&[&random_word()])?;
    let calls: Vec<_> = trial.trace.calls(Sysno::pivot_root).collect();
    if let Some(call) = calls.iter().find(|call| !call.succeeded()) {
        return mistake(reason(call), call.shown(), "pivot_root(..) = 0");
    }
    expect(!calls.is_empty(), "no-pivot", "pivot_root(2) was not called", "pivot_root(..) = 0")?;
    let busy = trial.trace.calls(Sysno::umount2).find(|it| it.answer == Err(Errno::EBUSY));
    if let Some(call) = busy {
        return mistake("busy", call.shown(), "umount2(..) = 0");
    }
    let child = child(&trial)?;
    let points: Vec<_> = child.mounts.iter().map(|it| it.point.display().to_string()).collect();
    let first = points.first().cloned().unwrap_or_default();
    let saw = format!("{} mounts inside, the first at {first}", points.len());
    expect(points.len() == 1, "old-root", saw, "one mount inside, at /")?;
    let saw = format!("its root is {}, it stands in {}", child.root.display(), child.cwd.display());
    let inside = child.root == Path::new("/") && child.cwd.starts_with("/");
    let moved = trial.trace.calls(Sysno::chroot).any(Call::succeeded);
    expect(
        inside && !moved,
        "cwd",
        saw,
        "the root of the namespace, and the working directory in it",
    )?;
    trial.ended_well()
}

fn read_only(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let remount = trial.trace.calls(Sysno::mount).find(|it| it.has(3, libc::MS_REMOUNT));
    if let Some(call) = remount {
        let saw = format!("{} changed the file system", call.shown());
        expect(call.has(3, libc::MS_BIND), "super", saw, "a change of one mount")?;
        expect(call.succeeded(), "refused", call.shown(), "mount(..) = 0")?;
    }
    let child = child(&trial)?;
    let mount = child.mount_at(&format!("/tmp/{name}"));
    let options = mount.map(|it| it.options.clone()).unwrap_or_default();
    let has = |option: &str| options.split(',').any(|it| it == option);
    let saw = format!("options of the mount: {options}");
    expect(has("ro"), "writable", &saw, "ro among them")?;
    let kept = has("nosuid") && has("nodev");
    expect(kept, "flags", saw, "nosuid and nodev, as before")?;
    trial.ended_well()
}

fn loader(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let root = PathBuf::from("/tmp").join(&name);
    let trial = ring.run(&[&name])?;
    let inside = |call: &&Call| call.before().root == root;
    let calls: Vec<_> = trial.trace.calls(Sysno::execve).filter(inside).collect();
    let executed = calls.iter().any(|call| call.succeeded());
    if !executed {
        let there = |it: &&&Call| {
            let path = call_path(&root, it.text(0));
            path.metadata().is_ok_and(|file| file.len() > 0)
        };
        let refused = calls.iter().find(there).or(calls.last());
        let saw = refused.map_or("execve(2) was not called".to_owned(), |it| it.shown());
        let note = if calls.iter().any(|it| there(&it)) { "loader" } else { "program" };
        return mistake(note, saw, "execve(..) = 0 in the new root");
    }
    let code = trial.trace.processes.get(1).and_then(|it| it.code).unwrap_or(-1);
    let saw = format!("the program ran and ended with status {code}");
    expect(code == 0, "libraries", saw, "status 0")?;
    trial.ended_well()
}

fn call_path(root: &Path, text: &str) -> PathBuf {
    root.join(text.trim_start_matches('/'))
}

fn mounts_after_chroot(ring: &mut Ring) -> Verdict {
    let below = random_number(2, 7);
    let point = random_number(0, 2) == 1;
    let arguments =
        [random_word(), below.to_string(), (if point { "yes" } else { "no" }).to_owned()];
    let trial = ring.run(&arguments.each_ref().map(String::as_str))?;
    let truth = child(&trial)?.mounts.len() as i64;
    let said = prediction(&trial);
    let guess: i64 = said.parse().unwrap_or(-1);
    let note = match guess - truth {
        -1 | 1 => "root",
        difference if difference < 0 => "below",
        _ => "all",
    };
    let saw = format!("predicted '{said}' with {below} mounts below, mount point: {point}");
    expect(guess == truth, note, saw, format!("the kernel shows {truth} lines"))?;
    // Once more, with the other kind of directory: half of all guesses are right by chance.
    let arguments =
        [random_word(), below.to_string(), (if point { "no" } else { "yes" }).to_owned()];
    let second = ring.run(&arguments.each_ref().map(String::as_str))?;
    let truth = child(&second)?.mounts.len().to_string();
    let said = prediction(&second);
    let saw = format!("predicted '{said}' with {below} mounts below, mount point: {}", !point);
    expect(said == truth, "root", saw, format!("the kernel shows {truth} lines"))?;
    second.ended_well()
}

fn escape_from_chroot(ring: &mut Ring) -> Verdict {
    let open = ring.run(&[&random_word(), "chroot"])?;
    let out = child(&open)?;
    let saw = format!("its root directory is {}", out.root.display());
    expect(out.root == Path::new("/"), "escape", saw, "its root directory is the host's")?;
    open.ended_well()?;
    let own = ring.run(&[&random_word(), "own"])?;
    let tried = own.trace.calls(Sysno::chroot).filter(|call| !call.text(0).is_empty()).count();
    let inside = child(&own)?;
    let points = inside.mounts.len();
    let host = inside.root == Path::new("/") && points > 1;
    let saw = format!("it came out: its root is {}, with {points} mounts", inside.root.display());
    expect(!host, "prison", saw, "the root of your prison, with one mount")?;
    let pivoted = own.trace.calls(Sysno::pivot_root).any(Call::succeeded);
    let saw = "chroot(2) was not called against the prison";
    expect(tried > usize::from(!pivoted), "not-tried", saw, "the same attack as before")?;
    let saw = "the prison is a chroot";
    expect(pivoted, "prison", saw, "pivot_root(..) = 0, and the old root unmounted")?;
    own.ended_well()
}

fn leaked_descriptor(ring: &mut Ring) -> Verdict {
    let open = ring.run(&[&random_word(), "open"])?;
    let used = |trial: &Trial| {
        let calls = trial.trace.calls(Sysno::fchdir).chain(trial.trace.calls(Sysno::chdir));
        calls.map(Call::succeeded).collect::<Vec<_>>()
    };
    let out = child(&open)?;
    let saw =
        format!("it stands in {}, with {} mounts in sight", out.cwd.display(), out.mounts.len());
    let fchdir = open.trace.calls(Sysno::fchdir).any(Call::succeeded);
    expect(fchdir, "escape", saw, "fchdir(9) = 0: a directory of the host")?;
    let closed = ring.run(&[&random_word(), "closed"])?;
    let inside = child(&closed)?;
    let saw = format!("open in the container: {:?}", inside.open.keys().collect::<Vec<_>>());
    let fchdir: Vec<_> = closed.trace.calls(Sysno::fchdir).collect();
    let out = fchdir.iter().any(|call| call.succeeded());
    expect(!out && !inside.open.contains_key(&9), "open", saw, "nothing from 3 on")?;
    let saw = "fchdir(2) was not called";
    expect(!fchdir.is_empty() || used(&closed).len() > 2, "not-tried", saw, "the same attack")?;
    closed.ended_well()
}
