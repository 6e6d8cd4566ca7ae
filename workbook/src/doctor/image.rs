//! An image to try lab 07 with: one program of this machine, in a store that is thrown away.
//!
//! A container of root's would make a bridge on the host. So root's thread goes to a network and a
//! mount namespace of its own: all that is made there ends with the thread, also when it is killed.
//! An ordinary user's has a keeper (`scratch.rs`).

use std::{
    fs::File,
    io,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};

use ground::{Error, Result, Step};
use namespaces::steps::PrivateMounts;
use nix::{
    sched::{CloneFlags, unshare},
    unistd::geteuid,
};
use rootfs::{DEFAULT_PATH, Mount, Program};

use super::{User, candidate::Candidate, scratch::Scratch};

/// Its name, and the program in it.
const NAME: &str = "doctor";
const PROGRAM: &str = "true";

/// The image.
#[derive(Debug)]
pub struct Image {
    mini_docker: Candidate,
    /// Keeps the store.
    directory: Scratch,
}

impl Image {
    /// Makes it in a store of this user.
    ///
    /// # Errors
    /// What this machine has against it, in the words of mini-docker.
    pub fn make(mini_docker: &Path, user: User) -> Result<Self> {
        let mut mini_docker = Candidate::open(mini_docker, user)?;
        if user.is_none() && geteuid().is_root() {
            go_apart();
        }
        let directory = Scratch::new()?;
        mini_docker.holds = Some(directory.hold().map_err(|error| cannot(&error))?);
        let image = Self { mini_docker, directory };
        let archive = image.directory.path().join("image.tar");
        image.pack(&archive, user)?;
        image.mini_docker(&["import", &archive.to_string_lossy(), NAME])?;
        Ok(image)
    }

    /// Writes the archive, and gives the directory to its user.
    fn pack(&self, archive: &Path, user: User) -> Result<()> {
        let directory = self.directory.path();
        let files = directory.join("files");
        let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        rootfs::build(&files, &[Program::from(PROGRAM)], &path)?;
        let written = (|| {
            let mut tar = tar::Builder::new(File::create(archive)?);
            tar.follow_symlinks(false);
            // Root's, whoever we are: in a user namespace other ids may be other people.
            tar.mode(tar::HeaderMode::Deterministic);
            tar.append_dir_all(".", &files)?;
            tar.finish()?;
            std::fs::set_permissions(archive, PermissionsExt::from_mode(0o644))?;
            user.map_or(Ok(()), |(uid, gid)| chown(directory, Some(uid), Some(gid)))
        })();
        written.map_err(|error| cannot(&error))?;
        rootfs::remove(&files)
    }

    /// Runs its program in a container with these options.
    ///
    /// # Errors
    /// As [`make`](Self::make).
    pub fn run(&self, options: &[&str]) -> Result<()> {
        self.mini_docker(&[&["run", "--rm"], options, &[NAME, PROGRAM]].concat())
    }

    fn mini_docker(&self, words: &[&str]) -> Result<()> {
        let store = self.directory.path().join("store");
        let store = store.to_string_lossy();
        let ran = self.mini_docker.run(&[&["--root", &*store], words].concat())?;
        if ran.succeeded { Ok(()) } else { Err(Error::from_text(&ran.complaint)) }
    }
}

/// Where this is refused, mini-docker is refused what it needs as well, and says it better.
fn go_apart() {
    let tmpfs = Mount::tmpfs(c"/tmp", c"mode=1777");
    let _ = unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .and_then(|()| PrivateMounts.run())
        .and_then(|()| tmpfs.run());
}

fn cannot(error: &io::Error) -> Error {
    Error::new("cannot make an image to try").io("write below /tmp", error)
}
