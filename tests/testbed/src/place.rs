//! Where a binary is run: five kinds of machine and user, made without touching the host.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::geteuid;

use crate::{Need, Output, Run};

/// The uid and gid of the ordinary user that root makes up: one that no machine has.
pub const MADE_UP_UID: u32 = 54321;

/// A machine and a user to run a binary as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// This machine, as root.
    Root,
    /// This machine, as an ordinary user who has no subordinate ids.
    User,
    /// This machine, as an ordinary user with a range in /etc/subuid and /etc/subgid.
    UserWithSubids,
    /// A kernel with cgroup v2 only, as root.
    GuestRoot,
    /// A kernel with cgroup v2 only, as an ordinary user with subordinate ids and a delegated
    /// cgroup.
    GuestUser,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Root, Self::User, Self::UserWithSubids, Self::GuestRoot, Self::GuestUser];

    /// Its name in a snapshot's file name: `root-v1`, `user-subids-v1`, `user-v2`, ..
    pub fn name(self) -> String {
        let version = if self.is_guest() || machine_is_pure_v2() { "v2" } else { "v1" };
        let user = match self {
            Self::Root | Self::GuestRoot => "root",
            Self::User | Self::GuestUser => "user",
            Self::UserWithSubids => "user-subids",
        };
        // A guest's user has subordinate ids; on a machine with v2 the user without must differ.
        match (self, version) {
            (Self::User, "v2") => "user-plain-v2".to_owned(),
            _ => format!("{user}-{version}"),
        }
    }

    /// Whether it is a kernel of its own.
    pub fn is_guest(self) -> bool {
        matches!(self, Self::GuestRoot | Self::GuestUser)
    }

    /// The place to show that something needs no privilege.
    pub fn unprivileged() -> Self {
        if !geteuid().is_root() && own_subids() { Self::UserWithSubids } else { Self::User }
    }

    /// Why nothing can be run here, if so.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Root => Need::Root.missing(),
            Self::User if geteuid().is_root() => Need::Program("setpriv").missing(),
            Self::User => own_subids().then(|| "this user has subordinate ids".to_owned()),
            Self::UserWithSubids if geteuid().is_root() => Need::NewUidMap.missing(),
            Self::UserWithSubids => Need::NewUidMap
                .missing()
                .or_else(|| (!own_subids()).then(|| "no line in /etc/subuid".to_owned())),
            Self::GuestRoot | Self::GuestUser => Need::Guest.missing(),
        }
    }

    /// Runs a binary with these arguments and additional variables, for at most 120 s.
    ///
    /// Its environment is otherwise fixed: `TZ=UTC COLUMNS=100 NO_COLOR=1 LC_ALL=C TERM=dumb`,
    /// `PATH`, `HOME` (thrown away afterwards) and the mark of the test. Standard input is empty, the
    /// working directory is `HOME`, in a guest `/`.
    ///
    /// # Panics
    /// When it does not end in time, with what it said until then; none of its processes is left.
    #[track_caller]
    pub fn run(self, bin: impl AsRef<Path>, args: &[&str], env: &[(&str, &str)]) -> Output {
        Run { args, env, ..Run::of(bin.as_ref()) }.run_in(self)
    }

    /// Runs a shell script in which `$BIN` is the binary.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn shell(self, bin: impl AsRef<Path>, script: &str) -> Output {
        Run { script: Some(script), ..Run::of(bin.as_ref()) }.run_in(self)
    }

    /// The command that brings `argv` to life in this place.
    pub(crate) fn command(self, stage: &Stage<'_>, argv: &[String]) -> Command {
        match self {
            Self::Root => plain(stage, argv),
            Self::User | Self::UserWithSubids if !geteuid().is_root() => plain(stage, argv),
            Self::User => made_up_user(stage, argv, ""),
            Self::UserWithSubids => made_up_user(stage, argv, "learner:100000:65536\n"),
            Self::GuestRoot => guest(stage, argv, &[]),
            Self::GuestUser => guest(stage, argv, &["-u"]),
        }
    }

    /// The path under which the binary is seen here.
    pub(crate) fn path_of(self, bin: &Path, stage: &Path) -> PathBuf {
        match self {
            Self::User | Self::UserWithSubids if geteuid().is_root() => {
                stage.join("bin").join(bin.file_name().expect("a binary has a name"))
            }
            _ => bin.to_owned(),
        }
    }
}

