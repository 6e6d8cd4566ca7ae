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
        which.means(created, |name| labels?.get(name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::engine::Filter;

    #[track_caller]
    fn check(filters: &[&str], expected: bool) {
        let filters = filters.iter().map(|text| text.parse::<Filter>().expect("it has a value"));
        let which = Prune::new(false, filters.collect(), &["label", "label!", "until"]);
        let labels = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        let means =
            which.expect("a filter").means(Some("2026-01-01T00:00:00Z"), |name| labels.get(name));
        assert_eq!(means, expected);
    }

    #[test]
    fn age_and_labels_decide() {
        check(&[], true);
        check(&["until=2026-01-02"], true);
        check(&["until=2025-01-02T00:00:00Z"], false);
        check(&["label=a"], true);
        check(&["label=a=1"], true);
        check(&["label=a=2"], false);
        check(&["label!=a=2"], true);
        check(&["label!=a"], false);
    }
}
