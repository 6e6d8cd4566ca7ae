//! The flags of `run` and `create`, as meant: text becomes types once, here.
//!
//! | file | what it reads |
//! |---|---|
//! | `env` | variables, labels and the files of both |
//! | `mounts`, `volume_option`, `mount_option` | --tmpfs, --volumes-from; -v; --mount |
//! | `limits` | what it may use |
//! | `devices` | which of the host's devices it gets |
//! | `security` | what it may do |
//! | `namespaces` | what it shares |

mod devices;
mod env;
mod limits;
mod mount_option;
mod mounts;
mod namespaces;
mod security;
mod volume_option;

use std::collections::BTreeMap;

use ground::{Error, Result};
use mini_docker::{
    container::{Options, Overrides, Restart},
    engine,
};

use super::{args::ContainerFlags, connection::connection, life, terminal};

pub use env::{environment, pair};
pub use limits::live_limits;
pub use volume_option::no_such_driver;

/// What the flags ask for.
///
/// # Errors
/// A value that makes no sense.
pub fn create(flags: &ContainerFlags, detached: bool) -> Result<engine::Create> {
    check(flags)?;
    refuse_what_is_not_linux(flags)?;
    Ok(engine::Create {
        image: flags.image.clone(),
        platform: flags.platform.clone(),
        name: flags.name.clone(),
        overrides: overrides(flags)?,
        volumes_from: mounts::volumes_from(&flags.files)?,
        options: options(flags, detached)?,
    })
}

fn options(flags: &ContainerFlags, detached: bool) -> Result<Options> {
    let (network, connection) = connection(&flags.network, flags.hostname.is_some())?;
    Ok(Options {
        hostname: flags.hostname.clone(),
        tty: flags.tty,
        console_size: flags.tty.then(terminal::size).flatten(),
        interactive: flags.interactive,
        remove: flags.rm,
        mounts: mounts::mounts(&flags.files)?,
        network,
        connection,
        limits: limits::limits(&flags.limits)?,
        security: security::security(&flags.security, flags.files.read_only)?,
        runtime: flags.runtime.clone(),
        cgroup_parent: flags.limits.cgroup_parent.clone(),
        domainname: flags.domainname.clone(),
        namespaces: namespaces::namespaces(flags)?,
        devices: devices::devices(&flags.files.device)?,
        device_rules: devices::rules(&flags.files.device_cgroup_rule)?,
        groups: flags.group_add.clone(),
        ulimits: limits::ulimits(&flags.limits.ulimit)?,
        oom_score_adj: limits::oom_score_adj(flags.limits.oom_score_adj)?,
        shm_size: flags.files.shm_size.map(|bytes| bytes.0),
        sysctls: security::sysctls(&flags.security.sysctl)?,
        annotations: flags.annotation.iter().map(|text| env::pair(text)).collect(),
        volume_driver: flags.files.volume_driver.clone(),
        isolation: flags.namespaces.isolation.clone(),
        cid_file: flags.cidfile.as_ref().map(|path| path.display().to_string()),
        restart: flags.life.restart.unwrap_or_default(),
        init: flags.life.init,
        stdin_once: flags.interactive && !detached,
        log: life::log(&flags.life)?,
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
    if let Some(signal) = &flags.stop_signal {
        engine::signal(signal)?;
    }
    let labels = env::labels(&flags.label_file, &flags.label)?;
    Ok(Overrides {
        command: flags.command.clone(),
        entrypoint: flags.entrypoint.clone(),
        env: env::environment(&flags.env_file, &flags.env)?,
        working_dir: flags.workdir.clone(),
        user: flags.user.clone(),
        labels: labels.into_iter().collect::<BTreeMap<_, _>>(),
        stop_signal: flags.stop_signal.clone(),
        stop_timeout: flags.life.stop_timeout,
        healthcheck: life::healthcheck(&flags.life)?,
    })
}

/// Options that only other platforms or storage drivers have, with what to do instead.
fn refuse_what_is_not_linux(flags: &ContainerFlags) -> Result<()> {
    if let Some(isolation) = flags.namespaces.isolation.as_deref()
        && !matches!(isolation, "" | "default")
    {
        return Err(Error::new(format!("Invalid isolation: {isolation:?}"))
            .why("linux only supports 'default'; Windows has others")
            .fix("leave --isolation out"));
    }
    if let Some(option) = flags.files.storage_opt.first() {
        return Err(Error::new(format!("invalid --storage-opt {option:?}"))
            .why(
                "a quota for the files of one container is the file system's business \
                 (xfs with pquota), and this store may lie on any",
            )
            .fix(
                "limit what is written where it is written: --tmpfs /scratch:size=64m, \
                  --read-only, or a volume on a file system of its own",
            ));
    }
    if let Some(driver) = flags.files.volume_driver.as_deref()
        && driver != "local"
    {
        return Err(no_such_driver(driver));
    }
    Ok(())
}
