//! The container of labs 01 to 06: one clone3, and a list of steps in which every lab has its lines.
//!
//! ```text
//!   lab 02   the limits             written before, joined first
//!   lab 01   clone3(CLONE_NEW*)     the process and its namespaces, mounts made private
//!   lab 04   overlay                the rootfs is the lower layer, a tmpfs holds the changes
//!   lab 06   -v SRC:DST:ro          while the host's paths can still be named
//!   lab 03   /proc, /dev, pivot     the last look at the host
//!   lab 01   sethostname, execve
//! ```
//!
//! Lab 05 joins it when it runs: `lab-05 enter PID`, or `lab-06 add PID`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use ground::{Error, Explanation, Result, Step};
use namespaces::{
    Exec, Kind, Kinds, Spawn, Terminal,
    steps::{LoopbackUp, NewCgroupNamespace, PrivateMounts, SetHostname},
};
use overlay::{Marks, Options, Overlay, Upper};
use rootfs::{Chdir, DEFAULT_PATH, Mkdir, Mount, c_path, dev};
use volumes::{Source, Spec, volume, volume_explained};

/// A container to be made.
#[derive(Debug)]
pub struct Container<'a> {
    /// A directory with a root file system. It stays as it is: changes go to memory.
    pub rootfs: &'a Path,
    /// What is shown in it from the host.
    pub volumes: &'a [Spec],
    /// Its name in its own UTS namespace.
    pub hostname: &'a str,
    /// Whether root in it is root of a user namespace only.
    pub rootless: bool,
}

/// Directories that are mounted over the rootfs, in the container's mount namespace only.
struct Scratch {
    tmpfs: PathBuf,
    upper: PathBuf,
    work: PathBuf,
    merged: PathBuf,
}

impl Scratch {
    /// The directories over `rootfs`.
    fn over(rootfs: PathBuf) -> Self {
        let below = |name| rootfs.join(name);
        Self { upper: below("upper"), work: below("work"), merged: below("merged"), tmpfs: rootfs }
    }
}

