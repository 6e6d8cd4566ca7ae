//! Where the loader finds a library: rpath, runpath, the cache, the default directories.
//!
//! ld.so(8) gives the order. A name is searched once for a program: the first file found under it
//! serves everybody who needs it later. LD_LIBRARY_PATH is left out on purpose, because the
//! program's next run will not have it; so is what a program loads by dlopen(3), because no header
//! tells of it.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use super::elf::Object;

/// A file that takes part in a program: itself or a library.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Where it was found.
    pub path: PathBuf,
    /// What its headers say.
    pub object: Object,
    /// Who asked for it first; none for the program.
    pub wanted_by: Option<usize>,
    /// By which rule it was found.
    pub found_by: FoundBy,
}

/// The rules of ld.so(8), in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// The name has a slash and is a path, as the program's own.
    Path,
    /// DT_RPATH of the file that needs it, or of one that needs that.
    Rpath,
    /// DT_RUNPATH of the file that needs it.
    Runpath,
    /// `/etc/ld.so.cache`.
    Cache,
    /// A directory that the loader searches by itself.
    Default,
}

/// A library that is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: OsString,
    /// The file that needs it.
    pub wanted_by: PathBuf,
    /// The directories searched, the cache aside.
    pub searched: Vec<PathBuf>,
}

/// `/etc/ld.so.cache`: library names and their paths, written by ldconfig(8).
#[derive(Debug, Default)]
pub struct Cache(HashMap<OsString, Vec<PathBuf>>);

const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";

impl Cache {
    /// Reads the cache file; an absent or strange one is an empty cache, as it is for the loader.
    pub fn read(path: &Path) -> Self {
        fs::read(path).ok().and_then(|bytes| Self::parse(&bytes)).unwrap_or_default()
    }

    /// Parses glibc's format 1.1 (sysdeps/generic/dl-cache.h), alone or behind the old format.
    ///
    /// Entries for special processors (glibc-hwcaps) are left out: the library without them is
    /// always there, and the copy may go to another machine.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(old_format_length(bytes)?..)?;
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let count = number(bytes, 20)? as usize;
        let mut cache = Self::default();
        for entry in bytes.get(48..)?.chunks_exact(24).take(count) {
            let text = |at| c_string(bytes, number(entry, at)? as usize);
            if entry.get(16..24)? == [0; 8] {
                cache.0.entry(text(4)?).or_default().push(text(8)?.into());
            }
        }
        Some(cache)
    }

    fn get(&self, name: &OsStr) -> impl Iterator<Item = &PathBuf> {
        self.0.get(name).into_iter().flatten()
    }
}

/// How many bytes of the old format stand before the new one; the new one is aligned to 8.
fn old_format_length(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(OLD_MAGIC) {
        return Some(0);
    }
    let entries = number(bytes, 12)? as usize;
    Some((16 + entries.checked_mul(12)?).next_multiple_of(8))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn c_string(bytes: &[u8], at: usize) -> Option<OsString> {
    let text = bytes.get(at..)?.split(|byte| *byte == 0).next()?;
    Some(OsString::from_vec(text.to_vec()))
}

/// The program at `path` and all libraries it starts with, in the order in which the loader would
/// load them; the program comes first.
///
/// # Errors
/// The first library that is nowhere.
pub fn libraries(path: &Path, object: Object, cache: &Cache) -> Result<Vec<Loaded>, Missing> {
    let program =
        Loaded { path: path.to_owned(), object, wanted_by: None, found_by: FoundBy::Path };
    let mut search = Search { cache, loaded: vec![program] };
    let mut next = 0;
    // Breadth first: what the program needs comes before what its libraries need.
    while let Some(wanting) = search.loaded.get(next) {
        for name in wanting.object.needed.clone() {
            search.load(&name, next)?;
        }
        next += 1;
    }
    Ok(search.loaded)
}

struct Search<'a> {
    cache: &'a Cache,
    loaded: Vec<Loaded>,
}

