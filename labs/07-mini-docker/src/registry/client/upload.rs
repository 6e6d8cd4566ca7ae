//! Upload: a blob into a registry, in one request or in many.
//!
//! ```text
//! POST  /v2/NAME/blobs/uploads/          202, Location: where to send
//! PATCH Location   bytes                 202, Location: where to go on    (once or often)
//! PUT   Location?digest=sha256:..        201: checked and kept
//! ```
//!
//! When a connection breaks, the registry is asked how much it has (`GET Location`), and the rest
//! is sent. A small blob goes with the PUT itself.
//!
//! Source: distribution specification, "Pushing blobs".

use std::{
    io::{Read, Seek, SeekFrom},
    thread,
};

use oci::{Descriptor, Reference};
use ureq::http::{Method, header};

use super::{
    Client, Result,
    error::{Action, Error, Kind},
    request::{Answer, Ask, text},
};

/// Up to here a blob is read into memory and sent with the last request.
const SMALL: u64 = 1 << 20;

/// Where an upload begins, below its repository.
pub(super) const UPLOADS: &str = "blobs/uploads/";

/// The parameter by which the last request says what all of it must be.
pub(super) const DIGEST_WORD: &str = "digest";

impl Client {
    /// Uploads a blob; `content` is its bytes, which may be read more than once.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`]; [`Kind::Invalid`] if the registry finds another digest.
    pub fn push_blob(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        content: &mut (impl Read + Seek),
    ) -> Result<()> {
        let mut attempt = 1;
        loop {
            let pushed = if blob.size <= SMALL {
                self.push_small(reference, blob, content)
            } else {
                self.push_large(reference, blob, content)
            };
            let Err(error) = pushed else { return Ok(()) };
            // The answer to the last request may be what got lost.
            if matches!(error.kind, Kind::Unavailable { .. })
                && self.has_blob(reference, &blob.digest).unwrap_or(false)
            {
                return Ok(());
            }
            match self.options.retry.wait(attempt, &error) {
                Some(wait) => thread::sleep(wait),
                None => return Err(error),
            }
            attempt += 1;
        }
    }

    fn push_small(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        content: &mut (impl Read + Seek),
    ) -> Result<()> {
        let mut bytes = Vec::new();
        let read = content.rewind().and_then(|()| content.take(SMALL + 1).read_to_end(&mut bytes));
        read.map_err(|error| unreadable(reference, &error))?;
        let location = self.start(reference)?;
        let mut ask = uploading(Method::PUT, reference, &with_digest(&location, blob));
        ask.body = &bytes;
        self.ask_once(&ask, &[201]).map(drop)
    }

    fn push_large(
        &self,
        reference: &Reference,
        blob: &Descriptor,
        content: &mut (impl Read + Seek),
    ) -> Result<()> {
        let mut location = self.start(reference)?;
        let mut offset = 0;
        let mut attempt = 1;
        while offset < blob.size {
            let chunk = self.options.chunk_size.unwrap_or(u64::MAX).max(1);
            let chunk = chunk.min(blob.size - offset);
            match self.patch(reference, &location, content, (offset, chunk)) {
                Ok(next) => {
                    (location, offset) = (next, offset + chunk);
                    attempt = 1;
                }
                Err(error) => {
                    let Some(wait) = self.options.retry.wait(attempt, &error) else {
                        return Err(error);
                    };
                    thread::sleep(wait);
                    (location, offset) = self.progress(reference, &location)?;
                    attempt += 1;
                }
            }
        }
        let ask = uploading(Method::PUT, reference, &with_digest(&location, blob));
        self.ask_once(&ask, &[201]).map(drop)
    }

    /// Begins an upload; the answer says where to send it.
    fn start(&self, reference: &Reference) -> Result<String> {
        let ask = Ask::about(Action::Push, Method::POST, reference, UPLOADS);
        let answer = self.ask(&ask, &[202])?;
        location(&ask, &answer)
    }

    /// Sends `size` bytes from `offset`.
    fn patch(
        &self,
        reference: &Reference,
        to: &str,
        content: &mut (impl Read + Seek),
        (offset, size): (u64, u64),
    ) -> Result<String> {
        content.seek(SeekFrom::Start(offset)).map_err(|error| unreadable(reference, &error))?;
        let range = format!("{offset}-{}", offset + size - 1);
        let ask = uploading(Method::PATCH, reference, to).header(header::CONTENT_RANGE, range);
        let answer = self.ask_streaming(&ask, (&mut content.take(size), size), &[202])?;
        location(&ask, &answer)
    }

    /// Where to go on, and how many bytes the registry has.
    fn progress(&self, reference: &Reference, to: &str) -> Result<(String, u64)> {
        let ask = uploading(Method::GET, reference, to);
        let answer = self.ask(&ask, &[204, 202])?;
        // `0-99` is 100 bytes; some say `0-0` for none, which costs us one byte sent again.
        let range = text(&answer, header::RANGE).unwrap_or("0-0");
        let last: u64 = range.rsplit('-').next().and_then(|last| last.parse().ok()).unwrap_or(0);
        let next = location(&ask, &answer).unwrap_or_else(|_| to.to_owned());
        Ok((next, if last == 0 { 0 } else { last + 1 }))
    }

    /// Gives up an upload that the registry began. It forgets it by itself later if this fails.
    pub(super) fn cancel(&self, reference: &Reference, answer: &Answer) {
        if let Some(to) = text(answer, header::LOCATION) {
            let _ = self.ask_once(&uploading(Method::DELETE, reference, to), &[204]);
        }
    }
}

fn uploading(method: Method, reference: &Reference, to: &str) -> Ask<'static> {
    let mut ask = Ask::about(Action::Push, method, reference, "")
        .header(header::CONTENT_TYPE, "application/octet-stream");
    ask.target = to.to_owned();
    ask
}

fn location(ask: &Ask<'_>, answer: &Answer) -> Result<String> {
    let location = text(answer, header::LOCATION).map(str::to_owned);
    location.ok_or_else(|| {
        Error::invalid(ask.subject.cannot(), "the registry did not say where to send the blob")
    })
}

fn with_digest(location: &str, blob: &Descriptor) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}{DIGEST_WORD}={}", blob.digest)
}

fn unreadable(reference: &Reference, error: &std::io::Error) -> Error {
    let what = format!("cannot push {}", reference.familiar());
    Error::new(Kind::Invalid, ground::Error::new(what).io("read the blob", error))
}
