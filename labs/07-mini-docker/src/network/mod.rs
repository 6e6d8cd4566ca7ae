//! Networks: bridges, cables, addresses, names and ports for the network namespaces of others.
//!
//! This room knows paths of network namespaces and IDs, and no container. What it makes in the
//! kernel stands in a ledger first, so that the next command sees what a killed one left.
//!
//! | file | what it knows |
//! |---|---|
//! | `ledger` | the JSON file: networks, who is in them, what was made |
//! | `ipam` | which subnet, which address (pure) |
//! | `publish` | ports, as text and as data (pure) |
//! | `rules` | the ledger as text for nft or iptables (pure) |
//! | `firewall`, `nf_tables` | the program that reads it; what the kernel is told without one |
//! | `netlink`, `link`, `netns` | messages to the kernel; bridges, cables, addresses; namespaces |
//! | `parting` | what the kernel takes its time for |
//! | `host` | the host's side, made to look like the ledger |
//! | `forwarding` | the switch that all stores of the machine share |
//! | `attach` | a namespace enters a network, and leaves it |
//! | `define` | networks are made, found and removed |
//! | `attendant` | processes that answer for a container |
//! | `usermode` | a network by a program of the user's, without any right on the host |
//! | `porter`, `resolver` | its published ports; names |

mod attach;
mod attendant;
mod define;
mod firewall;
mod forwarding;
mod host;
pub mod interfaces;
pub mod ipam;
pub mod ledger;
mod link;
mod netlink;
pub mod netns;
mod nf_tables;
mod parting;
pub mod porter;
pub mod publish;
pub mod resolver;
mod rules;
pub mod usermode;

use std::fmt;

use ground::Result;

pub use attach::{Attachment, Tenant};
pub use define::{Definition, Problem, Subnet};
pub use ledger::{DEFAULT, Endpoint, Ledger, Link, Network};
pub use publish::{Lead, Port, Protocol, Publish, Published, Publishes};

use crate::layout::Layout;
use ledger::Open;

/// All networks of one store.
pub struct Networks<'a> {
    layout: &'a Layout,
    /// Whether a container is watched by somebody: others are swept.
    is_alive: &'a dyn Fn(&str) -> bool,
    tag: String,
}

impl fmt::Debug for Networks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Networks").field("layout", self.layout).finish_non_exhaustive()
    }
}

impl<'a> Networks<'a> {
    /// Those of the store at `layout`; `is_alive` says whether somebody watches over a container.
    pub fn new(layout: &'a Layout, is_alive: &'a dyn Fn(&str) -> bool) -> Self {
        // Two stores on one machine must not take each other's rules and bridges for their own.
        let mut tag = attach::hex(&[layout.root().as_os_str().as_encoded_bytes()]);
        tag.truncate(8);
        Self { layout, is_alive, tag }
    }

    /// What stands in the ledger, without what the dead have left in it. What somebody was killed at is
    /// taken away first; who is being plugged in just now is not in yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(&self) -> Result<Ledger> {
        let mut ledger = ledger::read(self.layout)?;
        if ledger.is_unfinished() {
            // Who has the lock is alive and at work on it.
            if let Some(mut open) = Open::try_lock(self.layout)? {
                // A look is no failure because of it: who makes something next is told.
                let _ = self.settle(&mut open);
                ledger = open.ledger;
            }
            ledger.strike_half_made();
        }
        ledger.sweep(self.is_alive);
        Ok(ledger)
    }

    /// Takes away what the dead have left, in the ledger and in the kernel.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn sweep(&self) -> Result<()> {
        let before = ledger::read(self.layout)?;
        let mut after = before.clone();
        after.sweep(self.is_alive);
        // Usually nobody was killed, and then nothing is locked.
        if after == before {
            return Ok(());
        }
        let mut open = self.open()?;
        self.settle(&mut open)
    }

    /// The ledger, locked, without the dead.
    fn open(&self) -> Result<Open<'a>> {
        let mut open = Open::lock(self.layout)?;
        open.ledger.sweep(self.is_alive);
        Ok(open)
    }

    fn settle(&self, open: &mut Open<'_>) -> Result<()> {
        self.settle_while(open, |_| Ok(()))
    }

    fn settle_while<T>(
        &self,
        open: &mut Open<'_>,
        meanwhile: impl FnOnce(&Ledger) -> Result<T>,
    ) -> Result<T> {
        let (done, partings) = host::settle(open, &self.tag, meanwhile)?;
        partings.into_iter().for_each(parting::Parting::over);
        Ok(done)
    }
}
