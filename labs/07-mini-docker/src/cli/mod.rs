//! The command line: flags in, words out, and an exit status. It decides nothing.
//!
//! | file | what it is |
//! |---|---|
//! | `args`, `container_args`, `lifecycle_args`, `network_args` | flags as typed |
//! | `create`, `connection`, `life` | the flags of run and create, as meant |
//! | `settings`, `daemon_json`, `home` | daemon.json, ~/.docker/config.json, the environment |
//! | `privilege` | which verb needs a user namespace |
//! | `containers`, `images`, `run`, `inspect`, .. | one function a verb |
//! | `format`, `documents` | `--format`: tables, templates, JSON |
//! | `typed`, `booleans`, `raw` | which of all flags are made to read what was typed, and which words are flags |
//! | `nouns`, `help`, `usage` | other words for verbs, and words about them |
//! | `completion`, `half_typed` | what a shell offers at Tab, and pages for man(1) |
//! | `output`, `progress`, `attach` | lines, bars, terminals |

mod archive;
mod archive_args;
pub mod args;
mod attach;
mod booleans;
mod cid_file;
mod completion;
mod connection;
mod container_args;
mod containers;
mod copy;
mod create;
mod daemon_json;
mod detach_keys;
mod documents;
mod events;
mod exec;
mod format;
mod half_typed;
mod help;
mod history;
mod home;
mod image_list;
mod images;
mod info;
mod inspect;
mod life;
mod lifecycle;
mod lifecycle_args;
mod login;
mod logs;
mod look_args;
mod narration;
mod network;
mod network_args;
mod nouns;
mod output;
mod port;
mod privilege;
mod progress;
mod prune;
mod ps;
mod raw;
mod registry;
mod run;
mod search;
mod secret;
mod settings;
mod stats;
#[cfg(test)]
mod surface;
mod system;
mod terminal;
mod top;
pub mod typed;
mod usage;
mod volume;
mod volume_args;
mod xray;

use std::{path::PathBuf, process::ExitCode};

use clap::CommandFactory;
use ground::{Error, Result};
use mini_docker::{
    engine::{self, Engine},
    network::porter,
};

use crate::{OUR_OWN_FAILURE, demo};
use args::{Arguments, Command, Verb};

pub use completion::answer;
pub use nouns::spelled_out;
pub use usage::tell;

/// The command line as clap knows it, each verb once.
fn plain_command() -> clap::Command {
    Arguments::command()
}

/// The command line as a person sees it: with the nouns, and in groups.
fn command() -> clap::Command {
    help::grouped(nouns::add(plain_command()))
}

/// Does what is asked for.
///
/// # Errors
/// What the verb returned.
pub fn run(root: Option<PathBuf>, command: Command) -> Result<ExitCode> {
    // Only who needs the place reads the settings that name it.
    match command {
        Command::Verb(it) => on_engine(root, it),
        Command::Container(it) => match it.into_verb() {
            Ok(verb) => on_engine(root, verb),
            Err(it) => container_prune(root, &it).map_err(refused),
        },
        Command::Image(it) => match it.into_verb() {
            Ok(verb) => on_engine(root, verb),
            Err(it) => image_prune(root, &it).map_err(refused),
        },
        Command::Completion { shell } => completion::script(&shell),
        Command::Man { dir } => completion::pages(&dir),
        Command::Version(it) => info::version(&it),
        Command::Demo(it) => Ok(demo::play(it.flags, it.on_stage.as_deref())),
        Command::Registry(it) => registry::run(&settings::root(root)?, it),
        Command::Porter => porter::run().map(|()| ExitCode::SUCCESS),
        Command::Resolver => engine::resolve().map(|()| ExitCode::SUCCESS),
        Command::Holder => engine::hold().map(|()| ExitCode::SUCCESS),
        Command::Mend => Ok(entered(root)?.mend().map(|()| ExitCode::SUCCESS)?),
        Command::Monitor(it) => engine::supervise(&settings::root(root)?, &it.id, it.attached)
            .map(|()| ExitCode::SUCCESS),
        Command::Keep(it) => {
            engine::keep(&settings::root(root)?, &it.id).map(|()| ExitCode::SUCCESS)
        }
        Command::Probe(it) => engine::probe(&settings::root(root)?, &it.id).map(ExitCode::from),
        Command::Inside(it) => exec::inside(&it),
    }
}

/// Docker's status of a failure is 1. Only `run` has 125, because the others are its program's; what
/// a program was to blame for, 126 and 127, stays.
fn on_engine(root: Option<PathBuf>, verb: Verb) -> Result<ExitCode> {
    let is_run = matches!(verb, Verb::Run(_));
    let done = settings::root(root).and_then(|root| perform(root, verb));
    done.map_err(|error| if is_run { error } else { refused(error) })
}

