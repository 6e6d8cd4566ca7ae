//! Socket: the place in a container's directory at which its monitor listens.
//!
//! The path of a socket has at most 107 bytes (unix(7)), and the directory of a container may lie
//! deep. So its name is used through an open descriptor of the directory:
//! `/proc/self/fd/7/attach.sock` is short wherever that is. The socket of a killed monitor stays as a
//! file that refuses; the next monitor replaces it.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

const NAME: &str = "attach.sock";

/// Listens in the directory `dir`.
///
/// # Errors
/// As bind(2).
pub fn listen(dir: &Path) -> io::Result<UnixListener> {
    let opened = File::open(dir)?;
    let path = name(&opened);
    let _ = fs::remove_file(&path);
    UnixListener::bind(path)
}

/// Connects to whoever listens in the directory `dir`.
///
/// # Errors
/// ECONNREFUSED, ENOENT: nobody does.
pub fn connect(dir: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(name(&File::open(dir)?))
}

fn name(dir: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(NAME)
}
