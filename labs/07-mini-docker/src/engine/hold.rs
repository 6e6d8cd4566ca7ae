//! hold: the process that keeps the network namespace of an ordinary user's networks.
//!
//! It sleeps in poll(2) until the monitor of a container ends that it knows of, and looks then who is
//! left. It ends while it holds the ledger's lock: who comes next finds it, or makes another one.

use std::os::fd::{AsFd, OwnedFd};

use ground::Result;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::plug::with_networks;
use crate::{
    container::{Identity, Record},
    layout::Layout,
    network::holder,
};

/// Is the holder of a store's networks, in a process of its own, as long as a container is in one.
///
/// # Errors
/// When nobody can be told what went wrong.
pub fn hold() -> Result<()> {
    let Some(kept) = holder::begin()? else { return Ok(()) };
    let layout = Layout::new(&kept.root);
    let mut monitors = Vec::new();
    loop {
        match with_networks(&layout, |networks| networks.users(&kept.holder)) {
            Ok(users) if users.is_empty() => break,
            Ok(users) => monitors = users.iter().filter_map(|id| monitor(&layout, id)).collect(),
            // The disk may be full, or the store is gone: who is known to run keeps us.
            Err(_) if monitors.is_empty() => break,
            Err(_) => {}
        }
        await_end_of_one(&mut monitors);
    }
    kept.end();
    Ok(())
}

fn monitor(layout: &Layout, container: &str) -> Option<OwnedFd> {
    let record = Record::read(&layout.container(container)).ok().flatten()?;
    record.state.monitor.as_ref().and_then(Identity::open)
}

/// Waits until one of these processes has ended, and forgets who has. Does not wait for nobody.
fn await_end_of_one(processes: &mut Vec<OwnedFd>) {
    let mut fds: Vec<_> =
        processes.iter().map(|it| PollFd::new(it.as_fd(), PollFlags::POLLIN)).collect();
    while !fds.is_empty() && poll(&mut fds, PollTimeout::NONE) == Err(Errno::EINTR) {}
    let ended: Vec<bool> = fds.iter().map(|it| it.any().unwrap_or(true)).collect();
    let mut ended = ended.into_iter();
    processes.retain(|_| !ended.next().unwrap_or(false));
}
