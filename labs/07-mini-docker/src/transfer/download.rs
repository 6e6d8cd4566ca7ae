//! Download: one blob from a registry into the store, resumed where a line breaks.

use std::{
    io::{self, Read, Write},
    thread,
    time::{Duration, Instant},
};

use oci::{Descriptor, Reference};

use super::{Error, OnEvent, Result};
use crate::{
    event::Event,
    registry::client::{self, Client},
    store::{self, Arrivals, Part, Store},
};

/// How much is read at once.
const CHUNK: usize = 256 << 10;
/// How often a blob tells how far it is: often enough for the eye.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// Brings one blob into the store and returns the bytes that were moved: none if it is there.
///
/// A cut connection is taken up where it broke, also by a later call or another process; a wrong
/// digest throws all away, and what came in pieces is tried once more as a whole. The caller holds a [`store::Lease`] until a name leads to the blob.
///
/// # Errors
/// The last failure when trying again did not help.
pub fn fetch_blob(
    client: &Client,
    store: &Store,
    wanted: (&Reference, &Descriptor),
    on_event: OnEvent<'_>,
) -> Result<u64> {
    fetch(client, &Arrivals::none(store), wanted, on_event)
}

/// The same, for others to read along.
pub(super) fn fetch(
    client: &Client,
    arrivals: &Arrivals,
    (reference, blob): (&Reference, &Descriptor),
    on_event: OnEvent<'_>,
) -> Result<u64> {
    let digest = &blob.digest;
    let Some(part) = arrivals.store().ingest(blob)? else {
        on_event(Event::BlobPresent { digest: digest.clone(), size: blob.size });
        return Ok(0);
    };
    on_event(Event::BlobStarted { digest: digest.clone(), size: blob.size, offset: part.offset() });
    let in_pieces = part.offset() > 0;
    let mut download = Download { reference, blob, part, moved: 0, in_pieces, arrivals, on_event };
    download.announce()?;
    download.arrive(client)?;
    if download.in_pieces && !download.part.is_right() {
        download.begin_anew()?;
        download.arrive(client)?;
    }
    let moved = download.moved;
    download.part.commit()?;
    on_event(Event::BlobDone { digest: digest.clone(), moved });
    Ok(moved)
}

/// A blob on its way.
struct Download<'a> {
    reference: &'a Reference,
    blob: &'a Descriptor,
    part: Part,
    /// Bytes moved, all tries together.
    moved: u64,
    /// Whether the bytes are of several answers, which may not fit together.
    in_pieces: bool,
    arrivals: &'a Arrivals,
    on_event: OnEvent<'a>,
}

impl Download<'_> {
    /// Lets others read along.
    fn announce(&self) -> Result<()> {
        let announced = self.arrivals.moving(&self.blob.digest, &self.part);
        Ok(announced.map_err(|error| store::Error::writing(self.blob, error))?)
    }

    /// Moves what is missing, in as many tries as it takes.
    fn arrive(&mut self, client: &Client) -> Result<()> {
        let mut attempt = 1;
        while !self.part.is_complete() {
            let before = self.moved;
            let Err(error) = self.append(client) else { break };
            // Progress starts the count anew: a bad line may break often, if it also moves.
            attempt = if self.moved > before { 1 } else { attempt };
            let Error::Registry(failure) = &error else { return Err(error) };
            let Some(wait) = client.retry().wait(attempt, failure) else { return Err(error) };
            let (digest, report) = (self.blob.digest.clone(), failure.report.clone());
            (self.on_event)(Event::BlobRetry { digest, attempt, wait, error: report });
            thread::sleep(wait);
            attempt += 1;
        }
        Ok(())
    }

    /// Throws away what came in pieces: each of them may have been wrong, and one answer alone may
    /// be right. As Docker does it, once.
    fn begin_anew(&mut self) -> Result<()> {
        let error = ground::Error::new(format!("cannot pull {}", self.reference.familiar()))
            .why(format!("the pieces of {} do not fit together", self.blob.digest));
        let (digest, wait) = (self.blob.digest.clone(), Duration::ZERO);
        (self.on_event)(Event::BlobRetry { digest, attempt: 1, wait, error });
        self.part.restart()?;
        self.announce()
    }

    /// Reads from where the part ends to the end of the blob.
    fn append(&mut self, client: &Client) -> Result<()> {
        let mut body = client.blob(self.reference, self.blob, self.part.offset())?;
        if body.offset() != self.part.offset() {
            self.part.restart()?;
            self.announce()?;
        }
        self.in_pieces = body.offset() > 0;
        let mut buffer = vec![0; CHUNK];
        let mut told = Instant::now();
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) if self.part.is_complete() => return Ok(()),
                Ok(0) => return Err(self.cut(&io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => count,
                Err(error) => return Err(self.cut(&error)),
            };
            self.write(&buffer[..count])?;
            if told.elapsed() >= PROGRESS_EVERY || self.part.is_complete() {
                told = Instant::now();
                let (digest, done) = (self.blob.digest.clone(), self.part.offset());
                (self.on_event)(Event::BlobProgress { digest, done });
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(error) = self.part.write_all(bytes) {
            return Err(unwritable(self.blob, &mut self.part, error));
        }
        self.moved += bytes.len() as u64;
        match self.arrivals.moved(&self.blob.digest, self.part.offset()) {
            true => Ok(()),
            false => Err(Error::Invalid(
                ground::Error::new(format!("cannot pull {}", self.reference.familiar()))
                    .why("another part of it has failed"),
            )),
        }
    }

    fn cut(&self, error: &io::Error) -> Error {
        let report = ground::Error::new(format!("cannot pull {}", self.reference.familiar()))
            .why(format!("the connection broke inside {}: {error}", self.blob.digest))
            .fix("pull again: what arrived so far is kept");
        client::Error::cut(report).into()
    }
}

/// A full disk leaves what arrived for the next try; a sender that does not stop leaves nothing.
fn unwritable(blob: &Descriptor, part: &mut Part, error: io::Error) -> Error {
    let error = store::Error::writing(blob, error);
    if error.kind == store::Kind::Invalid
        && let Err(error) = part.restart()
    {
        return error.into();
    }
    error.into()
}
