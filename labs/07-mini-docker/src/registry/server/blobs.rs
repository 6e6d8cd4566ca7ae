//! Blobs: out of the store, whole or in part.
//!
//! Source: distribution specification, "Pulling blobs", "Deleting Blobs"; RFC 9110, section 14.

use std::io::{Seek, SeekFrom};

use axum::http::{header, request::Parts};
use oci::Digest;

use super::{
    Registry,
    manifests::CONTENT_DIGEST,
    reply::{Code, Content, Refusal, Reply},
};

pub(super) fn get(
    registry: &Registry,
    request: &Parts,
    name: &str,
    digest: &Digest,
) -> Result<Reply, Refusal> {
    if !registry.repositories.has_blob(name, digest) {
        return Err(unknown(digest));
    }
    let mut file = registry.store.blob(digest)?;
    let size = file.metadata()?.len();
    let range = request.headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let reply = match range.map_or(Range::Whole, |range| Range::parse(range, size)) {
        Range::Whole => {
            Reply { content: Content::File { file, length: size }, ..Reply::empty(200) }
        }
        Range::Part { start, end } => {
            file.seek(SeekFrom::Start(start))?;
            let content = Content::File { file, length: end - start };
            Reply { content, ..Reply::empty(206) }
                .header(header::CONTENT_RANGE, format!("bytes {start}-{}/{size}", end - 1))
        }
        Range::Outside => {
            return Err(Refusal::new(416, Code::SizeInvalid, format!("the blob has {size} bytes"))
                .header(header::CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    Ok(reply
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(CONTENT_DIGEST, digest)
        .header(header::ETAG, format!("\"{digest}\"")))
}

pub(super) fn delete(registry: &Registry, name: &str, digest: &Digest) -> Result<Reply, Refusal> {
    registry.check_delete()?;
    // Only the name forgets it: others may have it, and the bytes are the collector's.
    match registry.repositories.remove_blob(name, digest)? {
        true => Ok(Reply::empty(202)),
        false => Err(unknown(digest)),
    }
}

fn unknown(digest: &Digest) -> Refusal {
    Refusal::new(404, Code::BlobUnknown, format!("unknown blob {digest}"))
}

/// Which bytes a `Range` header means; `end` is the one after the last.
#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { start: u64, end: u64 },
    Outside,
}

impl Range {
    /// Several ranges at once, and what is not understood, get the whole: that is always allowed.
    fn parse(header: &str, size: u64) -> Self {
        let pair = header.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
        let number = |text: &str| text.parse::<u64>().ok();
        let (start, end) = match pair {
            Some(("", last)) => match number(last) {
                Some(last) => (size.saturating_sub(last), size),
                None => return Self::Whole,
            },
            Some((start, "")) => match number(start) {
                Some(start) => (start, size),
                None => return Self::Whole,
            },
            Some((start, end)) => match (number(start), number(end)) {
                (Some(start), Some(end)) if start <= end => {
                    (start, end.saturating_add(1).min(size))
                }
                _ => return Self::Whole,
            },
            None => return Self::Whole,
        };
        if start >= end { Self::Outside } else { Self::Part { start, end } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: Range) {
        assert_eq!(Range::parse(header, 100), expected);
    }

    #[test]
    fn ranges_are_cut_to_the_blob() {
        check("bytes=0-", Range::Part { start: 0, end: 100 });
        check("bytes=40-", Range::Part { start: 40, end: 100 });
        check("bytes=40-49", Range::Part { start: 40, end: 50 });
        check("bytes=40-4000", Range::Part { start: 40, end: 100 });
        check("bytes=-10", Range::Part { start: 90, end: 100 });
        check("bytes=-1000", Range::Part { start: 0, end: 100 });
        check("bytes=100-", Range::Outside);
        check("bytes=-0", Range::Outside);
        check("bytes=5-4", Range::Whole);
        check("bytes=a-b", Range::Whole);
        check("bytes=0-1,5-6", Range::Whole);
        check("lines=1-2", Range::Whole);
        check("bytes=0-18446744073709551615", Range::Part { start: 0, end: 100 });
    }
}
