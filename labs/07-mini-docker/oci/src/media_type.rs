//! Media type: what a blob is, said by whoever points to it.
//!
//! Bytes alone do not tell a layer from a manifest. The OCI names and the Docker names that they
//! grew from mean the same structures (image specification, media-types.md, "Compatibility
//! Matrix"), so both are here side by side; what we do not know is kept as [`MediaType::Other`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How a layer's tar archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar archive.
    None,
    /// gzip (RFC 1952), which everything understands.
    Gzip,
    /// Zstandard (RFC 8878): smaller and several times faster to unpack.
    Zstd,
}

/// The type of a descriptor's target.
///
/// Source: image specification, media-types.md; Docker's "Image Manifest Version 2, Schema 2".
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum MediaType {
    /// `application/vnd.oci.image.manifest.v1+json`
    OciManifest,
    /// `application/vnd.oci.image.index.v1+json`
    OciIndex,
    /// `application/vnd.oci.image.config.v1+json`
    OciConfig,
    /// `application/vnd.oci.image.layer.v1.tar`
    OciLayer,
    /// `application/vnd.oci.image.layer.v1.tar+gzip`
    OciLayerGzip,
    /// `application/vnd.oci.image.layer.v1.tar+zstd`
    OciLayerZstd,
    /// `application/vnd.oci.image.layer.nondistributable.v1.tar`, deprecated: a layer that only
    /// its maker may hand out.
    OciForeignLayer,
    /// `application/vnd.oci.image.layer.nondistributable.v1.tar+gzip`, deprecated.
    OciForeignLayerGzip,
    /// `application/vnd.oci.image.layer.nondistributable.v1.tar+zstd`, deprecated.
    OciForeignLayerZstd,
    /// `application/vnd.oci.empty.v1+json`: the two bytes `{}` where there is nothing to say.
    OciEmpty,
    /// `application/vnd.docker.distribution.manifest.v2+json`
    DockerManifest,
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    DockerManifestList,
    /// `application/vnd.docker.container.image.v1+json`
    DockerConfig,
    /// `application/vnd.docker.image.rootfs.diff.tar`
    DockerLayer,
    /// `application/vnd.docker.image.rootfs.diff.tar.gzip`
    DockerLayerGzip,
    /// `application/vnd.docker.image.rootfs.diff.tar.zstd`
    DockerLayerZstd,
    /// `application/vnd.docker.image.rootfs.foreign.diff.tar.gzip`: mostly Windows base layers.
    DockerForeignLayer,
    /// `application/vnd.docker.distribution.manifest.v1+json`: recognised, and refused.
    DockerSchema1,
    /// `application/vnd.docker.distribution.manifest.v1+prettyjws`: recognised, and refused.
    DockerSchema1Signed,
    /// Anything else, unchanged.
    Other(String),
}

/// Every type that we know, beside its name.
const NAMES: [(MediaType, &str); 19] = [
    (MediaType::OciManifest, "application/vnd.oci.image.manifest.v1+json"),
    (MediaType::OciIndex, "application/vnd.oci.image.index.v1+json"),
    (MediaType::OciConfig, "application/vnd.oci.image.config.v1+json"),
    (MediaType::OciLayer, "application/vnd.oci.image.layer.v1.tar"),
    (MediaType::OciLayerGzip, "application/vnd.oci.image.layer.v1.tar+gzip"),
    (MediaType::OciLayerZstd, "application/vnd.oci.image.layer.v1.tar+zstd"),
    (MediaType::OciForeignLayer, "application/vnd.oci.image.layer.nondistributable.v1.tar"),
    (
        MediaType::OciForeignLayerGzip,
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ),
    (
        MediaType::OciForeignLayerZstd,
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ),
    (MediaType::OciEmpty, "application/vnd.oci.empty.v1+json"),
    (MediaType::DockerManifest, "application/vnd.docker.distribution.manifest.v2+json"),
    (MediaType::DockerManifestList, "application/vnd.docker.distribution.manifest.list.v2+json"),
    (MediaType::DockerConfig, "application/vnd.docker.container.image.v1+json"),
    (MediaType::DockerLayer, "application/vnd.docker.image.rootfs.diff.tar"),
    (MediaType::DockerLayerGzip, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
    (MediaType::DockerLayerZstd, "application/vnd.docker.image.rootfs.diff.tar.zstd"),
    (MediaType::DockerForeignLayer, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    (MediaType::DockerSchema1, "application/vnd.docker.distribution.manifest.v1+json"),
    (MediaType::DockerSchema1Signed, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
];

impl MediaType {
    /// The types to ask a registry for, in order of liking: what it has decides which one comes,
    /// and with it the digest that a tag resolves to.
    pub const ACCEPTED_MANIFESTS: [Self; 4] =
        [Self::OciManifest, Self::OciIndex, Self::DockerManifest, Self::DockerManifestList];

    /// The name as it stands in JSON and in `Content-Type`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => NAMES.iter().find(|(kind, _)| kind == known).map_or("", |(_, name)| name),
        }
    }

    /// Whether the target is one image: a config and its layers.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// Whether the target is a list of manifests, usually one for each platform.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerManifestList)
    }

    /// Whether the target is Docker's format of before 2015, which named no config and whose
    /// digest covered a signature.
    pub fn is_schema1(&self) -> bool {
        matches!(self, Self::DockerSchema1 | Self::DockerSchema1Signed)
    }

    /// Whether the target is a layer that registries do not hold; it names its own `urls`.
    pub fn is_foreign_layer(&self) -> bool {
        matches!(
            self,
            Self::OciForeignLayer
                | Self::OciForeignLayerGzip
                | Self::OciForeignLayerZstd
                | Self::DockerForeignLayer
        )
    }

    /// How to unpack the target if it is a layer that we understand, else `None`.
    pub fn layer_compression(&self) -> Option<Compression> {
        match self {
            Self::OciLayer | Self::OciForeignLayer | Self::DockerLayer => Some(Compression::None),
            Self::OciLayerGzip
            | Self::OciForeignLayerGzip
            | Self::DockerLayerGzip
            | Self::DockerForeignLayer => Some(Compression::Gzip),
            Self::OciLayerZstd | Self::OciForeignLayerZstd | Self::DockerLayerZstd => {
                Some(Compression::Zstd)
            }
            _ => None,
        }
    }
}

impl From<&str> for MediaType {
    /// Reads a name, also as it stands in `Content-Type` with parameters after a semicolon.
    fn from(text: &str) -> Self {
        let name = text.split(';').next().unwrap_or_default().trim();
        match NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)) {
            Some((kind, _)) => kind.clone(),
            None => Self::Other(name.to_owned()),
        }
    }
}

impl FromStr for MediaType {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.as_str().to_owned()
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_its_type() {
        for (kind, name) in &NAMES {
            assert_eq!(&MediaType::from(*name), kind);
            assert_eq!(kind.as_str(), *name);
        }
    }

    #[test]
    fn an_unknown_type_and_parameters_are_survived() {
        assert_eq!(MediaType::from("text/x"), MediaType::Other("text/x".into()));
        let with_charset = "application/vnd.oci.image.index.v1+json; charset=utf-8";
        assert_eq!(MediaType::from(with_charset), MediaType::OciIndex);
    }
}
