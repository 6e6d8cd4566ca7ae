//! Runtime: the program below the wall, told about a bundle and nothing else.
//!
//! It is *executed*, never linked into a process that has threads: creating a container means
//! clone(2), and that copies only the calling thread (see lab 01). Ours is `mini-runc`, a small
//! program beside this one, or where that was not installed this very binary under another name;
//! `runc` and `crun` understand the same words, because all three follow the runtime specification and
//! runc's command line.
//!
//! ```text
//! mini-runc --root DIR --log FILE --log-format json create --bundle B --pid-file P ID
//!           start ID | kill ID SIGNAL | delete [--force] ID | exec --process FILE ID
//! ```
//!
//! A runtime that is to touch a container of an ordinary user must be inside the same user
//! namespace: [`Runtime::inside`] executes it there.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::{
        fd::OwnedFd,
        unix::{fs::MetadataExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use ground::{Error, Explanation, Result};

use crate::sys;

/// Our own program, whatever happened to the name it was started by.
pub const OURSELVES: &str = "/proc/self/exe";

/// The small program that is a runtime and nothing else; it lies beside the large one.
const SMALL: &str = "mini-docker-runtime";

/// Our own runtime: the small program, or else ourselves. Not the small one beside a program that was
/// replaced since we began: it may keep its books in another way.
fn own_runtime() -> PathBuf {
    let ourselves = own_program();
    let beside = ourselves.with_file_name(SMALL);
    if ourselves != Path::new(OURSELVES) && beside.is_file() { beside } else { ourselves }
}

/// Our own program, for a runtime that may enter a container: by its path, if that leads to it.
///
/// [`OURSELVES`] leads through a mount of the mount namespace in which we were executed. Who has
/// another one by now cannot copy that mount (open_tree(2), EINVAL), and has to copy the program
/// instead to keep containers from writing to it (mini-runc's `seal`).
fn own_program() -> PathBuf {
    let file = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let path = fs::read_link(OURSELVES).ok();
    let is_ours =
        |path: &PathBuf| file(path).is_some_and(|it| Some(it) == file(OURSELVES.as_ref()));
    path.filter(is_ours).unwrap_or_else(|| OURSELVES.into())
}

/// The name under which we are a runtime.
pub const OWN_NAME: &str = "mini-runc";

/// The verb of our command line that joins the user namespace of a process and goes on as a
/// runtime. Not its mount namespace: the container's own has none of our files in it.
pub const INSIDE: &str = "inside";

/// A runtime, and where it keeps what it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    program: Program,
    root: PathBuf,
    inside: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Program {
    Own,
    Other(PathBuf),
}

/// How a container is to be made.
#[derive(Debug)]
pub struct Create<'a> {
    /// The bundle directory; also the working directory, so that socket names stay short.
    pub bundle: &'a Path,
    /// Where the runtime writes the PID of the container's first process.
    pub pid_file: &'a Path,
    /// A socket, relative to the bundle, that wants the master side of the terminal.
    pub console_socket: Option<&'a Path>,
    /// Standard input, output and error of the program.
    pub streams: [OwnedFd; 3],
}

