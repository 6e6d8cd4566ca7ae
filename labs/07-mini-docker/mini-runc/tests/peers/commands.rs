//! The command line: what engines type, and what they read of the answer.

use std::{fs, io::Write, process::Stdio};

use serde_json::{Value, json};
use testbed::needs;

use crate::{
    bundle::{Runtime, Stage},
    each,
};

/// A container that runs.
fn running(runtime: Runtime, script: &str) -> Stage {
    let stage = Stage::with_script(runtime, script);
    stage.create().ok();
    stage.on("start", &[]).ok();
    stage
}

fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never");
}

#[test]
fn what_goes_well_is_silent() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        let stage = Stage::new(runtime);
        stage.configure(|_| {});
        let silent = |verb: &str, args: &[&str]| {
            let output = stage.on(verb, args);
            assert_eq!(
                (output.code, output.stdout.as_str(), output.stderr.as_str()),
                (0, "", ""),
                "{verb}"
            );
        };
        let bundle = stage.bundle();
        let created = stage.call(&["create", "-b", bundle.to_str().unwrap(), &stage.id]);
        assert_eq!(
            (created.code, created.stdout, created.stderr),
            (0, String::new(), String::new())
        );
        silent("start", &[]);
        silent("pause", &[]);
        silent("resume", &[]);
        let updated = stage.call(&["update", "--pids-limit", "50", &stage.id]);
        assert_eq!(
            (updated.code, updated.stdout, updated.stderr),
            (0, String::new(), String::new())
        );
        silent("kill", &["KILL"]);
        stage.until("stopped");
        silent("delete", &[]);
    });
}

#[test]
fn a_container_that_is_not_there_is_told_in_words_that_engines_look_for() {
    needs!(Root, Program("busybox"));
    // crun 1.8 has words of its own, and engines know both.
    for runtime in [Runtime::Runc, Runtime::MiniRunc] {
        let stage = Stage::new(runtime);
        for verb in ["state", "start", "kill", "delete", "pause", "resume", "ps"] {
            stage.on(verb, &[]).refused("container does not exist");
        }
        stage.on("exec", &["true"]).refused("container does not exist");
        stage.call(&["update", "--memory", "64m", &stage.id]).refused("container does not exist");
        stage.call(&["events", "--stats", &stage.id]).refused("container does not exist");
        stage.call(&["delete", "--force", &stage.id]).ok();
    }
}

#[test]
fn a_signal_is_named_in_four_ways() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        let script = "for it in USR1 USR2 HUP WINCH 37; do trap \"echo $it >> /tmp/got\" $it; done; \
                      echo ready > /tmp/got; while :; do sleep 0.02; done";
        let stage = running(runtime, script);
        let got = stage.bundle().join("rootfs/tmp/got");
        let text = || fs::read_to_string(&got).unwrap_or_default();
        until(|| text() == "ready\n");
        let mut expected = "ready\n".to_owned();
        let ways =
            [("USR1", "USR1"), ("SIGUSR2", "USR2"), ("1", "HUP"), ("28", "WINCH"), ("37", "37")];
        for (typed, name) in ways {
            stage.on("kill", &[typed]).ok();
            expected += &format!("{name}\n");
            until(|| text() == expected);
        }
        stage.call(&["kill", "--all", &stage.id, "KILL"]).ok();
        stage.until("stopped");
    });
}

#[test]
fn containers_and_their_processes_are_listed() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        let stage = running(runtime, "sleep 1000 & wait");
        let pid = stage.pid();
        let bundle = stage.bundle();
        assert_eq!(stage.call(&["list", "-q"]).ok().trim(), stage.id);
        let table = stage.call(&["list"]).ok();
        let lines: Vec<Vec<_>> = table.lines().map(|it| it.split_whitespace().collect()).collect();
        assert_eq!(lines[1][..3], [stage.id.as_str(), &pid.to_string(), "running"]);
        let listed: Value =
            serde_json::from_str(&stage.call(&["list", "-f", "json"]).ok()).unwrap();
        assert_eq!(listed[0]["id"], json!(stage.id));
        assert_eq!(listed[0]["pid"], json!(pid));
        assert_eq!(listed[0]["status"], "running");
        assert_eq!(listed[0]["bundle"], json!(bundle));
        until(|| {
            let pids = stage.call(&["ps", "-f", "json", &stage.id]).ok();
            let pids: Vec<i32> = serde_json::from_str(&pids).unwrap();
            pids.contains(&pid) && pids.len() == 2
        });
        let table = stage.call(&["ps", &stage.id]).ok();
        assert!(table.contains("PID") && table.contains(&pid.to_string()), "{table}");
    });
}

