//! The tracer: a program and all its children, stopped at each system call by ptrace(2).
//!
//! What a program prints can be invented, what it asks the kernel for cannot. Every call is noted
//! with its arguments and its answer; before a call that changes what a process sees, and when a
//! process becomes a program or ends, its [`Photo`] is taken.
//!
//! ```text
//!   we       start ourselves as `become PROGRAM`, which stops itself
//!   we       PTRACE_SEIZE, SIGCONT ──> execve: from here on everything is noted
//!   we       kill what is left when the program has ended, or when its time is up
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use ground::{Errno, Error, Result};
use nix::{
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use syscalls::Sysno;

use crate::{
    photo::Photo,
    sys::{SyscallStop, syscall_stop},
};

mod call;

pub use call::Call;

/// So many calls are noted; a program that makes more has lost its way.
const MOST_CALLS: usize = 200_000;

/// A process that was seen.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its PID, as we see it.
    pub pid: Pid,
    /// The place of its parent in [`Trace::processes`].
    pub parent: Option<usize>,
    /// It as it was born.
    pub born: Photo,
    /// It after each execve(2).
    pub executed: Vec<Photo>,
    /// It before its end.
    pub last: Photo,
    /// Its status, or 128 and the number of a signal; none while it runs.
    pub code: Option<i32>,
    /// Whether it still ran when the first process had ended.
    pub left_behind: bool,
}

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The processes, in the order of their birth; the program is the first.
    pub processes: Vec<Process>,
    /// All calls, in the order in which they returned.
    pub calls: Vec<Call>,
    /// What was written to standard output and standard error.
    pub said: String,
    /// Whether it had to be killed because its time was up.
    pub timed_out: bool,
}

impl Trace {
    /// The status of the program.
    pub fn code(&self) -> i32 {
        self.processes.first().and_then(|it| it.code).unwrap_or(-1)
    }

    /// The calls of this name.
    pub fn calls(&self, name: Sysno) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.name == name)
    }

    /// What the kernel refused for good: of each process the last call of a name. Who looks for a
    /// program in all directories of a path has found it in the end.
    pub fn refusals(&self) -> Vec<String> {
        let telling = self.calls.iter().filter(|call| call::is_telling(call.name));
        let last: BTreeMap<_, _> = telling.map(|call| ((call.process, call.name), call)).collect();
        let refused = last.values().filter(|call| !call.succeeded());
        let mut shown: Vec<_> = refused.map(|call| call.shown()).collect();
        shown.dedup();
        shown
    }
}

/// Runs `command`, which stops itself and then becomes the program, and everything that it starts,
/// for at most `limit`. `prepare` is called while it has stopped.
///
/// # Errors
/// When ptrace(2) is refused, and what `prepare` returns.
pub fn trace(
    command: &mut Command,
    limit: Duration,
    prepare: impl FnOnce(Pid) -> Result<()>,
) -> Result<Trace> {
    let (mut reader, writer) = std::io::pipe().map_err(|it| cannot("pipe", &it))?;
    let errors = writer.try_clone().map_err(|it| cannot("dup", &it))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(errors);
    let child = command.spawn().map_err(|it| cannot("execve", &it))?;
    // Our copies of the write end would keep end-of-file from arriving.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let said = thread::spawn(move || {
        let mut said = Vec::new();
        let _ = reader.by_ref().take(1 << 20).read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    let pid = Pid::from_raw(child.id().cast_signed());
    let mut tracer = Tracer::seize(pid)?;
    prepare(pid)?;
    kill(pid, Signal::SIGCONT).map_err(refused)?;
    let (done, timed_out) = watch(pid, limit, tracer.held.clone());
    tracer.run();
    drop(done);
    let mut trace = tracer.trace;
    trace.timed_out = timed_out.load(Ordering::SeqCst);
    trace.said = said.join().unwrap_or_default();
    Ok(trace)
}

fn cannot(call: &str, error: &std::io::Error) -> Error {
    Error::new("cannot start the program").io(call, error)
}

fn refused(errno: Errno) -> Error {
    Error::new("cannot watch the program").call("ptrace(PTRACE_SEIZE)", errno).see("2 ptrace")
}

/// Kills everything when the time is up; until the returned sender is dropped. The time in which we
/// hold a process is not its own.
fn watch(
    pid: Pid,
    limit: Duration,
    held: Arc<AtomicU64>,
) -> (std::sync::mpsc::Sender<()>, Arc<AtomicBool>) {
    let (done, is_done) = channel();
    let timed_out = Arc::new(AtomicBool::new(false));
    let (told, begun) = (timed_out.clone(), Instant::now());
    let runs_on = move |time| is_done.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    thread::spawn(move || {
        let left = || {
            let held = Duration::from_micros(held.load(Ordering::Relaxed));
            (limit + held).checked_sub(begun.elapsed())
        };
        while let Some(left) = left() {
            if !runs_on(left) {
                return;
            }
        }
        told.store(true, Ordering::SeqCst);
        let _ = kill(pid, Signal::SIGKILL);
        // Again and again: somebody who forks is faster than one signal.
        while runs_on(Duration::from_millis(50)) {
            kill_all();
        }
    });
    (done, timed_out)
}

/// Everybody in our PID namespace but us; elsewhere nobody.
fn kill_all() {
    if nix::unistd::getpid().as_raw() == 1 {
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    }
}

fn options() -> Options {
    Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEEXIT
        | Options::PTRACE_O_EXITKILL
}

