//! Blobs: layers and configs, by digest, as streams.
//!
//! Source: distribution specification, "Pulling blobs", "Mounting a blob from another repository",
//! "Deleting Blobs".

use std::{
    fmt,
    io::{self, Read},
};

use oci::{Descriptor, Digest, Reference};
use ureq::http::{Method, header};

use super::{
    Client, Result,
    auth::encode,
    error::{Action, Error},
    request::{Answer, Ask, text},
};

/// The bytes of a blob, as they arrive. Nothing is verified here.
pub struct BlobBody {
    offset: u64,
    reader: ureq::BodyReader<'static>,
}

impl BlobBody {
    /// Where in the blob the first byte is: what was asked for, or 0 if the registry cannot start
    /// in the middle.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl Read for BlobBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobBody").field("offset", &self.offset).finish_non_exhaustive()
    }
}

/// Where a blob is, below its repository.
pub(super) fn rest(digest: impl std::fmt::Display) -> String {
    format!("blobs/{digest}")
}

impl Client {
    /// Opens a blob for reading, from `offset` if the registry can do that. Asks once: whoever
    /// reads knows best where to go on.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`]; [`super::Kind::Invalid`] if the registry announces another size
    /// than the descriptor.
    pub fn blob(&self, reference: &Reference, blob: &Descriptor, offset: u64) -> Result<BlobBody> {
        let rest = rest(&blob.digest);
        let mut ask = Ask::about(Action::Pull, Method::GET, reference, &rest);
        if offset > 0 {
            ask = ask.header(header::RANGE, format!("bytes={offset}-"));
        }
        let answer = self.ask_once(&ask, &[200, 206])?;
        let start = if answer.status() == 206 { range_start(&ask, &answer)? } else { 0 };
        if start != 0 && start != offset {
            let why = format!("asked for bytes from {offset}, the registry sends from {start}");
            return Err(Error::invalid(ask.subject.cannot(), why));
        }
        check_size(&ask, &answer, blob, start)?;
        Ok(BlobBody { offset: start, reader: answer.into_body().into_reader() })
    }

    /// Whether the repository has the blob.
    ///
    /// # Errors
    /// [`super::Kind::Unauthorized`], or no answer.
    pub fn has_blob(&self, reference: &Reference, digest: &Digest) -> Result<bool> {
        let rest = rest(digest);
        let ask = Ask::about(Action::Push, Method::HEAD, reference, &rest);
        Ok(self.ask(&ask, &[200, 404])?.status() == 200)
    }

    /// Has the registry take a blob over from its repository `from`, moving no byte. `false` if it
    /// would rather have it uploaded.
    ///
    /// # Errors
    /// [`super::Kind::Unauthorized`], or no answer.
    pub fn mount_blob(&self, reference: &Reference, digest: &Digest, from: &str) -> Result<bool> {
        let rest = format!("blobs/uploads/?mount={digest}&from={}", encode(from));
        let mut ask = Ask::about(Action::Push, Method::POST, reference, &rest);
        // The token must allow reading there, too.
        ask.scope = format!("{} repository:{from}:pull", ask.scope);
        let answer = self.ask(&ask, &[201, 202])?;
        if answer.status() == 201 {
            return Ok(true);
        }
        // 202 is an upload that was begun instead. It is not ours to leave lying around.
        self.cancel(reference, &answer);
        Ok(false)
    }

    /// Removes a blob from the repository.
    ///
    /// # Errors
    /// [`super::Kind::Denied`] if the registry does not allow it.
    pub fn delete_blob(&self, reference: &Reference, digest: &Digest) -> Result<()> {
        let rest = rest(digest);
        let ask = Ask::about(Action::Delete, Method::DELETE, reference, &rest);
        self.ask(&ask, &[202, 200]).map(drop)
    }
}

/// The first byte of `Content-Range: bytes 100-199/200` (RFC 9110, section 14.4).
fn range_start(ask: &Ask<'_>, answer: &Answer) -> Result<u64> {
    let range = text(answer, header::CONTENT_RANGE).unwrap_or_default();
    let start = range.strip_prefix("bytes ").and_then(|rest| rest.split('-').next()?.parse().ok());
    start.ok_or_else(|| {
        let why = format!("a partial answer with Content-Range \"{range}\"");
        Error::invalid(ask.subject.cannot(), why)
    })
}

/// What is announced must be what the manifest said: better to know before than after a download.
fn check_size(ask: &Ask<'_>, answer: &Answer, blob: &Descriptor, start: u64) -> Result<()> {
    let length = text(answer, header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    match length {
        Some(length) if length.checked_add(start) != Some(blob.size) => {
            let why = format!(
                "the registry announces {length} bytes from {start} for {}, whose size is {}",
                blob.digest, blob.size
            );
            Err(Error::invalid(ask.subject.cannot(), why))
        }
        _ => Ok(()),
    }
}
