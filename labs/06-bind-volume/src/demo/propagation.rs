//! Propagation: who else sees a mount.

use std::{ffi::CStr, path::Path};

use ground::{Error, Evidence, Explanation, Outcome, Result, Scene, Step, Table};
use namespaces::{Child, Kind, Kinds, Spawn};
use rootfs::{Mkdir, Mount, MountInfo, MsFlags, Umount};
use volumes::table;

use super::{Stage, expect, perform};

/// Stands for the host's `/`, which systemd makes shared on most machines.
const HOST: &str = "/tmp/host";
const C_HOST: &CStr = c"/tmp/host";
const BY_CONTAINER: &str = "/tmp/host/by-container";
const BY_HOST: &str = "/tmp/host/by-host";

pub fn scenes() -> Vec<Scene<Stage>> {
    vec![
        Scene::new("Let a container mount something below a shared mount.", calls(None), leak),
        Scene::new(
            "Cut the tie, in both directions or in one.",
            [tie(MsFlags::MS_PRIVATE).explain(), tie(MsFlags::MS_SLAVE).explain()],
            cure,
        ),
    ]
}

fn shared() -> Mount {
    Mount::propagation(
        C_HOST,
        MsFlags::MS_SHARED,
        "what systemd does to / at boot: from now on copies of this mount are its peers",
    )
}

fn tie(flags: MsFlags) -> Mount {
    let why = match flags {
        MsFlags::MS_PRIVATE => "no events in either direction: what container runtimes do",
        _ => "events from the host arrive, none go back",
    };
    Mount::propagation(C_HOST, flags, why)
}

/// What stands for the host: a shared mount, and two directories to mount on.
fn host() -> Vec<Box<dyn Step>> {
    let mkdir = |path: &CStr, why: &'static str| -> Box<dyn Step> {
        Box::new(Mkdir::new(path, 0o755, why))
    };
    vec![
        mkdir(C_HOST, "it stands for the host's /"),
        Box::new(Mount::tmpfs(C_HOST, c"size=1m")),
        mkdir(c"/tmp/host/by-container", "for the container to mount on"),
        mkdir(c"/tmp/host/by-host", "for the host to mount on"),
        Box::new(shared()),
    ]
}

/// A container that mounts something below it, with another tie to the host if wanted.
fn container(flags: Option<MsFlags>) -> Spawn<'static> {
    let mut spawn = Spawn::new(Kinds::of([Kind::Mount]));
    if let Some(flags) = flags {
        spawn = spawn.step(tie(flags));
    }
    spawn.step(container_mount()).stay()
}

fn host_mount() -> Mount {
    Mount::tmpfs(c"/tmp/host/by-host", c"size=1m").why("made on the host, while the container runs")
}

/// All calls of a [`trial`].
fn calls(flags: Option<MsFlags>) -> Vec<Explanation> {
    let mut calls: Vec<_> = host().iter().map(|step| step.explain()).collect();
    calls.extend(container(flags).explain());
    calls.push(host_mount().explain());
    calls
}

fn container_mount() -> Mount {
    Mount::tmpfs(c"/tmp/host/by-container", c"size=1m")
        .why("made in the container, for itself, it thinks")
}

fn leak(_: &mut Stage) -> Result<Outcome> {
    let ([from_container, from_host], peers) = trial(None)?;
    expect(from_container && from_host, "a shared mount should share its events")?;
    let evidence = Evidence::new(
        "A new mount namespace is a copy, and copies of a shared mount stay peers: the container's \
         mount appeared on the host. It would have covered the host's files there.",
    );
    Ok(evidence.table(peers).table(seen(&[("MS_SHARED", [from_container, from_host])])).into())
}

fn cure(_: &mut Stage) -> Result<Outcome> {
    let (private, _) = trial(Some(MsFlags::MS_PRIVATE))?;
    let (slave, _) = trial(Some(MsFlags::MS_SLAVE))?;
    expect(private == [false, false], "a private mount should keep its events")?;
    expect(slave == [false, true], "a slave should hear and not speak")?;
    let evidence = Evidence::new(
        "Private is a wall; a slave is a window: a disk that the host mounts later still reaches \
         the container. Both need MS_REC, or the mounts below keep their old tie.",
    );
    Ok(evidence.table(seen(&[("MS_PRIVATE", private), ("MS_SLAVE", slave)])).into())
}

/// One container with this tie to the host: does each see what the other mounts? Also the
/// propagation that the kernel reports on both sides.
fn trial(flags: Option<MsFlags>) -> Result<([bool; 2], Table)> {
    host().iter().try_for_each(|step| perform(step.as_ref()))?;
    let container = container(flags).start()?;
    perform(&host_mount())?;
    let seen = [mounted_here(BY_CONTAINER)?, mounted_in(&container, BY_HOST)?];
    let peers = peers(&container)?;
    drop(container);
    perform(&Umount::detach(C_HOST))?;
    Ok((seen, peers))
}

fn mounted_here(path: &str) -> Result<bool> {
    Ok(table::at(&MountInfo::of("self")?, Path::new(path)).is_some())
}

fn mounted_in(container: &Child, path: &str) -> Result<bool> {
    Ok(table::at(&MountInfo::of(container.pid())?, Path::new(path)).is_some())
}

/// The optional fields of mountinfo, on both sides. The group's number differs from run to run, so
/// it is compared, not shown.
fn peers(container: &Child) -> Result<Table> {
    let find = |mounts: &[MountInfo]| {
        table::at(mounts, Path::new(HOST)).map(table::Propagation::of).ok_or_else(|| {
            Error::new("cannot find the mount").why(format!("{HOST} is not in the mount table"))
        })
    };
    let (host, inside) = (find(&MountInfo::of("self")?)?, find(&MountInfo::of(container.pid())?)?);
    let word = |propagation: table::Propagation| match propagation {
        table::Propagation::Shared(_) if host == inside => "shared, one peer group",
        table::Propagation::Shared(_) => "shared",
        table::Propagation::Slave(_) => "slave",
        _ => "private",
    };
    Ok(Table::new(["mountinfo of", HOST])
        .title("/proc/PID/mountinfo, optional fields")
        .row(["the host", word(host)])
        .row(["the container", word(inside)]))
}

fn seen(rows: &[(&str, [bool; 2])]) -> Table {
    let word = |seen: bool| if seen { "visible" } else { "not there" };
    let columns = ["the tie", "the container's, on the host", "the host's, inside"];
    let table = Table::new(columns).title("each other's mounts, by mountinfo of both sides");
    rows.iter().fold(table, |table, (name, [from_container, from_host])| {
        table.row([name, word(*from_container), word(*from_host)])
    })
}
