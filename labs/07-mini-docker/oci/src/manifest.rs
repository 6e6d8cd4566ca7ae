//! Manifest: the list that makes blobs an image, and the index that makes images one name.
//!
//! A registry serves both under the same address and says in `Content-Type` which one it is. OCI's
//! and Docker's schema 2 have the same shape, so one type reads both; the media type is kept,
//! since writing another one would be another document with another digest.
//!
//! Source: image specification, manifest.md and image-index.md; Docker's "Image Manifest Version
//! 2, Schema 2".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Descriptor, Invalid, MediaType, serde_null};

/// One image: its config and its layers, the lowest first.
///
/// Source: image specification, manifest.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2, for Docker's sake.
    pub schema_version: u32,
    /// The manifest's own type: required by Docker, recommended by OCI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What this is, if it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The image config.
    pub config: Descriptor,
    /// The layers, the lowest first.
    #[serde(default, deserialize_with = "serde_null::as_empty")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about, as a signature is about an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free notes.
    #[serde(default, deserialize_with = "serde_null::as_empty")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// An OCI manifest without annotations.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciManifest),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Everything that must be there for this manifest to be whole: the layers, then the config.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.layers.iter().chain([&self.config])
    }
}

/// Several images under one name, usually one for each platform.
///
/// Source: image specification, image-index.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2, for Docker's sake.
    pub schema_version: u32,
    /// The index's own type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What this is, if its entries are no images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The entries, in order of liking.
    #[serde(default, deserialize_with = "serde_null::as_empty")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this index is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free notes.
    #[serde(default, deserialize_with = "serde_null::as_empty")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index without annotations.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// What stands behind a tag: one image or several.
#[allow(clippy::large_enum_variant, reason = "one at a time, and a Box would be in every match")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// One image for each platform.
    Index(Index),
}

impl Document {
    /// Reads a manifest or index of the type that the sender named.
    ///
    /// A `mediaType` inside the document must say the same: otherwise the same bytes would be read
    /// as an image by one and as an index by another (CVE-2021-41190).
    ///
    /// # Errors
    /// [`Invalid`] for broken JSON, Docker's schema 1, an unknown type, or one that contradicts
    /// the document.
    pub fn parse(media_type: &MediaType, json: &[u8]) -> Result<Self, Invalid> {
        if media_type.is_schema1() {
            return Err(schema1());
        }
        let document = match media_type {
            kind if kind.is_manifest() => Self::Manifest(read(json)?),
            kind if kind.is_index() => Self::Index(read(json)?),
            unknown => return Err(unknown_type(unknown)),
        };
        document.check(media_type, json)?;
        Ok(document)
    }

    /// The type that a document names itself, or that its shape betrays: for senders that only say
    /// `application/json`.
    ///
    /// # Errors
    /// [`Invalid`] if it is no JSON object of a known shape.
    pub fn sniff(json: &[u8]) -> Result<MediaType, Invalid> {
        let probe: Probe = read(json)?;
        if let Some(named) = probe.media_type {
            return Ok(named);
        }
        match probe {
            Probe { fs_layers: true, .. } => Ok(MediaType::DockerSchema1Signed),
            Probe { config: true, manifests: false, .. } => Ok(MediaType::OciManifest),
            Probe { manifests: true, config: false, .. } => Ok(MediaType::OciIndex),
            _ => Err(Invalid::new("invalid manifest", "it names no type, config or manifests")),
        }
    }

    /// Every descriptor that must be there for this document to be whole.
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Manifest(manifest) => manifest.blobs().collect(),
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }

    fn check(&self, media_type: &MediaType, json: &[u8]) -> Result<(), Invalid> {
        let (version, named) = match self {
            Self::Manifest(manifest) => (manifest.schema_version, &manifest.media_type),
            Self::Index(index) => (index.schema_version, &index.media_type),
        };
        if version == 1 {
            return Err(schema1());
        }
        if let Some(named) = named.as_ref().filter(|named| *named != media_type) {
            let why = format!("it was sent as {media_type}, and says of itself {named}");
            return Err(Invalid::new("ambiguous manifest", why));
        }
        let probe: Probe = read(json)?;
        if probe.manifests && (probe.config || probe.layers) {
            let why = "it has the fields of a manifest and of an index";
            return Err(Invalid::new("ambiguous manifest", why));
        }
        Ok(())
    }
}

