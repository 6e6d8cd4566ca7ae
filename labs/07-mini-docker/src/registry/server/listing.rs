//! Listing: tags, repositories, and what refers to a manifest.
//!
//! Source: distribution specification, "Listing Tags", "Listing Referrers"; Docker's "Catalog".

use axum::http::{header, request::Parts};
use oci::{Descriptor, Digest, Document, Index};
use serde_json::json;

use super::{
    Registry,
    manifests::subject,
    reply::{Code, Refusal, Reply},
    uploads::query,
};

pub(super) fn tags(registry: &Registry, request: &Parts, name: &str) -> Result<Reply, Refusal> {
    if !registry.repositories.exists(name) {
        let message = format!("repository {name} is not known here");
        return Err(Refusal::new(404, Code::NameUnknown, message));
    }
    let page = Page::cut(registry.repositories.tags(name)?, request)?;
    let reply = Reply::json(200, &json!({ "name": name, "tags": page.names }));
    Ok(page.lead_on(reply, &format!("/v2/{name}/tags/list")))
}

pub(super) fn catalog(registry: &Registry, request: &Parts) -> Result<Reply, Refusal> {
    let page = Page::cut(registry.repositories.names()?, request)?;
    let reply = Reply::json(200, &json!({ "repositories": page.names }));
    Ok(page.lead_on(reply, "/v2/_catalog"))
}

/// The manifests whose `subject` is `digest`: signatures, bills of materials.
pub(super) fn referrers(
    registry: &Registry,
    name: &str,
    digest: &Digest,
) -> Result<Reply, Refusal> {
    let mut found = Vec::new();
    for manifest in registry.repositories.manifests(name)? {
        let Ok(document) = registry.store.manifest(&manifest) else { continue };
        if subject(&document).is_some_and(|subject| subject.digest == *digest) {
            found.push(described(manifest, document));
        }
    }
    let index = Reply::json(200, &Index::new(found));
    Ok(index.header(header::CONTENT_TYPE, oci::MediaType::OciIndex))
}

/// A referrer's descriptor says what kind it is, so that nobody has to fetch it to know.
fn described(mut manifest: Descriptor, document: Document) -> Descriptor {
    match document {
        Document::Manifest(inner) => {
            let kind = inner.artifact_type.or(Some(inner.config.media_type.to_string()));
            (manifest.artifact_type, manifest.annotations) = (kind, inner.annotations);
        }
        Document::Index(inner) => {
            (manifest.artifact_type, manifest.annotations) =
                (inner.artifact_type, inner.annotations);
        }
    }
    manifest
}

/// Up to `n` names after `last`.
struct Page {
    names: Vec<String>,
    limit: usize,
    has_more: bool,
}

impl Page {
    fn cut(mut names: Vec<String>, request: &Parts) -> Result<Self, Refusal> {
        let query = query(request)?;
        if let Some(last) = query.get("last") {
            names.retain(|name| name > last);
        }
        let limit = match query.get("n").map(|n| n.parse()) {
            None => usize::MAX,
            Some(Ok(limit)) => limit,
            Some(Err(_)) => {
                return Err(Refusal::new(400, Code::Unsupported, "n is not a number of names"));
            }
        };
        // A page of nothing would lead on for ever.
        let has_more = limit > 0 && names.len() > limit;
        names.truncate(limit);
        Ok(Self { names, limit, has_more })
    }

    fn lead_on(&self, reply: Reply, path: &str) -> Reply {
        match self.names.last() {
            Some(last) if self.has_more => {
                let link = format!("<{path}?n={}&last={last}>; rel=\"next\"", self.limit);
                reply.header(header::LINK, link)
            }
            _ => reply,
        }
    }
}
