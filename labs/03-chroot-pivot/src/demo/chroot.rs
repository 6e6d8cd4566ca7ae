//! Scenes 1 to 6: a directory that is enough to run a program, and a wall that is none.

use std::{fs::File, io::Read, os::fd::OwnedFd, path::Path};

use ground::{Error, Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use namespaces::{Exec, Exit, Id, Kind, Kinds, Spawn, steps::Redirect, steps::Stream};
use nix::fcntl::OFlag;
use rootfs::{DEFAULT_PATH, MountInfo, Program, What, elf::Object};

use super::{NEW_ROOT, Stage, actor::Actor, expect, explain, yes_or_no};
use crate::{
    breakout::{self, Place},
    commands::search_path,
};

const PROGRAMS: [&str; 2] = ["sh", "ls"];

/// A second root file system, without a loader.
const NO_LOADER: &str = "/tmp/no-loader";

pub(super) fn scenes() -> Result<Vec<Scene<Stage>>> {
    let prison = rootfs::chroot(&rootfs::c_path(NEW_ROOT)?);
    let out = breakout::steps(Path::new("tmp"))?;
    let mut run = explain(&prison);
    run.push(Exec::new(&["ls", "/"], &[] as &[&str])?.explain());
    let mut incomplete = explain(&rootfs::chroot(&rootfs::c_path(NO_LOADER)?));
    incomplete.push(Exec::new(&["/bin/sh"], &[] as &[&str])?.explain());
    Ok(vec![
        Scene::new("Copy sh and ls into an empty directory, with all they need.", copying(), copy),
        Scene::new("Run the copied ls with that directory as its \"/\".", run, run_inside),
        Scene::new("Leave out one file: the loader.", incomplete, without_loader),
        Scene::new(
            "Look at a process that called chroot, and at one beside it.",
            explain(&prison),
            one_process,
        ),
        Scene::new("Can a process notice that it is in a chroot?", looking(), notice),
        Scene::new("Break out of the chroot.", explain(prison.iter().chain(&out)), break_out),
    ])
}

fn copying() -> Vec<Explanation> {
    let headers = "the program header names the loader, the dynamic section the libraries; ldd \
                   would run the loader to learn the same";
    let copy = "files keep their absolute paths, and links on the way stay links";
    vec![
        Explanation::new("pread(\"sh\", PT_INTERP), pread(\"sh\", PT_DYNAMIC)", headers, "5 elf"),
        Explanation::new("copy_file_range(host, rootfs)", copy, "8 ld.so"),
    ]
}

fn copy(stage: &mut Stage) -> Result<Outcome> {
    stage.plan = rootfs::build(&stage.new_root, &PROGRAMS.map(Program::from), &search_path())?;
    let count = |wanted: &dyn Fn(&rootfs::Entry) -> bool| {
        stage.plan.entries.values().filter(|entry| wanted(entry)).count()
    };
    let libraries = count(&|entry| entry.why.starts_with("needed by"));
    let links = count(&|entry| matches!(entry.what, What::Link(_)));
    let table = Table::new(["what", "found in", "copied"])
        .title(format!("{NEW_ROOT}, built from this machine's own files"))
        .row(["programs", "PATH", &PROGRAMS.join(", ")])
        .row(["loader", "PT_INTERP of sh", &loader(stage)?.unwrap_or("none: sh is static".into())])
        .row(["libraries", "DT_NEEDED, and theirs", &libraries.to_string()])
        .row(["symbolic links", "on the way to them", &links.to_string()]);
    let follows = "No program was run to find this out, and none of it needed root. What no header \
                   tells is not there: locales, terminfo, plug-ins.";
    Ok(Evidence::new(follows).table(table).into())
}

/// The loader of the copied sh, as its header has it.
fn loader(stage: &Stage) -> Result<Option<String>> {
    let sh = program(stage, "sh")?;
    let object = Object::read(&sh)
        .map_err(|error| Error::new("cannot read the copied sh").io(sh.display(), &error))?;
    Ok(object.interpreter.map(|path| path.display().to_string()))
}

/// The file of a program in the new root.
fn program(stage: &Stage, name: &str) -> Result<std::path::PathBuf> {
    let found = DEFAULT_PATH.split(':').find_map(|directory| {
        let walk = rootfs::walk(&stage.new_root, &Path::new(directory).join(name)).ok()?;
        Some(stage.new_root.join(walk.end.strip_prefix("/").ok()?))
    });
    found.ok_or_else(|| Error::new(format!("{name} was not copied")))
}

/// Runs a command after `chroot(dir)` and returns what it wrote.
fn output_of(dir: &str, command: &[&str]) -> Result<String> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)
        .map_err(|errno| Error::new("cannot talk to a child").call("pipe2(O_CLOEXEC)", errno))?;
    let mut spawn = Spawn::new(Kinds::NONE).step(Redirect::new(write, Stream::Stdout));
    spawn.steps.extend(rootfs::chroot(&rootfs::c_path(dir)?));
    spawn = spawn.step(Exec::new(command, &[format!("PATH={DEFAULT_PATH}")])?);
    let mut child = spawn.start()?;
    // Our copy of the write end would keep end-of-file from arriving.
    drop(spawn);
    let output = read_all(read)?;
    match child.wait()? {
        Exit::Code(0) => Ok(output),
        other => Err(Error::new(format!("{command:?} failed")).why(format!("{other:?}"))),
    }
}

