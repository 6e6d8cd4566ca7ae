//! Taken: mounts that a container shows and that are not in the monitor's mount namespace.
//!
//! A mount is taken along as a tree attached nowhere (open_tree(2), lab 06), and attached in the
//! monitor's own mount namespace, where the runtime binds it from. Three are:
//!
//! | what | where it is taken |
//! |---|---|
//! | a directory whose mounts spread (`:rslave`, `:rshared`) | before the monitor's mounts become private |
//! | another container's /dev/shm | in its mount namespace |
//! | a volume in memory that another container has mounted | in its monitor's mount namespace |

use std::{
    fs,
    path::{Path, PathBuf},
};

use ground::{Error, Explanation, Result, Step};
use namespaces::{Kind, Kinds, steps::PrivateMounts, walls};
use nix::sched::{CloneFlags, setns, unshare};
use rootfs::{Mount, MountInfo, MsFlags, Umount, c_path};
use volumes::{Attach, Detached, table::Propagation};

use crate::{
    container::{Identity, IpcMode, Record, Source},
    layout::Layout,
    volume::{self, Volume},
};

/// Moves this process into a mount namespace of its own, with what must be taken from the old one.
///
/// # Errors
/// A directory that is on no shared mount; a refused namespace.
pub(super) fn leave(record: &Record) -> Result<Vec<(usize, Detached)>> {
    let mut taken = Vec::new();
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| walls::unshare_refused(Kinds::of([Kind::Mount]), errno))?;
    // A copy is of the same peer group, and stays so when all around it becomes private.
    for (index, mount) in record.options.mounts.iter().enumerate() {
        if let (Source::Bind(path), true) = (&mount.source, mount.spreads()) {
            check_spreads(path, mount.propagation.as_deref().unwrap_or_default())?;
            taken.push((index, Detached::open(&c_path(path.clone())?)?));
        }
    }
    PrivateMounts.run().map_err(|errno| PrivateMounts.failed(errno))?;
    Ok(taken)
}

/// The same in words.
pub(super) fn explain() -> [Explanation; 2] {
    [
        Explanation::new(
            "unshare(CLONE_NEWNS)",
            "what the monitor mounts is seen by nobody else, and goes with it",
            "2 unshare",
        ),
        PrivateMounts.explain(),
    ]
}

/// Docker's check: nothing would spread, and nobody would say so.
fn check_spreads(path: &Path, wanted: &str) -> Result<()> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mounts = MountInfo::of("self")?;
    let around = mounts.iter().rev().filter(|it| real.starts_with(&it.point));
    let Some(around) = around.max_by_key(|it| it.point.components().count()) else {
        return Ok(());
    };
    let (shared, slave) = match Propagation::of(around) {
        Propagation::Shared(_) | Propagation::SlaveAndShared(..) => (true, true),
        Propagation::Slave(_) => (false, true),
        Propagation::Private | Propagation::Unbindable => (false, false),
    };
    if shared || (slave && wanted.ends_with("slave")) {
        return Ok(());
    }
    let (path, point) = (path.display(), around.point.display());
    Err(Error::new(format!("path {path} is mounted on {point} but it is not a shared mount"))
        .why(format!("the container asks for {wanted}, and there is nobody to spread mounts with"))
        .see("7 mount_namespaces")
        .fix(format!("mount --make-rshared {point}, or leave {wanted} out")))
}

/// Attaches what [`leave`] took, and what other containers have. What a run before this one has left
/// attached stays, but for /dev/shm, whose owner may be another by now.
///
/// # Errors
/// A mount namespace that cannot be entered, a mount that is refused.
pub(super) fn attach(
    layout: &Layout,
    record: &Record,
    (taken, shm_of): (Vec<(usize, Detached)>, Option<i32>),
) -> Result<()> {
    let container = layout.container(&record.id);
    for (index, tree) in taken {
        put(tree, &container.taken(index))?;
    }
    if let (IpcMode::Container(_), Some(pid)) = (&record.options.namespaces.ipc, shm_of) {
        let place = container.taken_shm();
        if is_mounted(&place)? {
            detach_one(&place)?;
        }
        put(elsewhere(pid, Path::new("/dev/shm"))?, &place)?;
    }
    for name in record.options.mounts.iter().filter_map(|mount| mount.volume()) {
        mount_volume(layout, record, &volume::read(layout, name)?)?;
    }
    Ok(())
}

