//! Completion: what a shell offers when somebody presses Tab, and the pages for man(1).
//!
//! The script that a shell loads is short: it asks this program again at each Tab, so that the names
//! of containers and images are those that are there now, in the store that the line names (`half_typed`).

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Arg, Command};
use clap_complete::{
    ArgValueCandidates, CompletionCandidate,
    env::{CompleteEnv, Shells},
};
use ground::{Error, Result};
use mini_docker::{container::Record, layout::Layout, store::Store, volume};

use super::{half_typed, output::line, settings};

/// The variable by which the script asks.
const ASKED: &str = "COMPLETE";
const NAME: &str = "mini-docker";

/// Answers a shell that asks for what fits; returns where nobody asks.
pub fn answer() {
    // Nobody is told of the shell any more when the names are asked for.
    let shell = std::env::var_os(ASKED).unwrap_or_default();
    let command = || {
        let names = Names { root: half_typed::root(&shell, std::env::args_os()) };
        names.offer_in(super::command())
    };
    CompleteEnv::with_factory(command).var(ASKED).complete();
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

/// The names that are there, in the store that the line names or else the usual one. What cannot be
/// read offers nothing.
#[derive(Clone)]
struct Names {
    root: Option<PathBuf>,
}

impl Names {
    /// Arguments that are names offer these.
    fn offer_in(&self, command: Command) -> Command {
        let named = |arg: Arg| match arg.get_id().as_str() {
            "container" | "containers" => arg.add(self.candidates(Self::containers)),
            "image" | "images" => arg.add(self.candidates(Self::images)),
            "names" => arg.add(self.candidates(Self::everything)),
            _ => arg,
        };
        command
            .mut_subcommands(|verb| verb.mut_args(named).mut_subcommands(|it| it.mut_args(named)))
    }

    fn candidates(&self, of: fn(&Self) -> Vec<CompletionCandidate>) -> ArgValueCandidates {
        let names = self.clone();
        ArgValueCandidates::new(move || of(&names))
    }

    fn layout(&self) -> Option<Layout> {
        let root = settings::root(self.root.clone()).ok();
        root.map(Layout::new).filter(|layout| layout.root().exists())
    }

    fn containers(&self) -> Vec<CompletionCandidate> {
        let records = self.layout().and_then(|layout| Record::all(&layout).ok());
        let candidate = |record: Record| {
            let state = record.state.status.as_str();
            CompletionCandidate::new(record.name)
                .help(Some(format!("{} ({state})", record.image.name).into()))
        };
        records.into_iter().flatten().map(candidate).collect()
    }

    fn images(&self) -> Vec<CompletionCandidate> {
        let store = self.layout().and_then(|layout| Store::open(layout).ok());
        let images = store.and_then(|store| store.images().ok());
        let names = images.into_iter().flatten().flat_map(|image| image.references);
        names
            .filter(|name| name.tag().is_some())
            .map(|name| CompletionCandidate::new(name.familiar()))
            .collect()
    }

    fn everything(&self) -> Vec<CompletionCandidate> {
        let volumes = self.layout().and_then(|layout| volume::names(&layout).ok());
        let volumes = volumes.into_iter().flatten().map(CompletionCandidate::new);
        self.containers().into_iter().chain(self.images()).chain(volumes).collect()
    }
}
