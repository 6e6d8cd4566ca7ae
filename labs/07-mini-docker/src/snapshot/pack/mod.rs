//! Packing: files become an archive, the same bytes for the same files every time.
//!
//! Names are sorted, times are whole seconds, and nothing of this machine gets in, so that a layer
//! that did not change has the digest that it had. The overlay's marks become the names of the
//! image specification (lab 04): a device 0:0 is `.wh.NAME`, an opaque directory has an entry
//! `.wh..wh..opq`. One pass: the archive is hashed for its diff_id, compressed, and hashed again
//! for its digest, while it is written.
//!
//! Whoever is inside may exchange a directory for a link while we read. So we walk by descriptors:
//! a directory is opened in the one before it, without following anything (O_NOFOLLOW), and its
//! entries are looked at and opened there.
//!
//! | file | what it knows |
//! |---|---|
//! | `tree` | the walk |
//! | `header` | what an archive says about a file |

mod header;
mod tree;

use std::{
    io::{self, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use ground::{Error, Explanation, Result};
use nix::{fcntl::open, sys::stat::Mode};
use oci::{Algorithm, Descriptor, Digest, MediaType};
use overlay::Marks;

pub(super) use tree::{DIRECTORY, Top, Tree, write_tree};

use super::Kept;
use crate::store::{self, BlobWriter, Digester, Store};

/// A layer that was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The compressed archive in the store.
    pub blob: Descriptor,
    /// The digest of the archive itself.
    pub diff_id: Digest,
    /// Files, directories and whiteouts in it.
    pub entries: usize,
}

// ANCHOR: pack
/// Packs `upper` into the store. `kept` knows owners that are not on the files.
///
/// Works while a container writes to it; what changes meanwhile is packed as it was, or as it
/// became.
///
/// # Errors
/// As open(2) and read(2), and the store's.
pub fn pack(store: &Store, upper: &Path, kept: &dyn Fn(&Path) -> Option<Kept>) -> Result<Packed> {
    let sink = Sink {
        digester: Digester::new(Algorithm::Sha256),
        packed: GzEncoder::new(store.writer()?, Compression::default()),
    };
    let tree = Tree { kept, marks: Some(Marks::here()) };
    let (sink, entries) = tree::write_all(sink, open_dir(upper)?, tree)?;
    let diff_id = sink.digester.finish();
    let writer = sink.packed.finish().map_err(|error| cannot(upper, &error))?;
    Ok(Packed { blob: writer.commit(MediaType::OciLayerGzip)?, diff_id, entries })
}
// ANCHOR_END: pack

/// The same in words.
pub fn explain(upper: &Path) -> [Explanation; 2] {
    let flags: Vec<&str> = DIRECTORY.iter_names().map(|(name, _)| name).collect();
    [
        Explanation::new(
            format!("openat({upper:?}, NAME, {})", flags.join("|")),
            "from directory to directory, in the order of names: a layer of the same files is the same \
             bytes, and so has the same digest",
            "2 openat",
        ),
        store::explain_put(),
    ]
}

/// Writes everything below a directory as an archive; there, a device 0:0 is a device.
///
/// # Errors
/// As [`pack`], and as write(2).
pub fn export(out: impl Write, dir: &Path, kept: &dyn Fn(&Path) -> Option<Kept>) -> Result<()> {
    let (mut out, _) = tree::write_all(out, open_dir(dir)?, Tree { kept, marks: None })?;
    out.flush().map_err(|error| cannot(dir, &error))
}

fn open_dir(path: &Path) -> Result<std::os::fd::OwnedFd> {
    open(path, DIRECTORY, Mode::empty()).map_err(|errno| cannot(path, &errno.into()))
}

/// Where the archive goes: to both hashes and into the store.
struct Sink {
    digester: Digester,
    packed: GzEncoder<BlobWriter>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.packed.write(bytes)?;
        self.digester.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.packed.flush()
    }
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    let shown = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let report = Error::new(format!("cannot pack {}", shown.display())).io("read or write", error);
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => report.fix("free some space, or write elsewhere"),
        Some(libc::EMFILE) => {
            report.fix("it is nested too deep for the open files we may have: ulimit -n")
        }
        _ => report.fix("look at the file named here"),
    }
}