/// The fields that tell the formats apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    media_type: Option<MediaType>,
    #[serde(default, deserialize_with = "present")]
    config: bool,
    #[serde(default, deserialize_with = "present")]
    layers: bool,
    #[serde(default, deserialize_with = "present")]
    manifests: bool,
    #[serde(default, deserialize_with = "present")]
    fs_layers: bool,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<serde::de::IgnoredAny>::deserialize(deserializer)?.is_some())
}

fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, Invalid> {
    serde_json::from_slice(json).map_err(|error| {
        Invalid::new("invalid manifest", format!("not the JSON expected: {error}"))
    })
}

fn schema1() -> Invalid {
    Invalid::new(
        "unsupported manifest: Docker image format v1 (schema 1)",
        "it names no image config, and Docker itself stopped reading it",
    )
    .fix("ask the publisher for a current image, or convert it: skopeo copy --format v2s2")
}

fn unknown_type(unknown: &MediaType) -> Invalid {
    Invalid::new(
        format!("unsupported manifest media type {unknown}"),
        "only OCI manifests and indexes and Docker's schema 2 are understood",
    )
    .fix("the name may belong to something that is no image (a chart, a policy, a signature)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#;

    #[track_caller]
    fn check(media_type: MediaType, json: &str, expected: Result<(), &str>) {
        let json = json.replace("CONFIG", CONFIG);
        let parsed = Document::parse(&media_type, json.as_bytes());
        match expected {
            Ok(()) => drop(parsed.unwrap()),
            Err(what) => assert_eq!(parsed.unwrap_err().what, what),
        }
    }

    #[test]
    fn a_document_is_what_its_sender_and_its_fields_both_say() {
        use MediaType::{DockerManifest, DockerSchema1Signed, OciIndex, OciManifest, Other};
        check(OciManifest, r#"{"schemaVersion":2,"config":CONFIG,"layers":[]}"#, Ok(()));
        check(OciManifest, r#"{"schemaVersion":2,"config":CONFIG,"layers":null}"#, Ok(()));
        check(OciIndex, r#"{"schemaVersion":2,"manifests":[]}"#, Ok(()));
        let sent_as_other = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":CONFIG,"layers":[]}"#;
        check(OciManifest, sent_as_other, Ok(()));
        check(DockerManifest, sent_as_other, Err("ambiguous manifest"));
        let both = r#"{"schemaVersion":2,"config":CONFIG,"layers":[],"manifests":[]}"#;
        check(OciManifest, both, Err("ambiguous manifest"));
        check(OciManifest, "{", Err("invalid manifest"));
        check(OciManifest, r#"{"schemaVersion":2}"#, Err("invalid manifest"));
        let schema1 = "unsupported manifest: Docker image format v1 (schema 1)";
        check(DockerSchema1Signed, "{}", Err(schema1));
        let chart = Other("application/vnd.cncf.helm".into());
        let unsupported = "unsupported manifest media type application/vnd.cncf.helm";
        check(chart, "{}", Err(unsupported));
    }

    #[test]
    fn a_document_without_a_sender_is_known_by_its_shape() {
        let sniff = |json: &str| Document::sniff(json.as_bytes());
        assert_eq!(sniff(r#"{"config":{}}"#), Ok(MediaType::OciManifest));
        assert_eq!(sniff(r#"{"manifests":[]}"#), Ok(MediaType::OciIndex));
        assert_eq!(sniff(r#"{"fsLayers":[]}"#), Ok(MediaType::DockerSchema1Signed));
        assert!(sniff("{}").is_err());
        assert!(sniff("[]").is_err());
    }

    #[test]
    fn annotations_and_the_order_of_layers_survive() {
        let json = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{CONFIG},"layers":[],"annotations":{{"a":"b"}}}}"#
        );
        let Ok(Document::Manifest(manifest)) =
            Document::parse(&MediaType::OciManifest, json.as_bytes())
        else {
            panic!("a manifest");
        };
        let again: Manifest =
            serde_json::from_str(&serde_json::to_string(&manifest).unwrap()).unwrap();
        assert_eq!(manifest, again);
        assert_eq!(manifest.annotations["a"], "b");
    }
}
