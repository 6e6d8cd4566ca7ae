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
//! | `capabilities`, `security` | what its root may do |
//! | `namespaces` | what it has for itself, and what it shares |
//! | `mounts`, `devices` | what it sees besides the image |
//! | `resources` | what it may use |
//! | `found` | what all of this depends on besides the record |
//! | `etc` | hosts, hostname and resolv.conf |

mod capabilities;
mod command;
mod devices;
mod etc;
mod found;
mod mounts;
mod namespaces;
mod resources;
mod security;
mod user;

use std::{
    collections::BTreeMap,
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use oci::runtime::{ConsoleSize, Linux, Process, Root, Spec, User};
use serde::{Deserialize, Serialize};

pub use capabilities::ALL as CAPABILITIES;
pub use command::{effective, words};
pub use etc::{Neighbourhood, name_servers, write_names};
pub use found::{Found, Node};
pub use mounts::init_program;
pub use resources::limits;
pub use security::check_seccomp;
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
    /// The first process of each container whose namespaces it shares, by ID.
    pub joined: &'a BTreeMap<String, i32>,
}

/// The spec for a container. Pure: it reads nothing.
pub fn spec(parts: Parts<'_>, found: &Found) -> Spec {
    let Parts { record, layout, .. } = parts;
    let container = layout.container(&record.id);
    let options = &record.options;
    Spec {
        oci_version: SPEC_VERSION.to_owned(),
        process: Some(process(record, found, parts.env)),
        root: Some(Root {
            path: container.merged().display().to_string(),
            readonly: options.security.read_only,
        }),
        hostname: hostname(record, &found.host_name),
        domainname: options.domainname.clone(),
        mounts: mounts::mounts(record, layout, found),
        hooks: None,
        annotations: annotations(record),
        linux: Some(linux(parts, found)),
    }
}

fn annotations(record: &Record) -> BTreeMap<String, String> {
    let mut annotations = record.options.annotations.clone();
    annotations.insert("org.mini-docker.name".into(), record.name.clone());
    annotations
}

/// Writes the bundle of a container whose root file system is mounted.
///
/// Makes the working directory if the image has none of that name, as Docker does.
///
/// # Errors
/// A user that is not in the image or not mapped; a failed file operation.
pub fn write(parts: Parts<'_>) -> Result<()> {
    let Parts { record, layout, joined, .. } = parts;
    let container = layout.container(&record.id);
    let account = account(record, &container)?;
    make_working_dir(&container.merged(), record, &account)?;
    let found = Found::here(record, account, joined.clone())?;
    etc::write(record, layout, &found)?;
    let spec = spec(parts, &found);
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
fn account(record: &Record, container: &ContainerLayout) -> Result<Account> {
    let wanted = record.config.user.as_deref().unwrap_or_default();
    let mut account = user::look_up(wanted, &container.merged())?;
    let mapped = Mapped::here();
    check_mapped(&account, &mapped)?;
    for group in user::look_up_groups(&record.options.groups, &container.merged())? {
        check_mapped(&Account { gid: group, ..account.clone() }, &mapped)?;
        if group != account.gid && !account.additional_gids.contains(&group) {
            account.additional_gids.push(group);
        }
    }
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

/// The program that `exec` runs beside the container's own. `env` is further environment as [`Parts::env`] has it.
///
/// # Errors
/// As [`write()`]: for the user.
pub fn exec_process(
    record: &Record,
    root: &Path,
    wanted: &ExecOptions,
    env: &[String],
) -> Result<Process> {
    let user = wanted.user.as_deref().or(record.config.user.as_deref()).unwrap_or_default();
    let account = user::look_up(user, root)?;
    check_mapped(&account, &Mapped::here())?;
    let found = Found { account, ..Found::on_paper(Mapped::here()) };
    let mut process = process(record, &found, env);
    process.args = wanted.args.clone();
    process.terminal = wanted.tty;
    process.console_size = wanted.console_size;
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
    /// The size that its terminal begins with.
    pub console_size: Option<ConsoleSize>,
    /// Whether it may do everything.
    pub privileged: bool,
}

fn process(record: &Record, found: &Found, further: &[String]) -> Process {
    let options = &record.options;
    let (security, account) = (&options.security, &found.account);
    let mut process = Process {
        terminal: options.tty,
        console_size: options.console_size,
        user: User {
            uid: account.uid,
            gid: account.gid,
            umask: None,
            additional_gids: account.additional_gids.clone(),
            username: None,
        },
        args: with_init(record, command::words(&record.config)),
        env: environment(record, found, further),
        cwd: working_dir(record).to_owned(),
        capabilities: Some(capabilities::of(security, account.uid == 0)),
        no_new_privileges: security.no_new_privileges,
        rlimits: resources::rlimits(&options.ulimits),
        oom_score_adj: options.oom_score_adj,
        ..Process::default()
    };
    security::of_process(security, found, &mut process);
    process
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
fn environment(record: &Record, found: &Found, further: &[String]) -> Vec<String> {
    let mut defaults = vec![DEFAULT_PATH.to_owned()];
    let name = hostname(record, &found.host_name).unwrap_or_else(|| found.host_name.clone());
    defaults.push(format!("HOSTNAME={name}"));
    if record.options.tty {
        defaults.push("TERM=xterm".into());
    }
    defaults.extend_from_slice(further);
    let mut env = command::merged_env(&defaults, record.config.env.as_deref().unwrap_or_default());
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        env.push(format!("HOME={}", found.account.home));
    }
    env
}

/// The name in the container's UTS namespace; none where that is the host's. Who has the host's
/// network is called like the host, unless a name was asked for: a service announces itself.
fn hostname(record: &Record, host_name: &str) -> Option<String> {
    let options = &record.options;
    if options.namespaces.host_uts {
        return None;
    }
    let otherwise = match options.network {
        Network::Host => host_name.to_owned(),
        _ => record.short_id().to_owned(),
    };
    Some(options.hostname.clone().unwrap_or(otherwise))
}

fn linux(parts: Parts<'_>, found: &Found) -> Linux {
    let options = &parts.record.options;
    let mut linux = Linux {
        namespaces: namespaces::namespaces(options, found, parts.network),
        devices: devices::devices(found),
        cgroups_path: parts.cgroup.map(str::to_owned),
        resources: Some(resources::resources(options, found)),
        sysctl: options.sysctls.clone(),
        rootfs_propagation: mounts::root_propagation(options),
        ..Linux::default()
    };
    security::of_linux(&options.security, found, &mut linux);
    linux
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
