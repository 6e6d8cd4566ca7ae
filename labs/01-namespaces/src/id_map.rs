//! Id maps: a user namespace is a table of three columns, id inside, id outside, how many.
//!
//! Before the table is written everybody inside is 65534, nobody. It can be written once. Whoever
//! has CAP_SETUID in the parent namespace writes what they like; anybody else a single line that
//! maps their own id, and that only after setgroups(2) is denied for good; ranges of subordinate
//! ids (subuid(5)) are written by newuidmap(1), which is set-user-ID root (man 7 user_namespaces).

use std::{fs, os::fd::OwnedFd, process::Command};

use ground::{Error, Explanation, Result};
use nix::unistd::{Pid, User, getegid, geteuid};

use crate::{Kind, Kinds, Spawn};

/// `count` consecutive ids: `inside` is `outside` in the parent namespace, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first id in the new namespace.
    pub inside: u32,
    /// The id that it is in the parent namespace.
    pub outside: u32,
    /// How many, at least 1.
    pub count: u32,
}

/// The maps of a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMaps {
    /// User ids.
    pub uids: Vec<Range>,
    /// Group ids.
    pub gids: Vec<Range>,
}

impl IdMaps {
    /// Root inside is the caller outside, and there is nobody else.
    pub fn only_root() -> Self {
        let one = |outside| vec![Range { inside: 0, outside, count: 1 }];
        Self { uids: one(geteuid().as_raw()), gids: one(getegid().as_raw()) }
    }

    /// Root inside is the caller outside, and from 1 on come the caller's subordinate ids; `None`
    /// where the machine has none for us or no newuidmap(1) to write them with.
    pub fn with_subordinate_ids() -> Option<Self> {
        let name = User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
        let uid = geteuid().as_raw();
        let ranges = |path| subordinate(&fs::read_to_string(path).ok()?, name.as_deref(), uid);
        let mut maps = Self::only_root();
        maps.uids.push(ranges("/etc/subuid")?);
        maps.gids.push(ranges("/etc/subgid")?);
        (in_path("newuidmap") && in_path("newgidmap")).then_some(maps)
    }

    /// The calls that [`IdMaps::write`] makes for a child of the calling user.
    pub fn explain(&self) -> Vec<Explanation> {
        let man = "7 user_namespaces";
        let mut calls = Vec::new();
        if self.needs_setgroups_denied() {
            calls.push(Explanation::new(
                "write(\"/proc/PID/setgroups\", \"deny\")",
                "dropping a group must not open a file that the group was locked out of",
                man,
            ));
        }
        let files = [("uid_map", "newuidmap", &self.uids), ("gid_map", "newgidmap", &self.gids)];
        for (file, program, ranges) in files {
            calls.push(match self.needs_programs() {
                true => Explanation::new(
                    format!("{program} PID {}", triples(ranges).join(" ")),
                    "set-user-ID root: it writes the map if the subordinate ids are the caller's",
                    "1 newuidmap",
                ),
                false => Explanation::new(
                    format!("write(\"/proc/PID/{file}\", {:?})", lines(ranges)),
                    "without a map everybody inside is 65534, nobody",
                    man,
                ),
            });
        }
        calls
    }