fn put(tree: Detached, place: &Path) -> Result<()> {
    let cannot = |error: std::io::Error| {
        Error::new("cannot prepare the container").io(place.display(), &error)
    };
    // A file of the host goes onto a file.
    let is_file = fs::metadata(tree_path(&tree)).is_ok_and(|it| !it.is_dir());
    fs::create_dir_all(place.parent().unwrap_or(place)).map_err(cannot)?;
    match is_file {
        true => fs::write(place, "").map_err(cannot)?,
        false => fs::create_dir_all(place).map_err(cannot)?,
    }
    let step = Attach::new(tree, &c_path(place)?);
    step.run().map_err(|errno| step.failed(errno))
}

/// A volume with options of its own is mounted on its directory.
fn mount_volume(layout: &Layout, record: &Record, volume: &Volume) -> Result<()> {
    let data = layout.volume_data(&volume.name);
    if volume.options.is_empty() || is_mounted(&data)? {
        return Ok(());
    }
    // What is in memory is there once: whoever comes second joins the first.
    if volume.is_in_memory()
        && let Some(monitor) = other_user(layout, record, &volume.name)?
    {
        return put(elsewhere(monitor, &data)?, &data);
    }
    volume::mount(layout, volume)
}

fn is_mounted(place: &Path) -> Result<bool> {
    Ok(MountInfo::of("self")?.iter().any(|mount| mount.point == place))
}

/// Takes everything away again. Says whether all of it is gone: what is still there is another's, and
/// nothing around it may be removed.
pub(super) fn detach(layout: &Layout, record: &Record) -> bool {
    let Ok(mounts) = MountInfo::of("self") else { return false };
    let bundle = layout.container(&record.id).bundle();
    let volumes: Vec<PathBuf> = record
        .options
        .mounts
        .iter()
        .filter_map(|mount| mount.volume().map(|name| layout.volume_data(name)))
        .collect();
    let ours = |point: &Path| point.starts_with(&bundle) || volumes.iter().any(|it| it == point);
    let mut all = true;
    for mount in mounts.iter().rev().filter(|mount| ours(&mount.point)) {
        // One that lay on another went with it.
        all &= detach_one(&mount.point).is_ok() || is_mounted(&mount.point).is_ok_and(|it| !it);
    }
    all
}

/// Private first: what is unmounted below a shared mount is unmounted with all its peers, and some of
/// those are the machine's (mount_namespaces(7)).
fn detach_one(place: &Path) -> Result<()> {
    let place = c_path(place)?;
    let alone = Mount::propagation(
        place.clone(),
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        "its peers are the machine's",
    );
    alone.run().map_err(|errno| alone.failed(errno))?;
    let gone = Umount::detach(place);
    gone.run().map_err(|errno| gone.failed(errno))
}

fn tree_path(tree: &Detached) -> PathBuf {
    use std::os::fd::{AsFd, AsRawFd};
    format!("/proc/self/fd/{}", tree.as_fd().as_raw_fd()).into()
}

/// The monitor of another container that has the volume mounted.
fn other_user(layout: &Layout, record: &Record, name: &str) -> Result<Option<i32>> {
    let uses = |other: &Record| {
        other.id != record.id && other.options.mounts.iter().any(|it| it.volume() == Some(name))
    };
    let all = Record::all(layout)?;
    let monitors = all.iter().filter(|it| uses(it) && it.state.pid.is_some());
    let mut alive = monitors.filter_map(|it| it.state.monitor.as_ref()).filter(|it| it.is_alive());
    Ok(alive.next().map(|it: &Identity| it.pid))
}

/// A copy of a mount of the mount namespace of `pid`, which this process enters and leaves again: it
/// has one thread.
fn elsewhere(pid: i32, path: &Path) -> Result<Detached> {
    let call = |errno| {
        Error::new(format!("cannot share {} of another container", path.display()))
            .call("setns(CLONE_NEWNS)", errno)
            .see("2 setns")
            .fix("as an ordinary user, start both containers in one user namespace: share --ipc or --pid, or do it as root")
    };
    let open = |path: String| {
        fs::File::open(&path).map_err(|error| {
            Error::new("cannot find the mount namespace of another container").io(path, &error)
        })
    };
    let own = open("/proc/self/ns/mnt".to_owned())?;
    let theirs = open(format!("/proc/{pid}/ns/mnt"))?;
    setns(&theirs, CloneFlags::CLONE_NEWNS).map_err(call)?;
    let tree = c_path(path).and_then(|path| Detached::open(&path));
    setns(&own, CloneFlags::CLONE_NEWNS).map_err(call)?;
    tree
}
