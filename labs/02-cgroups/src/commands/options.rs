//! The flags of a limit, as typed; and what they mean, as [`Limits`].

use std::{fs, os::unix::fs::MetadataExt, str::FromStr};

use cgroups::{
    Bound, Bytes, Cpu, CpuList, Cpus, Cpuset, DeviceLimit, Io, Limits, Memory, MemoryLimit, Tasks,
};
use ground::{Error, Result};
use nix::sys::stat::{major, minor};

/// The limits, spelled as Docker spells them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// CPU time in CPUs: 0.2 is a fifth of one, over all of them together
    #[arg(long, value_name = "N", conflicts_with_all = ["cpu_quota", "cpu_period"])]
    cpus: Option<Cpus>,
    /// CPU time in us per period; -1 is no limit
    #[arg(long, value_name = "US", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// The period in us [kernel's default: 100000]
    #[arg(long, value_name = "US")]
    cpu_period: Option<u64>,
    /// Unused CPU time that may be saved up, in us
    #[arg(long, value_name = "US")]
    cpu_burst: Option<u64>,
    /// Share of contended CPUs, 2 to 262144 [kernel's default: 1024]
    #[arg(long, value_name = "N")]
    cpu_shares: Option<u64>,
    /// Memory: 64m, 1.5g
    #[arg(short, long, value_name = "BYTES")]
    memory: Option<MemoryLimit>,
    /// Memory and swap together; -1 is no limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<SwapSum>,
    /// Memory that reclaim tries to leave alone
    #[arg(long, value_name = "BYTES")]
    memory_reservation: Option<Bytes>,
    /// Tasks, threads included; -1 is no limit
    #[arg(long, alias = "pids-limit", value_name = "N", allow_negative_numbers = true)]
    pids: Option<Tasks>,
    /// CPUs it may run on: 0-3,7
    #[arg(long, alias = "cpuset-cpus", value_name = "LIST")]
    cpuset: Option<CpuList>,
    /// Memory nodes it may use: 0,1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<CpuList>,
    /// Throughput of a block device, path or MAJOR:MINOR: /dev/vda:rbps=1m,wiops=100
    #[arg(long, value_name = "DEV:KEY=N,..")]
    io: Vec<IoLimit>,
}

impl LimitOptions {
    /// What was meant.
    pub fn limits(&self) -> Limits {
        let bound = |it: &Bytes| Bound::At(it.0);
        let list = |it: &Option<CpuList>| it.as_ref().map(ToString::to_string);
        let by_cpus = self.cpus.map(|it| Bound::At(it.quota_us()));
        Limits {
            cpu: Cpu {
                quota_us: by_cpus.or(self.cpu_quota.map(Bound::from)),
                period_us: self.cpus.map(|_| Cpus::PERIOD_US).or(self.cpu_period),
                burst_us: self.cpu_burst,
                shares: self.cpu_shares,
                ..Cpu::default()
            },
            cpuset: Cpuset { cpus: list(&self.cpuset), mems: list(&self.cpuset_mems) },
            memory: Memory {
                limit: self.memory.map(|it| Bound::At(it.0)),
                swap: self.memory_swap.map(|it| it.0),
                reservation: self.memory_reservation.as_ref().map(bound),
                ..Memory::default()
            },
            pids: self.pids.map(|it| it.0),
            io: Io { devices: self.io.iter().map(|it| it.0.clone()).collect(), ..Io::default() },
            ..Limits::default()
        }
    }
}

/// A sum of memory and swap, or none.
#[derive(Debug, Clone, Copy)]
struct SwapSum(Bound);

impl FromStr for SwapSum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "-1" {
            return Ok(Self(Bound::Unlimited));
        }
        text.parse::<Bytes>().map(|it| Self(Bound::At(it.0)))
    }
}

/// `DEV:rbps=1m,wiops=100`.
#[derive(Debug, Clone)]
struct IoLimit(DeviceLimit);

impl FromStr for IoLimit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(format!("'{text}' is not a limit on a device"))
                .fix("write DEVICE:KEY=N,.. with rbps, wbps, riops, wiops: /dev/vda:rbps=1m")
        };
        let (device, rates) = text.rsplit_once(':').ok_or_else(wrong)?;
        let mut limit = DeviceLimit { device: numbers(device)?, ..DeviceLimit::default() };
        for (key, rate) in rates.split(',').map(|it| it.split_once('=').unwrap_or((it, ""))) {
            let rate = Some(rate.parse::<Bytes>().map_err(|_| wrong())?.0);
            match key {
                "rbps" => limit.rbps = rate,
                "wbps" => limit.wbps = rate,
                "riops" => limit.riops = rate,
                "wiops" => limit.wiops = rate,
                _ => return Err(wrong()),
            }
        }
        Ok(Self(limit))
    }
}

/// The numbers of a device that is named so or by its path.
fn numbers(device: &str) -> Result<(u64, u64)> {
    let typed = device.split_once(':').map(|(one, other)| (one.parse(), other.parse()));
    if let Some((Ok(major), Ok(minor))) = typed {
        return Ok((major, minor));
    }
    let found = fs::metadata(device).map_err(|error| {
        Error::new(format!("cannot find the device '{device}'"))
            .io(format_args!("stat {device}"), &error)
            .fix("lsblk lists the block devices; give the whole disk, not a partition")
    })?;
    Ok((major(found.rdev()), minor(found.rdev())))
}
