//! What a process of the container can get of one that joins it, or is made for it.
//!
//! `exec` enters with root's powers and open files. At each of its calls after it entered, the
//! tracer holds it, and a process of the container reaches for its program, files, memory and
//! environment.

use std::{fs, io::Write};

use serde_json::{Value, json};
use syscalls::Sysno;
use testbed::needs;

use super::{
    Stage, program, stage,
    tracer::{self, Then},
    written,
};

/// Does what it is told through a fifo.
const OBEYS: &str = r#"#!/bin/sh
while :; do
    read -r line </cmd || continue
    sh -c "$line" >/out.new 2>&1
    echo end >>/out.new; mv /out.new /out
done
"#;

/// Reaches for everything of whoever is called mini-runc.
const REACH: &str = r#"for p in /proc/[0-9]*; do
    [ "$(cat $p/comm 2>/dev/null)" = mini-runc ] || continue; echo seen;
    readlink $p/exe >/dev/null 2>&1 && echo exe;
    for fd in $p/fd/*; do readlink $fd 2>/dev/null; done;
    readlink $p/cwd >/dev/null 2>&1 && echo cwd;
    head -c 1 $p/environ >/dev/null 2>&1 && echo environ;
    head -c 1 $p/maps >/dev/null 2>&1 && echo maps;
    head -c 1 $p/mem 2>&1 | grep -q denied || echo mem;
done"#;

/// A running container whose first process obeys.
fn obeying(change: impl FnOnce(&mut Value)) -> Stage {
    let stage = stage();
    program(&stage, "obeys", OBEYS);
    let cmd = stage.bundle().join("rootfs/cmd");
    nix::unistd::mkfifo(&cmd, nix::sys::stat::Mode::S_IRWXU).unwrap();
    stage.configure(|config| {
        config["process"]["args"] = json!(["/obeys"]);
        change(config);
    });
    stage.create().ok();
    stage.on("start", &[]).ok();
    stage
}

/// Lets a process of the container run a line, and returns what it printed.
fn tell(stage: &Stage, line: &str) -> String {
    let rootfs = stage.bundle().join("rootfs");
    let mut cmd = fs::OpenOptions::new().write(true).open(rootfs.join("cmd")).unwrap();
    cmd.write_all(format!("{}\n", line.replace('\n', " ")).as_bytes()).unwrap();
    drop(cmd);
    let out = rootfs.join("out");
    let text = written(&out);
    fs::remove_file(out).unwrap();
    text.strip_suffix("end\n").unwrap().to_owned()
}

/// What the container saw of a process that joined it, over all moments, and how many there were.
fn reached(stage: &Stage) -> (Vec<String>, usize) {
    let mut seen = Vec::new();
    let mut moments = 0;
    let command = stage.command(&["exec", &stage.id, "true"]);
    let ended = tracer::trace(&command, None, &mut |call| {
        // The first child enters and forks; the second is inside from its first call on.
        if call.process >= 2 && !call.executed {
            let text = tell(stage, REACH);
            moments += usize::from(text.contains("seen"));
            seen.extend(text.lines().filter(|it| *it != "seen").map(str::to_owned));
        }
        Then::Go
    });
    assert_eq!(ended.code, 0, "{}", fs::read_to_string(stage.dir.path().join("said.err")).unwrap());
    seen.sort();
    seen.dedup();
    (seen, moments)
}

#[test]
fn nothing_of_a_joining_process_can_be_reached() {
    needs!(Root, Program("busybox"));
    let stage = obeying(|_| {});
    let (seen, moments) = reached(&stage);
    assert!(moments > 10, "{moments}");
    assert!(seen.is_empty(), "{seen:?}");
    println!("joining, Docker's capabilities: nothing reached in {moments} moments");

    // Root of a user namespace has all capabilities there, and whoever enters is one of its own.
    let stage = obeying(|config| {
        let map = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        let all = json!(
            mini_runc::defaults::CAPABILITIES.iter().chain(&["CAP_SYS_PTRACE"]).collect::<Vec<_>>()
        );
        for set in ["bounding", "effective", "permitted"] {
            config["process"]["capabilities"][set] = all.clone();
        }
    });
    let (seen, moments) = reached(&stage);
    assert!(moments > 10, "{moments}");
    assert!(seen.is_empty(), "{seen:?}");
    println!("joining a user namespace: nothing reached in {moments} moments");
}

/// With CAP_SYS_PTRACE of the machine a container may look at everybody it sees. Even so it finds
/// no directory of the host.
#[test]
fn a_joining_process_has_no_directory_of_the_host_open() {
    needs!(Root, Program("busybox"));
    let stage = obeying(|config| {
        for set in ["bounding", "effective", "permitted"] {
            let set = config["process"]["capabilities"][set].as_array_mut().unwrap();
            set.push(json!("CAP_SYS_PTRACE"));
        }
    });
    let (seen, moments) = reached(&stage);
    assert!(moments > 10 && seen.iter().any(|it| it == "exe"), "it can look: {seen:?}");
    // Its own group may be joined by whoever is in it.
    let group = format!("/{}/", stage.id);
    let known = ["pipe:", "anon_inode:", "socket:", "/dev/null"];
    let ours = [stage.dir.path().to_str().unwrap(), "exe", "cwd", "environ", "maps", "mem"];
    let others: Vec<_> = seen
        .iter()
        .filter(|it| !it.contains(&group))
        .filter(|it| !known.iter().chain(&ours).any(|known| it.starts_with(known)))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    println!("joining, with CAP_SYS_PTRACE: no directory of the host in {moments} moments");
}

/// The flags of descriptors at the moment of exec, and what comes after the filter.
#[test]
fn the_filter_comes_last_and_every_descriptor_closes() {
    needs!(Root, Program("busybox"));
    for exec in [false, true] {
        let stage = obeying(|config| {
            let filter = mini_runc::defaults::seccomp(&mini_runc::defaults::CAPABILITIES);
            config["linux"]["seccomp"] = serde_json::to_value(filter).unwrap();
            config["process"]["noNewPrivileges"] = json!(true);
        });
        let bundle = stage.bundle();
        let command = if exec {
            stage.command(&["exec", &stage.id, "true"])
        } else {
            stage.on("delete", &["--force"]).ok();
            stage.command(&["run", "-d", "-b", bundle.to_str().unwrap(), &stage.id])
        };
        let (mut since_filter, mut open) = (Vec::new(), Vec::new());
        tracer::trace(&command, None, &mut |call| {
            if call.process == 0 {
                return Then::Go;
            }
            if call.name == Sysno::seccomp {
                since_filter.clear();
            }
            since_filter.push(call.name);
            if call.name == Sysno::execve {
                open = kept_open(call.pid.as_raw());
            }
            // What the container does is not looked at.
            if since_filter.contains(&Sysno::execve) { Then::Kill } else { Then::Go }
        });
        let expected = [Sysno::seccomp, Sysno::execve];
        assert!(since_filter.ends_with(&expected), "exec: {exec}, {since_filter:?}");
        assert_eq!(open, [0, 1, 2], "exec: {exec}");
    }
    println!("before exec: the filter last, only 0, 1 and 2 kept open, in 2 cases");
}

/// Descriptors of a process without O_CLOEXEC.
fn kept_open(pid: i32) -> Vec<i32> {
    let names = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let numbers = names.map(|it| it.file_name().to_string_lossy().parse().unwrap());
    let kept = |fd: &i32| {
        let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_CLOEXEC == 0
    };
    let mut kept: Vec<i32> = numbers.filter(kept).collect();
    kept.sort_unstable();
    kept
}
