//! What a process beside the runtime exchanges or covers while a container is made or joined: the
//! nodes of a /dev that two containers share (CVE-2025-31133, CVE-2025-52565), and the files of /proc
//! that the runtime writes to (CVE-2025-52881).
//!
//! A race is won by trying often; here it is won by stopping the runtime at each of its calls.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
    sys::stat::{Mode, SFlag, makedev, mknod},
};
use serde_json::json;
use syscalls::Sysno;
use testbed::needs;

use super::{
    Stage, stage,
    tracer::{self, Call, Then},
};

/// Every how many-th moment is tried; 1 tries all.
const EVERY: &str = "UNBOXED_SWAP_EVERY";

/// A file of the kernel that the host believes.
const KERNEL: &str = "/proc/sys/kernel/core_pattern";

fn every(default: usize) -> usize {
    std::env::var(EVERY).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
}

/// Runs a command, with `before` called ahead of each call of its children, which are returned.
fn disturbed(command: &Command, before: &mut dyn FnMut(usize, &Call)) -> (Vec<Sysno>, i32) {
    let mut calls = Vec::new();
    let ended = tracer::trace(command, None, &mut |call| {
        if call.process > 0 && !call.executed {
            before(calls.len(), call);
            calls.push(call.name);
        }
        Then::Go
    });
    (calls, ended.code)
}

/// Moments, each a call and how many calls it lasts: around each look-up of a path, and a sample of
/// all others.
fn moments(calls: &[Sysno], every: usize) -> Vec<(usize, usize)> {
    let looks_up = |at: &usize| matches!(calls[*at], Sysno::openat2 | Sysno::open_tree);
    let look_ups = (0..calls.len()).filter(looks_up).map(|at| (at, 2));
    let others = (0..calls.len()).flat_map(|at| [(at, 1), (at, 6)]).step_by(every);
    look_ups.chain(others).collect()
}

/// A refusal is fine, if it says why.
#[track_caller]
fn fine_or_told(stage: &Stage, code: i32, case: &str) {
    let said = fs::read_to_string(stage.dir.path().join("said.err")).unwrap();
    assert!(code == 0 || said.contains("\n  why: "), "{case}: {said}");
}

/// A /dev of two containers, and a container that has it, hides a file, and has a terminal.
struct SharedDev {
    stage: Stage,
    dev: PathBuf,
    _console: UnixListener,
}

impl SharedDev {
    fn new() -> Self {
        let stage = stage();
        let dev = stage.dir.path().join("dev");
        fs::create_dir_all(dev.join("pts")).unwrap();
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        mknod(&dev.join("null"), SFlag::S_IFCHR, mode, makedev(1, 3)).unwrap();
        fs::write(dev.join("console"), "").unwrap();
        symlink(KERNEL, dev.join("link")).unwrap();
        let source = dev.to_str().unwrap().to_owned();
        stage.configure(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|it| !it["destination"].as_str().unwrap().starts_with("/dev"));
            mounts.push(json!({"destination": "/dev", "source": source, "options": ["rbind"]}));
            mounts.push(json!({"destination": "/dev/pts", "source": "devpts", "type": "devpts",
                "options": ["newinstance", "ptmxmode=0666"]}));
            config["linux"]["maskedPaths"] = json!(["/proc/kallsyms", "/proc/interrupts"]);
            config["process"]["terminal"] = json!(true);
        });
        let console = UnixListener::bind(stage.dir.path().join("console.sock")).unwrap();
        Self { stage, dev, _console: console }
    }

    fn command(&self) -> Command {
        let (bundle, socket) = (self.stage.bundle(), self.stage.dir.path().join("console.sock"));
        let socket = ["create", "--console-socket", socket.to_str().unwrap()];
        let rest = ["-b", bundle.to_str().unwrap(), &self.stage.id];
        self.stage.command(&[&socket[..], &rest[..]].concat())
    }

    fn exchange(&self, name: &str) {
        let (one, other) = (self.dev.join(name), self.dev.join("link"));
        renameat2(AT_FDCWD, &one, AT_FDCWD, &other, RenameFlags::RENAME_EXCHANGE).unwrap();
    }

    /// What is mounted: nothing of the kernel's besides its own, the hidden files under /dev/null,
    /// and the console is a terminal.
    fn judge(&self, case: &str) {
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", self.stage.pid())).unwrap();
        let mounts: Vec<Vec<&str>> = table.lines().map(|it| it.split(' ').collect()).collect();
        let kernels = |it: &Vec<&str>| it[3..=4].iter().any(|path| path.contains("core_pattern"));
        assert!(!mounts.iter().any(kernels), "{case}:\n{table}");
        for hidden in ["/proc/kallsyms", "/proc/interrupts"] {
            let cover = mounts.iter().rfind(|it| it[4] == hidden).map(|it| it[3]);
            assert_eq!(cover, Some("/null"), "{case}: {hidden}\n{table}");
        }
        let console = mounts.iter().filter(|it| it[4].ends_with("/console"));
        assert!(console.clone().all(|it| it.contains(&"devpts")), "{case}:\n{table}");
    }
}

