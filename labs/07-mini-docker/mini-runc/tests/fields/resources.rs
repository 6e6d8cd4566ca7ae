//! Resources: each limit is read back from the file that the kernel keeps it in.

use std::{
    fs,
    slice::from_ref,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testbed::{Place, needs};

use crate::{
    bundle::{Runtime, Stage},
    covers, stage,
};

fn resources(value: Value) -> impl FnOnce(&mut Value) {
    |config| config["linux"]["resources"] = value
}

/// A file of the container's group in a tree of v1.
fn file(stage: &Stage, controller: &str, file: &str) -> String {
    let path = format!("/sys/fs/cgroup/{controller}/{}/{file}", stage.id);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
}

#[track_caller]
fn holds(value: Value, files: &[(&str, &str, &str)]) {
    let stage = stage(&["true"], resources(value));
    stage.create().ok();
    for (controller, name, expected) in files {
        assert_eq!(file(&stage, controller, name), *expected, "{name}");
    }
}

#[test]
fn memory_is_limited_on_v1() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    covers!(
        "linux.resources.memory.reservation",
        "linux.resources.memory.swap",
        "linux.resources.memory.swappiness",
        "linux.resources.memory.disableOOMKiller",
        "linux.resources.memory.kernelTCP",
        "linux.resources.memory.useHierarchy",
    );
    let memory = json!({"limit": 67108864, "reservation": 33554432, "swap": 134217728,
        "swappiness": 10, "disableOOMKiller": true, "kernelTCP": 1048576, "useHierarchy": true});
    holds(
        json!({"memory": memory}),
        &[
            ("memory", "memory.limit_in_bytes", "67108864"),
            ("memory", "memory.soft_limit_in_bytes", "33554432"),
            ("memory", "memory.memsw.limit_in_bytes", "134217728"),
            ("memory", "memory.swappiness", "10"),
            ("memory", "memory.kmem.tcp.limit_in_bytes", "1048576"),
            ("memory", "memory.use_hierarchy", "1"),
            ("memory", "memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0"),
        ],
    );
}

#[test]
fn what_the_kernel_has_no_place_for_is_said() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    covers!("linux.resources.memory.kernel");
    let output = stage(&["true"], resources(json!({"memory": {"kernel": 1048576}}))).run();
    assert!(output.stderr.contains("linux.resources.memory.kernel has no effect"), "{output:?}");
    output.ok();
}

#[test]
fn a_limit_below_what_is_used_is_refused_when_asked_to_look() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    covers!("linux.resources.memory.checkBeforeUpdate");
    let script =
        "dd if=/dev/zero of=/dev/shm/x bs=1M count=20 2>/dev/null; echo > /tmp/ready; sleep 1000";
    let stage = stage(&["sh", "-c", script], resources(json!({"memory": {"limit": 67108864}})));
    stage.create().ok();
    stage.on("start", &[]).ok();
    await_ready(&stage);
    let lower = stage.dir.path().join("lower.json");
    fs::write(&lower, json!({"memory": {"limit": 4194304, "checkBeforeUpdate": true}}).to_string())
        .unwrap();
    let update = stage.call(&["update", "-r", lower.to_str().unwrap(), &stage.id]);
    assert_ne!(update.code, 0, "{update:?}");
    assert_eq!(file(&stage, "memory", "memory.limit_in_bytes"), "67108864");
}

