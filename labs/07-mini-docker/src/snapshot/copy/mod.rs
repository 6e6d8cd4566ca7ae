//! Copying: files into a container and out of it, by the rules of `docker cp`.
//!
//! Both ways are one: whoever sends walks by descriptors and writes an archive (`pack`), whoever
//! receives makes files of it (`apply`), and between them is a pipe. Sender and receiver each have a
//! root. A container's root is full of links that its programs may exchange at any moment; every
//! path is resolved by openat2(2) with RESOLVE_IN_ROOT, so that none leads out (lab 06), and the
//! last name is made or opened without following anything.
//!
//! | file | what it knows |
//! |---|---|
//! | `place` | where files go: the table of `docker cp` (pure) |
//! | `side` | a root, and how its paths are told |
//! | `at` | one name in an open directory |
//! | `fresh` | a file that is not in its place yet, and what a killed copy has left of one |
//! | `apply` | an archive -> files |

mod apply;
mod at;
mod fresh;
mod place;
mod side;

use std::{
    ffi::OsStr,
    io::{self, BufWriter, Read, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use ground::{Error, Result};

pub use apply::Owner;
pub use fresh::sweep_below;
pub use place::Named;
pub use side::Side;

use super::{
    Kept, Ownership,
    pack::{Top, Tree, write_tree},
};
use apply::Files;
use place::{Place, Source};
use side::Found;

/// How files are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy {
    /// Whether a link that was named is followed.
    pub follow: bool,
    /// Who they belong to afterwards.
    pub owner: Owner,
}

/// What a copy came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes that went through the pipe.
    pub bytes: u64,
    /// Owners and devices that could not be set, by path in the receiver's root.
    pub kept: Ownership,
}

/// What is known about owners of files in a sender's root, beside the files.
pub type KnownOwners<'a> = &'a dyn Fn(&Path) -> Option<Kept>;

/// Copies what `source` names at one side to where `target` names at the other.
///
/// # Errors
/// A source that is not there, a target that does not fit it; whatever the file systems refuse.
pub fn copy(
    (from, source, owners): (&Side, &Named, KnownOwners<'_>),
    (to, target): (&Side, &Named),
    how: Copy,
) -> Result<Copied> {
    let found = from.need(source, how.follow)?;
    let target = to.settle(target)?;
    let there = to.find(&target.path, true)?;
    let sent =
        Source { name: found.name(source)?, is_dir: found.is_dir(), contents: source.contents };
    let place = place::place(&sent, there.as_ref().map(Found::is_dir), &target);
    let place = place.map_err(|why| to.does_not_fit(&target, why))?;
    if there.is_none() {
        to.need_directory(&place.dir)?;
    }
    let Place { dir, called } = place;
    let files = Files::new(to, dir, how.owner)?;
    let called = called.map(PathBuf::from).unwrap_or_default();
    pipe(|out| write(out, &found, &called, owners), |tar| files.apply_all(tar))
}

/// Writes what `source` names as an archive.
///
/// # Errors
/// A source that is not there; a failed read or write.
pub fn send(
    (from, source, owners): (&Side, &Named, KnownOwners<'_>),
    follow: bool,
    out: impl Write,
) -> Result<()> {
    let found = from.need(source, follow)?;
    let called = if source.contents { PathBuf::new() } else { found.name(source)?.into() };
    write(BufWriter::new(out), &found, &called, owners)?
        .flush()
        .map_err(|error| Error::new("cannot write the archive").io("write", &error))
}

/// Makes files of an archive in the directory that `target` names.
///
/// # Errors
/// A target that is no directory; an archive that is none; whatever the file system refuses.
pub fn receive((to, target): (&Side, &Named), tar: impl Read, owner: Owner) -> Result<Ownership> {
    let target = to.settle(target)?;
    if !to.find(&target.path, true)?.is_some_and(|found| found.is_dir()) {
        return Err(to.no_directory(&target));
    }
    Files::new(to, target.path, owner)?.apply_all(tar)
}

/// Writes the files that were found, under another name.
fn write<W: Write>(out: W, found: &Found, called: &Path, owners: KnownOwners<'_>) -> Result<W> {
    let kept = |path: &Path| {
        let below = path.strip_prefix(called).unwrap_or(path);
        let whole = found.path.join(below);
        // A path with an empty end is another path.
        owners(if below.as_os_str().is_empty() { &found.path } else { &whole })
    };
    let name = found.last.as_deref().unwrap_or(OsStr::new("."));
    let top = Top { parent: found.parent.as_fd(), name, called };
    write_tree(out, top, Tree { kept: &kept, marks: None })
}

/// Runs a sender here and a receiver in a thread, with a pipe between them. Whoever failed first is
/// told of, not the other who then failed for it.
fn pipe(
    send: impl FnOnce(
        BufWriter<Counted<'_, io::PipeWriter>>,
    ) -> Result<BufWriter<Counted<'_, io::PipeWriter>>>,
    receive: impl FnOnce(io::PipeReader) -> Result<Ownership> + Send,
) -> Result<Copied> {
    let cannot = |error: io::Error| Error::new("cannot copy files").io("pipe", &error);
    let (tar, out) = io::pipe().map_err(cannot)?;
    let (bytes, nobody_reads) = (AtomicU64::new(0), AtomicBool::new(false));
    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(tar));
        let out = Counted { out, bytes: &bytes, nobody_reads: &nobody_reads };
        // Dropped in here: the receiver must see the end.
        let sent = send(BufWriter::with_capacity(64 << 10, out)).map(drop);
        let received = receiver.join();
        (sent, received)
    });
    let received = received
        .unwrap_or_else(|_| Err(Error::new("cannot copy files").why("a thread of ours failed")));
    match (sent, received) {
        (Err(error), _) if !nobody_reads.load(Ordering::Relaxed) => Err(error),
        (_, received) => Ok(Copied { bytes: bytes.into_inner(), kept: received? }),
    }
}

/// A writer that counts, and knows when nobody reads any more.
#[derive(Debug)]
struct Counted<'a, W> {
    out: W,
    bytes: &'a AtomicU64,
    nobody_reads: &'a AtomicBool,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes).inspect_err(|error| {
            let is_over = error.kind() == io::ErrorKind::BrokenPipe;
            self.nobody_reads.fetch_or(is_over, Ordering::Relaxed);
        })?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
