//! xray: a container in words, or as JSON.

use std::{io, process::ExitCode};

use ground::{Error, Look, Narrator, Result};
use mini_docker::{engine::Engine, xray::Section};

use super::{args::Xray, output::line, terminal};

/// `xray`
pub fn xray(engine: &Engine, args: &Xray) -> Result<ExitCode> {
    let xray = engine.xray(&args.target)?;
    if args.json {
        let json = serde_json::to_string_pretty(&xray).map_err(io::Error::from).map_err(failed)?;
        line(json)?;
        return Ok(ExitCode::SUCCESS);
    }
    line(xray.title())?;
    for section in xray.told() {
        tell(&section)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(section: &Section) -> Result<()> {
    line(format!("\n{} ({})", section.title, section.lab))?;
    let mut stdout = io::stdout();
    let columns = terminal::columns();
    let mut narrator = Narrator::new(&mut stdout, Look { columns, ..Look::default() });
    for table in &section.tables {
        match narrator.table(table) {
            // A reader that went away has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            told => told.map_err(failed)?,
        }
    }
    section.words.iter().try_for_each(|words| line(format!("=> {words}").replace('\n', "\n   ")))
}

fn failed(error: io::Error) -> Error {
    Error::new("cannot print the x-ray").io("write", &error)
}
