//! Blobs, and the images that lead to them.

use std::fs;

use oci::{Digest, Reference};

use super::{Checked, Engine, Result};
use crate::store::{Damaged, Kind};

impl Engine {
    /// Returns the blobs that are not what their names say.
    pub(super) fn check_images(&self, checked: &mut Checked, repair: bool) -> Result<Vec<Digest>> {
        let store = &self.store;
        if let Err(error) = store.images() {
            if error.kind != Kind::Invalid {
                return Err(error.into());
            }
            let why = error.report.why.unwrap_or_default();
            checked.flaw(
                format!("the list of images cannot be read: {why}"),
                "moved to images.json.broken; pull, load or tag the images again",
            );
            if !repair {
                return Ok(Vec::new());
            }
            let list = self.layout.images();
            let aside = list.with_extension("json.broken");
            fs::rename(&list, aside).map_err(|error| cannot(&list, &error))?;
        }
        let wrong = store.wrong_blobs()?;
        for digest in &wrong {
            let what = format!("blob {digest} has other bytes than its name says");
            checked.flaw(what, "removed: what needs it gets it again");
            if repair {
                store.remove_blob(digest)?;
            }
        }
        for path in store.stray_files()? {
            checked.flaw(format!("{} is no blob", path.display()), "removed");
            if repair {
                fs::remove_file(&path).map_err(|error| cannot(&path, &error))?;
            }
        }
        for damaged in store.damaged_images(&wrong)? {
            let (what, mended) = in_words(&damaged);
            checked.flaw(what, mended);
            if repair {
                store.remove_image(&damaged.manifest)?;
            }
        }
        checked.blobs = store.count_blobs()?;
        checked.images = store.images()?.len();
        Ok(wrong)
    }
}

fn in_words(damaged: &Damaged) -> (String, String) {
    let names: Vec<String> = damaged.names.iter().map(Reference::familiar).collect();
    let name = names.first().map_or_else(|| damaged.manifest.to_string(), |_| names.join(", "));
    let again = names.first().map_or("load or commit it again".into(), |name| {
        format!("get it again: mini-docker pull {name}")
    });
    let Damaged { why, .. } = damaged;
    (format!("image {name} is not whole: {why}"), format!("its names are removed; {again}"))
}

fn cannot(path: &std::path::Path, error: &std::io::Error) -> ground::Error {
    ground::Error::new("cannot repair").io(path.display(), error)
}
