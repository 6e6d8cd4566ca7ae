//! What mini-runc says and leaves: its plan, its errors, and nothing behind when it is killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says on which runtime"
)]

#[path = "../bundle/mod.rs"]
mod bundle;
mod errors;
mod plan;

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use bundle::{Runtime, Stage};
use serde_json::{Value, json};
use testbed::{Host, Place, Run, needs, snapshot};

fn stage() -> Stage {
    Stage::new(Runtime::MiniRunc)
}

/// The text without what changes from run to run.
fn plain(stage: &Stage, text: &str) -> String {
    text.replace(stage.dir.path().to_str().unwrap(), "DIR").replace(&stage.id, "ID")
}

#[test]
fn options_come_before_or_after_the_name() {
    needs!(Root, Program("busybox"));
    let stage = stage();
    stage.configure(|config| config["process"]["args"] = json!(["true"]));
    let bundle = stage.bundle();
    let bundle = bundle.to_str().unwrap();
    stage.call(&["run", &stage.id, "--bundle", bundle]).ok();
    stage.call(&["run", "-b", bundle, &stage.id]).ok();
    stage.call(&["delete", &stage.id, "--force"]).ok();
}

#[test]
fn a_standard_stream_that_is_closed_is_dev_null() {
    needs!(Root, Program("busybox"));
    // The shell itself has nothing redirected.
    let look = "said=$(stat -Lc %t,%T /proc/1/fd/0 /proc/1/fd/1); echo \"$said\" > /tmp/streams";
    let stage = Stage::with_script(Runtime::MiniRunc, look);
    let run = stage.command(&["run", "-b", stage.bundle().to_str().unwrap(), &stage.id]);
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$@\" <&- >&-", "sh"]).arg(run.get_program()).args(run.get_args());
    assert!(closed.status().unwrap().success());
    let streams = fs::read_to_string(stage.bundle().join("rootfs/tmp/streams")).unwrap();
    assert_eq!(streams, "1,3\n1,3\n");
}

#[test]
fn no_descriptor_of_ours_reaches_the_program() {
    needs!(Root, Program("busybox"));
    let stage = Stage::with_script(Runtime::MiniRunc, "ls /proc/self/fd | wc -l");
    // 0, 1, 2 and the directory that ls reads.
    assert_eq!(stage.run().ok().trim(), "4");
    let bundle = stage.bundle();
    let run = format!(
        "exec 3</etc/hostname 7</; {} --root {} run --preserve-fds 1 -b {} {}",
        stage.runtime.name(),
        stage.state_root().display(),
        bundle.display(),
        stage.id
    );
    let output = std::process::Command::new("bash").args(["-c", &run]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "5", "{output:?}");
}

