//! Checking: whether every blob is what its name says, and every name leads to something whole.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
};

use oci::{Digest, Reference};

use super::{Digester, Image, Result, Store, disk, gc::by_digest};
use crate::store::disk::lock_file;

/// An image that is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The image's manifest.
    pub manifest: Digest,
    /// Its names.
    pub names: Vec<Reference>,
    /// What is missing or cannot be read, in words.
    pub why: String,
}

impl Store {
    /// Keeps everybody from adding content, after waiting for those who do.
    ///
    /// # Errors
    /// [`super::Kind::Disk`] if the lock file cannot be opened.
    pub fn quiet(&self) -> Result<File> {
        let lock = lock_file(&self.layout.lock())?;
        lock.lock().map_err(disk("cannot use the image store", "flock"))?;
        Ok(lock)
    }

    /// The blobs whose bytes have another digest than their name says.
    ///
    /// # Errors
    /// [`super::Kind::Disk`] if a file cannot be read.
    pub fn wrong_blobs(&self) -> Result<Vec<Digest>> {
        let cannot = || disk("cannot check the image store", "read");
        let mut wrong = Vec::new();
        for (digest, path) in by_digest(&self.layout.blobs()).map_err(cannot())? {
            if hash(&digest, &path).map_err(cannot())? != digest {
                wrong.push(digest);
            }
        }
        Ok(wrong)
    }

    /// The images that lead to something that is not here, or that cannot be read. `without` are
    /// blobs that are as good as gone.
    ///
    /// # Errors
    /// [`super::Kind::Invalid`] if the list of images cannot be read.
    pub fn damaged_images(&self, without: &[Digest]) -> Result<Vec<Damaged>> {
        let images = self.images()?.into_iter();
        Ok(images
            .filter_map(|image| {
                let why = self.damage(&image, without)?;
                let Image { manifest, references: names, .. } = image;
                Some(Damaged { manifest: manifest.digest, names, why })
            })
            .collect())
    }

    fn damage(&self, image: &Image, without: &[Digest]) -> Option<String> {
        let is_gone = |digest: &Digest| without.contains(digest) || !self.has(digest);
        if is_gone(&image.manifest.digest) {
            return Some(format!("its manifest {} is not here", image.manifest.digest));
        }
        let manifest = match self.image_manifest(&image.manifest) {
            Ok(manifest) => manifest,
            Err(error) => return Some(error.report.why.unwrap_or(error.report.what)),
        };
        if let Some(blob) = manifest.blobs().find(|blob| is_gone(&blob.digest)) {
            return Some(format!("its blob {} is not here", blob.digest));
        }
        if manifest.config.digest != image.id {
            return Some(format!("its config is {}, not {}", manifest.config.digest, image.id));
        }
        self.image_config(image).err().map(|error| error.report.why.unwrap_or(error.report.what))
    }

    /// How many blobs are here.
    ///
    /// # Errors
    /// [`super::Kind::Disk`] if the directory cannot be read.
    pub fn count_blobs(&self) -> Result<usize> {
        let cannot = disk("cannot check the image store", "read");
        Ok(by_digest(&self.layout.blobs()).map_err(cannot)?.len())
    }

    /// Files among the blobs that have no digest as their name.
    ///
    /// # Errors
    /// [`super::Kind::Disk`] if they cannot be read.
    pub fn stray_files(&self) -> Result<Vec<PathBuf>> {
        let cannot = || disk("cannot check the image store", "read");
        let known = by_digest(&self.layout.blobs()).map_err(cannot())?;
        let mut stray = Vec::new();
        for dir in fs::read_dir(self.layout.blobs()).map_err(cannot())?.flatten() {
            let entries = fs::read_dir(dir.path()).map_err(cannot())?.flatten();
            let paths = entries.map(|entry| entry.path());
            stray.extend(paths.filter(|path| known.iter().all(|(_, blob)| blob != path)));
        }
        Ok(stray)
    }
}

fn hash(digest: &Digest, path: &PathBuf) -> io::Result<Digest> {
    let mut file = match File::open(path) {
        // Removed since the directory was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(digest.clone()),
        file => file?,
    };
    let mut digester = Digester::new(digest.algorithm());
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digester.finish()),
            count => digester.update(&buffer[..count]),
        }
    }
}
