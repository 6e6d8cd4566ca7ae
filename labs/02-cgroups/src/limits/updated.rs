//! New limits over old ones: what `update` means for a group that runs.

use super::{Bound, Cpu, Cpuset, DeviceLimit, Io, Limits, Memory, Network};

impl Limits {
    /// These limits with `changes` laid over them: a field that is given wins, devices and page
    /// sizes one by one.
    pub fn updated(&self, changes: &Self) -> Self {
        let (old, new) = (self, changes);
        let mut all = Self {
            cpu: cpu(&old.cpu, &new.cpu),
            cpuset: Cpuset {
                cpus: new.cpuset.cpus.clone().or(old.cpuset.cpus.clone()),
                mems: new.cpuset.mems.clone().or(old.cpuset.mems.clone()),
            },
            memory: memory(&old.memory, &new.memory),
            pids: new.pids.or(old.pids),
            io: Io {
                weight: new.io.weight.or(old.io.weight),
                leaf_weight: new.io.leaf_weight.or(old.io.leaf_weight),
                devices: devices(&old.io.devices, &new.io.devices),
            },
            network: Network {
                class_id: new.network.class_id.or(old.network.class_id),
                priorities: old.network.priorities.clone(),
            },
            ..old.clone()
        };
        all.hugetlb.retain(|it| new.hugetlb.iter().all(|other| other.page_size != it.page_size));
        all.hugetlb.extend(new.hugetlb.iter().cloned());
        let changed = |name: &String| new.network.priorities.iter().any(|(it, _)| it == name);
        all.network.priorities.retain(|(name, _)| !changed(name));
        all.network.priorities.extend(new.network.priorities.iter().cloned());
        all.rdma.extend(new.rdma.clone());
        all.unified.extend(new.unified.clone());
        all
    }
}

fn cpu(old: &Cpu, new: &Cpu) -> Cpu {
    Cpu {
        quota_us: new.quota_us.or(old.quota_us),
        period_us: new.period_us.or(old.period_us),
        burst_us: new.burst_us.or(old.burst_us),
        shares: new.shares.or(old.shares),
        // Two words for one thing: the newer one counts.
        weight: new.weight.or(old.weight.filter(|_| new.shares.is_none())),
        realtime_runtime_us: new.realtime_runtime_us.or(old.realtime_runtime_us),
        realtime_period_us: new.realtime_period_us.or(old.realtime_period_us),
        idle: new.idle.or(old.idle),
    }
}

fn memory(old: &Memory, new: &Memory) -> Memory {
    Memory {
        limit: new.limit.or(old.limit),
        // Memory without a limit leaves no sum to be limited.
        swap: new.swap.or(new.limit.filter(|it| *it == Bound::Unlimited)).or(old.swap),
        reservation: new.reservation.or(old.reservation),
        kernel: new.kernel.or(old.kernel),
        kernel_tcp: new.kernel_tcp.or(old.kernel_tcp),
        swappiness: new.swappiness.or(old.swappiness),
        disable_oom_killer: new.disable_oom_killer.or(old.disable_oom_killer),
        use_hierarchy: new.use_hierarchy.or(old.use_hierarchy),
        check_before_update: new.check_before_update || old.check_before_update,
    }
}

fn devices(old: &[DeviceLimit], new: &[DeviceLimit]) -> Vec<DeviceLimit> {
    let mut all = old.to_vec();
    for new in new {
        match all.iter_mut().find(|it| it.device == new.device) {
            Some(old) => {
                *old = DeviceLimit {
                    device: old.device,
                    weight: new.weight.or(old.weight),
                    leaf_weight: new.leaf_weight.or(old.leaf_weight),
                    rbps: new.rbps.or(old.rbps),
                    wbps: new.wbps.or(old.wbps),
                    riops: new.riops.or(old.riops),
                    wiops: new.wiops.or(old.wiops),
                }
            }
            None => all.push(new.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_wins_and_the_rest_stays() {
        let pids = |it| Limits { pids: Some(Bound::At(it)), ..Limits::default() };
        let device = |rbps, wbps| DeviceLimit { rbps, wbps, ..DeviceLimit::default() };
        let with =
            |limits: Limits, it| Limits { io: Io { devices: vec![it], ..Io::default() }, ..limits };
        let now = with(pids(5), device(Some(1), None));
        let all = now.updated(&with(Limits::default(), device(None, Some(2))));
        assert_eq!(all, with(pids(5), device(Some(1), Some(2))));
        assert_eq!(all.updated(&pids(9)).pids, Some(Bound::At(9)));
    }
}
