//! The bundle: image config and options become `config.json`, and from there on images are
//! forgotten.
//!
//! Docker's defaults go in here: fourteen capabilities, a system call filter, masked paths (those
//! three are `mini_runc::defaults`), a hostname. All of it is data until a runtime reads it. The one thing that
//! needs the container's own files is who its user is: names are looked up in *its* /etc/passwd.
//!
//! | file | what it decides |
//! |---|---|
//! | `command` | ENTRYPOINT, CMD and what the user typed |
//! | `user` | names and numbers -> user, groups, home |
//! | `capabilities` | what its root may do |
//! | `mounts` | what it sees besides the image |
//! | `resources` | what it may use |
//! | `etc` | hosts, hostname and resolv.conf |

mod capabilities;
mod command;
mod etc;
mod mounts;
mod resources;
mod user;

use std::{
    collections::BTreeMap,
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use mini_runc::defaults;
use oci::runtime::{Linux, Namespace, NamespaceKind, Process, Root, Spec, User};
use serde::{Deserialize, Serialize};

pub use capabilities::ALL as CAPABILITIES;
pub use command::{effective, words};
pub use etc::{Neighbourhood, name_servers, write_names};
pub use mounts::init_program;
pub use resources::limits;
pub use user::{Account, inside};

use crate::{
    container::{Network, Record},
    layout::{ContainerLayout, Layout},
    snapshot::Mapped,
};

/// The version of the runtime specification that we need: older runtimes refuse what they do not
/// know, and there is nothing newer in our bundles.
const SPEC_VERSION: &str = "1.0.2";

/// What a bundle is made from.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// The container.
    pub record: &'a Record,
    /// Where its files are.
    pub layout: &'a Layout,
    /// Its cgroup, below the root of each hierarchy; none to stay in ours.
    pub cgroup: Option<&'a str>,
    /// A network namespace to join, as a path; its own if none.
    pub network: Option<&'a str>,
    /// Further environment, which the image and the user may replace.
    pub env: &'a [String],
}

/// The spec for a container whose program runs as `account`. Pure: it reads nothing.
pub fn spec(parts: Parts<'_>, account: &Account, mapped: &Mapped) -> Spec {
    let Parts { record, layout, cgroup, network, env } = parts;
    let container = layout.container(&record.id);
    let options = &record.options;
    Spec {
        oci_version: SPEC_VERSION.to_owned(),
        process: Some(process(record, account, env)),
        root: Some(Root {
            path: container.merged().display().to_string(),
            readonly: options.security.read_only,
        }),
        hostname: hostname(record),
        domainname: None,
        mounts: mounts::mounts(record, layout, mapped),
        hooks: None,
        annotations: BTreeMap::from([("org.mini-docker.name".into(), record.name.clone())]),
        linux: Some(linux(record, cgroup, network)),
    }
}

/// Writes the bundle of a container whose root file system is mounted.
///
/// Makes the working directory if the image has none of that name, as Docker does.
///
/// # Errors
/// A user that is not in the image or not mapped; a failed file operation.
pub fn write(parts: Parts<'_>) -> Result<()> {
    let Parts { record, layout, .. } = parts;
    let container = layout.container(&record.id);
    let mapped = Mapped::here();
    let account = account(record, &container, &mapped)?;
    make_working_dir(&container.merged(), record, &account)?;
    etc::write(record, layout)?;
    let spec = spec(parts, &account, &mapped);
    let path = container.bundle().join("config.json");
    serde_json::to_vec_pretty(&spec)
        .map_err(std::io::Error::from)
        .and_then(|json| fs::write(&path, json))
        .map_err(|error| Error::new("cannot write the bundle").io(path.display(), &error))
}

/// Who the program is, looked up in the container's own files.
///
/// # Errors
/// A name that is not there, or an id that this user namespace has not.
fn account(record: &Record, container: &ContainerLayout, mapped: &Mapped) -> Result<Account> {
    let wanted = record.config.user.as_deref().unwrap_or_default();
    let account = user::look_up(wanted, &container.merged())?;
    check_mapped(&account, mapped)?;
    Ok(account)
}

fn check_mapped(account: &Account, mapped: &Mapped) -> Result<()> {
    if mapped.has(account.uid, account.gid) {
        return Ok(());
    }
    Err(Error::new(format!("cannot run as user {}:{}", account.uid, account.gid))
        .why("your user namespace has no such id: it maps only your own, and subordinate ones")
        .see("5 subuid")
        .fix(
            "get subordinate ids: sudo usermod --add-subuids 100000-165535 --add-subgids \
             100000-165535 $USER, and install uidmap; or run it with -u 0",
        ))
}

/// Who a container's program is, looked up in its files below `root`.
///
/// # Errors
/// A name that is not there.
pub fn account_of(record: &Record, root: &impl AsRawFd) -> Result<Account> {
    let root = PathBuf::from(format!("/proc/self/fd/{}/.", root.as_raw_fd()));
    user::look_up(record.config.user.as_deref().unwrap_or_default(), &root)
}

