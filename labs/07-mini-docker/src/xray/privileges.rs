//! Privileges: what a container's process may do, and who it is.
//!
//! Root's power comes in pieces, the capabilities, and a process has five sets of them (man 7
//! capabilities). A seccomp filter refuses system calls, no_new_privs forbids exec(2) to give more
//! than there is, and a user namespace makes root inside an ordinary user outside.

use std::fs;

use ground::{Errno, Error, Result, Table};
use mini_runc::{capability_names, defaults::CAPABILITIES};
use namespaces::{Id, IdMaps, Kind, Range};
use nix::unistd::Pid;
use serde::Serialize;

use super::{
    Seen,
    processes::{inside, status},
};

/// What a process may do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Privileges {
    /// Its ids here.
    pub ids: Ids,
    /// Its ids in its user namespace; `None` where one has no number there.
    pub ids_inside: InsideIds,
    /// The five sets.
    pub capabilities: Capabilities,
    /// What its bounding set has and Docker's default does not.
    pub more_than_docker: Vec<String>,
    /// What Docker's default has and its bounding set does not.
    pub less_than_docker: Vec<String>,
    /// Whether exec(2) can give it more than it has.
    pub no_new_privs: bool,
    /// Its filter of system calls.
    pub seccomp: Seccomp,
    /// The label of a security module as AppArmor or SELinux; `None` where none has labels.
    pub lsm_label: Seen<Option<String>>,
    /// Its user namespace.
    pub user_namespace: UserNamespace,
}

/// Effective ids and further groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ids {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

/// The same ids in a user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InsideIds {
    /// The user.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

/// The five sets, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// What it can do now.
    pub effective: Vec<String>,
    /// What it may switch on.
    pub permitted: Vec<String>,
    /// What it hands on to programs with the same in their file.
    pub inheritable: Vec<String>,
    /// What may ever be had again.
    pub bounding: Vec<String>,
    /// What an ordinary user keeps across exec(2).
    pub ambient: Vec<String>,
}

/// The state of seccomp(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Seccomp {
    /// `none`, `strict` or `filter`.
    pub mode: &'static str,
    /// How many filters are on it (Linux 5.9).
    pub filters: Option<u32>,
}

/// A user namespace with its maps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserNamespace {
    /// Whether it is ours; `None` where that may not be seen.
    pub ours: Option<bool>,
    /// Users: inside, outside as we see it, how many.
    pub uid_map: Vec<[u32; 3]>,
    /// Groups.
    pub gid_map: Vec<[u32; 3]>,
    /// `allow` or `deny`: whether it may leave groups.
    pub setgroups: Option<String>,
}

/// Looks at what `pid` may do. All of `/proc/PID/status` is for everybody.
///
/// # Errors
/// When the process has ended.
pub fn look(pid: Pid) -> Result<Privileges> {
    let status = status(pid.as_raw())?;
    let maps = IdMaps::of(pid)?;
    let names = |mask: Option<u64>| capability_names(mask.unwrap_or_default());
    let bounding = names(status.capbnd);
    let by_docker = |name: &String| CAPABILITIES.contains(&name.as_str());
    let docker: Vec<String> = names(Some(u64::MAX)).into_iter().filter(by_docker).collect();
    let without = |all: &[String], others: &[String]| -> Vec<String> {
        all.iter().filter(|it| !others.contains(it)).cloned().collect()
    };
    Ok(Privileges {
        ids_inside: InsideIds {
            uid: inside(&maps.uids, status.euid),
            gid: inside(&maps.gids, status.egid),
        },
        ids: Ids { uid: status.euid, gid: status.egid, groups: status.groups },
        more_than_docker: without(&bounding, &docker),
        less_than_docker: without(&docker, &bounding),
        capabilities: Capabilities {
            effective: names(Some(status.capeff)),
            permitted: names(Some(status.capprm)),
            inheritable: names(Some(status.capinh)),
            bounding,
            ambient: names(status.capamb),
        },
        no_new_privs: status.nonewprivs == Some(1),
        seccomp: seccomp(pid, status.seccomp),
        lsm_label: lsm_label(pid).into(),
        user_namespace: user_namespace(pid, &maps),
    })
}

fn seccomp(pid: Pid, mode: Option<u32>) -> Seccomp {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let filters = text.lines().find_map(|it| it.strip_prefix("Seccomp_filters:"));
    Seccomp {
        mode: match mode {
            Some(2) => "filter",
            Some(1) => "strict",
            _ => "none",
        },
        filters: filters.and_then(|it| it.trim().parse().ok()),
    }
}

