//! The repaired /proc files, from texts of a real host: no kernel needed.

use std::time::Duration;

use cgroups::{
    Bound, CpuStat, MemoryStat, PidsStat, Stat,
    proc_files::{Allowance, repaired},
};

const MEMINFO: &str = "\
MemTotal:       24684096 kB
MemFree:        23543000 kB
MemAvailable:   23748000 kB
Buffers:           12000 kB
Cached:           461000 kB
SwapTotal:       2097148 kB
SwapFree:        2097148 kB
Active:           200000 kB
HugePages_Total:       0
Hugepagesize:       2048 kB
";

const CPUINFO: &str = "processor\t: 0\nmodel name\t: A\n\nprocessor\t: 1\nmodel name\t: A\n\n";

const STAT: &str = "\
cpu  30 3 10 300 5 0 1 0 0 0
cpu0 10 1 4 100 2 0 1 0 0 0
cpu1 20 2 6 200 3 0 0 0 0 0
intr 12345 0 1
ctxt 67890
btime 1700000000
processes 4711
";

fn half_a_cpu() -> Allowance {
    let cpu = CpuStat {
        quota_us: Some(Bound::At(50_000)),
        period_us: Some(100_000),
        ..CpuStat::default()
    };
    let memory = MemoryStat {
        current: Some(16 << 20),
        limit: Some(Bound::At(64 << 20)),
        swap_limit: Some(Bound::At(0)),
        file: Some(4 << 20),
        ..MemoryStat::default()
    };
    let pids = PidsStat { current: Some(3), ..PidsStat::default() };
    Allowance::of(&Stat { cpu, memory, pids }, 2, Duration::from_millis(1500))
}

#[test]
fn each_file_tells_the_group() {
    let files = [
        ("/proc/meminfo", MEMINFO),
        ("/proc/cpuinfo", CPUINFO),
        ("/proc/stat", STAT),
        ("/proc/uptime", "91615.12 180000.00\n"),
        ("/proc/loadavg", "1.50 1.20 0.90 3/412 4711\n"),
        ("/sys/devices/system/cpu/online", "0-1\n"),
    ];
    let text: Vec<String> = files
        .iter()
        .map(|(file, host)| format!("# {file}\n{}", repaired(file, host, &half_a_cpu())))
        .collect();
    testbed::snapshot!("each_file", text.join("\n"));
}

#[test]
fn without_limits_every_machine_number_stays() {
    let free = Allowance::of(&Stat::default(), 2, Duration::ZERO);
    for (file, host) in
        [("/proc/meminfo", MEMINFO), ("/proc/cpuinfo", CPUINFO), ("/proc/stat", STAT)]
    {
        assert_eq!(repaired(file, host, &free), host, "{file}");
    }
}

#[test]
fn a_limit_above_the_machine_shows_the_machine() {
    let allowance = Allowance { memory: Some(1 << 50), ..half_a_cpu() };
    assert_eq!(repaired("/proc/meminfo", MEMINFO, &allowance), MEMINFO);
}

#[test]
fn one_and_a_half_cpus_show_two() {
    let cpu = |quota| CpuStat {
        quota_us: Some(Bound::At(quota)),
        period_us: Some(100_000),
        ..CpuStat::default()
    };
    let cpus = |quota, placed| {
        Allowance::of(&Stat { cpu: cpu(quota), ..Stat::default() }, placed, Duration::ZERO).cpus
    };
    assert_eq!(cpus(150_000, 8), 2);
    assert_eq!(cpus(1_000, 8), 1);
    assert_eq!(cpus(800_000, 4), 4);
}
