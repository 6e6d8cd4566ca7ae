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
//! | `usermode` | a way out by a program of the user's, without any right on the host |
//! | `holder` | keeps the namespace that an ordinary user's bridges are in |
//! | `porter`, `resolver` | published ports; names |

mod attach;
mod attendant;
mod define;
mod firewall;
mod forwarding;
pub mod holder;
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

use std::{collections::BTreeSet, fmt, path::PathBuf};

use ground::{Error, Result};

pub use attach::{Attachment, Tenant};
pub use define::{Definition, Problem, Subnet};
pub use ledger::{DEFAULT, Endpoint, Ledger, Link, Network};
pub use publish::{Lead, Port, Protocol, Publish, Published, Publishes};

use crate::layout::Layout;
use holder::Holder;
use ledger::Open;
use netns::Netns;
use parting::Parting;

/// What is known elsewhere of the containers in networks, by their IDs.
pub trait Tenants {
    /// Whether somebody watches over it: others are swept.
    fn is_watched(&self, container: &str) -> bool;
    /// Its network namespace, as a path, if it runs.
    fn netns(&self, container: &str) -> Option<PathBuf>;
}

/// Where bridges are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// In the network namespace that we are in: we are root of the host.
    Host,
    /// In one that a holder keeps: we are in the user namespace that an ordinary user's containers
    /// share.
    User,
    /// There as well, and we are not in that user namespace.
    Outside,
}

/// All networks of one store.
pub struct Networks<'a> {
    layout: &'a Layout,
    tenants: &'a dyn Tenants,
    ground: Ground,
    tag: String,
}

impl fmt::Debug for Networks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Networks").field("layout", self.layout).finish_non_exhaustive()
    }
}

impl<'a> Networks<'a> {
    /// Those of the store at `layout`.
    pub fn new(layout: &'a Layout, tenants: &'a dyn Tenants, ground: Ground) -> Self {
        // Two stores on one machine must not take each other's rules and bridges for their own.
        let mut tag = attach::hex(&[layout.root().as_os_str().as_encoded_bytes()]);
        tag.truncate(8);
        Self { layout, tenants, ground, tag }
    }

