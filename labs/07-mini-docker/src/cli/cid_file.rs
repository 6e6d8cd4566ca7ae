//! `--cidfile`: a file that gets the ID, for scripts that want it after `run` has ended.
//!
//! It is made before the container, so that two commands never write to one file, and removed again
//! when no container comes of it.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use ground::{Error, Result};

/// A file that is ours and still empty.
#[derive(Debug)]
pub struct CidFile {
    path: PathBuf,
    file: fs::File,
    written: bool,
}

impl CidFile {
    /// Makes the file.
    ///
    /// # Errors
    /// When it is there already.
    pub fn reserve(path: &Path) -> Result<Self> {
        let file = fs::File::create_new(path).map_err(|error| {
            let shown = path.display();
            match error.kind() {
                ErrorKind::AlreadyExists => Error::new(format!(
                    "container ID file found, make sure the other container isn't running or \
                     delete {shown}"
                ))
                .why("an ID in it would be lost")
                .fix(format!("rm {shown}")),
                _ => Error::new("failed to create the container ID file").io(shown, &error),
            }
        })?;
        Ok(Self { path: path.to_owned(), file, written: false })
    }

    /// Writes the ID.
    ///
    /// # Errors
    /// As write(2).
    pub fn write(mut self, id: &str) -> Result<()> {
        self.file.write_all(id.as_bytes()).map_err(|error| {
            Error::new("Failed to write the container ID to the file")
                .io(self.path.display(), &error)
        })?;
        self.written = true;
        Ok(())
    }
}

impl Drop for CidFile {
    fn drop(&mut self) {
        if !self.written {
            let _ = fs::remove_file(&self.path);
        }
    }
}
