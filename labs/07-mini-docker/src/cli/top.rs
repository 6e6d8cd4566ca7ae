//! top: a container's processes in columns.

use std::process::ExitCode;

use ground::{Error, Result};
use mini_docker::engine::Engine;

use super::{args::Top, format::aligned_wide, output::line};

/// `top`
pub fn top(engine: &Engine, args: &Top) -> Result<ExitCode> {
    let failed = |error: mini_docker::engine::Error| Error::from(error).exit_code(1);
    let record = engine.truth(engine.container(&args.container).map_err(failed)?);
    let top = engine.top(&record, &args.options).map_err(failed)?;
    let rows = std::iter::once(&top.titles).chain(&top.processes).map(|row| row.join("\t"));
    line(aligned_wide(&rows.collect::<Vec<_>>().join("\n")))?;
    Ok(ExitCode::SUCCESS)
}
