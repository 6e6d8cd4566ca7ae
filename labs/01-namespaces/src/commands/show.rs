//! show: which namespaces a process is in, and who it is in them.

use std::{fs, process::ExitCode};

use ground::{Narrator, Result, Table};
use namespaces::{Id, Kind, pidfd};
use nix::unistd::Pid;

use super::told;
use crate::process;

/// Shows both tables of a process; of ourselves without a number.
pub fn show(narrator: &mut Narrator<'_>, pid: Option<i32>) -> Result<ExitCode> {
    let pid = pid.map_or_else(Pid::this, Pid::from_raw);
    // Held, so that both tables speak of one process; and a number that nobody has is told here.
    let _held = pidfd::open(pid)?;
    told(narrator.table(&namespaces_of(pid)?))?;
    told(narrator.table(&identity_of(pid)))
}

fn namespaces_of(pid: Pid) -> Result<Table> {
    let columns = ["kind", "inode", "ours too", "isolates", "since Linux"];
    let mut table = Table::new(columns).title(format!("/proc/{pid}/ns"));
    for kind in Kind::ALL {
        let Ok(own) = Id::own(kind) else {
            table.push([kind.name(), "none here", "-", kind.isolates(), kind.since()]);
            continue;
        };
        let id = Id::of(pid, kind)?;
        let same = if id == own { "yes" } else { "no" };
        table.push([kind.name(), &id.ino.to_string(), same, kind.isolates(), kind.since()]);
    }
    Ok(table)
}

/// What the files under `/proc/PID` say, each with its source; those that cannot be read are left
/// out.
fn identity_of(pid: Pid) -> Table {
    let mut table = Table::new(["file", "field", "value", "says"]).title(process::command(pid));
    let fields = [
        ("NSpid", "its PID in each namespace, from ours inwards"),
        ("Uid", "real, effective, saved, file system: as we see them"),
        ("CapEff", "what it may do in its user namespace"),
        ("NoNewPrivs", "whether exec can still raise its privileges"),
        ("Seccomp", "2: a filter is on its system calls"),
    ];
    for (field, says) in fields {
        if let Some(value) = process::status(pid, field) {
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            table.push(["status", field, &value, says]);
        }
    }
    let files = [
        ("uid_map", "id inside, id for us, how many"),
        ("gid_map", "the same for groups"),
        ("setgroups", "deny: an ordinary user wrote the maps"),
        ("timens_offsets", "seconds and nanoseconds added to the clocks of its children"),
    ];
    for (file, says) in files {
        if let Ok(text) = fs::read_to_string(format!("/proc/{pid}/{file}")) {
            table.push([file, "", &columns_closed(&text), says]);
        }
    }
    table
}

/// The kernel pads its columns; a cell has no need to.
fn columns_closed(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { "no map: everybody is nobody".to_owned() } else { lines.join("\n") }
}