impl Container<'_> {
    // ANCHOR: plan
    /// The plan up to where the command would be executed.
    ///
    /// # Errors
    /// A rootfs or a volume that is not there, or a volume that has no path.
    pub fn plan(&self) -> Result<Spawn<'static>> {
        let scratch = Scratch::over(self.existing_rootfs()?);
        let mut volumes: Vec<Box<dyn Step>> = Vec::new();
        for spec in self.volumes {
            let (source, root) = (host_path(spec)?, &scratch.merged);
            volumes.push(Box::new(volume(source, root, &spec.target, spec.access)?));
        }
        let mut spawn = self.isolated(&scratch)?;
        spawn.steps.extend(volumes);
        spawn.steps.extend(self.rooted(&scratch)?);
        Ok(spawn)
    }

    /// A process with namespaces and an overlay of its own.
    ///
    /// The cgroup namespace is made last, by a step: whoever is to be in a group joins it before.
    fn isolated(&self, scratch: &Scratch) -> Result<Spawn<'static>> {
        let kinds = Kinds::of([Kind::Mount, Kind::Pid, Kind::Uts, Kind::Ipc, Kind::Net]);
        let mut spawn = Spawn::new(kinds).step(NewCgroupNamespace).step(PrivateMounts);
        spawn.steps.extend(self.file_system(scratch)?);
        Ok(spawn)
    }

    /// Its /proc and /dev, its root and its name.
    fn rooted(&self, scratch: &Scratch) -> Result<Vec<Box<dyn Step>>> {
        let mut steps = self.kernel_file_systems(&scratch.merged)?;
        steps.extend(rootfs::pivot(&c_path(&scratch.merged)?));
        steps.push(Box::new(SetHostname::new(self.hostname)?));
        steps.push(Box::new(LoopbackUp));
        Ok(steps)
    }
    // ANCHOR_END: plan

    /// The calls of [`Container::plan`], whether rootfs and volumes exist or not.
    ///
    /// # Errors
    /// As [`Container::plan`], but for what is not there.
    pub fn on_paper(&self) -> Result<Vec<Explanation>> {
        let scratch = Scratch::over(self.rootfs.to_owned());
        let mut calls = self.isolated(&scratch)?.explain();
        for spec in self.volumes {
            let target = scratch.merged.join(spec.target.strip_prefix("/").unwrap_or(&spec.target));
            calls.push(volume_explained(host_path(spec)?, target.display(), spec.access));
        }
        calls.extend(self.rooted(&scratch)?.iter().map(|step| step.explain()));
        Ok(calls)
    }

    /// The plan of a container that runs `command`, in the foreground of `terminal` if given.
    ///
    /// # Errors
    /// As [`Container::plan`], and an empty command.
    pub fn running(
        &self,
        command: &[OsString],
        terminal: Option<&Terminal>,
    ) -> Result<Spawn<'static>> {
        let mut spawn = self.plan()?;
        if let Some(take) = terminal.and_then(Terminal::step) {
            spawn = spawn.step(take);
        }
        let environment = [format!("PATH={DEFAULT_PATH}"), "TERM=xterm".to_owned()];
        Ok(spawn.step(Exec::new(command, &environment)?))
    }

    fn existing_rootfs(&self) -> Result<PathBuf> {
        let rootfs = self.rootfs.canonicalize().map_err(|error| {
            Error::new("cannot use the root file system")
                .io(format_args!("realpath {}", self.rootfs.display()), &error)
                .fix("make one: lab-03 rootfs DIR --with sh,ls,cat")
        })?;
        if !rootfs.is_dir() {
            return Err(Error::new(format!(
                "cannot use {} as the root file system",
                rootfs.display()
            ))
            .why("it is not a directory")
            .fix("make one: lab-03 rootfs DIR --with sh,ls,cat"));
        }
        if rootfs == Path::new("/") {
            return Err(Error::new("cannot use / as the root file system")
                .why("it is our own root, which no mount can cover: the container would change it")
                .fix("make one: lab-03 rootfs DIR --with sh,ls,cat"));
        }
        Ok(rootfs)
    }

    /// The overlay: the rootfs below, memory on top.
    ///
    /// The tmpfs needs a mount point, and the rootfs itself is one that surely exists. What it then
    /// covers can still be reached, because the working directory was inside before.
    fn file_system(&self, scratch: &Scratch) -> Result<Vec<Box<dyn Step>>> {
        let overlay = Overlay {
            lower: vec![PathBuf::from(".")],
            upper: Some(Upper { dir: scratch.upper.clone(), work: scratch.work.clone() }),
            options: self.options(),
        };
        let rootfs = c_path(&scratch.tmpfs)?;
        let mut steps: Vec<Box<dyn Step>> = vec![
            Box::new(Chdir::new(rootfs.clone(), "\".\" still leads here when a mount covers it")),
            Box::new(
                Mount::tmpfs(rootfs, c"mode=755")
                    .why("what the container writes goes to memory, and the rootfs stays as it is"),
            ),
        ];
        for directory in [&scratch.upper, &scratch.work, &scratch.merged] {
            let why = "overlay wants an upper, a work and a target directory";
            steps.push(Box::new(Mkdir::new(c_path(directory)?, 0o755, why)));
        }
        steps.push(Box::new(overlay.step(&scratch.merged)?));
        Ok(steps)
    }

    /// What may be asked of the overlay; told here, because a plan is made outside.
    fn options(&self) -> Options {
        if self.rootless { Options::kernel_default(Marks::User) } else { Options::for_containers() }
    }

    /// `/proc` and `/dev`. Before the pivot, because a user namespace gets a fresh proc only while
    /// it still sees a whole one, and bound device nodes come from the host.
    fn kernel_file_systems(&self, merged: &Path) -> Result<Vec<Box<dyn Step>>> {
        let (proc, device) = (merged.join("proc"), merged.join("dev"));
        let mut steps: Vec<Box<dyn Step>> = vec![
            Box::new(Mkdir::new(c_path(&proc)?, 0o555, "the mount point of proc")),
            Box::new(Mount::proc(c_path(&proc)?)),
            Box::new(Mkdir::new(c_path(&device)?, 0o755, "the mount point of /dev")),
        ];
        // Root may be that of a user namespace which somebody else has made.
        let nodes = if self.rootless { dev::Nodes::Bound } else { dev::Nodes::here() };
        steps.extend(dev::steps(&device, nodes, None)?);
        Ok(steps)
    }
}

/// `/proc` and `/dev` are mounted after the volumes, and would cover one there.
fn not_covered(spec: &Spec) -> Result<()> {
    match ["/proc", "/dev"].into_iter().find(|ours| spec.target.starts_with(ours)) {
        Some(ours) => Err(Error::new(format!("cannot put a volume at {}", spec.target.display()))
            .why(format!("the container gets a {ours} of its own, which would cover it"))
            .fix("choose another target")),
        None => Ok(()),
    }
}

/// Where the files of a volume are on the host; an engine would also have places of its own.
pub fn host_path(spec: &Spec) -> Result<&Path> {
    let target = spec.target.display();
    let why = match &spec.source {
        Source::Host(path) => {
            not_covered(spec)?;
            return Ok(path);
        }
        Source::Named(name) => format!(
            "{name:?} is the name of a volume: an engine keeps a directory for it, and there is \
             none here. A path begins with / or ."
        ),
        Source::Anonymous => format!(
            "{target} is the target, and there is no source: an engine would make an empty \
             directory for it, and keep it under a name that nobody chose"
        ),
    };
    Err(Error::new(format!("cannot find volume {spec}"))
        .why(why)
        .fix(format!("name a directory of the host: /srv/data:{target}; lab 07 keeps volumes")))
}
