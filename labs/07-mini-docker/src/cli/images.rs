//! pull, push, tag, rmi, commit.

use std::process::ExitCode;

use ground::Result;
use mini_docker::engine::{self, Engine, Removed};
use oci::{Platform, Reference};

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
    if !args.all_tags {
        if reference.tag().is_none() && reference.digest().is_none() && !args.quiet {
            line("Using default tag: latest")?;
        }
        let reference = reference.or_latest();
        pull_one(engine, &reference, args.quiet)?;
        warn_of_platform(engine, &reference, args.platform.as_ref());
        return line(reference.to_string()).map(|()| ExitCode::SUCCESS);
    }
    without_tag(&reference)?;
    for tagged in engine.tags_there(&reference)? {
        pull_one(engine, &tagged, args.quiet)?;
    }
    line(reference.name()).map(|()| ExitCode::SUCCESS)
}

/// An image that is made for one platform alone comes whatever was asked for.
fn warn_of_platform(engine: &Engine, reference: &Reference, wanted: Option<&Platform>) {
    let Some(wanted) = wanted else { return };
    let Ok((_, config)) = engine.image_config(&reference.to_string()) else { return };
    if !config.is_for(wanted) {
        let name = reference.familiar();
        crate::warn(&format!(
            "image with reference {name} was found but does not match the specified platform: \
             wanted {wanted}, actual: {}",
            config.platform
        ));
    }
}

/// Pulls one name and says what became of it.
fn pull_one(engine: &Engine, reference: &Reference, quiet: bool) -> Result<()> {
    if quiet {
        return Ok(engine.pull(reference, &|_| {}).map(drop)?);
    }
    let progress = Progress::new(Direction::Pull, false);
    progress.line(&format!("{}: Pulling from {}", reference.tag_or_digest(), reference.path()));
    let pulled = engine.pull(reference, &|event| progress.show(&event))?;
    line(format!("Digest: {}", pulled.target.digest))?;
    let name = reference.familiar();
    line(match pulled.was_up_to_date {
        true => format!("Status: Image is up to date for {name}"),
        false => format!("Status: Downloaded newer image for {name}"),
    })
}

/// `push`
pub fn push(engine: &Engine, args: &Push) -> Result<ExitCode> {
    let reference: Reference = args.image.parse().map_err(invalid)?;
    let names = match args.all_tags {
        false => vec![reference.clone().or_latest()],
        true => {
            without_tag(&reference)?;
            engine.tags_here(&reference)?
        }
    };
    if !args.quiet {
        line(format!("The push refers to repository [{}]", reference.name()))?;
        if !args.all_tags && reference.tag().is_none() {
            line("Using default tag: latest")?;
        }
    }
    for name in names {
        push_one(engine, &name, args.quiet)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn push_one(engine: &Engine, name: &Reference, quiet: bool) -> Result<()> {
    if quiet {
        engine.push(name, &|_| {})?;
        return line(name.to_string());
    }
    let progress = Progress::new(Direction::Push, false);
    let manifest = engine.push(name, &|event| progress.show(&event))?.manifest;
    line(format!("{}: digest: {} size: {}", name.tag_or_digest(), manifest.digest, manifest.size))
}

fn without_tag(reference: &Reference) -> Result<()> {
    match (reference.tag(), reference.digest()) {
        (None, None) => Ok(()),
        _ => Err(ground::Error::new("tag can't be used with --all-tags/-a")
            .why(format!("{} is a single image", reference.familiar()))
            .fix(format!("leave the tag away: {}", reference.familiar_name()))),
    }
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