fn read_all(from: OwnedFd) -> Result<String> {
    let mut text = String::new();
    match File::from(from).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Error::new("cannot hear from a child").io("read", &error)),
    }
}

fn run_inside(stage: &mut Stage) -> Result<Outcome> {
    let seen = output_of(NEW_ROOT, &["ls", "/"])?;
    let seen: Vec<_> = seen.lines().collect();
    let mut planned: Vec<_> = stage.plan.entries.keys().filter_map(|path| top(path)).collect();
    planned.sort_unstable();
    planned.dedup();
    let mut sorted = seen.clone();
    sorted.sort_unstable();
    expect(sorted == planned, "ls / inside shows what was copied and nothing else")?;
    let table = Table::new(["ls /, run in the new root"]).row([seen.join("  ")]);
    let follows = "A copied program runs: to it, the directory is all there is.";
    Ok(Evidence::new(follows).table(table).into())
}

/// `usr` of `/usr/bin/ls`.
fn top(path: &Path) -> Option<&str> {
    path.iter().nth(1)?.to_str()
}

fn without_loader(stage: &mut Stage) -> Result<Outcome> {
    let Some(loader) = loader(stage)? else {
        return Ok(Outcome::NotHere(
            Error::new("the sh of this machine is static")
                .why("it has no PT_INTERP, so it needs no loader"),
        ));
    };
    let loader = Path::new(&loader);
    let mut plan = stage.plan.clone();
    let end = rootfs::walk(Path::new("/"), loader)
        .map_err(|error| Error::new("cannot find the loader").io(loader.display(), &error))?;
    plan.entries.remove(&end.end);
    rootfs::write(&plan, Path::new(NO_LOADER))?;
    let inside = |path| rootfs::walk(Path::new(NO_LOADER), path).is_ok();
    let sh = Path::new("/bin/sh");
    let ran = output_of(NO_LOADER, &["/bin/sh", "-c", ":"]);
    let refused = ran.err().and_then(|error| error.why).unwrap_or_default();
    let not_found = refused.contains("ENOENT");
    expect(inside(sh) && !inside(loader), "sh was copied, its loader was not")?;
    expect(not_found, "execve says ENOENT for a program that is there")?;
    let table = Table::new(["path in the new root", "is there", "execve"])
        .row(["/bin/sh", yes_or_no(inside(sh)), if not_found { "ENOENT" } else { "ok" }])
        .row([&loader.display().to_string(), yes_or_no(inside(loader)), ""]);
    let why = rootfs::why_not_found(Path::new(NO_LOADER), sh.as_os_str(), DEFAULT_PATH);
    let why = why.and_then(|error| error.why);
    expect(why.is_some(), "the headers of sh say what is missing")?;
    Ok(Evidence::new(format!("{}.", why.unwrap_or_default())).table(table).into())
}

