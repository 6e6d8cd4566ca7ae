//! Preparing: the layers of an image by name, and a place for a container to write on top of them.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use ground::{Error, Result};
use oci::{Digest, ImageConfig};
use overlay::{Options, Overlay, Upper};

use super::scratch::Scratch;
use crate::{
    digester::sha256,
    layout::{ContainerLayout, Layout},
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

    /// Claims the upper directory, which may be mounted once only. `None` while another process has
    /// it; the kernel drops the claim when its owner dies.
    ///
    /// # Errors
    /// As open(2).
    pub fn claim(&self) -> Result<Option<fs::File>> {
        let dir = fs::File::open(&self.upper).map_err(|error| {
            Error::new("cannot use the container's files").io(self.upper.display(), &error)
        })?;
        Ok(dir.try_lock().is_ok().then_some(dir))
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
    let scratch = Scratch::new(layout)?;
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
    let scratch = Scratch::new(layout)?;
    let dir = layout.layer(chain_id);
    match fs::rename(&dir, scratch.path().join("layer")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::new("cannot remove a layer").io(dir.display(), &error)),
        Ok(()) => scratch.remove(),
    }
}
