//! The command line: flags in, words out, and an exit status. It decides nothing.
//!
//! | file | what it is |
//! |---|---|
//! | `args`, `container_args` | flags as typed |
//! | `create` | the flags of run and create, as meant |
//! | `settings` | daemon.json, ~/.docker/config.json, the environment |
//! | `privilege` | which verb needs a user namespace |
//! | `containers`, `images`, `run`, `inspect`, .. | one function a verb |
//! | `output`, `progress`, `attach` | tables, bars, terminals |

pub mod args;
mod attach;
mod container_args;
mod containers;
mod create;
mod exec;
mod images;
mod inspect;
mod logs;
mod narration;
mod output;
mod privilege;
mod progress;
mod registry;
mod run;
mod settings;
mod volume;

use std::process::ExitCode;

use ground::Result;
use mini_docker::engine::{self, Engine};

use args::{Arguments, Command};

/// Runs a verb.
///
/// # Errors
/// What the verb returned.
pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let root = settings::root(arguments.root)?;
    match arguments.command {
        Command::Demo(it) => return Ok(crate::demo::play(&it)),
        Command::Monitor(it) => {
            engine::supervise(&root, &it.id, it.attached)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Inside(it) => return exec::inside(&it),
        Command::Registry(it) => return registry::run(&root, it),
        _ => {}
    }
    privilege::enter(&arguments.command)?;
    let mut settings = settings::settings(root)?;
    if let Command::Pull(pull) = &arguments.command
        && let Some(platform) = &pull.platform
    {
        settings.platform = platform.clone();
    }
    let engine = Engine::open(settings)?;
    verb(&engine, arguments.command)
}

fn verb(engine: &Engine, command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(it) => run::run(engine, &it),
        Command::Create(it) => run::create(engine, &it),
        Command::Start(it) => run::start(engine, &it),
        Command::Exec(it) => exec::exec(engine, &it),
        Command::Ps(it) => containers::ps(engine, &it),
        Command::Stop(it) => containers::stop(engine, &it),
        Command::Kill(it) => containers::kill(engine, &it),
        Command::Rm(it) => containers::rm(engine, &it),
        Command::Wait(it) => containers::wait(engine, &it),
        Command::Diff(it) => containers::diff(engine, &it),
        Command::Logs(it) => logs::logs(engine, &it),
        Command::Inspect(it) => inspect::inspect(engine, &it),
        Command::Commit(it) => images::commit(engine, &it),
        Command::Pull(it) => images::pull(engine, &it),
        Command::Push(it) => images::push(engine, &it),
        Command::Images(it) => images::images(engine, &it),
        Command::Tag(it) => images::tag(engine, &it),
        Command::Rmi(it) => images::rmi(engine, &it),
        Command::History(it) => images::history(engine, &it),
        Command::Volume(it) => volume::volume(engine, it),
        Command::Demo(_) | Command::Monitor(_) | Command::Inside(_) | Command::Registry(_) => {
            Ok(ExitCode::SUCCESS)
        }
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