#[test]
fn processors_and_tasks_are_limited_on_v1() {
    needs!(Root, CgroupV1("cpu"), CgroupV1("cpuset"), Program("busybox"));
    covers!(
        "linux.resources.cpu.shares",
        "linux.resources.cpu.burst",
        "linux.resources.cpu.cpus",
        "linux.resources.cpu.mems",
        "linux.resources.cpu.idle",
    );
    let cpu = json!({"shares": 512, "quota": 20000, "period": 50000, "burst": 10000, "cpus": "0", "mems": "0"});
    holds(
        json!({"cpu": cpu, "pids": {"limit": 9}}),
        &[
            ("cpu", "cpu.shares", "512"),
            ("cpu", "cpu.cfs_quota_us", "20000"),
            ("cpu", "cpu.cfs_period_us", "50000"),
            ("cpu", "cpu.cfs_burst_us", "10000"),
            ("cpuset", "cpuset.cpus", "0"),
            ("cpuset", "cpuset.mems", "0"),
            ("pids", "pids.max", "9"),
        ],
    );
    holds(json!({"cpu": {"idle": 1}}), &[("cpu", "cpu.idle", "1")]);
}

/// Waits until the program has made /tmp/ready.
#[track_caller]
fn await_ready(stage: &Stage) {
    let ready = stage.bundle().join("rootfs/tmp/ready");
    let since = Instant::now();
    while !ready.exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "it never got ready");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_limit_that_comes_later_finds_its_tree() {
    needs!(Root, CgroupV1("cpuset"), CgroupV1("memory"), Program("busybox"));
    let script = "sleep 1000 & echo > /tmp/ready; wait";
    let stage = stage(&["sh", "-c", script], resources(json!({})));
    stage.create().ok();
    stage.on("start", &[]).ok();
    await_ready(&stage);
    let group = format!("/sys/fs/cgroup/cpuset/{}", stage.id);
    assert!(!fs::exists(&group).unwrap(), "it is there without need");
    stage.call(&["update", "--cpuset-cpus", "0", &stage.id]).ok();
    assert_eq!(file(&stage, "cpuset", "cpuset.cpus"), "0");
    let everybody = file(&stage, "memory", "cgroup.procs");
    assert_eq!(file(&stage, "cpuset", "cgroup.procs"), everybody);
    assert_eq!(everybody.lines().count(), 2, "{everybody}");
    stage.call(&["update", "--cpuset-cpus", "0", "--cpuset-mems", "0", &stage.id]).ok();
    stage.on("delete", &["--force"]).ok();
    assert!(!fs::exists(&group).unwrap(), "it is left behind");
}

/// Real time is handed down the tree of v1: a group has as much as its parent can spare.
#[test]
fn real_time_is_given_where_there_is_some_to_give() {
    needs!(Root, CgroupV1("cpu"), Program("busybox"));
    covers!(
        "linux.resources.cpu.realtimeRuntime",
        "linux.resources.cpu.realtimePeriod",
        "process.scheduler.policy=SCHED_FIFO",
        "process.scheduler.policy=SCHED_RR",
        "process.scheduler.priority",
    );
    let ours = fs::read_to_string("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").unwrap_or_default();
    let to_spare = ours.trim().parse().unwrap_or(0) > 20_000;
    for (policy, number) in [("SCHED_FIFO", "1"), ("SCHED_RR", "2")] {
        let args = ["awk", "{print $40, $41}", "/proc/self/stat"];
        let stage = stage(&args, |config| {
            config["process"]["scheduler"] = json!({"policy": policy, "priority": 7});
            if to_spare {
                config["linux"]["resources"] =
                    json!({"cpu": {"realtimeRuntime": 10000, "realtimePeriod": 500000}});
            }
        });
        if to_spare {
            stage.create().ok();
            assert_eq!(file(&stage, "cpu", "cpu.rt_runtime_us"), "10000");
            assert_eq!(file(&stage, "cpu", "cpu.rt_period_us"), "500000");
            stage.call(&["delete", "--force", &stage.id]).ok();
            assert_eq!(stage.run().ok().trim(), format!("7 {number}"));
        } else {
            stage.run().refused("on cgroup v1 the group also needs cpu.rt_runtime_us");
        }
    }
}

