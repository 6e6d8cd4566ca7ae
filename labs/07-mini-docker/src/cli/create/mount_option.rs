//! `--mount type=bind,source=/a,target=/b,readonly`: the long way to say it.
//!
//! One line of comma-separated values (RFC 4180: a field in quotes may have commas). Where `-v`
//! makes a directory that is missing, `--mount` refuses.

use std::path::{Path, PathBuf};

use ground::{Error, Result};
use mini_docker::container::{Mount, Source};

use super::volume_option::{PROPAGATIONS, no_such_driver};

const FIX: &str = "write type=bind,source=/on/the/host,target=/inside,readonly, or \
                   type=volume,source=NAME,target=/inside, or type=tmpfs,target=/inside";

/// What is read so far.
#[derive(Debug, Default)]
struct Asked {
    kind: Option<String>,
    source: String,
    target: String,
    read_only: bool,
    propagation: Option<String>,
    not_recursive: bool,
    no_copy: bool,
    subpath: Option<PathBuf>,
    tmpfs: Vec<String>,
    /// The keys that belong to one type: (type, key).
    of_type: Vec<(&'static str, String)>,
}

/// # Errors
/// A key or a value that there is not, one of another type's keys, a source that is missing.
pub fn parse(text: &str) -> Result<Mount> {
    let mut asked = Asked::default();
    for field in fields(text) {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (field.to_ascii_lowercase(), None),
        };
        asked.take(&key, value, &field)?;
    }
    asked.mount()
}

/// The fields between commas; quotes keep a comma together.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => fields.last_mut().into_iter().for_each(|field| field.push(letter)),
        }
    }
    fields
}

impl Asked {
    fn take(&mut self, key: &str, value: Option<&str>, field: &str) -> Result<()> {
        let flag = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(invalid(format!("invalid value for {key}: {other}"))),
        };
        let text = || {
            value
                .map(str::to_owned)
                .ok_or_else(|| invalid(format!("invalid field '{field}' must be a key=value pair")))
        };
        match key {
            "type" => self.kind = Some(text()?.to_ascii_lowercase()),
            "source" | "src" => self.source = text()?,
            "target" | "dst" | "destination" => self.target = text()?,
            "readonly" | "ro" => self.read_only = flag()?,
            "consistency" => drop(text()?),
            "bind-propagation" => self.propagation = Some(propagation(&text()?)?),
            "bind-nonrecursive" => self.not_recursive = flag()?,
            "bind-recursive" => self.not_recursive = recursive(&text()?)?,
            "volume-nocopy" => self.no_copy = flag()?,
            "volume-subpath" => self.subpath = Some(subpath(&text()?)?),
            "volume-driver" if text()? != "local" => return Err(no_such_driver(&text()?)),
            "volume-driver" => {}
            "tmpfs-size" => {
                let size: cgroups::Bytes = text()?.parse()?;
                self.tmpfs.push(format!("size={}", size.0));
            }
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(&text()?, 8);
                let mode = mode.map_err(|_| invalid(format!("invalid value for {field}")))?;
                self.tmpfs.push(format!("mode={mode:o}"));
            }
            _ => return Err(invalid(format!("unexpected key '{key}' in '{field}'"))),
        }
        let kinds = ["bind", "volume", "tmpfs"];
        if let Some(kind) = kinds.into_iter().find(|kind| key.starts_with(&format!("{kind}-"))) {
            self.of_type.push((kind, key.to_owned()));
        }
        Ok(())
    }

    fn mount(self) -> Result<Mount> {
        let kind = self.kind.as_deref().unwrap_or("volume");
        if let Some((other, key)) = self.of_type.iter().find(|(other, _)| *other != kind) {
            return Err(invalid(format!("cannot mix '{key}' with mount type '{kind}'"))
                .why(format!("that key is for mounts of type {other}")));
        }
        let target = match self.target.as_str() {
            "" => return Err(invalid("target is required".into())),
            "/" => return Err(invalid("the target is the container's root".into())),
            path if path.starts_with('/') => PathBuf::from(path),
            path => {
                return Err(invalid(format!(
                    "invalid mount path: '{path}' mount path must be absolute"
                )));
            }
        };
        let source = self.source(kind)?;
        Ok(Mount {
            read_only: self.read_only,
            propagation: self.propagation,
            not_recursive: self.not_recursive,
            no_copy: self.no_copy,
            subpath: self.subpath,
            ..Mount::new(source, target)
        })
    }

    fn source(&self, kind: &str) -> Result<Source> {
        match kind {
            "bind" => bind(&self.source),
            "volume" if self.source.is_empty() => {
                Ok(Source::Volume { name: String::new(), anonymous: true })
            }
            "volume" => {
                mini_docker::volume::check_name(&self.source)?;
                Ok(Source::Volume { name: self.source.clone(), anonymous: false })
            }
            "tmpfs" if !self.source.is_empty() => {
                Err(invalid("'source' is not a valid option for mounts of type tmpfs".into())
                    .why("what is in memory comes from nowhere"))
            }
            "tmpfs" => Ok(Source::Tmpfs(self.tmpfs.clone())),
            other => Err(invalid(format!("mount type unknown: {other:?}"))),
        }
    }
}

