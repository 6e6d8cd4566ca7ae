//! One list of tests for runc, crun and mini-runc: the peers first, because a test that they fail
//! is wrong itself. Each is what an engine counts on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says on which runtime"
)]

#[path = "../bundle/mod.rs"]
mod bundle;
mod commands;
mod hooks;
mod mounts;
mod security;
mod systemd_user;

use bundle::{Runtime, Stage};
use serde_json::json;
use testbed::{Host, needs};

/// Runs a test for each runtime, and compares the host before and after.
#[track_caller]
fn each(test: impl Fn(Runtime)) {
    for runtime in Runtime::all() {
        println!("{runtime:?}");
        test(runtime);
    }
}

#[track_caller]
fn says(script: &str, change: impl Fn(&mut serde_json::Value) + Copy, expected: &str) {
    each(|runtime| {
        let stage = Stage::new(runtime);
        stage.configure(|config| {
            config["process"]["args"] = json!(["sh", "-c", script]);
            change(config);
        });
        assert_eq!(stage.run().ok().trim(), expected.trim(), "{runtime:?}");
    });
}

#[test]
fn a_container_goes_through_its_life() {
    needs!(Root, Program("busybox"));
    covers!("process.args", "linux.cgroupsPath");
    let before = Host::now();
    each(|runtime| {
        let stage = Stage::new(runtime);
        stage.configure(|_| {});
        stage.create().ok();
        assert_eq!(stage.status(), "created");
        stage.on("start", &[]).ok();
        assert_eq!(stage.status(), "running");
        stage.create().refused("exist");
        assert_ne!(stage.on("start", &[]).code, 0);
        assert_ne!(stage.on("delete", &[]).code, 0);
        stage.on("kill", &["KILL"]).ok();
        stage.until("stopped");
        assert_ne!(stage.on("kill", &["KILL"]).code, 0);
        stage.on("delete", &[]).ok();
        assert_ne!(stage.on("state", &[]).code, 0);
        assert_ne!(stage.on("delete", &[]).code, 0);
        stage.call(&["delete", "--force", &stage.id]).ok();
    });
    before.assert_unchanged();
}

#[test]
fn the_exit_status_is_the_programs() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        let code = |script| Stage::with_script(runtime, script).run().code;
        assert_eq!(code("exit 0"), 0);
        assert_eq!(code("exit 7"), 7);
        // PID 1 of a PID namespace cannot kill itself; its child can.
        assert_eq!(code("sh -c 'kill -9 $$'; exit $?"), 137);
    });
}

#[test]
fn a_missing_program_is_told_when_the_container_is_created() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        let stage = Stage::new(runtime);
        stage.configure(|config| config["process"]["args"] = json!(["nowhere"]));
        stage.create().refused("executable file");
        stage.configure(|config| config["process"]["args"] = json!(["/etc"]));
        assert_ne!(stage.run().code, 0);
    });
}

#[test]
fn exec_joins_and_is_bound_by_the_same_rules() {
    needs!(Root, Program("busybox"));
    let before = Host::now();
    each(|runtime| {
        let stage = Stage::new(runtime);
        stage.configure(|_| {});
        stage.create().ok();
        stage.on("start", &[]).ok();
        let exec = |args: &[&str]| stage.on("exec", args);
        assert_eq!(exec(&["sh", "-c", "exit 3"]).code, 3);
        assert_eq!(exec(&["hostname"]).ok().trim(), "mini-runc");
        assert!(exec(&["ps"]).ok().contains("sleep 1000"));
        // no_new_privs is left to --no-new-privs by some and kept by others.
        let status = exec(&["grep", "-E", "CapEff|CapBnd", "/proc/self/status"]).ok();
        let words: Vec<_> = status.split_whitespace().collect();
        assert_eq!(words, ["CapEff:", "0000000020000420", "CapBnd:", "0000000020000420"]);
        let call = |options: &[&str], args: &[&str]| {
            stage.call(&[&["exec"], options, &[stage.id.as_str()], args].concat())
        };
        let who = call(&["--user", "1000:100", "--cwd", "/tmp"], &["sh", "-c", "id; pwd"]).ok();
        assert_eq!(who.trim(), "uid=1000 gid=100\n/tmp");
        let variable = call(&["--env", "A=b"], &["/bin/sh", "-c", "echo $A"]).ok();
        assert_eq!(variable.trim(), "b");
        assert_ne!(exec(&["nowhere"]).code, 0);
        stage.on("kill", &["KILL"]).ok();
        stage.until("stopped");
        assert_ne!(exec(&["true"]).code, 0);
    });
    before.assert_unchanged();
}

