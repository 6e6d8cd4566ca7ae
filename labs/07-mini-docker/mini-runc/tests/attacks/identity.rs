//! What a container could inherit from whoever makes it: groups, capabilities, keys, descriptors,
//! environment, devices.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::json;
use testbed::needs;

use super::{Stage, bundle::Output, exe::libraries, stage};

/// Runs the stage's container from inside another command: `setpriv --groups 27 mini-runc run ..`.
fn run_within(stage: &Stage, outer: &[&str]) -> Output {
    let bundle = stage.bundle();
    let run = stage.command(&["run", "-b", bundle.to_str().unwrap(), &stage.id]);
    let mut command = Command::new(outer[0]);
    command.args(&outer[1..]).arg(run.get_program()).args(run.get_args());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

fn script(stage: &Stage, user: u32, script: &str) {
    stage.configure(|config| {
        config["process"]["args"] = json!(["sh", "-c", script]);
        config["process"]["user"] = json!({"uid": user, "gid": user});
    });
}

#[test]
fn no_group_and_no_capability_of_the_caller_is_kept() {
    needs!(Root, Program("busybox"), Program("setpriv"));
    let caller =
        ["setpriv", "--groups", "27,100", "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"];
    let look = "grep -E '^(Groups|CapInh|CapAmb):' /proc/self/status | tr -d ' \\t'";
    // The caller has them, and whoever only calls exec keeps them.
    let naive = Command::new(caller[0]).args(&caller[1..]).args(["sh", "-c", look]).output();
    let naive = String::from_utf8(naive.unwrap().stdout).unwrap();
    assert_eq!(naive, "Groups:27100\nCapInh:0000000000002000\nCapAmb:0000000000002000\n");
    for user in [0, 1000] {
        let stage = stage();
        script(&stage, user, look);
        let told = run_within(&stage, &caller).ok();
        let none = "Groups:\nCapInh:0000000000000000\nCapAmb:0000000000000000\n";
        assert_eq!(told, none, "user {user}");
    }
    println!("groups, inheritable and ambient capabilities: nothing kept in 2 cases");
}

#[test]
fn no_word_of_the_environment_is_kept() {
    needs!(Root, Program("busybox"));
    let stage = stage();
    script(
        &stage,
        0,
        "env; cat /proc/1/environ | tr '\\0' '\\n'; cat /proc/1/cmdline | tr '\\0' ' '",
    );
    stage.configure(|config| {
        config["process"]["args"] = json!(["sh", "-c", "env; tr '\\0' '\\n' </proc/1/environ"]);
        config["process"]["env"] = json!(["PATH=/bin"]);
    });
    let told = run_within(&stage, &["env", "SECRET=1", "BASH_ENV=/tmp/x"]).ok();
    let mut names: Vec<_> = told.lines().filter_map(|it| it.split('=').next()).collect();
    names.sort_unstable();
    names.dedup();
    // The shell adds these itself.
    names.retain(|name| !["PWD", "SHLVL", "OLDPWD", "HOME", "_"].contains(name));
    assert_eq!(names, ["PATH"], "{told}");
    println!("environment: nothing kept in 1 case");
}

#[test]
fn no_key_of_the_callers_session_is_kept() {
    needs!(Root, Program("busybox"), Program("keyctl"));
    let stage = stage();
    let rootfs = stage.bundle().join("rootfs");
    libraries(Path::new("/bin/keyctl"), &rootfs);
    fs::copy("/bin/keyctl", rootfs.join("bin/keyctl")).unwrap();
    let look = "keyctl pipe $(keyctl search @s user unboxed-secret) || echo none";
    script(&stage, 0, look);
    let with_key = "keyctl add user unboxed-secret 4711 @s >/dev/null && exec \"$@\"";
    let caller = ["keyctl", "session", "-", "sh", "-c", with_key, "sh"];
    let naive = Command::new(caller[0])
        .args(&caller[1..])
        .arg("chroot")
        .arg(&rootfs)
        .args(["sh", "-c", look])
        .output()
        .unwrap();
    assert_eq!(naive.stdout, b"4711", "{naive:?}");
    let told = run_within(&stage, &caller);
    assert_eq!(told.stdout, "none\n", "{told:?}");
    assert!(told.stderr.contains("Required key not available"), "{told:?}");
    println!("session keyring: no key kept in 1 case");
}

/// An image brings a node of its own along: what it opens is not what its name says.
#[test]
fn a_wrong_node_of_the_image_is_no_device() {
    needs!(Root, Program("busybox"));
    type Make = fn(&Path);
    let wrong: [(&str, Make); 3] = [
        ("a link to a file of the kernel", |null| {
            symlink("/proc/sys/kernel/core_pattern", null).unwrap();
        }),
        ("a file", |null| fs::write(null, "text").unwrap()),
        ("another device", |null| {
            let mode = nix::sys::stat::Mode::S_IRWXU;
            let full = nix::sys::stat::makedev(1, 7);
            nix::sys::stat::mknod(null, nix::sys::stat::SFlag::S_IFCHR, mode, full).unwrap();
        }),
    ];
    for (name, make) in wrong {
        let stage =
            Stage::with_script(stage().runtime, "echo x >/dev/null && stat -c %t,%T /dev/null");
        make(&stage.bundle().join("rootfs/dev/null"));
        stage.configure(|config| {
            // No tmpfs: the image's own /dev.
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|it| !it["destination"].as_str().unwrap().starts_with("/dev"));
            let script = "stat -c '%F %t,%T' /dev/null; cat /proc/kallsyms | wc -c";
            config["process"]["args"] = json!(["sh", "-c", script]);
            config["linux"]["maskedPaths"] = json!(["/proc/kallsyms"]);
        });
        let told = stage.run();
        let right = told.code == 0 && told.stdout == "character special file 1,3\n0\n";
        let refused = told.code != 0 && told.stderr.contains("/dev/null");
        assert!(right || refused, "{name}: {told:?}");
        println!("{name} at /dev/null: {}", if right { "replaced" } else { "refused" });
    }
}
