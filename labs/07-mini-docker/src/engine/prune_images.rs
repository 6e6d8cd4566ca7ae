//! image prune: images that nobody needs go.

use super::{Engine, Prune, Removed, Result};
use crate::{container::Record, store::Image};

impl Engine {
    /// Removes images that no container uses. Returns what was removed, and the bytes that are
    /// free now.
    ///
    /// # Errors
    /// A store that cannot be read or written.
    pub fn prune_images(&self, which: &Prune) -> Result<(Vec<Removed>, u64)> {
        let used = Record::all(&self.layout)?;
        let is_used = |image: &Image| used.iter().any(|record| record.image.id == image.id);
        let mut removed = Vec::new();
        for image in self.store.images()? {
            if is_used(&image) || !(which.all || image.is_dangling()) || !self.means(which, &image)
            {
                continue;
            }
            // Somebody else may have removed it meanwhile.
            if self.store.remove_image(&image.manifest.digest).is_ok() {
                removed.extend(self.told_removed(&image));
            }
        }
        Ok((removed, self.collect()?))
    }

    fn means(&self, which: &Prune, image: &Image) -> bool {
        // One that is not whole has no labels, and is not of any time.
        let config = self.store.image_config(image).ok();
        let run = config.as_ref().and_then(|config| config.config.as_ref());
        let labels = run.and_then(|run| run.labels.as_ref());
        let created = config.as_ref().and_then(|config| config.created.as_deref());
        which.means(created, labels.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[track_caller]
    fn check(which: &Prune, expected: bool) {
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(which.means(Some("2026-01-01T00:00:00Z"), labels.iter()), expected);
    }

    #[test]
    fn age_and_labels_decide() {
        let list = |text: &str| vec![text.to_owned()];
        let time = |text| humantime::parse_rfc3339(text).ok();
        check(&Prune::default(), true);
        check(&Prune { until: time("2026-01-02T00:00:00Z"), ..Prune::default() }, true);
        check(&Prune { until: time("2025-01-02T00:00:00Z"), ..Prune::default() }, false);
        check(&Prune { labels: list("a"), ..Prune::default() }, true);
        check(&Prune { labels: list("a=1"), ..Prune::default() }, true);
        check(&Prune { labels: list("a=2"), ..Prune::default() }, false);
        check(&Prune { without_labels: list("a=2"), ..Prune::default() }, true);
        check(&Prune { without_labels: list("a"), ..Prune::default() }, false);
    }
}
