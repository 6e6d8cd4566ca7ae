//! The diff: what an upper directory changed, read from the directories alone.
//!
//! Everything a container wrote is in its upper directory, so nothing else has to be compared:
//! what is there was added or changed, a whiteout is a deletion, and the lower layers are only
//! asked whether they have the name. That is how `docker diff` works, and why it is fast. No mount
//! is needed: the container may long be stopped.

use std::{
    fmt,
    fs::Metadata,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use ground::Result;

use crate::{
    Marks,
    merged::{Layers, Merged, Node},
};

/// How a path differs from the lower layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Not in the lower layers.
    Added,
    /// In both.
    Changed,
    /// Only in the lower layers.
    Deleted,
}

impl fmt::Display for ChangeKind {
    /// The letters of `docker diff`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "A",
            Self::Changed => "C",
            Self::Deleted => "D",
        })
    }
}

/// One line of the diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Added, changed or deleted.
    pub kind: ChangeKind,
    /// The path as the overlay shows it, from `/`.
    pub path: PathBuf,
    /// The upper file has new metadata and no data: that is still in a lower layer (`metacopy`).
    /// Whoever packs the upper directory must fetch the data from there.
    pub metadata_only: bool,
}

// ANCHOR: diff
/// The changes that `upper` makes to the layers `lower` (topmost first), sorted by path.
///
/// Changed is what has a place in the upper directory, even if every byte is as before: open(2)
/// for writing is enough. A directory is changed when its owner, mode or time is, or when entries
/// in it were added or deleted; not merely for lying on the way. A deleted directory is one line,
/// and so is one that became a file; what an opaque directory hides is a line each. Mount points
/// inside `upper` are not entered. While the container runs, the answer is a mix of moments.
///
/// # Errors
/// A directory that cannot be read, as EACCES without the rights of its owner.
pub fn diff(upper: &Path, lower: &[PathBuf], marks: Marks) -> Result<Vec<Change>> {
    let layers = std::iter::once(upper).chain(lower.iter().map(PathBuf::as_path));
    let layers = Layers::open(layers, marks)?;
    let (before, after) = (layers.root(1)?, layers.root(0)?);
    let root = Pair { path: PathBuf::from("/"), before, after, listed: true };
    let mut walk = Walk { layers, waiting: vec![root], changes: Vec::new() };
    while let Some(pair) = walk.waiting.pop() {
        walk.directory(pair)?;
    }
    walk.changes.sort_by(|a, b| a.path.as_os_str().as_bytes().cmp(b.path.as_os_str().as_bytes()));
    Ok(walk.changes)
}
// ANCHOR_END: diff

/// A directory before and after.
struct Pair {
    path: PathBuf,
    before: Merged,
    after: Merged,
    /// It is in the list already, or never will be.
    listed: bool,
}

impl Pair {
    /// Whether only the upper part can make a difference, as it nearly always is.
    fn grew_on_top(&self) -> bool {
        self.after.split_first().is_some_and(|(top, below)| top.layer == 0 && below == self.before)
    }
}

struct Walk {
    layers: Layers,
    waiting: Vec<Pair>,
    changes: Vec<Change>,
}

impl Walk {
    fn directory(&mut self, pair: Pair) -> Result<()> {
        let names = if pair.grew_on_top() {
            self.layers.names(&pair.after[..1])?
        } else {
            let mut names = self.layers.names(&pair.before)?;
            names.extend(self.layers.names(&pair.after)?);
            names
        };
        let mut listed = pair.listed;
        for name in names {
            let before = self.layers.lookup(&pair.before, &name)?;
            let after = self.layers.lookup(&pair.after, &name)?;
            if before.is_some() != after.is_some() && !listed {
                self.change(ChangeKind::Changed, pair.path.clone());
                listed = true;
            }
            self.entry(pair.path.join(&name), before, after)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, before: Option<Node>, after: Option<Node>) -> Result<()> {
        match (before, after) {
            // The whiteout of a name that is not there.
            (None, None) => {}
            (Some(_), None) => self.change(ChangeKind::Deleted, path),
            (None, Some(after)) => {
                self.change(ChangeKind::Added, path.clone());
                self.enter_new(path, after);
            }
            (Some(Node::Directory(before, was)), Some(Node::Directory(after, is))) => {
                if before == after {
                    return Ok(());
                }
                let listed = differs(&was, &is);
                if listed {
                    self.change(ChangeKind::Changed, path.clone());
                }
                self.waiting.push(Pair { path, before, after, listed });
            }
            (Some(Node::File(was, _)), Some(Node::File(is, file))) => {
                if was != is {
                    let metadata_only =
                        file.is_file() && self.layers.marks.get(&is, "metacopy")?.is_some();
                    self.changes.push(Change { kind: ChangeKind::Changed, path, metadata_only });
                }
            }
            (Some(_), Some(after)) => {
                self.change(ChangeKind::Changed, path.clone());
                self.enter_new(path, after);
            }
        }
        Ok(())
    }

    /// Everything in a directory that was none before is new.
    fn enter_new(&mut self, path: PathBuf, node: Node) {
        if let Node::Directory(after, _) = node {
            self.waiting.push(Pair { path, before: Vec::new(), after, listed: true });
        }
    }

    fn change(&mut self, kind: ChangeKind, path: PathBuf) {
        self.changes.push(Change { kind, path, metadata_only: false });
    }
}

/// Whether a directory itself was changed; copy-up keeps all of this.
fn differs(was: &Metadata, is: &Metadata) -> bool {
    let of =
        |file: &Metadata| (file.mode(), file.uid(), file.gid(), file.mtime(), file.mtime_nsec());
    of(was) != of(is)
}
