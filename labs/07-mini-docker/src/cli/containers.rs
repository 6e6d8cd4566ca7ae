//! rm, diff.

use std::process::ExitCode;

use ground::Result;
use mini_docker::engine::{self, Engine};

use super::{
    args::{Name, Rm},
    each,
    output::line,
};

/// `rm`
pub fn rm(engine: &Engine, args: &Rm) -> Result<ExitCode> {
    // In two rounds: what runs is reached in its own user namespace, and from ours no other one
    // can be reached any more.
    let mut records = Vec::new();
    let first = each(&args.containers, |name| {
        let record = match engine.container(name) {
            // By force it is to be gone, and it is.
            Err(error) if args.force && error.kind == engine::Kind::NotFound => {
                crate::report(&error.report);
                return Ok(());
            }
            record => record?,
        };
        if args.force {
            engine.kill_and_wait(&record)?;
        }
        records.push((name.to_owned(), record.id));
        Ok(())
    });
    // One with `--rm` has gone by itself when it was killed.
    let records: Vec<_> = records
        .into_iter()
        .map(|(name, id)| (name, engine.container(&id).ok().map(|record| engine.truth(record))))
        .collect();
    engine::enter(engine.layout().root())?;
    let names: Vec<String> = records.iter().map(|(name, _)| name.clone()).collect();
    let mut records = records.into_iter();
    let second = each(&names, |name| {
        if let Some((_, Some(record))) = records.next() {
            engine.rm(&record, args.volumes)?;
        }
        Ok(line(name)?)
    });
    Ok(if first == ExitCode::SUCCESS { second } else { first })
}

/// `diff`
pub fn diff(engine: &Engine, args: &Name) -> Result<ExitCode> {
    for change in engine.diff(&engine.container(&args.container)?)? {
        line(format!("{} {}", change.kind, change.path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