fn refused(error: Error) -> Error {
    if error.exit_code == OUR_OWN_FAILURE { error.exit_code(1) } else { error }
}

/// The engine, in the user namespace of its containers.
fn entered(root: Option<PathBuf>) -> Result<Engine> {
    let root = settings::root(root)?;
    engine::enter(&root)?;
    Ok(Engine::open(settings::settings(root))?)
}

/// The one thing done to images that is no verb by itself.
fn image_prune(root: Option<PathBuf>, args: &archive_args::PruneImages) -> Result<ExitCode> {
    prune::images(&entered(root)?, args)
}

/// The one thing done to containers that is no verb by itself. It enters later, as `rm` does.
fn container_prune(root: Option<PathBuf>, args: &args::PruneContainers) -> Result<ExitCode> {
    let settings = settings::settings(settings::root(root)?);
    prune::containers(&Engine::open(settings)?, args)
}

fn perform(root: PathBuf, verb: Verb) -> Result<ExitCode> {
    privilege::enter(&verb, &root)?;
    let mut settings = settings::settings(root);
    settings.platform = verb.platform().cloned().unwrap_or(settings.platform);
    match verb {
        // A plan changes nothing, so that nothing is opened: opening makes what is not there.
        Verb::Run(it) if it.explain => run::explain(&Engine::on_paper(settings), &it),
        verb => act(&Engine::open(settings)?, verb),
    }
}

fn act(engine: &Engine, verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Run(it) => run::run(engine, &it),
        Verb::Create(it) => run::create(engine, &it),
        Verb::Start(it) => run::start(engine, &it),
        Verb::Exec(it) => exec::exec(engine, &it),
        Verb::Ps(it) => ps::ps(engine, &it),
        Verb::Stop(it) => lifecycle::stop(engine, &it),
        Verb::Kill(it) => lifecycle::kill(engine, &it),
        Verb::Restart(it) => lifecycle::restart(engine, &it),
        Verb::Pause(it) => lifecycle::pause(engine, &it),
        Verb::Unpause(it) => lifecycle::unpause(engine, &it),
        Verb::Rename(it) => lifecycle::rename(engine, &it),
        Verb::Update(it) => lifecycle::update(engine, &it),
        Verb::Resume => lifecycle::resume(engine),
        Verb::Attach(it) => run::attach(engine, &it),
        Verb::Top(it) => top::top(engine, &it),
        Verb::Stats(it) => stats::stats(engine, &it),
        Verb::Events(it) => events::events(engine, &it),
        Verb::Info(it) => info::info(engine, &it),
        Verb::Rm(it) => containers::rm(engine, &it),
        Verb::Wait(it) => lifecycle::wait(engine, &it),
        Verb::Diff(it) => containers::diff(engine, &it),
        Verb::Logs(it) => logs::logs(engine, &it),
        Verb::Inspect(it) => inspect::inspect(engine, &it),
        Verb::Commit(it) => images::commit(engine, &it),
        Verb::Pull(it) => images::pull(engine, &it),
        Verb::Push(it) => images::push(engine, &it),
        Verb::Login(it) => login::login(engine, &it),
        Verb::Logout(it) => login::logout(engine, &it),
        Verb::Search(it) => search::search(engine, &it),
        Verb::Images(it) => image_list::images(engine, &it),
        Verb::Tag(it) => images::tag(engine, &it),
        Verb::Rmi(it) => images::rmi(engine, &it),
        Verb::History(it) => history::history(engine, &it),
        Verb::Network(it) => network::network(engine, it),
        Verb::Port(it) => port::port(engine, &it),
        Verb::Cp(it) => copy::cp(engine, &it),
        Verb::Export(it) => copy::export(engine, &it),
        Verb::System(it) => system::system(engine, &it),
        Verb::Save(it) => archive::save(engine, &it),
        Verb::Load(it) => archive::load(engine, &it),
        Verb::Import(it) => archive::import(engine, &it),
        Verb::Volume(it) => volume::volume(engine, it),
        Verb::Xray(it) => xray::xray(engine, &it),
    }
}

/// Does something to each of several names, as Docker does: an error is told and the next one is
/// tried; the status is then 1.
fn each(names: &[String], mut act: impl FnMut(&str) -> engine::Result<()>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for name in names {
        if let Err(error) = act(name) {
            crate::report(&error.report);
            code = ExitCode::FAILURE;
        }
    }
    code
}
