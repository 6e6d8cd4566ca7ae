//! A tracer: a command and all its children, stopped at each system call by ptrace(2).
//!
//! What strace(1) does with `--inject`, for one call of one process: a call is known by the process
//! that makes it (the command itself is 0, its first child 1, ..), its name, and how often that
//! process has made it. A case can be repeated by hand: `strace -f --inject=NAME:error=E:when=N`.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    collections::BTreeMap,
    fmt,
    process::Command,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use syscalls::Sysno;

/// A system call that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who makes it: 0 for the command, then its children in the order of their birth.
    pub process: usize,
    pub name: Sysno,
    /// How often this process has made it, from 1 on.
    pub nth: usize,
    /// As PTRACE knows the process.
    pub pid: Pid,
    /// How many calls it has made since it became this program.
    pub since_exec: usize,
    /// Whether it has become another program than it was born as.
    pub executed: bool,
}

impl Call {
    /// Whether it is the same one in another run.
    pub fn is(&self, other: &Self) -> bool {
        (self.process, self.name, self.nth) == (other.process, other.name, other.nth)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.process {
            0 => "parent".to_owned(),
            child => format!("child {child}"),
        };
        write!(f, "{who}, {} no. {}", self.name, self.nth)
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is made.
    Go,
    /// It is made, and its process is killed when it returns.
    Kill,
    /// It is not made, and returns this.
    Fail(Errno),
}

/// How a traced command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its status, or 128 and the number of the signal.
    pub code: i32,
    /// Whether some call was answered with other than [`Then::Go`].
    pub disturbed: bool,
}

/// So long may a command take; then something waits for what will never come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command to its end. `along` is a process that exists and is traced as well, as number 1.
///
/// After the first disturbance everybody is let go, and runs to the end untraced.
pub fn trace(
    command: &Command,
    along: Option<Pid>,
    decide: &mut dyn FnMut(&Call) -> Then,
) -> Ended {
    let mut tracer = Tracer::start(command);
    if let Some(pid) = along {
        ptrace::seize(pid, options()).unwrap();
        ptrace::interrupt(pid).unwrap();
        tracer.tracees.insert(pid, Tracee { number: 1, ..Tracee::default() });
    }
    let done = watch(tracer.command);
    let ended = tracer.run(decide);
    drop(done);
    ended
}

/// Kills a command that hangs; until the returned value is dropped.
fn watch(command: Pid) -> Sender<()> {
    let (done, is_done) = channel();
    thread::spawn(move || {
        if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = kill(command, Signal::SIGKILL);
        }
    });
    done
}

fn options() -> Options {
    Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
}

/// With __WNOTHREAD other tests' children are left alone.
fn wait_flags() -> WaitPidFlag {
    WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD
}

#[derive(Debug, Default)]
struct Tracee {
    number: usize,
    made: BTreeMap<Sysno, usize>,
    since_exec: usize,
    executed: bool,
    inside: bool,
    at_return: Option<Then>,
    first_argument: u64,
}

/// Who was born, if that is the event: traced as its parent is.
fn born(parent: Pid, event: i32) -> Option<Pid> {
    let births = [libc::PTRACE_EVENT_CLONE, libc::PTRACE_EVENT_FORK, libc::PTRACE_EVENT_VFORK];
    let born = births.contains(&event).then(|| ptrace::getevent(parent).ok()).flatten()?;
    Some(Pid::from_raw(born as i32))
}

struct Tracer {
    command: Pid,
    /// Whether the command has become what is to be traced.
    begun: bool,
    tracees: BTreeMap<Pid, Tracee>,
    disturbed: bool,
}

