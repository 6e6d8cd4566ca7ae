//! registry serve: a registry of our own, for the demonstration and for tests.

use std::{io, net::TcpListener, path::Path, process::ExitCode};

use ground::{Error, Result};
use mini_docker::{
    layout::Layout,
    registry::server::{self, Options},
    store::Store,
};
use nix::sys::{prctl, signal::Signal};

use super::{args::Registry, output::line};

/// `registry`
pub fn run(root: &Path, args: Registry) -> Result<ExitCode> {
    let Registry::Serve { listen, dies_with_parent } = args;
    if dies_with_parent {
        prctl::set_pdeathsig(Signal::SIGKILL)
            .map_err(|errno| Error::new("cannot serve").call("prctl(PR_SET_PDEATHSIG)", errno))?;
    }
    let cannot = |error: io::Error| {
        Error::new("cannot serve the registry")
            .io(format_args!("bind {listen}"), &error)
            .fix("choose another address or port: --listen 127.0.0.1:0")
    };
    let listener = TcpListener::bind(listen).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let store = Store::open(Layout::new(root))?;
    // Whoever started us waits for this line, and learns the port from it.
    line(format!("listening on {address}"))?;
    Err(server::serve(listener, Options { store, allow_delete: true, login: None }))
}
