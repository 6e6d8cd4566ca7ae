//! Join: which namespaces are made, which are entered, and by whom.
//!
//! clone3(2) makes most of them at once. Three kinds are different: a joined PID namespace, and a
//! time namespace with offsets, only take the children of whoever enters them, so the child forks
//! half-way; a cgroup namespace shows as its root the group its maker is in, so the child makes it
//! after it has joined its group.
//!
//! Source: runtime specification, config-linux.md, "Namespaces"; setns(2), unshare(2).

use std::path::PathBuf;

use cgroups::Group;
use ground::{Error, Result};
use namespaces::{IdMaps, Kind, Kinds, Range, Spawn, steps::NewCgroupNamespace, time::Offsets};
use oci::runtime::{IdMapping, Linux, Namespace, NamespaceKind, TimeOffset};
use rootfs::c_path;
use setns::{JoinFile, JoinProcess, Target};

use super::{
    Context, Steps,
    arrival::{BecomeRoot, JoinPart, NewKeyring, NewSession, Unreachable, Unshare},
    scheduling,
};

/// The kernel's word for the specification's.
pub(crate) fn kind_of(kind: NamespaceKind) -> Kind {
    match kind {
        NamespaceKind::Pid => Kind::Pid,
        NamespaceKind::Network => Kind::Net,
        NamespaceKind::Mount => Kind::Mount,
        NamespaceKind::Ipc => Kind::Ipc,
        NamespaceKind::Uts => Kind::Uts,
        NamespaceKind::User => Kind::User,
        NamespaceKind::Cgroup => Kind::Cgroup,
        NamespaceKind::Time => Kind::Time,
    }
}

/// The kinds for clone3(2).
fn new_kinds(context: &Context<'_>) -> Kinds {
    let made = context.linux.namespaces.iter().filter(|it| it.path.is_none());
    Kinds::of(made.map(|it| kind_of(it.kind))).without(Kind::Cgroup)
}

/// The maps of a new user namespace.
///
/// # Errors
/// A user namespace without mappings: everybody inside would be nobody.
fn id_maps(context: &Context<'_>) -> Result<Option<IdMaps>> {
    if !context.makes(NamespaceKind::User) {
        return Ok(None);
    }
    let maps = maps_of(context);
    if maps.uids.is_empty() || maps.gids.is_empty() {
        return Err(Error::new("cannot make a user namespace")
            .why("config.json has no linux.uidMappings or no linux.gidMappings: inside everybody would be 65534, nobody")
            .see("7 user_namespaces")
            .fix("add [{\"containerID\": 0, \"hostID\": 100000, \"size\": 65536}] to both"));
    }
    Ok(Some(maps))
}

pub(super) fn range(mapping: &IdMapping) -> Range {
    Range { inside: mapping.container_id, outside: mapping.host_id, count: mapping.size }
}