/// A runtime that binds the container's own /dev/null over what is to be hidden, and the terminal over
/// what is called /dev/console, both by name.
fn naive_binds_lead_to_the_kernel(shared: &SharedDev) -> bool {
    let rootfs = shared.stage.bundle().join("rootfs");
    let script = "mount -t proc proc \"$1/proc\"; mount --bind \"$2\" \"$1/dev\"; \
                  mount --bind \"$1/dev/null\" \"$1/proc/kallsyms\"; mount --bind /dev/zero \"$1/dev/console\"; \
                  grep -c -E 'core_pattern .*/proc/kallsyms| /proc/sys/kernel/core_pattern ' /proc/self/mountinfo";
    let mut naive = Command::new("unshare");
    naive.args(["-m", "sh", "-c", script, "sh"]).arg(rootfs).arg(&shared.dev);
    shared.exchange("null");
    fs::remove_file(shared.dev.join("console")).unwrap();
    symlink(KERNEL, shared.dev.join("console")).unwrap();
    naive.output().unwrap().stdout == b"2\n"
}

#[test]
fn nodes_that_are_exchanged_at_any_call_show_nothing_of_the_kernel() {
    needs!(Root, Program("busybox"), Program("unshare"));
    let before = fs::read(KERNEL).unwrap();
    assert!(
        naive_binds_lead_to_the_kernel(&SharedDev::new()),
        "the attack must be able to succeed"
    );
    let first = SharedDev::new();
    let (calls, code) = disturbed(&first.command(), &mut |_, _| {});
    fine_or_told(&first.stage, code, "undisturbed");
    assert_eq!(code, 0);
    first.judge("undisturbed");
    for name in ["null", "console"] {
        let (mut tried, mut made) = (0, 0);
        for (begins, lasts) in moments(&calls, every(37)) {
            let shared = SharedDev::new();
            let (_, code) = disturbed(&shared.command(), &mut |number, _| {
                if number == begins || number == begins + lasts {
                    shared.exchange(name);
                }
            });
            let case = format!("{name} is a link at call {begins} for {lasts}");
            fine_or_told(&shared.stage, code, &case);
            if code == 0 {
                shared.judge(&case);
                made += 1;
            }
            assert_eq!(fs::read(KERNEL).unwrap(), before, "{case}");
            tried += 1;
        }
        println!(
            "/dev/{name} exchanged at {tried} moments, {made} made: the kernel's files untouched"
        );
    }
}

/// Covers a file of /proc for a process, as somebody does who shares its mounts.
fn cover(pid: i32, decoy: &Path, file: &str) {
    let mut mount = Command::new("nsenter");
    // Its network too: /proc/sys/net is another directory in each.
    mount.args(["-t", &pid.to_string(), "-m", "-n", "mount", "--bind"]).arg(decoy).arg(file);
    mount.stderr(std::process::Stdio::null()).status().unwrap();
}

const SYSCTL: &str = "/proc/sys/net/ipv4/ip_forward";