#[test]
fn block_devices_are_limited_on_v1() {
    needs!(Root, CgroupV1("blkio"), Program("busybox"));
    covers!(
        "linux.resources.blockIO.weight",
        "linux.resources.blockIO.throttle*",
        "linux.resources.devices[].type",
        "linux.resources.devices[].major",
        "linux.resources.devices[].minor",
    );
    // The first whole disk of this machine.
    let partitions = fs::read_to_string("/proc/partitions").unwrap();
    let words: Vec<u64> = partitions
        .lines()
        .filter(|line| !line.contains("zram") && !line.contains("loop"))
        .nth(2)
        .unwrap()
        .split_whitespace()
        .take(2)
        .map(|it| it.parse().unwrap())
        .collect();
    let (major, minor) = (words[0], words[1]);
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    let device = format!("{major}:{minor}");
    let block_io = json!({"weight": 500,
        "throttleReadBpsDevice": rate(1048576), "throttleWriteBpsDevice": rate(2097152),
        "throttleReadIOPSDevice": rate(100), "throttleWriteIOPSDevice": rate(200)});
    let rules = json!([{"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}]);
    let stage = stage(&["true"], resources(json!({"blockIO": block_io, "devices": rules})));
    stage.create().ok();
    let holds = |name: &str, number: &str| {
        assert_eq!(file(&stage, "blkio", name), format!("{device} {number}"), "{name}");
    };
    holds("blkio.throttle.read_bps_device", "1048576");
    holds("blkio.throttle.write_bps_device", "2097152");
    holds("blkio.throttle.read_iops_device", "100");
    holds("blkio.throttle.write_iops_device", "200");
    assert!(file(&stage, "blkio", "blkio.bfq.weight").ends_with("500"));
    let list = file(&stage, "devices", "devices.list");
    assert!(list.lines().any(|line| line == "c 10:229 rw"), "{list}");
    assert!(!list.contains("a *:*"), "{list}");
}

/// A bundle for the root of a machine with cgroup v2 alone.
const ON_V2: &str = r##"
    cd "$(mktemp -d)"; trap 'rm -rf "$PWD"' EXIT
    mkdir -p b/rootfs/bin b/rootfs/proc b/rootfs/dev b/rootfs/sys
    cp /bin/busybox b/rootfs/bin/
    for it in sh cat head; do ln -s busybox b/rootfs/bin/$it; done
    "$BIN" spec --bundle b
    sed -i 's/"terminal": true/"terminal": false/' b/config.json
    resources() { sed "s#\"linux\": {#\"linux\": {\"resources\": $1,#" b/config.json > new; mv new b/config.json; }
    run() { sed "s#\"sh\"#\"sh\", \"-c\", \"$1\"#" b/config.json > new; mv new b/config.json; "$BIN" --root state run -b b box; }
"##;

#[test]
fn everything_is_limited_on_v2() {
    let place = Place::GuestRoot;
    needs!(In(place), Program("busybox"));
    covers!("linux.resources.unified");
    let resources = json!({
        "memory": {"limit": 67108864, "reservation": 33554432, "swap": 134217728},
        "cpu": {"shares": 2048, "quota": 20000, "period": 50000, "burst": 10000},
        "pids": {"limit": 9}, "unified": {"memory.high": "50331648", "cgroup.max.depth": "3"},
    });
    let files = "memory.max memory.low memory.swap.max memory.high cpu.max cpu.max.burst pids.max cgroup.max.depth";
    let script = format!("{ON_V2} resources '{resources}'; run 'cd /sys/fs/cgroup; cat {files}'");
    let output = place.shell(Runtime::MiniRunc.name(), &script);
    assert_eq!(output.code, 0, "{output}");
    let values: Vec<_> = output.stdout.lines().collect();
    let expected =
        ["67108864", "33554432", "67108864", "50331648", "20000 50000", "10000", "9", "3"];
    assert_eq!(values, expected);
}

#[test]
fn v2_says_what_it_has_no_file_for() {
    let place = Place::GuestRoot;
    needs!(In(place), Program("busybox"));
    covers!("linux.resources.network.*", "linux.resources.blockIO.leafWeight");
    let network = json!({"classID": 1048577, "priorities": [{"name": "lo", "priority": 5}]});
    let resources =
        json!({"memory": {"swappiness": 10}, "network": network, "blockIO": {"leafWeight": 10}});
    let script = format!("{ON_V2} resources '{resources}'; run true");
    let output = place.shell(Runtime::MiniRunc.name(), &script);
    assert_eq!(output.code, 0, "{output}");
    let fields =
        ["memory.swappiness", "network.classID", "network.priorities", "blockIO.leafWeight"];
    for field in fields {
        assert!(
            output.stderr.contains(&format!("linux.resources.{field} has no effect")),
            "{output}"
        );
    }
}

/// Which ways to open /dev/fuse these rules leave: its node takes no capability, so nobody but the
/// rules can refuse. Asked of `runc`, too, unless what it answers is not what v1 does.
#[track_caller]
fn fuse_opens(rules: &[Value], runtimes: &[&str], ways: &str) {
    let node = json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229});
    let resources = json!({ "devices": rules });
    let script = "test -c /dev/fuse || echo no node; \
        if (exec 3</dev/fuse) 2>/dev/null; then echo r; fi; \
        if (exec 3>/dev/fuse) 2>/dev/null; then echo w; fi; \
        if (exec 3<>/dev/fuse) 2>/dev/null; then echo rw; fi; head -c 3 /dev/zero | wc -c";
    for runtime in runtimes {
        let script = format!(
            "{ON_V2} resources '{resources}, \"devices\": [{node}]'; BIN={runtime}; run '{script}'"
        );
        let output = Place::GuestRoot.shell(Runtime::MiniRunc.name(), &script);
        assert_eq!(output.stdout, format!("{ways}3\n"), "{runtime}: {rules:?} {output}");
    }
}

#[test]
fn a_device_program_decides_on_v2() {
    needs!(In(Place::GuestRoot), Program("busybox"));
    let nothing = json!({"allow": false, "access": "rwm"});
    let everything = json!({"allow": true, "access": "rwm"});
    let fuse = |allow: bool, access: &str| {
        let of = json!({"type": "c", "major": 10, "minor": 229});
        let mut rule = json!({"allow": allow, "access": access});
        rule.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
        rule
    };
    let (all, ours) = (["runc", "$BIN"], ["$BIN"]);
    fuse_opens(from_ref(&nothing), &all, "");
    fuse_opens(from_ref(&everything), &all, "r\nw\nrw\n");
    fuse_opens(&[nothing.clone(), fuse(true, "rwm")], &all, "r\nw\nrw\n");
    // A denial of one way is none of the others, and refuses who asks for both.
    fuse_opens(&[nothing.clone(), fuse(true, "rwm"), fuse(false, "w")], &all, "r\n");
    fuse_opens(&[nothing, fuse(true, "r"), fuse(true, "w")], &all, "r\nw\nrw\n");
    // What runc lets through on v2, and not on v1.
    fuse_opens(&[everything, fuse(false, "w")], &ours, "r\n");
}

#[test]
fn a_controller_that_the_machine_does_not_have_is_named() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    covers!("linux.resources.rdma*");
    let rdma = json!({"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}});
    stage(&["true"], resources(rdma)).create().refused("rdma");
}

#[test]
fn a_class_of_service_needs_resctrl() {
    needs!(Root, Program("busybox"));
    covers!("linux.intelRdt.*");
    let mounted = fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - resctrl ");
    let output = stage(&["true"], |config| {
        config["linux"]["intelRdt"] = json!({"l3CacheSchema": "L3:0=1", "memBwSchema": "MB:0=20",
            "schemata": ["L2:0=1"], "enableMonitoring": true});
    });
    if !mounted {
        output.run().refused("no resctrl is mounted");
    }
}
