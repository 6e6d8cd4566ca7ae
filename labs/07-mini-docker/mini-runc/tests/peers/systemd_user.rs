//! The systemd driver for an ordinary user: groups are made by the user's own systemd, `systemd --user`.

use std::path::Path;

use serde_json::json;
use testbed::{Place, Run, needs};

use crate::bundle::Runtime;

/// As root of the guest, then as its user 1000.
const SCRIPT: &str = include_str!("systemd_user.sh");

/// What each of them does, below its name.
const SAID: &str = "\
user@1000.service/user.slice/mini-box.scope
20
67108864
Slice=user.slice
MemoryMax=67108864
TasksMax=20
ActiveState=active
10
TasksMax=10
";

/// A container of a user that maps one id, with limits.
fn config() -> String {
    let mut config = json!(mini_runc::defaults::rootless_spec());
    config["ociVersion"] = json!("1.0.2");
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["sleep", "1000"]);
    config["root"] = json!({"path": "rootfs", "readonly": false});
    let id = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    config["linux"]["uidMappings"] = id.clone();
    config["linux"]["gidMappings"] = id;
    config["linux"]["cgroupsPath"] = json!("user.slice:mini:box");
    config["linux"]["resources"] = json!({"pids": {"limit": 20}, "memory": {"limit": 64 << 20}});
    for mount in config["mounts"].as_array_mut().unwrap() {
        let options = mount["options"].as_array_mut().unwrap();
        // The group of terminals is not mapped, and the peers do not leave it out by themselves.
        options.retain(|it| it != "gid=5");
    }
    config.to_string()
}

#[test]
fn an_ordinary_users_systemd_makes_the_group() {
    needs!(In(Place::GuestRoot), Program("busybox"), Program("busctl"), Program("dbus-daemon"));
    // crun writes the limits by itself, in a group below the scope, and systemd never hears of them.
    let told = Runtime::all().into_iter().filter(|it| *it != Runtime::Crun);
    let names: Vec<_> = told.map(Runtime::name).collect();
    let env = [("CONFIG", &*config()), ("RUNTIMES", &*names.join(" ")), ("SCRIPT", SCRIPT)];
    let run =
        Run { script: Some(SCRIPT), env: &env, ..Run::of(Path::new(Runtime::MiniRunc.name())) };
    let base = |name: &&str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let expected: String = names.iter().map(|name| base(name) + "\n" + SAID).collect();
    assert_eq!(run.run_in(Place::GuestRoot).success(), expected);
}
