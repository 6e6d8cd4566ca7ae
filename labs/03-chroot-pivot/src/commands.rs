//! Free play: a command a verb.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use ground::{Errno, Error, Evidence, Narrator, Result, Step, Table, cli};
use namespaces::{
    Exec, IdMaps, Kind, Kinds, Signals, Spawn, Terminal, rootless, steps::PrivateMounts,
};
use rootfs::{DEFAULT_PATH, Mount, Plan, Program, What, c_path, dev};

use crate::breakout::{self, Place};

/// `rootfs DIR --with PROGRAM,..`
pub fn rootfs(
    narrator: &mut Narrator<'_>,
    dir: &Path,
    programs: &[String],
    flags: cli::Flags,
) -> Result<ExitCode> {
    let programs: Vec<_> = programs.iter().map(|text| Program::from(text.as_str())).collect();
    let plan = rootfs::plan(&programs, &search_path())?;
    if !narrator.plans_only() {
        rootfs::write(&plan, dir)?;
    }
    // A person wants to know how much, a program how many bytes.
    let size = |bytes: u64| match flags.json {
        true => bytes.to_string(),
        false => format!("{} KiB", bytes.div_ceil(1024)),
    };
    told(narrator.table(&table(&plan, dir, size)))
}

/// Where programs are looked for on the host.
pub fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into())
}

/// What is in the root file system, and why; without the directories that lead there.
fn table(plan: &Plan, dir: &Path, size: impl Fn(u64) -> String) -> Table {
    let title = format!("root file system in {}", dir.display());
    let mut table = Table::new(["path", "is", "why"]).title(title);
    for (path, entry) in &plan.entries {
        let is = match &entry.what {
            What::Directory(_) if plan.is_on_the_way(path) => continue,
            What::Directory(mode) => format!("{mode:04o}"),
            What::Link(_) => "link".to_owned(),
            What::Copy(source) => size(fs::metadata(source).map_or(0, |it| it.len())),
            What::Text(_) => "text".to_owned(),
        };
        table.push([path.display().to_string(), is, entry.why.clone()]);
    }
    table
}

/// `chroot DIR -- CMD`: no child and no namespace, as chroot(8) has it.
pub fn chroot(narrator: &mut Narrator<'_>, dir: &Path, command: &[OsString]) -> Result<ExitCode> {
    let steps = rootfs::chroot(&c_path(dir)?);
    let exec = exec(command)?;
    if narrator.plans_only() {
        let mut calls = rootless::explain(Kinds::NONE);
        calls.extend(steps.iter().map(|step| step.explain()));
        calls.push(exec.explain());
        return told(narrator.plan(&calls));
    }
    directory(dir)?;
    rootless::enter(Kinds::NONE)?;
    perform(&steps)?;
    match exec.run() {
        // By now the new root is ours.
        Err(errno) => Err(blame(&exec, errno, Path::new("/"), command)),
        Ok(()) => Err(Error::new("execve(2) returned without an error")),
    }
}

/// `pivot DIR -- CMD`: a child in a mount and a PID namespace, whose root is the new one.
pub fn pivot(narrator: &mut Narrator<'_>, dir: &Path, command: &[OsString]) -> Result<ExitCode> {
    if narrator.plans_only() {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let (nodes, tty) = after_entering();
        let mut calls = rootless::explain(Kinds::NONE);
        calls.extend(container(&dir, command, nodes, tty)?.explain());
        return told(narrator.plan(&calls));
    }
    let dir = &directory(dir)?;
    not_our_root(dir)?;
    ["proc", "dev"].into_iter().try_for_each(|name| mount_point(dir, name))?;
    rootless::enter(Kinds::NONE)?;
    let mut spawn = container(dir, command, dev::Nodes::here(), dev::tty_gid())?;
    let terminal = Terminal::ours();
    if let Some(take) = terminal.as_ref().and_then(Terminal::step) {
        let before_exec = spawn.steps.len() - 1;
        spawn.steps.insert(before_exec, Box::new(take));
    }
    let start = || {
        spawn.start().map_err(|error| match error.exit_code {
            127 => rootfs::why_not_found(dir, &command[0], DEFAULT_PATH).unwrap_or(error),
            _ => error,
        })
    };
    let signals = Signals::hold()?;
    let ended = signals.wait_with_terminal(&mut start()?, terminal.as_ref())?;
    Ok(ExitCode::from(ended.code()))
}

