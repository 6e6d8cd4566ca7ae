//! Explained: the requests of a pull and of a push, as they are sent.

use ground::Explanation;
use oci::Reference;
use ureq::http::Method;

use super::{
    blobs,
    error::Action,
    manifests,
    request::Ask,
    upload::{DIGEST_WORD, UPLOADS},
};

/// What stands for a digest that is not known yet.
const DIGEST: &str = "DIGEST";

/// The requests of a pull.
pub fn pull(reference: &Reference) -> Vec<Explanation> {
    let get = |rest: &str| Ask::about(Action::Pull, Method::GET, reference, rest);
    vec![
        sent(
            &get(&manifests::rest(reference)),
            "from one name to everything: the manifest names a config and layers, each by digest",
        ),
        sent(
            &get(&blobs::rest(DIGEST)),
            "each of them, hashed while it comes in: what does not match is thrown away",
        ),
    ]
}

/// The requests of a push.
pub fn push(reference: &Reference) -> Vec<Explanation> {
    let ask = |method, rest: &str| Ask::about(Action::Push, method, reference, rest);
    vec![
        probe(reference),
        sent(
            &ask(Method::POST, UPLOADS),
            "the registry answers with a Location, where the bytes are to go (PATCH)",
        ),
        sent(
            &ask(Method::PUT, &format!("{UPLOADS}LOCATION?{DIGEST_WORD}={DIGEST}")),
            "the digest comes with the last byte: what does not match is refused",
        ),
        sent(
            &ask(Method::PUT, &manifests::rest(reference)),
            "last of all: a registry refuses a manifest that points to nothing",
        ),
    ]
}

/// The question that saves most of a push.
pub fn probe(reference: &Reference) -> Explanation {
    sent(
        &Ask::about(Action::Push, Method::HEAD, reference, &blobs::rest(DIGEST)),
        "a blob that the registry has is not sent again, whatever image it belongs to",
    )
}

/// The first line of a request, which is one send(2) with its headers.
fn sent(ask: &Ask<'_>, why: &str) -> Explanation {
    let call = format!("send(registry, \"{} {} HTTP/1.1..\")", ask.method, ask.target);
    Explanation::new(call, why, "2 send")
}
