//! Variables and labels, one by one and from files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ground::{Error, Result};

/// The environment: first what the files say, then the flags, so that a flag wins.
///
/// # Errors
/// A file that cannot be read; a name that cannot be one.
pub fn environment(files: &[PathBuf], flags: &[String]) -> Result<Vec<String>> {
    let mut entries = Vec::new();
    for file in files {
        for line in lines(file, "environment variables", "--env-file")? {
            check_name(&line, file)?;
            entries.extend(entry(&line));
        }
    }
    for flag in flags {
        if flag.starts_with('=') || flag.is_empty() {
            return Err(Error::new(format!("invalid environment variable: {flag}"))
                .why("there is no name before the equals sign")
                .fix("write NAME=VALUE, or NAME alone for the value that it has here"));
        }
        entries.extend(entry(flag));
    }
    Ok(entries)
}

/// `NAME=value`; a bare name has the value that it has here, or is left out.
fn entry(text: &str) -> Option<String> {
    if text.contains('=') {
        return Some(text.to_owned());
    }
    std::env::var(text).ok().map(|value| format!("{text}={value}"))
}

/// The labels of the files, then of the flags.
///
/// # Errors
/// A file that cannot be read.
pub fn labels(files: &[PathBuf], flags: &[String]) -> Result<Vec<(String, String)>> {
    let mut labels = Vec::new();
    for file in files {
        let lines = lines(file, "labels", "--label-file")?;
        labels.extend(lines.iter().map(|line| pair(line)));
    }
    labels.extend(flags.iter().map(|label| pair(label)));
    Ok(labels)
}

/// `NAME=value` as two; a bare name has an empty value.
pub fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), value.to_owned())
}

/// The lines of a file that say something.
fn lines(path: &PathBuf, what: &str, flag: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| {
        Error::new(format!("cannot read the file of {what}"))
            .io(format_args!("open {}", path.display()), &error)
            .fix(format!("check the path after {flag}"))
    })?;
    // Some editors begin a file with a mark of its byte order.
    let text = text.trim_start_matches('\u{feff}');
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    Ok(text.lines().map(str::trim_start).filter(said).map(str::to_owned).collect())
}

fn check_name(line: &str, file: &Path) -> Result<()> {
    let name = line.split('=').next().unwrap_or_default();
    let (what, why) = match name {
        "" => ("no variable name on line", "it begins with the equals sign"),
        name if name.contains(char::is_whitespace) => {
            ("poorly formatted environment:", "a variable's name has no spaces")
        }
        _ => return Ok(()),
    };
    Err(Error::new(format!("{what} '{line}'"))
        .why(format!("{}: {why}", file.display()))
        .fix("write one NAME=VALUE a line; no `export`, and no spaces around the equals sign"))
}
