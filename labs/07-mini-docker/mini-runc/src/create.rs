//! Create: everything that makes a container, up to the point where its program would run.
//!
//! What is made, in this order, so that `delete` can take it away in the other one whenever we are
//! killed: the directory of the name, the record, the cgroup, the process. From the clone until it
//! is ready the process dies with us.
//!
//! Source: runtime specification, runtime.md, "Create".

use std::{
    fs,
    mem::ManuallyDrop,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use ground::{Error, Explanation, Result};
use namespaces::{Child, Moment, Spawn};
use nix::unistd::Pid;
use oci::runtime::{Hook, Status};

use crate::{
    Warn,
    bundle::{self, Bundle},
    caller::Caller,
    cgroup::{Place, Scope},
    console, delete, intel_rdt, net_devices,
    plan::{Beside, Call, Gate, Plan, StateText, Wishes, run_hooks, told_hooks},
    record::{Container, FirstProcess, Record, Root},
    remarks,
    seccomp::listener,
};

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The directory with config.json.
    pub(crate) bundle: PathBuf,
    /// Where the process's PID is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// Who gets the terminal's master.
    pub(crate) console: Console,
    /// Who gets a descriptor of the process.
    pub(crate) pidfd_socket: Option<PathBuf>,
    /// Descriptors besides 0, 1 and 2 that the program gets.
    pub(crate) preserve_fds: u32,
    /// chroot(2) instead of pivot_root(2).
    pub(crate) no_pivot: bool,
    /// Whether systemd is to make the group.
    pub(crate) systemd_cgroup: bool,
}

/// Who gets the terminal's master.
#[derive(Debug, Default)]
pub(crate) enum Console {
    /// Nobody.
    #[default]
    None,
    /// Whoever listens at this path.
    Path(PathBuf),
    /// Ourselves, in the foreground.
    Own(std::os::fd::OwnedFd),
}

/// A container that was just created.
#[derive(Debug)]
pub(crate) struct Created {
    /// Its record and directory.
    pub(crate) container: Container,
    /// Its process.
    pub(crate) child: Child,
    /// Whether it has a terminal.
    pub(crate) terminal: bool,
}

/// Creates a container.
///
/// # Errors
/// Whatever cannot be had. Nothing is left then.
pub(crate) fn create(root: &Root, id: &str, options: Options, warn: Warn<'_>) -> Result<Created> {
    let (bundle, caller) = look(&options)?;
    // Never taken apart: by then its pages are the child's too, and each that is written to is copied.
    let bundle = ManuallyDrop::new(bundle);
    let dir = root.claim(id)?;
    let remarks = remarks::of_container(&bundle.spec, bundle.process(), bundle.linux(), &caller);
    remarks.into_iter().for_each(&mut *warn);
    let made = Making { id, dir: &dir, bundle: &bundle, caller: &caller }.create(options, warn);
    // The error that is reported is the first one.
    made.inspect_err(|_| drop(undo(root, id, &dir, warn)))
}

/// Takes away what there is already; where there was a process, hooks may have run, and those for
/// the end belong to it (runtime.md, "Lifecycle", steps 3 to 5 lead to step 12).
fn undo(root: &Root, id: &str, dir: &Path, warn: Warn<'_>) -> Result<()> {
    match root.container(id) {
        Ok(container) if container.record.process.is_some() => delete::destroy(&container, warn),
        _ => delete::take_away(dir),
    }
}

/// The plan of [`create`] in words, each call with its lab; nothing is made.
///
/// # Errors
/// As [`create`], as far as it can be known beforehand.
pub(crate) fn explain(id: &str, options: Options, warn: Warn<'_>) -> Result<Vec<Call>> {
    let (bundle, caller) = look(&options)?;
    explain_bundle(&bundle, &caller, id, options, warn)
}

