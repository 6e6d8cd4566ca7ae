//! Reference: the name of an image, `[domain/]path[:tag][@digest]`.
//!
//! What people type is short for something longer: `alpine` means
//! `docker.io/library/alpine:latest`. The rules are those of Docker's `distribution/reference`: a
//! first component is a domain only if it has a dot, a colon or an upper-case letter, or is
//! `localhost`; otherwise the domain is `docker.io`, and there a path without slash belongs to
//! `library`. Text becomes a [`Reference`] once, at the door; from there on it is canonical.
//!
//! Source: distribution specification, "Pulling manifests" (the grammar of names and tags);
//! github.com/distribution/reference (the short forms).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Digest, Invalid};

/// The registry that is meant where none is named.
const DEFAULT_DOMAIN: &str = "docker.io";
/// The name of the same registry before 2014.
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
/// The namespace of Docker's own images.
const OFFICIAL: &str = "library/";
/// The tag that is meant where neither tag nor digest is named: only a word, not "the newest".
const DEFAULT_TAG: &str = "latest";
/// The longest domain and path together, in bytes.
const NAME_MAX: usize = 255;
/// The longest tag, in bytes.
const TAG_MAX: usize = 128;

/// The name of an image, complete and checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The registry's name, with its port: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository inside the registry: `library/alpine`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was named.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was named; it wins over the tag.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The repository with its domain: `docker.io/library/alpine`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The repository as people write it: `alpine`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL) {
            // docker.io/library/a/b is legal and has no short form: a/b would be another name.
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The whole reference as people write it: `alpine:3.20`.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    /// What stands in the last part of `/v2/NAME/manifests/`: the digest, else the tag, else
    /// `latest`.
    pub fn tag_or_digest(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }

    /// Whether neither tag nor digest was named, so that `latest` is meant.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// The same with `latest` if neither tag nor digest is named.
    pub fn or_latest(mut self) -> Self {
        if self.is_name_only() {
            self.tag = Some(DEFAULT_TAG.to_owned());
        }
        self
    }

    /// The same repository by digest instead of tag.
    pub fn at(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    fn with_suffix(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text = text + ":" + tag;
        }
        if let Some(digest) = &self.digest {
            text = text + "@" + &digest.to_string();
        }
        text
    }
}

impl FromStr for Reference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(invalid(text, "it is empty"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        if let Some(tag) = tag {
            check_tag(text, tag)?;
        }
        if is_image_id(name) {
            return Err(invalid(text, "64 hexadecimal digits are an image ID, not a name"));
        }
        let (domain, path) = split_domain(name);
        check_domain(text, &domain)?;
        check_path(text, &path)?;
        if domain.len() + 1 + path.len() > NAME_MAX {
            return Err(invalid(text, &format!("the name is longer than {NAME_MAX} bytes")));
        }
        Ok(Self { domain, path, tag: tag.map(str::to_owned), digest })
    }
}

/// A colon is a tag's only after the last slash; before it, it is a port's.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last..].rfind(':') {
        Some(colon) => (&text[..last + colon], Some(&text[last + colon + 1..])),
        None => (text, None),
    }
}

fn split_domain(name: &str) -> (String, String) {
    let (domain, path) = match name.split_once('/') {
        Some((first, path)) if is_domain(first) => (first, path),
        _ => (DEFAULT_DOMAIN, name),
    };
    let domain = if domain == LEGACY_DEFAULT_DOMAIN { DEFAULT_DOMAIN } else { domain };
    if domain == DEFAULT_DOMAIN && !path.contains('/') {
        return (domain.to_owned(), format!("{OFFICIAL}{path}"));
    }
    (domain.to_owned(), path.to_owned())
}

fn is_domain(first: &str) -> bool {
    // Repository names have no capitals, so Foo/bar can only mean a host called Foo.
    first.contains(['.', ':'])
        || first == "localhost"
        || first.chars().any(|c| c.is_ascii_uppercase())
}

fn is_image_id(name: &str) -> bool {
    name.len() == 64 && name.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn check_tag(text: &str, tag: &str) -> Result<(), Invalid> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let first = tag.chars().next().is_some_and(word);
    if !first || !tag.chars().all(|c| word(c) || c == '.' || c == '-') {
        let why = format!("\"{tag}\" is no tag: letters, digits, '_', and after the first '.' '-'");
        return Err(invalid(text, &why));
    }
    if tag.len() > TAG_MAX {
        return Err(invalid(text, &format!("the tag is longer than {TAG_MAX} bytes")));
    }
    Ok(())
}

fn check_domain(text: &str, domain: &str) -> Result<(), Invalid> {
    let (host, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            (address, rest.strip_prefix(':').or(rest.is_empty().then_some("0")))
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, Some("0")),
        },
    };
    let host_is_good = if domain.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        host.split('.').all(is_domain_component)
    };
    if !host_is_good || port.is_none_or(|port| port.parse::<u16>().is_err()) {
        return Err(invalid(text, &format!("\"{domain}\" is no host or host:port")));
    }
    Ok(())
}

fn is_domain_component(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric();
    !word.is_empty()
        && word.starts_with(plain)
        && word.ends_with(plain)
        && word.chars().all(|c| plain(c) || c == '-')
}

