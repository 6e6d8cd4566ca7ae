//! Hooks: where they run, what they are told, and what it means when one fails.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use testbed::needs;

use crate::{
    bundle::{Runtime, Stage},
    covers, each,
};

const MOMENTS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

fn shell(script: &str) -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin", "WORD=w"]})
}

#[test]
fn each_hook_runs_in_its_namespaces_with_the_state() {
    needs!(Root, Program("busybox"));
    covers!("hooks.*");
    each(|runtime| {
        let stage = Stage::new(runtime);
        let out = stage.dir.path().join("out");
        fs::create_dir(&out).unwrap();
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        stage.configure(|config| {
            config["process"]["args"] = json!(["true"]);
            config["annotations"] = json!({"org.example": "x"});
            for moment in MOMENTS {
                // What runs behind the pivot sees the container's files only.
                let file = if moment == "startContainer" {
                    format!("/tmp/{moment}")
                } else {
                    format!("{}/{moment}", out.display())
                };
                let script =
                    format!("cat > {file}; echo >> {file}; (readlink /proc/self/ns/net; echo $WORD) >> {file}");
                config["hooks"][moment] = json!([shell(&script)]);
            }
        });
        stage.run().ok();
        let expected = [
            ("prestart", "creating", true),
            ("createRuntime", "creating", true),
            ("createContainer", "creating", false),
            ("startContainer", "created", false),
            ("poststart", "running", true),
            ("poststop", "stopped", true),
        ];
        for (moment, status, ours) in expected {
            let inside = stage.bundle().join("rootfs/tmp").join(moment);
            let text = fs::read_to_string(out.join(moment)).or_else(|_| fs::read_to_string(inside));
            let text = text.unwrap();
            let lines: Vec<_> = text.lines().collect();
            let state: Value = serde_json::from_str(lines[0]).unwrap();
            assert_eq!(state["id"], json!(stage.id), "{moment}");
            // Behind the pivot crun has forgotten it.
            if runtime != Runtime::Crun {
                assert_eq!(state["bundle"], json!(stage.bundle()), "{moment}");
            }
            assert_eq!(state["annotations"]["org.example"], "x", "{moment}");
            // The peers of Debian 12 say "created" for what runs already, or for all.
            if runtime == Runtime::MiniRunc {
                assert_eq!(state["status"], status, "{moment}");
            }
            assert_eq!(lines[1] == own.to_str().unwrap(), ours, "{moment}: {text}");
            assert_eq!(lines[2], "w", "{moment}");
        }
    });
}

#[test]
fn a_hook_that_takes_too_long_is_a_hook_that_fails() {
    needs!(Root, Program("busybox"));
    covers!(
        "hooks.prestart[].timeout",
        "hooks.createRuntime[].timeout",
        "hooks.createContainer[].timeout",
        "hooks.startContainer[].timeout",
        "hooks.poststart[].timeout",
        "hooks.poststop[].timeout",
    );
    each(|runtime| {
        let takes_too_long = &|moment: &str| {
            let stage = Stage::new(runtime);
            stage.configure(|config| {
                let mut hook = shell("exec sleep 20");
                hook["timeout"] = json!(1);
                config["process"]["args"] = json!(["true"]);
                config["hooks"] = json!({moment: [hook]});
            });
            let started = std::time::Instant::now();
            let code = stage.run().code;
            assert!((1..15).contains(&started.elapsed().as_secs()), "{runtime:?}, {moment}");
            // Where the program has run, a failing hook is a warning.
            let failed = code != 0 || ["poststart", "poststop"].contains(&moment);
            assert!(failed, "{runtime:?}, {moment}");
        };
        std::thread::scope(|scope| {
            for moment in MOMENTS {
                scope.spawn(move || takes_too_long(moment));
            }
        });
    });
}

#[test]
fn a_failing_hook_ends_the_container() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        // By the time of startContainer runc has said that all is well.
        for moment in &MOMENTS[..3] {
            let stage = Stage::new(runtime);
            stage.configure(|config| {
                config["hooks"] = json!({*moment: [shell("cat > /dev/null; exit 3")]});
            });
            let (created, started) = (stage.create().code, stage.on("start", &[]).code);
            assert!(created != 0 || started != 0, "{moment}");
            stage.call(&["delete", "--force", &stage.id]).ok();
        }
    });
}

/// The kinds of namespaces, and their names below /proc/PID/ns.
const JOINED: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
    ("user", "user"),
];

/// A bundle with this namespace instead of its own; a user namespace has its maps.
fn with_namespace(stage: &Stage, namespace: Value, hooks: Value) {
    fs::set_permissions(stage.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    stage.configure(|config| {
        if namespace["type"] == "user" {
            let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map;
            config["mounts"].as_array_mut().unwrap().retain(|it| it["type"] != "cgroup");
        }
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|it| it["type"] != namespace["type"]);
        namespaces.push(namespace);
        config["hooks"] = hooks;
    });
}

#[test]
fn hooks_are_told_of_the_process_that_is_in_the_joined_namespaces() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        for (kind, file) in JOINED {
            let first = Stage::new(runtime);
            with_namespace(&first, json!({"type": kind}), json!({}));
            first.create().ok();
            let path = format!("/proc/{}/ns/{file}", first.pid());
            let theirs = fs::read_link(&path).unwrap();
            let own = fs::read_link(format!("/proc/self/ns/{file}")).unwrap();
            for moment in ["prestart", "createRuntime"] {
                let second = Stage::new(runtime);
                let out = second.dir.path().join("out");
                let script = format!(
                    "pid=$(tr -d ' \\n\\t' | grep -o '\"pid\":[0-9]*' | cut -d: -f2); echo $pid > {0}; \
                     readlink /proc/$pid/ns/{file} /proc/self/ns/{file} >> {0}",
                    out.display()
                );
                let join = json!({"type": kind, "path": path});
                with_namespace(&second, join, json!({moment: [shell(&script)]}));
                second.create().ok();
                let (pid, theirs, own) = (second.pid(), theirs.display(), own.display());
                let told = fs::read_to_string(&out).unwrap();
                assert_eq!(told, format!("{pid}\n{theirs}\n{own}\n"), "{moment}, {kind}");
            }
        }
    });
}
