//! Limits: what Docker checks before the kernel is asked, and in which words.

use std::path::PathBuf;

use ground::{Error, Result};
use mini_docker::container::{BlockIo, DeviceRate, Limits, Ulimit};

use crate::cli::args::{LimitFlags, LiveLimits};

/// Docker's least, so that the container's first process can live in it.
const MEMORY_MIN: u64 = 6 << 20;

/// The limits of the cgroup.
///
/// # Errors
/// As [`live_limits`]; memory and swap together without memory alone.
pub fn limits(flags: &LimitFlags) -> Result<Limits> {
    let limits = live_limits(&flags.live)?;
    if let (Some(text), None) = (&flags.live.memory_swap, flags.live.memory) {
        return Err(invalid_swap(text, "it needs a memory limit beside it"));
    }
    if flags.kernel_memory.is_some() {
        return Err(Error::new("invalid --kernel-memory")
            .why("no kernel since 5.16 limits its own memory apart; it counts as memory")
            .fix("use -m: it limits both together"));
    }
    Ok(Limits {
        memory_swappiness: swappiness(flags.memory_swappiness)?,
        oom_kill_disable: flags.oom_kill_disable,
        block_io: block_io(flags)?,
        ..limits
    })
}

/// Those that can be changed later, too.
///
/// # Errors
/// A value that makes no sense, or two that contradict each other.
pub fn live_limits(flags: &LiveLimits) -> Result<Limits> {
    check_memory(flags)?;
    let (quota, period) = cpu(flags)?;
    for list in [&flags.cpuset_cpus, &flags.cpuset_mems].into_iter().flatten() {
        list.parse::<cgroups::CpuList>()?;
    }
    Ok(Limits {
        memory: flags.memory.map(|bytes| signed(bytes.0)),
        memory_swap: memory_swap(flags)?,
        memory_reservation: flags.memory_reservation.map(|bytes| signed(bytes.0)),
        cpu_quota_us: quota,
        cpu_period_us: period,
        nano_cpus: flags.cpus.map(|cpus| cpus.quota_us() * 10_000),
        cpu_shares: flags.cpu_shares,
        cpuset_cpus: flags.cpuset_cpus.clone(),
        cpuset_mems: flags.cpuset_mems.clone(),
        pids: flags.pids_limit,
        ..Limits::default()
    })
}

fn check_memory(flags: &LiveLimits) -> Result<()> {
    let memory = flags.memory.map(|bytes| bytes.0);
    if memory.is_some_and(|memory| memory < MEMORY_MIN) {
        return Err(Error::new("Minimum memory limit allowed is 6MB")
            .why("with less not even the runtime can start the program")
            .fix("give more: -m 64m"));
    }
    let reserved = flags.memory_reservation.map(|bytes| bytes.0);
    if reserved.zip(memory).is_some_and(|(reserved, memory)| reserved > memory) {
        return Err(Error::new(
            "Minimum memory limit can not be less than memory reservation limit",
        )
        .why("what is left to a container when memory gets short is a part of what it may use")
        .fix("give --memory more than --memory-reservation"));
    }
    Ok(())
}

