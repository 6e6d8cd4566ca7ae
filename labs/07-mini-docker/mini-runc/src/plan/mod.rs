//! The plan: config.json, turned into an ordered list of steps before anything happens.
//!
//! ```text
//! parent                                   child, in its new namespaces
//! ──────                                   ────────────────────────────
//! read config.json, make this plan
//! make the cgroup, write its limits
//! clone3 ────────────────────────────────> waits, where the parent has something to do first:
//! uid_map, gid_map; systemd's scope
//! go ────────────────────────────────────> join ──> names
//!    <──── halted ──────────────────────────── where it has more to do:
//! network devices, createRuntime hooks
//! go ────────────────────────────────────> sysctls ──> mounts ──> pivot ──> identity
//! its PID is written down ───────────────> goes no further before that
//!    <──── ready, or the step that failed ── waits at exec.fifo
//! start: one byte into the fifo ─────────> filter ──> startContainer hooks ──> exec
//!    <──── end of file, or errno ───────────
//! ```
//!
//! Nothing is decided in the child: whatever a step needs is in it. So the same list can be printed
//! (`create --explain`), quoted by an error, and tested without a kernel. The order is the
//! substance of a runtime; each group in [`Plan::new`] says why it stands where it stands.

mod arrival;
mod capabilities;
mod cgroup_mounts;
mod devices;
mod files;
mod gate;
mod hooks;
mod identity;
mod join;
mod joining;
mod labels;
mod limits;
mod list;
mod memory_policy;
mod mount_options;
mod mounts;
mod over_proc;
mod paths;
mod proc_file;
mod program;
mod root;
mod scheduling;
mod seccomp;
mod sources;
mod sysctl;
mod terminal;

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use ground::{Errno, Error, Explanation, Result, Step};
use namespaces::{IdMaps, Spawn, steps as common};
use oci::runtime::{IdMapping, Linux, NamespaceKind, Process, Spec};

pub(crate) use capabilities::names_of;
pub(crate) use gate::{EXEC as EXEC_FIFO, Gate, Started, open as open_gate};
pub(crate) use hooks::{
    ALL as HOOKS, Place as HookPlace, StateText, run as run_hooks, run_one as run_hook,
    told as told_hooks,
};
pub(crate) use joining::{Joining, Wishes as ExecWishes};
pub(crate) use limits::resource;
pub(crate) use memory_policy::{flags as memory_policy_flags, modes as memory_policy_modes};
pub(crate) use mount_options::names as mount_options;
pub(crate) use scheduling::begin_on;

use crate::{bundle::Bundle, caller::Caller, cgroup::Place};

/// A step, and the lab that teaches it.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) lab: &'static str,
    pub(crate) step: Box<dyn Step>,
}

/// A list of planned steps that grows.
#[derive(Debug, Default)]
pub(crate) struct Steps(pub(crate) Vec<Planned>);

impl Steps {
    fn add(&mut self, lab: &'static str, step: impl Step + 'static) {
        self.0.push(Planned { lab, step: Box::new(step) });
    }

    fn extend(&mut self, lab: &'static str, steps: Vec<Box<dyn Step>>) {
        self.0.extend(steps.into_iter().map(|step| Planned { lab, step }));
    }

    /// Has the errors of the steps from the `from`-th on name the place in config.json that they are
    /// about.
    fn placed(&mut self, from: usize, place: &str) {
        let placed = |Planned { lab, step }| {
            let step = Placed { place: place.to_owned(), step };
            Planned { lab, step: Box::new(step) }
        };
        let steps = self.0.split_off(from);
        self.0.extend(steps.into_iter().map(placed));
    }
}

/// A step that does what config.json says at one place.
#[derive(Debug)]
struct Placed {
    place: String,
    step: Box<dyn Step>,
}

impl Step for Placed {
    fn run(&self) -> std::result::Result<(), Errno> {
        self.step.run()
    }

    fn explain(&self) -> Explanation {
        self.step.explain()
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        self.step.fix(errno)
    }

