//! The eight kinds of namespaces and the flags that ask for them.

use ground::cli::Switch;
use std::os::fd::AsFd;

use nix::sched::CloneFlags;

use crate::sys;

/// One of the eight kinds (man 7 namespaces).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The mount table: what is where.
    Mount,
    /// Host name and domain name.
    Uts,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Process ids: who is 1, and who can be seen.
    Pid,
    /// Interfaces, addresses, routes, ports, firewall.
    Net,
    /// User and group ids, and what root may do.
    User,
    /// The root of the cgroup tree, as seen in `/proc/PID/cgroup`.
    Cgroup,
    /// The monotonic and the boot clock.
    Time,
}

/// CLONE_NEWTIME lies in the byte that clone(2) uses for the exit signal, so nix leaves it out:
/// only clone3(2) and unshare(2) can ask for it.
const CLONE_NEWTIME: CloneFlags = CloneFlags::from_bits_retain(libc::CLONE_NEWTIME);

impl Kind {
    /// All kinds, in the order in which the kernel got them.
    pub const ALL: [Self; 8] = [
        Self::Mount,
        Self::Uts,
        Self::Ipc,
        Self::Pid,
        Self::Net,
        Self::User,
        Self::Cgroup,
        Self::Time,
    ];

    /// The flag of clone3(2), unshare(2) and setns(2).
    pub fn flag(self) -> CloneFlags {
        match self {
            Self::Mount => CloneFlags::CLONE_NEWNS,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Pid => CloneFlags::CLONE_NEWPID,
            Self::Net => CloneFlags::CLONE_NEWNET,
            Self::User => CloneFlags::CLONE_NEWUSER,
            Self::Cgroup => CloneFlags::CLONE_NEWCGROUP,
            Self::Time => CLONE_NEWTIME,
        }
    }

    /// The kind of namespace that an open file stands for; `None` for a file that stands for none.
    pub fn of_file(file: impl AsFd) -> Option<Self> {
        let flag = sys::ns_type(file.as_fd()).ok()?;
        Self::ALL.into_iter().find(|kind| kind.flag().bits() == flag)
    }

    /// The flag's name, to be looked up in the manual.
    pub fn flag_name(self) -> &'static str {
        match self {
            Self::Mount => "CLONE_NEWNS",
            Self::Uts => "CLONE_NEWUTS",
            Self::Ipc => "CLONE_NEWIPC",
            Self::Pid => "CLONE_NEWPID",
            Self::Net => "CLONE_NEWNET",
            Self::User => "CLONE_NEWUSER",
            Self::Cgroup => "CLONE_NEWCGROUP",
            Self::Time => "CLONE_NEWTIME",
        }
    }

    /// The name of its file under `/proc/PID/ns`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mount => "mnt",
            Self::Uts => "uts",
            Self::Ipc => "ipc",
            Self::Pid => "pid",
            Self::Net => "net",
            Self::User => "user",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// What is typed to ask for it: unshare(1)'s long option, nsenter(1) has the same.
    pub fn option(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            other => other.name(),
        }
    }

    /// Its manual page.
    pub fn man(self) -> &'static str {
        match self {
            Self::Mount => "7 mount_namespaces",
            Self::Uts => "7 uts_namespaces",
            Self::Ipc => "7 ipc_namespaces",
            Self::Pid => "7 pid_namespaces",
            Self::Net => "7 network_namespaces",
            Self::User => "7 user_namespaces",
            Self::Cgroup => "7 cgroup_namespaces",
            Self::Time => "7 time_namespaces",
        }
    }

    /// The first kernel that has it (man 7 namespaces; for users: 3.8 completed it).
    pub fn since(self) -> &'static str {
        match self {
            Self::Mount => "2.4.19",
            Self::Uts | Self::Ipc => "2.6.19",
            Self::Pid | Self::Net => "2.6.24",
            Self::User => "3.8",
            Self::Cgroup => "4.6",
            Self::Time => "5.6",
        }
    }

    /// What it isolates, in a few words.
    pub fn isolates(self) -> &'static str {
        match self {
            Self::Mount => "the mount table",
            Self::Uts => "host and domain name",
            Self::Ipc => "IPC, message queues",
            Self::Pid => "process ids",
            Self::Net => "interfaces, routes, ports",
            Self::User => "user ids, capabilities",
            Self::Cgroup => "the root of cgroups",
            Self::Time => "monotonic and boot clock",
        }
    }
}

impl Switch for Kind {
    const ALL: &'static [Self] = &Kind::ALL;

    fn long(self) -> &'static str {
        self.option()
    }

    /// The letter of unshare(1) and nsenter(1).
    fn short(self) -> char {
        match self {
            Self::Mount => 'm',
            Self::Uts => 'u',
            Self::Ipc => 'i',
            Self::Pid => 'p',
            Self::Net => 'n',
            Self::User => 'U',
            Self::Cgroup => 'C',
            Self::Time => 'T',
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Mount => "The mount table",
            Self::Uts => "The host name",
            Self::Ipc => "System V IPC and message queues",
            Self::Pid => "Process ids",
            Self::Net => "Interfaces, routes, ports",
            Self::User => "User and group ids, and what root may do",
            Self::Cgroup => "Where the tree of control groups begins, not its limits",
            Self::Time => "The monotonic and the boot clock",
        }
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(CloneFlags);

impl Kinds {
    /// None: the process shares everything with its parent.
    pub const NONE: Self = Self(CloneFlags::empty());

    /// The set of these kinds.
    pub fn of(kinds: impl IntoIterator<Item = Kind>) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }

    /// This set and one more kind.
    pub fn with(self, kind: Kind) -> Self {
        Self(self.0 | kind.flag())
    }

    /// This set but for one kind.
    pub fn without(self, kind: Kind) -> Self {
        Self(self.0 - kind.flag())
    }

    /// Whether the kind is in the set.
    pub fn contains(self, kind: Kind) -> bool {
        self.0.contains(kind.flag())
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The kinds, in the order of [`Kind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// The flags of the set.
    pub fn flags(self) -> CloneFlags {
        self.0
    }

    /// The flags by name, as strace(1) prints them: `CLONE_NEWNS|CLONE_NEWPID`, `0` for none.
    pub fn flag_names(self) -> String {
        if self.is_empty() {
            return "0".to_owned();
        }
        self.iter().map(Kind::flag_name).collect::<Vec<_>>().join("|")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_flag() {
        let all = Kinds::of(Kind::ALL);
        assert_eq!(all.iter().count(), 8);
        for kind in Kind::ALL {
            assert!(!all.without(kind).contains(kind));
            assert_eq!(all.without(kind).iter().count(), 7);
        }
    }

    #[test]
    fn a_file_stands_for_a_kind_or_for_none() {
        let open = |path| std::fs::File::open(path).unwrap();
        assert_eq!(Kind::of_file(open("/proc/self/ns/uts")), Some(Kind::Uts));
        assert_eq!(Kind::of_file(open("/dev/null")), None);
    }

    #[test]
    fn flags_read_as_strace_prints_them() {
        let some = Kinds::of([Kind::Pid, Kind::Mount]);
        assert_eq!(some.flag_names(), "CLONE_NEWNS|CLONE_NEWPID");
        assert_eq!(Kinds::NONE.flag_names(), "0");
    }
}
