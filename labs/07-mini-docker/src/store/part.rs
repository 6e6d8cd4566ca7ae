//! Part: a download that may break off and be taken up again, also by another process.
//!
//! The bytes so far lie in `ingest/sha256-HEX.part`. An exclusive lock on that very file decides
//! who downloads: a second pull of the same layer waits, and then finds the blob finished.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    path::PathBuf,
};

use oci::Descriptor;

use super::{
    Digester, Mismatch, Result, Store, Verified,
    blobs::cannot_store,
    disk::{is_at, publish},
};

impl Store {
    /// Starts to download a blob, or goes on where an earlier try ended.
    ///
    /// `None` if the blob is here already. Waits while another process downloads the same blob.
    ///
    /// # Errors
    /// [`super::Kind::Disk`] if the file cannot be opened, locked or read.
    pub fn ingest(&self, descriptor: &Descriptor) -> Result<Option<Part>> {
        let path = self.layout.part(&descriptor.digest);
        let file = match self.lock_part(descriptor, &path) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(error) => return Err(cannot_store(&descriptor.digest, error)),
        };
        let mut part = Part {
            store: self.clone(),
            descriptor: descriptor.clone(),
            path,
            content: Verified::new(file, descriptor),
        };
        part.take_up().map_err(|error| cannot_store(&descriptor.digest, error))?;
        Ok(Some(part))
    }

    fn lock_part(&self, descriptor: &Descriptor, path: &PathBuf) -> io::Result<Option<File>> {
        loop {
            if self.has(&descriptor.digest) {
                return Ok(None);
            }
            // ANCHOR: lock_part
            let mut options = File::options();
            let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
            file.lock()?;
            // Whoever had the lock before us may have finished: then this file is the blob by
            // now, and its old name is free again.
            if is_at(&file, path) {
                return Ok(Some(file));
            }
            // ANCHOR_END: lock_part
        }
    }
}

/// A download in progress. Dropped before [`Part::commit`], its bytes stay for the next try.
#[derive(Debug)]
pub struct Part {
    store: Store,
    descriptor: Descriptor,
    path: PathBuf,
    content: Verified<File>,
}

impl Part {
    /// Bytes that are here: where the download has to go on.
    pub fn offset(&self) -> u64 {
        self.content.passed()
    }

    /// Whether every byte is here, so that only [`Part::commit`] is missing.
    pub fn is_complete(&self) -> bool {
        self.offset() == self.descriptor.size
    }

    /// Whether the bytes so far are all of the content, and no others.
    pub fn is_right(&self) -> bool {
        self.content.check().is_ok()
    }

    /// The file that the bytes lie in, for who reads them while they come: see [`super::Arrivals`].
    pub(super) fn share(&self) -> io::Result<File> {
        self.content.get_ref().try_clone()
    }

    /// Forgets the bytes so far, for a sender that cannot start in the middle.
    ///
    /// # Errors
    /// [`super::Kind::Disk`] if the file cannot be cut.
    pub fn restart(&mut self) -> Result<()> {
        let cut = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()
        };
        cut(self.content.get_mut())
            .map_err(|error| cannot_store(&self.descriptor.digest, error))?;
        let file = self.content.get_mut().try_clone();
        let file = file.map_err(|error| cannot_store(&self.descriptor.digest, error))?;
        self.content = Verified::new(file, &self.descriptor);
        Ok(())
    }

    /// Makes the content visible if it is what the descriptor promised.
    ///
    /// # Errors
    /// [`super::Kind::Invalid`] if it is not. Bytes with the wrong digest are removed, since no
    /// rest could make them right; too few stay for the next try.
    pub fn commit(mut self) -> Result<()> {
        let digest = &self.descriptor.digest;
        match self.content.check() {
            Ok(()) => {}
            Err(mismatch) => {
                if !matches!(mismatch, Mismatch::TooShort { .. }) {
                    // If it stays, the next try finds the same mismatch and removes it.
                    let _ = fs::remove_file(&self.path);
                }
                return Err(cannot_store(digest, mismatch.into()));
            }
        }
        let to = self.store.layout.blob(digest);
        publish(self.content.get_mut(), &self.path, &to).map_err(|e| cannot_store(digest, e))
    }

    /// Hashes what an earlier try left: after a crash nobody else knows the state of the hash.
    fn take_up(&mut self) -> io::Result<()> {
        let file = self.content.get_mut();
        if file.metadata()?.len() > self.descriptor.size {
            file.set_len(0)?;
        }
        let mut digester = Digester::new(self.descriptor.digest.algorithm());
        let mut passed = 0;
        let mut buffer = vec![0; 128 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => {
                    digester.update(&buffer[..count]);
                    passed += count as u64;
                }
            }
        }
        let file = file.try_clone()?;
        self.content = Verified::resume(file, &self.descriptor, digester, passed);
        Ok(())
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.content.flush()
    }
}
