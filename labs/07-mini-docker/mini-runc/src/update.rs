//! Update: other limits for a container that runs.
//!
//! What is asked for is laid over what there was (lab 02's `Limits::updated`), and the whole is written
//! to the group: a quota means nothing without its period, a sum of memory and swap nothing without
//! the memory. The copy of config.json in the state directory keeps the result for the next update.
//! Device rules are not changed: engines send them along as they were.
//!
//! Source: runc-update(8).

use std::fs;

use ground::{Error, Result};
use oci::runtime::{Resources, Status};
use serde_json::Value;

use crate::{
    Warn, bundle, cgroup,
    record::{Container, Record},
};

/// Gives a container these limits as well.
///
/// # Errors
/// It has stopped, or has no group; what the kernel refuses: the old limits stay then.
pub(crate) fn update(container: &Container, changes: &Resources, warn: Warn<'_>) -> Result<()> {
    let status = container.status();
    if status == Status::Stopped {
        return Err(container.refuse("cannot update a container that has stopped", status));
    }
    let group = container.group()?.ok_or_else(|| {
        Error::new("cannot update the container")
            .why("it has no cgroup: there is nothing that would keep limits")
            .see("7 cgroups")
            .fix("run it as root, or in a delegated cgroup")
    })?;
    let path = container.dir.join(bundle::CONFIG);
    let text = fs::read(&path).map_err(|error| cannot("read", &error))?;
    let mut config: Value = serde_json::from_slice(&text).map_err(|error| invalid(&error))?;
    let kept: Option<Resources> =
        serde_json::from_value(config["linux"]["resources"].take()).map_err(|it| invalid(&it))?;
    let kept = kept.unwrap_or_default();
    let (old, asked) = (cgroup::limits(&kept)?, cgroup::limits(changes)?);
    let new = old.updated(&asked);
    group.ignored(&asked).iter().for_each(|it| warn(cgroup::not_kept(it)));
    if asked.controllers().iter().any(|it| group.dir_of(*it).is_none()) {
        // Before another tree has it: whoever ends the container now looks for the group in all.
        let record = Record { trees: Vec::new(), ..container.record.clone() };
        record.write(&container.dir)?;
    }
    let group = cgroup::extended(&group, container.record.scope.as_ref(), &asked)?;
    group.update(&old, &new)?;
    if let Some(scope) = &container.record.scope {
        scope.update(&new)?;
    }
    let new = Resources { devices: kept.devices, ..cgroup::in_json(&new) };
    config["linux"]["resources"] = serde_json::to_value(new).map_err(|it| invalid(&it))?;
    let beside = container.dir.join(".config.json");
    fs::write(&beside, config.to_string())
        .and_then(|()| fs::rename(&beside, &path))
        .map_err(|error| cannot("write", &error))
}

fn cannot(what: &str, error: &std::io::Error) -> Error {
    Error::new("cannot update the container's configuration")
        .io(format_args!("{what} config.json in the state directory"), error)
}

fn invalid(error: &serde_json::Error) -> Error {
    Error::new("cannot update the container").why(error.to_string())
}
