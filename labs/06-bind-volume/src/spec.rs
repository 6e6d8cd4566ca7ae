//! `-v SRC:DST[:OPTIONS]`, as Docker writes it.

use std::{fmt, path::PathBuf, str::FromStr};

use ground::{Error, Result};

/// What a volume is asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Where its files are.
    pub source: Source,
    /// Where the container sees them; absolute.
    pub target: PathBuf,
    /// Whether the container may write.
    pub access: Access,
}

/// Where the files of a volume are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path of the host.
    Host(PathBuf),
    /// A volume with a name, kept by the engine.
    Named(String),
    /// A volume that gets a name of the engine's making.
    Anonymous,
}

/// Whether the container may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It may: `rw`, the default.
    ReadWrite,
    /// It may not: `ro`.
    ReadOnly,
}

const FORM: &str = "write SRC:DST or SRC:DST:ro, with an absolute DST: -v /srv/data:/data:ro";

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts[..] {
            [target] => ("", target, ""),
            [source, target] => (source, target, ""),
            [source, target, options] => (source, target, options),
            _ => return Err(invalid(text, "it has more than three parts")),
        };
        let source = match source {
            "" if parts.len() > 1 => return Err(invalid(text, "the source is empty")),
            "" => Source::Anonymous,
            path if path.starts_with(['/', '.', '~']) => Source::Host(host_path(text, path)?),
            name => Source::Named(volume_name(text, name)?),
        };
        let mut options = options.split(',').filter(|option| !option.is_empty());
        let access = options.try_fold(Access::ReadWrite, |access, option| match option {
            "ro" => Ok(Access::ReadOnly),
            // Labels are SELinux's, and there is nothing to relabel without it.
            "rw" | "z" | "Z" => Ok(access),
            other => Err(invalid(text, &format!("{other:?} is not an option"))),
        })?;
        Ok(Self { source, target: container_path(text, target)?, access })
    }
}

fn host_path(text: &str, path: &str) -> Result<PathBuf> {
    if path.starts_with('~') {
        return Err(invalid(text, "~ is the shell's, and it does not look behind -v"));
    }
    std::path::absolute(path)
        .map_err(|error| Error::new("cannot find the working directory").io("getcwd", &error))
}

/// Docker's rule for names: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
fn volume_name(text: &str, name: &str) -> Result<String> {
    let word = |c: char| c.is_ascii_alphanumeric();
    let good = name.len() > 1
        && name.starts_with(word)
        && name.chars().all(|c| word(c) || matches!(c, '_' | '.' | '-'));
    if !good {
        let why = format!(
            "{name:?} is neither a path (those begin with / or .) nor a name for a volume \
             (letters, digits, _ . -, two at least)"
        );
        return Err(invalid(text, &why));
    }
    Ok(name.to_owned())
}

fn container_path(text: &str, path: &str) -> Result<PathBuf> {
    match path {
        "" => Err(invalid(text, "the target is empty")),
        "/" => Err(invalid(text, "the target is the container's root")),
        path if !path.starts_with('/') => Err(invalid(text, "the target is not absolute")),
        path => Ok(PathBuf::from(path)),
    }
}

fn invalid(text: &str, why: &str) -> Error {
    Error::new(format!("invalid volume {text:?}")).why(why).fix(FORM)
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Host(path) => write!(f, "{}:", path.display())?,
            Source::Named(name) => write!(f, "{name}:")?,
            Source::Anonymous => {}
        }
        write!(f, "{}", self.target.display())?;
        match self.access {
            Access::ReadOnly => f.write_str(":ro"),
            Access::ReadWrite => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, source: Source, target: &str, access: Access) {
        let spec: Spec = text.parse().unwrap();
        assert_eq!(spec, Spec { source, target: target.into(), access });
    }

    #[track_caller]
    fn check_refused(text: &str, why: &str) {
        let error = text.parse::<Spec>().unwrap_err();
        assert!(error.why.as_deref().unwrap_or_default().contains(why), "{error}");
    }

    #[test]
    fn a_path_begins_with_a_slash_or_a_dot_and_a_name_does_not() {
        let host = || Source::Host("/srv/data".into());
        check("/srv/data:/data", host(), "/data", Access::ReadWrite);
        check("/srv/data:/data:ro", host(), "/data", Access::ReadOnly);
        check("data:/data:rw", Source::Named("data".into()), "/data", Access::ReadWrite);
        check("/data", Source::Anonymous, "/data", Access::ReadWrite);
        let here = std::env::current_dir().unwrap().join("data");
        check("./data:/data", Source::Host(here), "/data", Access::ReadWrite);
    }

    #[test]
    fn nonsense_is_named() {
        check_refused("/a:/b:/c:/d", "more than three");
        check_refused(":/b", "source is empty");
        check_refused("/a:", "target is empty");
        check_refused("/a:b", "not absolute");
        check_refused("/a:/", "root");
        check_refused("/a:/b:rx", "\"rx\" is not an option");
        check_refused("a b:/b", "neither a path");
        check_refused("~/a:/b", "~ is the shell's");
    }

    #[test]
    fn a_spec_prints_as_it_was_written() {
        for text in ["/srv/data:/data:ro", "data:/data", "/data"] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
    }
}
