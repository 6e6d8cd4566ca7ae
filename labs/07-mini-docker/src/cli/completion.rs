//! Completion: what a shell offers when somebody presses Tab, and the pages for man(1).
//!
//! The script that a shell loads is short: it asks this program again at each Tab, so that the names
//! of containers and images are those that are there now.

use std::{fs, io, path::Path, process::ExitCode};

use clap::{Arg, Command};
use clap_complete::{
    ArgValueCandidates, CompletionCandidate,
    env::{CompleteEnv, Shells},
};
use ground::{Error, Result};
use mini_docker::{container::Record, layout::Layout, store::Store, volume};

use super::{output::line, settings};

/// The variable by which the script asks.
const ASKED: &str = "COMPLETE";
const NAME: &str = "mini-docker";

/// Answers a shell that asks for what fits; returns where nobody asks.
pub fn answer() {
    CompleteEnv::with_factory(|| with_names(super::command())).var(ASKED).complete();
}

/// `completion`
pub fn script(shell: &str) -> Result<ExitCode> {
    let shells = Shells::builtins();
    let Some(found) = shells.completer(shell) else {
        let known: Vec<&str> = shells.names().collect();
        return Err(Error::new(format!("unknown shell: {shell}"))
            .fix(format!("one of: {}", known.join(", ")))
            .exit_code(1));
    };
    let mut script = Vec::new();
    found
        .write_registration(ASKED, NAME, NAME, NAME, &mut script)
        .map_err(|error| Error::new("cannot make the script").io("write", &error))?;
    line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// `man`: a page for the program and one for each verb.
pub fn pages(dir: &Path) -> Result<ExitCode> {
    let cannot = |error: io::Error| {
        Error::new(format!("cannot write the pages to {}", dir.display())).io("write", &error)
    };
    fs::create_dir_all(dir).map_err(cannot)?;
    clap_mangen::generate_to(super::nouns::add(super::plain_command()), dir).map_err(cannot)?;
    line(format!("man -l {}/{NAME}.1 shows the first of them", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments that are names offer the names that are there.
fn with_names(command: Command) -> Command {
    fn named(arg: Arg) -> Arg {
        match arg.get_id().as_str() {
            "container" | "containers" => arg.add(ArgValueCandidates::new(containers)),
            "image" | "images" => arg.add(ArgValueCandidates::new(images)),
            "names" => arg.add(ArgValueCandidates::new(everything)),
            _ => arg,
        }
    }
    command.mut_subcommands(|verb| verb.mut_args(named).mut_subcommands(|it| it.mut_args(named)))
}

/// The store where nothing else is said; what cannot be read offers nothing.
fn layout() -> Option<Layout> {
    settings::root(None).ok().map(Layout::new).filter(|layout| layout.root().exists())
}

fn containers() -> Vec<CompletionCandidate> {
    let records = layout().and_then(|layout| Record::all(&layout).ok());
    let candidate = |record: Record| {
        let state = record.state.status.as_str();
        CompletionCandidate::new(record.name)
            .help(Some(format!("{} ({state})", record.image.name).into()))
    };
    records.into_iter().flatten().map(candidate).collect()
}

fn images() -> Vec<CompletionCandidate> {
    let store = layout().and_then(|layout| Store::open(layout).ok());
    let images = store.and_then(|store| store.images().ok());
    let names = images.into_iter().flatten().flat_map(|image| image.references);
    names
        .filter(|name| name.tag().is_some())
        .map(|name| CompletionCandidate::new(name.familiar()))
        .collect()
}

fn everything() -> Vec<CompletionCandidate> {
    let volumes = layout().and_then(|layout| volume::names(&layout).ok());
    let volumes = volumes.into_iter().flatten().map(CompletionCandidate::new);
    containers().into_iter().chain(images()).chain(volumes).collect()
}
