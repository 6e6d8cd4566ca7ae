//! Platform: which of an index's manifests is for this machine.
//!
//! One name, many images: `alpine:3.20` is an index, and each entry says for which operating
//! system, architecture and variant it was built (image specification, image-index.md). The words
//! are Go's: `amd64` and not `x86_64`. Choosing follows containerd's rules: an exact match, else
//! an older variant of the same architecture, which a newer processor still runs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Descriptor, Index, Invalid, serde_null};

/// Where an image runs.
///
/// Source: image specification, image-index.md, "platform".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The processor, in Go's words: `amd64`, `arm64`, `riscv64`.
    pub architecture: String,
    /// The operating system, in Go's words: `linux`.
    pub os: String,
    /// The version of the operating system; Windows images have it.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What the operating system must offer; Windows images have it.
    #[serde(default, rename = "os.features", deserialize_with = "serde_null::as_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The generation of the processor: `v7` of `arm`, `v3` of `amd64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Reserved by the specification; some indexes have it.
    #[serde(default, deserialize_with = "serde_null::as_empty")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

impl Platform {
    /// A platform by its three words.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, variant) = normalise(architecture, variant);
        Self {
            architecture,
            os: os.to_ascii_lowercase(),
            os_version: None,
            os_features: Vec::new(),
            variant,
            features: Vec::new(),
        }
    }

    /// The platform that this program was built for: a kernel runs no other architecture's images
    /// unless an emulator is registered (binfmt_misc).
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// The best entry of `index` for this platform.
    ///
    /// Entries without a platform are taken only if there is nothing to choose from; attestations
    /// (`unknown/unknown`) are never taken.
    ///
    /// # Errors
    /// [`Invalid`] with the platforms that there are.
    pub fn choose<'a>(&self, index: &'a Index) -> Result<&'a Descriptor, Invalid> {
        let best = index
            .manifests
            .iter()
            .filter_map(|entry| Some((self.likes(entry.platform.as_ref()?)?, entry)))
            // The first of equals, as Docker does; max_by_key would give the last.
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        match (best, index.manifests.as_slice()) {
            (Some((_, entry)), _) => Ok(entry),
            (None, [only]) if only.platform.is_none() => Ok(only),
            _ => Err(self.no_match(index)),
        }
    }

    /// How well an image built for `built` runs here: `None` for not at all, more is better.
    fn likes(&self, built: &Self) -> Option<u32> {
        let built = Self::new(&built.os, &built.architecture, built.variant.as_deref());
        if built.os != self.os || built.architecture != self.architecture {
            return None;
        }
        let (wanted, built) = (generation(self), generation(&built));
        // An older generation's program runs on a newer processor, never the other way round.
        (built <= wanted).then_some(built)
    }

    fn no_match(&self, index: &Index) -> Invalid {
        let mut there: Vec<String> = index
            .manifests
            .iter()
            .filter_map(|entry| entry.platform.as_ref())
            .filter(|platform| platform.os != "unknown")
            .map(Self::to_string)
            .collect();
        there.dedup();
        let there = if there.is_empty() { "no platform at all".into() } else { there.join(", ") };
        Invalid::new(
            format!("no matching manifest for {self} in the manifest list entries"),
            format!("the image exists for {there}"),
        )
        .fix("name one of these with --platform, or use another tag")
    }
}

/// `v7` as 7; the generation that is meant where none is named.
fn generation(platform: &Platform) -> u32 {
    let named = platform.variant.as_deref().and_then(|v| v.trim_start_matches('v').parse().ok());
    named.unwrap_or(match platform.architecture.as_str() {
        "arm" => 7,
        "arm64" => 8,
        _ => 1,
    })
}

/// Go's words for what uname(2) and Rust call otherwise, without variants that say nothing.
/// Source: containerd, `platforms/database.go`.
fn normalise(architecture: &str, variant: Option<&str>) -> (String, Option<String>) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.filter(|v| !v.is_empty()).map(str::to_ascii_lowercase);
    let architecture = match architecture.as_str() {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" | "x86" => "386",
        "armhf" => "arm",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
    .to_owned();
    let says_nothing = matches!(
        (architecture.as_str(), variant.as_deref()),
        ("arm64", Some("8" | "v8")) | ("amd64", Some("v1"))
    );
    (architecture, variant.filter(|_| !says_nothing))
}

