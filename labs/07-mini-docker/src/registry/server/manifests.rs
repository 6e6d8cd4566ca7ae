//! Manifests: refused while anything they point to is missing, so that what can be pulled is whole.
//!
//! Source: distribution specification, "Pulling manifests", "Pushing Manifests", "Deleting".

use std::io::Read;

use axum::http::{HeaderName, header, request::Parts};
use oci::{Descriptor, Digest, Document, MediaType};

use super::{
    Registry,
    bridge::Incoming,
    reply::{Code, Content, Refusal, Reply},
    route::TagOrDigest,
};
use crate::digester::Digester;

/// The most bytes that a manifest may have, as the specification suggests.
const MANIFEST_MAX: u64 = 4 << 20;
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

pub(super) fn get(registry: &Registry, name: &str, what: &TagOrDigest) -> Result<Reply, Refusal> {
    let found = registry.repositories.manifest(name, what).ok_or_else(|| unknown(what))?;
    let bytes = registry.store.document(&found.digest)?;
    let reply = Reply { content: Content::Bytes(bytes), ..Reply::empty(200) };
    Ok(reply
        .header(header::CONTENT_TYPE, &found.media_type)
        .header(CONTENT_DIGEST, &found.digest)
        .header(header::ETAG, format!("\"{}\"", found.digest)))
}

pub(super) fn put(
    registry: &Registry,
    request: &Parts,
    (name, what): (&str, &TagOrDigest),
    body: &mut Incoming,
) -> Result<Reply, Refusal> {
    let bytes = read(body)?;
    let digest = named(what, &bytes)?;
    let sent_as = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let invalid = |error: oci::Invalid| {
        Refusal::new(400, Code::ManifestInvalid, format!("{}: {}", error.what, error.why))
    };
    let media_type = match sent_as {
        Some(name) => MediaType::from(name),
        None => Document::sniff(&bytes).map_err(invalid)?,
    };
    let document = Document::parse(&media_type, &bytes).map_err(invalid)?;
    check_children(registry, name, &document)?;
    let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
    registry.store.put(&descriptor, bytes.as_slice())?;
    let tag = match what {
        TagOrDigest::Tag(tag) => Some(tag.as_str()),
        TagOrDigest::Digest(_) => None,
    };
    registry.repositories.add_manifest(name, tag, &descriptor)?;
    let reply = Reply::empty(201)
        .header(header::LOCATION, format!("/v2/{name}/manifests/{}", descriptor.digest))
        .header(CONTENT_DIGEST, &descriptor.digest);
    Ok(match subject(&document) {
        Some(subject) => reply.header(SUBJECT, &subject.digest),
        None => reply,
    })
}

pub(super) fn delete(
    registry: &Registry,
    name: &str,
    what: &TagOrDigest,
) -> Result<Reply, Refusal> {
    registry.check_delete()?;
    match registry.repositories.remove_manifest(name, what)? {
        true => Ok(Reply::empty(202)),
        false => Err(unknown(what)),
    }
}

/// The manifest that a document is about.
pub(super) fn subject(document: &Document) -> Option<&Descriptor> {
    match document {
        Document::Manifest(manifest) => manifest.subject.as_ref(),
        Document::Index(index) => index.subject.as_ref(),
    }
}

fn read(body: &mut Incoming) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    body.take(MANIFEST_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MANIFEST_MAX {
        true => Err(Refusal::new(413, Code::ManifestInvalid, "the manifest is larger than 4 MiB")),
        false => Ok(bytes),
    }
}

/// The digest of `bytes`; it must be the one in the path, if there is one.
fn named(what: &TagOrDigest, bytes: &[u8]) -> Result<Digest, Refusal> {
    let promised = match what {
        TagOrDigest::Tag(_) => return Ok(crate::store::sha256(bytes)),
        TagOrDigest::Digest(digest) => digest,
    };
    let mut digester = Digester::new(promised.algorithm());
    digester.update(bytes);
    let found = digester.finish();
    match found == *promised {
        true => Ok(found),
        false => Err(Refusal::new(400, Code::DigestInvalid, format!("the digest is {found}"))),
    }
}

/// Blobs must be there under this very name; an index's manifests as well.
fn check_children(registry: &Registry, name: &str, document: &Document) -> Result<(), Refusal> {
    let is_there = |child: &Descriptor| match document {
        Document::Manifest(_) => {
            child.media_type.is_foreign_layer()
                || (registry.repositories.has_blob(name, &child.digest)
                    && registry.store.has(&child.digest))
        }
        Document::Index(_) => {
            let by_digest = TagOrDigest::Digest(child.digest.clone());
            registry.repositories.manifest(name, &by_digest).is_some()
        }
    };
    match document.children().into_iter().find(|child| !is_there(child)) {
        None => Ok(()),
        Some(missing) => Err(Refusal::new(
            400,
            Code::ManifestBlobUnknown,
            format!("{} is unknown in {name}", missing.digest),
        )),
    }
}

fn unknown(what: &TagOrDigest) -> Refusal {
    let message = match what {
        TagOrDigest::Tag(tag) => format!("unknown tag {tag}"),
        TagOrDigest::Digest(digest) => format!("unknown manifest {digest}"),
    };
    Refusal::new(404, Code::ManifestUnknown, message)
}
