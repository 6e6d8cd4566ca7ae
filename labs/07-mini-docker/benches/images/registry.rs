//! The registry: Debian's docker-registry on loopback.

use std::{
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A registry that runs, and ends with this value.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    domain: String,
    dir: PathBuf,
}

impl Registry {
    /// Starts one that keeps its images in `dir`; `None` where it is not installed.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start(dir: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(dir)?;
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = dir.join("config.yml");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
                 http:\n  addr: {free}\n",
                dir.join("images").display()
            ),
        )?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let child = match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            child => child?,
        };
        wait_for(|| std::net::TcpStream::connect(free).is_ok(), "docker-registry")?;
        Ok(Some(Self { child, domain: free.to_string(), dir: dir.to_owned() }))
    }

    /// An empty one beside this one.
    ///
    /// # Errors
    /// As [`Registry::start`].
    pub fn another(&self) -> io::Result<Self> {
        let dir = self.dir.with_file_name("another");
        Self::start(&dir)?.ok_or_else(|| io::Error::other("docker-registry is gone"))
    }

    /// The full name of an image in it.
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}:1", self.domain)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Whatever of it stays goes with our namespaces and our directory.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Waits until something is there.
///
/// # Errors
/// Not within half a minute.
pub fn wait_for(mut is_there: impl FnMut() -> bool, what: &str) -> io::Result<()> {
    let begin = Instant::now();
    while !is_there() {
        if begin.elapsed() > Duration::from_secs(30) {
            return Err(io::Error::other(format!("{what} does not answer")));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
