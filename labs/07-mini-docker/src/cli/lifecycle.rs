//! stop, restart, kill, pause, unpause, rename, update, wait, resume, container prune.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use ground::{Error, Result};
use mini_docker::{
    container::Limits,
    engine::{self, Engine, PruneContainers, Update},
};

use super::{
    args, each,
    output::{line, size},
    privilege,
};

/// `stop`
pub fn stop(engine: &Engine, args: &args::Stop) -> Result<ExitCode> {
    let how = meant(args);
    Ok(each(&args.containers, |name| {
        engine.stop(&engine.container(name)?, &how)?;
        Ok(line(name)?)
    }))
}

/// `restart`
pub fn restart(engine: &Engine, args: &args::Restart) -> Result<ExitCode> {
    let how = meant(&args.stop);
    Ok(each(&args.stop.containers, |name| {
        drop(engine.restart(&engine.container(name)?, &how)?);
        Ok(line(name)?)
    }))
}

fn meant(args: &args::Stop) -> engine::Stop {
    engine::Stop { signal: args.signal.clone(), timeout: args.time }
}

/// `kill`
pub fn kill(engine: &Engine, args: &args::Kill) -> Result<ExitCode> {
    let signal = engine::signal(&args.signal)?;
    Ok(each(&args.containers, |name| {
        engine.kill(&engine.container(name)?, signal)?;
        Ok(line(name)?)
    }))
}

/// `pause`
pub fn pause(engine: &Engine, args: &args::Names) -> Result<ExitCode> {
    Ok(each(&args.containers, |name| {
        engine.pause(&engine.container(name)?)?;
        Ok(line(name)?)
    }))
}

/// `unpause`
pub fn unpause(engine: &Engine, args: &args::Names) -> Result<ExitCode> {
    Ok(each(&args.containers, |name| {
        engine.unpause(&engine.container(name)?)?;
        Ok(line(name)?)
    }))
}

/// `rename`
pub fn rename(engine: &Engine, args: &args::Rename) -> Result<ExitCode> {
    engine.rename(&engine.container(&args.container)?, &args.new_name)?;
    Ok(ExitCode::SUCCESS)
}

/// `wait`
pub fn wait(engine: &Engine, args: &args::Wait) -> Result<ExitCode> {
    // All are found before the first is waited for: the others may be gone by then.
    let records: Vec<_> = args.containers.iter().map(|name| engine.container(name)).collect();
    let mut records = records.into_iter();
    Ok(each(&args.containers, |_| {
        let Some(record) = records.next() else { return Ok(()) };
        Ok(line(engine.wait(&record?, args.condition.into())?.to_string())?)
    }))
}

/// `update`
pub fn update(engine: &Engine, args: &args::Update) -> Result<ExitCode> {
    let wanted = Update { limits: limits(args)?, restart: args.restart };
    if wanted == Update::default() {
        return Err(Error::new("you must provide one or more flags when using this command")
            .fix("mini-docker update --help shows them"));
    }
    Ok(each(&args.containers, |name| {
        engine.update(&engine.container(name)?, &wanted)?;
        Ok(line(name)?)
    }))
}

fn limits(args: &args::Update) -> Result<Limits> {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let swap = match args.memory_swap.as_deref() {
        Some("-1") => Some(-1),
        Some(text) => Some(signed(text.parse::<cgroups::Bytes>()?.0)),
        None => None,
    };
    for list in [&args.cpuset_cpus, &args.cpuset_mems].into_iter().flatten() {
        list.parse::<cgroups::CpuList>()?;
    }
    let (quota, period) = match args.cpus {
        Some(cpus) => (Some(signed(cpus.quota_us())), Some(cgroups::Cpus::PERIOD_US)),
        None => (args.cpu_quota, args.cpu_period),
    };
    Ok(Limits {
        memory: args.memory.map(|bytes| signed(bytes.0)),
        memory_swap: swap,
        cpu_quota_us: quota,
        cpu_period_us: period,
        cpu_shares: args.cpu_shares,
        nano_cpus: args.cpus.map(|cpus| cpus.quota_us() * 10_000),
        cpuset_cpus: args.cpuset_cpus.clone(),
        cpuset_mems: args.cpuset_mems.clone(),
        memory_reservation: args.memory_reservation.map(|bytes| signed(bytes.0)),
        pids: args.pids_limit,
        ..Limits::default()
    })
}

/// `resume`
pub fn resume(engine: &Engine) -> Result<ExitCode> {
    let (again, over) = engine.to_resume()?;
    let names = |records: &[mini_docker::container::Record]| -> Vec<String> {
        records.iter().map(|record| record.name.clone()).collect()
    };
    let mut started = again.iter();
    let first = each(&names(&again), |name| {
        drop(started.next().map(|record| engine.start(record, false)).transpose()?);
        Ok(line(name)?)
    });
    // What belongs to other ids can only be removed where those are ours.
    privilege::own()?;
    let mut ended = over.iter();
    let second = each(&names(&over), |_| match ended.next() {
        Some(record) => engine.rm(record, true),
        None => Ok(()),
    });
    Ok(if first == ExitCode::SUCCESS { second } else { first })
}

/// `container prune`
pub fn prune(engine: &Engine, args: &args::PruneContainers) -> Result<ExitCode> {
    let which = filters(&args.filter)?;
    if !args.force && !confirmed()? {
        return Err(Error::new("container prune has been cancelled").exit_code(1));
    }
    // What a killed monitor has left is reached in its own user namespace, and not from ours.
    engine.ps(true)?;
    privilege::own()?;
    let (removed, freed) = engine.prune_containers(&which)?;
    if !removed.is_empty() {
        line("Deleted Containers:")?;
        removed.iter().try_for_each(line)?;
        line("")?;
    }
    line(format!("Total reclaimed space: {}", size(freed)))?;
    Ok(ExitCode::SUCCESS)
}

fn confirmed() -> Result<bool> {
    let mut out = io::stdout();
    let mut answer = String::new();
    write!(out, "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ")
        .and_then(|()| out.flush())
        .and_then(|()| io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Error::new("cannot ask").io("read", &error))?;
    Ok(matches!(answer.trim(), "y" | "Y"))
}

fn filters(texts: &[String]) -> Result<PruneContainers> {
    let mut which = PruneContainers::default();
    for text in texts {
        match text.split_once('=') {
            Some(("until", time)) => which.until = Some(before(time)?),
            Some(("label", label)) => which.labels.push(label.to_owned()),
            Some(("label!", label)) => which.without_labels.push(label.to_owned()),
            _ => {
                return Err(Error::new(format!("invalid filter '{text}'"))
                    .fix("there are until=24h, label=NAME[=VALUE] and label!=NAME[=VALUE]"));
            }
        }
    }
    Ok(which)
}

/// A time, or a duration before now.
fn before(text: &str) -> Result<SystemTime> {
    let ago =
        humantime::parse_duration(text).ok().and_then(|ago| SystemTime::now().checked_sub(ago));
    let seconds = || text.parse().ok().map(|it| SystemTime::UNIX_EPOCH + Duration::from_secs(it));
    ago.or_else(seconds).or_else(|| humantime::parse_rfc3339_weak(text).ok()).ok_or_else(|| {
        Error::new(format!("invalid time: {text:?}"))
            .fix("give a time as 2026-01-02T13:23:37Z, or a duration as 24h")
    })
}
