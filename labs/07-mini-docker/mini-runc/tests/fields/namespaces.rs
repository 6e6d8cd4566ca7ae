//! Namespaces, devices and covered paths, by what the kernel says of them inside.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};
use testbed::needs;

use super::{Stage, refuses, says, stage};
use crate::covers;

fn namespaces(config: &mut Value) -> &mut Vec<Value> {
    config["linux"]["namespaces"].as_array_mut().unwrap()
}

fn with_user_namespace(config: &mut Value) {
    let map = json!([{"containerID": 0, "hostID": 100000, "size": 65536}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    namespaces(config).push(json!({"type": "user"}));
    config["mounts"].as_array_mut().unwrap().retain(|it| it["type"] != "cgroup");
}

/// A container that runs, with a namespace of every kind.
fn first() -> Stage {
    let first = stage(&["sleep", "1000"], |config| {
        with_user_namespace(config);
        namespaces(config).push(json!({"type": "time"}));
    });
    fs::set_permissions(first.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    first.create().ok();
    first
}

const FILES: [(&str, &str); 8] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroup"),
    ("mount", "mnt"),
    ("user", "user"),
    ("time", "time"),
];

#[test]
fn every_kind_of_namespace_is_made() {
    needs!(Root, Program("busybox"));
    covers!("linux.namespaces[].type*");
    let first = first();
    for (kind, file) in FILES {
        let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap();
        assert_ne!(link(&first.pid().to_string()), link("self"), "{kind}");
    }
}

#[test]
fn every_kind_of_namespace_is_joined_by_its_path() {
    needs!(Root, Program("busybox"));
    covers!("linux.namespaces[].path");
    let first = first();
    let pid = first.pid();
    for (kind, file) in FILES.into_iter().filter(|(kind, _)| !matches!(*kind, "mount")) {
        let path = format!("/proc/{pid}/ns/{file}");
        let theirs = fs::read_link(&path).unwrap();
        let second = stage(&["readlink", &format!("/proc/self/ns/{file}")], |config| {
            namespaces(config).retain(|it| it["type"] != kind);
            namespaces(config).push(json!({"type": kind, "path": path}));
        });
        fs::set_permissions(second.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let told = second.run();
        assert_eq!(told.stdout.trim(), theirs.to_str().unwrap(), "{kind}: {told:?}");
    }
}

#[test]
fn a_joined_user_namespace_owns_what_is_made_in_it() {
    needs!(Root, Program("busybox"));
    let first = first();
    let user = format!("/proc/{}/ns/user", first.pid());
    let script = "id -u; id -g; cat /proc/self/uid_map | tr -s ' '; hostname other && hostname; \
                  mount -t tmpfs tmpfs /tmp && echo mounted; echo $$; head -c 2 /dev/zero | wc -c";
    let second = |change: &dyn Fn(&mut Value)| {
        let second = stage(&["sh", "-c", script], |config| {
            for set in ["bounding", "effective", "permitted"] {
                config["process"]["capabilities"][set] = json!(["CAP_SYS_ADMIN"]);
            }
            config["mounts"].as_array_mut().unwrap().retain(|it| it["type"] != "cgroup");
            namespaces(config).push(json!({"type": "user", "path": user}));
            change(config);
        });
        fs::set_permissions(second.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        second.run()
    };
    let expected = "0\n0\n 0 100000 65536\nother\nmounted\n1\n2";
    assert_eq!(second(&|_| {}).ok().trim(), expected);
    // Its own maps may be named; others are not its own.
    let mapped = |host: u32| json!([{"containerID": 0, "hostID": host, "size": 65536}]);
    let with = |host: u32| {
        second(&move |config: &mut Value| {
            config["linux"]["uidMappings"] = mapped(host);
            config["linux"]["gidMappings"] = mapped(host);
        })
    };
    assert_eq!(with(100000).ok().trim(), expected);
    with(200000).refused("path and other mappings");
}

#[test]
fn what_cannot_be_a_namespace_is_refused_in_words() {
    needs!(Root, Program("busybox"));
    let add = |entry: Value| move |config: &mut Value| namespaces(config).push(entry);
    refuses(add(json!({"type": "pid"})), "duplicated namespace");
    let path = |path: &str| add(json!({"type": "user", "path": path}));
    refuses(path("/proc/self/ns/uts"), "is a uts namespace");
    refuses(path("/etc/hostname"), "is no namespace");
    refuses(path("/nowhere"), "No such file");
    refuses(path("proc/self/ns/user"), "is not absolute");
    refuses(
        |config| {
            with_user_namespace(config);
            namespaces(config).retain(|it| it["type"] != "user");
        },
        "user namespace isn't enabled",
    );
    refuses(
        |config| {
            with_user_namespace(config);
            config["linux"]["gidMappings"] = json!([]);
        },
        "no linux.gidMappings",
    );
}

#[test]
fn every_type_of_device_is_made_wherever_it_is_wanted() {
    needs!(Root, Program("busybox"));
    covers!("linux.devices*");
    let device = |path: &str, kind: &str, more: Value| {
        let mut device = json!({"path": path, "type": kind});
        device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        device
    };
    says(
        &["sh", "-c", "stat -c '%n %F %t,%T %a %u:%g' /dev/b /opt/deep/u /dev/p /dev/null"],
        |config| {
            config["linux"]["devices"] = json!([
                device(
                    "/dev/b",
                    "b",
                    json!({"major": 7, "minor": 200, "fileMode": 0o600, "uid": 1, "gid": 2})
                ),
                device("/opt/deep/u", "u", json!({"major": 1, "minor": 5})),
                device("/dev/p", "p", json!({"fileMode": 0o620})),
                device("/dev/null", "c", json!({"major": 1, "minor": 3, "fileMode": 0o444})),
            ]);
        },
        "/dev/b block special file 7,c8 600 1:2\n/opt/deep/u character special file 1,5 666 0:0\n\
         /dev/p fifo 0,0 620 0:0\n/dev/null character special file 1,3 444 0:0",
    );
    let with = |entry: Value| move |config: &mut Value| config["linux"]["devices"] = json!([entry]);
    refuses(with(device("/dev/x", "z", json!({}))), "type (c, b, u or p)");
    refuses(with(device("/dev/x", "c", json!({"major": 1}))), "major and minor");
    refuses(with(device("dev/x", "p", json!({}))), "absolute path");
}

#[test]
fn a_device_that_is_there_must_be_the_one_that_is_meant() {
    needs!(Root, Program("busybox"));
    let device = json!([{"path": "/etc/device", "type": "p"}]);
    let stage = stage(&["sh", "-c", "stat -c %F /etc/device"], |config| {
        config["linux"]["devices"] = device.clone();
    });
    let at = stage.bundle().join("rootfs/etc/device");
    nix::unistd::mkfifo(&at, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_eq!(stage.run().ok().trim(), "fifo");
    fs::remove_file(&at).unwrap();
    fs::write(&at, "").unwrap();
    stage.run().refused("something else has this name");
}

#[test]
fn in_a_user_namespace_devices_are_the_hosts() {
    needs!(Root, Program("busybox"));
    let with = |device: Value| {
        let stage = stage(
            &[
                "sh",
                "-c",
                "stat -c '%F %t,%T' /dev/full /dev/null; echo x > /dev/null && echo written",
            ],
            |config| {
                with_user_namespace(config);
                config["linux"]["devices"] = json!([device]);
            },
        );
        fs::set_permissions(stage.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        stage.run()
    };
    let full = json!({"path": "/dev/full", "type": "c", "major": 1, "minor": 7});
    let expected = "character special file 1,7\ncharacter special file 1,3\nwritten";
    assert_eq!(with(full).ok().trim(), expected);
    with(json!({"path": "/dev/full", "type": "c", "major": 9, "minor": 9}))
        .refused("no such device");
}

#[test]
fn covered_paths_are_files_directories_or_nothing_at_all() {
    needs!(Root, Program("busybox"));
    covers!("linux.maskedPaths", "linux.readonlyPaths");
    let script = "cat /etc/secret | wc -c; ls /secret | wc -l; ls /other | wc -l; \
                  stat -c %t,%T /etc/secret; touch /secret/x 2>&1 | grep -o Read-only; \
                  echo x >> /etc/kept 2>&1 || cat /etc/kept; touch /kept/x || ls /kept; \
                  touch /kept/below/x || echo below";
    let stage = stage(&["sh", "-c", script], |config| {
        config["mounts"]
            .as_array_mut()
            .unwrap()
            .push(json!({"destination": "/kept/below", "type": "tmpfs"}));
        config["linux"]["maskedPaths"] =
            json!(["/etc/secret", "/secret", "/other", "/nowhere", "/etc/secret/below", "/secret"]);
        config["linux"]["readonlyPaths"] = json!(["/etc/kept", "/kept", "/nowhere/at/all"]);
    });
    let rootfs = stage.bundle().join("rootfs");
    for directory in ["secret/deep", "other/deep", "kept/file"] {
        fs::create_dir_all(rootfs.join(directory)).unwrap();
    }
    fs::write(rootfs.join("etc/secret"), "secret").unwrap();
    fs::write(rootfs.join("etc/kept"), "kept\n").unwrap();
    let expected = "0\n0\n0\n1,3\nRead-only\nkept\nbelow\nfile\nbelow";
    assert_eq!(stage.run().ok().trim(), expected);
}
