//! Limits as writes, in both versions: no kernel needed.

use cgroups::{
    Absent, Bound, Bytes, Cpu, CpuList, Cpus, Cpuset, DeviceLimit, HugePages, Ignored, Io, Limits,
    Memory, Network, Rdma, Version, Write, shares_to_weight, weight_of_v2,
};

/// Both versions side by side, as lines of `file = value`.
fn written(limits: &Limits) -> String {
    [Version::V1, Version::V2]
        .into_iter()
        .map(|version| {
            let body = match limits.writes(version) {
                Ok(writes) => lines(writes.iter().map(line), limits.ignored(version)),
                Err(error) => format!("  error: {}", error.to_string().replace('\n', "\n  ")),
            };
            format!("{version:?}\n{body}")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn line(write: &Write) -> String {
    let alternative = match &write.absent {
        Absent::Fails => String::new(),
        Absent::Skipped => " (if it is there)".to_owned(),
        Absent::Instead { file, value } => format!(" (or {file} = {value})"),
    };
    format!("  {} = {}{alternative}", write.file, write.value)
}

fn lines(writes: impl Iterator<Item = String>, ignored: Vec<Ignored>) -> String {
    let ignored = ignored.iter().map(|it| format!("  ignores {}: {}", it.field, it.why));
    writes.chain(ignored).collect::<Vec<_>>().join("\n")
}

fn memory(limit: i64, swap: Option<i64>) -> Limits {
    let (limit, swap) = (Some(Bound::from(limit)), swap.map(Bound::from));
    Limits { memory: Memory { limit, swap, ..Memory::default() }, ..Limits::default() }
}

#[test]
fn every_limit_has_its_file_in_both_versions() {
    let limits = Limits {
        cpu: Cpu {
            quota_us: Some(Bound::At(20_000)),
            period_us: Some(100_000),
            burst_us: Some(5000),
            shares: Some(512),
            weight: None,
            realtime_runtime_us: Some(950_000),
            realtime_period_us: Some(1_000_000),
            idle: Some(0),
        },
        cpuset: Cpuset { cpus: Some("0-1".into()), mems: Some("0".into()) },
        memory: Memory {
            limit: Some(Bound::At(64 << 20)),
            swap: Some(Bound::At(96 << 20)),
            reservation: Some(Bound::At(32 << 20)),
            kernel: Some(Bound::At(8 << 20)),
            kernel_tcp: Some(Bound::At(4 << 20)),
            swappiness: Some(10),
            disable_oom_killer: Some(true),
            use_hierarchy: Some(true),
            check_before_update: true,
        },
        pids: Some(Bound::At(100)),
        io: Io {
            weight: Some(500),
            leaf_weight: Some(300),
            devices: vec![DeviceLimit {
                device: (254, 0),
                weight: Some(700),
                leaf_weight: Some(10),
                rbps: Some(1 << 20),
                wbps: Some(0),
                riops: None,
                wiops: Some(100),
            }],
        },
        hugetlb: vec![HugePages { page_size: "2MB".into(), limit: 4 << 20 }],
        network: Network { class_id: Some(0x10_0001), priorities: vec![("eth0".into(), 5)] },
        rdma: [("mlx5_0".to_owned(), Rdma { hca_handles: Some(2), hca_objects: None })].into(),
        ..Limits::default()
    };
    testbed::snapshot!("every_limit", written(&limits));
}

#[test]
fn no_limit_is_a_word_or_minus_one() {
    let limits = Limits {
        cpu: Cpu { quota_us: Some(Bound::Unlimited), ..Cpu::default() },
        pids: Some(Bound::Unlimited),
        ..memory(-1, Some(-1))
    };
    testbed::snapshot!("no_limit", written(&limits));
}

#[test]
fn swap_is_a_sum_here_and_a_difference_there() {
    let cases = [
        ("memory 64 MiB, sum 64 MiB: no swap", memory(64 << 20, Some(64 << 20))),
        ("memory 64 MiB, sum unlimited", memory(64 << 20, Some(-1))),
        ("memory 64 MiB, sum less", memory(64 << 20, Some(1 << 20))),
        (
            "the sum alone",
            Limits {
                memory: Memory { limit: None, ..memory(0, Some(1)).memory },
                ..Limits::default()
            },
        ),
    ];
    let text: Vec<String> =
        cases.iter().map(|(name, limits)| format!("# {name}\n{}", written(limits))).collect();
    testbed::snapshot!("swap", text.join("\n"));
}

#[test]
fn a_period_alone_keeps_v2_unlimited() {
    let cpu = Cpu { period_us: Some(50_000), ..Cpu::default() };
    testbed::snapshot!("period_alone", written(&Limits { cpu, ..Limits::default() }));
}

#[test]
fn words_of_v2_are_refused_on_v1() {
    let weight = Cpu { weight: Some(50), ..Cpu::default() };
    let unified = [("memory.high", "1000"), ("cgroup.max.depth", "2")];
    let unified = unified.map(|(file, value)| (file.to_owned(), value.to_owned())).into();
    let limits = [
        Limits { cpu: weight, ..Limits::default() },
        Limits { unified, ..Limits::default() },
        Limits { unified: [("../x".to_owned(), "1".to_owned())].into(), ..Limits::default() },
    ];
    let text: Vec<String> = limits.iter().map(written).collect();
    testbed::snapshot!("words_of_v2", text.join("\n"));
}

#[test]
fn shares_and_weight_agree_at_both_ends_and_in_the_middle() {
    for (shares, weight) in
        [(0, 1), (2, 1), (512, 59), (1024, 100), (2048, 174), (262_144, 10_000), (u64::MAX, 10_000)]
    {
        assert_eq!(shares_to_weight(shares), weight, "{shares}");
    }
}

#[test]
fn the_weight_of_block_devices_agrees_at_both_ends() {
    for (weight, v2) in [(10, 1), (100, 910), (500, 4950), (1000, 10_000)] {
        assert_eq!(weight_of_v2(weight), v2, "{weight}");
    }
}

#[track_caller]
fn bytes(text: &str, expected: Option<u64>) {
    assert_eq!(text.parse::<Bytes>().ok(), expected.map(Bytes), "{text}");
}

#[test]
fn memory_is_typed_as_for_docker() {
    bytes("64m", Some(64 << 20));
    bytes("64MB", Some(64 << 20));
    bytes("64MiB", Some(64 << 20));
    bytes("1.5g", Some(3 << 29));
    bytes("512", Some(512));
    bytes("512b", Some(512));
    bytes("7k", Some(7168));
    bytes("9223372036854775807", Some(i64::MAX as u64));
    for wrong in [
        "",
        "m",
        "-1",
        "1e3",
        "infg",
        "6x",
        "64 m",
        "18446744073709551615",
        "99999999999999999999g",
        "1..5m",
    ] {
        bytes(wrong, None);
    }
}

#[test]
fn a_fifth_of_a_cpu_is_a_quota_of_20000() {
    let quota = |text: &str| text.parse::<Cpus>().map(Cpus::quota_us).ok();
    assert_eq!(quota("0.2"), Some(20_000));
    assert_eq!(quota("1.5"), Some(150_000));
    assert_eq!(quota("2"), Some(200_000));
    for wrong in ["0", "-1", "nan", "inf", "1e3", "", "0.0000001"] {
        assert_eq!(quota(wrong), None, "{wrong}");
    }
}

#[test]
fn a_list_of_cpus_is_read_and_written_as_the_kernel_does() {
    let again = |text: &str| text.parse::<CpuList>().map(|it| it.to_string()).ok();
    assert_eq!(again("0-3,7\n").as_deref(), Some("0-3,7"));
    assert_eq!(again("3,1,2").as_deref(), Some("1-3"));
    assert_eq!(again(""), None);
    assert_eq!(again(","), None);
    for wrong in ["a", "3-1", "-1", "0-99999999"] {
        assert_eq!(again(wrong), None, "{wrong}");
    }
}