    /// The maps of the user namespace that a process lives in, with the ids outside as we see them.
    ///
    /// # Errors
    /// ENOENT when there is no such process.
    pub fn of(pid: Pid) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            let text = fs::read_to_string(&path).map_err(|error| {
                Error::new("cannot read the id map").io(format_args!("read {path}"), &error)
            })?;
            Ok(text.lines().filter_map(range_of).collect())
        };
        Ok(Self { uids: read("uid_map")?, gids: read("gid_map")? })
    }

    /// A user namespace with these maps in which nobody lives: mount_setattr(2) takes one to say how
    /// the ids of a mount are shown. It is gone when it is closed.
    ///
    /// # Errors
    /// As [`crate::Spawn::start`].
    pub fn namespace(&self) -> Result<OwnedFd> {
        let spawn = Spawn::new(Kinds::of([Kind::User])).id_maps(self.clone()).stay();
        let maker = spawn.start()?;
        let path = format!("/proc/{}/ns/user", maker.pid());
        let file = fs::File::open(&path).map_err(|error| {
            Error::new("cannot hold the user namespace").io(format_args!("open {path}"), &error)
        })?;
        // The maker is killed when it is dropped here; the open file keeps what it made.
        Ok(file.into())
    }

    /// Writes the maps of the user namespace that `pid` has just been made in.
    ///
    /// # Errors
    /// EPERM when the maps name ids that are not ours to give away, or when AppArmor took the
    /// capabilities inside; see [`crate::walls`].
    pub fn write(&self, pid: Pid) -> Result<()> {
        if self.needs_programs() {
            self.write_by_program("newuidmap", pid, &self.uids)?;
            self.write_by_program("newgidmap", pid, &self.gids)
        } else {
            self.write_files(&pid.to_string())
        }
    }

    /// Writes the maps of the caller's own user namespace: a single id each.
    pub(crate) fn write_own(&self) -> Result<()> {
        self.write_files("self")
    }

    /// Whether the maps can be written without any privilege.
    pub fn is_single(&self) -> bool {
        let single = |ranges: &[Range]| matches!(ranges, [Range { count: 1, .. }]);
        single(&self.uids) && single(&self.gids)
    }

    fn needs_programs(&self) -> bool {
        !geteuid().is_root() && !self.is_single()
    }

    fn needs_setgroups_denied(&self) -> bool {
        !geteuid().is_root() && self.is_single()
    }

    fn write_files(&self, pid: &str) -> Result<()> {
        // ANCHOR: write_maps
        if self.needs_setgroups_denied() {
            write(&format!("/proc/{pid}/setgroups"), "deny")?;
        }
        write(&format!("/proc/{pid}/uid_map"), &lines(&self.uids))?;
        write(&format!("/proc/{pid}/gid_map"), &lines(&self.gids))
        // ANCHOR_END: write_maps
    }

    fn write_by_program(&self, program: &str, pid: Pid, ranges: &[Range]) -> Result<()> {
        let cannot = || Error::new("cannot map subordinate ids").see(&format!("1 {program}"));
        let output = Command::new(program)
            .args(newidmap_arguments(pid, ranges))
            .output()
            .map_err(|error| cannot().io(format_args!("exec {program}"), &error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(cannot()
            .why(said)
            .fix("check the lines of your user in /etc/subuid and /etc/subgid, and that no_new_privs is not set"))
    }
}

/// The arguments of newuidmap(1): the process, then triples.
pub(crate) fn newidmap_arguments(pid: Pid, ranges: &[Range]) -> Vec<String> {
    [pid.as_raw().to_string()].into_iter().chain(triples(ranges)).collect()
}

fn triples(ranges: &[Range]) -> Vec<String> {
    let ids = ranges.iter().flat_map(|range| [range.inside, range.outside, range.count]);
    ids.map(|id| id.to_string()).collect()
}

/// The map as the kernel wants it: a line a range.
fn lines(ranges: &[Range]) -> String {
    let line = |range: &Range| format!("{} {} {}", range.inside, range.outside, range.count);
    ranges.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A line of a map as the kernel shows it.
fn range_of(line: &str) -> Option<Range> {
    let mut fields = line.split_whitespace().map(str::parse);
    let mut next = || fields.next()?.ok();
    Some(Range { inside: next()?, outside: next()?, count: next()? })
}

/// The first range of a file of subuid(5) for this user, mapped from 1 on.
fn subordinate(text: &str, name: Option<&str>, uid: u32) -> Option<Range> {
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let user = fields.next()?;
        let ours = user == uid || Some(user) == name;
        let outside = fields.next()?.parse().ok()?;
        let count = fields.next()?.parse().ok()?;
        (ours && count > 0).then_some(Range { inside: 1, outside, count })
    })
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| crate::walls::map_refused(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(u32, u32)>) {
        let found = subordinate(text, Some("ada"), 1000);
        assert_eq!(found.map(|range| (range.outside, range.count)), expected);
    }

    #[test]
    fn subordinate_ids_belong_to_a_name_or_a_number() {
        check("bob:100000:65536\nada:165536:65536\n", Some((165536, 65536)));
        check("1000:231072:65536\n", Some((231072, 65536)));
        check("bob:100000:65536\n", None);
        check("ada:nonsense\n", None);
        check("ada:165536:0\n", None);
        check("", None);
    }

    #[test]
    fn a_map_is_read_as_the_kernel_shows_it() {
        let range = Range { inside: 0, outside: 100000, count: 65536 };
        assert_eq!(range_of("         0     100000      65536"), Some(range));
        assert_eq!(range_of("0 1"), None);
    }

    #[test]
    fn maps_are_three_columns() {
        let ranges = [
            Range { inside: 0, outside: 1000, count: 1 },
            Range { inside: 1, outside: 165536, count: 65536 },
        ];
        assert_eq!(lines(&ranges), "0 1000 1\n1 165536 65536");
        assert_eq!(
            newidmap_arguments(Pid::from_raw(7), &ranges),
            ["7", "0", "1000", "1", "1", "165536", "65536"]
        );
    }
}