/// The process to be made, with the steps that only take its children already in it: those come
/// first, and the child forks after them.
///
/// # Errors
/// A namespace file that cannot be opened or is of another kind, a kind that is there twice,
/// mappings that nobody could make.
pub(super) fn spawn(context: &Context<'_>) -> Result<Spawn<'static>> {
    check(context)?;
    if let Some(path) = joined(context, NamespaceKind::User) {
        return into_user_namespace(context, path);
    }
    let mut spawn = Spawn::new(new_kinds(context));
    spawn.id_maps = id_maps(context)?;
    spawn.let_go_when_ready = true;
    if let Some(path) = joined(context, NamespaceKind::Pid) {
        spawn = spawn.step(JoinFile::open(path, Kind::Pid)?).fork();
    }
    match time_offsets(context)? {
        Some(offsets) => Ok(spawn.time_offsets(offsets)),
        None => Ok(spawn),
    }
}

/// A process that joins a user namespace first, and then makes the others in it: made by clone3(2)
/// they would belong to the one outside, and root inside would have no power over them.
///
/// ```text
/// cgroup ──> setns(others by path) ──> setns(user) ──> ids 0 ──> unshare(new ones) ──> fork
/// ```
///
/// The group and the other namespaces come before: they may belong to the user namespace outside.
/// Whoever is not root has no power there, and joins the user namespace first.
fn into_user_namespace(context: &Context<'_>, path: &str) -> Result<Spawn<'static>> {
    let mut spawn = Spawn::new(Kinds::NONE);
    spawn.let_go_when_ready = true;
    if let Some(place) = context.cgroup {
        spawn.steps.extend(place.join()?);
    }
    let mut kinds = vec![(Kind::User, path)];
    let others = context.linux.namespaces.iter().filter(|it| it.kind != NamespaceKind::User);
    kinds.extend(others.filter_map(|it| Some((kind_of(it.kind), it.path.as_deref()?))));
    if context.caller.is_root {
        kinds.rotate_left(1);
    }
    for (kind, path) in kinds {
        spawn = spawn.step(JoinFile::open(path, kind)?);
    }
    let offsets = time_offsets(context)?;
    let mut new = new_kinds(context);
    if offsets.is_some() {
        // It makes these two itself, the offsets between them.
        (spawn.kinds, new) = (new, new.without(Kind::Pid).without(Kind::Time));
    }
    spawn = spawn.step(BecomeRoot { if_mapped: true });
    if !new.is_empty() {
        spawn = spawn.step(Unshare(new));
    }
    Ok(match offsets {
        Some(offsets) => {
            let mut spawn = spawn.time_offsets(offsets);
            spawn.kinds = Kinds::NONE;
            spawn
        }
        None => spawn.fork(),
    })
}

/// What config.json says about namespaces, checked as a whole.
fn check(context: &Context<'_>) -> Result<()> {
    let refused = |what: &str, why: String, fix: &str| {
        Err(Error::new(what).why(format!("config.json, {why}")).see("7 namespaces").fix(fix))
    };
    let namespaces = &context.linux.namespaces;
    for (index, Namespace { kind, path }) in namespaces.iter().enumerate() {
        let name = kind_of(*kind);
        if namespaces[..index].iter().any(|it| it.kind == *kind) {
            let why = format!("linux.namespaces[{index}] is a second {:?}", name.name());
            return refused(
                "malformed spec file: duplicated namespace",
                why,
                "leave one of them out",
            );
        }
        if let Some(path) = path {
            is_of_kind(path, name).map_err(|why| {
                Error::new("cannot join the namespace")
                    .why(format!("config.json, linux.namespaces[{index}].path: {why}"))
                    .see("7 namespaces")
                    .fix(format!("name a {} namespace: /proc/PID/ns/{}", name.name(), name.name()))
            })?;
        }
    }
    if !context.has(NamespaceKind::Mount) {
        let Linux { masked_paths, readonly_paths, .. } = context.linux;
        // runc's words for the first thing that it misses the namespace for.
        let hides = !(masked_paths.is_empty() && readonly_paths.is_empty());
        return refused(
            if hides {
                "unable to restrict sys entries without a private MNT namespace"
            } else {
                "cannot make a container without a mount namespace"
            },
            "linux.namespaces has no \"mount\": its mounts would be the host's".to_owned(),
            "add {\"type\": \"mount\"} to linux.namespaces",
        );
    }
    let mapped = !context.linux.uid_mappings.is_empty() || !context.linux.gid_mappings.is_empty();
    if mapped && !context.has(NamespaceKind::User) {
        return refused(
            "user namespace mappings specified, but user namespace isn't enabled in the config",
            "linux.uidMappings or gidMappings, and no \"user\" in linux.namespaces".to_owned(),
            "add {\"type\": \"user\"} to linux.namespaces, or leave the mappings out",
        );
    }
    let theirs = context.joined_maps.as_ref().filter(|_| mapped);
    if theirs.is_some_and(|theirs| *theirs != maps_of(context)) {
        return refused(
            "user namespace path and other mappings specified",
            "linux.uidMappings and gidMappings are not those of the user namespace to join"
                .to_owned(),
            "leave the mappings out: a namespace has its own, for good",
        );
    }
    Ok(())
}

/// Why a path cannot stand for a namespace of this kind.
fn is_of_kind(path: &str, kind: Kind) -> std::result::Result<(), String> {
    if !path.starts_with('/') {
        return Err(format!("{path:?} is not absolute"));
    }
    let file = std::fs::File::open(path).map_err(|error| format!("open {path}: {error}"))?;
    match Kind::of_file(&file) {
        Some(found) if found == kind => Ok(()),
        Some(found) => Err(format!("{path:?} is a {} namespace", found.name())),
        None => Err(format!("{path:?} is no namespace")),
    }
}

fn maps_of(context: &Context<'_>) -> IdMaps {
    let ranges = |mappings: &[IdMapping]| mappings.iter().map(range).collect();
    let linux = context.linux;
    IdMaps { uids: ranges(&linux.uid_mappings), gids: ranges(&linux.gid_mappings) }
}

/// The maps of the user namespace that is joined by path: a process goes there, to be looked at.
///
/// # Errors
/// A file that cannot be joined.
pub(super) fn maps_of_joined(linux: &Linux) -> Result<Option<IdMaps>> {
    let user = linux.namespaces.iter().find(|it| it.kind == NamespaceKind::User);
    let Some(path) = user.and_then(|it| it.path.as_deref()) else { return Ok(None) };
    if is_of_kind(path, Kind::User).is_err() {
        return Ok(None);
    }
    let there = Spawn::new(Kinds::NONE).step(JoinFile::open(path, Kind::User)?).stay().start()?;
    IdMaps::of(there.pid()).map(Some)
}

pub(super) fn joined<'a>(context: &'a Context<'_>, kind: NamespaceKind) -> Option<&'a str> {
    let mut namespaces = context.linux.namespaces.iter();
    namespaces.find(|it| it.kind == kind).and_then(|it| it.path.as_deref())
}

fn time_offsets(context: &Context<'_>) -> Result<Option<Offsets>> {
    let asked = &context.linux.time_offsets;
    if asked.is_empty() {
        return Ok(None);
    }
    if !context.makes(NamespaceKind::Time) {
        let why = "linux.namespaces has no new \"time\": the clocks of others cannot be moved";
        return Err(clock_refused(why.to_owned(), "add {\"type\": \"time\"} to linux.namespaces"));
    }
    let mut offsets = Offsets::default();
    for (clock, TimeOffset { secs, nanosecs }) in asked {
        if *nanosecs > 999_999_999 {
            return Err(clock_refused(
                format!("{clock}.nanosecs is {nanosecs}"),
                "0 to 999999999: whole seconds belong to `secs`",
            ));
        }
        match clock.as_str() {
            "monotonic" => (offsets.monotonic_s, offsets.monotonic_ns) = (*secs, *nanosecs),
            "boottime" => (offsets.boottime_s, offsets.boottime_ns) = (*secs, *nanosecs),
            other => {
                let fix = "monotonic and boottime have offsets";
                return Err(clock_refused(format!("there is no clock {other:?}"), fix));
            }
        }
    }
    Ok(Some(offsets))
}

fn clock_refused(why: String, fix: &str) -> Error {
    Error::new("cannot set the clocks of the time namespace")
        .why(format!("config.json, linux.timeOffsets: {why}"))
        .see("7 time_namespaces")
        .fix(fix)
}

/// A process that joins all that `target` is in and we are not.
///
/// # Errors
/// A process that we may not look at, a group that is gone.
pub(super) fn running<'a>(
    context: &Context<'_>,
    target: &'a Target,
    group: Option<&Group>,
    parts: &[PathBuf],
) -> Result<Spawn<'a>> {
    let kinds = target.elsewhere(Kinds::of(Kind::ALL))?;
    let mut spawn = Spawn::new(Kinds::NONE);
    spawn.dies_with_parent = false;
    let mut steps = Steps::default();
    super::files::steps(context, &mut steps)?;
    super::labels::steps(context, &mut steps)?;
    for step in group.map_or(Ok(Vec::new()), Group::join)? {
        steps.add("lab-02", step);
    }
    for file in parts {
        steps.add("lab-02", JoinPart(c_path(file)?));
    }
    if let Some(step) = scheduling::go_on_on(context.process)? {
        steps.add("mini-runc", step);
    }
    for super::Planned { step, .. } in steps.0 {
        spawn.steps.push(step);
    }
    spawn = spawn.step(Unreachable);
    if !kinds.is_empty() {
        spawn = spawn.step(JoinProcess::new(target, kinds));
    }
    if kinds.contains(Kind::Pid) {
        spawn = spawn.fork();
    }
    if kinds.contains(Kind::User) {
        spawn = spawn.step(setns::BecomeRoot::of(target));
    }
    Ok(spawn.step(NewSession).step(NewKeyring))
}

