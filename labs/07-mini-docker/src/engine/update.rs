//! update: other limits, or another restart policy, also while the container runs.

use ground::Error as Report;

use super::{Engine, Error, Result};
use crate::{
    bundle,
    container::{Limits, Record, Restart},
};

/// What is to change; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The limits that were named.
    pub limits: Limits,
    /// When the container is started again.
    pub restart: Option<Restart>,
}

impl Engine {
    /// Changes a container. The kernel is asked first: what it refuses is not written down.
    ///
    /// # Errors
    /// What the runtime said; [`super::Kind::Conflict`] for a policy that contradicts `--rm`.
    pub fn update(&self, record: &Record, wanted: &Update) -> Result<()> {
        if wanted.restart.is_some_and(|restart| restart != Restart::No) && record.options.remove {
            return Err(Error::conflict(
                Report::new(
                    "Restart policy cannot be updated because AutoRemove is enabled for the container",
                )
                .why("it is removed at its end: nothing would be left to be started")
                .fix("run it without --rm"),
            ));
        }
        let record = self.truth(record.clone());
        let mut options = record.options.clone();
        options.limits = merged(&record.options.limits, &wanted.limits);
        check_swap(&options.limits)?;
        if record.state.status.is_up() && record.state.pid.is_some() && !wanted.limits.is_none() {
            let resources = bundle::limits(&options);
            let bundle = self.container_layout(&record).bundle();
            self.runtime(&record)?.update(&record.id, &resources, &bundle)?;
        }
        Record::update(&self.container_layout(&record), |record| {
            record.options.limits = options.limits;
            record.options.restart = wanted.restart.unwrap_or(record.options.restart);
            Ok(())
        })?;
        record.event("update").record(&self.layout.events());
        Ok(())
    }
}

fn merged(old: &Limits, new: &Limits) -> Limits {
    let (old, new) = (old.clone(), new.clone());
    Limits {
        memory: new.memory.or(old.memory),
        memory_swap: new.memory_swap.or(old.memory_swap),
        cpu_quota_us: new.cpu_quota_us.or(old.cpu_quota_us),
        cpu_period_us: new.cpu_period_us.or(old.cpu_period_us),
        cpu_shares: new.cpu_shares.or(old.cpu_shares),
        cpuset_cpus: new.cpuset_cpus.or(old.cpuset_cpus),
        cpuset_mems: new.cpuset_mems.or(old.cpuset_mems),
        memory_reservation: new.memory_reservation.or(old.memory_reservation),
        // Said in other words, it is not what was said first.
        nano_cpus: match new.cpu_quota_us.is_some() || new.cpu_period_us.is_some() {
            true => new.nano_cpus,
            false => old.nano_cpus,
        },
        pids: new.pids.or(old.pids),
        ..old
    }
}

fn check_swap(limits: &Limits) -> Result<()> {
    let (Some(memory), Some(swap)) = (limits.memory, limits.memory_swap) else { return Ok(()) };
    if swap == -1 || swap >= memory {
        return Ok(());
    }
    Err(Error::conflict(
        Report::new(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap \
             at the same time",
        )
        .fix(format!("give both: --memory {memory} --memory-swap {}", memory.saturating_mul(2))),
    ))
}
