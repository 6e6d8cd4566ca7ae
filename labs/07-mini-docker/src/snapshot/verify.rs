//! Verifying: whether an unpacked layer still is what its archive says.
//!
//! There is no digest of a directory. So the archive is unpacked once more, and the two trees are
//! compared: names, kinds, modes, owners, devices, links and content. Where they differ, the fresh
//! one can take the place of the other.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use oci::{Descriptor, Digest};

use super::{Ownership, scratch::Scratch, unpack};
use crate::{layout::Layout, store::Store};

/// A layer that is unpacked, and what it was unpacked from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Its name.
    pub chain_id: Digest,
    /// The digest of its archive.
    pub diff_id: Digest,
    /// The packed archive.
    pub blob: Descriptor,
}

impl Unpacked {
    /// How the layer differs from its archive, if it does; with `renew` it is made anew then.
    ///
    /// # Errors
    /// An archive that cannot be unpacked; a full disk.
    pub fn verify(&self, store: &Store, renew: bool) -> Result<Option<String>> {
        let layout = store.layout();
        let scratch = Scratch::new(layout)?;
        let fresh = scratch.path().join("layer");
        let diff = fresh.join("diff");
        fs::create_dir_all(&diff).map_err(|error| cannot(&diff, &error))?;
        let kept = unpack(store.blob(&self.blob.digest)?, &self.diff_id, &diff)?;
        kept.write(&fresh.join("ownership.json"))?;
        let found = self.difference(layout, &diff, &kept)?;
        if renew && found.is_some() {
            let to = layout.layer(&self.chain_id);
            // Containers that run keep the old files: they are held by their mounts.
            let moved = match fs::rename(&to, scratch.path().join("old")) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))
                }
                moved => moved,
            };
            moved.and_then(|()| fs::rename(&fresh, &to)).map_err(|error| cannot(&to, &error))?;
        }
        scratch.remove()?;
        Ok(found)
    }

    fn difference(
        &self,
        layout: &Layout,
        fresh: &Path,
        kept: &Ownership,
    ) -> Result<Option<String>> {
        let here = layout.layer_diff(&self.chain_id);
        if !here.is_dir() {
            return Ok(Some("its files are not there".into()));
        }
        if Ownership::read(&layout.layer_ownership(&self.chain_id)).ok().as_ref() != Some(kept) {
            return Ok(Some("the owners beside its files are others".into()));
        }
        let trees = Trees { here, fresh: fresh.to_owned() };
        trees.compare(Path::new("")).map_err(|error| cannot(&trees.here, &error))
    }
}

struct Trees {
    here: PathBuf,
    fresh: PathBuf,
}

impl Trees {
    /// The first difference below a path that both have, in words.
    fn compare(&self, path: &Path) -> io::Result<Option<String>> {
        let (here, fresh) = (self.here.join(path), self.fresh.join(path));
        let (names, wanted) = (names(&here)?, names(&fresh)?);
        if let Some(name) = names.symmetric_difference(&wanted).next() {
            let how = if names.contains(name) { "does not belong there" } else { "is missing" };
            return Ok(Some(format!("{} {how}", path.join(name).display())));
        }
        for name in names {
            let path = path.join(&name);
            let (here, fresh) = (here.join(&name), fresh.join(&name));
            let (file, wanted) = (fs::symlink_metadata(&here)?, fs::symlink_metadata(&fresh)?);
            if let Some(what) = aspect(&file, &wanted) {
                return Ok(Some(format!("{} has another {what}", path.display())));
            }
            let is_other = match file.file_type() {
                kind if kind.is_symlink() => fs::read_link(&here)? != fs::read_link(&fresh)?,
                kind if kind.is_file() => !same_content(&here, &fresh)?,
                _ => false,
            };
            if is_other {
                return Ok(Some(format!("{} has another content", path.display())));
            }
            if file.is_dir()
                && let Some(found) = self.compare(&path)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn aspect(file: &Metadata, wanted: &Metadata) -> Option<&'static str> {
    let is_same = |value: fn(&Metadata) -> u64| value(file) == value(wanted);
    if !is_same(|file| file.mode().into()) {
        return Some("mode");
    }
    if !is_same(|file| file.uid().into()) || !is_same(|file| file.gid().into()) {
        return Some("owner");
    }
    if !is_same(MetadataExt::rdev) {
        return Some("device number");
    }
    (file.is_file() && !is_same(MetadataExt::size)).then_some("size")
}

fn names(dir: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn same_content(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    loop {
        let count = a.read(&mut left)?;
        if count == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        if b.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot check a layer").io(path.display(), error)
}
