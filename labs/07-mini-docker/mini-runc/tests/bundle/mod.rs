//! A bundle made of busybox, and the runtimes that must agree about it.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says on which runtime"
)]

use std::{
    fs,
    io::Read,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Says which fields of config.json a test proves: lines of `fields.txt`, a `*` at the end for all
/// that begin so. `cargo xtask fields` reads it in the source; here it is nothing.
#[macro_export]
macro_rules! covers {
    ($($field:literal),+ $(,)?) => {};
}

/// A program that takes runc's command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Runc,
    Crun,
    MiniRunc,
}

impl Runtime {
    /// The peers first: a test that they fail is wrong itself.
    pub fn all() -> Vec<Self> {
        let peer = |it: &Self| *it == Self::MiniRunc || installed(it.name());
        [Self::Runc, Self::Crun, Self::MiniRunc].into_iter().filter(peer).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::MiniRunc => env!("CARGO_BIN_EXE_mini-runc"),
        }
    }

    fn command(self) -> Command {
        if self != Self::Crun {
            return Command::new(self.name());
        }
        // crun refuses to start where v1 and v2 are both mounted: it is shown v1 alone.
        let mut command = Command::new("unshare");
        let only_v1 = "umount -R /sys/fs/cgroup/unified 2>/dev/null; exec crun \"$@\"";
        command.args(["-m", "--propagation", "private", "sh", "-c", only_v1, "crun"]);
        command
    }
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    #[track_caller]
    pub fn refused(self, words: &str) {
        assert_ne!(self.code, 0, "{self:?}");
        assert!(self.stderr.to_lowercase().contains(&words.to_lowercase()), "{self:?}");
    }
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A bundle, a state directory and a name; all of it goes at the end.
#[derive(Debug)]
pub struct Stage {
    pub runtime: Runtime,
    pub dir: TempDir,
    pub id: String,
    /// What each command finds in its environment besides our own.
    pub environment: Vec<(String, String)>,
}

impl Stage {
    pub fn new(runtime: Runtime) -> Self {
        let dir = tempfile::tempdir().unwrap();
        root_file_system(&dir.path().join("bundle/rootfs"));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            runtime,
            dir,
            id: format!("box-{}-{number}", std::process::id()),
            environment: Vec::new(),
        }
    }

    /// The same with a config.json that runs this script.
    pub fn with_script(runtime: Runtime, script: &str) -> Self {
        let stage = Self::new(runtime);
        stage.configure(|config| config["process"]["args"] = json!(["sh", "-c", script]));
        stage
    }

    pub fn bundle(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    pub fn state_root(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Writes config.json: what `mini-runc spec` writes, without terminal, writable, changed.
    pub fn configure(&self, change: impl FnOnce(&mut Value)) {
        let mut config = serde_json::to_value(mini_runc::defaults::spec()).unwrap();
        // Debian's crun knows no later one.
        config["ociVersion"] = json!("1.0.2");
        config["process"]["terminal"] = json!(false);
        config["root"]["readonly"] = json!(false);
        config["process"]["args"] = json!(["sleep", "1000"]);
        config["linux"]["cgroupsPath"] = json!(format!("/{}", self.id));
        change(&mut config);
        fs::write(self.bundle().join("config.json"), config.to_string()).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.runtime.command();
        command.arg("--root").arg(self.state_root()).args(args).stdin(Stdio::null());
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs a command of the runtime to its end.
    #[track_caller]
    pub fn call(&self, args: &[&str]) -> Output {
        let output = self.dir.path().join("output");
        // Files and not pipes: a container that stays has them open for as long as it runs.
        let (out, err) = (output.with_extension("out"), output.with_extension("err"));
        let status = self
            .command(args)
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .status()
            .unwrap();
        let code = std::os::unix::process::ExitStatusExt::signal(&status).map_or(0, |it| 128 + it);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        Output { code: status.code().unwrap_or(code), stdout: read(&out), stderr: read(&err) }
    }

    #[track_caller]
    pub fn run(&self) -> Output {
        self.call(&["run", "-b", self.bundle().to_str().unwrap(), &self.id])
    }

    #[track_caller]
    pub fn create(&self) -> Output {
        self.call(&["create", "-b", self.bundle().to_str().unwrap(), &self.id])
    }

    #[track_caller]
    pub fn on(&self, verb: &str, args: &[&str]) -> Output {
        self.call(&[&[verb, &self.id], args].concat())
    }

    #[track_caller]
    pub fn status(&self) -> String {
        let state: Value = serde_json::from_str(&self.on("state", &[]).ok()).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn pid(&self) -> i32 {
        let state: Value = serde_json::from_str(&self.on("state", &[]).ok()).unwrap();
        state["pid"].as_i64().unwrap() as i32
    }

    /// Waits until it has this status.
    #[track_caller]
    pub fn until(&self, status: &str) {
        for _ in 0..500 {
            if self.status() == status {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("never {status}, but {}", self.status());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "--force", &self.id]).stderr(Stdio::null()).status();
    }
}

fn root_file_system(rootfs: &Path) {
    for dir in ["bin", "proc", "dev", "sys", "tmp", "etc"] {
        fs::create_dir_all(rootfs.join(dir)).unwrap();
    }
    fs::copy("/bin/busybox", rootfs.join("bin/busybox")).expect("apt-get install busybox-static");
    let list = Command::new("/bin/busybox").arg("--list").output().unwrap();
    for applet in String::from_utf8(list.stdout).unwrap().lines().filter(|it| *it != "busybox") {
        symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
    }
}

/// Everything a child says on its standard output.
pub fn read_all(child: &mut Child) -> String {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

/// Receives a descriptor from a unix socket, as an engine does.
pub fn receive(socket: &std::os::unix::net::UnixStream) -> fs::File {
    receive_with_text(socket).1
}

/// The same with the text that comes along.
pub fn receive_with_text(socket: &std::os::unix::net::UnixStream) -> (String, fs::File) {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    let mut text = [0; 4096];
    let mut parts = [std::io::IoSliceMut::new(&mut text)];
    let mut room = nix::cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), flags).unwrap();
    let Some(ControlMessageOwned::ScmRights(sent)) = message.cmsgs().unwrap().next() else {
        panic!("no descriptor");
    };
    #[allow(unsafe_code, reason = "a received descriptor is ours")]
    // SAFETY: the kernel made it for this message, which is read once.
    let file = fs::File::from(unsafe { OwnedFd::from_raw_fd(sent[0]) });
    let length = message.bytes;
    (String::from_utf8_lossy(&text[..length]).into_owned(), file)
}