fn cpu(flags: &LiveLimits) -> Result<(Option<i64>, Option<u64>)> {
    let Some(cpus) = flags.cpus else { return Ok((flags.cpu_quota, flags.cpu_period)) };
    let given =
        [("CPU Quota", flags.cpu_quota.is_some()), ("CPU Period", flags.cpu_period.is_some())];
    if let Some((name, _)) = given.iter().find(|(_, given)| *given) {
        return Err(Error::new(format!(
            "Conflicting options: Nano CPUs and {name} cannot both be set"
        ))
        .why("--cpus 0.5 is a quota of 50000 in each period of 100000 microseconds")
        .fix("give --cpus, or --cpu-quota with --cpu-period"));
    }
    Ok((Some(signed(cpus.quota_us())), Some(cgroups::Cpus::PERIOD_US)))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn memory_swap(flags: &LiveLimits) -> Result<Option<i64>> {
    let Some(text) = &flags.memory_swap else { return Ok(None) };
    if text == "-1" {
        return Ok(Some(-1));
    }
    match text.parse::<cgroups::Bytes>()? {
        // Docker's word for "as if it was not said".
        cgroups::Bytes(0) => Ok(None),
        swap if flags.memory.is_some_and(|memory| swap.0 < memory.0) => {
            Err(invalid_swap(text, "it is smaller than the memory limit"))
        }
        swap => Ok(Some(signed(swap.0))),
    }
}

fn invalid_swap(text: &str, why: &str) -> Error {
    Error::new(format!("invalid --memory-swap {text}"))
        .why(why)
        .fix("it is memory and swap together: -m 64m --memory-swap 128m, or -1 for no limit")
}

fn swappiness(value: Option<i64>) -> Result<Option<u64>> {
    match value {
        None | Some(-1) => Ok(None),
        Some(value @ 0..=100) => Ok(Some(value.unsigned_abs())),
        Some(value) => Err(Error::new(format!(
            "Invalid value: {value}, valid memory swappiness range is 0-100"
        ))
        .fix("give a number from 0, hardly ever, to 100, readily; or -1 for the machine's")),
    }
}

/// # Errors
/// A number out of the kernel's range.
pub fn oom_score_adj(value: Option<i32>) -> Result<Option<i32>> {
    if value.is_some_and(|value| !(-1000..=1000).contains(&value)) {
        return Err(Error::new(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            value.unwrap_or_default()
        ))
        .see("5 proc_pid_oom_score_adj")
        .fix("give a number from -1000, never killed, to 1000, killed first"));
    }
    Ok(value)
}

fn block_io(flags: &LimitFlags) -> Result<BlockIo> {
    let weight = flags.blkio_weight.filter(|weight| *weight != 0);
    if weight.is_some_and(|weight| !(10..=1000).contains(&weight)) {
        return Err(Error::new("Range of blkio weight is from 10 to 1000")
            .fix("give a number in that range; 500 is what others have"));
    }
    let bytes = |text: &str| text.parse::<cgroups::Bytes>().ok().map(|bytes| bytes.0);
    let number = |text: &str| text.parse().ok();
    Ok(BlockIo {
        weight,
        weight_device: rates(&flags.blkio_weight_device, number)?,
        read_bps: rates(&flags.device_read_bps, bytes)?,
        write_bps: rates(&flags.device_write_bps, bytes)?,
        read_iops: rates(&flags.device_read_iops, number)?,
        write_iops: rates(&flags.device_write_iops, number)?,
    })
}

fn rates(texts: &[String], number: impl Fn(&str) -> Option<u64>) -> Result<Vec<DeviceRate>> {
    let rate = |text: &String| {
        let (device, rate) = text.rsplit_once(':')?;
        let rate = number(rate).filter(|_| device.starts_with("/dev/"))?;
        Some(DeviceRate { device: PathBuf::from(device), rate })
    };
    let parsed = |text: &String| {
        rate(text).ok_or_else(|| {
            Error::new(format!("bad format: {text}"))
                .why("it is no path below /dev with a number after a colon")
                .fix("write DEVICE:RATE: /dev/sda:1mb for bytes, /dev/sda:100 for operations")
        })
    };
    texts.iter().map(parsed).collect()
}

/// Names that setrlimit(2) knows; the kernel's are the same in capitals, with RLIMIT_ before.
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// The limits of each process by itself.
///
/// # Errors
/// A name that there is not, a number that is none, a soft limit above the hard one.
pub fn ulimits(texts: &[String]) -> Result<Vec<Ulimit>> {
    texts.iter().map(|text| ulimit(text)).collect()
}

fn ulimit(text: &str) -> Result<Ulimit> {
    const FIX: &str = "write NAME=SOFT:HARD, -1 for no limit: --ulimit nofile=1024:4096";
    let invalid = |why: String| {
        Error::new(format!("invalid ulimit argument: {text}")).why(why).see("2 setrlimit").fix(FIX)
    };
    let (name, values) =
        text.split_once('=').ok_or_else(|| invalid("there is no equals sign".into()))?;
    if !ULIMITS.contains(&name) {
        return Err(invalid(format!(
            "invalid ulimit type: {name}; known are {}",
            ULIMITS.join(", ")
        )));
    }
    let number = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        text => text.parse().map_err(|_| invalid(format!("{text:?} is no number"))),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if soft > hard {
        return Err(invalid(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}
