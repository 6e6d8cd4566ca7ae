//! The process: how it is scheduled, what it may, what its clocks say.

use serde_json::{Value, json};
use testbed::needs;

use crate::{covers, refuses, says, stage};

/// Nice, real-time priority and policy of the first process (man 5 proc_pid_stat). One program and no
/// shell: a process under SCHED_DEADLINE must not fork.
const POLICY: [&str; 3] = ["awk", "{print $19, $40, $41}", "/proc/self/stat"];

fn scheduler(value: Value) -> impl FnOnce(&mut Value) {
    |config| config["process"]["scheduler"] = value
}

/// The host's programs and libraries, for what busybox does not have.
fn with_programs_of_the_host(config: &mut Value) {
    for (source, destination) in [("/usr", "/usr"), ("/usr/lib", "/lib"), ("/usr/lib64", "/lib64")]
    {
        let bind =
            json!({"destination": destination, "source": source, "options": ["rbind", "ro"]});
        config["mounts"].as_array_mut().unwrap().push(bind);
    }
}

#[test]
fn the_scheduler_is_the_one_asked_for() {
    needs!(Root, Program("busybox"));
    covers!(
        "process.scheduler.policy=SCHED_OTHER",
        "process.scheduler.policy=SCHED_BATCH",
        "process.scheduler.policy=SCHED_IDLE",
        "process.scheduler.nice",
    );
    says(&POLICY, scheduler(json!({"policy": "SCHED_OTHER", "nice": 5})), "5 0 0");
    says(&POLICY, scheduler(json!({"policy": "SCHED_BATCH", "nice": -3})), "-3 0 3");
    says(&POLICY, scheduler(json!({"policy": "SCHED_IDLE"})), "0 0 5");
}

#[test]
fn a_deadline_has_its_three_times() {
    needs!(Root, Program("busybox"), Program("chrt"));
    covers!(
        "process.scheduler.policy=SCHED_DEADLINE",
        "process.scheduler.runtime",
        "process.scheduler.deadline",
        "process.scheduler.period",
        "process.scheduler.flags=SCHED_FLAG_RESET_ON_FORK",
        "process.scheduler.flags=SCHED_FLAG_RECLAIM",
        "process.scheduler.flags=SCHED_FLAG_DL_OVERRUN",
    );
    let deadline = |flags: &[&str]| {
        json!({"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 10000000,
            "period": 20000000, "flags": flags})
    };
    says(&POLICY, scheduler(deadline(&["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"])), "0 0 6");
    let output = stage(&["/usr/bin/chrt", "--pid", "0"], |config| {
        with_programs_of_the_host(config);
        config["process"]["scheduler"] = deadline(&["SCHED_FLAG_RESET_ON_FORK"]);
    });
    let text = output.run().ok();
    assert!(text.contains("SCHED_DEADLINE|SCHED_RESET_ON_FORK"), "{text}");
    assert!(text.contains("1000000/10000000/20000000"), "{text}");
}

#[test]
fn a_scheduler_that_means_nothing_is_refused() {
    needs!(Root, Program("busybox"));
    covers!("process.scheduler.policy=SCHED_ISO");
    // Linux has a number for it and nothing behind it.
    refuses(scheduler(json!({"policy": "SCHED_ISO"})), "SCHED_ISO has none");
    refuses(scheduler(json!({"policy": "SCHED_SOON"})), "is none of its words");
    refuses(scheduler(json!({"policy": "SCHED_OTHER", "priority": 3})), "has no priorities");
}

#[test]
fn the_io_priority_is_the_one_asked_for() {
    needs!(Root, Program("busybox"));
    covers!("process.ioPriority.*");
    let priority = |class: &str, level: i32| {
        let value = json!({"class": class, "priority": level});
        move |config: &mut Value| config["process"]["ioPriority"] = value
    };
    says(&["ionice"], priority("IOPRIO_CLASS_RT", 2), "realtime: prio 2");
    says(&["ionice"], priority("IOPRIO_CLASS_BE", 7), "best-effort: prio 7");
    says(&["ionice"], priority("IOPRIO_CLASS_IDLE", 0), "idle");
    refuses(priority("IOPRIO_CLASS_BE", 8), "0, served first, to 7");
}

