//! The gate: between "created" and "running" the child waits for one byte.
//!
//! ```text
//!   child                                      start
//!   read(exec.fifo) ... waits                  unlink(exec.fifo): whoever does it, starts
//!                   <──────── 1 byte ───────── write
//!   filter, hooks, execve
//!   report.fifo     ──── 8 bytes: step, errno ─> a step failed: the same error as from create
//!                   ──── end of file ──────────> exec happened: the descriptor is O_CLOEXEC
//! ```
//!
//! Both are fifos in the container's state directory, opened read-write by the one who creates, so
//! that neither open waits and the child needs no path. A fifo that nobody holds any more cannot be
//! opened for writing (ENXIO): that is how a dead child is told from a waiting one.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::Path,
    rc::Rc,
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::stat::Mode,
    unistd::{self, mkfifo},
};

use super::{
    Context, Steps, hooks,
    hooks::StateText,
    program::{Program, become_it},
    seccomp::Filter,
};

/// The fifo whose presence means "created".
pub(crate) const EXEC: &str = "exec.fifo";
const REPORT: &str = "report.fifo";

/// Both fifos, open on the child's side.
#[derive(Debug)]
pub(crate) struct Gate {
    exec: OwnedFd,
    report: OwnedFd,
}

impl Gate {
    /// Makes both in the container's state directory; they go with it.
    ///
    /// # Errors
    /// As mkfifo(3) and open(2).
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        Ok(Self { exec: fifo(&dir.join(EXEC))?, report: fifo(&dir.join(REPORT))? })
    }
}

fn fifo(path: &Path) -> Result<OwnedFd> {
    let cannot = || Error::new("cannot make the fifo that holds the container").see("7 fifo");
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mkfifo(path, mode).map_err(|errno| cannot().call(&format!("mkfifo({path:?}, 0600)"), errno))?;
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file =
        file.map_err(|error| cannot().io(format_args!("open {}", path.display()), &error))?;
    Ok(file.into())
}

/// The start's side.
#[derive(Debug)]
pub(crate) enum Started {
    /// exec happened.
    Running,
    /// A step failed: its place among the steps after the gate, and the errno.
    Failed(usize, Errno),
    /// Nobody waits: the process has ended.
    Gone,
}

/// Lets the child through and hears how it went.
///
/// # Errors
/// `None`-like cases are in [`Started`]; what is left is a state directory that cannot be used.
pub(crate) fn open(dir: &Path) -> Result<Started> {
    let cannot = |what: &str, error: &std::io::Error| {
        Error::new("cannot start the container")
            .io(format_args!("{what} in {}", dir.display()), error)
    };
    let nonblocking = |options: &mut OpenOptions, name: &str| {
        options.custom_flags(libc::O_NONBLOCK).open(dir.join(name))
    };
    let report = nonblocking(OpenOptions::new().read(true), REPORT)
        .map_err(|error| cannot("open report.fifo", &error))?;
    let go = match nonblocking(OpenOptions::new().write(true), EXEC) {
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
            return Ok(Started::Gone);
        }
        opened => opened.map_err(|error| cannot("open exec.fifo", &error))?,
    };
    // Two starts at once: only one can take the name away.
    fs::remove_file(dir.join(EXEC)).map_err(|error| cannot("unlink exec.fifo", &error))?;
    (&go).write_all(b"g").map_err(|error| cannot("write exec.fifo", &error))?;
    drop(go);
    hear(report)
}

/// Waits for the report or its end.
fn hear(mut report: File) -> Result<Started> {
    let cannot = || Error::new("cannot hear from the container");
    fcntl(&report, FcntlArg::F_SETFL(OFlag::empty()))
        .map_err(|errno| cannot().call("fcntl(F_SETFL, 0)", errno))?;
    let mut record = [0; 8];
    match report.read_exact(&mut record) {
        Ok(()) => {
            let [a, b, c, d, e, f, g, h] = record;
            let step = u32::from_ne_bytes([a, b, c, d]) as usize;
            Ok(Started::Failed(step, Errno::from_raw(i32::from_ne_bytes([e, f, g, h]))))
        }
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(Started::Running),
        Err(error) => Err(cannot().io("read report.fifo", &error)),
    }
}

/// Where steps after the gate report.
pub(crate) type Report = Option<Rc<OwnedFd>>;

/// The step that waits.
pub(super) fn wait(gate: Option<Gate>, steps: &mut Steps) -> Report {
    let (exec, report) = match gate {
        Some(Gate { exec, report }) => (Some(exec), Some(Rc::new(report))),
        None => (None, None),
    };
    steps.add("mini-runc", Wait(exec));
    report
}

/// What comes after the gate: hooks, filter, exec.
///
/// # Errors
/// A hook with a relative path.
pub(super) fn after_start(
    context: &Context<'_>,
    state: &StateText,
    report: Report,
    program: Program,
    filter: Option<Filter>,
    steps: &mut Steps,
) -> Result<()> {
    let mut after = Steps::default();
    hooks::start_container(context, state, &mut after)?;
    become_it(program, filter, &mut after);
    for (index, planned) in after.0.into_iter().enumerate() {
        let report = report.clone();
        steps.add(planned.lab, Reporting { index: index as u32, step: planned.step, report });
    }
    Ok(())
}

/// Waits for the byte.
#[derive(Debug)]
struct Wait(Option<OwnedFd>);

impl Step for Wait {
    fn run(&self) -> std::result::Result<(), Errno> {
        let Some(fifo) = &self.0 else { return Err(Errno::EBADF) };
        loop {
            match unistd::read(fifo, &mut [0]) {
                Err(Errno::EINTR) => {}
                read => return read.map(drop),
            }
        }
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            "read(exec.fifo, .., 1)",
            "the container is \"created\" here, and waits for `start`",
            "7 fifo",
        )
    }
}

/// A step after the gate: nobody listens at the pipe of the clone any more.
#[derive(Debug)]
struct Reporting {
    index: u32,
    step: Box<dyn Step>,
    report: Report,
}

impl Step for Reporting {
    fn run(&self) -> std::result::Result<(), Errno> {
        let done = self.step.run();
        if let (Err(errno), Some(report)) = (done, &self.report) {
            let mut record = [0; 8];
            record[..4].copy_from_slice(&self.index.to_ne_bytes());
            record[4..].copy_from_slice(&(errno as i32).to_ne_bytes());
            // Eight bytes are below PIPE_BUF, so they arrive whole or not at all.
            let _ = unistd::write(report.as_ref(), &record);
        }
        done
    }

    fn explain(&self) -> Explanation {
        self.step.explain()
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        self.step.fix(errno)
    }

    fn failed(&self, errno: Errno) -> Error {
        self.step.failed(errno)
    }
}