impl Runtime {
    /// The runtime of this name or path, our own for `None`; `root` is where it keeps its state.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn new(name: Option<&str>, root: impl Into<PathBuf>) -> Result<Self> {
        let program = match name {
            None | Some(OWN_NAME) => Program::Own,
            Some(name) => Program::Other(find(name)?),
        };
        Ok(Self { program, root: root.into(), inside: None })
    }

    /// The same runtime in the user namespace of `pid`.
    pub fn inside(self, pid: Option<i32>) -> Self {
        Self { inside: pid, ..self }
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        match &self.program {
            Program::Own => OWN_NAME.to_owned(),
            Program::Other(path) => path.display().to_string(),
        }
    }

    /// Whether it prints a failure of its own on standard error although it has a log. Only crun
    /// does not.
    pub fn prints_errors(&self) -> bool {
        match &self.program {
            Program::Own => true,
            Program::Other(path) => path.file_name().is_none_or(|name| name != "crun"),
        }
    }

    // ANCHOR: create
    /// Makes a container that waits for [`Runtime::start`].
    ///
    /// # Errors
    /// What the runtime said, with the exit code that Docker gives: 127 for a program that is not
    /// in the image, 126 for one that cannot be run.
    pub fn create(&self, id: &str, how: Create<'_>) -> Result<()> {
        let [stdin, stdout, stderr] = how.streams;
        let log = how.bundle.join("log.json");
        let mut command = self.creating(how.bundle, how.pid_file);
        if let Some(socket) = how.console_socket {
            command.arg("--console-socket").arg(socket);
        }
        command.arg(id).stdin(stdin).stdout(stdout).stderr(stderr);
        // Were we killed, it would go on and make a container that nobody knows of.
        sys::dies_with_parent(&mut command);
        let status = command.status().map_err(|error| self.cannot_execute(&error))?;
        match status.success() {
            true => Ok(()),
            // What it said on standard error went to the container's: the log has it as well.
            false => Err(self.said(&log, &[])),
        }
    }
    // ANCHOR_END: create

    /// The same in words: what [`Runtime::create`] executes for a container without a terminal.
    pub fn explain_create(&self, id: &str, bundle: &Path, pid_file: &Path) -> Explanation {
        let mut command = self.creating(bundle, pid_file);
        command.arg(id);
        let name = match self.program {
            Program::Own => OsStr::new(OWN_NAME),
            Program::Other(_) => command.get_program(),
        };
        Explanation::new(
            execve(name, &command),
            "the runtime is told of a directory and config.json, and makes the process (labs 01 to 06)",
            "2 execve",
        )
    }

    fn creating(&self, bundle: &Path, pid_file: &Path) -> Command {
        let mut command = self.command(&bundle.join("log.json"));
        command.current_dir(bundle).arg("create").arg("--bundle").arg(bundle);
        command.arg("--pid-file").arg(pid_file);
        command
    }

    /// Lets the program of a created container begin.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn start(&self, id: &str, bundle: &Path) -> Result<()> {
        self.run(&bundle.join("log.json"), &["start", id])
    }

    /// Sends a signal, by number, to the program.
    ///
    /// # Errors
    /// What the runtime said, as for a container that does not run.
    pub fn kill(&self, id: &str, signal: i32, bundle: &Path) -> Result<()> {
        self.run(&bundle.join("log.json"), &["kill", id, &signal.to_string()])
    }

    /// Freezes every process of the container.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn pause(&self, id: &str, bundle: &Path) -> Result<()> {
        self.run(&bundle.join("log.json"), &["pause", id])
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn resume(&self, id: &str, bundle: &Path) -> Result<()> {
        self.run(&bundle.join("log.json"), &["resume", id])
    }

    /// Changes the limits of a container that runs.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn update(
        &self,
        id: &str,
        resources: &oci::runtime::Resources,
        bundle: &Path,
    ) -> Result<()> {
        let cannot = |why: String| Error::new("cannot describe the limits").why(why);
        let file = bundle.join("resources.json");
        let json = serde_json::to_vec(resources).map_err(|error| cannot(error.to_string()))?;
        fs::write(&file, json).map_err(|error| cannot(error.to_string()))?;
        let file = file.to_string_lossy().into_owned();
        self.run(&bundle.join("log.json"), &["update", "--resources", &file, id])
    }

    /// Takes away what the runtime made: its state, the cgroup, and with force a process that still
    /// runs. Idempotent with force.
    ///
    /// # Errors
    /// What the runtime said.
    pub fn delete(&self, id: &str, bundle: &Path) -> Result<()> {
        self.run(&bundle.join("log.json"), &["delete", "--force", id])
    }

    /// The command that runs a further program in a container; `process` is a file with its
    /// description, as in `config.json`. The caller adds streams.
    pub fn exec(&self, process: &Path, log: &Path, how: &[OsString], id: &str) -> Command {
        let mut command = self.command(log);
        command.arg("exec").arg("--process").arg(process).args(how).arg(id);
        command
    }

    /// What the runtime wrote into its log about a failure.
    pub fn said(&self, log: &Path, stderr: &[u8]) -> Error {
        let text = fs::read_to_string(log).unwrap_or_default();
        let read = |line| serde_json::from_str::<serde_json::Value>(line).ok();
        let is_error = |line: &serde_json::Value| line["level"] != "warning";
        let last = text.lines().rev().filter_map(read).find(is_error);
        let stderr = String::from_utf8_lossy(stderr);
        match last {
            Some(line) => from_log(&self.name(), &line),
            None => Error::new(format!("{} failed", self.name())).why(stderr.trim()),
        }
    }

    fn run(&self, log: &Path, args: &[&str]) -> Result<()> {
        let _ = fs::remove_file(log);
        let mut command = self.command(log);
        command.args(args).stdin(Stdio::null());
        let Output { status, stderr, .. } =
            command.output().map_err(|error| self.cannot_execute(&error))?;
        if status.success() { Ok(()) } else { Err(self.said(log, &stderr)) }
    }

    fn command(&self, log: &Path) -> Command {
        let mut command = Command::new(match (&self.program, self.inside) {
            (Program::Other(path), None) => path.clone(),
            (Program::Own, None) => own_runtime(),
            (_, Some(_)) => own_program(),
        });
        match (&self.program, self.inside) {
            (Program::Own, None) => {
                command.arg0(OWN_NAME);
            }
            (Program::Other(_), None) => {}
            (program, Some(pid)) => {
                command.arg0("mini-docker").arg(INSIDE).arg(pid.to_string());
                command.arg(match program {
                    Program::Own => Path::new(OWN_NAME),
                    Program::Other(path) => path,
                });
            }
        }
        command.arg("--root").arg(&self.root);
        command.arg("--log").arg(log).args(["--log-format", "json"]);
        command
    }

    fn cannot_execute(&self, error: &std::io::Error) -> Error {
        Error::new(format!("cannot execute the runtime {}", self.name()))
            .io("execve", error)
            .see("2 execve")
            .fix("check that it is a program for this machine, and that you may run it")
    }
}

