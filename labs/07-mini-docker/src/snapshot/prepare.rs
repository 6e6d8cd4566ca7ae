//! Preparing: the layers of an image unpacked, once each, and a place for a container to write.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use oci::{Descriptor, Digest, ImageConfig};
use overlay::{Options, Overlay, Upper};

use super::unpack;
use crate::{
    layout::{ContainerLayout, Layout},
    store::{Store, sha256},
    tree,
};

/// The file systems of one container, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The mount points, then the layers of the image, topmost first; they are only read.
    pub lower: Vec<PathBuf>,
    /// Where the container writes.
    pub upper: PathBuf,
    /// The overlay's bench.
    pub work: PathBuf,
    /// Where the stack is mounted.
    pub merged: PathBuf,
}

impl Snapshot {
    /// The snapshot of a container on these layers, the lowest first. Touches nothing.
    pub fn new(layout: &Layout, container: &ContainerLayout, layers: &[Digest]) -> Self {
        let image = layers.iter().rev().map(|chain_id| layout.layer_diff(chain_id));
        Self {
            lower: [mount_points(layout)].into_iter().chain(image).collect(),
            upper: container.upper(),
            work: container.work(),
            merged: container.merged(),
        }
    }

    /// Makes the three directories of the container. Removed with the container's directory.
    ///
    /// # Errors
    /// As mkdir(2).
    pub fn create(&self, layout: &Layout) -> Result<()> {
        make_mount_points(layout)?;
        // The root of the overlay has the mode of the uppermost directory, so it must be one that
        // every user of the container can enter.
        for (dir, mode) in [(&self.upper, 0o755), (&self.work, 0o700), (&self.merged, 0o700)] {
            fs::DirBuilder::new().mode(mode).create(dir).map_err(|error| {
                Error::new("cannot make the container's directories")
                    .io(format_args!("mkdir {}", dir.display()), &error)
            })?;
        }
        match self.lower.get(1) {
            Some(top) => copy_root(top, &self.upper),
            None => Ok(()),
        }
    }

    /// The overlay of the stack.
    pub fn overlay(&self) -> Overlay {
        Overlay {
            lower: self.lower.clone(),
            upper: Some(Upper { dir: self.upper.clone(), work: self.work.clone() }),
            options: Options::for_containers(),
        }
    }
}

/// The root directory of the image keeps its owner and mode under the container's upper directory.
fn copy_root(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let copied = fs::metadata(from).and_then(|root| {
        chown(to, Some(root.uid()), Some(root.gid()))?;
        fs::set_permissions(to, fs::Permissions::from_mode(root.mode() & 0o7777))
    });
    copied.map_err(|error| {
        Error::new("cannot make the container's directories").io(to.display(), &error)
    })
}

/// What a runtime mounts something on, in every container.
const DIRECTORIES: [&str; 4] = ["dev", "etc", "proc", "sys"];
const FILES: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// A layer between every image and every container: places to mount on. Without it the runtime
/// would make them in the upper directory, and `diff` and `commit` would take them for the
/// container's own. Docker calls it the init layer.
fn mount_points(layout: &Layout) -> PathBuf {
    layout.layers().join("mount-points")
}

fn make_mount_points(layout: &Layout) -> Result<()> {
    let to = mount_points(layout);
    if to.is_dir() {
        return Ok(());
    }
    let cannot = |error: io::Error| Error::new("cannot make mount points").io(to.display(), &error);
    let scratch = scratch(layout)?;
    let fresh = scratch.path().join("mount-points");
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o755).create(&fresh).map_err(cannot)?;
    for dir in DIRECTORIES {
        builder.create(fresh.join(dir)).map_err(cannot)?;
    }
    for file in FILES {
        fs::write(fresh.join(file), "").map_err(cannot)?;
    }
    match fs::rename(&fresh, &to) {
        Err(_) if to.is_dir() => {}
        renamed => renamed.map_err(cannot)?,
    }
    scratch.remove()
}

/// The chain IDs of an image, the lowest first.
pub fn chain_ids(config: &ImageConfig) -> Vec<Digest> {
    oci::chain_ids(&config.rootfs.diff_ids, sha256)
}

/// Whether the layer is there.
pub fn is_unpacked(layout: &Layout, chain_id: &Digest) -> bool {
    layout.layer_diff(chain_id).is_dir()
}

