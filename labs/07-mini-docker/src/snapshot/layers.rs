//! Layers: the layers of an image unpacked, once each, several at once.
//!
//! A layer is unpacked into a directory of its own, whatever lies below it: so no layer waits for
//! another, and none waits until its blob is whole (see [`Arrivals`]).

use std::{
    fs, io,
    num::NonZero,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread,
};

use ground::{Error, Result};
use oci::{Descriptor, Digest, ImageConfig};

use super::{chain_ids, is_unpacked, scratch::Scratch, unpack};
use crate::{
    store::{Arrivals, Verdict},
    tree,
    workers::each,
};

/// Hears of each layer that is worked on, from several threads.
pub type OnLayer<'a> = &'a (dyn Fn(&Descriptor, Stage) + Sync);

/// Where a layer is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its first bytes are here.
    Unpacking,
    /// It is there, whole and checked.
    Unpacked,
}

/// Unpacks what is missing of an image's layers; blobs that are on the way are read as they come.
/// `None` if one of them did not come: who was to bring it knows why.
///
/// Idempotent. A layer appears whole or not at all, after its archive and its blob were found to be
/// what the image says. Two processes that want the same one do the work once.
///
/// # Errors
/// As [`unpack`], and when config and manifest disagree about the number of layers.
pub fn ensure_layers(
    arrivals: &Arrivals,
    config: &ImageConfig,
    layers: &[Descriptor],
    on_layer: OnLayer<'_>,
) -> Result<Option<Vec<Digest>>> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != layers.len() {
        return Err(Error::new("the image is broken").why(format!(
            "its manifest has {} layers, and its config {}",
            layers.len(),
            diff_ids.len()
        )));
    }
    let chain = chain_ids(config);
    let layout = arrivals.store().layout();
    let missing: Vec<Layer<'_>> = chain
        .iter()
        .zip(diff_ids)
        .zip(layers)
        .map(|((chain_id, diff_id), blob)| Layer { chain_id, diff_id, blob })
        .filter(|layer| !is_unpacked(layout, layer.chain_id))
        .collect();
    let done = each(at_once(), &missing, |layer| layer.ensure(arrivals, on_layer))?;
    Ok(done.into_iter().all(|came| came).then_some(chain))
}

/// Each layer has threads that inflate, hash and write, so a few fill all processors.
fn at_once() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get).clamp(2, 4)
}

struct Layer<'a> {
    chain_id: &'a Digest,
    diff_id: &'a Digest,
    blob: &'a Descriptor,
}

impl Layer<'_> {
    /// Unpacks the layer, if nobody else has done so. `false` if its blob did not come.
    fn ensure(&self, arrivals: &Arrivals, on_layer: OnLayer<'_>) -> Result<bool> {
        let layout = arrivals.store().layout();
        // Before the claim: who waits for bytes must not keep others from unpacking theirs.
        let Some(mut packed) = arrivals.open(&self.blob.digest)? else { return Ok(false) };
        let Some(scratch) = Scratch::claim(layout, self.chain_id)? else { return Ok(true) };
        let fresh = scratch.path().join("layer");
        on_layer(self.blob, Stage::Unpacking);
        let kept = loop {
            let diff = make(&fresh)?;
            let error = match unpack(&mut packed, self.diff_id, &diff) {
                Ok(kept) => break kept,
                Err(error) => error,
            };
            tree::remove(&fresh)?;
            // Bytes that nobody has checked yet may be what was wrong.
            match packed.verdict() {
                Verdict::Right => return Err(error),
                // The download that failed says why.
                Verdict::Failed => return Ok(false),
                Verdict::BegunAnew => {}
            }
            match arrivals.open(&self.blob.digest)? {
                Some(again) => packed = again,
                None => return Ok(false),
            }
        };
        kept.write(&fresh.join("ownership.json"))?;
        // What nobody has checked yet must not be seen by others.
        if !arrivals.whole(&self.blob.digest) {
            return Ok(false);
        }
        arrivals.store().record_layer(self.diff_id, self.blob)?;
        publish(&fresh, &layout.layer(self.chain_id))?;
        on_layer(self.blob, Stage::Unpacked);
        scratch.remove()?;
        Ok(true)
    }
}

/// The directory of a layer with an empty one for its files.
fn make(fresh: &Path) -> Result<PathBuf> {
    let diff = fresh.join("diff");
    let made = fs::create_dir(fresh).and_then(|()| fs::DirBuilder::new().mode(0o755).create(&diff));
    made.map_err(|error| cannot(fresh, &error))?;
    Ok(diff)
}

fn publish(fresh: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))
        .and_then(|()| fs::rename(fresh, to))
        .map_err(|error| cannot(to, &error))
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::new("cannot unpack the layer").io(path.display(), error)
}