impl FromStr for Platform {
    type Err = Invalid;

    /// Reads `os/architecture[/variant]`, or the architecture alone.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let words: Vec<&str> = text.split('/').collect();
        let word = |word: &&str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        };
        match words.as_slice() {
            all if !all.iter().all(word) => {}
            [architecture] => return Ok(Self::new("linux", architecture, None)),
            [os, architecture] => return Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => return Ok(Self::new(os, architecture, Some(variant))),
            _ => {}
        }
        Err(Invalid::new(
            format!("\"{text}\" is an invalid component of a platform"),
            "a platform is os/architecture[/variant]",
        )
        .fix("for example linux/amd64 or linux/arm/v7"))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MediaType;

    fn index(platforms: &[&str]) -> Index {
        let entry = |(number, text): (usize, &&str)| {
            let digest = format!("sha256:{number:064x}").parse().unwrap();
            let mut entry = Descriptor::new(MediaType::OciManifest, digest, 1);
            let words: Vec<_> = text.split('/').collect();
            entry.platform = match words.as_slice() {
                [""] => None,
                [os, arch] => Some(Platform::new(os, arch, None)),
                [os, arch, rest @ ..] => Some(Platform::new(os, arch, rest.first().copied())),
                _ => unreachable!("tables name os and architecture"),
            };
            entry
        };
        Index::new(platforms.iter().enumerate().map(entry).collect())
    }

    #[track_caller]
    fn check(wanted: &str, platforms: &[&str], expected: Option<usize>) {
        let index = index(platforms);
        let wanted: Platform = wanted.parse().unwrap();
        let chosen = wanted.choose(&index).ok();
        assert_eq!(chosen, expected.map(|number| &index.manifests[number]));
    }

    #[test]
    fn the_newest_variant_that_runs_here_is_chosen() {
        check("linux/amd64", &["linux/arm64", "linux/amd64"], Some(1));
        check("amd64", &["linux/arm64", "linux/amd64"], Some(1));
        check("linux/amd64", &["windows/amd64", "linux/arm64"], None);
        check("linux/arm64", &["linux/arm/v7", "linux/arm64/v8"], Some(1));
        check("linux/aarch64", &["linux/arm64"], Some(0));
        check("linux/arm", &["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"], Some(1));
        check("linux/arm/v6", &["linux/arm/v7", "linux/arm/v5", "linux/arm/v6"], Some(2));
        check("linux/arm/v6", &["linux/arm/v7"], None);
        check("linux/amd64", &["linux/amd64/v3", "linux/amd64"], Some(1));
        check("linux/amd64/v4", &["linux/amd64", "linux/amd64/v3"], Some(1));
    }

    #[test]
    fn attestations_are_no_images() {
        check("linux/amd64", &["unknown/unknown", "linux/amd64"], Some(1));
        check("linux/amd64", &["unknown/unknown"], None);
    }

    #[test]
    fn a_single_entry_without_platform_is_taken() {
        check("linux/amd64", &[""], Some(0));
        check("linux/amd64", &["", ""], None);
    }

    #[test]
    fn the_error_names_what_there_is() {
        let index = index(&["linux/arm64", "unknown/unknown", "windows/amd64"]);
        let error = Platform::new("linux", "amd64", None).choose(&index).unwrap_err();
        assert_eq!(error.what, "no matching manifest for linux/amd64 in the manifest list entries");
        assert_eq!(error.why, "the image exists for linux/arm64, windows/amd64");
    }

    #[test]
    fn only_words_between_slashes_are_a_platform() {
        for bad in ["", "linux/", "a/b/c/d", "linux/am d64", "/"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
        assert_eq!("Linux/X86_64".parse::<Platform>().unwrap().to_string(), "linux/amd64");
    }
}
