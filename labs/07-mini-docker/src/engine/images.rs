//! images: what is here.

use std::collections::BTreeMap;

use ground::Error as Report;
use oci::{Digest, ImageConfig, Reference};

use super::{Engine, Error, Filters, Result};
use crate::store::Image;

const FILTERS: [&str; 6] = ["before", "dangling", "label", "reference", "since", "until"];

/// One image, for a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSummary {
    /// The image.
    pub image: Image,
    /// When it was made (RFC 3339).
    pub created: Option<String>,
    /// The digest that its registry knows it by.
    pub digest: Digest,
    /// Bytes of its packed layers and documents. Docker counts unpacked files; here both are kept,
    /// and the packed ones are what a registry counts as well.
    pub size: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// All images, the newest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        let mut summaries = Vec::new();
        for image in self.store.images()? {
            let manifest = self.store.image_manifest(&image.manifest)?;
            let config = self.store.image_config(&image)?;
            let blobs: u64 = manifest.blobs().map(|blob| blob.size).sum();
            summaries.push(ImageSummary {
                created: config.created,
                labels: config.config.and_then(|it| it.labels).unwrap_or_default(),
                digest: image.manifest.digest.clone(),
                size: blobs + image.manifest.size,
                image,
            });
        }
        summaries.sort_by(|a, b| b.created.cmp(&a.created));
        Ok(summaries)
    }

    /// The images that somebody wants to see, the newest first.
    ///
    /// # Errors
    /// As [`Engine::images`]; [`super::Kind::Invalid`] for a filter that does not exist.
    pub fn image_list(&self, filters: &Filters) -> Result<Vec<ImageSummary>> {
        filters.check(&FILTERS)?;
        let dangling = filters.truth("dangling")?;
        let point = |name: &str| -> Result<Option<Option<String>>> {
            let named = filters.values(name).last();
            named.map(|wanted| Ok(self.image_config(wanted)?.1.created)).transpose()
        };
        let (before, since) = (point("before")?, point("since")?);
        let until = filters.until()?.map(|it| humantime::format_rfc3339_seconds(it).to_string());
        let patterns = filters.values("reference").iter().map(|text| Pattern::parse(text));
        let patterns = patterns.collect::<Result<Vec<_>>>()?;
        let mut images = self.images()?;
        images.retain(|it| {
            dangling.is_none_or(|wanted| wanted == it.image.is_dangling())
                && filters.labels(|name| it.labels.get(name).map(String::as_str))
                && before.as_ref().is_none_or(|point| it.created < *point)
                && since.as_ref().is_none_or(|point| it.created > *point)
                && until.as_ref().is_none_or(|until| {
                    it.created.as_deref().is_none_or(|created| created < until.as_str())
                })
        });
        if !patterns.is_empty() {
            for it in &mut images {
                let fits = |name: &Reference| patterns.iter().any(|pattern| pattern.fits(name));
                it.image.references.retain(fits);
            }
            images.retain(|it| !it.image.references.is_empty());
        }
        Ok(images)
    }

    /// The config of the image that somebody means.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`].
    pub fn image_config(&self, name: &str) -> Result<(Image, ImageConfig)> {
        let image = self.store.resolve(name)?;
        let config = self.store.image_config(&image)?;
        Ok((image, config))
    }
}

/// What `reference` is held against: `nginx`, `ngi*:1.*`, `*/team/*`.
struct Pattern {
    name: glob::Pattern,
    /// The pattern has a tag, or none of its own.
    has_tag: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self> {
        let report = |error: glob::PatternError| {
            let report = Report::new(format!("Invalid filter 'reference={text}'"));
            Error::invalid(report.why(error.msg).fix("as in --filter reference='ngi*:1.*'"))
        };
        let has_tag = text.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        Ok(Self { name: glob::Pattern::new(text).map_err(report)?, has_tag })
    }

    /// A star does not go over a slash, as in path.Match of Go.
    fn fits(&self, reference: &Reference) -> bool {
        let options =
            glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
        let full = match self.has_tag {
            true => reference.familiar(),
            false => reference.familiar_name(),
        };
        self.name.matches_with(&full, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_part_of_a_name() {
        let fits = |pattern: &str, name: &str| {
            Pattern::parse(pattern).unwrap().fits(&name.parse::<Reference>().unwrap().or_latest())
        };
        assert!(
            fits("ngi*", "nginx") && fits("nginx", "nginx:1.2") && fits("ngi*:1.*", "nginx:1.2")
        );
        assert!(!fits("ngi*:2.*", "nginx:1.2") && !fits("*", "team/nginx"));
        assert!(fits("*/nginx", "team/nginx") && fits("host:5000/a", "host:5000/a"));
    }
}
