//! The flags of `run` and `create`, as meant: text becomes types once, here.

use std::{collections::BTreeMap, fs, path::PathBuf};

use ground::{Error, Result};
use mini_docker::{
    container::{Limits, Mount, Options, Overrides, Restart, Security, Source},
    engine,
};
use volumes::{Access, Spec};

use super::{args::ContainerFlags, connection::connection, life};

/// What the flags ask for.
///
/// # Errors
/// A value that makes no sense.
pub fn create(flags: &ContainerFlags, detached: bool) -> Result<engine::Create> {
    check(flags)?;
    let (network, connection) = connection(&flags.network, flags.hostname.is_some())?;
    Ok(engine::Create {
        image: flags.image.clone(),
        name: flags.name.clone(),
        overrides: overrides(flags)?,
        options: Options {
            hostname: flags.hostname.clone(),
            tty: flags.tty,
            interactive: flags.interactive,
            remove: flags.rm,
            mounts: mounts(flags)?,
            network,
            connection,
            limits: limits(flags)?,
            security: security(flags)?,
            runtime: flags.runtime.clone(),
            cgroup_parent: flags.cgroup_parent.clone(),
            restart: flags.life.restart.unwrap_or_default(),
            init: flags.life.init,
            stdin_once: flags.interactive && !detached,
            log: life::log(&flags.life)?,
        },
    })
}

/// Flags that contradict each other.
fn check(flags: &ContainerFlags) -> Result<()> {
    if flags.rm && flags.life.restart.is_some_and(|restart| restart != Restart::No) {
        return Err(Error::new("conflicting options: cannot specify both --restart and --rm")
            .why("a container that is removed at its end cannot be started again")
            .fix("leave one of them out"));
    }
    Ok(())
}

fn overrides(flags: &ContainerFlags) -> Result<Overrides> {
    let mut env = Vec::new();
    for file in &flags.env_file {
        env.extend(env_file(file)?);
    }
    env.extend(flags.env.iter().filter_map(|entry| env_entry(entry)));
    if let Some(signal) = &flags.stop_signal {
        engine::signal(signal)?;
    }
    Ok(Overrides {
        command: flags.command.clone(),
        entrypoint: flags.entrypoint.clone(),
        env,
        working_dir: flags.workdir.clone(),
        user: flags.user.clone(),
        labels: flags.label.iter().map(|label| pair(label)).collect::<BTreeMap<_, _>>(),
        stop_signal: flags.stop_signal.clone(),
        stop_timeout: flags.life.stop_timeout,
        healthcheck: life::healthcheck(&flags.life)?,
    })
}

/// `NAME=VALUE`, or a name alone.
pub fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), value.to_owned())
}

/// `NAME=value`; a bare name has the value that it has here, or is left out.
pub fn env_entry(text: &str) -> Option<String> {
    if text.contains('=') {
        return Some(text.to_owned());
    }
    std::env::var(text).ok().map(|value| format!("{text}={value}"))
}

/// The entries of a file of environment variables.
///
/// # Errors
/// When it cannot be read.
pub fn env_file(path: &PathBuf) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| {
        Error::new("cannot read the file of environment variables")
            .io(format_args!("open {}", path.display()), &error)
            .fix("check the path after --env-file")
    })?;
    let lines = text.lines().map(str::trim_start);
    Ok(lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(env_entry)
        .collect())
}

fn mounts(flags: &ContainerFlags) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for text in &flags.volume {
        let spec: Spec = text.parse()?;
        mounts.push(volume(spec));
    }
    for text in &flags.tmpfs {
        mounts.push(tmpfs(text)?);
    }
    for (index, mount) in mounts.iter().enumerate() {
        if mounts[..index].iter().any(|other| other.destination == mount.destination) {
            return Err(Error::new(format!(
                "Duplicate mount point: {}",
                mount.destination.display()
            ))
            .why("two mounts on one place: the second would hide the first")
            .fix("mount each on a place of its own"));
        }
    }
    Ok(mounts)
}

