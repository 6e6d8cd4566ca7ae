//! The plan: every call by its name, and nothing of it is made.

use serde_json::{Value, json};
use testbed::{needs, snapshot};

use crate::{bundle::Runtime, plain, stage};

#[test]
fn the_plan_names_every_call_and_its_lab() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    let stage = stage();
    stage.configure(|config| {
        let filter = mini_runc::defaults::seccomp(&mini_runc::defaults::CAPABILITIES);
        config["linux"]["seccomp"] = serde_json::to_value(filter).unwrap();
        config["linux"]["resources"] = json!({"memory": {"limit": 67108864}});
        config["root"]["readonly"] = json!(true);
    });
    let bundle = stage.bundle();
    let args = ["create", "--explain", "-b", bundle.to_str().unwrap(), &stage.id];
    let plan = stage.call(&args).ok();
    assert!(!stage.state_root().exists(), "a plan makes nothing");
    snapshot!("explain", plain(&stage, &plan), [(r"\d+ instructions", "[N] instructions")]);
}

/// Everything that the runtime does besides the steps of the process.
fn with_everything_beside(config: &mut Value) {
    config["hostname"] = json!("box");
    config["linux"]["resources"] = json!({"devices": [{"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]});
    config["linux"]["netDevices"] = json!({"eth7": {"name": "eth0"}});
    config["linux"]["intelRdt"] = json!({"schemata": ["MB:0=20"], "enableMonitoring": true});
    config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": "/run/listener",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]});
    for moment in
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    {
        config["hooks"][moment] = json!([{"path": format!("/hooks/{moment}")}]);
    }
}

/// The calls of a plan, without the mounts, nodes and ids that every container has.
fn marks(plan: &str) -> String {
    let numbered = |line: &&str| line.get(3..5) == Some(". ");
    let calls = plan.lines().filter(numbered).map(|line| line[5..].to_owned());
    let marks = [
        "devices.",
        "bpf(",
        "cgroup.procs",
        "/tasks",
        "clone3",
        "resctrl",
        "fork()",
        "netlink",
        "sethostname",
        "pivot_root",
        "seccomp",
        "pidfd_getfd",
        "exec.fifo",
        "execve",
    ];
    calls.filter(|call| marks.iter().any(|it| call.contains(it))).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_plan_has_what_the_runtime_does_beside_the_process() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    let stage = stage();
    stage.configure(with_everything_beside);
    let bundle = stage.bundle();
    let args = ["create", "--explain", "-b", bundle.to_str().unwrap(), &stage.id];
    let plan = stage.call(&args).ok();
    assert!(!stage.state_root().exists(), "a plan makes nothing");
    snapshot!(
        "explain_beside",
        plain(&stage, &marks(&plan)),
        [(r"\d+ instructions", "[N] instructions")]
    );
}

#[test]
fn the_plan_on_v2_is_born_in_its_group() {
    let place = testbed::Place::GuestRoot;
    needs!(In(place), Program("busybox"));
    let stage = stage();
    stage.configure(with_everything_beside);
    let config = std::fs::read_to_string(stage.bundle().join("config.json")).unwrap();
    let script = format!(
        "mkdir -p b/rootfs; cat > b/config.json <<'EOF'\n{config}\nEOF\n\
                          \"$BIN\" --root state create --explain -b b box"
    );
    let plan = place.shell(Runtime::MiniRunc.name(), &script);
    snapshot!(
        "explain_beside_v2",
        plain(&stage, &marks(plan.success())),
        [(r"\d+ instructions", "[N] instructions")]
    );
}

#[test]
fn the_plan_as_json_is_the_plan() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    let stage = stage();
    stage.configure(|config| config["root"]["readonly"] = json!(true));
    let bundle = stage.bundle();
    let plan = |flags: &[&str]| {
        let args = ["create", "--explain", "-b", bundle.to_str().unwrap(), &stage.id];
        stage.call(&[&args[..], flags].concat()).ok()
    };
    let event: Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    assert_eq!(event["event"], "plan");
    let text = |call: &Value, key: &str| call[key].as_str().unwrap().to_owned();
    let shown = event["calls"].as_array().unwrap().iter().enumerate().map(|(index, call)| {
        let [call, why, man, lab] = ["call", "why", "man", "lab"].map(|key| text(call, key));
        format!("{:3}. {call}\n     {why} (man {man}; {lab})\n", index + 1)
    });
    assert_eq!(shown.collect::<String>(), plan(&[]));
    assert!(!stage.state_root().exists(), "a plan makes nothing");
}
