//! Network devices, in a network namespace of the test's own: the host's is not touched.

use std::process::Command;

use serde_json::{Value, json};
use testbed::needs;

use crate::{bundle::Stage, covers, stage};

/// Runs the runtime in a network namespace with a pair of devices, `pair0` with two addresses that
/// stay, and one for this link only.
fn run(stage: &Stage) -> (String, String) {
    let bundle = stage.bundle();
    let script = format!(
        "ip link set lo up; ip link add pair0 type veth peer name pair1
         ip addr add 10.7.0.1/24 dev pair0
         ip addr add fd07::1/64 dev pair0 nodad
         ip addr add 169.254.7.7/16 scope link dev pair0
         ip link set pair1 up
         '{}' --root {} run -b {} {}; ip -o link show | cut -d: -f2 | cut -d@ -f1",
        stage.runtime.name(),
        stage.state_root().display(),
        bundle.display(),
        stage.id
    );
    let output = Command::new("unshare").args(["--net", "bash", "-c", &script]).output().unwrap();
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn devices(value: Value) -> impl FnOnce(&mut Value) {
    |config| config["linux"]["netDevices"] = value
}

/// Names and addresses, a line each.
const LOOK: [&str; 3] = [
    "sh",
    "-c",
    "ip -o addr show | awk '{print $2, $4}' | grep -v fe80; ip link | grep -c 'pair.*state.UP\\|lan.*UP\\|eth.*UP'",
];

#[test]
fn a_device_moves_in_with_its_addresses_and_its_new_name() {
    needs!(Root, Program("busybox"), Program("ip"));
    covers!("linux.netDevices.*.name");
    let stage = stage(&LOOK, devices(json!({"pair0": {"name": "lan"}})));
    let (out, err) = run(&stage);
    assert!(
        out.starts_with("lo 127.0.0.1/8\nlo ::1/128\nlan 10.7.0.1/24\nlan fd07::1/64\n1\n lo\n"),
        "{out}{err}"
    );
}

#[test]
fn a_name_may_be_kept_or_found() {
    needs!(Root, Program("busybox"), Program("ip"));
    let kept = stage(&["ls", "/sys/class/net"], devices(json!({"pair0": {}})));
    // The namespace, and a pair with it, goes a moment after its last process.
    assert!(run(&kept).0.starts_with("lo\npair0\n lo\n"));
    let two = json!({"pair0": {"name": "eth%d"}, "pair1": {"name": "eth%d"}});
    let found = stage(&["ls", "/sys/class/net"], devices(two));
    assert!(run(&found).0.starts_with("eth0\neth1\nlo\n lo\n"));
}

#[test]
fn a_device_that_cannot_be_moved_is_an_error() {
    needs!(Root, Program("busybox"), Program("ip"));
    let refuses = |value: Value, words: &str| {
        let stage = stage(&["true"], devices(value));
        let (out, err) = run(&stage);
        assert!(err.contains(words), "{words}: {err}");
        assert_eq!(out, " lo\n pair1\n pair0\n");
        assert!(!stage.state_root().join(&stage.id).exists());
    };
    refuses(json!({"pair0": {"name": "lo"}}), "is taken inside");
    refuses(json!({"nowhere0": {}}), "list those that there are");
    refuses(json!({"pair0": {"name": "a/b"}}), "no name of a device");
    refuses(json!({"lo": {"name": "lo7"}}), "cannot be moved");
}
