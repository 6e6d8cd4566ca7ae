//! Hooks that fail, by the letter of runtime.md's lifecycle: the peers differ here.

use std::fs;

use serde_json::{Value, json};
use testbed::{Host, needs};

use crate::{refuses, stage};

fn shell(script: &str) -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", script]})
}

#[test]
fn what_a_failing_hook_leaves_is_destroyed_and_the_last_hooks_run() {
    needs!(Root, Program("busybox"));
    let before = Host::now();
    for moment in ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"] {
        let stage = stage(&["sleep", "1000"], |_| {});
        let log = stage.dir.path().join("log");
        stage.configure(|config| {
            let said =
                |word: &str| shell(&format!("cat > /dev/null; echo {word} >> {}", log.display()));
            config["hooks"] = json!({"poststop": [shell("exit 1"), said("last")]});
            config["hooks"][moment] = json!([shell("cat > /dev/null; exit 3"), said("never")]);
        });
        let created = stage.create();
        let failed = if created.code == 0 { stage.on("start", &[]) } else { created };
        assert!(failed.stderr.contains(&format!("error running {moment} hook")), "{failed:?}");
        // A poststop hook that fails is a warning, and the next one runs.
        assert!(failed.stderr.contains("warning: error running poststop hook"), "{failed:?}");
        assert_eq!(fs::read_to_string(&log).unwrap(), "last\n", "{moment}");
        stage.on("state", &[]).refused("does not exist");
    }
    before.assert_unchanged();
}

#[test]
fn hooks_get_no_signal_mask_of_ours() {
    needs!(Root, Program("busybox"));
    let stage = stage(&["true"], |_| {});
    let log = stage.dir.path().join("log");
    stage.configure(|config| {
        let script = format!("grep SigBlk /proc/self/status > {}", log.display());
        config["process"]["args"] = json!(["true"]);
        config["hooks"] = json!({"createRuntime": [shell(&script)]});
    });
    stage.run().ok();
    assert_eq!(fs::read_to_string(&log).unwrap().trim(), "SigBlk:\t0000000000000000");
}

#[test]
fn a_hook_that_cannot_be_run_is_refused() {
    needs!(Root, Program("busybox"));
    let hook = |hook: Value| {
        move |config: &mut Value| config["hooks"] = json!({"poststop": [], "createRuntime": [hook]})
    };
    refuses(hook(json!({"path": "bin/true"})), "is not absolute");
    refuses(hook(json!({"path": "/bin/true", "timeout": 0})), "the timeout is 0");
    refuses(hook(json!({"path": "/bin/nowhere"})), "/bin/nowhere");
}