#[test]
fn a_process_that_joins_has_what_it_is_given() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        let stage = running(runtime, "sleep 1000");
        let call = |options: &[&str], args: &[&str]| {
            stage.call(&[&["exec"], options, &[stage.id.as_str()], args].concat())
        };
        let process = json!({
            "args": ["sh", "-c", "echo $WORD; id -u; pwd; grep CapPrm /proc/self/status"],
            "env": ["PATH=/bin", "WORD=w"], "cwd": "/tmp", "user": {"uid": 5, "gid": 6},
            "capabilities": {"bounding": ["CAP_KILL"], "permitted": [], "effective": []}
        });
        let file = stage.dir.path().join("process.json");
        fs::write(&file, process.to_string()).unwrap();
        let text = call(&["--process", file.to_str().unwrap()], &[]).ok();
        assert_eq!(text.replace('\t', " "), "w\n5\n/tmp\nCapPrm: 0000000000000000\n");
        // crun 1.8 knows no -g, and gives a capability to fewer sets.
        if runtime != Runtime::Crun {
            let groups = call(&["-g", "7", "-g", "8", "-u", "1:2"], &["id", "-G"]).ok();
            assert_eq!(groups.trim(), "2 7 8");
            let bounding = ["grep", "CapBnd", "/proc/self/status"];
            let bounding = call(&["--cap", "CAP_SYS_TIME"], &bounding).ok();
            assert!(bounding.contains("0000000022000420"), "{bounding}");
        }
        let nnp = call(&["--no-new-privs"], &["grep", "NoNewPrivs", "/proc/self/status"]).ok();
        assert!(nnp.ends_with("1\n"), "{nnp}");
        let pid_file = stage.dir.path().join("exec.pid");
        call(&["-d", "--pid-file", pid_file.to_str().unwrap()], &["sleep", "500"]).ok();
        let pid: i32 = fs::read_to_string(pid_file).unwrap().parse().unwrap();
        let words = || fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        until(|| words().contains("500"));
    });
}

#[test]
fn a_process_that_nobody_can_be_told_of_does_not_run() {
    needs!(Root, Program("busybox"));
    // crun 1.8 leaves it running.
    for runtime in [Runtime::Runc, Runtime::MiniRunc] {
        let stage = running(runtime, "sleep 1000");
        let told = ["exec", "-d", "--pid-file", "/nowhere/pid", &stage.id, "sleep", "500"];
        assert_ne!(stage.call(&told).code, 0);
        let pids = || {
            let pids = stage.call(&["ps", "-f", "json", &stage.id]).ok();
            serde_json::from_str::<Vec<i32>>(&pids).unwrap()
        };
        until(|| pids() == [stage.pid()]);
    }
}

/// A file of the container's group, below the tree of this controller or in v2's.
fn limit(stage: &Stage, controller: &str, file: &str) -> String {
    let path = format!("/sys/fs/cgroup/{controller}/{}/{file}", stage.id);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
}

#[test]
fn limits_of_a_container_that_runs_are_changed() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    each(|runtime| {
        let stage = Stage::new(runtime);
        stage.configure(|config| {
            config["linux"]["resources"] = json!({
                "memory": {"limit": 67108864}, "pids": {"limit": 9},
                "cpu": {"shares": 512, "quota": 50000, "period": 100000}
            });
        });
        stage.create().ok();
        let update = |options: &[&str]| stage.call(&[&["update"], options, &[&stage.id]].concat());
        update(&["--memory", "134217728", "--pids-limit", "20", "--cpu-share", "256"]).ok();
        assert_eq!(limit(&stage, "memory", "memory.limit_in_bytes"), "134217728");
        assert_eq!(limit(&stage, "pids", "pids.max"), "20");
        assert_eq!(limit(&stage, "cpu", "cpu.shares"), "256");
        update(&["--cpu-quota", "20000"]).ok();
        assert_eq!(limit(&stage, "cpu", "cpu.cfs_quota_us"), "20000");
        assert_eq!(limit(&stage, "cpu", "cpu.cfs_period_us"), "100000");
        // What was set before stays.
        assert_eq!(limit(&stage, "pids", "pids.max"), "20");
        let resources =
            json!({"memory": {"limit": 33554432}, "cpu": {"period": 50000, "quota": 5000}});
        let mut child = stage
            .command(&["update", "--resources", "-", &stage.id])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(resources.to_string().as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(limit(&stage, "memory", "memory.limit_in_bytes"), "33554432");
        assert_eq!(limit(&stage, "cpu", "cpu.cfs_period_us"), "50000");
    });
}