/// The same for a bundle that has been read.
///
/// # Errors
/// As [`explain`].
pub(crate) fn explain_bundle(
    bundle: &Bundle,
    caller: &Caller,
    id: &str,
    options: Options,
    warn: Warn<'_>,
) -> Result<Vec<Call>> {
    let scope = scope(&options, bundle, id, caller)?;
    let place = Place::on_paper(bundle, id, caller, scope.as_ref(), warn)?;
    let record = Record::new(id, bundle, None);
    let wishes = Wishes {
        preserve_fds: options.preserve_fds,
        no_pivot: options.no_pivot,
        ..Wishes::default()
    };
    let state = StateText::new(record.state(Status::Creating));
    let plan = Plan::new(bundle, caller, place.as_ref(), wishes, &state)?;
    let group = place.as_ref().map_or(Ok(Vec::new()), Place::explain)?;
    let asked = scope.as_ref().map(Scope::explain);
    let group = asked.into_iter().chain(group).map(|call| ("lab-02", call));
    let (class, enter) = intel_rdt::explain(bundle.linux().intel_rdt.as_ref(), id)?;
    let mut beside = beside(bundle)?;
    beside.born_inside = place.as_ref().is_some_and(Place::is_v2);
    beside.born = ours(enter);
    let taken_in = scope.filter(|_| !beside.born_inside).map(|it| it.explain_take_in());
    beside.born.extend(ours(taken_in));
    Ok(group.chain(ours(class)).chain(plan.explain(beside)).collect())
}

fn ours(calls: impl IntoIterator<Item = Explanation>) -> Vec<Call> {
    calls.into_iter().map(|call| ("mini-runc", call)).collect()
}

/// What `create`, `start` and `delete` do themselves, besides making the process and its group.
fn beside(bundle: &Bundle) -> Result<Beside> {
    let hooks = bundle.spec.hooks.clone().unwrap_or_default();
    let told = |moment, hooks: &[Hook]| ours(told_hooks(moment, hooks));
    let mut halted = ours(net_devices::explain(bundle.linux())?);
    halted.extend(told("prestart", &hooks.prestart));
    halted.extend(told("createRuntime", &hooks.create_runtime));
    let ready = ours(bundle.linux().seccomp.as_ref().and_then(listener::explain));
    let mut after = told("poststart", &hooks.poststart);
    after.extend(told("poststop", &hooks.poststop));
    Ok(Beside { halted, ready, after, ..Beside::default() })
}

fn look(options: &Options) -> Result<(Bundle, Caller)> {
    let mut bundle = Bundle::read(&options.bundle)?;
    let caller = Caller::look()?;
    if caller.selinux {
        bundle.label_mounts();
    }
    Ok((bundle, caller))
}

/// The unit that the container's group is to be.
fn scope(options: &Options, bundle: &Bundle, id: &str, caller: &Caller) -> Result<Option<Scope>> {
    let path = bundle.linux().cgroups_path.as_deref();
    options.systemd_cgroup.then(|| Scope::of(path, id, caller)).transpose()
}

struct Making<'a> {
    id: &'a str,
    dir: &'a Path,
    bundle: &'a Bundle,
    caller: &'a Caller,
}

