//! Scratch: a directory that goes with whoever asked for it, because SIGKILL runs no code.
//!
//! Root could mount a file system that ends with its process; an ordinary user's containers would
//! then be in one user namespace more than they are without us, and some refuse. So somebody is
//! beside us whose only task is to take the directory away:
//!
//! ```text
//!   doctor                           keeper: this program again, in a process group of its own
//!   execve, two pipes ─────────────> removes what dead keepers left, makes the directory, locks it
//!   reads the path    <───────────── prints it
//!   tries containers in it              reads a pipe that nobody writes to
//!     ends, or is killed ──────────> end-of-file: removes the directory
//! ```
//!
//! Who works in the directory holds the pipe too ([`Scratch::hold`]): what is removed under a
//! process that still runs is made again.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::PermissionsExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use ground::{Error, Result};
use tempfile::TempDir;

/// What the keeper calls itself on its command line.
pub const KEEPER: &str = "keep-scratch";

/// What the names of the directories begin with.
const PREFIX: &str = "unboxed-doctor.";

/// A directory below /tmp. Removed when dropped, and when whoever has it is killed.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    keeper: Child,
}

impl Scratch {
    /// Makes one, which only its owner may enter.
    ///
    /// # Errors
    /// The keeper cannot be started, or nothing be written below /tmp.
    pub fn new() -> Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(KEEPER).process_group(0).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = command.spawn().map_err(|error| cannot(&error))?;
        let mut path = String::new();
        let told = keeper.stdout.take().map(|it| BufReader::new(it).read_line(&mut path));
        let scratch = Self { path: path.trim_end().into(), keeper };
        match told {
            Some(Ok(1..)) => Ok(scratch),
            _ => Err(scratch.complaint()),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// While this is open, in whatever process, the directory stays.
    ///
    /// # Errors
    /// As dup(2).
    pub fn hold(&self) -> io::Result<OwnedFd> {
        let pipe = self.keeper.stdin.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        pipe.as_fd().try_clone_to_owned()
    }

    fn complaint(mut self) -> Error {
        let mut said = String::new();
        let _ = self.keeper.stderr.take().map(|mut it| it.read_to_string(&mut said));
        Error::from_text(&said)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The keeper's whole life.
///
/// # Errors
/// The directory cannot be made, or not be removed.
pub fn keep() -> Result<()> {
    let (directory, _lock) = make().map_err(|error| cannot(&error))?;
    // Who is gone already reads nothing, and leaves the end-of-file that we wait for.
    let _ = writeln!(io::stdout(), "{}", directory.path().display());
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    remove(&directory.keep()).map_err(|error| cannot(&error))
}

/// Its directory, and a lock that says that it is kept.
fn make() -> io::Result<(TempDir, File)> {
    sweep();
    loop {
        let directory = TempDir::with_prefix(PREFIX)?;
        let lock = File::open(directory.path());
        // Whoever sweeps may have been between our two calls.
        if let Ok(lock) = lock
            && lock.try_lock().is_ok()
            && directory.path().is_dir()
        {
            return Ok((directory, lock));
        }
    }
}

/// Removes what is left of keepers that were killed as well.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || !entry.file_type().is_ok_and(|it| it.is_dir()) {
            continue;
        }
        if let Ok(lock) = File::open(entry.path())
            && lock.try_lock().is_ok()
        {
            let _ = remove(&entry.path());
        }
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        // An overlay's work directory may not be entered by its own owner; root may anything.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(directory)?;
            fs::remove_dir_all(directory)
        }
        removed => removed,
    }
}

/// Lets its owner into each directory.
fn open_up(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, PermissionsExt::from_mode(0o700))?;
    for entry in fs::read_dir(directory)?.flatten() {
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

fn cannot(error: &io::Error) -> Error {
    Error::new("cannot make an image to try").io("write below /tmp", error)
}