#[test]
fn what_an_update_does_not_ask_for_stays_and_no_limit_on_memory_is_none_on_the_sum() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    // crun 1.8 writes the zeros.
    for runtime in [Runtime::Runc, Runtime::MiniRunc] {
        let stage = Stage::new(runtime);
        stage.configure(|config| {
            config["linux"]["resources"] = json!({
                "memory": {"limit": 67108864, "swap": 134217728}, "pids": {"limit": 9}
            });
        });
        stage.create().ok();
        let file = stage.dir.path().join("update.json");
        let update = |resources: Value| {
            fs::write(&file, resources.to_string()).unwrap();
            stage.call(&["update", "-r", file.to_str().unwrap(), &stage.id]).ok();
        };
        let memory = |name: &str| limit(&stage, "memory", &format!("memory.{name}limit_in_bytes"));
        // Engines write 0 for what they do not ask for.
        update(
            json!({"memory": {"limit": 0, "reservation": 0, "swap": 268435456}, "cpu": {"shares": 0}}),
        );
        assert_eq!((memory(""), memory("memsw.")), ("67108864".into(), "268435456".into()));
        update(json!({"cpu": {"shares": 300}}));
        assert_eq!((memory(""), memory("memsw.")), ("67108864".into(), "268435456".into()));
        stage.call(&["update", "--memory", "-1", &stage.id]).ok();
        for name in ["", "memsw."] {
            assert!(memory(name).len() > 18, "{}", memory(name));
        }
        stage
            .call(&["update", "--memory", "33554432", "--memory-swap", "67108864", &stage.id])
            .ok();
        assert_eq!((memory(""), memory("memsw.")), ("33554432".into(), "67108864".into()));
    }
}

#[test]
fn what_a_container_uses_is_told_in_one_shape() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    // crun has no events.
    for runtime in [Runtime::Runc, Runtime::MiniRunc] {
        let stage = Stage::new(runtime);
        stage.configure(|config| {
            config["linux"]["resources"] =
                json!({"memory": {"limit": 67108864}, "pids": {"limit": 9}});
            config["process"]["args"] = json!(["sh", "-c", "sleep 1000"]);
        });
        stage.create().ok();
        stage.on("start", &[]).ok();
        let line = stage.call(&["events", "--stats", &stage.id]).ok();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(stage.id)));
        let data = &event["data"];
        assert_eq!(data["memory"]["usage"]["limit"], 67108864);
        assert_eq!(data["pids"]["limit"], 9);
        assert_eq!(data["pids"]["current"], 1);
        assert!(data["memory"]["usage"]["usage"].as_u64().unwrap() > 0);
        assert!(data["memory"]["raw"]["rss"].is_u64(), "{data}");
        assert!(data["cpu"]["usage"]["total"].as_u64().unwrap() > 0);
        assert!(data["cpu"]["usage"]["user"].is_u64() && data["cpu"]["usage"]["kernel"].is_u64());
        assert!(data["hugetlb"].is_object() && data["blkio"].is_object());
    }
}

#[test]
fn a_kill_for_want_of_memory_is_told() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    for runtime in [Runtime::Runc, Runtime::MiniRunc] {
        let stage = Stage::new(runtime);
        stage.configure(|config| {
            config["linux"]["resources"] = json!({"memory": {"limit": 16777216, "swap": 16777216}});
            let script = "while ! test -e /tmp/go; do sleep 0.02; done; \
                          sh -c 'echo 1000 > /proc/self/oom_score_adj; exec tail -c 64m /dev/zero > /dev/null'; sleep 0.5";
            config["process"]["args"] = json!(["sh", "-c", script]);
        });
        stage.create().ok();
        stage.on("start", &[]).ok();
        let mut child = stage
            .command(&["events", "--interval", "1h", &stage.id])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        // Nothing tells when it listens.
        std::thread::sleep(std::time::Duration::from_secs(1));
        fs::write(stage.bundle().join("rootfs/tmp/go"), "").unwrap();
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(event, json!({"type": "oom", "id": stage.id}), "{runtime:?}");
        stage.until("stopped");
        stage.on("delete", &[]).ok();
        let _ = child.wait();
    }
}
