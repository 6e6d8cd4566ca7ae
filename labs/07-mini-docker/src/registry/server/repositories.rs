//! Repositories: which names may see which blobs.
//!
//! Blobs are shared by all names, but a name does not give access to all blobs: one must have
//! uploaded it there, or have it mounted from a name that has it. Each such fact is a small file,
//! made and removed in one step, so that requests need no lock and a crash loses none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use oci::{Descriptor, Digest};

use crate::{
    layout::{Layout, flat},
    store::{self, Store, disk, replace},
};

use super::route::TagOrDigest;

/// The facts about all repositories of a store.
#[derive(Debug, Clone)]
pub(super) struct Repositories {
    layout: Layout,
}

impl Repositories {
    pub(super) fn new(store: &Store) -> Self {
        Self { layout: store.layout().clone() }
    }

    /// Whether anything was ever put there.
    pub(super) fn exists(&self, name: &str) -> bool {
        self.layout.repository(name).join("_manifests").is_dir()
    }

    pub(super) fn has_blob(&self, name: &str, digest: &Digest) -> bool {
        self.blob(name, digest).exists()
    }

    pub(super) fn add_blob(&self, name: &str, digest: &Digest) -> store::Result<()> {
        self.write(&self.blob(name, digest), b"")
    }

    /// Whether it was there.
    pub(super) fn remove_blob(&self, name: &str, digest: &Digest) -> store::Result<bool> {
        remove(&self.blob(name, digest))
    }

    /// What a tag or digest leads to.
    pub(super) fn manifest(&self, name: &str, what: &TagOrDigest) -> Option<Descriptor> {
        let path = match what {
            TagOrDigest::Tag(tag) => self.tag(name, tag),
            TagOrDigest::Digest(digest) => self.manifest_path(name, digest),
        };
        let found: Descriptor = read(&path)?;
        // A tag whose manifest was deleted leads nowhere.
        self.manifest_path(name, &found.digest).exists().then_some(found)
    }

    pub(super) fn add_manifest(
        &self,
        name: &str,
        tag: Option<&str>,
        manifest: &Descriptor,
    ) -> store::Result<()> {
        let json = serde_json::to_vec(manifest)
            .map_err(io::Error::from)
            .map_err(disk("cannot write a repository", "serialise"))?;
        self.write(&self.manifest_path(name, &manifest.digest), &json)?;
        match tag {
            Some(tag) => self.write(&self.tag(name, tag), &json),
            None => Ok(()),
        }
    }

    /// Removes a tag, or a manifest with all tags that lead to it. Whether it was there.
    pub(super) fn remove_manifest(&self, name: &str, what: &TagOrDigest) -> store::Result<bool> {
        let digest = match what {
            TagOrDigest::Tag(tag) => return remove(&self.tag(name, tag)),
            TagOrDigest::Digest(digest) => digest,
        };
        let removed = remove(&self.manifest_path(name, digest))?;
        for tag in self.tags(name)? {
            let path = self.tag(name, &tag);
            if read::<Descriptor>(&path).is_some_and(|manifest| manifest.digest == *digest) {
                remove(&path)?;
            }
        }
        Ok(removed)
    }

    /// All tags of a repository, in order.
    pub(super) fn tags(&self, name: &str) -> store::Result<Vec<String>> {
        files(&self.layout.repository(name).join("_tags"))
    }

    /// All manifests of a repository.
    pub(super) fn manifests(&self, name: &str) -> store::Result<Vec<Descriptor>> {
        let dir = self.layout.repository(name).join("_manifests");
        Ok(files(&dir)?.iter().filter_map(|file| read(&dir.join(file))).collect())
    }

    /// All manifests of all repositories: what a collection starts from.
    pub(super) fn all_manifests(&self) -> store::Result<Vec<Descriptor>> {
        let mut all = Vec::new();
        for name in self.names()? {
            all.extend(self.manifests(&name)?);
        }
        Ok(all)
    }

    /// The names of all repositories, in order.
    pub(super) fn names(&self) -> store::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut to_visit = vec![String::new()];
        while let Some(prefix) = to_visit.pop() {
            let dir = self.layout.repositories().join(&prefix);
            for component in directories(&dir)? {
                if component == "_manifests" {
                    names.push(prefix.clone());
                } else if !component.starts_with('_') {
                    let slash = if prefix.is_empty() { "" } else { "/" };
                    to_visit.push(format!("{prefix}{slash}{component}"));
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// Forgets the blobs that a collection has removed.
    pub(super) fn forget_missing(&self, store: &Store) -> store::Result<()> {
        for name in self.names()? {
            for file in files(&self.layout.repository(&name).join("_blobs"))? {
                let digest = file.replacen('-', ":", 1).parse::<Digest>();
                if digest.is_ok_and(|digest| !store.has(&digest)) {
                    remove(&self.layout.repository(&name).join("_blobs").join(file))?;
                }
            }
        }
        Ok(())
    }

    fn blob(&self, name: &str, digest: &Digest) -> PathBuf {
        self.layout.repository(name).join("_blobs").join(flat(digest))
    }

    fn manifest_path(&self, name: &str, digest: &Digest) -> PathBuf {
        self.layout.repository(name).join("_manifests").join(flat(digest))
    }

    fn tag(&self, name: &str, tag: &str) -> PathBuf {
        self.layout.repository(name).join("_tags").join(tag)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> store::Result<()> {
        let operation = format!("write {}", path.display());
        replace(&self.layout.ingest(), path, bytes)
            .map_err(disk("cannot write a repository", operation))
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn remove(path: &Path) -> store::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(disk("cannot write a repository", "remove")(error)),
    }
}

fn files(dir: &Path) -> store::Result<Vec<String>> {
    entries(dir, |kind| kind.is_file())
}

fn directories(dir: &Path) -> store::Result<Vec<String>> {
    entries(dir, |kind| kind.is_dir())
}

/// The names in a directory, in order; none if it is not there.
fn entries(dir: &Path, wanted: impl Fn(fs::FileType) -> bool) -> store::Result<Vec<String>> {
    let cannot = || disk("cannot read a repository", format!("read {}", dir.display()));
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(cannot())?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(cannot())?;
        if wanted(entry.file_type().map_err(cannot())?) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