/// The child of [`pivot`]: everything is mounted while the old root is still there to mount from.
/// Its mount namespace is its own, or pivot_root would move our root as well.
fn container(
    dir: &Path,
    command: &[OsString],
    nodes: dev::Nodes,
    tty: Option<u32>,
) -> Result<Spawn<'static>> {
    let new_root = c_path(dir)?;
    let proc = c_path(dir.join("proc"))?;
    let mut spawn = Spawn::new(Kinds::of([Kind::Mount, Kind::Pid])).step(PrivateMounts);
    spawn.steps.push(Box::new(
        Mount::rbind(new_root.clone(), new_root.clone())
            .why("pivot_root wants a mount point, and this makes any directory one"),
    ));
    spawn.steps.push(Box::new(Mount::proc(proc)));
    spawn.steps.extend(dev::steps(&dir.join("dev"), nodes, tty)?);
    spawn.steps.extend(rootfs::pivot(&new_root));
    spawn.steps.push(Box::new(exec(command)?));
    Ok(spawn)
}

/// What [`dev::Nodes::here`] and [`dev::tty_gid`] will say once we are root: for a plan.
fn after_entering() -> (dev::Nodes, Option<u32>) {
    if nix::unistd::geteuid().is_root() {
        return (dev::Nodes::here(), dev::tty_gid());
    }
    let mapped = IdMaps::with_subordinate_ids().map(|_| 5);
    (dev::Nodes::Bound, mapped)
}

/// `escape DIR [--after-pivot]`: the same break-out from both prisons.
pub fn escape(narrator: &mut Narrator<'_>, dir: &Path, after_pivot: bool) -> Result<ExitCode> {
    let kinds = if after_pivot { Kinds::of([Kind::Mount]) } else { Kinds::NONE };
    let new_root = c_path(dir)?;
    let mut prison: Vec<Box<dyn Step>> = Vec::new();
    if after_pivot {
        prison.push(Box::new(
            Mount::rbind(new_root.clone(), new_root.clone())
                .why("pivot_root wants a mount point, and this makes any directory one"),
        ));
        prison.extend(rootfs::pivot(&new_root));
    } else {
        prison.extend(rootfs::chroot(&new_root));
    }
    if narrator.plans_only() {
        let out = breakout::steps(Path::new("tmp"))?;
        let mut calls = rootless::explain(kinds);
        calls.extend(prison.iter().chain(&out).map(|step| step.explain()));
        return told(narrator.plan(&calls));
    }
    let dir = directory(dir)?;
    let out = breakout::steps(&subdirectory(&dir)?)?;
    rootless::enter(kinds)?;
    let (outside, inside) = (Place::at("/")?, Place::at(&dir)?);
    if outside == inside {
        return Err(Error::new(format!("cannot break out of {}", dir.display()))
            .why("it is the root directory already: there is nothing around it")
            .fix("build a prison: lab-03 rootfs DIR --with sh"));
    }
    let mut table = Table::new(["after", "\"/\" is", "\".\" is"]);
    let mut look = |after: String| -> Result<()> {
        let name = |place| match place {
            place if place == outside => "the host's root".to_owned(),
            place if place == inside => "the prison's root".to_owned(),
            place => format!("{place}"),
        };
        table.push([after, name(Place::at("/")?), name(Place::at(".")?)]);
        Ok(())
    };
    perform(&prison)?;
    look(format!("{} (in prison)", prison[prison.len() - 1].explain().call))?;
    for step in &out {
        step.run().map_err(|errno| step.failed(errno))?;
        look(step.explain().call)?;
    }
    let now = Place::at("/")?;
    let verdict = match now {
        now if now == outside => "Out: \"/\" is the host's root again, device and inode say so.",
        now if now == inside => "Still inside: above the root mount there is nothing to climb to.",
        _ => return Err(Error::new("the break-out ended somewhere unknown").why(now.to_string())),
    };
    told(narrator.evidence(1, &Evidence::new(verdict).table(table)))
}

