//! stop, restart, kill, pause, unpause, rename, update, wait, resume.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::engine::{self, Engine, Update};

use super::{args, create::live_limits, each, output::line};

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
    let wanted = Update { limits: live_limits(&args.limits)?, restart: args.restart };
    if wanted == Update::default() {
        return Err(Error::new("you must provide one or more flags when using this command")
            .fix("mini-docker update --help shows them"));
    }
    Ok(each(&args.containers, |name| {
        engine.update(&engine.container(name)?, &wanted)?;
        Ok(line(name)?)
    }))
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
    engine::enter(engine.layout().root())?;
    let mut ended = over.iter();
    let second = each(&names(&over), |_| match ended.next() {
        Some(record) => engine.rm(record, true),
        None => Ok(()),
    });
    Ok(if first == ExitCode::SUCCESS { second } else { first })
}