fn volume(spec: Spec) -> Mount {
    let source = match spec.source {
        volumes::Source::Host(path) => Source::Bind(path),
        volumes::Source::Named(name) => Source::Volume { name, anonymous: false },
        volumes::Source::Anonymous => Source::Volume { name: String::new(), anonymous: true },
    };
    Mount { source, destination: spec.target, read_only: spec.access == Access::ReadOnly }
}

fn tmpfs(text: &str) -> Result<Mount> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    if !path.starts_with('/') {
        return Err(Error::new(format!("invalid tmpfs {text:?}"))
            .why("the place in the container is not absolute")
            .fix("write --tmpfs /scratch or --tmpfs /scratch:size=64m"));
    }
    let options = options.split(',').filter(|option| !option.is_empty());
    Ok(Mount {
        source: Source::Tmpfs(options.map(str::to_owned).collect()),
        destination: path.into(),
        read_only: false,
    })
}

/// Docker's least, so that the container's first process can live in it.
const MEMORY_MIN: u64 = 6 << 20;

fn limits(flags: &ContainerFlags) -> Result<Limits> {
    let memory = flags.memory.map(|bytes| bytes.0);
    if memory.is_some_and(|memory| memory < MEMORY_MIN) {
        return Err(Error::new("Minimum memory limit allowed is 6MB")
            .why("with less not even the runtime can start the program")
            .fix("give more: -m 64m"));
    }
    let quota = flags.cpus.map(|cpus| (cpus.quota_us(), cgroups::Cpus::PERIOD_US));
    if let Some(list) = &flags.cpuset_cpus {
        list.parse::<cgroups::CpuList>()?;
    }
    Ok(Limits {
        memory: memory.map(signed),
        memory_swap: memory_swap(flags, memory)?,
        cpu_quota_us: quota.map(|(quota, _)| signed(quota)),
        cpu_period_us: quota.map(|(_, period)| period),
        cpu_shares: flags.cpu_shares,
        cpuset_cpus: flags.cpuset_cpus.clone(),
        pids: flags.pids_limit,
    })
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn memory_swap(flags: &ContainerFlags, memory: Option<u64>) -> Result<Option<i64>> {
    let Some(text) = &flags.memory_swap else { return Ok(None) };
    let invalid = |why: &str| {
        Err(Error::new(format!("invalid --memory-swap {text}"))
            .why(why)
            .fix("it is memory and swap together: -m 64m --memory-swap 128m, or -1 for no limit"))
    };
    let Some(memory) = memory else { return invalid("it needs a memory limit beside it") };
    if text == "-1" {
        return Ok(Some(-1));
    }
    match text.parse::<cgroups::Bytes>()? {
        swap if swap.0 < memory => invalid("it is smaller than the memory limit"),
        swap => Ok(Some(signed(swap.0))),
    }
}

fn security(flags: &ContainerFlags) -> Result<Security> {
    let mut security = Security {
        cap_add: capabilities(&flags.cap_add)?,
        cap_drop: capabilities(&flags.cap_drop)?,
        privileged: flags.privileged,
        read_only: flags.read_only,
        no_new_privileges: false,
        seccomp_unconfined: false,
    };
    for option in &flags.security_opt {
        match option.as_str() {
            "no-new-privileges" | "no-new-privileges=true" | "no-new-privileges:true" => {
                security.no_new_privileges = true;
            }
            "seccomp=unconfined" => security.seccomp_unconfined = true,
            other => {
                return Err(Error::new(format!("invalid --security-opt: {other:?}"))
                    .fix("known are no-new-privileges and seccomp=unconfined"));
            }
        }
    }
    Ok(security)
}

/// Names without `CAP_`, in capitals.
fn capabilities(words: &[String]) -> Result<Vec<String>> {
    let known = |name: &str| name == "ALL" || mini_docker::bundle::CAPABILITIES.contains(&name);
    words
        .iter()
        .flat_map(|words| words.split(','))
        .map(|word| {
            let name = word.to_ascii_uppercase();
            let name = name.strip_prefix("CAP_").unwrap_or(&name).to_owned();
            if known(&name) {
                return Ok(name);
            }
            Err(Error::new(format!("invalid capability: {word:?}"))
                .see("7 capabilities")
                .fix("give one of the manual page, with or without CAP_, or ALL"))
        })
        .collect()
}
