//! One run of one command: a stage of its own, a time limit, and no process left.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    Output, Place,
    place::Stage,
    process::{MARK, marked, own_mark, signal_marked},
};

/// The variables every command gets: one time zone, one width, one language, no colour.
const ENVIRONMENT: [(&str, &str); 5] =
    [("TZ", "UTC"), ("COLUMNS", "100"), ("NO_COLOR", "1"), ("LC_ALL", "C"), ("TERM", "dumb")];

/// A guest boots within this time, even when two cores are shared by many.
const BOOT: Duration = Duration::from_secs(30);

/// The guest's kernel, user-mode Linux, now and then spins for ever in itself when a process is
/// killed while it forks. So many such runs are made.
const RUNS: usize = 4;

/// A command to be run in a [`Place`].
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The binary.
    pub bin: &'a Path,
    /// Its arguments.
    pub args: &'a [&'a str],
    /// A shell script to run instead, in which `$BIN` is the binary and `args` are `$1 ..`.
    pub script: Option<&'a str>,
    /// Variables besides the fixed ones.
    pub env: &'a [(&'a str, &'a str)],
    /// What it reads from standard input; not in a guest.
    pub stdin: &'a str,
    /// Words for the kernel's command line, as `security=apparmor`; in a guest.
    pub kernel: &'a str,
    /// How long it may take.
    pub limit: Duration,
}

impl<'a> Run<'a> {
    /// The binary alone: no arguments, no input, 120 s.
    pub fn of(bin: &'a Path) -> Self {
        let limit = Duration::from_secs(120);
        Self { bin, args: &[], script: None, env: &[], stdin: "", kernel: "", limit }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it does not end within the limit or cannot be started.
    #[track_caller]
    pub fn run_in(&self, place: Place) -> Output {
        self.start(place).end()
    }

    /// The same for a command that kills others: a guest whose kernel spins then is started again.
    /// A run that ends counts, however it ends.
    ///
    /// # Panics
    /// As [`Run::run_in`]; when no run ended.
    #[track_caller]
    pub fn run_killing_in(&self, place: Place) -> Output {
        let hangs = |it: &Output| place.is_guest() && it.code == 124;
        let ended = (0..RUNS).map(|_| self.run_in(place)).find(|it| !hangs(it));
        ended.unwrap_or_else(|| panic!("{place:?}: none of {RUNS} runs ended"))
    }

    /// Starts it and comes back; [`Running::end`] waits for it.
    pub(crate) fn start(&self, place: Place) -> Running {
        let stage = stage();
        let argv = self.argv(place, stage.path());
        let mark = own_mark();
        let env = self.environment(place, stage.path(), &mark);
        let (dir, seconds) = (stage.path(), self.limit.as_secs());
        let parts = Stage { dir, bin: self.bin, env: &env, kernel: self.kernel, seconds };
        let mut command = place.command(&parts, &argv);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        feed(&mut child, self.stdin);
        let limit = self.limit + if place.is_guest() { BOOT } else { Duration::ZERO };
        Running {
            said: [read(child.stdout.take()), read(child.stderr.take())],
            child,
            mark,
            limit,
            _stage: stage,
        }
    }

    fn argv(&self, place: Place, stage: &Path) -> Vec<String> {
        let bin = place.path_of(self.bin, stage).to_string_lossy().into_owned();
        let head = match self.script {
            None => vec![bin],
            Some(script) => ["sh", "-c", script, "sh"].map(str::to_owned).to_vec(),
        };
        head.into_iter().chain(self.args.iter().map(|&arg| arg.to_owned())).collect()
    }

    fn environment(&self, place: Place, stage: &Path, mark: &str) -> Vec<(String, String)> {
        let bin = place.path_of(self.bin, stage).to_string_lossy().into_owned();
        let own = [(MARK, mark), ("PATH", &path())].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let script = self.script.map(|_| ("BIN".to_owned(), bin));
        ENVIRONMENT
            .iter()
            .chain(self.env)
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .chain(own)
            .chain(script)
            .collect()
    }
}

/// The path of an ordinary login, with what the machine adds to it: `sbin` too, as labs use ip(8).
fn path() -> String {
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()
}

fn stage() -> TempDir {
    let prefix = format!("unboxed-stage.{}.", std::process::id());
    let stage = tempfile::Builder::new().prefix(&prefix).tempdir().expect("a stage");
    let all_may_look = fs::Permissions::from_mode(0o755);
    fs::set_permissions(stage.path(), all_may_look).expect("our own directory");
    stage
}

fn feed(child: &mut Child, input: &str) {
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    // A command that does not read its input has the right to.
    let _ = stdin.write_all(input.as_bytes());
}

type Said = Arc<Mutex<Vec<u8>>>;

fn read(pipe: Option<impl Read + Send + 'static>) -> Said {
    let said = Said::default();
    let (mut pipe, to) = (pipe.expect("a pipe was asked for"), said.clone());
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(n @ 1..) = pipe.read(&mut buffer) {
            to.lock().expect("no panic while held").extend_from_slice(&buffer[..n]);
        }
    });
    said
}

/// A command on its way.
#[derive(Debug)]
pub(crate) struct Running {
    /// The process; in a [`Place`] of this machine it has become the binary itself.
    pub child: Child,
    said: [Said; 2],
    mark: String,
    limit: Duration,
    _stage: TempDir,
}

impl Running {
    /// Waits for the end.
    #[track_caller]
    pub fn end(mut self) -> Output {
        let deadline = Instant::now() + self.limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status;
            }
            if Instant::now() > deadline {
                self.kill();
                let output = self.output(124);
                panic!("no end after {} s; until then:\n{output}", self.limit.as_secs());
            }
            thread::sleep(Duration::from_millis(5));
        };
        self.wait_for_last_words();
        self.output(code(status))
    }

    /// Ends all of it: TERM, with time for a guest to go, then KILL.
    fn kill(&mut self) {
        signal_marked(&self.mark, Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(4);
        while !marked(&self.mark).is_empty() && Instant::now() < deadline {
            let _ = self.child.try_wait();
            thread::sleep(Duration::from_millis(50));
        }
        signal_marked(&self.mark, Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// The pipes reach their end when no process has them; one that stays behind does not stop us.
    fn wait_for_last_words(&self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.said.iter().any(|said| Arc::strong_count(said) > 1) && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn output(&self, code: i32) -> Output {
        let [stdout, stderr] = self.said.each_ref().map(|said| {
            String::from_utf8_lossy(&said.lock().expect("no panic while held")).into_owned()
        });
        Output { code, stdout, stderr }
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
