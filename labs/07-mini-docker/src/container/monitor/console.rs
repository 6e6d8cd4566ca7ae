//! The console socket: how the master side of a terminal comes out of a container.
//!
//! The runtime makes the terminal inside, where its devpts is, and sends the master side over a
//! socket as a descriptor (unix(7), SCM_RIGHTS; runc's docs/terminals.md).

use std::{
    fs,
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
};

use ground::{Error, Result};

/// Waits for one terminal.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    /// The socket's name in the bundle. Whole paths of sockets have at most 107 bytes, so it is
    /// only ever used from there.
    pub name: PathBuf,
    path: PathBuf,
}

impl Listener {
    /// Makes the socket in the directory `bundle`, which becomes our working directory. Its name is
    /// ours alone: several programs may get a terminal at once.
    ///
    /// # Errors
    /// As bind(2).
    pub fn bind(bundle: &Path) -> Result<Self> {
        let name = PathBuf::from(format!("console-{}.sock", std::process::id()));
        let path = bundle.join(&name);
        let _ = fs::remove_file(&path);
        std::env::set_current_dir(bundle)
            .and_then(|()| UnixListener::bind(&name))
            .map(|listener| Self { listener, name, path: path.clone() })
            .map_err(|error| no_terminal().io(format_args!("bind {}", path.display()), &error))
    }

    /// Takes the terminal that the runtime sent.
    ///
    /// # Errors
    /// The runtime sent none.
    pub fn receive(self) -> Result<OwnedFd> {
        let (stream, _) =
            self.listener.accept().map_err(|error| no_terminal().io("accept", &error))?;
        crate::sys::receive(&stream)
            .map_err(|errno| no_terminal().call("recvmsg", errno))?
            .ok_or_else(|| no_terminal().why("the runtime sent no descriptor"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn no_terminal() -> Error {
    Error::new("cannot get the container's terminal").fix("leave -t out, or try another runtime")
}
