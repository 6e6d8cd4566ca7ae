//! Looking: commands that only print.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    process::Command,
};

use ground::{Error, Explanation, Result};
use serde_json::{Value, json};

use super::{
    args::{List, ListFormat, Ps, Spec},
    report::rfc3339,
};
use crate::{
    defaults,
    record::{Container, Root, word},
};

/// Prints a line; a reader that went away is fine.
pub(super) fn print(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot print").io("write", &error))
        }
        _ => Ok(()),
    }
}

pub(super) fn pretty(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Error::new("cannot print").why(error.to_string()))
}

pub(super) fn state(root: &Root, id: &str) -> Result<()> {
    let container = root.container(id)?;
    print(&pretty(&entry(&container)?)?)
}

/// The specification's state, and what runc adds to it.
fn entry(container: &Container) -> Result<Value> {
    let state = container.state();
    let mut entry = serde_json::to_value(&state)
        .map_err(|error| Error::new("cannot print").why(error.to_string()))?;
    let rootfs = container.bundle().map(|bundle| bundle.rootfs).unwrap_or_default();
    entry["rootfs"] = json!(rootfs);
    entry["created"] = json!(rfc3339(container.record.created_s));
    entry["owner"] = json!(owner(container));
    Ok(entry)
}

fn owner(container: &Container) -> String {
    let uid = container.record.owner_uid;
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    user_name(&passwd, uid).map_or_else(|| format!("#{uid}"), str::to_owned)
}

/// The name that a user has in passwd(5). getpwuid(3) would ask more than that file, by libraries of
/// the machine, which a static program cannot load.
fn user_name(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

pub(super) fn list(root: &Root, args: &List) -> Result<()> {
    let containers = root.containers();
    if args.quiet {
        return containers.iter().try_for_each(|it| print(&it.record.id));
    }
    if args.format == ListFormat::Json {
        let entries: Vec<Value> = containers.iter().map(entry).collect::<Result<_>>()?;
        return print(&json!(entries).to_string());
    }
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned)];
    for container in &containers {
        let state = container.state();
        rows.push([
            state.id,
            state.pid.unwrap_or(0).to_string(),
            word(state.status).to_owned(),
            state.bundle,
            rfc3339(container.record.created_s),
            owner(container),
        ]);
    }
    print(&columns(&rows))
}

/// Columns as wide as their widest cell and three spaces between.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let line = |row: &[String; N]| {
        let cells =
            row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}", width(column)));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// ps(1) of the machine, with only the lines of the container.
pub(super) fn ps(root: &Root, args: &Ps) -> Result<()> {
    let container = root.container(&args.id.id)?;
    let pids: Vec<i32> = match container.group()? {
        Some(group) => group.procs().into_iter().map(nix::unistd::Pid::as_raw).collect(),
        None => container.process().map(nix::unistd::Pid::as_raw).into_iter().collect(),
    };
    if args.format == ListFormat::Json {
        return print(&json!(pids).to_string());
    }
    let options = if args.ps.is_empty() { vec!["-ef".into()] } else { args.ps.clone() };
    let output = Command::new("ps").args(&options).output().map_err(|error| {
        Error::new("cannot list processes")
            .io("exec ps", &error)
            .see("1 ps")
            .fix("install procps, or use --format json")
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let header = text.lines().next().unwrap_or_default();
    let column = header.split_whitespace().position(|it| it == "PID").ok_or_else(|| {
        Error::new("cannot find the container's processes")
            .why(format!("ps printed no column PID: {header:?}"))
            .fix("use options that print it, as -ef")
    })?;
    let ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|it| it.parse().ok());
        pid.is_some_and(|pid: i32| pids.contains(&pid))
    };
    print(header)?;
    text.lines().skip(1).filter(ours).try_for_each(print)
}

/// A plan, each call with the lab that teaches it.
pub(super) fn plan(calls: &[(&'static str, Explanation)]) -> Result<()> {
    for (index, (lab, Explanation { call, why, man })) in calls.iter().enumerate() {
        print(&format!("{:3}. {call}\n     {why} (man {man}; {lab})", index + 1))?;
    }
    Ok(())
}

/// The same as the event that a lab's `--explain --json` prints, each call with its lab.
pub(super) fn plan_as_event(calls: &[(&'static str, Explanation)]) -> Result<()> {
    let call = |(lab, Explanation { call, why, man }): &(&'static str, Explanation)| json!({ "call": call, "why": why, "man": man, "lab": lab });
    let calls: Vec<Value> = calls.iter().map(call).collect();
    print(&json!({ "event": "plan", "calls": calls }).to_string())
}

pub(super) fn spec(args: &Spec) -> Result<()> {
    let path = args.bundle.join("config.json");
    let spec = if args.rootless { defaults::rootless_spec() } else { defaults::spec() };
    let text = pretty(&spec)? + "\n";
    let created = OpenOptions::new().write(true).create_new(true).open(&path);
    created.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Error::new("cannot write config.json")
            .io(format_args!("open {}", path.display()), &error)
            .fix("one that is there already stays: remove it, or name another --bundle")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_if_the_file_has_one() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:100::/home/ann:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000), Some("ann"));
        assert_eq!(user_name(passwd, 100), None);
    }
}