#[test]
fn memory_comes_from_the_nodes_asked_for() {
    needs!(Root, Program("busybox"));
    covers!("linux.memoryPolicy.*");
    let policy = |mode: &str, nodes: &str, flags: &[&str]| {
        let value = json!({"mode": mode, "nodes": nodes, "flags": flags});
        move |config: &mut Value| config["linux"]["memoryPolicy"] = value
    };
    // Address, policy, file (man 5 proc_pid_numa_maps).
    let script = "NR == 1 {sub(/^[^ ]+ /, \"\"); sub(/ file=.*/, \"\"); print}";
    let maps = ["awk", script, "/proc/self/numa_maps"];
    let (fixed, relative) = (["MPOL_F_STATIC_NODES"], ["MPOL_F_RELATIVE_NODES"]);
    says(&maps, policy("MPOL_DEFAULT", "", &[]), "default");
    says(&maps, policy("MPOL_LOCAL", "", &[]), "local");
    says(&maps, policy("MPOL_PREFERRED", "0", &[]), "prefer:0");
    says(&maps, policy("MPOL_BIND", "0", &["MPOL_F_NUMA_BALANCING"]), "bind=balancing:0");
    says(&maps, policy("MPOL_INTERLEAVE", "0", &relative), "interleave=relative:0");
    says(&maps, policy("MPOL_PREFERRED_MANY", "0", &fixed), "prefer (many)=static:0");
    says(&maps, policy("MPOL_WEIGHTED_INTERLEAVE", "0", &[]), "weighted interleave:0");
    refuses(policy("MPOL_BIND", "", &[]), "wants nodes");
    refuses(policy("MPOL_BIND", "1000", &[]), "a node is not there");
}

#[test]
fn a_process_that_joins_begins_and_goes_on_on_its_cpus() {
    needs!(Root, Program("busybox"));
    covers!("process.execCPUAffinity.*");
    let affinity = json!({"initial": "0", "final": "0"});
    let stage = stage(&["sleep", "1000"], |config| {
        config["process"]["execCPUAffinity"] = affinity.clone();
    });
    stage.create().ok();
    stage.on("start", &[]).ok();
    let listed = |text: &str| text.split_whitespace().last().unwrap().to_owned();
    let file = stage.dir.path().join("process.json");
    let allowed = |affinity: Value, pid: &str| {
        let args = json!(["grep", "Cpus_allowed_list", format!("/proc/{pid}/status")]);
        let process =
            json!({"args": args, "cwd": "/", "env": ["PATH=/bin"], "execCPUAffinity": affinity});
        std::fs::write(&file, process.to_string()).unwrap();
        stage.call(&["exec", "--process", file.to_str().unwrap(), &stage.id])
    };
    let list = |affinity: Value, pid: &str| listed(&allowed(affinity, pid).ok());
    // Not applicable to the container's first process.
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find(|line| line.starts_with("Cpus_allowed_list")).map(listed).unwrap();
    assert_eq!(list(affinity.clone(), "1"), own);
    assert_eq!(list(affinity, "self"), "0");
    assert_eq!(list(json!({"initial": "0"}), "self"), "0");
    if std::thread::available_parallelism().unwrap().get() > 1 {
        assert_eq!(list(json!({"initial": "1"}), "self"), "1");
        assert_eq!(list(json!({"initial": "0", "final": "1"}), "self"), "1");
        assert_eq!(list(json!({"initial": "1", "final": "0-1"}), "self"), "0-1");
    }
    allowed(json!({"initial": "9000"}), "self").refused("process.execCPUAffinity.initial");
}

#[test]
fn clocks_are_moved_in_a_time_namespace() {
    needs!(Root, Program("busybox"));
    covers!("linux.timeOffsets.*", "linux.namespaces[].type=time");
    let time = |config: &mut Value| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "time"}));
    };
    let offsets = json!({"monotonic": {"secs": 86400, "nanosecs": 5},
        "boottime": {"secs": 604800, "nanosecs": 999999999}});
    let args = ["sh", "-c", "cat /proc/self/timens_offsets | tr -s ' '; cut -d. -f1 /proc/uptime"];
    let stage = stage(&args, |config| {
        time(config);
        config["linux"]["timeOffsets"] = offsets.clone();
    });
    let text = stage.run().ok();
    let (lines, uptime) = text.trim().rsplit_once('\n').unwrap();
    assert_eq!(lines, "monotonic 86400 5\nboottime 604800 999999999");
    assert!(uptime.parse::<u64>().unwrap() > 604_800, "{uptime}");
    refuses(|config| config["linux"]["timeOffsets"] = offsets, "linux.namespaces has no new");
}

