//! Unpacking: an archive becomes a directory, and whatever is in it, nothing outside changes.
//!
//! A layer comes from somebody else. Its paths may be absolute, climb by `..`, or lead through a
//! symbolic link that the layer itself has just made; its sizes may promise more than any disk has.
//! So no path of the archive is ever given to the kernel as it is: a parent directory is opened by
//! openat2(2) with RESOLVE_IN_ROOT, which makes the kernel treat the layer's directory as `/`, and
//! the last name is created there without following anything.
//!
//! ```text
//! file ──> inflate ──channel──> hash ──channel──> apply      three threads, one pass
//! ```
//!
//! The result appears by rename(2) when everything is there and the digest is right. Source: image
//! specification, layer.md.

mod apply;
mod birth;
mod dress;
pub(super) mod entry;
mod failed;
mod inside;
mod stream;

use std::{io::Read, path::Path};

use ground::{Error, Result};
use oci::Digest;

use super::{Mapped, Ownership};
use apply::Applier;
pub use inside::explain;

/// Unpacks the archive `packed`, which may be compressed, into the empty directory `dir`.
///
/// Returns what could not be set on the files. On failure the caller throws the directory away;
/// half a layer is never to be used.
///
/// # Errors
/// An archive that is broken, leads outside, or is larger than the file system; one that is not
/// `diff_id` when unpacked; a full disk.
pub fn unpack(packed: impl Read + Send, diff_id: &Digest, dir: &Path) -> Result<Ownership> {
    let room = room(dir)?;
    let mut applier = Applier::new(dir, room, Mapped::here())?;
    stream::run(packed, diff_id, room, |tar, budget| applier.apply_all(tar, budget))?;
    applier.finish()
}

/// How many bytes the file system can still take.
fn room(dir: &Path) -> Result<u64> {
    let stat = nix::sys::statvfs::statvfs(dir).map_err(|errno| {
        Error::new("cannot see how much room there is")
            .call(&format!("statvfs({:?})", dir.display()), errno)
            .see("3 statvfs")
    })?;
    let (blocks, size): (u64, u64) = (stat.blocks_available(), stat.fragment_size());
    Ok(blocks.saturating_mul(size))
}
