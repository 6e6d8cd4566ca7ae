//! The filter's listener and flags, and what a profile must not ask for.

use std::{
    fs::File,
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    thread,
};

use serde_json::{Value, json};
use testbed::needs;

use crate::{
    bundle::{self, Stage},
    covers, refuses, stage,
};

/// A program that answers: every call that it is asked about fails with EXDEV.
fn listen(path: &Path, times: usize) -> thread::JoinHandle<Vec<Value>> {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        let connections = (0..times).map(|_| listener.accept().unwrap().0);
        connections.map(|connection| answer(&connection)).collect()
    })
}

fn answer(connection: &UnixStream) -> Value {
    let (text, descriptor) = bundle::receive_with_text(connection);
    thread::spawn(move || while answer_one(&descriptor) {});
    serde_json::from_str(&text).unwrap()
}

/// One call; false when the last process that has the filter is gone.
fn answer_one(listener: &File) -> bool {
    const RECEIVE: libc::c_ulong = 0xc050_2100;
    const SEND: libc::c_ulong = 0xc018_2101;
    let mut poll =
        [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(listener), nix::poll::PollFlags::POLLIN)];
    nix::poll::poll(&mut poll, nix::poll::PollTimeout::NONE).unwrap();
    // struct seccomp_notif begins with the id of the call; struct seccomp_notif_resp is id, value,
    // error and flags.
    let mut call = [0u64; 10];
    #[allow(unsafe_code, reason = "an ioctl without a wrapper")]
    // SAFETY: the kernel writes a struct of 80 bytes, which is what is there.
    let received = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, call.as_mut_ptr()) };
    if received < 0 {
        return false;
    }
    let mut answer = [call[0], 0, u64::from((-libc::EXDEV) as u32)];
    #[allow(unsafe_code, reason = "an ioctl without a wrapper")]
    // SAFETY: the kernel reads a struct of 24 bytes, which is what is there.
    let sent = unsafe { libc::ioctl(listener.as_raw_fd(), SEND, answer.as_mut_ptr()) };
    sent == 0
}

fn notify(socket: &Path, names: &[&str]) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"],
        "listenerPath": socket, "listenerMetadata": "for the listener",
        "syscalls": [{"names": names, "action": "SCMP_ACT_NOTIFY"}]
    })
}

fn asks_a_listener(no_new_privileges: bool) {
    let stage = stage(&["sh", "-c", "mkdir /tmp/x 2>&1; sleep 1000"], |_| {});
    let socket = stage.dir.path().join("listener.sock");
    stage.configure(|config| {
        config["process"]["args"] = json!(["sh", "-c", "mkdir /tmp/x 2> /tmp/said; sleep 1000"]);
        config["process"]["noNewPrivileges"] = json!(no_new_privileges);
        config["linux"]["seccomp"] = notify(&socket, &["mkdir", "chmod"]);
        config["annotations"] = json!({"org.example": "x"});
    });
    let listener = listen(&socket, 2);
    stage.create().ok();
    stage.on("start", &[]).ok();
    let said = stage.bundle().join("rootfs/tmp/said");
    until(|| std::fs::read_to_string(&said).is_ok_and(|it| it.contains("cross-device")));
    let output = stage.on("exec", &["chmod", "777", "/tmp"]);
    assert!(output.stderr.contains("cross-device"), "{output:?}");
    let states = listener.join().unwrap();
    let [created, joined] = states.as_slice() else { panic!("{states:?}") };
    check(&stage, created, "creating");
    assert_eq!(created["pid"], json!(stage.pid()));
    check(&stage, joined, "running");
    assert_ne!(joined["pid"], created["pid"]);
}

/// The container process state of config-linux.md.
fn check(stage: &Stage, state: &Value, status: &str) {
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["metadata"], "for the listener");
    assert_eq!(state["ociVersion"], "1.0.2");
    assert_eq!(state["state"]["id"], json!(stage.id));
    assert_eq!(state["state"]["status"], status);
    assert_eq!(state["state"]["bundle"], json!(stage.bundle()));
    assert_eq!(state["state"]["annotations"], json!({"org.example": "x"}));
}

fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never");
}

#[test]
fn a_listener_answers_calls_of_the_first_process_and_of_those_that_join() {
    needs!(Root, Program("busybox"));
    covers!(
        "linux.seccomp.syscalls[].action=SCMP_ACT_NOTIFY",
        "linux.seccomp.listenerPath",
        "linux.seccomp.listenerMetadata",
        "linux.seccomp.flags=SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
        "annotations",
    );
    asks_a_listener(true);
    asks_a_listener(false);
}

#[test]
fn a_listener_that_is_not_there_is_an_error_and_nothing_is_left() {
    needs!(Root, Program("busybox"));
    let gone = Path::new("/nowhere/listener.sock");
    let stage = stage(&["true"], |config| config["linux"]["seccomp"] = notify(gone, &["mkdir"]));
    stage.create().refused("cannot reach the seccomp listener");
    assert!(!stage.state_root().join(&stage.id).exists());
}

#[test]
fn flags_reach_the_kernel() {
    needs!(Root, Program("busybox"));
    covers!(
        "linux.seccomp.flags=SECCOMP_FILTER_FLAG_TSYNC",
        "linux.seccomp.flags=SECCOMP_FILTER_FLAG_LOG",
        "linux.seccomp.flags=SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    );
    let all = ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"];
    let flags = all.map(|it| format!("SECCOMP_FILTER_FLAG_{it}"));
    let stage = stage(&["grep", "-c", "Seccomp_filters:.1", "/proc/self/status"], |config| {
        config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": flags});
    });
    let bundle = stage.bundle();
    let args = ["create", "--explain", "-b", bundle.to_str().unwrap(), &stage.id];
    // Without a listener nobody waits: the fourth is for a listener only.
    assert!(stage.call(&args).ok().contains("SECCOMP_SET_MODE_FILTER, 0x7,"));
    assert_eq!(stage.run().ok().trim(), "1");
}

#[test]
fn a_profile_that_means_nothing_is_refused() {
    needs!(Root, Program("busybox"));
    let profile = |value: Value| |config: &mut Value| config["linux"]["seccomp"] = value;
    let rule = |rule: Value| json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]});
    let allowed = rule(json!({"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "errnoRet": 5}));
    refuses(profile(allowed), "the action beside it returns none");
    let errno = json!({"defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 5});
    refuses(profile(errno), "the action beside it returns none");
    let empty = rule(json!({"names": [], "action": "SCMP_ACT_ERRNO"}));
    refuses(profile(empty), "names is empty");
    let flag = json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_X"]});
    refuses(profile(flag), "is not known");
    let waits = notify(Path::new("/l"), &["write"]);
    refuses(profile(waits), "the runtime itself calls it");
}
