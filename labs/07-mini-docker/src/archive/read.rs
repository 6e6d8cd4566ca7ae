//! Reading: one pass over an archive, whatever the order of its entries.
//!
//! It may come through a pipe, so nothing is read twice: blobs and layers go into the store at once,
//! documents into memory, and what belongs together is found out at the end.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    rc::Rc,
};

use ground::{Error, Result};
use oci::{Digest, MediaType};
use tar::{Archive, Entry, EntryType};

use super::{Layer, pack_layer, refused, untrue};
use crate::{
    inflate::{self, Budget, Budgeted},
    store::{DOCUMENT_MAX, Store},
};

/// The most bytes of headers that one entry may have.
const HEADER_MAX: u64 = 1 << 20;

/// The most bytes of documents and names that are kept in memory.
const MEMORY_MAX: usize = 64 << 20;

/// What was in an archive, by path.
#[derive(Debug, Default)]
pub struct Contents {
    /// Small files of text.
    documents: BTreeMap<String, Vec<u8>>,
    /// Layers that are in the store now.
    layers: BTreeMap<String, Layer>,
    /// One path stands for another.
    links: BTreeMap<String, String>,
    memory: usize,
}

impl Contents {
    /// A document, if there is one at this path.
    pub fn document(&self, path: &str) -> Option<&[u8]> {
        self.documents.get(self.target(path)).map(Vec::as_slice)
    }

    /// A layer, if there is one at this path.
    pub fn layer(&self, path: &str) -> Option<&Layer> {
        self.layers.get(self.target(path))
    }

    /// What a path stands for. Docker links a layer that several images have; a link to a link it
    /// never writes.
    fn target<'a>(&'a self, path: &'a str) -> &'a str {
        self.links.get(path).map_or(path, String::as_str)
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.memory += bytes;
        match self.memory > MEMORY_MAX {
            true => Err(untrue("its documents have more than 64 MiB")),
            false => Ok(()),
        }
    }
}

/// Takes in all of an archive, which may be packed.
pub fn contents(store: &Store, archive: impl Read) -> Result<Contents> {
    let unpacked = inflate::reader(archive).map_err(|error| unreadable(&error))?;
    let budget = Budget::default();
    let mut archive = Archive::new(Budgeted::new(unpacked, Rc::clone(&budget)));
    let mut entries = archive.entries().map_err(|error| unreadable(&error))?;
    let mut contents = Contents::default();
    loop {
        budget.set(HEADER_MAX);
        let Some(entry) = entries.next() else { return Ok(contents) };
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        budget.set(u64::MAX);
        take_in(store, &mut contents, &mut entry)?;
        // To the end of the content, so that the next budget is for a header alone.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| unreadable(&error))?;
    }
}

fn take_in<R: Read>(
    store: &Store,
    contents: &mut Contents,
    entry: &mut Entry<'_, R>,
) -> Result<()> {
    let path = clean("", &entry.path_bytes())?;
    contents.count(path.len())?;
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => file(store, contents, path, entry),
        kind @ (EntryType::Symlink | EntryType::Link) => {
            let target = entry.link_name_bytes().unwrap_or_default();
            // A symbolic link starts where it lies, a hard link at the top.
            let from = if kind == EntryType::Symlink { parent(&path) } else { "" };
            let target = clean(from, &target)?;
            contents.count(target.len())?;
            contents.links.insert(path, target);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn file<R: Read>(
    store: &Store,
    contents: &mut Contents,
    path: String,
    entry: &mut Entry<'_, R>,
) -> Result<()> {
    if let Some(digest) = blob_path(&path) {
        return blob(store, &digest, entry);
    }
    if !is_document(&path) {
        let layer = pack_layer(store, entry)?;
        contents.layers.insert(path, layer);
        return Ok(());
    }
    if entry.size() > DOCUMENT_MAX {
        return Err(untrue(format!("{path} is larger than 4 MiB, which no such document is")));
    }
    contents.count(usize::try_from(entry.size()).unwrap_or(usize::MAX))?;
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    contents.documents.insert(path, bytes);
    Ok(())
}

/// A file that is named after its digest becomes a blob, if it has that digest.
fn blob<R: Read>(store: &Store, digest: &Digest, entry: &mut Entry<'_, R>) -> Result<()> {
    if store.has(digest) {
        return Ok(());
    }
    let descriptor =
        oci::Descriptor::new(MediaType::Other(String::new()), digest.clone(), entry.size());
    store.put(&descriptor, entry).map_err(|error| match error.kind {
        crate::store::Kind::Invalid => untrue(error.report.why.unwrap_or(error.report.what)),
        _ => error.into(),
    })
}

/// `blobs/sha256/HEX`
pub fn blob_path(path: &str) -> Option<Digest> {
    let (algorithm, hex) = path.strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// What Docker and podman name their documents; everything else is a layer.
fn is_document(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".json") || matches!(name, "json" | "VERSION" | "repositories" | "oci-layout")
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A path of the archive, relative to its top and free of `.` and `..`.
fn clean(from: &str, path: &[u8]) -> Result<String> {
    let path = std::str::from_utf8(path).map_err(|_| untrue("a name in it is no text"))?;
    let start = if path.starts_with('/') { "" } else { from };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                let why = || untrue(format!("{path:?} leads out of the archive"));
                parts.pop().ok_or_else(why)?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

fn unreadable(error: &io::Error) -> Error {
    let report = refused(match error.raw_os_error() {
        Some(_) => format!("it cannot be read: {error}"),
        None if error.kind() == io::ErrorKind::Unsupported => error.to_string(),
        // What follows a colon quotes the archive, which may be anything.
        None => error.to_string().split(':').next().unwrap_or_default().to_owned(),
    });
    match error.kind() {
        io::ErrorKind::Unsupported => report,
        _ => report.fix("it must be a whole tar archive, as mini-docker save writes one"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, path: &str, expected: Option<&str>) {
        assert_eq!(clean(from, path.as_bytes()).ok().as_deref(), expected);
    }

    #[test]
    fn a_path_stays_in_the_archive() {
        check("", "./manifest.json", Some("manifest.json"));
        check("", "a/b/../layer.tar", Some("a/layer.tar"));
        check("a", "../b/layer.tar", Some("b/layer.tar"));
        check("a", "/b", Some("b"));
        check("", "../b", None);
        check("a", "../../b", None);
    }

    #[test]
    fn a_blob_is_named_after_its_digest() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(blob_path(&format!("blobs/sha256/{hex}")).is_some());
        assert!(blob_path(&format!("blobs/sha256/{hex}x")).is_none());
        assert!(blob_path("blobs/md5/abc").is_none());
        assert!(blob_path("blobs").is_none());
    }
}