#[test]
fn pause_stops_and_resume_goes_on() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        let stage = Stage::new(runtime);
        stage.configure(|_| {});
        stage.create().ok();
        // One that waits for its start can be frozen as well, and is not lost by it.
        stage.on("pause", &[]).ok();
        stage.on("resume", &[]).ok();
        assert_eq!(stage.status(), "created");
        stage.on("start", &[]).ok();
        stage.on("pause", &[]).ok();
        assert_eq!(stage.status(), "paused");
        stage.on("resume", &[]).ok();
        assert_eq!(stage.status(), "running");
        stage.on("pause", &[]).ok();
        stage.call(&["delete", "--force", &stage.id]).ok();
    });
}

#[test]
fn capabilities_are_those_asked_for() {
    needs!(Root, Program("busybox"));
    covers!("process.capabilities.*");
    says(
        "grep Cap /proc/self/status | tr '\\t\\n' '  '",
        |config| {
            let sets = ["bounding", "effective", "permitted", "inheritable", "ambient"];
            for set in sets {
                config["process"]["capabilities"][set] = json!(["CAP_KILL", "CAP_CHOWN"]);
            }
            config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        },
        "CapInh: 0000000000000021 CapPrm: 0000000000000021 CapEff: 0000000000000021 CapBnd: \
         0000000000000021 CapAmb: 0000000000000021",
    );
}

#[test]
fn no_new_privileges_is_set_and_not_set() {
    needs!(Root, Program("busybox"));
    covers!("process.noNewPrivileges");
    let script = "grep NoNewPrivs /proc/self/status | tr '\\t' ' '";
    says(script, |_| {}, "NoNewPrivs: 1");
    says(script, |it| it["process"]["noNewPrivileges"] = json!(false), "NoNewPrivs: 0");
}

#[test]
fn the_user_has_its_groups_and_umask() {
    needs!(Root, Program("busybox"));
    covers!("process.user.*", "process.cwd");
    says(
        "id; umask; pwd; grep Groups /proc/self/status | tr '\\t' ' '",
        |config| {
            config["process"]["user"] =
                json!({"uid": 1, "gid": 2, "additionalGids": [3, 4], "umask": 0o27});
            config["process"]["cwd"] = json!("/made/for/it");
        },
        "uid=1 gid=2 groups=3,4\n0027\n/made/for/it\nGroups: 3 4 ",
    );
}

#[test]
fn the_score_for_want_of_memory_is_set() {
    needs!(Root, Program("busybox"));
    covers!("process.oomScoreAdj");
    let score = |it: &mut serde_json::Value| it["process"]["oomScoreAdj"] = json!(700);
    says("cat /proc/self/oom_score_adj", score, "700");
}

#[test]
fn limits_of_the_process_are_set() {
    needs!(Root, Program("busybox"));
    covers!("process.rlimits*");
    says(
        "ulimit -n; ulimit -Hn; ulimit -c",
        |config| {
            config["process"]["rlimits"] = json!([
                {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}
            ]);
        },
        "100\n200\n0",
    );
}

#[test]
fn mounts_have_their_options() {
    needs!(Root, Program("busybox"));
    covers!(
        "mounts[].destination",
        "mounts[].type",
        "mounts[].source",
        "mounts[].options=rbind",
        "mounts[].options=ro",
        "mounts[].options=nosuid",
        "mounts[].options=nodev",
        "mounts[].options=rprivate"
    );
    says(
        "grep ' /data ' /proc/mounts | cut -d' ' -f2,4 | cut -d, -f1-4; grep -o ' /dev/shm tmpfs [a-z,]*nosuid' /proc/mounts; echo x > /data/x 2>/dev/null || echo refused",
        |config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.push(json!({"destination": "/data", "type": "bind", "source": "/usr",
                "options": ["rbind", "ro", "nosuid", "nodev", "rprivate"]}));
        },
        "/data ro,nosuid,nodev,relatime\n /dev/shm tmpfs rw,nosuid\nrefused",
    );
}

