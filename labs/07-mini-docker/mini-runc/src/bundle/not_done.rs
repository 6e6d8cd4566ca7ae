//! What config.json may ask for and this runtime does not do: told, never passed over in silence.
//!
//! What would make a container weaker than asked for is refused where it is planned. The rest only
//! makes it slower or less fair, and gets a warning.

use oci::runtime::{Linux, Process, Resources};

/// The fields that are set and have no effect.
pub(super) fn fields(process: &Process, linux: &Linux) -> Vec<&'static str> {
    let none = Resources::default();
    let resources = linux.resources.as_ref().unwrap_or(&none);
    let own = [
        ("process.ioPriority", process.io_priority.is_some()),
        ("process.scheduler", process.scheduler.is_some()),
        ("process.execCPUAffinity", process.exec_cpu_affinity.is_some()),
        ("linux.netDevices", !linux.net_devices.is_empty()),
        ("linux.intelRdt", linux.intel_rdt.is_some()),
        ("linux.memoryPolicy", linux.memory_policy.is_some()),
        ("linux.mountLabel", linux.mount_label.as_ref().is_some_and(|it| !it.is_empty())),
        ("linux.resources.network", resources.network.is_some()),
        ("linux.resources.rdma", !resources.rdma.is_empty()),
    ];
    own.into_iter()
        .chain(of_controllers(resources))
        .filter_map(|(it, set)| set.then_some(it))
        .collect()
}

fn of_controllers(resources: &Resources) -> Vec<(&'static str, bool)> {
    let memory = resources.memory.clone().unwrap_or_default();
    let cpu = resources.cpu.clone().unwrap_or_default();
    let io = resources.block_io.clone().unwrap_or_default();
    let limited = |limit: Option<i64>| limit.is_some_and(|limit| limit > 0);
    vec![
        ("linux.resources.memory.kernel", limited(memory.kernel)),
        ("linux.resources.memory.kernelTCP", limited(memory.kernel_tcp)),
        ("linux.resources.memory.swappiness", memory.swappiness.is_some()),
        ("linux.resources.memory.disableOOMKiller", memory.disable_oom_killer == Some(true)),
        ("linux.resources.cpu.realtimeRuntime", limited(cpu.realtime_runtime)),
        ("linux.resources.blockIO.weight", io.weight.is_some_and(|it| it > 0)),
        ("linux.resources.blockIO.weightDevice", !io.weight_device.is_empty()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engines_write_by_habit_is_no_wish() {
        let resources =
            r#"{"memory": {"kernel": 0, "disableOOMKiller": false}, "blockIO": {"weight": 0}}"#;
        let linux =
            Linux { resources: serde_json::from_str(resources).unwrap(), ..Linux::default() };
        assert_eq!(fields(&Process::default(), &linux), Vec::<&str>::new());
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let linux = Linux {
            resources: serde_json::from_str(r#"{"memory": {"swappiness": 10}}"#).unwrap(),
            ..Linux::default()
        };
        assert_eq!(fields(&Process::default(), &linux), ["linux.resources.memory.swappiness"]);
    }
}
