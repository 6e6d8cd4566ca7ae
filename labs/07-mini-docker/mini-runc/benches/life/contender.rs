//! Who is measured: programs that take runc's command line, and the floor.

use std::{
    env, fs, io,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cgroups::{Controller, Group, Site};
use nix::{
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::Pid,
};

use crate::{
    bundle::{Bundle, TRUE},
    sys,
};

/// Those that we are compared with.
pub const PEERS: [&str; 2] = ["crun", "runc"];

/// A program of this name along PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|dir| dir.join(name)).find(|it| it.is_file())
}

/// A runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contender {
    /// As it is called in tables.
    pub name: &'static str,
    program: PathBuf,
    /// The directories in which the floor makes its groups; a runtime finds its own.
    trees: Vec<PathBuf>,
}

/// One command: how long it took, and how much memory it had at most.
#[derive(Debug, Clone, Copy, Default)]
pub struct Took {
    /// From before it was spawned until it was reaped.
    pub time: Duration,
    /// ru_maxrss of wait4(2).
    pub memory_kib: u64,
}

/// A container's whole life.
#[derive(Debug, Clone, Copy, Default)]
pub struct Life {
    pub create: Took,
    pub start: Took,
    pub delete: Took,
    /// From the beginning of create to the end of delete, with the wait for the program.
    pub time: Duration,
}

impl Contender {
    /// The floor, mini-runc, and those of its peers that are installed.
    ///
    /// # Errors
    /// We may make no groups here.
    pub fn all() -> io::Result<Vec<Self>> {
        let runtime = |name, program| Self { name, program, trees: Vec::new() };
        let floor = Self { name: "floor", program: env::current_exe()?, trees: trees()? };
        let ours = runtime("mini-runc", PathBuf::from(env!("CARGO_BIN_EXE_mini-runc")));
        let peers = PEERS.into_iter().filter_map(|name| Some(runtime(name, find(name)?)));
        Ok([floor, ours].into_iter().chain(peers).collect())
    }

    fn is_floor(&self) -> bool {
        !self.trees.is_empty()
    }

    /// What it says of its version.
    pub fn version(&self) -> String {
        if self.is_floor() {
            return "bare system calls (benches/life/floor.rs)".to_owned();
        }
        let output = Command::new(&self.program).arg("--version").output();
        let text = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
    }

    /// The start of the program itself, for `--version`; the floor does not even say that.
    ///
    /// # Errors
    /// It fails.
    pub fn start_up(&self) -> io::Result<Took> {
        let word = if self.is_floor() { TRUE } else { "--version" };
        finish(Command::new(&self.program).arg(word).stdout(Stdio::null()))
    }

    /// Create, start, wait, delete.
    ///
    /// # Errors
    /// One of them fails.
    pub fn life(&self, bundle: &Bundle<'_>) -> io::Result<Life> {
        let begin = Instant::now();
        let create = self.call("create", bundle)?;
        let start = self.call("start", bundle)?;
        self.wait(bundle)?;
        let delete = self.call("delete", bundle)?;
        Ok(Life { create, start, delete, time: begin.elapsed() })
    }

    /// One command: `run`, or `exec` of a program that ends at once.
    ///
    /// # Errors
    /// It fails.
    pub fn call(&self, verb: &str, bundle: &Bundle<'_>) -> io::Result<Took> {
        finish(&mut self.command(verb, bundle))
    }

    /// Kills a container's program and removes the container.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn end(&self, bundle: &Bundle<'_>) -> io::Result<()> {
        kill(self.pid(bundle)?, Signal::SIGKILL)?;
        self.wait(bundle)?;
        self.call("delete", bundle).map(drop)
    }

    /// Waits for the container's program, whose parent we became when its runtime ended. Its number is
    /// for this container alone: a file that is still there when the next one is created would be
    /// replaced, which no engine makes a runtime do.
    fn wait(&self, bundle: &Bundle<'_>) -> io::Result<()> {
        let pid = self.pid(bundle)?;
        if !self.is_floor() {
            fs::remove_file(self.pid_file(bundle))?;
        }
        Ok(waitpid(pid, None).map(drop)?)
    }

    fn pid(&self, bundle: &Bundle<'_>) -> io::Result<Pid> {
        let text = fs::read_to_string(self.pid_file(bundle))?;
        text.parse().map(Pid::from_raw).map_err(io::Error::other)
    }

    fn pid_file(&self, bundle: &Bundle<'_>) -> PathBuf {
        match self.is_floor() {
            true => self.state(bundle).join(&bundle.name).join("pid"),
            false => bundle.dir().join("pid"),
        }
    }

    fn command(&self, verb: &str, bundle: &Bundle<'_>) -> Command {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if self.is_floor() {
            let filter = if bundle.filtered { bundle.stage.path("filter") } else { "-".into() };
            command.args(["floor", verb]).arg(self.state(bundle).join(&bundle.name));
            command.arg(bundle.stage.path("rootfs")).arg(filter);
            command.arg(if verb == "exec" { TRUE } else { bundle.argument });
            command.args(self.trees.iter().map(|tree| tree.join(&bundle.name)));
            return command;
        }
        command.arg("--root").arg(self.state(bundle)).arg(verb);
        if matches!(verb, "create" | "run") {
            command.arg("--bundle").arg(bundle.dir());
        }
        if verb == "create" {
            command.arg("--pid-file").arg(bundle.dir().join("pid"));
        }
        command.arg(&bundle.name);
        if verb == "exec" {
            command.args(["/payload", TRUE]);
        }
        command
    }

    fn state(&self, bundle: &Bundle<'_>) -> PathBuf {
        bundle.stage.path("state").join(self.name)
    }

    /// How long each part of the floor takes, in microseconds.
    ///
    /// # Errors
    /// It fails.
    pub fn parts(&self, bundle: &Bundle<'_>) -> io::Result<Vec<(String, u64)>> {
        let output = self.command("timed", bundle).output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let part = |line: &str| {
            let (name, time) = line.split_once('\t')?;
            Some((name.to_owned(), time.parse().ok()?))
        };
        Ok(text.lines().filter_map(part).collect())
    }
}

/// Runs a command to its end.
fn finish(command: &mut Command) -> io::Result<Took> {
    let begin = Instant::now();
    let child = command.spawn()?;
    let (status, memory_kib) = sys::wait4(Pid::from_raw(child.id() as i32))?;
    let time = begin.elapsed();
    if status != 0 {
        return Err(io::Error::other(format!("{command:?} ended with status {status:#x}")));
    }
    Ok(Took { time, memory_kib })
}

/// Where a container's groups are made: the trees that mini-runc needs to watch and to end one, and
/// the one for devices.
fn trees() -> io::Result<Vec<PathBuf>> {
    let mut needed = Controller::accounting();
    needed.insert(Controller::Devices);
    let group = Site::find().and_then(|site| Group::plan(&site, "x", &needed));
    let group = group.map_err(|error| io::Error::other(error.to_string()))?;
    let parent = |(dir, ..): (&std::path::Path, _, _)| dir.parent().map(Into::into);
    Ok(group.directories().filter_map(parent).collect())
}
