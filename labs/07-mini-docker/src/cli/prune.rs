//! prune, of whatever: containers, images, networks, volumes, and all of them by `system prune`.
//!
//! Each asks first, removes what nobody needs, and says what that was.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use ground::{Error, Result};
use mini_docker::engine::{Engine, Prune, Removed};
use oci::Reference;

use super::{
    archive_args::{PruneImages, PruneSystem},
    args::{PruneContainers, VolumePrune},
    output::{line, size},
    privilege,
    volume::Filter,
};

/// `container prune`
pub fn containers(engine: &Engine, args: &PruneContainers) -> Result<ExitCode> {
    let which = which(false, &args.filter)?;
    let warning = "WARNING! This will remove all stopped containers.\n";
    confirm(args.force, warning, "container prune")?;
    // What a killed monitor has left is reached in its own user namespace, and not from ours.
    engine.ps(true)?;
    privilege::own()?;
    let (removed, freed) = engine.prune_containers(&which)?;
    list("Deleted Containers:", &removed)?;
    reclaimed(freed)
}

/// `image prune`
pub fn images(engine: &Engine, args: &PruneImages) -> Result<ExitCode> {
    let which = which(args.all, &args.filter)?;
    let warning = match args.all {
        true => {
            "WARNING! This will remove all images without at least one container associated to them.\n"
        }
        false => "WARNING! This will remove all dangling images.\n",
    };
    confirm(args.force, warning, "image prune")?;
    let (images, freed) = engine.prune_images(&which)?;
    list("Deleted Images:", &words(&images))?;
    reclaimed(freed)
}

/// `network prune`
pub fn networks(engine: &Engine, force: bool, filters: &[String]) -> Result<()> {
    let which = which(false, filters)?;
    let warning =
        "WARNING! This will remove all custom networks not used by at least one container.\n";
    confirm(force, warning, "network prune")?;
    let removed = engine.network_prune(&which)?;
    let names: Vec<String> = removed.into_iter().map(|network| network.name).collect();
    list("Deleted Networks:", &names)
}

/// `volume prune`
pub fn volumes(engine: &Engine, args: &VolumePrune) -> Result<()> {
    let filters = Filter::parse(&args.filter, &["all", "label", "label!"])?;
    let all = args.all || filters.iter().any(|it| it.name == "all" && it.is_true());
    let what = if all { "all" } else { "anonymous" };
    let warning = format!(
        "WARNING! This will remove {what} local volumes not used by at least one container.\n"
    );
    confirm(args.force, &warning, "volume prune")?;
    let pruned =
        engine.volume_prune(all, |volume| filters.iter().all(|filter| filter.fits(volume)))?;
    list("Deleted Volumes:", &pruned.names)?;
    reclaimed(pruned.bytes).map(drop)
}

/// `system prune`
pub fn system(engine: &Engine, args: &PruneSystem) -> Result<ExitCode> {
    let which = which(args.all, &args.filter)?;
    if args.volumes && which.until.is_some() {
        return Err(Error::new("The \"until\" filter is not supported with \"--volumes\"")
            .why("a volume is not old because it was made long ago")
            .fix("prune in two steps, with --filter and with --volumes")
            .exit_code(1));
    }
    let mut warning = String::from("WARNING! This will remove:\n  - all stopped containers\n");
    warning += "  - all networks not used by at least one container\n";
    if args.volumes {
        warning += "  - all anonymous volumes not used by at least one container\n";
    }
    warning += match args.all {
        true => "  - all images without at least one container associated to them\n",
        false => "  - all dangling images\n",
    };
    confirm(args.force, &warning, "system prune")?;
    let pruned = engine.prune_system(&which, args.volumes)?;
    list("Deleted Containers:", &pruned.containers)?;
    list("Deleted Networks:", &pruned.networks)?;
    list("Deleted Volumes:", &pruned.volumes)?;
    list("Deleted Images:", &words(&pruned.images))?;
    reclaimed(pruned.bytes)
}

fn words(removed: &[Removed]) -> Vec<String> {
    let words = |removed: &Removed| match removed {
        Removed::Untagged(name) => format!("untagged: {}", Reference::familiar(name)),
        Removed::Deleted(id) => format!("deleted: {id}"),
    };
    removed.iter().map(words).collect()
}

fn list(heading: &str, lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    line(heading)?;
    lines.iter().try_for_each(line)?;
    line("")
}

fn reclaimed(bytes: u64) -> Result<ExitCode> {
    line(format!("Total reclaimed space: {}", size(bytes)))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks, unless told not to. Anything but a yes is a no, and so is nobody there.
fn confirm(force: bool, warning: &str, what: &str) -> Result<()> {
    if force {
        return Ok(());
    }
    let cannot = |error: io::Error| Error::new("cannot ask").io("write", &error);
    let mut stdout = io::stdout().lock();
    write!(stdout, "{warning}Are you sure you want to continue? [y/N] ").map_err(cannot)?;
    stdout.flush().map_err(cannot)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(cannot)?;
    match answer.trim() {
        "y" | "Y" => Ok(()),
        _ => Err(Error::new(format!("{what} has been cancelled"))
            .fix("answer y, or give --force where nobody can answer")
            .exit_code(1)),
    }
}

/// The filters of a prune: `until=TIME|DURATION`, `label=A[=B]`, `label!=A[=B]`.
fn which(all: bool, filters: &[String]) -> Result<Prune> {
    let mut which = Prune { all, ..Prune::default() };
    for filter in filters {
        let invalid = || {
            Error::new(format!("invalid filter '{filter}'"))
                .why("prune knows until=TIME, label=NAME[=VALUE] and label!=NAME[=VALUE]")
                .fix("--filter until=24h, --filter label=keep")
                .exit_code(1)
        };
        if let Some(label) = filter.strip_prefix("label!=") {
            which.without_labels.push(label.to_owned());
        } else if let Some(label) = filter.strip_prefix("label=") {
            which.labels.push(label.to_owned());
        } else {
            let time = filter.strip_prefix("until=").ok_or_else(invalid)?;
            which.until = Some(point(time).ok_or_else(invalid)?);
        }
    }
    Ok(which)
}

/// A time, or how long ago it was.
fn point(text: &str) -> Option<SystemTime> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return SystemTime::now().checked_sub(ago);
    }
    if let Ok(seconds) = text.parse() {
        return SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    }
    let day = format!("{text}T00:00:00Z");
    humantime::parse_rfc3339_weak(text).or_else(|_| humantime::parse_rfc3339_weak(&day)).ok()
}