#[test]
fn a_process_that_joins_has_the_descriptors_that_it_is_given() {
    needs!(Root, Program("busybox"), Program("runc"));
    for runtime in [Runtime::Runc, Runtime::MiniRunc] {
        let stage = Stage::with_script(runtime, "sleep 1000");
        stage.create().ok();
        stage.on("start", &[]).ok();
        let joined = |options: &str| {
            let exec = format!(
                "exec 3</etc/hostname 7</; {} --root {} exec {options} {} ls /proc/self/fd",
                runtime.name(),
                stage.state_root().display(),
                stage.id
            );
            let output = Command::new("bash").args(["-c", &exec]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().split_whitespace().count()
        };
        // 0, 1, 2 and the directory that ls reads; then one more.
        assert_eq!((joined(""), joined("--preserve-fds 1")), (4, 5), "{runtime:?}");
    }
}

/// A container that runs where there is cgroup v2 alone: what it uses, and a group below its own.
const ON_V2: &str = r##"
    mkdir -p b/rootfs/bin b/rootfs/proc b/rootfs/dev b/rootfs/sys b/rootfs/tmp
    cp /bin/busybox b/rootfs/bin/
    for it in sh cat sleep; do ln -s busybox b/rootfs/bin/$it; done
    for BIN in runc "$BIN"; do
        rm -f b/config.json
        "$BIN" spec --bundle b
        sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "1000"/' b/config.json
        python3 -c 'import json
c = json.load(open("b/config.json")); c["linux"]["cgroupsPath"] = "/box"
c["linux"]["resources"] = {"pids": {"limit": 9}, "memory": {"limit": 67108864}}
json.dump(c, open("b/config.json", "w"))'
        "$BIN" --root state create --bundle b box < /dev/null > said 2>&1 || cat said
        "$BIN" --root state start box
        "$BIN" --root state events --stats box
        mkdir /sys/fs/cgroup/box/inner
        "$BIN" --root state exec --cgroup inner box cat /proc/self/cgroup
        "$BIN" --root state exec box cat /proc/self/cgroup
        "$BIN" --root state exec --cgroup nowhere box cat /proc/self/cgroup 2> /dev/null || echo refused
        "$BIN" --root state delete --force box
    done
"##;

#[test]
fn on_v2_it_is_told_what_is_used_and_a_process_joins_a_group_below() {
    let place = Place::GuestRoot;
    needs!(In(place), Program("busybox"), Program("runc"), Program("python3"));
    let ours = Path::new(Runtime::MiniRunc.name());
    let output = Run { script: Some(ON_V2), ..Run::of(ours) }.run_killing_in(place);
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 8, "{output}");
    for told in lines.chunks(4) {
        let event: Value = serde_json::from_str(told[0]).unwrap();
        let data = &event["data"];
        assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!("box")));
        assert_eq!(data["memory"]["usage"]["limit"], 67_108_864, "{data}");
        assert_eq!((&data["pids"]["limit"], &data["pids"]["current"]), (&json!(9), &json!(1)));
        let number = |it: &Value| it.as_u64().unwrap_or_default();
        assert!(number(&data["memory"]["usage"]["usage"]) > 0, "{data}");
        assert!(number(&data["cpu"]["usage"]["total"]) > 0, "{data}");
        assert_eq!(told[1..], ["0::/inner", "0::/", "refused"]);
    }
}

#[test]
fn a_working_directory_outside_is_refused() {
    needs!(Root, Program("busybox"));
    // CVE-2024-21626: a descriptor of a host directory, and a cwd that goes through it.
    let stage = Stage::with_script(Runtime::MiniRunc, "pwd; ls");
    for fd in 3..12 {
        stage.configure(|config| config["process"]["cwd"] = json!(format!("/proc/self/fd/{fd}")));
        let output = stage.run();
        assert_ne!(output.code, 0, "{output:?}");
        assert!(!output.stdout.contains("work"), "{output:?}");
    }
}

#[test]
fn a_link_in_the_image_does_not_lead_a_mount_to_the_host() {
    needs!(Root, Program("busybox"));
    let stage = stage();
    let outside = stage.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let rootfs = stage.bundle().join("rootfs");
    symlink(&outside, rootfs.join("absolute")).unwrap();
    symlink(Path::new("../../outside"), rootfs.join("upwards")).unwrap();
    stage.configure(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        for target in ["/absolute/x", "/upwards/y", "/../../outside/z"] {
            mounts.push(json!({"destination": target, "type": "tmpfs", "source": "tmpfs"}));
        }
        config["process"]["args"] = json!(["sh", "-c", "grep -c '[xyz] tmpfs' /proc/mounts"]);
    });
    assert_eq!(stage.run().ok().trim(), "3");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing was made outside");
}