    fn failed(&self, errno: Errno) -> Error {
        let error = self.step.failed(errno);
        let why = error.why.as_deref().unwrap_or_default();
        let why = format!("config.json, {}: {why}", self.place);
        error.why(why)
    }
}

/// Everything that the rooms of the plan read.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) bundle: &'a Path,
    pub(crate) rootfs: &'a Path,
    pub(crate) caller: &'a Caller,
    pub(crate) cgroup: Option<&'a Place>,
    /// Whether the plan is only told: nothing may be made or taken for it.
    pub(crate) told: bool,
    /// The maps of the user namespace that is joined by path.
    joined_maps: Option<IdMaps>,
    linux: &'a Linux,
    process: &'a Process,
}

impl<'a> Context<'a> {
    /// What a bundle says, and to whom: without a cgroup, and not only told.
    fn of(bundle: &'a Bundle, caller: &'a Caller) -> Self {
        Self {
            spec: &bundle.spec,
            bundle: &bundle.dir,
            rootfs: &bundle.rootfs,
            caller,
            cgroup: None,
            told: false,
            joined_maps: None,
            linux: bundle.linux(),
            process: bundle.process(),
        }
    }

    /// Whether the container gets a new namespace of this kind.
    pub(crate) fn makes(&self, kind: NamespaceKind) -> bool {
        self.linux.namespaces.iter().any(|it| it.kind == kind && it.path.is_none())
    }

    /// Whether the steps run in a user namespace other than the initial one, the container's or
    /// the caller's: no device nodes then, and some file systems come with conditions.
    pub(crate) fn in_user_namespace(&self) -> bool {
        self.caller.in_user_namespace || self.has(NamespaceKind::User)
    }

    /// Whether the child may not reach what we may: it is root of another user namespace than ours.
    fn takes_sources(&self) -> bool {
        self.has(NamespaceKind::User) && self.caller.is_root && !self.caller.in_user_namespace
    }

    /// Whether mounts of the host go on telling those of the container, and the other way round.
    fn shares_mounts(&self) -> bool {
        self.linux.rootfs_propagation.as_deref().is_some_and(|it| it.ends_with("shared"))
    }

    fn has(&self, kind: NamespaceKind) -> bool {
        self.linux.namespaces.iter().any(|it| it.kind == kind)
    }

    /// Whether setgroups(2) is allowed inside: not where an ordinary user maps a single id, which the
    /// kernel only lets them do when it is denied (man 7 user_namespaces).
    fn may_set_groups(&self) -> bool {
        if !self.makes(NamespaceKind::User) {
            return !self.caller.setgroups_denied;
        }
        let single = |maps: &[IdMapping]| matches!(maps, [IdMapping { size: 1, .. }]);
        let (uids, gids) = (&self.linux.uid_mappings, &self.linux.gid_mappings);
        self.caller.is_root || !(single(uids) && single(gids))
    }

    /// Whether a group id exists inside.
    fn maps_gid(&self, gid: u32) -> bool {
        if let Some(maps) = &self.joined_maps {
            return maps.gids.iter().any(|it| gid >= it.inside && gid - it.inside < it.count);
        }
        if !self.makes(NamespaceKind::User) {
            return self.caller.maps_gid(gid);
        }
        let mappings = &self.linux.gid_mappings;
        mappings.iter().any(|it| gid >= it.container_id && gid - it.container_id < it.size)
    }
}

/// What `create` is asked for besides the bundle.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Descriptors besides 0, 1 and 2 that the program gets.
    pub(crate) preserve_fds: u32,
    /// chroot(2) instead of pivot_root(2), for a root on the initial ramfs.
    pub(crate) no_pivot: bool,
    /// The socket that gets the terminal's master.
    pub(crate) console_socket: Option<OwnedFd>,
    /// The fifos at which the child waits; `None` for a plan that is only told.
    pub(crate) gate: Option<Gate>,
}

