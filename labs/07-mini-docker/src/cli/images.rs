//! pull, push, tag, rmi, commit.

use std::process::ExitCode;

use ground::Result;
use mini_docker::engine::{self, Engine, Removed};
use oci::Reference;

use super::{
    args::{Commit, Pull, Push, Rmi, Tag},
    each,
    output::line,
    progress::{Direction, Progress},
    run::invalid,
};

/// `pull`
pub fn pull(engine: &Engine, args: &Pull) -> Result<ExitCode> {
    let reference: Reference = args.image.parse().map_err(invalid)?;
    let reference = reference.or_latest();
    let progress = Progress::new(Direction::Pull, false);
    if args.quiet {
        engine.pull(&reference, &|_| {})?;
        line(reference.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    progress.line(&format!("{}: Pulling from {}", reference.tag_or_digest(), reference.path()));
    let pulled = engine.pull(&reference, &|event| progress.show(&event))?;
    line(format!("Digest: {}", pulled.target.digest))?;
    let name = reference.familiar();
    line(match pulled.was_up_to_date {
        true => format!("Status: Image is up to date for {name}"),
        false => format!("Status: Downloaded newer image for {name}"),
    })?;
    line(reference.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// `push`
pub fn push(engine: &Engine, args: &Push) -> Result<ExitCode> {
    let reference: Reference = args.image.parse().map_err(invalid)?;
    let reference = reference.or_latest();
    let progress = Progress::new(Direction::Push, false);
    if !args.quiet {
        line(format!("The push refers to repository [{}]", reference.name()))?;
    }
    let quiet = args.quiet;
    let pushed = engine.push(&reference, &|event| {
        if !quiet {
            progress.show(&event);
        }
    })?;
    let manifest = &pushed.manifest;
    line(format!(
        "{}: digest: {} size: {}",
        reference.tag_or_digest(),
        manifest.digest,
        manifest.size
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// `tag`
pub fn tag(engine: &Engine, args: &Tag) -> Result<ExitCode> {
    let target: Reference = args.target.parse().map_err(invalid)?;
    engine.tag(&args.source, &target.or_latest())?;
    Ok(ExitCode::SUCCESS)
}

/// `rmi`
pub fn rmi(engine: &Engine, args: &Rmi) -> Result<ExitCode> {
    Ok(each(&args.images, |name| {
        for removed in engine.rmi(name, args.force)? {
            line(match removed {
                Removed::Untagged(reference) => format!("Untagged: {}", reference.familiar()),
                Removed::Deleted(id) => format!("Deleted: {id}"),
            })?;
        }
        Ok(())
    }))
}

/// `commit`
pub fn commit(engine: &Engine, args: &Commit) -> Result<ExitCode> {
    let reference =
        args.image.as_deref().map(str::parse::<Reference>).transpose().map_err(invalid)?;
    let record = engine.container(&args.container)?;
    let committed = engine.commit(
        &record,
        &engine::Commit {
            reference: reference.map(Reference::or_latest),
            author: args.author.clone(),
            message: args.message.clone(),
            changes: args.change.clone(),
            pause: args.pause,
        },
    )?;
    line(committed.id.to_string())?;
    Ok(ExitCode::SUCCESS)
}
