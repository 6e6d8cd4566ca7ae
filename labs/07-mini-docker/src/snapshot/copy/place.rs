//! Where files go: the rules of `docker cp`, as a table.
//!
//! ```text
//! SRC          DEST is nothing       DEST is a directory        DEST is a file
//! file         made as DEST          made in it, same name      replaced
//! file, DEST/  an error              made in it, same name      an error
//! directory    made as DEST          made in it, same name      an error
//! DIR/.        made as DEST          its content goes into it   an error
//! ```
//!
//! Source: docs.docker.com, "docker container cp".

use std::{
    ffi::OsString,
    path::{Component, Path, PathBuf},
};

/// A path as somebody wrote it: what stands at its end means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The path itself.
    pub path: PathBuf,
    /// Whether it ends with a slash, and so must be a directory.
    pub slash: bool,
    /// Whether it ends with `/.`: what is in the directory is meant.
    pub contents: bool,
}

impl From<&str> for Named {
    fn from(text: &str) -> Self {
        let contents = text == "." || text.ends_with("/.");
        let is_root = Path::new(text).components().all(|it| it == Component::RootDir);
        Self {
            // Without what stands at the end: the kernel has a meaning of its own for it.
            path: Path::new(text).components().collect(),
            slash: contents || text.ends_with('/'),
            // The root has no name that it could get elsewhere.
            contents: contents || (is_root && !text.is_empty()),
        }
    }
}

impl Named {
    /// The same path, seen from a directory.
    pub fn below(self, dir: &Path) -> Self {
        Self { path: dir.join(&self.path), ..self }
    }
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its own name.
    pub name: OsString,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Whether only what is in it is meant.
    pub contents: bool,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory.
    pub dir: PathBuf,
    /// What it is called there; its content has names of its own.
    pub called: Option<OsString>,
}

/// Why it does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// A slash says directory, and there is none.
    NoSuchDirectory,
    /// A directory cannot take a file's place.
    CannotCopyDirectory,
}

/// Decides. `there` says whether something is at the target, and whether it is a directory.
pub fn place(source: &Source, there: Option<bool>, target: &Named) -> Result<Place, Unfit> {
    let as_target = || {
        let dir = target.path.parent().unwrap_or(Path::new("/")).to_owned();
        Place { dir, called: target.path.file_name().map(OsString::from) }
    };
    match (source.is_dir, there) {
        (true, Some(true)) if source.contents => {
            Ok(Place { dir: target.path.clone(), called: None })
        }
        (_, Some(true)) => {
            Ok(Place { dir: target.path.clone(), called: Some(source.name.clone()) })
        }
        (true, Some(false)) => Err(Unfit::CannotCopyDirectory),
        (false, _) if target.slash => Err(Unfit::NoSuchDirectory),
        (_, _) => Ok(as_target()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `dir + name` of the place, `dir + *` for the content alone.
    #[track_caller]
    fn check(source: &str, is_dir: bool, target: &str, there: Option<bool>, expected: &str) {
        let named = Named::from(source);
        let name = named.path.file_name().unwrap_or_default().to_owned();
        let source = Source { name, is_dir, contents: named.contents };
        let told = match place(&source, there, &Named::from(target)) {
            Ok(Place { dir, called }) => {
                let called = called.map_or("*".into(), |name| name.into_string().unwrap());
                format!("{} + {called}", dir.display())
            }
            Err(why) => format!("{why:?}"),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn the_whole_table_of_docker_cp() {
        let (nothing, dir, file) = (None, Some(true), Some(false));
        check("/a/f", false, "/d/g", nothing, "/d + g");
        check("/a/f", false, "/d/", nothing, "NoSuchDirectory");
        check("/a/f", false, "/d/g", file, "/d + g");
        check("/a/f", false, "/d/g/", file, "NoSuchDirectory");
        check("/a/f", false, "/d", dir, "/d + f");
        check("/a/f", false, "/d/", dir, "/d + f");
        check("/a/s", true, "/d/t", nothing, "/d + t");
        check("/a/s", true, "/d/t/", nothing, "/d + t");
        check("/a/s/.", true, "/d/t", nothing, "/d + t");
        check("/a/s", true, "/d/f", file, "CannotCopyDirectory");
        check("/a/s/.", true, "/d/f", file, "CannotCopyDirectory");
        check("/a/s", true, "/d", dir, "/d + s");
        check("/a/s/", true, "/d", dir, "/d + s");
        check("/a/s/.", true, "/d", dir, "/d + *");
        check(".", true, "/d", dir, "/d + *");
        check("/", true, "/d", dir, "/d + *");
    }
}
