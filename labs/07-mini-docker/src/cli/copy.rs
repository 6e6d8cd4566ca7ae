//! cp, export.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use ground::{Error, Result};
use mini_docker::engine::{self, Engine};

use super::{
    archive::write_to,
    archive_args::{Cp, Export},
    output::size,
};

/// `export`
pub fn export(engine: &Engine, args: &Export) -> Result<ExitCode> {
    let record = engine.container(&args.container)?;
    write_to(args.output.as_deref(), |out| Ok(engine.export(&record, out)?))?;
    Ok(ExitCode::SUCCESS)
}

/// `cp`
pub fn cp(engine: &Engine, args: &Cp) -> Result<ExitCode> {
    let how = engine::Cp { follow: args.follow_link, archive: args.archive };
    let (bytes, target) = match (End::of(&args.source), End::of(&args.target)) {
        (End::Inside(..), End::Inside(..)) => {
            return Err(Error::new("copying between containers is not supported")
                .fix("copy to the host first, or through a pipe: cp A:/x - | cp - B:/")
                .exit_code(1));
        }
        (End::Stream, End::Inside(name, path)) => {
            let record = engine.container(name)?;
            engine.copy_in_tar(&record, io::stdin().lock(), path, how)?;
            return Ok(ExitCode::SUCCESS);
        }
        (End::Inside(name, path), End::Stream) => {
            if io::stdout().is_terminal() {
                return Err(Error::new("cowardly refusing to copy to a terminal")
                    .why("an archive is no text")
                    .fix("redirect it: mini-docker cp CONTAINER:PATH - > FILE")
                    .exit_code(1));
            }
            let record = engine.container(name)?;
            engine.copy_out_tar(&record, path, io::stdout().lock(), how)?;
            return Ok(ExitCode::SUCCESS);
        }
        (End::Host(from), End::Inside(name, path)) => {
            let record = engine.container(name)?;
            let bytes = engine.copy_in(&record, (from, path), how)?;
            (bytes, format!("{}:{path}", record.name))
        }
        (End::Inside(name, path), End::Host(to)) => {
            let bytes = engine.copy_out(&engine.container(name)?, (path, to), how)?;
            (bytes, to.to_owned())
        }
        _ => {
            return Err(Error::new("must specify at least one container source")
                .why("neither of the two paths is one of a container")
                .fix("write it as CONTAINER:PATH")
                .exit_code(1));
        }
    };
    if !args.quiet {
        // Not on standard output, as in Docker.
        let _ = writeln!(io::stderr(), "Successfully copied {} to {target}", size(bytes));
    }
    Ok(ExitCode::SUCCESS)
}

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum End<'a> {
    Stream,
    Host(&'a str),
    Inside(&'a str, &'a str),
}

impl<'a> End<'a> {
    /// `CONTAINER:PATH`, unless it begins as a path does.
    fn of(text: &'a str) -> Self {
        if text == "-" {
            return Self::Stream;
        }
        match text.split_once(':') {
            Some((name, path)) if !name.starts_with(['/', '.']) => Self::Inside(name, path),
            _ => Self::Host(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_a_container_unless_it_is_a_path() {
        assert_eq!(End::of("-"), End::Stream);
        assert_eq!(End::of("box:/a:b"), End::Inside("box", "/a:b"));
        assert_eq!(End::of("box:"), End::Inside("box", ""));
        assert_eq!(End::of("./a:b"), End::Host("./a:b"));
        assert_eq!(End::of("/a:b"), End::Host("/a:b"));
        assert_eq!(End::of("a"), End::Host("a"));
    }
}