#[derive(Debug)]
struct Tracer {
    first: Pid,
    /// Whether the first process has become what is to be watched.
    begun: bool,
    known: BTreeMap<Pid, usize>,
    /// Who came and ended before the news of their birth.
    unannounced: BTreeMap<Pid, usize>,
    /// What each is about to call.
    pending: BTreeMap<Pid, Call>,
    /// Who is between the entry of a call and its exit.
    inside: BTreeSet<Pid>,
    alive: usize,
    /// For how long, in microseconds, processes waited for us.
    held: Arc<AtomicU64>,
    trace: Trace,
}

impl Tracer {
    fn seize(first: Pid) -> Result<Self> {
        waitpid(first, Some(WaitPidFlag::WUNTRACED | WaitPidFlag::__WALL)).map_err(refused)?;
        ptrace::seize(first, options()).map_err(refused)?;
        let mut tracer = Self {
            first,
            begun: false,
            known: BTreeMap::new(),
            unannounced: BTreeMap::new(),
            pending: BTreeMap::new(),
            inside: BTreeSet::new(),
            alive: 0,
            held: Arc::default(),
            trace: Trace::default(),
        };
        tracer.know(first, None);
        Ok(tracer)
    }

    fn run(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(status) => {
                    let since = Instant::now();
                    self.at(status);
                    let held = since.elapsed().as_micros();
                    self.held.fetch_add(held.try_into().unwrap_or_default(), Ordering::Relaxed);
                }
                Err(Errno::EINTR) => {}
                // ECHILD: nobody is left.
                Err(_) => return,
            }
        }
    }

    fn at(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::Exited(pid, code) => self.ended(pid, code),
            WaitStatus::Signaled(pid, signal, _) => self.ended(pid, 128 + signal as i32),
            WaitStatus::PtraceSyscall(pid) => self.at_call(pid),
            WaitStatus::PtraceEvent(pid, signal, event) => self.at_event(pid, signal, event),
            WaitStatus::Stopped(pid, signal) => go_on(pid, Some(signal)),
            _ => {}
        }
    }

    fn ended(&mut self, pid: Pid, code: i32) {
        self.inside.remove(&pid);
        if let Some(place) = self.known.remove(&pid) {
            let process = &mut self.trace.processes[place];
            process.code = Some(code);
            if process.parent.is_none() {
                self.unannounced.insert(pid, place);
            }
            self.alive = self.alive.saturating_sub(1);
        }
        if pid == self.first {
            for place in self.known.values() {
                self.trace.processes[*place].left_behind = true;
            }
            for pid in self.known.keys() {
                let _ = kill(*pid, Signal::SIGKILL);
            }
            kill_all();
        }
    }

    fn at_event(&mut self, pid: Pid, signal: Signal, event: i32) {
        const PTRACE_EVENT_STOP: i32 = 128;
        match event {
            libc::PTRACE_EVENT_EXEC => {
                self.begun |= pid == self.first;
                let photo = Photo::of(pid);
                self.process(pid, |it| it.executed.push(photo));
            }
            libc::PTRACE_EVENT_CLONE | libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
                let born = Pid::from_raw(ptrace::getevent(pid).unwrap_or_default() as i32);
                let parent = self.known.get(&pid).copied();
                self.know(born, parent);
            }
            libc::PTRACE_EVENT_EXIT => {
                let photo = Photo::of(pid);
                self.process(pid, |it| it.last = photo);
            }
            // A newcomer may come before the news of its birth. A group stop is not a birth.
            PTRACE_EVENT_STOP if signal == Signal::SIGTRAP => {
                self.know(pid, None);
                let photo = Photo::of(pid);
                self.process(pid, |it| it.born = photo);
            }
            _ => {}
        }
        go_on(pid, None);
    }

    fn process(&mut self, pid: Pid, change: impl FnOnce(&mut Process)) {
        if let Some(place) = self.known.get(&pid) {
            change(&mut self.trace.processes[*place]);
        }
    }

    fn know(&mut self, pid: Pid, parent: Option<usize>) {
        let ended = parent.and_then(|_| self.unannounced.remove(&pid));
        if let Some(place) = self.known.get(&pid).copied().or(ended) {
            let known = &mut self.trace.processes[place];
            known.parent = known.parent.or(parent);
            return;
        }
        let photo = Photo::of(pid);
        self.known.insert(pid, self.trace.processes.len());
        self.alive += 1;
        self.trace.processes.push(Process {
            pid,
            parent,
            born: photo.clone(),
            executed: Vec::new(),
            last: photo,
            code: None,
            left_behind: false,
        });
    }

    fn at_call(&mut self, pid: Pid) {
        let inside = !self.inside.insert(pid);
        if inside {
            self.inside.remove(&pid);
        }
        if self.begun && self.trace.calls.len() < MOST_CALLS {
            match syscall_stop(pid, inside) {
                Ok(SyscallStop::Entry(number, arguments)) => {
                    let place = self.known.get(&pid).copied().unwrap_or_default();
                    if let Some(call) = Call::about_to(pid, place, number, arguments) {
                        let may_kill = call::may_kill(call.name);
                        self.pending.insert(pid, call);
                        if may_kill {
                            return self.let_it_kill(pid);
                        }
                    }
                }
                Ok(SyscallStop::Exit(answer)) => {
                    if let Some(call) = self.pending.remove(&pid) {
                        self.trace.calls.push(call.answered(pid, answer));
                    }
                }
                _ => {}
            }
        }
        go_on(pid, None);
    }

    /// Looks at nobody while somebody kills: a SIGKILL takes a process from the stop in which we look
    /// at it to that of its end, and resumed from there it would end without a photo.
    fn let_it_kill(&mut self, pid: Pid) {
        go_on(pid, None);
        if let Ok(news) = waitpid(pid, Some(WaitPidFlag::__WALL)) {
            self.at(news);
        }
    }
}

/// ESRCH: it was killed meanwhile, which waitpid(2) tells next.
fn go_on(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(pid, signal);
}