/// What a run has prepared for its command.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// A directory of this run alone; everyone may look.
    pub dir: &'a Path,
    /// The binary on the host.
    pub bin: &'a Path,
    /// The command's variables.
    pub env: &'a [(String, String)],
    /// Words for a guest's kernel.
    pub kernel: &'a str,
    /// After how many seconds a guest is ended.
    pub seconds: u64,
}

/// A command with the stage's variables and no others.
fn clean(program: impl AsRef<std::ffi::OsStr>, stage: &Stage<'_>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(stage.env.iter().cloned());
    command
}

fn plain(stage: &Stage<'_>, argv: &[String]) -> Command {
    let home = stage.dir.join("home");
    fs::create_dir(&home).expect("a home in an empty directory");
    let mut command = clean(&argv[0], stage);
    command.args(&argv[1..]).env("HOME", &home).current_dir(home);
    command
}

/// The user exists only in a mount namespace: an overlay over /etc knows its name, /home is a
/// tmpfs, and the binary is bound to where everyone may go, because a checkout below /root is not
/// to be entered. Without no_new_privs, for newuidmap(1) is a set-user-ID program.
fn made_up_user(stage: &Stage<'_>, argv: &[String], subids: &str) -> Command {
    const ENTER: &str = r#"
        mount -t overlay -o "lowerdir=$STAGE/etc:/etc" overlay /etc
        mount --bind "$BIN_DIR" "$STAGE/bin"
        mount -t tmpfs -o mode=755 home /home
        mkdir -m 700 "$HOME"
        chown "$ID:$ID" "$HOME"
        cd "$HOME"
        unset STAGE BIN_DIR
        exec setpriv --reuid "$ID" --regid "$ID" --clear-groups --inh-caps=-all \
            env -u ID -u PWD -u OLDPWD "$@""#;
    let id = MADE_UP_UID.to_string();
    let (etc, name) = (stage.dir.join("etc"), "learner");
    fs::create_dir(&etc).and_then(|()| fs::create_dir(stage.dir.join("bin"))).expect("the stage");
    let add = |file: &str, line: String| {
        let old = fs::read_to_string(Path::new("/etc").join(file)).unwrap_or_default();
        fs::write(etc.join(file), old + &line).expect("a file of the made-up user");
    };
    add("passwd", format!("{name}:x:{id}:{id}::/home/{name}:/bin/sh\n"));
    add("group", format!("{name}:x:{id}:\n"));
    for file in ["subuid", "subgid"] {
        fs::write(etc.join(file), subids).expect("a file of the made-up user");
    }
    let mut command = clean("unshare", stage);
    command.args(["--mount", "--propagation", "private", "--", "sh", "-euc", ENTER, "sh"]);
    command
        .args(argv)
        .env("STAGE", stage.dir)
        .env("BIN_DIR", stage.bin.parent().expect("a directory"));
    command.env("HOME", format!("/home/{name}")).env("ID", id).current_dir("/");
    command
}

fn guest(stage: &Stage<'_>, argv: &[String], flags: &[&str]) -> Command {
    let mut command = clean(guest_program("run"), stage);
    for name in ["UNBOXED_KERNELS", "XDG_CACHE_HOME", "HOME"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.args(flags).args(["-K", stage.kernel]).args([
        "-t",
        &stage.seconds.to_string(),
        "-w",
        "/",
        "-b",
    ]);
    command.arg(stage.bin.parent().expect("a directory"));
    for (name, value) in stage.env.iter().filter(|(name, _)| name != "PATH") {
        command.arg("-e").arg(format!("{name}={value}"));
    }
    command.arg("--").args(argv);
    command
}

/// A script of `tests/guest`.
pub(crate) fn guest_program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest").join(name)
}

/// Whether cgroup v2 is all this machine has: no mount of a v1 hierarchy (cgroups(7)).
pub(crate) fn machine_is_pure_v2() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    !mounts.lines().any(|line| line.contains(" - cgroup ")) && mounts.contains(" - cgroup2 ")
}

fn own_subids() -> bool {
    let uid = geteuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    let is_own = |owner: &str| owner == uid.to_string() || Some(owner) == name.as_deref();
    fs::read_to_string("/etc/subuid")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split(':').next())
        .any(is_own)
}
