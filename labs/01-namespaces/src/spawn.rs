//! Spawn: clone3, then prepared steps, then exec; the parent hears which step failed.
//!
//! ```text
//!   parent                                     child
//!   clone3(flags|CLONE_PIDFD) ───────────────> exists, in its new namespaces, and waits
//!   write uid_map, gid_map, cgroup.procs
//!   go ──────────────── 1 byte ──────────────> step 0, step 1, .. execve
//!   report <──── 8 bytes: step, errno ──────── a step failed; _exit(127)
//!          <──── end of file ───────────────── exec happened: the pipe is O_CLOEXEC
//! ```
//!
//! Some namespaces do not take the process that asks for them, only its children: a PID namespace
//! that is joined, a time namespace that is unshared. For those the child forks again half-way
//! ([`Spawn::fork`]). CLONE_PARENT makes the newcomer our child as well, so the one in the middle
//! can go, as runc has it:
//!
//! ```text
//!          <──── 8 bytes: FORKED, pid ──────── clone3(CLONE_PARENT); _exit(0)
//!          <──── as above ─────────────────────────────────────── the sibling: further steps, execve
//! ```
//!
//! The child is a copy of a Rust program, so it does as little as possible: only steps, which do
//! not allocate, lock or panic (man 7 signal-safety). If the parent dies before `go`, the child
//! reads end-of-file and ends as well.

use std::{
    fs,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    errno::Errno as E,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{prctl, signal::Signal},
    unistd::{self, Pid},
};

use crate::{Child, IdMaps, Kinds, sys, walls};

/// The exit status of a child that never became its program.
const SETUP_FAILED: i32 = 127;

/// In the place of a step's number: the rest of the record is the PID of the sibling that goes on.
const FORKED: u32 = u32::MAX;

/// In the place of a step's number: the fork half-way failed.
const FORK_FAILED: u32 = u32::MAX - 1;

/// In the place of a step's number: the child could not hear that it may go.
const NO_GO: u32 = u32::MAX - 2;

/// A process to be made.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// The kinds of namespaces it gets for itself.
    pub kinds: Kinds,
    /// The maps of its user namespace, if it gets one and they are to be written.
    pub id_maps: Option<IdMaps>,
    /// The v2 control group it is born in; on v1 a process is moved after it was made.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// What it does, in order. The last one is an [`crate::Exec`] or does not return.
    pub steps: Vec<Box<dyn Step + 'a>>,
    /// The step before which the child counts as ready, where that is not exec.
    pub ready_before: Option<usize>,
    /// The step before which it forks; the sibling does that step and all that follow.
    pub fork_before: Option<usize>,
    /// Whether it is killed when the calling thread ends, and when the [`Child`] is dropped.
    pub dies_with_parent: bool,
    /// Whether that ends when it is ready: whoever made it has then written down what it is, and a
    /// container outlives its runtime.
    pub let_go_when_ready: bool,
}

impl<'a> Spawn<'a> {
    /// A process in new namespaces of these kinds that dies with its parent.
    pub fn new(kinds: Kinds) -> Self {
        Self {
            kinds,
            id_maps: None,
            cgroup: None,
            steps: Vec::new(),
            ready_before: None,
            fork_before: None,
            dies_with_parent: true,
            let_go_when_ready: false,
        }
    }

    /// Writes these maps.
    pub fn id_maps(self, id_maps: IdMaps) -> Self {
        Self { id_maps: Some(id_maps), ..self }
    }

    /// Adds a step.
    pub fn step(mut self, step: impl Step + 'a) -> Self {
        self.steps.push(Box::new(step));
        self
    }

    /// Forks here: the steps that are added from now on are done by a second child, which replaces
    /// the first as our [`Child`].
    pub fn fork(self) -> Self {
        Self { fork_before: Some(self.steps.len()), ..self }
    }

    /// Adds a last step that does not end by itself; the child is ready when it gets there.
    pub fn stay(mut self) -> Self {
        self.ready_before = Some(self.steps.len());
        self.step(crate::steps::Stay)
    }

    /// The call that makes the process.
    pub fn clone_explained(&self) -> Explanation {
        let why = match self.kinds.is_empty() {
            true => "a new process, in the namespaces of its parent",
            false => "one call makes the process and its namespaces",
        };
        let call = format!("clone3({{flags={}, exit_signal=SIGCHLD}})", self.flag_names());
        Explanation::new(call, why, "2 clone3")
    }

    /// The calls that [`Spawn::start`] makes, for a plan.
    pub fn explain(&self) -> Vec<Explanation> {
        let maps = self.id_maps.iter().flat_map(IdMaps::explain);
        let steps = self.steps.iter().enumerate().flat_map(|(index, step)| {
            let fork = (self.fork_before == Some(index)).then(fork_explained);
            fork.into_iter().chain([step.explain()])
        });
        [self.clone_explained()].into_iter().chain(maps).chain(steps).collect()
    }

