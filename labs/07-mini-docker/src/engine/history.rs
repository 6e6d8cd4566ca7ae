//! history: how an image came about, step by step.

use oci::{Digest, History};

use super::{Engine, Result};

/// One step, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The image that this step made, known only for the last one.
    pub image: Option<Digest>,
    /// What the config says about it.
    pub history: History,
    /// Bytes of its packed layer; 0 for a step that changed no file.
    pub size: u64,
}

impl Engine {
    /// The history of the image that somebody means; layers without one are not in it.
    ///
    /// # Errors
    /// [`super::Kind::NotFound`].
    pub fn history(&self, name: &str) -> Result<Vec<Step>> {
        let (image, manifest) = self.image(name)?;
        let config = self.store.image_config(&image)?;
        let told = config.history.iter().filter(|history| !history.empty_layer).count();
        // Tools may leave the history out, and who builds on their image adds to the end.
        let untold = manifest.layers.len().saturating_sub(told);
        let mut sizes = manifest.layers.iter().skip(untold).map(|layer| layer.size);
        let mut steps: Vec<Step> = config
            .history
            .into_iter()
            .map(|history| {
                let size = if history.empty_layer { 0 } else { sizes.next().unwrap_or(0) };
                Step { image: None, history, size }
            })
            .collect();
        steps.reverse();
        if let Some(last) = steps.first_mut() {
            last.image = Some(image.id);
        }
        Ok(steps)
    }
}
