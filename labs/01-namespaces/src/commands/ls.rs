//! ls: all namespaces and their members, with the columns of lsns(8).

use std::process::ExitCode;

use ground::{Narrator, Result, Table};
use namespaces::census::{self, Census, Members};

use super::told;
use crate::{args::KindName, process};

/// Lists the namespaces, by kind and inode. For a program, `json`, commands are whole.
pub fn ls(narrator: &mut Narrator<'_>, kind: Option<KindName>, json: bool) -> Result<ExitCode> {
    let census = census::take()?;
    let command = |pid| if json { process::command(pid) } else { process::cut(pid, 24) };
    let wanted = |found: &&Members| kind.is_none_or(|KindName(kind)| found.id.kind == kind);
    let mut table = Table::new(["NS", "TYPE", "NPROCS", "PID", "USER", "COMMAND"]);
    for Members { id, pids } in census.namespaces.iter().filter(wanted) {
        // lsns(8) shows the lowest PID as well: it is usually the one that the others come from.
        let Some(first) = pids.first() else { continue };
        table.push([
            id.ino.to_string(),
            id.kind.name().to_owned(),
            pids.len().to_string(),
            first.to_string(),
            process::user(*first),
            command(*first),
        ]);
    }
    told(narrator.table(&table.title(format!("/proc/PID/ns of {}", who(&census)))))
}

/// Who was asked, and how many could not be.
pub fn who(census: &Census) -> String {
    match census.hidden.len() {
        0 => "all processes".to_owned(),
        1 => "all processes but 1, which is hidden from us".to_owned(),
        hidden => format!("all processes but {hidden}, which are hidden from us"),
    }
}
