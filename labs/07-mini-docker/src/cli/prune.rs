//! prune, of whatever: containers, images, networks, volumes, and all of them by `system prune`.
//!
//! Each asks first, removes what nobody needs, and says what that was.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
};

use ground::{Error, Result};
use mini_docker::engine::{self, Engine, Filter, Filters, Prune, Removed};
use oci::Reference;

use super::{
    archive_args::{PruneImages, PruneSystem},
    args::{PruneContainers, VolumePrune},
    output::{line, size},
};

/// The filters of all of them but volumes.
const KNOWN: [&str; 3] = ["label", "label!", "until"];

fn asked(filters: &[Filter]) -> Filters {
    filters.iter().cloned().collect()
}

/// `container prune`
pub fn containers(engine: &Engine, args: &PruneContainers) -> Result<ExitCode> {
    let which = Prune::new(false, asked(&args.filter), &KNOWN)?;
    let warning = "WARNING! This will remove all stopped containers.\n";
    confirm(args.force, warning, "container prune")?;
    // What a killed monitor has left is reached in its own user namespace, and not from ours.
    engine.ps(true)?;
    engine::enter(engine.layout().root())?;
    let (removed, freed) = engine.prune_containers(&which)?;
    list("Deleted Containers:", &removed)?;
    reclaimed(freed)
}

/// `image prune`
pub fn images(engine: &Engine, args: &PruneImages) -> Result<ExitCode> {
    let which = Prune::new(args.all, asked(&args.filter), &KNOWN)?;
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
pub fn networks(engine: &Engine, force: bool, filters: &[Filter]) -> Result<()> {
    let which = Prune::new(false, asked(filters), &KNOWN)?;
    let warning =
        "WARNING! This will remove all custom networks not used by at least one container.\n";
    confirm(force, warning, "network prune")?;
    let removed = engine.network_prune(&which)?;
    let names: Vec<String> = removed.into_iter().map(|network| network.name).collect();
    list("Deleted Networks:", &names)
}

/// `volume prune`
pub fn volumes(engine: &Engine, args: &VolumePrune) -> Result<()> {
    let which = Prune::new(args.all, asked(&args.filter), &["all", "label", "label!"])?;
    let what = if which.all { "all" } else { "anonymous" };
    let warning = format!(
        "WARNING! This will remove {what} local volumes not used by at least one container.\n"
    );
    confirm(args.force, &warning, "volume prune")?;
    let pruned = engine.volume_prune(&which)?;
    list("Deleted Volumes:", &pruned.names)?;
    reclaimed(pruned.bytes).map(drop)
}

/// `system prune`
pub fn system(engine: &Engine, args: &PruneSystem) -> Result<ExitCode> {
    let which = Prune::new(args.all, asked(&args.filter), &KNOWN)?;
    if args.volumes && which.has_age() {
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