#[test]
fn masked_paths_read_empty_and_read_only_paths_refuse() {
    needs!(Root, Program("busybox"));
    covers!("linux.maskedPaths", "linux.readonlyPaths");
    says(
        "wc -c < /proc/timer_list; ls /sys/firmware | wc -l; \
         echo 1 > /proc/sys/kernel/panic || echo refused; \
         echo x > /proc/sysrq-trigger || echo refused",
        |_| {},
        "0\n0\nrefused\nrefused",
    );
}

#[test]
fn devices_are_the_default_ones_and_those_asked_for() {
    needs!(Root, Program("busybox"));
    covers!("linux.devices*");
    says(
        "cd /dev; stat -c '%n %F %t,%T %a' null zero full random urandom tty fuse; \
         for it in fd stdin ptmx; do readlink $it; done; head -c 3 /dev/zero | wc -c",
        |config| {
            config["linux"]["devices"] = json!([{"path": "/dev/fuse", "type": "c", "major": 10,
                "minor": 229, "fileMode": 0o640, "uid": 5, "gid": 6}]);
        },
        "null character special file 1,3 666\nzero character special file 1,5 666\n\
         full character special file 1,7 666\nrandom character special file 1,8 666\n\
         urandom character special file 1,9 666\ntty character special file 5,0 666\n\
         fuse character special file a,e5 640\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n3",
    );
}

#[test]
fn a_device_that_no_rule_allows_cannot_be_opened() {
    needs!(Root, Program("busybox"));
    covers!("linux.resources.devices[].allow", "linux.resources.devices[].access");
    says(
        "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem 2>&1 | grep -o 'not permitted'; \
         head -c 1 /dev/zero | wc -c",
        |config| {
            for set in ["bounding", "effective", "permitted"] {
                config["process"]["capabilities"][set] = json!(["CAP_MKNOD", "CAP_SYS_RAWIO"]);
            }
            config["linux"]["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
        },
        "not permitted\n1",
    );
}

#[test]
fn namespaces_are_its_own_and_the_names_in_them() {
    needs!(Root, Program("busybox"));
    covers!(
        "hostname",
        "linux.sysctl",
        "linux.namespaces[].type=pid",
        "linux.namespaces[].type=network",
        "linux.namespaces[].type=uts"
    );
    says(
        "hostname; echo $$; ls /sys/class/net; ip link show lo | grep -o 'UP' | head -1; \
         cat /proc/sys/net/ipv4/ip_forward",
        |config| config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"}),
        "mini-runc\n1\nlo\nUP\n1",
    );
}

#[test]
fn limits_of_the_group_are_written() {
    needs!(Root, Program("busybox"));
    covers!(
        "linux.resources.memory.limit",
        "linux.resources.pids.limit",
        "linux.resources.cpu.quota",
        "linux.resources.cpu.period"
    );
    let script = "cd /sys/fs/cgroup; if test -e cgroup.controllers; then cat memory.max pids.max cpu.max; \
                  else cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us; fi";
    each(|runtime| {
        let stage = Stage::new(runtime);
        stage.configure(|config| {
            config["linux"]["resources"] = json!({
                "memory": {"limit": 67108864}, "pids": {"limit": 9},
                "cpu": {"quota": 20000, "period": 100000}
            });
            config["process"]["args"] = json!(["sh", "-c", script]);
        });
        let text = stage.run().ok();
        let values: Vec<_> = text.split_whitespace().collect();
        assert_eq!(values, ["67108864", "9", "20000", "100000"], "{runtime:?}");
    });
}

#[test]
fn a_filter_refuses_the_calls_it_names() {
    needs!(Root, Program("busybox"));
    covers!(
        "linux.seccomp.defaultAction",
        "linux.seccomp.architectures",
        "linux.seccomp.syscalls[].names",
        "linux.seccomp.syscalls[].errnoRet",
        "linux.seccomp.syscalls[].action=SCMP_ACT_ERRNO",
        "linux.seccomp.syscalls[].action=SCMP_ACT_ALLOW"
    );
    says(
        "mkdir /tmp/a 2>&1 | grep -o 'No space'; touch /tmp/b && echo written; \
         grep Seccomp: /proc/self/status | tr '\\t' ' '",
        |config| {
            config["linux"]["seccomp"] = json!({
                "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]
            });
        },
        "No space\nwritten\nSeccomp: 2",
    );
}

#[test]
fn dockers_filter_lets_a_shell_work() {
    needs!(Root, Program("busybox"));
    says(
        "echo hello | cat; unshare -m true 2>&1 | grep -o 'not permitted'; ls / | wc -l",
        |config| {
            let filter = mini_runc::defaults::seccomp(&mini_runc::defaults::CAPABILITIES);
            config["linux"]["seccomp"] = serde_json::to_value(filter).unwrap();
        },
        "hello\nnot permitted\n6",
    );
}

#[test]
fn hooks_run_in_their_order_with_the_state() {
    needs!(Root, Program("busybox"));
    covers!(
        "hooks.prestart[].path",
        "hooks.prestart[].args",
        "hooks.createRuntime[].path",
        "hooks.createRuntime[].args",
        "hooks.createContainer[].path",
        "hooks.createContainer[].args",
        "hooks.poststart[].path",
        "hooks.poststart[].args",
        "hooks.poststop[].path",
        "hooks.poststop[].args"
    );
    each(|runtime| {
        let stage = Stage::new(runtime);
        let log = stage.dir.path().join("log");
        let hook = |name: &str| {
            let script = format!("cat > /dev/null; echo {name} >> {}", log.display());
            json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}])
        };
        stage.configure(|config| {
            config["process"]["args"] = json!(["true"]);
            config["hooks"] = json!({
                "prestart": hook("prestart"), "createRuntime": hook("createRuntime"),
                "createContainer": hook("createContainer"), "poststart": hook("poststart"),
                "poststop": hook("poststop"),
            });
        });
        stage.run().ok();
        let order = std::fs::read_to_string(&log).unwrap();
        let expected = "prestart createRuntime createContainer poststart poststop";
        assert_eq!(order.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{runtime:?}");
        // One that fails ends the container.
        stage.configure(|config| {
            config["hooks"] = json!({"createRuntime": [{"path": "/bin/false"}]});
        });
        assert_ne!(stage.run().code, 0);
    });
}