impl Making<'_> {
    fn create(&self, options: Options, warn: Warn<'_>) -> Result<Created> {
        let scope = scope(&options, self.bundle, self.id, self.caller)?;
        let mut place = Place::find(self.bundle, self.id, self.caller, scope.as_ref(), warn)?;
        place.as_ref().map_or(Ok(()), Place::must_be_empty)?;
        let rdt = self.bundle.linux().intel_rdt.as_ref();
        let resctrl = intel_rdt::Class::ours(rdt, self.id)?;
        let group = place.as_ref().map(Place::group);
        let record = Record { resctrl, scope, ..Record::new(self.id, self.bundle, group) };
        // Before the group is made: whoever cleans up after us must know its name.
        record.write(self.dir)?;
        // Until the container's own process is there; this one does nothing but keep the place.
        let _anchor = match (&place, &record.scope) {
            (Some(place), Some(scope)) => Some(place.begin(scope)?),
            _ => None,
        };
        if let Some(place) = &mut place {
            place.make(warn)?;
        }
        let state = StateText::new(record.state(Status::Creating));
        let console_socket = console_socket(options.console, self.bundle.process().terminal)?;
        let wishes = Wishes {
            preserve_fds: options.preserve_fds,
            no_pivot: options.no_pivot,
            console_socket,
            gate: Some(Gate::make(self.dir)?),
        };
        let plan = Plan::new(self.bundle, self.caller, place.as_ref(), wishes, &state)?;
        let (child, record) = self.clone(plan, place.as_ref(), record, &state)?;
        if let Some(profile) = &self.bundle.linux().seccomp {
            listener::hand_over(profile, record.state(Status::Creating), child.pid())?;
        }
        if let Some(path) = &options.pidfd_socket {
            console::send_pidfd(path, &child)?;
        }
        if let Some(path) = &options.pid_file {
            write_pid(path, child.pid())?;
        }
        let container = Container { dir: self.dir.to_owned(), record };
        Ok(Created { container, child, terminal: self.bundle.process().terminal })
    }

    /// The copy that start, exec and delete read: the bundle may change or go.
    fn keep_config(&self) -> Result<()> {
        let path = self.dir.join(bundle::CONFIG);
        fs::write(&path, &self.bundle.text).map_err(|error| {
            Error::new("cannot write the container's state")
                .io(format_args!("write {}", path.display()), &error)
        })
    }

    fn clone(
        &self,
        plan: Plan,
        place: Option<&Place>,
        record: Record,
        state: &StateText,
    ) -> Result<(Child, Record)> {
        let group = place.map_or(Ok(None), Place::dir_fd)?;
        let class = intel_rdt::Class::make(self.bundle.linux().intel_rdt.as_ref(), self.id)?;
        // On v1 the child enters the trees that limit it; systemd counts in one of its own.
        let scope = record.scope.clone().filter(|_| group.is_none());
        let mut written: Option<FirstProcess> = None;
        let mut write_down = |pid: Pid| -> Result<()> {
            if written.is_none_or(|it| it.pid() != pid) {
                let process = FirstProcess::of(pid)?;
                process.write(self.dir)?;
                written = Some(process);
            }
            Ok(())
        };
        // What the steps hold open closes at the end of this function: a fifo that we kept would
        // hide that the child let go of it.
        let mut spawn: Spawn<'_> = plan.into_spawn();
        spawn.cgroup = group.as_ref().map(AsFd::as_fd);
        // Before it is anywhere else: what counts and limits it there.
        if class.is_some() || scope.is_some() {
            spawn.go_before = 0;
        }
        let child = spawn.start_attended(|moment, pid| {
            match moment {
                Moment::Born => {
                    self.keep_config()?;
                    write_down(pid)?;
                    class.as_ref().map_or(Ok(()), |class| class.add(pid))?;
                    scope.as_ref().map_or(Ok(()), |scope| scope.take_in(pid))
                }
                Moment::Halted => {
                    write_down(pid)?;
                    // Before the hooks: they find the network as config.json has it.
                    net_devices::move_in(self.bundle.linux(), pid)?;
                    self.run_hooks(state, pid)
                }
            }
        })?;
        // It may have forked half-way, and what was written down be the one in the middle.
        write_down(child.pid())?;
        Ok((child, Record { process: written, ..record }))
    }

    fn run_hooks(&self, state: &StateText, pid: Pid) -> Result<()> {
        let Some(hooks) = &self.bundle.spec.hooks else { return Ok(()) };
        let run = |moment, hooks: &[Hook]| run_hooks(moment, hooks, state, Status::Creating, pid);
        run("prestart", &hooks.prestart)?;
        run("createRuntime", &hooks.create_runtime)
    }
}

fn console_socket(console: Console, terminal: bool) -> Result<Option<std::os::fd::OwnedFd>> {
    match console {
        Console::Path(path) => console::connect(&path).map(Some),
        Console::Own(socket) => Ok(terminal.then_some(socket)),
        Console::None if terminal => Err(Error::new(
            "cannot allocate tty if runc will detach without setting console socket",
        )
        .why("config.json has process.terminal, and nobody is there to hold the other side")
        .fix("give --console-socket, run it in the foreground, or set process.terminal to false")),
        Console::None => Ok(None),
    }
}

/// Writes the PID without a line feed, as runc does; atomic.
///
/// # Errors
/// As open(2), write(2), rename(2).
pub(crate) fn write_pid(path: &Path, pid: Pid) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}"));
    fs::write(&beside, pid.to_string()).and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        Error::new("cannot write the pid file")
            .io(format_args!("write {}", path.display()), &error)
            .fix("name a file in a directory that exists and is yours")
    })
}