/// A call in words, and the lab that teaches it.
pub(crate) type Call = (&'static str, Explanation);

/// What the parent does while the child does its steps, for a plan that is only told.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// Whether the child is born in its control group.
    pub(crate) born_inside: bool,
    /// When the child is there.
    pub(crate) born: Vec<Call>,
    /// When its namespaces are.
    pub(crate) halted: Vec<Call>,
    /// When it is ready.
    pub(crate) ready: Vec<Call>,
    /// When its program runs, and when it has ended.
    pub(crate) after: Vec<Call>,
}

/// The child's whole life until exec.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The process, with its steps in order.
    pub(crate) spawn: Spawn<'static>,
    /// The lab that teaches each step.
    labs: Vec<&'static str>,
    /// The step at which the container is created.
    ready_before: usize,
}

impl Plan {
    /// Plans a container.
    ///
    /// # Errors
    /// What config.json asks for and cannot be had, with the place in the file.
    pub(crate) fn new(
        bundle: &Bundle,
        caller: &Caller,
        cgroup: Option<&Place>,
        wishes: Wishes,
        state: &StateText,
    ) -> Result<Self> {
        let context = Context {
            cgroup,
            told: wishes.gate.is_none(),
            joined_maps: join::maps_of_joined(bundle.linux())?,
            ..Context::of(bundle, caller)
        };
        let mut spawn = join::spawn(&context)?;
        let mut steps = Steps::default();
        let gate = before_created(&context, wishes, state, &mut steps)?;
        let ready_before = spawn.steps.len() + steps.0.len();
        let Waiting { gate, program, filter, attended } = gate;
        spawn.halt_before = is_attended(&context).then_some(spawn.steps.len() + attended);
        spawn.go_before = if waits_when_born(&context, &spawn) { 0 } else { ready_before };
        let report = gate::wait(gate, &mut steps);
        gate::after_start(&context, state, report, program, filter, &mut steps)?;
        Ok(Self::assemble(spawn, steps, ready_before))
    }

    fn assemble(mut spawn: Spawn<'static>, steps: Steps, ready_before: usize) -> Self {
        let mut labs = vec!["lab-01"; spawn.steps.len()];
        for Planned { lab, step } in steps.0 {
            labs.push(lab);
            spawn.steps.push(step);
        }
        spawn.ready_before = Some(ready_before);
        Self { spawn, labs, ready_before }
    }

    /// The process.
    pub(crate) fn into_spawn(self) -> Spawn<'static> {
        self.spawn
    }

    /// The plan in words, each call with the lab that teaches it, with what the parent does beside it.
    pub(crate) fn explain(self, beside: Beside) -> Vec<Call> {
        let Self { spawn, labs, ready_before } = self;
        // Any will do: nothing is made.
        let nowhere = std::io::stdin();
        let mut spawn: Spawn<'_> = spawn;
        spawn.cgroup = beside.born_inside.then(|| nowhere.as_fd());
        let mut all: Vec<Call> = Vec::new();
        let explained = spawn.explain();
        // What comes before the steps (the clone, the maps, a fork) is lab 01's.
        let before = explained.len() - labs.len();
        let labs = std::iter::repeat_n("lab-01", before).chain(labs.iter().copied());
        all.extend(labs.zip(explained));
        let forks = |step: usize| usize::from(spawn.fork_before.is_some_and(|fork| fork <= step));
        let steps_from = before - usize::from(spawn.fork_before.is_some());
        let place = |step: usize| steps_from + step + forks(step);
        // From the last to the first, so that the places stay.
        all.extend(beside.after);
        all.splice(place(ready_before)..place(ready_before), beside.ready);
        if let Some(halt) = spawn.halt_before.map(place) {
            all.splice(halt..halt, beside.halted);
        }
        all.splice(steps_from..steps_from, beside.born);
        all
    }

    /// The error of a step after the gate, in that step's own words.
    pub(crate) fn failure_of(&self, index: usize, errno: Errno) -> Error {
        match self.spawn.steps.get(self.ready_before + 1 + index) {
            Some(step) => step.failed(errno),
            None => Error::new("cannot start the container").why("the child spoke nonsense"),
        }
    }
}