/// Two processes of one mount namespace: the first will call chroot.
fn one_process(stage: &mut Stage) -> Result<Outcome> {
    let caller = Actor::enter(Kinds::NONE, rootfs::chroot(&rootfs::c_path(NEW_ROOT)?))?;
    let beside = Actor::enter(Kinds::NONE, Vec::new())?;
    let before = [caller.root()?, beside.root()?];
    let mounts = [caller.mounts()?, beside.mounts()?];
    caller.does_all()?;
    let after = [caller.root()?, beside.root()?];
    expect(before == [stage.host; 2], "both began with the host's root")?;
    expect(after == [stage.inside()?, stage.host], "only the caller's root moved")?;
    let namespace = Id::of(caller.pid(), Kind::Mount)? == Id::of(beside.pid(), Kind::Mount)?;
    let unchanged = [caller.mounts()? == mounts[0], beside.mounts()? == mounts[1]];
    expect(namespace && unchanged == [false, true], "the namespace kept its mounts")?;
    let roots = Table::new(["called here", "device/inode"])
        .row(["host", &after[1].to_string()])
        .row(["new root", &after[0].to_string()]);
    let seen = |unchanged| if unchanged { "as before" } else { "hidden" };
    let columns = ["process", "\"/\" before", "\"/\" after", "mounts", "mnt namespace"];
    let mut table =
        Table::new(columns).title("/proc/PID/root by device and inode, mountinfo, ns/mnt");
    for (index, who) in ["called chroot", "beside it"].into_iter().enumerate() {
        let (old, new) = (stage.name(before[index])?, stage.name(after[index])?);
        let shared = if namespace { "the same" } else { "another" };
        table.push([who, old, new, seen(unchanged[index]), shared]);
    }
    let follows = "chroot is a note in one process: where its absolute paths begin. Nothing was \
                   mounted, unmounted or taken away, and only children will inherit it.";
    Ok(Evidence::new(follows).table(roots).table(table).into())
}

fn looking() -> Vec<Explanation> {
    let inode =
        "the root directory of a file system has a well-known inode, as 1 on tmpfs and 2 on ext4";
    let table = "it lists only mounts that begin below \"/\": in a chroot, none begins at \"/\"";
    vec![
        Explanation::new("stat(\"/\")", inode, "2 stat"),
        Explanation::new("read(\"/proc/self/mountinfo\")", table, "5 proc_pid_mountinfo"),
    ]
}

fn notice(stage: &mut Stage) -> Result<Outcome> {
    let prisoner = Actor::enter(Kinds::NONE, rootfs::chroot(&rootfs::c_path(NEW_ROOT)?))?;
    prisoner.does_all()?;
    let (outside, inside) = (MountInfo::of("self")?, prisoner.mounts()?);
    let begins_at_root = |mounts: &[MountInfo]| mounts.iter().any(|it| it.point == Path::new("/"));
    expect(begins_at_root(&outside), "outside, a mount begins at /")?;
    expect(!begins_at_root(&inside), "in the chroot, no mount begins at /")?;
    let tmpfs_root = Place::at("/tmp")?.ino;
    let inode = prisoner.root()?.ino;
    expect(inode != tmpfs_root, "the new root is not the root of its file system")?;
    let table = Table::new(["what it can look at", "outside", "in the chroot"])
        .row([
            "inode of \"/\"",
            &stage.host.ino.to_string(),
            &format!("{inode} (its tmpfs begins at {tmpfs_root})"),
        ])
        .row(["mounts in its mountinfo", &outside.len().to_string(), &inside.len().to_string()])
        .row([
            "a mount that begins at \"/\"",
            yes_or_no(begins_at_root(&outside)),
            yes_or_no(begins_at_root(&inside)),
        ]);
    let follows = "It can: a real root is where a mount begins, and its mount table says that this \
                   one is not. The last proof is to leave.";
    Ok(Evidence::new(follows).table(table).into())
}

fn break_out(stage: &mut Stage) -> Result<Outcome> {
    let mut steps = rootfs::chroot(&rootfs::c_path(NEW_ROOT)?);
    let in_prison = steps.len();
    steps.extend(breakout::steps(Path::new("tmp"))?);
    let count = steps.len();
    let prisoner = Actor::enter(Kinds::NONE, steps)?;
    let table = climb(stage, &prisoner, 0..count, in_prison)?;
    expect(prisoner.root()? == stage.host, "the climb ended at the host's root")?;
    let follows = "Out. A process has one root directory: the second chroot made the kernel forget \
                   the first. All it takes is CAP_SYS_CHROOT, which root in a chroot has.";
    Ok(Evidence::new(follows).table(table).into())
}

/// Performs calls one by one, the first `quietly` of them without a row, and says where "/" and "."
/// are after each.
pub(super) fn climb(
    stage: &Stage,
    prisoner: &Actor,
    calls: std::ops::Range<usize>,
    quietly: usize,
) -> Result<Table> {
    let title = "/proc/PID/root and /proc/PID/cwd of the prisoner";
    let mut table = Table::new(["after", "\"/\" is", "\".\" is"]).title(title);
    for index in calls {
        prisoner.does(index)?;
        if index + 1 >= quietly {
            let (root, cwd) = (stage.name(prisoner.root()?)?, stage.name(prisoner.cwd()?)?);
            table.push([&prisoner.call(index), root, cwd]);
        }
    }
    Ok(table)
}