/// The program that `exec` runs beside the container's own.
///
/// # Errors
/// As [`write()`]: for the user.
pub fn exec_process(record: &Record, root: &Path, wanted: &ExecOptions) -> Result<Process> {
    let user = wanted.user.as_deref().or(record.config.user.as_deref()).unwrap_or_default();
    let account = user::look_up(user, root)?;
    check_mapped(&account, &Mapped::here())?;
    let mut process = process(record, &account, &[]);
    process.args = wanted.args.clone();
    process.terminal = wanted.tty;
    process.env = command::merged_env(&process.env, &wanted.env);
    if let Some(dir) = &wanted.working_dir {
        process.cwd = dir.clone();
    }
    if wanted.privileged {
        process.capabilities = Some(capabilities::all());
    }
    Ok(process)
}

/// What `exec` was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOptions {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// Further environment.
    pub env: Vec<String>,
    /// Another user than the container's.
    pub user: Option<String>,
    /// Another working directory.
    pub working_dir: Option<String>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether it may do everything.
    pub privileged: bool,
}

fn process(record: &Record, account: &Account, further: &[String]) -> Process {
    let options = &record.options;
    let security = &options.security;
    Process {
        terminal: options.tty,
        user: User {
            uid: account.uid,
            gid: account.gid,
            umask: None,
            additional_gids: account.additional_gids.clone(),
            username: None,
        },
        args: with_init(record, command::words(&record.config)),
        env: environment(record, account, further),
        cwd: working_dir(record).to_owned(),
        capabilities: Some(capabilities::of(security, account.uid == 0)),
        no_new_privileges: security.no_new_privileges,
        ..Process::default()
    }
}

/// With `--init` our own program is the first, and the container's its argument.
fn with_init(record: &Record, words: Vec<String>) -> Vec<String> {
    if !record.options.init {
        return words;
    }
    [mounts::INIT.to_owned(), "--".to_owned()].into_iter().chain(words).collect()
}

fn working_dir(record: &Record) -> &str {
    record.config.working_dir.as_deref().filter(|dir| !dir.is_empty()).unwrap_or("/")
}

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// PATH, HOSTNAME, TERM and HOME where the image says nothing else, in Docker's order.
fn environment(record: &Record, account: &Account, further: &[String]) -> Vec<String> {
    let mut defaults = vec![DEFAULT_PATH.to_owned()];
    if let Some(name) = hostname(record) {
        defaults.push(format!("HOSTNAME={name}"));
    }
    if record.options.tty {
        defaults.push("TERM=xterm".into());
    }
    defaults.extend_from_slice(further);
    let mut env = command::merged_env(&defaults, record.config.env.as_deref().unwrap_or_default());
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", account.home));
    }
    env
}

/// With the host's network comes the host's UTS namespace, and its name.
fn hostname(record: &Record) -> Option<String> {
    let name = || record.options.hostname.clone().unwrap_or_else(|| record.short_id().to_owned());
    (record.options.network != Network::Host).then(name)
}

fn linux(record: &Record, cgroup: Option<&str>, network: Option<&str>) -> Linux {
    let options = &record.options;
    let privileged = options.security.privileged;
    let unconfined = privileged || options.security.seccomp_unconfined;
    let paths = |paths: &[&str]| match privileged {
        true => Vec::new(),
        false => paths.iter().map(ToString::to_string).collect(),
    };
    Linux {
        namespaces: namespaces(&options.network, network),
        cgroups_path: cgroup.map(str::to_owned),
        resources: Some(resources::resources(options)),
        seccomp: (!unconfined)
            .then(|| defaults::seccomp(&capabilities::bounding(&options.security))),
        masked_paths: paths(&defaults::MASKED_PATHS),
        readonly_paths: paths(&defaults::READONLY_PATHS),
        ..Linux::default()
    }
}

fn namespaces(network: &Network, path: Option<&str>) -> Vec<Namespace> {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network as Net, Pid, Uts};
    let kinds: &[NamespaceKind] = match network {
        Network::None | Network::Bridge | Network::Container(_) => {
            &[Mount, Uts, Pid, Ipc, Net, Cgroup]
        }
        // The name belongs to the network: a host's service must know its host's name.
        Network::Host => &[Mount, Pid, Ipc, Cgroup],
    };
    let path_of = |kind: NamespaceKind| path.filter(|_| kind == Net).map(str::to_owned);
    kinds.iter().map(|kind| Namespace { kind: *kind, path: path_of(*kind) }).collect()
}

/// Makes the working directory inside `root`, owned by the program's user.
fn make_working_dir(root: &Path, record: &Record, account: &Account) -> Result<()> {
    let dir = working_dir(record);
    if !dir.starts_with('/') {
        return Err(Error::new(format!("the working directory '{dir}' is invalid"))
            .why("it needs to be an absolute path")
            .fix("begin it with a slash: -w /srv"));
    }
    let made =
        inside(root, Path::new(dir)).map_err(std::io::Error::from).and_then(|path| {
            match path.is_dir() || record.options.security.read_only {
                true => Ok(()),
                false => make_dirs(root, Path::new(dir), account),
            }
        });
    made.map_err(|error| {
        Error::new(format!("cannot make the working directory {dir}"))
            .io("mkdir", &error)
            .fix("choose another one: -w /")
    })
}

fn make_dirs(root: &Path, dir: &Path, account: &Account) -> std::io::Result<()> {
    let mut so_far = PathBuf::from("/");
    for component in dir.components().skip(1) {
        so_far.push(component);
        let path = inside(root, &so_far)?;
        if path.is_dir() {
            continue;
        }
        fs::create_dir(&path)?;
        std::os::unix::fs::chown(&path, Some(account.uid), Some(account.gid))?;
    }
    Ok(())
}