    /// Makes the process and waits until it is ready: its program runs, or it has reached
    /// [`Spawn::ready_before`].
    ///
    /// # Errors
    /// The step that failed with its call and advice; or why the kernel did not make the process
    /// or its namespaces ([`walls`]). Nothing is left then.
    pub fn start(&self) -> Result<Child> {
        self.start_after(|_| Ok(()))
    }

    /// As [`Spawn::start`], with something for the parent to do between clone and the first step:
    /// on cgroup v1 the child is moved into its group here, by its PID.
    ///
    /// # Errors
    /// As [`Spawn::start`], and what `prepare` returns.
    pub fn start_after(&self, prepare: impl FnOnce(Pid) -> Result<()>) -> Result<Child> {
        let go = Pipe::new()?;
        let report = Pipe::new()?;
        let child = match self.clone3(alone()?)? {
            sys::Cloned::Child(alone) => self.child(&alone, go, report),
            sys::Cloned::Parent { pid, pidfd } => Child::new(pid, pidfd),
        };
        // Our copy of the write end would keep end-of-file from arriving.
        drop(report.write);
        drop(go.read);
        if let Some(maps) = &self.id_maps {
            maps.write(child.pid())?;
        }
        prepare(child.pid())?;
        match uninterrupted(|| unistd::write(&go.write, b"g")) {
            // A child that is already dead says so on the other pipe.
            Ok(_) | Err(E::EPIPE) => self.settle(child, report.read),
            // It waits for us, and ends with `child`.
            Err(errno) => {
                Err(Error::new("cannot talk to the child").call("write(go, \"g\", 1)", errno))
            }
        }
    }

    /// Reads records until it is decided. The one about the fork may come after those of the
    /// sibling, who does not wait for it; without it nobody would reap the sibling.
    fn settle(&self, mut child: Child, report: OwnedFd) -> Result<Child> {
        let mut report = fs::File::from(report);
        let (mut decided, mut fork_to_come) = (None, self.fork_before.is_some());
        while decided.is_none() || fork_to_come {
            match read_report(&mut report)? {
                Some((FORKED, pid)) => {
                    child = child.succeeded_by(Pid::from_raw(pid))?;
                    fork_to_come = false;
                }
                Some((_, 0)) => decided = Some(Ok(())),
                Some((step, errno)) => {
                    fork_to_come &= self.fork_before.is_some_and(|fork| step as usize >= fork);
                    fork_to_come &= step != FORK_FAILED && step != NO_GO;
                    decided = Some(Err(self.blame(step, E::from_raw(errno))));
                }
                None => {
                    decided.get_or_insert_with(|| self.end_of_reports(&mut child));
                    fork_to_come = false;
                }
            }
        }
        if let Some(Err(failed)) = decided {
            child.wait()?;
            return Err(failed);
        }
        let stays_ours = self.dies_with_parent && !self.let_go_when_ready;
        Ok(if stays_ours { child } else { child.released() })
    }

    /// End of file means that exec happened; where the child was to say that it is ready, it means
    /// that it died, because nobody takes the pipe from it.
    fn end_of_reports(&self, child: &mut Child) -> Result<()> {
        if self.ready_before.is_none() {
            return Ok(());
        }
        let exit = child.wait()?;
        Err(Error::new("cannot set up the container")
            .why(format!("its process ended before it was ready: {exit:?}"))
            .fix("somebody killed it, or memory ran out: dmesg tells"))
    }

    fn blame(&self, step: u32, errno: Errno) -> Error {
        match self.steps.get(step as usize) {
            Some(step) => step.failed(errno),
            None if step == FORK_FAILED => walls::clone_refused("CLONE_PARENT", Kinds::NONE, errno),
            None if step == NO_GO => {
                Error::new("cannot talk to the child").call("read(go, .., 1)", errno)
            }
            None => Error::new("cannot set up the container").why("the child spoke nonsense"),
        }
    }

    fn clone3(&self, alone: sys::Alone) -> Result<sys::Cloned> {
        let cloned = sys::clone3(alone, self.kinds.flags().bits() as u32 as u64, self.cgroup);
        cloned.map_err(|errno| walls::clone_refused(&self.flag_names(), self.kinds, errno))
    }

    fn flag_names(&self) -> String {
        let mut names = self.kinds.flag_names();
        if self.cgroup.is_some() {
            names += "|CLONE_INTO_CGROUP";
        }
        names
    }

