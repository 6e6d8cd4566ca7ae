//! Route: which resource a path means.
//!
//! `/v2/a/b/c/manifests/latest` is the manifest `latest` of `a/b/c`: the name may have any number
//! of slashes, and may even have a component called `manifests`. So a path is read from its end,
//! where the words of the API stand.
//!
//! Source: distribution specification, "Endpoints".

use oci::{Digest, Reference};

use super::reply::{Code, Refusal};

/// A resource of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/NAME/tags/list`
    Tags { name: String },
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest { name: String, reference: TagOrDigest },
    /// `/v2/NAME/blobs/DIGEST`
    Blob { name: String, digest: Digest },
    /// `/v2/NAME/blobs/uploads/`
    Uploads { name: String },
    /// `/v2/NAME/blobs/uploads/ID`
    Upload { name: String, id: String },
    /// `/v2/NAME/referrers/DIGEST`
    Referrers { name: String, digest: Digest },
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TagOrDigest {
    Tag(String),
    Digest(Digest),
}

impl Route {
    /// Reads a path. Names, tags and digests are checked here, and so can be file names later.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let not_found = || Refusal::new(404, Code::Unsupported, "no such endpoint");
        let rest = path.strip_prefix("/v2").ok_or_else(not_found)?;
        let rest = match rest {
            "" | "/" => return Ok(Self::Base),
            "/_catalog" => return Ok(Self::Catalog),
            rest => rest.strip_prefix('/').ok_or_else(not_found)?,
        };
        let words: Vec<&str> = rest.split('/').collect();
        match words.as_slice() {
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                Ok(Self::Uploads { name: checked(name)? })
            }
            [name @ .., "blobs", "uploads", id] => {
                Ok(Self::Upload { name: checked(name)?, id: (*id).to_owned() })
            }
            [name @ .., "blobs", text] => {
                Ok(Self::Blob { name: checked(name)?, digest: digest(text)? })
            }
            [name @ .., "manifests", text] => {
                Ok(Self::Manifest { name: checked(name)?, reference: TagOrDigest::parse(text)? })
            }
            [name @ .., "tags", "list"] => Ok(Self::Tags { name: checked(name)? }),
            [name @ .., "referrers", text] => {
                Ok(Self::Referrers { name: checked(name)?, digest: digest(text)? })
            }
            _ => Err(not_found()),
        }
    }
}

impl TagOrDigest {
    fn parse(text: &str) -> Result<Self, Refusal> {
        // A tag has no colon, a digest always has one.
        if text.contains(':') {
            return Ok(Self::Digest(digest(text)?));
        }
        let reference: Result<Reference, _> = format!("localhost/x:{text}").parse();
        match reference {
            Ok(reference) if reference.tag() == Some(text) => Ok(Self::Tag(text.to_owned())),
            _ => Err(Refusal::new(404, Code::ManifestUnknown, format!("\"{text}\" is no tag"))),
        }
    }
}

/// A repository's name follows the rules of references.
pub(super) fn checked_name(name: &str) -> Result<String, Refusal> {
    let reference: Result<Reference, _> = format!("localhost/{name}").parse();
    match reference {
        Ok(reference) if reference.path() == name => Ok(name.to_owned()),
        _ => Err(Refusal::new(400, Code::NameInvalid, format!("\"{name}\" is no repository name"))),
    }
}

fn checked(words: &[&str]) -> Result<String, Refusal> {
    checked_name(&words.join("/"))
}

pub(super) fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error: oci::Invalid| {
        Refusal::new(400, Code::DigestInvalid, format!("{}: {}", error.what, error.why))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[track_caller]
    fn check(path: &str, expected: Result<Route, Code>) {
        let path = path.replace("HEX", HEX);
        assert_eq!(Route::parse(&path).map_err(|refusal| refusal.code), expected);
    }

    fn hash() -> Digest {
        format!("sha256:{HEX}").parse().unwrap()
    }

    #[test]
    fn a_path_is_read_from_its_end() {
        let name = || "a/b".to_owned();
        let tag = |tag: &str| TagOrDigest::Tag(tag.into());
        check("/v2", Ok(Route::Base));
        check("/v2/", Ok(Route::Base));
        check("/v2/_catalog", Ok(Route::Catalog));
        check("/v2/a/b/tags/list", Ok(Route::Tags { name: name() }));
        check("/v2/a/b/blobs/uploads/", Ok(Route::Uploads { name: name() }));
        check("/v2/a/b/blobs/uploads/x", Ok(Route::Upload { name: name(), id: "x".into() }));
        check("/v2/a/b/blobs/sha256:HEX", Ok(Route::Blob { name: name(), digest: hash() }));
        check(
            "/v2/a/b/referrers/sha256:HEX",
            Ok(Route::Referrers { name: name(), digest: hash() }),
        );
        check("/v2/a/b/manifests/1.0", Ok(Route::Manifest { name: name(), reference: tag("1.0") }));
        let by_digest = TagOrDigest::Digest(hash());
        check(
            "/v2/a/b/manifests/sha256:HEX",
            Ok(Route::Manifest { name: name(), reference: by_digest }),
        );
        let odd = Route::Manifest { name: "manifests/tags".into(), reference: tag("list") };
        check("/v2/manifests/tags/manifests/list", Ok(odd));
    }

    #[test]
    fn nothing_that_could_leave_the_directory_gets_through() {
        check("/v2/../x/blobs/sha256:HEX", Err(Code::NameInvalid));
        check("/v2/a/../../x/tags/list", Err(Code::NameInvalid));
        check("/v2//blobs/sha256:HEX", Err(Code::NameInvalid));
        check("/v2/_tags/tags/list", Err(Code::NameInvalid));
        check("/v2/a:b/tags/list", Err(Code::NameInvalid));
        check("/v2/A/tags/list", Err(Code::NameInvalid));
        check("/v2/a/manifests/..", Err(Code::ManifestUnknown));
        check("/v2/a/manifests/", Err(Code::ManifestUnknown));
        check("/v2/a/blobs/sha256:..", Err(Code::DigestInvalid));
        check("/v2/a/blobs/md5:HEX", Err(Code::DigestInvalid));
        check("/v1/_ping", Err(Code::Unsupported));
        check("/v2x", Err(Code::Unsupported));
        check("/v2/a/what/ever", Err(Code::Unsupported));
    }
}