    /// What stands in the ledger, without what the dead have left in it. What somebody was killed at is
    /// taken away first; who is being plugged in just now is not in yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(&self) -> Result<Ledger> {
        let mut ledger = ledger::read(self.layout)?;
        if self.is_unfinished(&ledger) {
            if self.ground == Ground::Outside {
                holder::mend(self.layout.root());
                ledger = ledger::read(self.layout)?;
            } else if let Some(mut open) = Open::try_lock(self.layout)? {
                // Who has the lock is alive and at work on it.
                self.strike_dead(&mut open.ledger);
                // A look is no failure because of it: who makes something next is told.
                let _ = self.settle(&mut open);
                ledger = open.ledger;
            }
            ledger.strike_half_made();
        }
        self.strike_dead(&mut ledger);
        Ok(ledger)
    }

    /// What is written down of those that live. Nothing is mended, neither here nor in the kernel.
    ///
    /// # Errors
    /// A file that is no ledger.
    pub fn recorded(&self) -> Result<Ledger> {
        let mut ledger = ledger::read(self.layout)?;
        ledger.strike_half_made();
        self.strike_dead(&mut ledger);
        Ok(ledger)
    }

    /// Takes away what the dead have left, in the ledger and in the kernel.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn sweep(&self) -> Result<()> {
        let before = ledger::read(self.layout)?;
        let mut after = before.clone();
        self.strike_dead(&mut after);
        // Usually nobody was killed, and then nothing is locked.
        if (after == before && !self.is_lost(&after)) || self.is_a_users(&before) {
            return Ok(());
        }
        if self.ground == Ground::Outside && !after.endpoints.is_empty() {
            holder::mend(self.layout.root());
            return Ok(());
        }
        let mut open = self.open()?;
        self.settle(&mut open)
    }

    /// Does what is left to do. Who is at work on it is waited for: they may be doing just that.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn mend(&self) -> Result<()> {
        let mut ledger = ledger::read(self.layout)?;
        self.strike_dead(&mut ledger);
        if ledger.gone.is_empty() && ledger.unplugged.is_empty() && !self.is_lost(&ledger) {
            return self.look().map(drop);
        }
        let mut open = self.open()?;
        self.settle(&mut open)
    }

    /// Who is in the networks that `holder` keeps, after the dead were taken out. Nobody, and the
    /// holder is struck out: it has nothing to keep.
    ///
    /// # Errors
    /// When the ledger cannot be read or written; what the kernel said.
    pub fn users(&self, holder: &Holder) -> Result<BTreeSet<String>> {
        let mut open = self.open()?;
        // Of a store that was made anew, or after somebody could not see us.
        if open.ledger.holder.as_ref() != Some(holder) {
            return Ok(BTreeSet::new());
        }
        if open.ledger.endpoints.is_empty() {
            open.ledger.forget_kernel();
            open.write()?;
        } else if open.ledger.is_unfinished() {
            self.settle(&mut open)?;
        }
        Ok(open.ledger.endpoints.iter().map(|it| it.container.clone()).collect())
    }

    fn strike_dead(&self, ledger: &mut Ledger) {
        ledger.sweep(&|container| self.tenants.is_watched(container));
    }

    /// Whether somebody was killed at work on it, or is at it. What is left in a user's namespace goes
    /// with that when nobody is in it.
    fn is_unfinished(&self, ledger: &Ledger) -> bool {
        if self.ground == Ground::Host {
            return ledger.is_unfinished();
        }
        let mut now = ledger.clone();
        self.strike_dead(&mut now);
        !now.endpoints.is_empty() && (now.is_unfinished() || self.is_lost(&now))
    }

    /// Whether a user's containers have lost the namespace that they were plugged into.
    fn is_lost(&self, ledger: &Ledger) -> bool {
        let is_somebody_in = ledger.endpoints.iter().any(|it| !it.half_made);
        self.ground != Ground::Host && is_somebody_in && ledger.home().is_none()
    }

    /// Whether we are root of the host, and the networks are an ordinary user's.
    fn is_a_users(&self, ledger: &Ledger) -> bool {
        self.ground == Ground::Host && ledger.home().is_some()
    }

    /// The ledger, locked, without the dead.
    fn open(&self) -> Result<Open<'a>> {
        let mut open = Open::lock(self.layout)?;
        self.strike_dead(&mut open.ledger);
        Ok(open)
    }

    fn settle(&self, open: &mut Open<'_>) -> Result<()> {
        self.settle_while(open, |_| Ok(()))
    }

    fn settle_while<T: Send>(
        &self,
        open: &mut Open<'_>,
        meanwhile: impl FnOnce(&Ledger) -> Result<T> + Send,
    ) -> Result<T> {
        let (done, partings) = self.begin_to_settle(open, meanwhile)?;
        partings.into_iter().for_each(Parting::over);
        Ok(done)
    }

    /// As [`host::settle`], where our bridges are.
    fn begin_to_settle<T: Send>(
        &self,
        open: &mut Open<'_>,
        meanwhile: impl FnOnce(&Ledger) -> Result<T> + Send,
    ) -> Result<(T, Vec<Parting>)> {
        let tag = self.tag.as_str();
        if self.is_a_users(&open.ledger) {
            return Err(Error::new("cannot change the networks of this store")
                .why("they are in a namespace of the ordinary user whose containers run")
                .fix("do it as that user, or stop those containers first"));
        }
        if self.ground == Ground::Host {
            open.ledger.holder = None;
            return host::settle(open, tag, meanwhile);
        }
        let Some(netns) = self.home(open)? else {
            open.write()?;
            return Ok((meanwhile(&open.ledger)?, Vec::new()));
        };
        let unplugged = self.unplugged(&open.ledger);
        let settled = netns.inside(|| {
            host::settle(open, tag, |ledger| {
                for (container, theirs) in &unplugged {
                    // It may be ending just now.
                    let _ = attach::plug_again(ledger, container, theirs);
                }
                meanwhile(ledger)
            })
        })?;
        if !open.ledger.unplugged.is_empty() {
            open.ledger.unplugged.clear();
            open.write()?;
        }
        Ok(settled)
    }

    /// The network namespaces of containers that are to be plugged in again.
    fn unplugged(&self, ledger: &Ledger) -> Vec<(String, Netns)> {
        let theirs = |container: &String| {
            let netns = Netns::open(self.tenants.netns(container)?).ok()?;
            Some((container.clone(), netns))
        };
        ledger.unplugged.iter().filter_map(theirs).collect()
    }

    /// Where a user's bridges are. With the first container somebody begins to keep that place, and
    /// also where the one who did was killed. None where it is not ours to enter, or nobody needs it.
    fn home(&self, open: &mut Open<'_>) -> Result<Option<Netns>> {
        if let Some(netns) = open.ledger.home() {
            return Ok((self.ground == Ground::User).then_some(netns));
        }
        open.ledger.forget_kernel();
        if self.ground == Ground::Outside || open.ledger.endpoints.is_empty() {
            return Ok(None);
        }
        let holder = holder::start(self.layout.root())?;
        let netns = holder.netns();
        open.ledger.holder = Some(holder);
        open.write()?;
        netns.map(Some).ok_or_else(|| Error::new("the holder of the networks went away"))
    }

    /// Does something where our bridges are.
    fn at_home<T: Send>(
        &self,
        ledger: &Ledger,
        act: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T> {
        match (self.ground, ledger.home()) {
            (Ground::Host, _) | (_, None) => act(),
            (_, Some(netns)) => netns.inside(act),
        }
    }
}