fn lsm_label(pid: Pid) -> Result<Option<String>> {
    let path = format!("/proc/{pid}/attr/current");
    match fs::read_to_string(&path) {
        Ok(label) => {
            Ok(Some(label.trim_matches(['\0', '\n', ' ']).to_owned()).filter(|it| !it.is_empty()))
        }
        // No module that is switched on has labels.
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new("cannot see the label of a security module")
            .io(format_args!("read {path}"), &error)
            .see("5 proc_pid_attr")
            .fix("look at a container of your own, or as root")),
    }
}

fn user_namespace(pid: Pid, maps: &IdMaps) -> UserNamespace {
    let own = Id::own(Kind::User).ok();
    let rows =
        |ranges: &[Range]| ranges.iter().map(|it| [it.inside, it.outside, it.count]).collect();
    let setgroups = fs::read_to_string(format!("/proc/{pid}/setgroups")).ok();
    UserNamespace {
        ours: Id::of(pid, Kind::User).ok().map(|theirs| Some(theirs) == own),
        uid_map: rows(&maps.uids),
        gid_map: rows(&maps.gids),
        setgroups: setgroups.map(|it| it.trim().to_owned()),
    }
}

impl Privileges {
    pub(super) fn told(&self) -> (Vec<Table>, Vec<String>) {
        (vec![self.sets(), self.maps()], self.words())
    }

    fn sets(&self) -> Table {
        let Capabilities { effective, permitted, inheritable, bounding, ambient } =
            &self.capabilities;
        let all = capability_names(u64::MAX).len();
        let mut table = Table::new(["capabilities", "", "says"]);
        let rows = [
            ("effective", effective, "what it can do now"),
            ("permitted", permitted, "what it may switch on"),
            ("inheritable", inheritable, "handed on to files with the same"),
            ("bounding", bounding, "what may ever be had again"),
            ("ambient", ambient, "kept across exec by an ordinary user"),
        ];
        for (name, set, says) in rows {
            let same = (name == "permitted" && set == effective)
                || (name == "bounding" && set == permitted);
            let shown = match set.len() {
                0 => "none".to_owned(),
                many if many == all => "all".to_owned(),
                _ if same => "the same".to_owned(),
                _ => in_lines(set),
            };
            table.push([name, &shown, says]);
        }
        table
    }

    fn maps(&self) -> Table {
        let mut table = Table::new(["", "inside", "here", "how many"]);
        let UserNamespace { uid_map, gid_map, .. } = &self.user_namespace;
        for (name, map) in [("users", uid_map), ("groups", gid_map)] {
            for row in map {
                let [inside, outside, count] = row.map(|it| it.to_string());
                table.push([name.to_owned(), inside, outside, count]);
            }
        }
        table
    }

    fn words(&self) -> Vec<String> {
        let Ids { uid, gid, .. } = self.ids;
        let number = |id: Option<u32>| id.map_or_else(|| "nobody".to_owned(), |id| id.to_string());
        let mut words = vec![format!(
            "user {} and group {} inside are user {uid} and group {gid} here",
            number(self.ids_inside.uid),
            number(self.ids_inside.gid),
        )];
        let compared = [("more", &self.more_than_docker), ("fewer", &self.less_than_docker)];
        for (word, names) in compared.into_iter().filter(|(_, names)| !names.is_empty()) {
            let names =
                if names.len() > 14 { format!("{} of them", names.len()) } else { names.join(" ") };
            words.push(format!("{word} capabilities than Docker gives by default: {names}"));
        }
        words.push(match (self.seccomp.mode, self.seccomp.filters) {
            ("filter", Some(1)) => "seccomp: a filter on its system calls".to_owned(),
            ("filter", Some(filters)) => format!("seccomp: {filters} filters on its system calls"),
            (mode, _) => format!("seccomp: {mode}"),
        });
        words.push(match self.no_new_privs {
            true => "no_new_privs: exec cannot give it more than it has".to_owned(),
            false => "no_new_privs is not set: a set-user-ID program may give it more".to_owned(),
        });
        words.push(match &self.lsm_label {
            Seen::Facts(Some(label)) => format!("security module: {label}"),
            Seen::Facts(None) => "security module: none that has labels".to_owned(),
            Seen::Hidden(error) => format!("hidden: {error}"),
        });
        words
    }
}

/// Four names a line, without what all of them begin with.
fn in_lines(names: &[String]) -> String {
    let short: Vec<&str> = names.iter().map(|it| it.strip_prefix("CAP_").unwrap_or(it)).collect();
    short.chunks(4).map(|it| it.join(" ")).collect::<Vec<_>>().join("\n")
}
