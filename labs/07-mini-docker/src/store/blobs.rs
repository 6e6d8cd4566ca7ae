//! Blobs: files named after the hash of what is in them.
//!
//! Idempotent: putting the same content twice leaves one file. Atomic: a blob is absent or whole.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
};

use oci::{Algorithm, Descriptor, Digest, Document, Invalid, MediaType};
use tempfile::NamedTempFile;

use super::{Digester, Error, Kind, Result, Store, Verified, disk};
use crate::store::disk::{publish, temporary};

/// The most bytes that a manifest or config may have, as the distribution specification suggests.
pub(crate) const DOCUMENT_MAX: u64 = 4 << 20;

/// How much is copied at once: large enough that the system calls do not show.
const CHUNK: usize = 128 << 10;

impl Store {
    /// Whether the blob is here.
    pub fn has(&self, digest: &Digest) -> bool {
        self.layout.blob(digest).is_file()
    }

    /// The blob's length in bytes.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is not here.
    pub fn size(&self, digest: &Digest) -> Result<u64> {
        let read = fs::metadata(self.layout.blob(digest));
        Ok(read.map_err(|error| cannot_open(digest, error))?.len())
    }

    /// Opens a blob for reading. It was checked when it was put here and is not checked again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is not here.
    pub fn blob(&self, digest: &Digest) -> Result<File> {
        File::open(self.layout.blob(digest)).map_err(|error| cannot_open(digest, error))
    }

    /// Reads a small blob, a manifest or a config, into memory.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is not here, [`Kind::Invalid`] beyond 4 MiB.
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limited = &mut self.blob(digest)?.take(DOCUMENT_MAX + 1);
        limited.read_to_end(&mut bytes).map_err(disk(format!("cannot read {digest}"), "read"))?;
        if bytes.len() as u64 > DOCUMENT_MAX {
            let report = ground::Error::new(format!("cannot read {digest} as a document"))
                .why("it is larger than 4 MiB, which no manifest or config is");
            return Err(Error::invalid(report));
        }
        Ok(bytes)
    }

    /// Reads a manifest or index.
    ///
    /// # Errors
    /// As [`Store::document`], and [`Kind::Invalid`] for [`Document::parse`]'s reasons.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<Document> {
        let json = self.document(&descriptor.digest)?;
        Document::parse(&descriptor.media_type, &json).map_err(|e| broken(&descriptor.digest, &e))
    }

    /// Puts content whose digest is known; it becomes visible only if it is right.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it has another digest or size, [`Kind::Disk`] if reading or writing
    /// fails.
    pub fn put(&self, descriptor: &Descriptor, content: impl Read) -> Result<()> {
        if self.has(&descriptor.digest) {
            return Ok(());
        }
        let mut writer = self.writer()?;
        let mut verified = Verified::new(content, descriptor);
        copy(&mut verified, &mut writer)
            .map_err(|error| cannot_store(&descriptor.digest, error))?;
        verified.check().map_err(|error| cannot_store(&descriptor.digest, error.into()))?;
        writer.publish(&descriptor.digest)
    }

    /// Puts bytes that are in memory.
    ///
    /// # Errors
    /// [`Kind::Disk`] if writing fails.
    pub fn put_bytes(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor> {
        let mut writer = self.writer()?;
        writer.write_all(bytes).map_err(cannot_write)?;
        writer.commit(media_type)
    }

    /// Starts to write content whose digest nobody knows yet.
    ///
    /// # Errors
    /// [`Kind::Disk`] if the temporary file cannot be made.
    pub fn writer(&self) -> Result<BlobWriter> {
        let file = temporary(&self.layout.ingest()).map_err(cannot_write)?;
        let digester = Digester::new(Algorithm::Sha256);
        Ok(BlobWriter { store: self.clone(), file, digester, written: 0 })
    }

    /// Forgets a blob, whoever may point to it; most callers want [`Store::gc`].
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is not here.
    pub fn remove_blob(&self, digest: &Digest) -> Result<()> {
        fs::remove_file(self.layout.blob(digest)).map_err(|error| cannot_open(digest, error))
    }
}

/// Content on its way into the store, hashed while it is written.
///
/// Dropped before [`BlobWriter::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    file: NamedTempFile,
    digester: Digester,
    written: u64,
}

impl BlobWriter {
    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The digest of what was written so far.
    pub fn digest(&self) -> Digest {
        self.digester.clone().finish()
    }

    /// Makes the content visible under its digest.
    ///
    /// # Errors
    /// [`Kind::Disk`] if it cannot be forced to disk or moved.
    pub fn commit(self, media_type: MediaType) -> Result<Descriptor> {
        let descriptor = Descriptor::new(media_type, self.digest(), self.written);
        self.publish(&descriptor.digest)?;
        Ok(descriptor)
    }

    /// Makes the content visible if its digest is the one that somebody claims.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it is another one; then nothing is left behind.
    pub fn commit_as(self, claimed: &Digest) -> Result<()> {
        let found = match claimed.algorithm() {
            Algorithm::Sha256 => self.digest(),
            other => self.reread(other)?,
        };
        if found != *claimed {
            let mismatch = super::Mismatch::Digest { expected: claimed.clone(), found };
            return Err(cannot_store(claimed, mismatch.into()));
        }
        self.publish(claimed)
    }

    /// Hashes what was written once more, with another function than the one on the way.
    fn reread(&self, algorithm: Algorithm) -> Result<Digest> {
        let mut digester = Digester::new(algorithm);
        let read = |digester: &mut Digester| -> io::Result<()> {
            let mut file = self.file.reopen()?;
            let mut buffer = vec![0; CHUNK];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => digester.update(&buffer[..count]),
                }
            }
        };
        read(&mut digester).map_err(cannot_write)?;
        Ok(digester.finish())
    }

    fn publish(self, digest: &Digest) -> Result<()> {
        let to = self.store.layout.blob(digest);
        publish(self.file.as_file(), self.file.path(), &to).map_err(cannot_write)?;
        // The name is gone: there is nothing left to remove.
        let _ = self.file.into_temp_path().keep();
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not through tempfile's wrapper, whose errors have lost their errno.
        let count = self.file.as_file().write(bytes)?;
        self.digester.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file().flush()
    }
}

/// `io::copy` with a buffer of our size.
pub(super) fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A content mismatch is the sender's fault, anything else the disk's.
pub(super) fn cannot_store(digest: &Digest, error: io::Error) -> Error {
    let what = format!("cannot store {digest}");
    match error.get_ref().and_then(|inner| inner.downcast_ref::<super::Mismatch>()) {
        Some(mismatch) => Error::invalid(
            ground::Error::new(what)
                .why(mismatch.to_string())
                .fix("try again; if it stays so, what sends it is broken or lies"),
        ),
        None => disk(what, "write")(error),
    }
}

fn cannot_write(error: io::Error) -> Error {
    disk("cannot write to the image store", "write")(error)
}

fn cannot_open(digest: &Digest, error: io::Error) -> Error {
    if error.kind() != io::ErrorKind::NotFound {
        return disk(format!("cannot read {digest}"), "open")(error);
    }
    let report = ground::Error::new(format!("blob {digest} is not here"))
        .why("no pull, load or commit put it into this store")
        .fix("pull the image that it belongs to again");
    Error::new(Kind::NotFound, report)
}

pub(super) fn broken(digest: &Digest, invalid: &Invalid) -> Error {
    let report = ground::Error::new(format!("cannot read the document {digest}"))
        .why(format!("{}: {}", invalid.what, invalid.why));
    Error::invalid(match &invalid.fix {
        Some(fix) => report.fix(fix),
        None => report,
    })
}
