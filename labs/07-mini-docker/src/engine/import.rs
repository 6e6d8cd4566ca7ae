//! import: a tar of files becomes an image of one layer.

use std::io::Read;

use ground::Error as Report;
use oci::{Config, Digest, History, ImageConfig, Manifest, MediaType, Platform, Reference};

use super::{Engine, Result};
use crate::{archive, container, instruction, transfer::OnEvent};

/// How an image is to be made of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// Its name, if it gets one.
    pub reference: Option<Reference>,
    /// Lines of a Dockerfile that say how to run it.
    pub changes: Vec<String>,
    /// A note for its history.
    pub message: String,
    /// What it runs on, if not on a machine as this.
    pub platform: Option<Platform>,
}

impl Engine {
    /// Makes an image of a tar of files, which may be packed. Returns its ID.
    ///
    /// # Errors
    /// An archive that is none or leads outside; a line that makes no sense; a full disk.
    pub fn import(&self, tar: impl Read, how: &Import, on_event: OnEvent<'_>) -> Result<Digest> {
        let mut run = Config::default();
        instruction::apply(&mut run, &how.changes).map_err(super::Error::invalid)?;
        let _lease = self.store.lease()?;
        let layer = archive::pack_layer(&self.store, tar)?;
        let now = container::now();
        let mut config = ImageConfig::new(how.platform.as_ref().unwrap_or(&self.platform));
        config.created = Some(now.clone());
        config.config = Some(run);
        config.rootfs.diff_ids.push(layer.diff_id);
        config.history.push(History {
            created: Some(now),
            comment: Some(how.message.clone()),
            ..History::default()
        });
        let written =
            |error: serde_json::Error| Report::new("cannot write the image").why(error.to_string());
        let json = serde_json::to_vec(&config).map_err(written)?;
        let config = self.store.put_bytes(MediaType::OciConfig, &json)?;
        let id = config.digest.clone();
        let json = serde_json::to_vec(&Manifest::new(config, vec![layer.blob])).map_err(written)?;
        let manifest = self.store.put_bytes(MediaType::OciManifest, &json)?;
        // Before it gets a name: a tar that leads outside is no image.
        self.unpack(&manifest, on_event)?;
        match &how.reference {
            Some(reference) => drop(self.store.tag(reference, &manifest)?),
            None => self.store.add_image(&manifest)?,
        }
        Ok(id)
    }

    /// A file from anywhere on the web, as a stream.
    ///
    /// # Errors
    /// [`super::Kind::Registry`] when it cannot be had.
    pub fn download(&self, url: &str) -> Result<impl Read + use<>> {
        Ok(self.client()?.download(url)?)
    }
}
