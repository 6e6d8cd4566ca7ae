//! Manifests: what a tag leads to, checked against its digest.
//!
//! A tag may lead anywhere tomorrow; a digest cannot. So the first thing done with an answer is to
//! hash it, and to compare with the digest in the reference, or else with the one that the
//! registry itself names (`Docker-Content-Digest`).
//!
//! Source: distribution specification, "Pulling manifests", "Pushing Manifests", "Deleting".

use std::io::Read;

use oci::{Algorithm, Descriptor, Digest, Document, MediaType, Reference};
use ureq::http::{Method, header};

use super::{
    Client, Result,
    error::{Action, Error, Kind},
    request::{Answer, Ask, text},
};
use crate::digester::Digester;

/// The most bytes that a manifest may have, as the specification suggests.
const MANIFEST_MAX: u64 = 4 << 20;
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A manifest or index as it was sent, and read.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its type, digest and size.
    pub descriptor: Descriptor,
    /// The very bytes that the digest is of.
    pub bytes: Vec<u8>,
    /// What they say.
    pub document: Document,
}

/// Where a manifest is, below its repository.
pub(super) fn rest(reference: &Reference) -> String {
    format!("manifests/{}", reference.tag_or_digest())
}

impl Client {
    /// What `reference` leads to: a manifest or an index.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Unauthorized`]; [`Kind::Invalid`] if it is larger than 4 MiB,
    /// has the wrong digest or is no document that we understand.
    pub fn manifest(&self, reference: &Reference) -> Result<Fetched> {
        let ask = asking(Method::GET, reference);
        let mut answer = self.ask(&ask, &[200])?;
        let bytes = read(&ask, &mut answer)?;
        let digest = verify(&ask, reference, &answer, &bytes)?;
        let invalid = |error: oci::Invalid| {
            let report = ground::Error::new(ask.subject.cannot())
                .why(format!("{}: {}", error.what, error.why));
            let report = match error.fix {
                Some(fix) => report.fix(fix),
                None => report.fix("whoever pushed it must push it again"),
            };
            Error::new(Kind::Invalid, report)
        };
        let media_type = match MediaType::from(text(&answer, header::CONTENT_TYPE).unwrap_or("")) {
            // A server that keeps files says so of all of them.
            MediaType::Other(name) if is_general(&name) => {
                Document::sniff(&bytes).map_err(invalid)?
            }
            named => named,
        };
        let document = Document::parse(&media_type, &bytes).map_err(invalid)?;
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        Ok(Fetched { descriptor, bytes, document })
    }

    /// What `reference` leads to, without its content; `None` if there is no such thing.
    ///
    /// # Errors
    /// As [`Client::manifest`], but a missing manifest is none.
    pub fn manifest_descriptor(&self, reference: &Reference) -> Result<Option<Descriptor>> {
        let answer = self.ask(&asking(Method::HEAD, reference), &[200, 404])?;
        if answer.status() == 404 {
            return Ok(None);
        }
        let field = |name: &str| text(&answer, name);
        let media_type = field("content-type").unwrap_or_default().into();
        let digest = field(CONTENT_DIGEST).and_then(|digest| digest.parse().ok());
        let size = field("content-length").and_then(|size| size.parse().ok());
        // All three are optional in a HEAD; without them it tells us nothing.
        Ok(digest.zip(size).map(|(digest, size)| Descriptor::new(media_type, digest, size)))
    }

    /// Puts a manifest or index, whose blobs must be there, under `reference`.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`]; [`Kind::Invalid`] if a blob is missing.
    pub fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &MediaType,
        bytes: &[u8],
    ) -> Result<()> {
        let rest = rest(reference);
        let mut ask = Ask::about(Action::Push, Method::PUT, reference, &rest)
            .header(header::CONTENT_TYPE, media_type.as_str());
        ask.body = bytes;
        self.ask(&ask, &[201, 202]).map(drop)
    }

    /// Removes a manifest, if `reference` has a digest, or else the tag alone.
    ///
    /// # Errors
    /// [`Kind::Denied`] if the registry does not allow it: many do not, and most know deletion by
    /// digest only.
    pub fn delete_manifest(&self, reference: &Reference) -> Result<()> {
        let rest = rest(reference);
        let ask = Ask::about(Action::Delete, Method::DELETE, reference, &rest);
        self.ask(&ask, &[202, 200]).map(drop)
    }
}

fn asking(method: Method, reference: &Reference) -> Ask<'static> {
    let rest = rest(reference);
    let accept: Vec<_> = MediaType::ACCEPTED_MANIFESTS.iter().map(MediaType::as_str).collect();
    Ask::about(Action::Pull, method, reference, &rest).header(header::ACCEPT, accept.join(", "))
}

fn is_general(name: &str) -> bool {
    matches!(name, "" | "application/json" | "application/octet-stream" | "text/plain")
}

fn read(ask: &Ask<'_>, answer: &mut Answer) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = answer.body_mut().as_reader().take(MANIFEST_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| super::error::failed(&ask.subject, &ureq::Error::Io(error)))?;
    if bytes.len() as u64 > MANIFEST_MAX {
        let why = "the manifest is larger than 4 MiB, which no honest one is";
        return Err(Error::invalid(ask.subject.cannot(), why));
    }
    Ok(bytes)
}

fn verify(ask: &Ask<'_>, reference: &Reference, answer: &Answer, bytes: &[u8]) -> Result<Digest> {
    let promised = match reference.digest() {
        Some(digest) => Some(digest.clone()),
        None => text(answer, CONTENT_DIGEST).and_then(|digest| digest.parse().ok()),
    };
    let algorithm = promised.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let mut digester = Digester::new(algorithm);
    digester.update(bytes);
    let found = digester.finish();
    match promised {
        Some(promised) if promised != found => {
            let why = format!("the manifest's digest is {found}, and {promised} was promised");
            Err(Error::invalid(ask.subject.cannot(), why))
        }
        _ => Ok(found),
    }
}