/// A container that wants a sysctl, and a decoy that others put over its file.
fn with_sysctl() -> (Stage, PathBuf) {
    let stage = stage();
    stage.configure(|config| config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"}));
    let decoy = stage.dir.path().join("decoy");
    fs::write(&decoy, "untouched").unwrap();
    (stage, decoy)
}

fn create(stage: &Stage) -> Command {
    stage.command(&["create", "-b", stage.bundle().to_str().unwrap(), &stage.id])
}

#[test]
fn a_sysctl_that_is_covered_at_any_call_is_written_or_refused() {
    needs!(Root, Program("busybox"), Program("nsenter"));
    let naive = "mount --bind \"$1\" \"$2\" && echo 1 >\"$2\"";
    let (stage, decoy) = with_sysctl();
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "-n", "sh", "-c", naive, "sh"]).arg(&decoy).arg(SYSCTL);
    assert!(unshare.status().unwrap().success());
    assert_eq!(fs::read(&decoy).unwrap(), b"1\n", "the attack must be able to succeed");
    let (calls, code) = disturbed(&create(&stage), &mut |_, _| {});
    assert_eq!(code, 0);
    let (mut tried, mut made) = (0, 0);
    for begins in (0..calls.len()).step_by(every(11)) {
        let (stage, decoy) = with_sysctl();
        let (_, code) = disturbed(&create(&stage), &mut |number, call| {
            if number == begins {
                cover(call.pid.as_raw(), &decoy, SYSCTL);
            }
        });
        let case = format!("covered at call {begins}");
        fine_or_told(&stage, code, &case);
        assert_eq!(fs::read(&decoy).unwrap(), b"untouched", "{case}");
        if code == 0 {
            let mut read = Command::new("nsenter");
            // Through a /proc that nobody has covered, but of the container's network.
            read.args(["-t", &stage.pid().to_string(), "-n", "cat", SYSCTL]);
            assert_eq!(read.output().unwrap().stdout, b"1\n", "{case}");
            made += 1;
        }
        tried += 1;
    }
    println!(
        "a sysctl covered at {tried} moments of create, {made} made: written where it belongs"
    );
}

/// A process that joins sets its score for want of memory in the caller's /proc.
#[test]
fn a_score_that_is_covered_at_any_call_of_exec_is_written_or_refused() {
    needs!(Root, Program("busybox"), Program("nsenter"), Program("unshare"));
    let stage = stage();
    stage.configure(|config| config["process"]["oomScoreAdj"] = json!(700));
    stage.create().ok();
    stage.on("start", &[]).ok();
    let decoy = stage.dir.path().join("decoy");
    fs::write(&decoy, "untouched").unwrap();
    let ours = stage.command(&["exec", &stage.id, "cat", "/proc/self/oom_score_adj"]);
    // Mounts of its own, so that whoever covers something covers nothing of the machine's.
    let mut exec = Command::new("env");
    exec.arg("-C").arg(stage.bundle()).args(["unshare", "-m"]);
    exec.arg(ours.get_program()).args(ours.get_args());
    let (calls, code) = disturbed(&exec, &mut |_, _| {});
    assert_eq!(code, 0);
    let (mut tried, mut made) = (0, 0);
    for begins in (0..calls.len()).step_by(every(3)) {
        let (_, code) = disturbed(&exec, &mut |number, call| {
            if number == begins {
                let pid = call.pid.as_raw();
                cover(pid, &decoy, &format!("/proc/{pid}/oom_score_adj"));
            }
        });
        let case = format!("covered at call {begins} of exec");
        fine_or_told(&stage, code, &case);
        assert_eq!(fs::read(&decoy).unwrap(), b"untouched", "{case}");
        let said = fs::read_to_string(stage.dir.path().join("said.out")).unwrap();
        assert!(code != 0 || said == "700\n", "{case}: {said}");
        made += usize::from(code == 0);
        tried += 1;
    }
    println!("a score covered at {tried} moments of exec, {made} joined: written where it belongs");
}