/// A directory in the prison to move the root to; any will do.
fn subdirectory(dir: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).map_err(|error| unusable(dir, &error))?;
    let directories = entries.flatten().filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
    directories.map(|it| PathBuf::from(it.file_name())).min().ok_or_else(|| {
        Error::new(format!("cannot break out of {}", dir.display()))
            .why("the way out leads through a directory in it, and there is none")
            .fix(format!("mkdir {}/tmp", dir.display()))
    })
}

/// The command with the environment it gets inside.
fn exec(command: &[OsString]) -> Result<Exec> {
    let mut environment = vec![format!("PATH={DEFAULT_PATH}"), "HOME=/root".to_owned()];
    // Without it, no program inside would know how to draw on this terminal.
    environment.extend(std::env::var("TERM").ok().map(|term| format!("TERM={term}")));
    Exec::new(command, &environment)
}

fn blame(exec: &Exec, errno: Errno, root: &Path, command: &[OsString]) -> Error {
    let missing = (errno == Errno::ENOENT)
        .then(|| rootfs::why_not_found(root, &command[0], DEFAULT_PATH))
        .flatten();
    missing.unwrap_or_else(|| exec.failed(errno))
}

/// The directory's real path.
fn directory(dir: &Path) -> Result<PathBuf> {
    let real = fs::canonicalize(dir).map_err(|error| unusable(dir, &error))?;
    match real.is_dir() {
        true => Ok(real),
        false => Err(Error::new(format!("cannot use {} as a root", dir.display()))
            .why("it is not a directory")
            .fix("build one: lab-03 rootfs DIR --with sh,ls")),
    }
}

fn unusable(dir: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("cannot use {} as a root", dir.display()))
        .io(format_args!("open {}", dir.display()), error)
        .fix("build one: lab-03 rootfs DIR --with sh,ls")
}

/// What pivot_root exchanges are two mounts, and "/" is one of them already.
fn not_our_root(dir: &Path) -> Result<()> {
    if dir != Path::new("/") {
        return Ok(());
    }
    Err(Error::new("cannot pivot to /")
        .why("it is the root already, and the old root cannot take its own place: EBUSY")
        .see("2 pivot_root")
        .fix("build another root: lab-03 rootfs DIR --with sh,ls"))
}

/// A directory of the new root to mount on. It is asked for and not made: nobody would remove it
/// again, and a misspelt DIR should stay as it is. A link would lead the mount out of the new root.
fn mount_point(dir: &Path, name: &str) -> Result<()> {
    let path = dir.join(name);
    let unusable = Error::new(format!("cannot mount on {}", path.display()));
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(found) if found.is_symlink() => Err(unusable
            .why("it is a symbolic link, and out here it leads out of the new root")
            .fix("make it a directory")),
        Ok(_) => Err(unusable
            .why("it is not a directory, and a directory can only be mounted on one")
            .fix("make it a directory")),
        Err(error) => Err(unusable
            .io(format_args!("stat {}", path.display()), &error)
            .fix(format!("make both mount points: mkdir -p {0}/proc {0}/dev", dir.display()))),
    }
}

fn perform(steps: &[Box<dyn Step>]) -> Result<()> {
    steps.iter().try_for_each(|step| step.run().map_err(|errno| step.failed(errno)))
}

/// The end of a command that only talks. A reader that went away is fine.
pub fn told(written: std::io::Result<()>) -> Result<ExitCode> {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot tell the result").io("write", &error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
