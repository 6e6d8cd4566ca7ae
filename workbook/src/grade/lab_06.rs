//! Lab 06: a volume is a line of the mount table: which root, which point, which options, who else hears.

use std::path::{Path, PathBuf};

use ground::Errno;
use rootfs::MountInfo;
use syscalls::Sysno;

use super::{Grader, prediction};
use crate::{
    photo::Photo,
    stage::{Ring, Trial, random_number, random_word},
    verdict::{Refusal, Verdict, expect, mistake},
};

/// By number.
pub const GRADERS: [Grader; 8] = [
    bind,
    read_only,
    locked_flags,
    late_disk,
    propagation,
    link_in_the_image,
    before_the_pivot,
    text_of_a_volume,
];

/// The stage's directory of this run.
fn place(name: &str, part: &str) -> PathBuf {
    Path::new("/tmp").join(name).join(part)
}

/// The child as it was at its end.
fn child<'a>(trial: &'a Trial, note: &str) -> Result<&'a Photo, Refusal> {
    let refused = trial.trace.calls.iter().find(|call| {
        let mounts = [Sysno::mount, Sysno::move_mount, Sysno::mount_setattr, Sysno::open_tree];
        mounts.contains(&call.name) && !call.succeeded()
    });
    match (trial.trace.processes.get(1), refused) {
        (Some(_), Some(call)) => mistake(note, call.shown(), "a call that succeeds"),
        (Some(child), None) => Ok(&child.last),
        (None, _) => {
            trial.ended_well()?;
            mistake(note, "no child was made", "the program as it was, but your part")
        }
    }
}

fn at<'a>(photo: &'a Photo, point: &Path) -> Option<&'a MountInfo> {
    photo.mounts.iter().rev().find(|it| it.point == point)
}

fn has(mount: Option<&MountInfo>, option: &str) -> bool {
    mount.is_some_and(|it| it.options.split(',').any(|it| it == option))
}

fn bind(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let child = child(&trial, "no-mount")?;
    let (target, root) = (place(&name, "root/data"), Path::new("/").join(&name).join("data"));
    let shown = at(child, &target).map(|it| it.root.clone());
    let expected = format!("{} shows {} of the host", target.display(), root.display());
    let turned = at(child, &place(&name, "data")).is_some();
    expect(!turned, "other", "the host's directory is covered", expected.clone())?;
    expect(shown.is_some(), "no-mount", "nothing is mounted there", expected.clone())?;
    let shown = shown.unwrap_or_default();
    let saw = format!("it shows {}", shown.display());
    expect(shown == root, "other", saw, expected)?;
    let inner = at(child, &target.join("inner")).is_some();
    let saw = format!("nothing is mounted at {}", target.join("inner").display());
    expect(inner, "inner", saw, "the inner file system as well")?;
    trial.ended_well()
}

fn read_only(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let child = child(&trial, "no-mount")?;
    let (source, target) = (place(&name, "data"), place(&name, "root/data"));
    let host = has(at(child, &source), "ro") || has(at(child, Path::new("/tmp")), "ro");
    expect(!host, "host", "the host's own directory is read-only", "only the volume is")?;
    let mount = at(child, &target);
    expect(mount.is_some(), "no-mount", "nothing is mounted there", "the volume")?;
    let options = mount.map(|it| it.options.clone()).unwrap_or_default();
    let saw = format!("{}: {options}", target.display());
    expect(has(mount, "ro"), "ignored", saw, "ro")?;
    let inner = at(child, &target.join("inner"));
    let options = inner.map(|it| it.options.clone()).unwrap_or_default();
    let saw = format!("{}/inner: {options}", target.display());
    expect(has(inner, "ro"), "inner", saw, "ro")?;
    trial.ended_well()
}

fn locked_flags(ring: &mut Ring) -> Verdict {
    ring.capable = false;
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let remount = trial.trace.calls(Sysno::mount).find(|it| it.has(3, libc::MS_REMOUNT));
    if let Some(call) = remount.filter(|it| !it.succeeded()) {
        let note = match () {
            () if !call.has(3, libc::MS_BIND) => "super",
            () if call.answer == Err(Errno::EPERM) => "locked",
            () => "refused",
        };
        return mistake(note, call.shown(), "mount(..) = 0");
    }
    let child = child(&trial, "refused")?;
    let mount = at(child, &place(&name, "root/data"));
    let options = mount.map(|it| it.options.clone()).unwrap_or_default();
    let kept = has(mount, "nosuid") && has(mount, "nodev");
    expect(has(mount, "ro"), "writable", format!("options: {options}"), "ro")?;
    expect(kept, "locked", format!("options: {options}"), "nosuid and nodev, as before")?;
    trial.ended_well()
}

/// Whether the child saw the host's mount, and the host the child's.
fn heard(trial: &Trial, name: &str) -> Result<(bool, bool), Refusal> {
    let child = child(trial, "refused")?;
    let inside = at(child, &place(name, "data/late")).is_some();
    let leaked = trial.leaked().contains(&place(name, "data/inner"));
    Ok((inside, leaked))
}