/// The child's first steps.
///
/// # Errors
/// A namespace file that cannot be opened.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    // All of this comes before the fork where a user namespace is joined.
    if joined(context, NamespaceKind::User).is_none() {
        if let Some(place) = context.cgroup {
            steps.extend("lab-02", place.join()?);
        }
        for Namespace { kind, path } in &context.linux.namespaces {
            if let Some(path) = path.as_ref().filter(|_| *kind != NamespaceKind::Pid) {
                steps.add("lab-05", JoinFile::open(path, kind_of(*kind))?);
            }
        }
    }
    if context.makes(NamespaceKind::User) {
        let has_root = |maps: &[IdMapping]| maps.iter().any(|it| it.container_id == 0);
        if has_root(&context.linux.uid_mappings) && has_root(&context.linux.gid_mappings) {
            steps.add("lab-01", BecomeRoot { if_mapped: false });
        }
    }
    if context.makes(NamespaceKind::Cgroup) {
        steps.add("lab-02", NewCgroupNamespace);
    }
    steps.add("mini-runc", NewSession);
    steps.add("mini-runc", NewKeyring);
    Ok(())
}

/// Nobody inside gets at the process while it holds the host's files: processes of the container
/// are not there yet, unless the PID namespace is shared. After what is written to /proc/self,
/// which belongs to root from then on; so an ordinary user does it only where it is needed.
pub(super) fn unreachable(context: &Context<'_>, steps: &mut Steps) {
    if context.caller.is_root || !context.makes(NamespaceKind::Pid) {
        steps.add("mini-runc", Unreachable);
    }
}
