//! Update: other limits for a container that runs.
//!
//! What is asked for is laid over what there was, as one value over another in config.json's own
//! words, and the whole is written to the group: a quota means nothing without its period, a sum of
//! memory and swap nothing without the memory. The copy of config.json in the state directory keeps
//! the result for the next update.
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
    let old = config["linux"]["resources"].clone();
    let new = merged(old.clone(), without_device_rules(changes)?);
    let (old, limits) = (cgroup::limits(&parse(old)?)?, cgroup::limits(&parse(new.clone())?)?);
    let asked = cgroup::limits(changes)?;
    group.ignored(&asked).iter().for_each(|it| warn(cgroup::not_kept(it)));
    if asked.controllers().iter().any(|it| group.dir_of(*it).is_none()) {
        // Before another tree has it: whoever ends the container now looks for the group in all.
        let record = Record { trees: Vec::new(), ..container.record.clone() };
        record.write(&container.dir)?;
    }
    let group = cgroup::extended(&group, container.record.scope.as_ref(), &asked)?;
    group.update(&old, &limits)?;
    if let Some(scope) = &container.record.scope {
        scope.update(&asked)?;
    }
    config["linux"]["resources"] = new;
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

fn parse(resources: Value) -> Result<Resources> {
    let resources: Option<Resources> =
        serde_json::from_value(resources).map_err(|error| invalid(&error))?;
    Ok(resources.unwrap_or_default())
}

/// Engines send the rules along as they were; a container's devices do not change while it runs.
fn without_device_rules(changes: &Resources) -> Result<Value> {
    let changes = Resources { devices: Vec::new(), ..changes.clone() };
    serde_json::to_value(changes).map_err(|error| invalid(&error))
}

/// `new` laid over `old`: objects field by field, lists entry by entry.
fn merged(old: Value, new: Value) -> Value {
    match (old, new) {
        (Value::Object(mut old), Value::Object(new)) => {
            for (name, value) in new {
                let before = old.remove(&name).unwrap_or_default();
                old.insert(name, merged(before, value));
            }
            Value::Object(old)
        }
        (Value::Array(mut old), Value::Array(new)) => {
            for entry in new {
                match old.iter_mut().find(|it| names_the_same(it, &entry)) {
                    Some(before) => *before = merged(before.take(), entry),
                    None => old.push(entry),
                }
            }
            Value::Array(old)
        }
        (_, new) => new,
    }
}

/// Whether two entries of a list are about one device, page size or interface.
fn names_the_same(one: &Value, other: &Value) -> bool {
    ["major", "minor", "pageSize", "name"].iter().all(|key| one.get(key) == other.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_given_wins_and_the_rest_stays() {
        let old = json!({"memory": {"limit": 1, "swap": 2}, "pids": {"limit": 5}});
        let new = merged(old, json!({"memory": {"limit": 7}, "cpu": {"shares": 3}}));
        let expected =
            json!({"memory": {"limit": 7, "swap": 2}, "pids": {"limit": 5}, "cpu": {"shares": 3}});
        assert_eq!(new, expected);
        assert_eq!(merged(Value::Null, json!({"pids": {}})), json!({"pids": {}}));
    }

    #[test]
    fn lists_are_merged_by_device() {
        let entry = |minor: u64, rate: u64| json!({"major": 8, "minor": minor, "rate": rate});
        let new = merged(json!([entry(0, 1), entry(1, 1)]), json!([entry(1, 9), entry(2, 2)]));
        assert_eq!(new, json!([entry(0, 1), entry(1, 9), entry(2, 2)]));
    }
}
