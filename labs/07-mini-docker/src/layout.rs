//! Layout: where everything lies under one root directory.
//!
//! Only names are made here; no function touches the disk. Who makes a directory is written beside
//! it, and the same room removes it.
//!
//! ```text
//! ROOT                               /var/lib/mini-docker, or ~/.local/share/mini-docker
//! ├── lock                           held shared while adding content, exclusively by gc     store
//! ├── blobs/sha256/HEX               content by digest: manifests, configs, packed layers    store
//! ├── ingest/                        what is not yet whole; everything visible was whole     store
//! │   ├── sha256-HEX.part              a download that can be resumed
//! │   └── RANDOM.tmp                   content whose digest is not known yet
//! ├── images.json                    references -> manifests                                 store
//! ├── images.lock                    held while images.json is replaced                      store
//! ├── distribution/                  packed blob <-> unpacked layer                          store
//! │   ├── blob-by-diff-id/sha256/HEX   a descriptor
//! │   └── diff-id-by-blob/sha256/HEX   a digest
//! ├── layers/sha256/HEX/             an unpacked layer, by chain ID                       snapshot
//! │   ├── diff/                        its files: one lowerdir of an overlay mount
//! │   └── ownership.json               owners that could not be set without privilege
//! ├── containers/ID/                                                                     container
//! │   ├── config.json                  the record: what was asked for, and what became of it
//! │   ├── bundle/                      config.json for the runtime, and /etc's generated files
//! │   ├── runtime/                     the runtime's own state
//! │   ├── exit                         the last exit status, for those who wait
//! │   ├── ownership.json               owners that could not be set on what was copied in
//! │   ├── upper/ work/ merged/         the overlay mount: written files, its scratch, the view
//! │   └── log                          what the program wrote, line by line
//! ├── events.json, events.json.1     what happened, line by line; the older half             events
//! ├── volumes/NAME/                  a volume                                               volume
//! │   ├── _data/                       its files
//! │   └── volume.json                  its labels and what is mounted on _data
//! ├── networks.json                  networks, who is in them, what of it is in the kernel   network
//! ├── networks.lock                  held while something of it is changed                   network
//! ├── user-namespace.json            who is in the user namespace of an ordinary user          engine
//! └── repositories/NAME/             a registry's names; only where one is served  registry::server
//!     ├── _tags/TAG                    a descriptor
//!     ├── _manifests/sha256-HEX        a descriptor
//!     └── _blobs/sha256-HEX            empty: the blob may be had under this name
//! ```

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use ground::Error;
use oci::Digest;

/// The names of everything under one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

/// What the default root depends on, as the program found it in its environment.
#[derive(Debug, Clone, Copy)]
pub struct Environment<'a> {
    /// The effective user ID (geteuid(2)).
    pub effective_uid: u32,
    /// `$XDG_DATA_HOME`.
    pub xdg_data_home: Option<&'a OsStr>,
    /// `$HOME`.
    pub home: Option<&'a OsStr>,
}

/// The root where none is named: /var/lib/mini-docker for root, else below the user's data
/// directory (XDG Base Directory Specification: a relative `$XDG_DATA_HOME` is to be ignored).
///
/// # Errors
/// For an ordinary user without any home directory.
pub fn default_root(environment: Environment<'_>) -> Result<PathBuf, Error> {
    if environment.effective_uid == 0 {
        return Ok("/var/lib/mini-docker".into());
    }
    let absolute = |path: Option<&OsStr>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(environment.xdg_data_home)
        .or_else(|| absolute(environment.home).map(|home| home.join(".local/share")))
        .map(|data| data.join("mini-docker"))
        .ok_or_else(|| {
            Error::new("cannot tell where to keep images and containers")
                .why("neither XDG_DATA_HOME nor HOME is an absolute path")
                .fix("set HOME, or name a directory with --root")
        })
}