fn late_disk(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let (inside, outside) = heard(&trial, &name)?;
    let saw = "the host has the container's mount";
    expect(!outside, "leak", saw, "what the container mounts stays there")?;
    let saw = "the container does not see data/late, which the host mounted";
    expect(inside, "private", saw, "the host's later mount inside")?;
    trial.ended_well()
}

fn propagation(ring: &mut Ring) -> Verdict {
    let mut kinds = ["private", "slave", "shared"];
    kinds.rotate_left(random_number(0, 3) as usize);
    for kind in kinds {
        let name = random_word();
        let trial = ring.run(&[&name, kind])?;
        let (inside, outside) = heard(&trial, &name)?;
        let said = prediction(&trial);
        let word = |yes| if yes { "yes" } else { "no" };
        let truth = format!("{} {}", word(inside), word(outside));
        let same = said.split(' ').next() == truth.split(' ').next();
        let saw = format!("predicted '{said}' for {kind}");
        let note = if same { "out" } else { "in" };
        expect(said == truth, note, saw, format!("the kernel did '{truth}'"))?;
        expect(trial.trace.code() == 0, "failed", trial.trace.said.clone(), "status 0")?;
    }
    Ok(())
}

fn link_in_the_image(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let naive = ring.run(&[&name, "naive"])?;
    let victim = place(&name, "data/inner");
    let seen = child(&naive, "plant")?;
    let saw = "the naive mount is not on the host's directory";
    expect(at(seen, &victim).is_some(), "plant", saw, format!("a mount at {}", victim.display()))?;
    naive.ended_well()?;
    let name = random_word();
    let own = ring.run(&[&name, "own"])?;
    let seen = child(&own, "nowhere")?;
    let root = place(&name, "root");
    let here = Path::new("/tmp").join(&name);
    let ours = seen.mounts.iter().filter(|it| it.point.starts_with(&here));
    let (inside, outside): (Vec<_>, Vec<_>) = ours.partition(|it| it.point.starts_with(&root));
    let points: Vec<_> = outside.iter().map(|it| it.point.display().to_string()).collect();
    let saw = format!("mounted outside of the root: {}", points.join(" "));
    expect(points.is_empty(), "escaped", saw, "a mount below the container's root")?;
    expect(!inside.is_empty(), "nowhere", "no mount below the root", "the volume")?;
    own.ended_well()
}

fn before_the_pivot(ring: &mut Ring) -> Verdict {
    let name = random_word();
    let trial = ring.run(&[&name])?;
    let pivoted = trial.trace.calls.iter().position(|it| it.name == Sysno::pivot_root);
    let late = trial.trace.calls.iter().enumerate().find(|(place, call)| {
        call.name == Sysno::mount && !call.succeeded() && pivoted.is_some_and(|it| it < *place)
    });
    if let Some((_, call)) = late {
        return mistake("after", call.shown(), "the volume, before the old root goes");
    }
    let child = child(&trial, "no-volume")?;
    let saw = "pivot_root(2) was not called";
    expect(pivoted.is_some(), "no-pivot", saw, "the new root as the root of the namespace")?;
    let wanted = Path::new("/").join(&name).join("data");
    let volume = at(child, Path::new("/data")).filter(|it| it.root == wanted);
    let tried = trial.trace.calls(Sysno::mount).any(|it| it.text(0).ends_with("/data"));
    let points: Vec<_> = child.mounts.iter().map(|it| it.point.display().to_string()).collect();
    let note = if tried { "outside" } else { "no-volume" };
    let saw = format!("mounts inside: {}", points.join(" "));
    expect(volume.is_some(), note, saw, "/data, and in it the host's directory")?;
    trial.ended_well()
}

fn text_of_a_volume(ring: &mut Ring) -> Verdict {
    for option in ["", ":ro", ":rw"] {
        let (name, target) = (random_word(), random_word());
        let source = place(&name, "data");
        let text = format!("{}:/{target}{option}", source.display());
        let trial = ring.run(&[&name, &text])?;
        let made = trial.trace.processes.len() > 1;
        expect(made, "refused", format!("'{text}' was refused"), "a mount")?;
        let child = child(&trial, "target")?;
        let mount = at(child, &place(&name, "root").join(&target));
        let saw = format!("nothing is mounted at /{target} for '{text}'");
        expect(mount.is_some(), "target", saw, format!("a mount at /{target}"))?;
        let options = mount.map(|it| it.options.clone()).unwrap_or_default();
        let saw = format!("'{text}' was mounted with {options}");
        let expected = if option == ":ro" { "ro" } else { "rw" };
        expect(has(mount, expected), "access", saw, expected)?;
        trial.ended_well()?;
    }
    for wrong in ["data", ":/data", "/tmp:data", "/tmp:/", "/tmp:/data:RO", "/tmp:/data:ro:more"] {
        let trial = ring.run(&[&random_word(), wrong])?;
        let accepted = trial.trace.processes.len() > 1 || trial.trace.code() != 0;
        expect(!accepted, "accepted", format!("'{wrong}' was accepted"), "an error")?;
    }
    Ok(())
}
