//! An actor: a process that performs its prepared steps one at a time, on cue.
//!
//! A demonstration wants to look at a process between two of its calls. So the child waits before
//! each step for a byte, the step's number, and answers with the step's errno. Everybody else can
//! be looked at in the meantime, through `/proc/PID/root`, `/proc/PID/cwd`, `/proc/PID/mountinfo`.

use std::{
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    rc::Rc,
};

use ground::{Errno, Error, Explanation, Result, Step};
use namespaces::{Child, Kinds, Spawn};
use nix::{
    fcntl::OFlag,
    sched::{CloneFlags, setns},
    unistd::{close, pipe2, read, write},
};
use rootfs::MountInfo;

use crate::breakout::Place;

type Steps = Rc<Vec<Box<dyn Step>>>;

/// The child's side: what it does is on paper before it is born.
#[derive(Debug)]
struct Script {
    steps: Steps,
    cue: OwnedFd,
    reply: OwnedFd,
    theirs: [RawFd; 2],
}

impl Step for Script {
    fn run(&self) -> std::result::Result<(), Errno> {
        // Our copies of the director's ends would keep end-of-file from arriving, and with it the
        // news that nobody will ever give a cue again.
        self.theirs.into_iter().try_for_each(close)?;
        let mut cue = [0];
        while read(&self.cue, &mut cue)? == 1 {
            let done =
                self.steps.get(usize::from(cue[0])).map_or(Err(Errno::EINVAL), |it| it.run());
            write(&self.reply, &done.err().map_or(0, |errno| errno as i32).to_ne_bytes())?;
        }
        Ok(())
    }

    fn explain(&self) -> Explanation {
        Explanation::new("read(cue)", "an actor waits for its cue", "2 read")
    }
}

/// A process on the stage; it dies with this value.
#[derive(Debug)]
pub struct Actor {
    child: Child,
    steps: Steps,
    cue: OwnedFd,
    reply: OwnedFd,
}

impl Actor {
    /// Makes a process in new namespaces of `kinds` that will do `steps`, one by one, when told to.
    pub fn enter(kinds: Kinds, steps: Vec<Box<dyn Step>>) -> Result<Self> {
        let steps = Rc::new(steps);
        let (cue_read, cue) = pipe()?;
        let (reply, reply_write) = pipe()?;
        let theirs = [cue.as_raw_fd(), reply.as_raw_fd()];
        let script = Script { steps: steps.clone(), cue: cue_read, reply: reply_write, theirs };
        let mut spawn = Spawn::new(kinds).step(script);
        spawn.ready_before = Some(0);
        Ok(Self { child: spawn.start()?, steps, cue, reply })
    }

    /// Has it make call number `index` and returns what the kernel said.
    pub fn tries(&self, index: usize) -> Result<std::result::Result<(), Errno>> {
        let lost = |errno| Error::new("an actor left the stage").call("read(reply)", errno);
        write(&self.cue, &[index as u8]).map_err(lost)?;
        let mut errno = [0; 4];
        match read(&self.reply, &mut errno).map_err(lost)? {
            4 => Ok(match i32::from_ne_bytes(errno) {
                0 => Ok(()),
                raw => Err(Errno::from_raw(raw)),
            }),
            _ => Err(lost(Errno::EPIPE)),
        }
    }

    /// Has it make call number `index`, which must succeed.
    pub fn does(&self, index: usize) -> Result<()> {
        self.tries(index)?.map_err(|errno| self.steps[index].failed(errno))
    }

    /// Has it make all its calls.
    pub fn does_all(&self) -> Result<()> {
        (0..self.steps.len()).try_for_each(|index| self.does(index))
    }

    /// The call of this number, as strace(1) prints it.
    pub fn call(&self, index: usize) -> String {
        self.steps[index].explain().call
    }

    /// Where its absolute paths begin.
    pub fn root(&self) -> Result<Place> {
        Place::at(format!("/proc/{}/root", self.child.pid()))
    }

    /// Its working directory.
    pub fn cwd(&self) -> Result<Place> {
        Place::at(format!("/proc/{}/cwd", self.child.pid()))
    }

    /// The mounts it sees.
    pub fn mounts(&self) -> Result<Vec<MountInfo>> {
        MountInfo::of(self.child.pid())
    }

    /// Its PID.
    pub fn pid(&self) -> nix::unistd::Pid {
        self.child.pid()
    }

    /// The step by which another actor joins this one's mount namespace.
    pub fn join(&self) -> Result<JoinMounts> {
        let pidfd = self.child.pidfd().try_clone_to_owned();
        pidfd.map(JoinMounts).map_err(|error| Error::new("cannot hold a process").io("dup", &error))
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe2(OFlag::O_CLOEXEC)
        .map_err(|errno| Error::new("cannot talk to a child").call("pipe2(O_CLOEXEC)", errno))
}

/// `setns(pidfd, CLONE_NEWNS)`; lab 05 has the whole story.
#[derive(Debug)]
pub struct JoinMounts(OwnedFd);

impl Step for JoinMounts {
    fn run(&self) -> std::result::Result<(), Errno> {
        setns(self.0.as_fd(), CloneFlags::CLONE_NEWNS)
    }

    fn explain(&self) -> Explanation {
        Explanation::new("setns(pidfd, CLONE_NEWNS)", "joins a mount namespace", "2 setns")
    }
}
