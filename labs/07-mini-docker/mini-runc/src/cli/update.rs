//! update: from arguments to resources as in config.json.

use std::{fs, io::Read, path::Path};

use ground::{Error, Result};
use oci::runtime::{BlockIo, Cpu, Memory, Pids, Resources};

use super::args::Update;
use crate::{Warn, bundle::part, record::Root, update};

pub(super) fn update(root: &Root, args: &Update, warn: Warn<'_>) -> Result<()> {
    let container = root.container(&args.id.id)?;
    let resources = match &args.resources {
        Some(path) => read(path)?,
        None => assemble(args),
    };
    update::update(&container, &resources, warn)
}

fn read(path: &Path) -> Result<Resources> {
    let cannot = || Error::new(format!("cannot read the resources {}", path.display()));
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut text)
    } else {
        fs::File::open(path).and_then(|mut file| file.read_to_end(&mut text))
    };
    read.map_err(|error| cannot().io(format_args!("read {}", path.display()), &error))?;
    part(&text, "linux.resources", cannot)
}

fn assemble(args: &Update) -> Resources {
    Resources {
        memory: Some(Memory {
            limit: args.memory,
            reservation: args.memory_reservation,
            swap: args.memory_swap,
            kernel: args.kernel_memory,
            kernel_tcp: args.kernel_memory_tcp,
            ..Memory::default()
        }),
        cpu: Some(Cpu {
            shares: args.cpu_share,
            quota: args.cpu_quota,
            burst: args.cpu_burst,
            period: args.cpu_period,
            realtime_runtime: args.cpu_rt_runtime,
            realtime_period: args.cpu_rt_period,
            cpus: args.cpuset_cpus.clone(),
            mems: args.cpuset_mems.clone(),
            idle: args.cpu_idle,
        }),
        pids: args.pids_limit.map(|limit| Pids { limit }),
        block_io: Some(BlockIo { weight: args.blkio_weight, ..BlockIo::default() }),
        ..Resources::default()
    }
}