impl Tracer {
    /// A shell stops itself, is seized, and becomes the command.
    fn start(command: &Command) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""]);
        shell.arg(command.get_program()).args(command.get_args());
        shell.stdin(std::process::Stdio::null());
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        let files = crate::Said::files(command);
        shell.stdout(files.0).stderr(files.1);
        let pid = Pid::from_raw(shell.spawn().unwrap().id().cast_signed());
        waitpid(pid, Some(WaitPidFlag::WUNTRACED | wait_flags())).unwrap();
        ptrace::seize(pid, options()).unwrap();
        kill(pid, Signal::SIGCONT).unwrap();
        let tracees = BTreeMap::from([(pid, Tracee::default())]);
        Self { command: pid, begun: false, tracees, disturbed: false }
    }

    fn run(mut self, decide: &mut dyn FnMut(&Call) -> Then) -> Ended {
        loop {
            match waitpid(None, Some(wait_flags())).unwrap() {
                WaitStatus::Exited(pid, code) if pid == self.command => return self.end(code),
                WaitStatus::Signaled(pid, signal, _) if pid == self.command => {
                    return self.end(128 + signal as i32);
                }
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                    self.tracees.remove(&pid);
                }
                WaitStatus::PtraceSyscall(pid) => self.at_call(pid, decide),
                WaitStatus::PtraceEvent(pid, _, event) => self.at_event(pid, event),
                WaitStatus::Stopped(pid, signal) => self.go_on(pid, Some(signal)),
                _ => {}
            }
        }
    }

    /// The command is gone; its container is not, and goes on untraced.
    fn end(mut self, code: i32) -> Ended {
        self.tracees.remove(&self.command);
        let mut held: Vec<_> = self.tracees.into_keys().collect();
        while let Some(pid) = held.pop() {
            // Who has ended cannot be interrupted, and stays a zombie until we have heard of it: the
            // first process of its namespace would wait for us.
            let _ = ptrace::interrupt(pid);
            let Ok(status) = waitpid(pid, Some(wait_flags())) else { continue };
            if let WaitStatus::PtraceEvent(_, _, event) = status {
                held.extend(born(pid, event));
            }
            let _ = ptrace::detach(pid, None);
        }
        Ended { code, disturbed: self.disturbed }
    }

    /// ESRCH: it was killed meanwhile, which waitpid(2) tells next.
    fn go_on(&self, pid: Pid, signal: Option<Signal>) {
        let _ = match self.disturbed {
            // Nothing more is to be seen, but births: whoever is born is traced as well.
            true => ptrace::cont(pid, signal),
            false => ptrace::syscall(pid, signal),
        };
    }

    fn at_event(&mut self, pid: Pid, event: i32) {
        const PTRACE_EVENT_STOP: i32 = 128;
        match event {
            libc::PTRACE_EVENT_EXEC => {
                self.begun |= pid == self.command;
                let now = |it: &mut Tracee| (it.since_exec, it.executed) = (0, true);
                self.tracees.entry(pid).and_modify(now);
            }
            // A newcomer may come before the news of its birth.
            PTRACE_EVENT_STOP => self.know(pid),
            event => born(pid, event).map_or((), |born| self.know(born)),
        }
        self.go_on(pid, None);
    }

    fn know(&mut self, pid: Pid) {
        let number = self.tracees.values().map(|it| it.number + 1).max().unwrap_or_default();
        self.tracees.entry(pid).or_insert(Tracee { number, ..Tracee::default() });
    }

    fn at_call(&mut self, pid: Pid, decide: &mut dyn FnMut(&Call) -> Then) {
        if self.begun && !self.disturbed {
            self.judge(pid, decide);
        } else if let Some(tracee) = self.tracees.get_mut(&pid) {
            tracee.inside = !tracee.inside;
        }
        self.go_on(pid, None);
    }

    fn judge(&mut self, pid: Pid, decide: &mut dyn FnMut(&Call) -> Then) {
        // It may have been killed by its parent since it stopped.
        let Ok(mut registers) = ptrace::getregs(pid) else { return };
        let Some(tracee) = self.tracees.get_mut(&pid) else { return };
        tracee.inside = !tracee.inside;
        if tracee.inside {
            let Some(name) = Sysno::new(registers.orig_rax as usize) else { return };
            let nth = tracee.made.entry(name).or_default();
            *nth += 1;
            let nth = *nth;
            let Tracee { number: process, since_exec, executed, .. } = *tracee;
            let call = Call { process, name, nth, pid, since_exec, executed };
            tracee.since_exec += 1;
            let then = decide(&call);
            tracee.at_return = Some(then).filter(|then| *then != Then::Go);
            if let Then::Fail(_) = then {
                tracee.first_argument = registers.rdi;
                match name {
                    // It has no errno: a failure is an end of memory that did not move.
                    Sysno::brk => registers.rdi = 0,
                    // No such call: the kernel does nothing and returns ENOSYS.
                    _ => registers.orig_rax = u64::MAX,
                }
                let _ = ptrace::setregs(pid, registers);
            }
            return;
        }
        match tracee.at_return.take() {
            Some(Then::Fail(errno)) => {
                match Sysno::new(registers.orig_rax as usize) {
                    // The caller counts on its registers.
                    Some(Sysno::brk) => registers.rdi = tracee.first_argument,
                    _ => registers.rax = (errno as i64).wrapping_neg() as u64,
                }
                let _ = ptrace::setregs(pid, registers);
                self.disturbed = true;
            }
            Some(Then::Kill) => {
                let _ = kill(pid, Signal::SIGKILL);
                self.disturbed = true;
            }
            _ => {}
        }
    }
}
