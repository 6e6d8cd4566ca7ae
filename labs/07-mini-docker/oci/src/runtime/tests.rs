//! What `runc spec` and Docker write must be read, and written again with the same meaning.

use super::*;
use serde_json::{Value, json};

/// One value for every field of the specification that we know, so that a misspelt name shows.
fn everything() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "process": {
            "terminal": true, "consoleSize": {"height": 25, "width": 80},
            "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5, 6]},
            "args": ["sh"], "env": ["PATH=/bin"], "cwd": "/",
            "capabilities": {
                "bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"],
                "permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true, "apparmorProfile": "docker-default", "oomScoreAdj": -500,
            "selinuxLabel": "a:b:c", "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 4},
            "scheduler": {"policy": "SCHED_DEADLINE", "nice": 1, "priority": 2,
                "flags": ["SCHED_FLAG_RESET_ON_FORK"], "runtime": 1, "deadline": 2, "period": 3},
            "execCPUAffinity": {"initial": "0-1", "final": "1"}
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "box", "domainname": "example.org",
        "mounts": [{
            "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"],
            "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]
        }],
        "hooks": {
            "prestart": [{"path": "/a", "args": ["a"], "env": ["A=b"], "timeout": 5}],
            "createRuntime": [{"path": "/b"}], "createContainer": [{"path": "/c"}],
            "startContainer": [{"path": "/d"}], "poststart": [{"path": "/e"}],
            "poststop": [{"path": "/f"}]
        },
        "annotations": {"org.example.key": "value"},
        "linux": linux()
    })
}

fn linux() -> Value {
    json!({
        "namespaces": [
            {"type": "pid"}, {"type": "network", "path": "/proc/1/ns/net"}, {"type": "mount"},
            {"type": "ipc"}, {"type": "uts"}, {"type": "user"}, {"type": "cgroup"}, {"type": "time"}
        ],
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 32000}],
        "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 32000}],
        "timeOffsets": {"monotonic": {"secs": 172800, "nanosecs": 1}},
        "devices": [{"type": "c", "path": "/dev/fuse", "major": 10, "minor": 229,
            "fileMode": 438, "uid": 0, "gid": 0}],
        "netDevices": {"eth0": {"name": "container_eth0"}},
        "cgroupsPath": "/docker/x",
        "resources": resources(),
        "intelRdt": {"closID": "guaranteed_group", "l3CacheSchema": "L3:0=7f0",
            "memBwSchema": "MB:0=20", "schemata": ["L2:0=f"], "enableMonitoring": true},
        "memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "2-3",
            "flags": ["MPOL_F_STATIC_NODES"]},
        "sysctl": {"net.ipv4.ip_unprivileged_port_start": "0"},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "/run/s", "listenerMetadata": "m",
            "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "errnoRet": 38,
                "args": [{"index": 0, "value": 2114060288u64, "valueTwo": 0,
                    "op": "SCMP_CMP_MASKED_EQ"}]}]
        },
        "rootfsPropagation": "slave", "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"], "mountLabel": "a:b:c",
        "personality": {"domain": "LINUX32", "flags": ["x"]}
    })
}

fn resources() -> Value {
    json!({
        "unified": {"memory.high": "1073741824"},
        "devices": [{"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}],
        "memory": {"limit": 536870912, "reservation": 536870912, "swap": -1, "kernel": -1,
            "kernelTCP": -1, "swappiness": 0, "disableOOMKiller": false, "useHierarchy": true,
            "checkBeforeUpdate": true},
        "cpu": {"shares": 1024, "quota": -1, "burst": 1000000, "period": 500000,
            "realtimeRuntime": 950000, "realtimePeriod": 1000000, "cpus": "2-3", "mems": "0-7",
            "idle": 0},
        "pids": {"limit": 32771},
        "blockIO": {
            "weight": 10, "leafWeight": 11,
            "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
            "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 601}],
            "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 602}],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 300}]
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 209715200}],
        "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
        "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}
    })
}

#[test]
fn every_field_of_the_specification_survives_a_round_trip() {
    let spec: Spec = serde_json::from_value(everything()).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), everything());
}

#[test]
fn the_smallest_config_is_enough_and_nothing_is_added() {
    let small = json!({"ociVersion": "1.0.2", "root": {"path": "rootfs"}});
    let spec = Spec::parse(small.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&spec).unwrap(), small);
}

#[test]
fn an_unknown_field_is_ignored_and_an_unknown_version_is_not() {
    assert!(Spec::parse(br#"{"ociVersion":"1.1.0","vm":{"kernel":{}}}"#).is_ok());
    let error = Spec::parse(br#"{"ociVersion":"2.0.0"}"#).unwrap_err();
    assert_eq!(error.why, "ociVersion is \"2.0.0\"");
    assert!(Spec::parse(br#"{"ociVersion":"1.next"}"#).is_err());
    assert!(Spec::parse(b"{").is_err());
}

#[test]
fn state_is_what_runc_prints() {
    let json = json!({
        "ociVersion": "1.0.2", "id": "box", "status": "running", "pid": 4422,
        "bundle": "/containers/redis", "annotations": {"myKey": "myValue"}
    });
    let state: State = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(state.status, Status::Running);
    assert_eq!(serde_json::to_value(&state).unwrap(), json);
}
