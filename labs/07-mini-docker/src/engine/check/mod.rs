//! system check: whether everything that is kept is whole, and mending what can be mended.
//!
//! Everything has a name that says what it must be, or something that leads to it: a blob its
//! digest, an image its blobs, a layer its archive, a container its layers and volumes. So all of it
//! can be verified. What is damaged is removed where it can be had again, and made anew where we
//! have what it is made from. Nothing that only a container or a volume has is ever removed.
//!
//! | file | what it looks at |
//! |---|---|
//! | `images` | blobs and the images that lead to them |
//! | `layers` | what was unpacked from them |
//! | `containers` | records, directories, volumes |

mod containers;
mod images;
mod layers;

use super::{Engine, Result};

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong, in words.
    pub what: String,
    /// What mends it, or mended it; `None` when nothing here can.
    pub mended: Option<String>,
    /// What a person can do where nothing here can.
    pub advice: Option<String>,
}

/// What a check has looked at, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Blobs whose digest was computed.
    pub blobs: usize,
    /// Images.
    pub images: usize,
    /// Unpacked layers that were compared with their archives.
    pub layers: usize,
    /// Containers.
    pub containers: usize,
    /// Volumes.
    pub volumes: usize,
    /// What is wrong.
    pub flaws: Vec<Flaw>,
}

impl Checked {
    /// Something that can be mended, by these words.
    fn flaw(&mut self, what: impl Into<String>, mended: impl Into<String>) {
        self.flaws.push(Flaw { what: what.into(), mended: Some(mended.into()), advice: None });
    }

    /// Something that cannot.
    fn loss(&mut self, what: impl Into<String>, advice: impl Into<String>) {
        let advice = Some(advice.into());
        self.flaws.push(Flaw { what: what.into(), mended: None, advice });
    }
}

impl Engine {
    /// Verifies all digests and references, and with `repair` mends what can be mended. Waits for
    /// pulls and the like to end, and lets none begin meanwhile.
    ///
    /// # Errors
    /// What cannot be read at all; a full disk.
    pub fn check(&self, repair: bool) -> Result<Checked> {
        let mut checked = Checked::default();
        let quiet = self.store.quiet()?;
        // Images before layers and containers: those need what these lead to.
        let wrong = self.check_images(&mut checked, repair)?;
        self.check_containers(&mut checked, repair)?;
        self.check_layers(&mut checked, &wrong, repair)?;
        drop(quiet);
        if repair {
            self.collect()?;
        }
        Ok(checked)
    }
}
