//! A container with a volume: made before it starts, added while it runs, and left out of a commit.

use std::{ffi::CStr, os::unix::fs::MetadataExt, path::Path};

use ground::{Error, Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use namespaces::{Child, steps::Stay};
use nix::unistd::{Pid, geteuid};
use overlay::{Marks, Options, Overlay, Upper, diff};
use rootfs::{MountInfo, Umount};
use setns::Target;
use volumes::{Access, Attach, Detached, Spec, table, volume_explained};

use super::{DATA, Stage, expect, make_directory, perform, read_file, try_to_write, write_file};
use crate::{add, container::Container};

/// An empty root file system: nothing is executed in this container.
const ROOTFS: &str = "/tmp/rootfs";
const C_LATE: &CStr = c"/tmp/late";

pub fn scenes() -> Result<Vec<Scene<Stage>>> {
    Ok(vec![
        Scene::new("Start a container with a volume, and write on both sides.", planned()?, start),
        Scene::new(
            "Give the running container another volume.",
            add::planned(C_LATE, c"/late", Access::ReadOnly),
            add_late,
        ),
        Scene::new("Look at what a commit would take along.", commit_calls()?, commit),
    ])
}

fn volume() -> Result<Spec> {
    format!("{DATA}:/data").parse()
}

fn container(volumes: &[Spec], rootless: bool) -> Container<'_> {
    Container { rootfs: Path::new(ROOTFS), volumes, hostname: "unboxed", rootless }
}

/// Every call of the container: those of labs 01 to 04, and the one that this lab adds.
fn planned() -> Result<Vec<Explanation>> {
    let mut calls = container(&[volume()?], !geteuid().is_root()).on_paper()?;
    calls.push(Stay.explain());
    Ok(calls)
}

fn start(stage: &mut Stage) -> Result<Outcome> {
    make_directory(ROOTFS)?;
    let child = container(&[volume()?], stage.rootless).plan()?.stay().start()?;
    let inside = |path: &str| seen_by(&child, path);
    write_file(&inside("/data/from-inside"), "written in the container\n")?;
    let (host, guest) = (format!("{DATA}/from-inside"), inside("/data/from-inside"));
    expect(inode(&host)? == inode(&guest)?, "both sides should see one inode")?;
    let table = Table::new(["who", "path", "inode", "what it reads"])
        .title("stat(2), read(2); the container's side through /proc/PID/root")
        .row(["container", "/data/from-inside", &inode(&guest)?.1.to_string(), &read_file(&guest)?])
        .row(["host", &host, &inode(&host)?.1.to_string(), &read_file(&host)?]);
    let mounts = mounts_of(child.pid(), "the container's mount table")?;
    stage.container = Some(child);
    Ok(Evidence::new(
        "After the pivot the container has these mounts and no others; /data is the host's \
         directory, and `root` is the only trace of where that is.",
    )
    .table(table)
    .table(mounts)
    .into())
}

fn add_late(stage: &mut Stage) -> Result<Outcome> {
    let Some(container) = &stage.container else {
        return Err(Error::new("there is no container to add a volume to"));
    };
    make_directory("/tmp/late")?;
    write_file("/tmp/late/news", "I came later\n")?;
    let target = Target::open(container.pid())?;
    let attach = Attach::new(Detached::open(C_LATE)?.read_only()?, c"/late");
    drop(add::plan(&target, attach, c"/late")?.start()?);
    let news = seen_by(container, "/late/news");
    let written = try_to_write(&seen_by(container, "/late/x"), "x");
    expect(written.is_err(), "the late volume should be read-only")?;
    let here = table::at(&MountInfo::of("self")?, Path::new("/late")).is_some();
    expect(!here, "the host should not have the mount")?;
    let table = Table::new(["question", "answer"])
        .title("asked through /proc/PID/root and both mount tables")
        .row(["what does the container read in /late/news?", &read_file(&news)?])
        .row(["may it write there?", &super::outcome(written)])
        .row(["is there a mount at /late on the host?", if here { "yes" } else { "no" }]);
    Ok(Evidence::new(
        "A volume need not be there before the pivot: the mount was made on the host, held by a \
         descriptor, and got its place in the container.",
    )
    .table(table)
    .into())
}

fn in_commit(name: &str) -> String {
    format!("/tmp/commit/{name}")
}

fn overlay(marks: Marks) -> Overlay {
    let (dir, work) = (in_commit("upper").into(), in_commit("work").into());
    Overlay {
        lower: vec![in_commit("lower").into()],
        upper: Some(Upper { dir, work }),
        options: Options::with_marks(marks),
    }
}

fn commit_calls() -> Result<Vec<Explanation>> {
    let marks = if geteuid().is_root() { Marks::here() } else { Marks::User };
    let merged = in_commit("merged");
    Ok(vec![
        overlay(marks).step(Path::new(&merged))?.explain(),
        volume_explained(Path::new(DATA), format_args!("{merged}/data"), Access::ReadWrite),
        Explanation::new(
            format!("openat(\"{}\"), getdents64(..)", in_commit("upper")),
            "lab 04: whatever a container changed is in its upper directory",
            "2 getdents64",
        ),
    ])
}

/// An overlay here, with a volume in it, so that the upper directory can be looked at: the
/// container's own is in its mount namespace.
fn commit(_: &mut Stage) -> Result<Outcome> {
    for name in ["lower", "upper", "work", "merged"] {
        make_directory(&in_commit(name))?;
    }
    let (overlay, merged) = (overlay(Marks::here()), in_commit("merged"));
    overlay.mount(Path::new(&merged))?;
    let (root, target) = (Path::new(&merged), Path::new("/data"));
    perform(&volumes::volume(Path::new(DATA), root, target, Access::ReadWrite)?)?;
    write_file(&format!("{merged}/data/much"), "in the volume\n")?;
    write_file(&format!("{merged}/own"), "in the container\n")?;
    let upper = in_commit("upper");
    let changes = diff(Path::new(&upper), &overlay.lower, overlay.options.marks)?;
    let mut table =
        Table::new(["kind", "path"]).title("the upper directory, as docker diff shows it");
    for change in &changes {
        table.push([change.kind.to_string(), change.path.display().to_string()]);
    }
    perform(&Umount::detach(c"/tmp/commit/merged"))?;
    let listed = |name: &str| changes.iter().any(|change| change.path == Path::new(name));
    expect(listed("/data") && listed("/own"), "the mount point and the file should be listed")?;
    expect(!listed("/data/much"), "the volume's content should not be listed")?;
    Ok(Evidence::new(
        "The volume's files are on the host and not in the layer: a commit takes the empty mount \
         point along, and nothing of what was in it.",
    )
    .table(table)
    .into())
}

/// A path of the container, as the host can say it.
fn seen_by(container: &Child, path: &str) -> String {
    format!("/proc/{}/root{path}", container.pid())
}

fn inode(path: &str) -> Result<(u64, u64)> {
    let file = std::fs::metadata(path).map_err(|error| {
        Error::new("cannot see the file").io(format_args!("stat {path}"), &error)
    })?;
    Ok((file.dev(), file.ino()))
}

fn mounts_of(pid: Pid, title: &str) -> Result<Table> {
    let empty = Table::new(["mount point", "type", "root", "options"]).title(title);
    Ok(MountInfo::of(pid)?.iter().fold(empty, |table, entry| {
        let options = if table::is_read_only(entry) { "ro" } else { "rw" };
        let mount_point = entry.point.display().to_string();
        let root = entry.root.display().to_string();
        table.row([mount_point.as_str(), &entry.fstype, &root, options])
    }))
}