#[test]
fn a_user_namespace_maps_its_root() {
    needs!(Root, Program("busybox"));
    covers!("linux.namespaces[].type=user", "linux.uidMappings*", "linux.gidMappings*");
    each(|runtime| {
        let stage = Stage::new(runtime);
        // Its root must be able to reach the root file system.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(stage.dir.path(), open).unwrap();
        stage.configure(|config| {
            let map = json!([{"containerID": 0, "hostID": 100000, "size": 65536}]);
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map;
            config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
            config["mounts"].as_array_mut().unwrap().retain(|it| it["type"] != "cgroup");
            config["process"]["args"] = json!([
                "sh",
                "-c",
                "id -u; id -g; cat /proc/self/uid_map; head -c 2 /dev/zero | wc -c"
            ]);
        });
        let text = stage.run().ok();
        let words: Vec<_> = text.split_whitespace().collect();
        assert_eq!(words, ["0", "0", "0", "100000", "65536", "2"]);
    });
}

#[test]
fn a_root_file_system_can_be_read_only() {
    needs!(Root, Program("busybox"));
    covers!("root.path", "root.readonly");
    says(
        "touch /x 2>&1 | grep -o 'Read-only'; touch /dev/shm/x && echo written",
        |config| config["root"]["readonly"] = json!(true),
        "Read-only\nwritten",
    );
}

/// Its mounts would be the host's; crun makes them there, and they stay.
#[test]
fn without_a_mount_namespace_nothing_can_be_hidden() {
    needs!(Root, Program("busybox"));
    for runtime in Runtime::all().into_iter().filter(|it| *it != Runtime::Crun) {
        let stage = Stage::new(runtime);
        stage.configure(|config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|it| it["type"] != "mount");
        });
        stage.create().refused("without a private MNT namespace");
    }
}

#[test]
fn a_namespace_can_be_joined_by_its_path() {
    needs!(Root, Program("busybox"));
    covers!("linux.namespaces[].path");
    each(|runtime| {
        let first = Stage::new(runtime);
        first.configure(|_| {});
        first.create().ok();
        let pid = first.pid();
        let second = Stage::new(runtime);
        second.configure(|config| {
            for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
                if let kind @ ("network" | "pid") = namespace["type"].as_str().unwrap() {
                    let file = if kind == "network" { "net" } else { kind };
                    namespace["path"] = json!(format!("/proc/{pid}/ns/{file}"));
                }
            }
            config["process"]["args"] =
                json!(["sh", "-c", "readlink /proc/self/ns/net; test $$ != 1 && echo second"]);
        });
        let net = std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        assert_eq!(second.run().ok().trim(), format!("{}\nsecond", net.display()), "{runtime:?}");
    });
}