fn check_path(text: &str, path: &str) -> Result<(), Invalid> {
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(invalid(text, "repository name must be lowercase")
            .fix(format!("try {}", text.replace(path, &path.to_ascii_lowercase()))));
    }
    match path.split('/').find(|component| !is_path_component(component)) {
        None => Ok(()),
        Some("") => Err(invalid(text, "there is nothing between two slashes, or before the tag")),
        Some(bad) => Err(invalid(
            text,
            &format!(
                "\"{bad}\": lower-case letters and digits, with single '.', '_', '__' or any '-' between"
            ),
        )),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(word: &str) -> bool {
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9');
    let separator = |run: &str| match run {
        "" | "." | "_" | "__" => true,
        dashes => dashes.chars().all(|c| c == '-'),
    };
    word.starts_with(plain) && word.ends_with(plain) && word.split(plain).all(separator)
}

/// Docker's words, then the reason.
fn invalid(text: &str, why: &str) -> Invalid {
    Invalid::new(format!("invalid reference format: \"{text}\""), why)
        .fix("a reference is [host[:port]/]path[:tag][@sha256:digest], as in alpine:3.20")
}

impl TryFrom<String> for Reference {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    /// The canonical form, with domain: `docker.io/library/alpine:3.20`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// `expected` is (canonical, familiar).
    #[track_caller]
    fn check(text: &str, expected: (&str, &str)) {
        let text = text.replace("DIGEST", DIGEST);
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.to_string(), expected.0.replace("DIGEST", DIGEST));
        assert_eq!(reference.familiar(), expected.1.replace("DIGEST", DIGEST));
        // Both forms are names of the same thing.
        assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
        assert_eq!(reference.familiar().parse::<Reference>().unwrap(), reference);
    }

    #[track_caller]
    fn check_refused(text: &str, why: &str) {
        let error = text.parse::<Reference>().unwrap_err();
        assert!(error.why.contains(why), "{text}: {error}");
    }

    #[test]
    fn short_names_mean_docker_io() {
        check("alpine", ("docker.io/library/alpine", "alpine"));
        check("alpine:3.20", ("docker.io/library/alpine:3.20", "alpine:3.20"));
        check("grafana/loki", ("docker.io/grafana/loki", "grafana/loki"));
        check("docker.io/alpine", ("docker.io/library/alpine", "alpine"));
        check("index.docker.io/library/alpine", ("docker.io/library/alpine", "alpine"));
        check("a/b/c:d", ("docker.io/a/b/c:d", "a/b/c:d"));
        check("docker.io/library/a/b", ("docker.io/library/a/b", "library/a/b"));
    }

    #[test]
    fn a_first_word_with_dot_colon_or_capital_is_a_host() {
        check("localhost/x", ("localhost/x", "localhost/x"));
        check("localhost:5000/x", ("localhost:5000/x", "localhost:5000/x"));
        check("localhost:5000/x:5", ("localhost:5000/x:5", "localhost:5000/x:5"));
        check("quay.io/a/b", ("quay.io/a/b", "quay.io/a/b"));
        check("[::1]:5000/x", ("[::1]:5000/x", "[::1]:5000/x"));
        check("Host/x", ("Host/x", "Host/x"));
        check(
            "127.0.0.1:5000/a/b@DIGEST",
            ("127.0.0.1:5000/a/b@DIGEST", "127.0.0.1:5000/a/b@DIGEST"),
        );
    }

    #[test]
    fn tag_and_digest_may_both_be_there() {
        check("a:b@DIGEST", ("docker.io/library/a:b@DIGEST", "a:b@DIGEST"));
        let both: Reference = format!("a:b@{DIGEST}").parse().unwrap();
        assert_eq!(both.tag_or_digest(), DIGEST);
        assert_eq!("a".parse::<Reference>().unwrap().or_latest().tag(), Some("latest"));
    }

    #[test]
    fn separators_stand_alone_between_letters() {
        for good in ["a.b", "a_b", "a__b", "a---b", "0/1"] {
            check(
                good,
                (
                    &format!("docker.io/{}{good}", if good.contains('/') { "" } else { OFFICIAL }),
                    good,
                ),
            );
        }
        for bad in ["a..b", "a___b", "a._b", "-a", "a-", "_a"] {
            check_refused(bad, "lower-case letters and digits");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_in_words() {
        check_refused("", "it is empty");
        check_refused("Alpine", "repository name must be lowercase");
        check_refused("quay.io/Alpine", "repository name must be lowercase");
        check_refused(&"0".repeat(64), "image ID");
        check_refused("a:", "is no tag");
        check_refused("a:.b", "is no tag");
        check_refused(&format!("a:{}", "b".repeat(129)), "longer than 128");
        check_refused(&format!("a/{}", "b".repeat(254)), "longer than 255");
        check_refused("a//b", "nothing between two slashes");
        check_refused("a/", "nothing between two slashes");
        check_refused(":tag", "nothing between two slashes");
        check_refused("localhost:99999/a", "no host or host:port");
        check_refused("localhost:/a", "no host or host:port");
        check_refused("a.-b/c", "no host or host:port");
        check_refused("[::1/c", "no host or host:port");
        check_refused("a@sha256:12", "2 digits, not 64");
        check_refused("../../etc/passwd", "no host or host:port");
        check_refused("https://quay.io/a", "no host or host:port");
        check_refused("a b", "lower-case letters and digits");
        check_refused("é", "lower-case letters and digits");
    }
}