    // ANCHOR: child
    /// The child's side. Not one allocation from here on.
    fn child(&self, alone: &sys::Alone, go: Pipe, report: Pipe) -> ! {
        // Our copies of the parent's ends would hide that it died.
        drop(go.write);
        drop(report.read);
        match uninterrupted(|| unistd::read(&go.read, &mut [0])) {
            Ok(1) => {}
            Ok(_) => sys::exit_now(SETUP_FAILED),
            Err(errno) => {
                tell(&report.write, NO_GO, errno as i32);
                sys::exit_now(SETUP_FAILED);
            }
        }
        // Once it was told that we are ready, the parent closes its end and lives on.
        let mut waited_for = self.dies_with_parent;
        for (index, step) in self.steps.iter().enumerate() {
            if self.fork_before == Some(index) {
                self.fork_half_way(alone, &report.write);
            }
            self.tie_to_parent(waited_for);
            if waited_for && parent_is_gone(&report.write) {
                break;
            }
            if self.ready_before == Some(index) {
                // In this order: a parent that hears of it may end at once.
                self.let_go();
                if waited_for && parent_is_gone(&report.write) {
                    break;
                }
                if !tell(&report.write, index as u32, 0) {
                    break;
                }
                waited_for = false;
            }
            if let Err(errno) = step.run() {
                tell(&report.write, index as u32, errno as i32);
                break;
            }
        }
        sys::exit_now(SETUP_FAILED)
    }
    // ANCHOR_END: child

    /// Returns in the sibling only.
    fn fork_half_way(&self, alone: &sys::Alone, report: &OwnedFd) {
        match sys::fork_sibling(alone) {
            Ok(None) => {}
            Ok(Some(sibling)) => {
                tell(report, FORKED, sibling.as_raw());
                sys::exit_now(0);
            }
            Err(errno) => {
                tell(report, FORK_FAILED, errno as i32);
                sys::exit_now(SETUP_FAILED);
            }
        }
    }

    /// A fork and every change of ids, which may be any step, clear this setting.
    fn tie_to_parent(&self, waited_for: bool) {
        if self.dies_with_parent && (waited_for || !self.let_go_when_ready) {
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
        }
    }

    fn let_go(&self) {
        if self.dies_with_parent && self.let_go_when_ready {
            let _ = prctl::set_pdeathsig(None);
        }
    }
}

/// Whether nobody can read from the pipe any more: poll(2) says POLLERR at its other end. A parent
/// that died before it was tied to is never reported otherwise.
fn parent_is_gone(report: &OwnedFd) -> bool {
    let mut ends = [PollFd::new(report.as_fd(), PollFlags::empty())];
    let asked = poll(&mut ends, PollTimeout::ZERO);
    asked.is_ok() && ends.iter().any(|end| end.revents() == Some(PollFlags::POLLERR))
}

fn fork_explained() -> Explanation {
    Explanation::new(
        "clone3({flags=CLONE_PARENT})",
        "what comes now happens in a child: the process that asked stays where it was",
        "2 clone3",
    )
}

/// One record of the report pipe: which step, and its errno or 0 for "ready". False when nobody can
/// have heard it.
fn tell(report: &OwnedFd, step: u32, errno: i32) -> bool {
    let mut record = [0; 8];
    record[..4].copy_from_slice(&step.to_ne_bytes());
    record[4..].copy_from_slice(&errno.to_ne_bytes());
    // Eight bytes are below PIPE_BUF, so they arrive whole or not at all.
    uninterrupted(|| unistd::write(report, &record)).is_ok()
}

/// The same call again for as long as a signal interrupts it (man 7 signal).
fn uninterrupted<T>(
    mut call: impl FnMut() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    loop {
        match call() {
            Err(E::EINTR) => {}
            done => return done,
        }
    }
}

/// The record, or `None` for end of file: exec happened.
fn read_report(report: &mut fs::File) -> Result<Option<(u32, i32)>> {
    let mut record = [0; 8];
    match report.read_exact(&mut record) {
        Ok(()) => {
            let [a, b, c, d, e, f, g, h] = record;
            Ok(Some((u32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]))))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(Error::new("cannot hear from the child").io("read", &error)),
    }
}

/// A pipe that does not survive exec.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    fn new() -> Result<Self> {
        let (read, write) = unistd::pipe2(OFlag::O_CLOEXEC).map_err(|errno| {
            Error::new("cannot talk to the child")
                .call("pipe2(O_CLOEXEC)", errno)
                .see("2 pipe")
                .fix("close files, or raise the limit: ulimit -n")
        })?;
        Ok(Self { read, write })
    }
}

/// Fails when this process has a second thread: a lock that it holds would stay locked for ever in
/// the child.
fn alone() -> Result<sys::Alone> {
    let alone = sys::Alone::check().map_err(|error| {
        Error::new("cannot count our own threads")
            .io("open /proc/self/task", &error)
            .fix("mount a proc file system: mount -t proc proc /proc")
    })?;
    alone.ok_or_else(|| {
        Error::new("cannot make a child here")
            .why("this process has other threads, and clone(2) copies only the one that calls it")
            .see("2 clone")
            .fix("start the program that makes containers as a process of its own")
    })
}