/// All layers that are unpacked.
///
/// # Errors
/// When the directory cannot be read.
pub fn layers_here(layout: &Layout) -> Result<Vec<Digest>> {
    let dir = layout.layers().join("sha256");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::new("cannot list the layers").io(dir.display(), &error)),
    };
    let digest = |name: std::ffi::OsString| format!("sha256:{}", name.to_str()?).parse().ok();
    Ok(entries.flatten().filter_map(|entry| digest(entry.file_name())).collect())
}

/// Removes an unpacked layer. It is out of sight at once, whatever happens while it is emptied.
///
/// # Errors
/// As rename(2) and unlinkat(2).
pub fn remove_layer(layout: &Layout, chain_id: &Digest) -> Result<()> {
    let scratch = scratch(layout)?;
    let dir = layout.layer(chain_id);
    match fs::rename(&dir, scratch.path().join("layer")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::new("cannot remove a layer").io(dir.display(), &error)),
        Ok(()) => scratch.remove(),
    }
}

/// Unpacks what is missing of an image's layers. `on_layer` is told of each that is worked on.
///
/// Idempotent. A layer appears whole or not at all; two processes that unpack the same one do the
/// work twice, and one of the results is thrown away.
///
/// # Errors
/// As [`unpack`], and when config and manifest disagree about the number of layers.
pub fn ensure_layers(
    store: &Store,
    config: &ImageConfig,
    layers: &[Descriptor],
    on_layer: &mut dyn FnMut(&Descriptor),
) -> Result<Vec<Digest>> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != layers.len() {
        return Err(Error::new("the image is broken").why(format!(
            "its manifest has {} layers, and its config {}",
            layers.len(),
            diff_ids.len()
        )));
    }
    let chain = chain_ids(config);
    for ((chain_id, diff_id), blob) in chain.iter().zip(diff_ids).zip(layers) {
        if !is_unpacked(store.layout(), chain_id) {
            on_layer(blob);
            unpack_layer(store, chain_id, diff_id, blob)?;
        }
    }
    Ok(chain)
}

fn unpack_layer(
    store: &Store,
    chain_id: &Digest,
    diff_id: &Digest,
    blob: &Descriptor,
) -> Result<()> {
    let layout = store.layout();
    let cannot = |error: io::Error| {
        Error::new("cannot unpack the layer").io(layout.layers().display(), &error)
    };
    let scratch = scratch(layout)?;
    let fresh = scratch.path().join("layer");
    let diff = fresh.join("diff");
    fs::create_dir(&fresh).map_err(cannot)?;
    fs::DirBuilder::new().mode(0o755).create(&diff).map_err(cannot)?;
    let kept = unpack(store.blob(&blob.digest)?, diff_id, &diff)?;
    kept.write(&fresh.join("ownership.json"))?;
    store.record_layer(diff_id, blob)?;
    let to = layout.layer(chain_id);
    fs::create_dir_all(to.parent().unwrap_or(Path::new("/"))).map_err(cannot)?;
    match fs::rename(&fresh, &to) {
        // Somebody else was faster, and it is the same.
        Err(error) if is_unpacked(layout, chain_id) => drop(error),
        renamed => renamed.map_err(cannot)?,
    }
    scratch.remove()
}

/// A directory on the file system of the layers, for what is not finished.
#[derive(Debug)]
struct Scratch {
    path: PathBuf,
    // Held while its owner lives; who finds one that is not locked may remove it.
    _lock: fs::File,
}

fn scratch(layout: &Layout) -> Result<Scratch> {
    let all = layout.layers().join("unfinished");
    let cannot = |error: io::Error| {
        Error::new("cannot unpack the layer").io(format_args!("mkdir {}", all.display()), &error)
    };
    fs::create_dir_all(&all).map_err(cannot)?;
    sweep(&all);
    loop {
        let path = tempfile::Builder::new().prefix("").tempdir_in(&all).map_err(cannot)?.keep();
        let Ok(lock) = fs::File::open(&path) else { continue };
        // Whoever sweeps may have been between our two calls.
        if lock.try_lock().is_ok() && path.is_dir() {
            return Ok(Scratch { path, _lock: lock });
        }
    }
}

/// Removes what killed processes left.
fn sweep(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let is_free = fs::File::open(entry.path()).is_ok_and(|dir| dir.try_lock().is_ok());
        if is_free {
            let _ = tree::remove(&entry.path());
        }
    }
}

impl Scratch {
    fn path(&self) -> &Path {
        &self.path
    }

    fn remove(self) -> Result<()> {
        tree::remove(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now, the next one sweeps.
        let _ = tree::remove(&self.path);
    }
}
