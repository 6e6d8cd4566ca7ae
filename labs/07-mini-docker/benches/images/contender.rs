//! Who is measured, by the command that people type.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{registry::wait_for, run};

/// One of those that are compared, with whatever of it has to run.
#[derive(Debug)]
pub struct Contender {
    /// As it is called in tables.
    pub name: &'static str,
    /// What it says of its version.
    pub version: String,
    dir: PathBuf,
    daemon: Option<Child>,
}

/// The one of them that this workspace is about.
pub const OURS: &str = "mini-docker";

const NAMES: [&str; 4] = [OURS, "docker", "podman", "containerd"];

impl Contender {
    /// Those that are installed and begin to work, and in words why the others do not.
    pub fn all(scratch: &Path) -> (Vec<Self>, Vec<String>) {
        let (mut able, mut absent) = (Vec::new(), Vec::new());
        for name in NAMES {
            match Self::start(name, scratch.join(name)) {
                Ok(contender) => able.push(contender),
                Err(error) => absent.push(format!("{name}: {error}")),
            }
        }
        (able, absent)
    }

    fn start(name: &'static str, dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let mut contender = Self { name, version: String::new(), dir, daemon: None };
        contender.version = contender.ask_version()?;
        let socket = contender.dir.join("socket");
        let mut daemon = match name {
            "docker" => contender.dockerd()?,
            "containerd" => contender.containerd()?,
            _ => return Ok(contender),
        };
        let log = fs::File::create(contender.dir.join("log"))?;
        daemon.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        contender.daemon = Some(daemon.spawn()?);
        wait_for(|| std::os::unix::net::UnixStream::connect(&socket).is_ok(), name)?;
        wait_for(|| run(&mut contender.command(&["version"])).is_ok(), name)?;
        Ok(contender)
    }

    fn dockerd(&self) -> io::Result<Command> {
        let empty = self.dir.join("daemon.json");
        fs::write(&empty, "{}")?;
        let mut command = Command::new("dockerd");
        command.arg("--config-file").arg(empty);
        command.arg("--data-root").arg(self.dir.join("data"));
        command.arg("--exec-root").arg("/run/docker").arg("--pidfile").arg("/run/docker.pid");
        command.arg("-H").arg(format!("unix://{}", self.dir.join("socket").display()));
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.args(["--storage-driver=overlay2"]);
        Ok(command)
    }

    fn containerd(&self) -> io::Result<Command> {
        let config = self.dir.join("config.toml");
        let dir = self.dir.display();
        // Only what a pull needs; the CRI service wants networks.
        fs::write(
            &config,
            format!(
                "version = 2\nroot = \"{dir}/data\"\nstate = \"/run/containerd\"\n\
                 disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
                 [grpc]\n  address = \"{dir}/socket\"\n"
            ),
        )?;
        let mut command = Command::new("containerd");
        command.arg("--config").arg(config);
        Ok(command)
    }

    /// A command line of this contender.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = match self.name {
            OURS => Command::new(env!("CARGO_BIN_EXE_mini-docker")),
            "containerd" => Command::new("ctr"),
            name => Command::new(name),
        };
        let socket = self.dir.join("socket");
        match self.name {
            OURS => command.arg("--root").arg(self.dir.join("data")),
            "docker" => command.arg("-H").arg(format!("unix://{}", socket.display())),
            "podman" => command
                .args(["--storage-driver=overlay", "--cgroup-manager=cgroupfs"])
                .args(["--events-backend=none"])
                .arg("--root")
                .arg(self.dir.join("data"))
                .arg("--runroot")
                .arg("/run/podman"),
            _ => command.arg("--address").arg(socket),
        };
        command.args(words).stdin(Stdio::null());
        command
    }

    fn ask_version(&self) -> io::Result<String> {
        let mut command = match self.name {
            OURS => Command::new(env!("CARGO_BIN_EXE_mini-docker")),
            // Who works is not whom we type to.
            "docker" => Command::new("dockerd"),
            name => Command::new(name),
        };
        let output = command.arg("--version").output().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other("not installed"),
            _ => error,
        })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    fn timed(&self, words: &[&str]) -> io::Result<Duration> {
        let begin = Instant::now();
        run(&mut self.command(words))?;
        Ok(begin.elapsed())
    }

    /// Pulls an image that is not here.
    ///
    /// # Errors
    /// It fails.
    pub fn pull(&self, name: &str) -> io::Result<Duration> {
        match self.name {
            "podman" => self.timed(&["pull", "-q", "--tls-verify=false", name]),
            "containerd" => self.timed(&["image", "pull", "--plain-http", name]),
            _ => self.timed(&["pull", "-q", name]),
        }
    }

    /// Removes the image with all that it is made of.
    ///
    /// # Errors
    /// It fails.
    pub fn forget(&self, name: &str) -> io::Result<()> {
        match self.name {
            OURS => fs::remove_dir_all(self.dir.join("data")),
            "containerd" => run(&mut self.command(&["image", "rm", "--sync", name])),
            _ => run(&mut self.command(&["rmi", "-f", name])),
        }
    }

    /// Pushes an image that is here under another name.
    ///
    /// # Errors
    /// It fails.
    pub fn push(&self, from: &str, to: &str) -> io::Result<Duration> {
        match self.name {
            "containerd" => {
                run(&mut self.command(&["image", "tag", "--force", from, to]))?;
                self.timed(&["image", "push", "--plain-http", to])
            }
            "podman" => {
                run(&mut self.command(&["tag", from, to]))?;
                self.timed(&["push", "-q", "--tls-verify=false", to])
            }
            _ => {
                run(&mut self.command(&["tag", from, to]))?;
                self.timed(&["push", "-q", to])
            }
        }
    }

    /// Commits a container that wrote so many files; `None` where there is no such verb.
    ///
    /// # Errors
    /// It fails.
    pub fn commit(&self, image: &str, files: usize) -> io::Result<Option<Duration>> {
        if self.name == "containerd" {
            return Ok(None);
        }
        if run(&mut self.command(&["inspect", image])).is_err() {
            self.pull(image)?;
        }
        let script = format!(
            "mkdir /new; i=0; while [ $i -lt {files} ]; do echo $i content of a file > /new/$i; \
             i=$((i+1)); done"
        );
        run(&mut self.command(&[
            "run",
            "--network=none",
            "--name=box",
            image,
            "sh",
            "-c",
            &script,
        ]))?;
        let time = self.timed(&["commit", "box", "changed"]);
        run(&mut self.command(&["rm", "-f", "box"]))?;
        run(&mut self.command(&["rmi", "-f", "changed"]))?;
        time.map(Some)
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // Whatever of it stays goes with our namespaces.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