fn bind(source: &str) -> Result<Source> {
    if source.is_empty() {
        return Err(invalid("source is required".into()));
    }
    let path = std::path::absolute(source)
        .map_err(|error| Error::new("cannot find the working directory").io("getcwd", &error))?;
    if !path.exists() {
        return Err(Error::new(format!(
            "invalid mount config for type \"bind\": bind source path does not exist: {}",
            path.display()
        ))
        .why("--mount makes no directory, so that a slip of the finger is no empty directory")
        .fix(format!("make it first (mkdir -p {0}), or use -v {0}:..", path.display())));
    }
    Ok(Source::Bind(path))
}

fn propagation(word: &str) -> Result<String> {
    match PROPAGATIONS.contains(&word) {
        true => Ok(word.to_owned()),
        false => Err(invalid(format!("invalid propagation mode: {word}"))
            .fix("give one of private, rprivate, shared, rshared, slave and rslave")),
    }
}

fn recursive(word: &str) -> Result<bool> {
    match word {
        "enabled" | "writable" => Ok(false),
        "disabled" => Ok(true),
        other => Err(invalid(format!("invalid value for bind-recursive: {other}"))
            .fix("give enabled or disabled")),
    }
}

/// Below the volume and nowhere else.
fn subpath(text: &str) -> Result<PathBuf> {
    use std::path::Component;
    let path = Path::new(text);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    match inside && !text.is_empty() {
        true => Ok(path.to_owned()),
        false => Err(invalid("subpath must be a relative path within the volume".into())),
    }
}

fn invalid(what: String) -> Error {
    Error::new(format!("invalid argument for --mount: {what}")).fix(FIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Mount) {
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[track_caller]
    fn check_refused(text: &str, what: &str) {
        let error = parse(text).unwrap_err();
        assert!(error.what.contains(what), "{error}");
    }

    #[test]
    fn every_key_is_read() {
        let volume = |name: &str| Source::Volume { name: name.into(), anonymous: name.is_empty() };
        check("target=/data", Mount::new(volume(""), "/data"));
        let named = Mount { no_copy: true, ..Mount::new(volume("data"), "/data") };
        check("type=volume,src=data,dst=/data,volume-nocopy", named);
        let below = Mount { subpath: Some("a/b".into()), ..Mount::new(volume("data"), "/data") };
        check("source=data,destination=/data,volume-subpath=a/b", below);
        let bind = Mount {
            read_only: true,
            propagation: Some("rslave".into()),
            not_recursive: true,
            ..Mount::new(Source::Bind("/".into()), "/host")
        };
        check("type=bind,src=/,dst=/host,ro,bind-propagation=rslave,bind-nonrecursive", bind);
        let tmpfs = vec!["size=1048576".to_owned(), "mode=1770".to_owned()];
        let tmpfs = Mount::new(Source::Tmpfs(tmpfs), "/scratch");
        check("type=tmpfs,target=/scratch,tmpfs-size=1m,tmpfs-mode=1770", tmpfs);
        check("\"target=/with,comma\"", Mount::new(volume(""), "/with,comma"));
    }

    #[test]
    fn nonsense_is_named() {
        check_refused("type=bind,src=/", "target is required");
        check_refused("type=bind,dst=/x", "source is required");
        check_refused("type=bind,src=/nowhere-at-all,dst=/x", "bind source path does not exist");
        check_refused("type=tmpfs,src=x,dst=/x", "'source' is not a valid option");
        check_refused("type=tmpfs,dst=/x,volume-nocopy", "cannot mix 'volume-nocopy'");
        check_refused("type=ext4,dst=/x", "mount type unknown");
        check_refused("dst=x", "must be absolute");
        check_refused("dst=/x,colour=red", "unexpected key 'colour'");
        check_refused("dst=/x,volume-subpath=../up", "within the volume");
    }
}
