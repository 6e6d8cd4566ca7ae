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
//! A parent whose part no step depends on lets the child begin at once, and wait for `go` later
//! ([`Spawn::go_before`]). One that has to do something when the namespaces are there, and before
//! anything is done in them, asks the child to halt ([`Spawn::halt_before`]):
//!
//! ```text
//!          <──── 8 bytes: HALTED ──────────── waits
//!   attend
//!   go ──────────────── 1 byte ──────────────> the next step, ..
//! ```
//!
//! The child is a copy of a Rust program, so it does as little as possible: only steps, which do
//! not allocate, lock or panic (man 7 signal-safety). If the parent dies before `go`, the child
//! reads end-of-file and ends as well.

mod pipes;

use std::{
    fs,
    os::fd::{BorrowedFd, OwnedFd},
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    errno::Errno as E,
    sys::{prctl, signal::Signal},
    unistd::Pid,
};

use pipes::{
    FORK_FAILED, FORKED, HALTED, NO_GO, Pipe, SETUP_FAILED, parent_is_gone, read_report, say_go,
    tell, wait_for_go,
};

use crate::{Child, IdMaps, Kinds, sys, walls};

/// A moment at which the child waits for its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It exists, and waits before [`Spawn::go_before`].
    Born,
    /// It has come to [`Spawn::halt_before`]; after a fork half-way it is another process.
    Halted,
}

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
    /// The step before which it waits for its parent, which writes the maps and attends to
    /// [`Moment::Born`]; the first one, unless nothing depends on that so early. No fork, no halt and
    /// no being ready comes before it.
    pub go_before: usize,
    /// The step before which the child counts as ready, where that is not exec.
    pub ready_before: Option<usize>,
    /// The step before which it forks; the sibling does that step and all that follow.
    pub fork_before: Option<usize>,
    /// The step before which it waits for its parent once more; no fork comes after that.
    pub halt_before: Option<usize>,
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
            go_before: 0,
            ready_before: None,
            fork_before: None,
            halt_before: None,
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
        let mut prepare = Some(prepare);
        self.start_attended(|_, pid| prepare.take().map_or(Ok(()), |prepare| prepare(pid)))
    }

    /// As [`Spawn::start`], with something for the parent to do at each [`Moment`] at which the child,
    /// whose PID it is told, waits for it.
    ///
    /// # Errors
    /// As [`Spawn::start`], and what `attend` returns.
    pub fn start_attended(
        &self,
        mut attend: impl FnMut(Moment, Pid) -> Result<()>,
    ) -> Result<Child> {
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
        attend(Moment::Born, child.pid())?;
        // It waits for us, and ends with `child`.
        say_go(&go.write)?;
        self.settle(child, report.read, |child| {
            attend(Moment::Halted, child.pid())?;
            say_go(&go.write)
        })
    }

    /// Reads records until it is decided. The one about the fork may come after those of the
    /// sibling, who does not wait for it; without it nobody would reap the sibling.
    fn settle(
        &self,
        mut child: Child,
        report: OwnedFd,
        mut meet: impl FnMut(&Child) -> Result<()>,
    ) -> Result<Child> {
        let mut report = fs::File::from(report);
        let (mut decided, mut fork_to_come) = (None, self.fork_before.is_some());
        let mut halted = false;
        while decided.is_none() || fork_to_come {
            match read_report(&mut report)? {
                Some((FORKED, pid)) => {
                    child = child.succeeded_by(Pid::from_raw(pid))?;
                    fork_to_come = false;
                }
                Some((HALTED, _)) => halted = true,
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
            if halted && !fork_to_come {
                halted = false;
                meet(&child)?;
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
        // Once it was told that we are ready, the parent closes its end and lives on.
        let mut waited_for = self.dies_with_parent;
        for (index, step) in self.steps.iter().enumerate() {
            if self.go_before == index {
                wait_for_go(&go.read, &report.write);
            }
            if self.fork_before == Some(index) {
                self.fork_half_way(alone, &report.write);
            }
            if !self.tied_to_parent(waited_for, &report.write) {
                break;
            }
            if self.halt_before == Some(index) {
                if !tell(&report.write, HALTED, 0) {
                    // Both of us would wait for ever.
                    break;
                }
                wait_for_go(&go.read, &report.write);
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

    /// Has the kernel kill us when our parent ends. A fork and every change of ids, which may be any
    /// step, clear this setting; false when the parent ended before it was made again.
    fn tied_to_parent(&self, waited_for: bool, report: &OwnedFd) -> bool {
        let to_be_tied = self.dies_with_parent && (waited_for || !self.let_go_when_ready);
        if !to_be_tied || prctl::get_pdeathsig() == Ok(Some(Signal::SIGKILL)) {
            return true;
        }
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
        !(waited_for && parent_is_gone(report))
    }

    fn let_go(&self) {
        if self.dies_with_parent && self.let_go_when_ready {
            let _ = prctl::set_pdeathsig(None);
        }
    }
}

fn fork_explained() -> Explanation {
    Explanation::new(
        "clone3({flags=CLONE_PARENT})",
        "what comes now happens in a child: the process that asked stays where it was",
        "2 clone3",
    )
}

/// Fails when this process has a second thread: a lock that it holds would stay locked for ever in
/// the child.
fn alone() -> Result<sys::Alone> {
    let alone = sys::Alone::check().map_err(|error| {
        Error::new("cannot count our own threads")
            .io("stat /proc/self/task", &error)
            .fix("mount a proc file system: mount -t proc proc /proc")
    })?;
    alone.ok_or_else(|| {
        Error::new("cannot make a child here")
            .why("this process has other threads, and clone(2) copies only the one that calls it")
            .see("2 clone")
            .fix("start the program that makes containers as a process of its own")
    })
}