/// Whether the parent has something to do when the namespaces are there.
fn is_attended(context: &Context<'_>) -> bool {
    let hooks = context.spec.hooks.as_ref();
    let has_hooks =
        hooks.is_some_and(|it| !(it.prestart.is_empty() && it.create_runtime.is_empty()));
    has_hooks || !context.linux.net_devices.is_empty()
}

/// Whether the parent has to do something before the first step. Otherwise its part is to write the
/// process down, which it does while the steps are done; a hook may look for what is written there.
fn waits_when_born(context: &Context<'_>, spawn: &Spawn<'_>) -> bool {
    let hooks = context.spec.hooks.as_ref().is_some_and(|it| !it.create_container.is_empty());
    hooks || spawn.halt_before.is_some() || spawn.fork_before.is_some() || spawn.id_maps.is_some()
}

/// What [`before_created`] leaves to others.
struct Waiting {
    gate: Option<Gate>,
    program: program::Program,
    filter: Option<seccomp::Filter>,
    /// How many steps come before the parent's turn.
    attended: usize,
}

// ANCHOR: before_created
fn before_created(
    context: &Context<'_>,
    wishes: Wishes,
    state: &StateText,
    steps: &mut Steps,
) -> Result<Waiting> {
    context.spec.hooks.as_ref().map_or(Ok(()), hooks::check_all)?;
    // Namespaces first: every later step changes what they isolate.
    join::steps(context, steps)?;
    // Then whatever is named by a path of the host's /proc, as long as that can be seen.
    names(context, steps)?;
    files::steps(context, steps)?;
    join::unreachable(context, steps);
    // Here the parent brings what comes from outside, by devices and hooks; sysctls may be about it.
    let attended = steps.0.len();
    sysctl::steps(context, steps)?;
    // The mount table: ties cut, the root, what is mounted in it, what is hidden of it. All before
    // the pivot, because bind sources and device nodes come from the old root.
    let read_only = root::enter(context, steps)?;
    let late = mounts::steps(context, steps)?;
    devices::steps(context, steps)?;
    terminal::steps(context, wishes.console_socket, steps)?;
    paths::steps(context, steps)?;
    root::working_directory(context, steps)?;
    root::finish(late.into_iter().chain(read_only), steps);
    hooks::create_container(context, state, steps)?;
    // Behind the hooks, whose exec would take the program's label, and before the host's /proc is gone.
    labels::steps(context, steps)?;
    root::leave_the_old_one(context, wishes.no_pivot, steps)?;
    // Who the program is, from the most to the least privilege.
    let filters = seccomp::Filters::of(context)?;
    identity::steps(context, filters.with_power, steps)?;
    let program = program::Program::new(context.process)?;
    program::look_up(&program, wishes.preserve_fds, steps);
    if let Some(filter) = filters.when_created {
        steps.add("mini-runc", filter);
    }
    Ok(Waiting { gate: wishes.gate, program, filter: filters.at_start, attended })
}
// ANCHOR_END: before_created

/// Host name, domain name, loopback: what belongs to namespaces and to no file.
fn names(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    if context.makes(NamespaceKind::Network) {
        steps.add("lab-01", common::LoopbackUp);
    }
    if let Some(name) = &context.spec.hostname {
        needs_uts(context, "hostname")?;
        steps.add("lab-01", common::SetHostname::new(name)?);
    }
    if let Some(name) = &context.spec.domainname {
        needs_uts(context, "domainname")?;
        steps.add("lab-01", files::SetDomainname::new(name)?);
    }
    Ok(())
}

/// Without a UTS namespace the host itself would be renamed.
fn needs_uts(context: &Context<'_>, field: &str) -> Result<()> {
    if context.has(NamespaceKind::Uts) {
        return Ok(());
    }
    Err(ground::Error::new(format!("cannot set {field}"))
        .why(format!(
            "config.json has {field:?}, and linux.namespaces has no \"uts\": the host would be renamed"
        ))
        .see("7 uts_namespaces")
        .fix("add {\"type\": \"uts\"} to linux.namespaces"))
}