#[test]
fn a_terminal_has_the_size_asked_for() {
    needs!(Root, Program("busybox"));
    covers!("process.consoleSize.*", "process.env");
    let stage = stage(&["sh", "-c", "stty size; echo $GREETING"], |config| {
        config["process"]["terminal"] = json!(true);
        config["process"]["consoleSize"] = json!({"height": 33, "width": 111});
        config["process"]["env"] = json!(["PATH=/bin", "GREETING=hello"]);
    });
    // No terminal is ours here, so nothing but config.json gives it a size.
    assert_eq!(stage.run().ok().replace('\r', ""), "33 111\nhello\n");
}

#[test]
fn labels_are_refused_where_the_kernel_has_none() {
    needs!(Root, Program("busybox"));
    covers!("process.apparmorProfile", "process.selinuxLabel", "linux.mountLabel");
    let has =
        |path: &str, word: &str| std::fs::read_to_string(path).is_ok_and(|it| it.contains(word));
    if !has("/sys/module/apparmor/parameters/enabled", "Y") {
        let profile = |config: &mut Value| config["process"]["apparmorProfile"] = json!("x");
        refuses(profile, "this kernel runs without AppArmor");
    }
    if !has("/proc/filesystems", "selinuxfs") {
        let label = json!("system_u:system_r:container_t:s0");
        let of_mounts = label.clone();
        refuses(|config| config["process"]["selinuxLabel"] = label, "SELinux");
        refuses(|config| config["linux"]["mountLabel"] = of_mounts, "SELinux");
    }
}

#[test]
fn what_the_caller_cannot_give_is_said_and_left_out() {
    needs!(Root, Program("busybox"), Program("capsh"));
    let stage = stage(&["sh", "-c", "ulimit -Hn; grep CapEff /proc/self/status"], |config| {
        let sets = ["bounding", "effective", "permitted"];
        for set in sets {
            config["process"]["capabilities"][set] =
                json!(["CAP_KILL", "CAP_SYS_RESOURCE", "CAP_NO_SUCH_THING"]);
        }
        config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 900}]);
        config["process"]["oomScoreAdj"] = json!(-999);
    });
    let bundle = stage.bundle();
    let run = format!(
        "ulimit -n 500; echo 100 > /proc/self/oom_score_adj; exec capsh --drop=cap_sys_resource -- \
         -c '{} --root {} run -b {} {}'",
        stage.runtime.name(),
        stage.state_root().display(),
        bundle.display(),
        stage.id
    );
    let output = std::process::Command::new("bash").args(["-c", &run]).output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out.replace('\t', " ").trim(), "500\nCapEff: 0000000000000020", "{err}");
    for words in ["RLIMIT_NOFILE becomes 500", "no capability \"CAP_NO_SUCH_THING\"", "oomScoreAdj"]
    {
        assert!(err.contains(words), "{words}: {err}");
    }
}

#[test]
fn a_version_is_understood_or_refused() {
    needs!(Root, Program("busybox"));
    covers!("ociVersion");
    let version = |text: &str| {
        let text = json!(text);
        move |config: &mut Value| config["ociVersion"] = text
    };
    for text in ["1.0.0", "1.0.2-dev", "1.1.0+dev", "1.2.1", "1.3.0", "1.0.0-rc5"] {
        says(&["echo", "runs"], version(text), "runs");
    }
    for text in ["", "1", "1.0", "v1.0.0", "1.0.0.0", "0.9.0", "2.0.0", "1.x.0"] {
        refuses(version(text), "1.0.0 to 1.3.0 are understood");
    }
    let newer = stage(&["true"], version("1.9.0")).run();
    assert!(newer.stderr.contains("newer than 1.3 is not known"), "{newer:?}");
    newer.ok();
}

#[test]
fn the_execution_domain_decides_what_the_machine_is_called() {
    needs!(Root, Program("busybox"));
    covers!("linux.personality.domain*", "domainname");
    let domain = |name: &str| {
        let name = json!(name);
        move |config: &mut Value| config["linux"]["personality"] = json!({"domain": name})
    };
    says(&["uname", "-m"], domain("LINUX32"), "i686");
    says(&["uname", "-m"], domain("LINUX"), std::env::consts::ARCH);
    refuses(domain("LINUX64"), "LINUX and LINUX32 are accepted");
    let domainname = |config: &mut Value| config["domainname"] = json!("example.org");
    says(&["cat", "/proc/sys/kernel/domainname"], domainname, "example.org");
}