/// The call by which a command becomes its program, under this name.
pub fn execve(name: &OsStr, command: &Command) -> String {
    let words: Vec<String> =
        [name].into_iter().chain(command.get_args()).map(|word| format!("{word:?}")).collect();
    format!("execve({:?}, [{}])", command.get_program(), words.join(", "))
}

/// A name is looked for in PATH, a path is taken as it is.
fn find(name: &str) -> Result<PathBuf> {
    let no_such = || {
        Error::new(format!("unknown or invalid runtime name: {name}"))
            .why("there is no program of that name in PATH")
            .fix(
                "install it (apt-get install runc, or crun), give its path, or leave --runtime out",
            )
    };
    if name.contains('/') {
        return fs::canonicalize(name).map_err(|_| no_such());
    }
    // Where runc usually lies is not in every user's PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .ok_or_else(no_such)
}

/// mini-runc's line is a whole report; runc's and crun's have a sentence in `msg`.
fn from_log(runtime: &str, line: &serde_json::Value) -> Error {
    if line.get("what").is_some() {
        let report = Error::from_json(line);
        // The program that is not there is the user's to blame, not the runtime.
        let code = exit_code(&report.what).or_else(|| exit_code(report.why.as_deref()?));
        return match code {
            Some(code) => Error { exit_code: code, ..report },
            None => report,
        };
    }
    let sentence = line.get("msg").and_then(|msg| msg.as_str()).unwrap_or("it did not say why");
    let sentence = sentence.trim().trim_matches('"');
    let error =
        Error::new("failed to create task for container").why(format!("{runtime}: {sentence}"));
    match exit_code(sentence) {
        Some(127) => error
            .exit_code(127)
            .fix("check the name and PATH of the image; a script needs its interpreter in there"),
        Some(126) => error.exit_code(126).fix("name a file that is a program and may be executed"),
        _ => error,
    }
}

/// Docker's reading of a runtime's sentence.
fn exit_code(sentence: &str) -> Option<u8> {
    let has = |words: &[&str]| words.iter().any(|word| sentence.contains(word));
    if has(&["executable file not found", "executable file `"])
        || (has(&["no such file or directory", "No such file or directory"]) && has(&["exec"]))
    {
        return Some(127);
    }
    let denied = ["permission denied", "Permission denied", "is a directory", "exec format error"];
    (has(&denied) && has(&["exec"])).then_some(126)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sentence: &str, expected: Option<u8>) {
        assert_eq!(exit_code(sentence), expected);
    }

    #[test]
    fn what_a_runtime_says_becomes_dockers_exit_code() {
        check("exec: \"nope\": executable file not found in $PATH", Some(127));
        check("executable file `nope` not found in $PATH: No such file or directory", Some(127));
        check("exec: \"/nope\": stat /nope: no such file or directory", Some(127));
        check("exec: \"/etc/passwd\": permission denied", Some(126));
        check("exec /bin/x: exec format error", None.or(Some(126)));
        check("cgroup: no such file or directory", None);
        check("mount: permission denied", None);
    }
}