#[test]
fn the_master_of_a_terminal_goes_through_the_console_socket() {
    needs!(Root, Program("busybox"));
    covers!("process.terminal");
    let stage = stage();
    let script = "tty; test -t 0 && test -t 2 && echo terminal; stat -c %t,%T /dev/console";
    stage.configure(|config| {
        config["process"]["args"] = json!(["sh", "-c", script]);
        config["process"]["terminal"] = json!(true);
    });
    stage.create().refused("console socket");
    let socket = stage.dir.path().join("console.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let bundle = stage.bundle();
    let args = [
        "create",
        "--console-socket",
        socket.to_str().unwrap(),
        "-b",
        bundle.to_str().unwrap(),
        &stage.id,
    ];
    stage.call(&args).ok();
    let (connection, _) = listener.accept().unwrap();
    let mut master = bundle::receive(&connection);
    stage.on("start", &[]).ok();
    let mut text = String::new();
    // EIO is how a terminal says that its other side is closed.
    let _ = std::io::Read::read_to_string(&mut master, &mut text);
    assert_eq!(text.replace("\r\n", "\n"), "/dev/pts/0\nterminal\n88,0\n");
}

#[test]
fn a_group_that_others_live_in_is_left_alone() {
    needs!(Root, Program("busybox"));
    let first = stage();
    first.configure(|_| {});
    first.create().ok();
    let second = stage();
    second.configure(|config| config["linux"]["cgroupsPath"] = json!(format!("/{}", first.id)));
    second.create().refused("cgroup is not empty");
    second.call(&["delete", "--force", &second.id]).ok();
    assert_eq!(first.status(), "created");
}

#[test]
fn killed_anywhere_delete_cleans_up() {
    needs!(Root, Program("busybox"));
    let before = Host::now();
    let stage = stage();
    stage.configure(|_| {});
    let bundle = stage.bundle();
    let args = ["create", "-b", bundle.to_str().unwrap(), &stage.id];
    let started = std::time::Instant::now();
    stage.call(&args).ok();
    let whole = started.elapsed();
    stage.call(&["delete", "--force", &stage.id]).ok();
    let mut killed = 0;
    for trial in 0..100 {
        let mut child = stage
            .command(&args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * trial / 100);
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        stage.call(&["delete", "--force", &stage.id]).ok();
        assert!(!stage.state_root().join(&stage.id).exists());
    }
    println!("killed {killed} of 100 before their end");
    drop(stage);
    before.assert_unchanged();
}

/// A bundle for an ordinary user, made by the runtime itself: a user namespace with one id.
const AS_A_USER: &str = r##"
    cd "$(mktemp -d)"; trap 'rm -rf "$PWD"' EXIT
    mkdir -p b/rootfs/bin b/rootfs/proc b/rootfs/dev b/rootfs/sys
    cp /bin/busybox b/rootfs/bin/
    for it in sh id head wc ls mount grep sleep; do ln -s busybox b/rootfs/bin/$it; done
    "$BIN" spec --rootless --bundle b
    sed -i 's/"terminal": true/"terminal": false/' b/config.json
    run() { "$BIN" --root state run --bundle b box || echo "exit status $?"; }
    program() { sed "s#\"sh\"#\"sh\", \"-c\", \"$1\"#" b/config.json > new; mv new b/config.json; }
"##;

#[track_caller]
fn runs_as_a_user(place: Place) {
    let script = format!(
        "{AS_A_USER} program 'id; head -c 3 /dev/zero | wc -c; ls /sys/class/net; \
         grep -c . /proc/self/cgroup; grep CapEff /proc/self/status'; run; ls state"
    );
    let output = place.shell(Runtime::MiniRunc.name(), &script);
    assert_eq!(output.code, 0, "{output}");
    snapshot!(place, "user", output.text());
}

#[test]
fn an_ordinary_user_runs_a_bundle() {
    needs!(In(Place::User), Program("busybox"));
    runs_as_a_user(Place::User);
}

#[test]
fn an_ordinary_user_of_a_v2_machine_runs_a_bundle() {
    needs!(In(Place::GuestUser), Program("busybox"));
    runs_as_a_user(Place::GuestUser);
}

#[test]
fn an_ordinary_user_without_a_group_gets_no_limits() {
    let place = Place::User;
    needs!(In(place), CgroupV1("memory"), Program("busybox"));
    let limit = "sed -i 's/\"linux\": {/\"linux\": {\"resources\": {\"pids\": {\"limit\": 9}},/' b/config.json";
    let output = place.shell(Runtime::MiniRunc.name(), &format!("{AS_A_USER} {limit}; run"));
    snapshot!(place, "user_limits", output.text());
}

#[test]
fn features_name_what_there_is() {
    let stage = stage();
    let features: Value = serde_json::from_str(&stage.call(&["features"]).ok()).unwrap();
    assert_eq!(features["hooks"].as_array().unwrap().len(), 6);
    assert_eq!(features["ociVersionMax"], "1.3.0");
    let linux = &features["linux"];
    for (list, least) in [("namespaces", 8), ("capabilities", 41)] {
        assert!(linux[list].as_array().unwrap().len() >= least, "{list}");
    }
    assert_eq!(linux["cgroup"]["v2"], true);
    assert_eq!(linux["seccomp"]["actions"].as_array().unwrap().len(), 9);
    // This kernel has all of them.
    assert_eq!(linux["seccomp"]["knownFlags"], linux["seccomp"]["supportedFlags"]);
    assert_eq!(linux["memoryPolicy"]["modes"].as_array().unwrap().len(), 7);
    assert!(features["mountOptions"].as_array().unwrap().len() > 40);
}

#[test]
fn checkpoints_are_refused_in_words() {
    let stage = stage();
    stage.on("checkpoint", &["--image-path", "x"]).refused("the work of CRIU");
    stage.call(&["restore", "--detach", "-b", ".", &stage.id]).refused("the work of CRIU");
}

#[test]
fn a_process_can_join_a_group_below_the_containers() {
    needs!(Root, CgroupV1("pids"), Program("busybox"));
    let stage = stage();
    stage.configure(|_| {});
    stage.create().ok();
    stage.on("start", &[]).ok();
    let groups = |it: &str| format!("/sys/fs/cgroup/{it}/{}/inner", stage.id);
    let exec = |cgroup: &str| {
        let args = ["exec", "--cgroup", cgroup, &stage.id, "grep", "inner", "/proc/self/cgroup"];
        stage.call(&args)
    };
    exec("inner").refused("there is no");
    exec("pids:inner").refused("there is no");
    exec("../..").refused("leads out");
    fs::create_dir(groups("pids")).unwrap();
    assert!(exec("pids:inner").ok().ends_with(":pids:/inner\n"));
    stage.on("pause", &[]).ok();
    stage.on("exec", &["true"]).refused("paused");
}

#[test]
fn a_descriptor_of_the_process_goes_through_the_pidfd_socket() {
    needs!(Root, Program("busybox"));
    let stage = stage();
    stage.configure(|_| {});
    let socket = stage.dir.path().join("pidfd.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (socket, bundle) = (socket.to_str().unwrap(), stage.bundle());
    let bundle = bundle.to_str().unwrap();
    stage.call(&["create", "--pidfd-socket", socket, "-b", bundle, &stage.id]).ok();
    let pidfd = bundle::receive(&listener.accept().unwrap().0);
    let number = std::os::fd::AsRawFd::as_raw_fd(&pidfd);
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    assert!(about.contains(&format!("Pid:\t{}\n", stage.pid())), "{about}");
}

#[test]
fn where_systemd_does_not_run_it_is_not_asked() {
    if Path::new("/run/systemd/system").exists() {
        return;
    }
    let stage = stage();
    stage.configure(|_| {});
    let bundle = stage.bundle();
    let args = ["--systemd-cgroup", "create", "-b", bundle.to_str().unwrap(), &stage.id];
    stage.call(&args).refused("--cgroup-manager=cgroupfs");
    stage.call(&["--systemd-cgroup", "list"]).ok();
}
