//! save, load, import.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::Path,
    process::ExitCode,
};

use ground::{Error, Result};
use mini_docker::engine::{self, Engine};
use oci::Reference;

use super::{
    archive_args::{Import, Load, Save},
    output::line,
    run::invalid,
};

/// `save`
pub fn save(engine: &Engine, args: &Save) -> Result<ExitCode> {
    // Before the file: a wrong name makes none.
    engine.to_save(&args.images)?;
    write_to(args.output.as_deref(), |out| Ok(engine.save(&args.images, out)?))?;
    Ok(ExitCode::SUCCESS)
}

/// `load`
pub fn load(engine: &Engine, args: &Load) -> Result<ExitCode> {
    let wanted = args.platform.as_ref();
    let loaded = match &args.input {
        Some(path) => engine.load(open(path)?, wanted, &|_| {})?,
        None if io::stdin().is_terminal() => {
            return Err(Error::new("requested load from stdin, but stdin is empty")
                .why("standard input is a terminal")
                .fix("name a file: mini-docker load -i FILE")
                .exit_code(1));
        }
        None => engine.load(io::stdin().lock(), wanted, &|_| {})?,
    };
    for image in loaded {
        for (name, before) in &image.moved {
            line(format!(
                "The image {} already exists, renaming the old one with ID {before} to empty string",
                name.familiar()
            ))?;
        }
        for name in &image.names {
            line(format!("Loaded image: {}", name.familiar()))?;
        }
        if image.names.is_empty() {
            line(format!("Loaded image ID: {}", image.id))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `import`
pub fn import(engine: &Engine, args: &Import) -> Result<ExitCode> {
    let reference =
        args.image.as_deref().map(str::parse::<Reference>).transpose().map_err(invalid)?;
    let how = engine::Import {
        reference: reference.map(Reference::or_latest),
        changes: args.change.clone(),
        message: args.message.clone().unwrap_or_else(|| format!("Imported from {}", args.source)),
        platform: args.platform.clone(),
    };
    let source: Box<dyn Read> = match args.source.as_str() {
        "-" => Box::new(io::stdin().lock()),
        url if url.starts_with("http://") || url.starts_with("https://") => {
            Box::new(engine.download(url)?)
        }
        path => Box::new(open(Path::new(path))?),
    };
    line(engine.import(source, &how, &|_| {})?.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| {
        Error::new(format!("cannot read {}", path.display())).io("open", &error).exit_code(1)
    })
}

/// Writes to a file, which appears when it is whole, or to standard output.
pub fn write_to(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let Some(path) = path else {
        if io::stdout().is_terminal() {
            return Err(Error::new("cowardly refusing to save to a terminal")
                .why("an archive is no text")
                .fix("use the -o flag or redirect")
                .exit_code(1));
        }
        return write(&mut io::stdout().lock());
    };
    let cannot = |error: io::Error| {
        Error::new(format!("cannot write {}", path.display()))
            .io("write", &error)
            .fix("name a file in a directory that is there and that you may write")
            .exit_code(1)
    };
    // A device or a pipe is no name that something else could be renamed to.
    if path.exists() && !path.is_file() {
        return write(&mut File::options().write(true).open(path).map_err(cannot)?);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir).map_err(cannot)?;
    write(file.as_file_mut())?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    Ok(())
}
