//! What ps(1) shows of a process: its owner and its command line.

use std::{fs, os::unix::fs::MetadataExt};

use nix::unistd::{Pid, Uid, User};

/// The name of the user who owns it, or the number; `?` when it has ended.
pub fn user(pid: Pid) -> String {
    let Ok(directory) = fs::metadata(format!("/proc/{pid}")) else { return "?".to_owned() };
    let uid = Uid::from_raw(directory.uid());
    User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Its command line; `[name]` where it has none, as kernel threads.
pub fn command(pid: Pid) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace(['\0', '\n'], " ");
    let line = line.trim();
    if !line.is_empty() {
        return line.to_owned();
    }
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("[{}]", name.trim())
}

/// The beginning of it, for a table.
pub fn cut(pid: Pid, width: usize) -> String {
    shortened(command(pid), width)
}

fn shortened(command: String, width: usize) -> String {
    if command.chars().count() <= width {
        return command;
    }
    command.chars().take(width - 1).chain(['…']).collect()
}

/// The value of a line of `/proc/PID/status`, as `NSpid`.
pub fn status(pid: Pid, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    value(&text, name).map(str::to_owned)
}

fn value<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_cut() {
        assert_eq!(shortened("sleep 60".to_owned(), 8), "sleep 60");
        assert_eq!(shortened("sleep 600".to_owned(), 8), "sleep 6…");
    }

    #[test]
    fn a_line_of_the_status_is_found_by_its_whole_name() {
        let text = "Name:\tsh\nNSpid:\t7\t1\nPid:\t7\n";
        assert_eq!(value(text, "NSpid"), Some("7\t1"));
        assert_eq!(value(text, "Pid"), Some("7"));
        assert_eq!(value(text, "NS"), None);
    }
}
