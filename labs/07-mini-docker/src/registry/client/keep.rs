//! Keep: a login into Docker's `config.json`, or to the helper program that it names.
//!
//! The file is replaced in one step, readable for its owner only, under a lock of its directory; so
//! two logins at the same time are both kept, and a full disk or a kill leaves the old file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    Credentials, Login, Result,
    credentials::{Written, key},
    error::{Error, Kind},
};

/// Docker's `config.json`, there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    path: PathBuf,
}

/// Where a login is kept now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In the file, readable for who can read it.
    InFile(PathBuf),
    /// By a helper program.
    ByHelper,
}

impl ConfigFile {
    /// The file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Who we are, as the file says.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it is there and cannot be read.
    pub fn credentials(&self) -> Result<Credentials> {
        parse(&self.read()?)
    }

    /// The same for who only wants to use it: a file of somebody else says nothing.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if it can be read and is not JSON of that shape.
    pub fn credentials_if_readable(&self) -> Result<Credentials> {
        fs::read(&self.path).map_or_else(|_| Ok(Credentials::default()), |json| parse(&json))
    }

    /// Keeps a login for `domain`.
    ///
    /// # Errors
    /// The helper's, or the disk's.
    pub fn keep(&self, domain: &str, login: &Login) -> Result<Kept> {
        let lock = self.lock()?;
        let json = self.read()?;
        let credentials = Credentials::parse(&json)?;
        let (written, kept) = match credentials.helper(domain) {
            Some(helper) => {
                helper.store(key(domain), login)?;
                (Written::Elsewhere, Kept::ByHelper)
            }
            None => (Written::Login(login), Kept::InFile(self.path.clone())),
        };
        self.write(&Credentials::rewrite(&json, domain, Some(written))?)?;
        drop(lock);
        Ok(kept)
    }

    /// Forgets the login for `domain`. `false` if there was none.
    ///
    /// # Errors
    /// The helper's, or the disk's.
    pub fn forget(&self, domain: &str) -> Result<bool> {
        if !self.path.exists() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let json = self.read()?;
        let credentials = Credentials::parse(&json)?;
        let was_known = credentials.knows(domain);
        if let Some(helper) = credentials.helper(domain) {
            helper.erase(key(domain))?;
        }
        if was_known {
            self.write(&Credentials::rewrite(&json, domain, None)?)?;
        }
        Ok(was_known)
    }

    fn read(&self) -> Result<Vec<u8>> {
        match fs::read(&self.path) {
            Ok(json) if json.is_empty() => Ok(b"{}".to_vec()),
            Ok(json) => Ok(json),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(b"{}".to_vec()),
            Err(error) => Err(cannot("read", &self.path, &error)),
        }
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn lock(&self) -> Result<File> {
        let failed = |error| cannot("open", self.dir(), &error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.dir()).map_err(failed)?;
        let lock = File::open(self.dir()).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(lock)
    }

    /// Under the lock: what a killed login has left beside the file is taken over by this one.
    fn write(&self, json: &[u8]) -> Result<()> {
        // The file may be a link to where somebody keeps such files.
        let to = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let new = to.with_extension("json.new");
        let replace = || -> io::Result<()> {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(json)?;
            file.sync_all()?;
            fs::rename(&new, &to)
        };
        let _ = fs::remove_file(&new);
        replace().map_err(|error| {
            let _ = fs::remove_file(&new);
            cannot("write", &to, &error)
        })
    }
}

/// An empty file is one that nothing was written to yet.
fn parse(json: &[u8]) -> Result<Credentials> {
    if json.is_empty() { Ok(Credentials::default()) } else { Credentials::parse(json) }
}

fn cannot(operation: &str, path: &Path, error: &io::Error) -> Error {
    let report = ground::Error::new("cannot keep the login")
        .io(format_args!("{operation} {}", path.display()), error)
        .fix("make the directory yours, or name another one: DOCKER_CONFIG=DIR");
    Error::new(Kind::Invalid, report)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_a_killed_login_left_goes_with_the_next_and_its_rights_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = ConfigFile::new(dir.path().join("config.json"));
        let left = dir.path().join("config.json.new");
        fs::write(&left, "{").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).unwrap();
        let login = Login::Password { username: "me".into(), password: "secret".into() };
        let kept = file.keep("registry.test:5000", &login).unwrap();
        assert_eq!(kept, Kept::InFile(file.path.clone()));
        assert!(file.credentials().unwrap().knows("registry.test:5000"));
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