impl Layout {
    /// The layout under `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory that holds all.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Held shared while content is added, exclusively while it is collected.
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The directory of all blobs; one directory below for each algorithm.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// One blob.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        by_digest(self.blobs(), digest)
    }

    /// The directory of what is not yet whole.
    pub fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }

    /// A download that can be resumed.
    pub fn part(&self, digest: &Digest) -> PathBuf {
        self.ingest().join(flat(digest) + ".part")
    }

    /// The names of images.
    pub fn images(&self) -> PathBuf {
        self.root.join("images.json")
    }

    /// Held while [`Layout::images`] is replaced.
    pub fn images_lock(&self) -> PathBuf {
        self.root.join("images.lock")
    }

    /// Which blob an unpacked layer came from.
    pub fn blob_by_diff_id(&self) -> PathBuf {
        self.root.join("distribution/blob-by-diff-id")
    }

    /// What a blob becomes when it is unpacked.
    pub fn diff_id_by_blob(&self) -> PathBuf {
        self.root.join("distribution/diff-id-by-blob")
    }

    /// The directory of all unpacked layers.
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// One unpacked layer, by chain ID.
    pub fn layer(&self, chain_id: &Digest) -> PathBuf {
        by_digest(self.layers(), chain_id)
    }

    /// The files of an unpacked layer.
    pub fn layer_diff(&self, chain_id: &Digest) -> PathBuf {
        self.layer(chain_id).join("diff")
    }

    /// The owners that could not be set when the layer was unpacked.
    pub fn layer_ownership(&self, chain_id: &Digest) -> PathBuf {
        self.layer(chain_id).join("ownership.json")
    }

    /// The directory of all containers.
    pub fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// One container.
    pub fn container(&self, id: &str) -> ContainerLayout {
        ContainerLayout { dir: self.containers().join(id), events: self.events() }
    }

    /// What happened to all of them, line by line.
    pub fn events(&self) -> PathBuf {
        self.root.join("events.json")
    }

    /// The directory of all named volumes.
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// One named volume; [`Layout::volume_data`] is what gets mounted.
    pub fn volume(&self, name: &str) -> PathBuf {
        self.volumes().join(name)
    }

    /// What is known about a named volume.
    pub fn volume_record(&self, name: &str) -> PathBuf {
        self.volume(name).join("volume.json")
    }

    /// The files of a named volume.
    pub fn volume_data(&self, name: &str) -> PathBuf {
        self.volume(name).join("_data")
    }

    /// Networks, and what was made of them in the kernel.
    pub fn networks(&self) -> PathBuf {
        self.root.join("networks.json")
    }

    /// Held while [`Layout::networks`] and what it speaks of are changed.
    pub fn networks_lock(&self) -> PathBuf {
        self.root.join("networks.lock")
    }

    /// Who is in the user namespace that an ordinary user's containers share; locked by who joins it.
    pub fn user_namespace(&self) -> PathBuf {
        self.root.join("user-namespace.json")
    }

    /// The names that a registry serves.
    pub fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    /// One repository that a registry serves. No part of a name starts with `_`, so names may lie
    /// inside each other.
    pub fn repository(&self, name: &str) -> PathBuf {
        self.repositories().join(name)
    }
}

/// The names of everything that belongs to one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLayout {
    dir: PathBuf,
    events: PathBuf,
}

impl ContainerLayout {
    /// The directory that holds all.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What happened to all containers, line by line: one file for all of them.
    pub fn events(&self) -> &Path {
        &self.events
    }

    /// The record: what was asked for, and what became of it.
    pub fn record(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// There while its networks change and its names are not written yet, and locked by who does it.
    pub fn untold(&self) -> PathBuf {
        self.dir.join("untold")
    }

    /// Who holds its published ports, while it runs and has any.
    pub fn porter(&self) -> PathBuf {
        self.dir.join("porter")
    }

    /// The owners that could not be set on what was copied into it.
    pub fn ownership(&self) -> PathBuf {
        self.dir.join("ownership.json")
    }

    /// The bundle directory, for the runtime.
    pub fn bundle(&self) -> PathBuf {
        self.dir.join("bundle")
    }

    /// Where the runtime writes the number of the container's first process.
    pub fn pid_file(&self) -> PathBuf {
        self.bundle().join("pid")
    }

    /// Where the mount with this number of its options is attached, when it was taken from
    /// elsewhere; in the monitor's mount namespace only.
    pub fn taken(&self, index: usize) -> PathBuf {
        self.bundle().join("taken").join(index.to_string())
    }

    /// The same for another container's /dev/shm.
    pub fn taken_shm(&self) -> PathBuf {
        self.bundle().join("taken").join("shm")
    }

    /// The overlay's upperdir: what the container wrote.
    pub fn upper(&self) -> PathBuf {
        self.dir.join("upper")
    }

    /// The overlay's workdir.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// Where the overlay is mounted.
    pub fn merged(&self) -> PathBuf {
        self.dir.join("merged")
    }

    /// The directory in which the runtime keeps its state of this container.
    pub fn runtime(&self) -> PathBuf {
        self.dir.join("runtime")
    }

    /// The exit status, for those who wait: the open file outlives its name.
    pub fn exit(&self) -> PathBuf {
        self.dir.join("exit")
    }

    /// What the program wrote.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

/// `DIR/sha256/HEX`.
pub(crate) fn by_digest(dir: PathBuf, digest: &Digest) -> PathBuf {
    dir.join(digest.algorithm().as_str()).join(digest.hex())
}

/// `sha256-HEX`: a digest as one file name.
pub(crate) fn flat(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().as_str(), digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uid: u32, xdg: Option<&str>, home: Option<&str>, expected: Option<&str>) {
        let environment = Environment {
            effective_uid: uid,
            xdg_data_home: xdg.map(OsStr::new),
            home: home.map(OsStr::new),
        };
        assert_eq!(default_root(environment).ok(), expected.map(PathBuf::from));
    }

    #[test]
    fn root_keeps_it_in_var_lib_and_others_at_home() {
        check(0, Some("/data"), Some("/root"), Some("/var/lib/mini-docker"));
        check(1000, Some("/data"), Some("/home/u"), Some("/data/mini-docker"));
        check(1000, Some("data"), Some("/home/u"), Some("/home/u/.local/share/mini-docker"));
        check(1000, None, Some("/home/u"), Some("/home/u/.local/share/mini-docker"));
        check(1000, Some(""), Some(""), None);
        check(1000, None, None, None);
    }
}