impl Search<'_> {
    fn load(&mut self, name: &OsStr, wanted_by: usize) -> Result<(), Missing> {
        if self.is_loaded(name) {
            return Ok(());
        }
        let candidates = self.candidates(name, wanted_by);
        let found = candidates.iter().find_map(|(path, rule)| {
            let object = Object::read(path).ok()?;
            // As the loader does: a library for another machine is passed over.
            (object.machine == self.loaded[0].object.machine).then_some((path, *rule, object))
        });
        let Some((path, found_by, object)) = found else {
            return Err(self.missing(name, wanted_by, &candidates));
        };
        let path = path.clone();
        self.loaded.push(Loaded { path, object, wanted_by: Some(wanted_by), found_by });
        Ok(())
    }

    fn is_loaded(&self, name: &OsStr) -> bool {
        // musl's C library is its loader, whatever name it is asked for by.
        let musl_libc = is_musl(&self.loaded[0].object) && name.as_bytes().starts_with(b"libc.");
        let same = |it: &Loaded| {
            it.object.soname.as_deref() == Some(name) || it.path.file_name() == Some(name)
        };
        musl_libc || self.loaded.iter().any(same)
    }

    fn missing(
        &self,
        name: &OsStr,
        wanted_by: usize,
        candidates: &[(PathBuf, FoundBy)],
    ) -> Missing {
        let parents = candidates.iter().filter_map(|(path, _)| path.parent());
        Missing {
            name: name.to_owned(),
            wanted_by: self.loaded[wanted_by].path.clone(),
            searched: parents.map(Path::to_owned).collect(),
        }
    }

    /// Where `name` may be, best first.
    fn candidates(&self, name: &OsStr, wanted_by: usize) -> Vec<(PathBuf, FoundBy)> {
        if name.as_bytes().contains(&b'/') {
            return vec![(PathBuf::from(name), FoundBy::Path)];
        }
        let wanting = &self.loaded[wanted_by];
        let program = &self.loaded[0].object;
        let mut found = Vec::new();
        if wanting.object.runpath.is_empty() {
            for it in self.chain(wanted_by).filter(|it| it.object.runpath.is_empty()) {
                found.extend(expand(&it.object.rpath, &it.path, name, FoundBy::Rpath));
            }
        }
        found.extend(expand(&wanting.object.runpath, &wanting.path, name, FoundBy::Runpath));
        if !is_musl(program) {
            let cached = self.cache.get(name).cloned();
            found.extend(cached.map(|path| (path, FoundBy::Cache)));
        }
        let defaults = default_directories(program).into_iter();
        found.extend(defaults.map(|directory| (directory.join(name), FoundBy::Default)));
        found
    }

    /// A file, the one that wanted it, and so on up to the program.
    fn chain(&self, from: usize) -> impl Iterator<Item = &Loaded> {
        let wanting = |it: &&Loaded| it.wanted_by.and_then(|index| self.loaded.get(index));
        std::iter::successors(self.loaded.get(from), wanting)
    }
}

fn is_musl(program: &Object) -> bool {
    let loader = program.interpreter.as_deref().and_then(Path::file_name);
    loader.is_some_and(|name| name.as_bytes().starts_with(b"ld-musl-"))
}

/// Replaces `$ORIGIN`, the directory of the file that says so; directories with other variables
/// depend on the processor and are passed over.
fn expand(
    directories: &[OsString],
    said_by: &Path,
    name: &OsStr,
    rule: FoundBy,
) -> Vec<(PathBuf, FoundBy)> {
    let origin = said_by.parent().unwrap_or(Path::new("/"));
    let expanded = directories.iter().filter_map(|directory| {
        let text = directory.as_bytes();
        let rest =
            [b"$ORIGIN".as_slice(), b"${ORIGIN}"].iter().find_map(|it| text.strip_prefix(*it));
        match rest {
            Some(rest) => {
                let rest = rest.strip_prefix(b"/").unwrap_or(rest);
                Some(origin.join(OsStr::from_bytes(rest)))
            }
            None => (!text.contains(&b'$')).then(|| PathBuf::from(directory)),
        }
    });
    expanded.map(|directory| (directory.join(name), rule)).collect()
}

/// The directories that the loader of this program searches by itself: glibc's, with those that
/// Debian's multiarch and the 64-bit distributions build in, or musl's.
pub(crate) fn default_directories(program: &Object) -> Vec<PathBuf> {
    if is_musl(program) {
        return ["/lib", "/usr/local/lib", "/usr/lib"].map(PathBuf::from).into();
    }
    let multiarch = program.machine.multiarch().into_iter();
    let multiarch = multiarch.flat_map(|it| [format!("/lib/{it}"), format!("/usr/lib/{it}")]);
    let wide = if program.machine.bits == 64 { &["/lib64", "/usr/lib64"][..] } else { &[] };
    let plain = wide.iter().chain(&["/lib", "/usr/lib"]);
    multiarch.map(PathBuf::from).chain(plain.map(PathBuf::from)).collect()
}
