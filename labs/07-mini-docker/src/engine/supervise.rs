//! supervise: what the monitor's process does before and after it watches.
//!
//! The monitor's room knows neither images nor bundles; this verb brings them together. It is run
//! by the command line under the hidden name `monitor`, in a process of its own.

use std::{
    fs::File,
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
    thread::sleep,
    time::Duration,
};

use cgroups::Group;
use ground::{Error, Result, Step};
use nix::unistd::{Pid, setsid};
use rootfs::{Umount, c_path};
use volumes::Detached;

use super::{
    cgroup, joining, links,
    plug::{Plug, joined},
    taken, user_namespace,
};
use crate::{
    bundle,
    container::{
        IpcMode, Mount, Record,
        monitor::{Client, Monitor, Surroundings, Watched},
    },
    layout::Layout,
    runtime::Runtime,
    snapshot::Snapshot,
    tree, volume,
};

/// Watches over a container, as its monitor. The client's socket is standard input, unless the small
/// program has watched until now (see [`crate::container::monitor::handover`]).
///
/// # Errors
/// When not even the client can be told.
pub fn supervise(root: &Path, id: &str, attached: bool) -> Result<()> {
    let watched = Watched::learnt();
    let clients = match &watched {
        Some(_) => Vec::new(),
        None => {
            // A closed terminal or ctrl-c of the command that started us is not meant for the
            // container. It fails only for a process that leads a group already, which then is its
            // own as well.
            let _ = setsid();
            let client = Client::new(take_stdin()?);
            user_namespace::enter(root)?;
            vec![if attached { client.speaking() } else { client.quiet() }]
        }
    };
    let layout = Layout::new(root);
    let container = layout.container(id);
    let record = Record::read(&container)?.ok_or_else(|| Error::new("the container is gone"))?;
    let runtime = Runtime::new(record.options.runtime.as_deref(), container.runtime())?;
    // The overlay is mounted in here and nowhere else, and ends with us. What cannot be taken along
    // is told when the container is prepared: only then somebody listens.
    let taken = watched.is_none().then(|| taken::leave(&record));
    let mut house = House {
        layout,
        group: None,
        oom_kills_before: 0,
        membership: String::new(),
        plug: Plug::default(),
        taken,
    };
    let root = root.to_owned();
    Monitor { root, layout: container, runtime, clients, listener: None }.run(watched, &mut house)
}

/// Our standard input as a socket; what we execute must not inherit it.
pub(super) fn take_stdin() -> Result<UnixStream> {
    let stdin = std::io::stdin();
    let taken = stdin.as_fd().try_clone_to_owned().and_then(|socket| {
        let null = std::fs::File::open("/dev/null")?;
        nix::unistd::dup2_stdin(&null)?;
        Ok(UnixStream::from(socket))
    });
    taken.map_err(|error| Error::new("cannot talk to whoever started us").io("dup2", &error))
}

/// Claims the upper directory as soon as whoever copies files has it no more.
fn claim(snapshot: &Snapshot) -> Result<File> {
    loop {
        match snapshot.claim()? {
            Some(claim) => return Ok(claim),
            None => sleep(Duration::from_millis(10)),
        }
    }
}

/// The rooms that a container needs around it.
struct House {
    layout: Layout,
    group: Option<Group>,
    // As /proc/PID/cgroup has it; the process forgets the rest when it changes its program.
    membership: String,
    oom_kills_before: u64,
    plug: Plug,
    /// What came along into our mount namespace; the first run takes it, and leaves it attached.
    taken: Option<Result<Vec<(usize, Detached)>>>,
}

impl House {
    /// The first content of a volume that is new.
    fn fill(&self, mount: &Mount, merged: &Path) -> Result<()> {
        let Some(name) = mount.volume() else { return Ok(()) };
        let data = self.layout.volume_data(name);
        if !mount.no_copy {
            let from = bundle::inside(merged, &mount.destination);
            from.map_or(Ok(()), |from| volumes::fill(&data, &from))?;
        }
        match &mount.subpath {
            Some(below) => volume::check_subpath(&data, below, name),
            None => Ok(()),
        }
    }
}

impl Surroundings for House {
    fn prepare(&mut self, record: &Record) -> Result<()> {
        let cgroup = cgroup::path(record)?;
        let container = self.layout.container(&record.id);
        let snapshot = Snapshot::new(&self.layout, &container, &record.image.layers);
        // As soon as this is let go, our mount is there, and the record says that we live.
        let _claim = claim(&snapshot)?;
        snapshot.overlay().mount(&snapshot.merged)?;
        let others = joining::first_processes(&self.layout, record)?;
        let shm_of = match &record.options.namespaces.ipc {
            IpcMode::Container(id) => others.get(id).copied(),
            _ => None,
        };
        let trees = self.taken.take().unwrap_or_else(|| Ok(Vec::new()))?;
        taken::attach(&self.layout, record, (trees, shm_of))?;
        for mount in &record.options.mounts {
            self.fill(mount, &snapshot.merged)?;
        }
        let network = joined(&self.layout, record)?;
        let env = links::environment(&self.layout, record)?;
        bundle::write(bundle::Parts {
            record,
            layout: &self.layout,
            cgroup: cgroup.as_deref(),
            network: network.as_deref(),
            env: &env,
            joined: &others,
        })
    }

    fn created(&mut self, record: &Record, pid: Pid) -> Result<()> {
        // Now, because a process that has ended is in no group any more.
        self.membership =
            std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        self.group = Group::of_membership(&self.membership).ok();
        // A container without a group of its own is in ours, where others may have died.
        let group = self.group.as_ref();
        self.oom_kills_before = group.and_then(|it| it.stat().memory.oom_kills).unwrap_or(0);
        self.plug.put_in(&self.layout, record, pid)
    }

    fn note(&self) -> String {
        format!("{}\n{}\n{}", self.oom_kills_before, self.plug.note(), self.membership)
    }

    fn recall(&mut self, note: &str) {
        let (kills, rest) = note.split_once('\n').unwrap_or_default();
        let (plug, membership) = rest.split_once('\n').unwrap_or_default();
        self.plug = Plug::recall(plug);
        self.oom_kills_before = kills.parse().unwrap_or(0);
        self.group = Group::of_membership(membership).ok().filter(|_| !membership.is_empty());
    }

    fn oom_killed(&mut self) -> bool {
        let kills = self.group.as_ref().and_then(|group| group.stat().memory.oom_kills);
        kills.is_some_and(|kills| kills > self.oom_kills_before)
    }

    fn clean_up(&mut self, record: &Record) {
        // What cannot be taken away now is swept by the next command.
        let _ = self.plug.pull_out(&self.layout, record);
        let container = self.layout.container(&record.id);
        if let Ok(merged) = c_path(container.merged()) {
            // It may never have been mounted.
            let _ = Umount::detach(merged).run();
        }
        // What is still attached is another's: nothing around it may be removed.
        if record.options.remove && taken::detach(&self.layout, record) {
            // What cannot be removed now is told by `ps` and removed by `rm`.
            let _ = super::rm::remove_files(&self.layout, record, true);
        }
        let _ = tree::remove(&container.runtime());
    }
}
