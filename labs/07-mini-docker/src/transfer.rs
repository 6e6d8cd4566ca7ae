//! Transfer: images between a registry and the store, blob by blob and several at once.
//!
//! Pulling goes down the tree, reference, manifest, config and layers, and names the image last:
//! a pull that breaks off leaves blobs that the next one uses, and no half image. Pushing goes up,
//! blobs before the manifest that points to them, because a registry refuses one that points to
//! nothing. Both move only what the other side does not have.
//!
//! Bytes are hashed while they are written, never twice and never after; a blob is at no time in
//! memory as a whole.

mod download;
mod pull;
mod push;

use std::fmt;

pub use download::fetch_blob;
pub use pull::{Pulled, Resolved, pull_manifest_tree, resolve};
pub use push::{Pushed, push_image, send_blob};

use crate::{event::Event, registry::client, store};

/// How many blobs move at once. Docker takes three for a pull and five for a push; one connection
/// rarely fills a line, and more than a few only share it.
const AT_ONCE: usize = 4;

/// Who hears what happens, from several threads.
pub type OnEvent<'a> = &'a (dyn Fn(Event) + Sync);

/// What the functions of this room return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Which side failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The registry, or the way there.
    Registry(client::Error),
    /// Our own store.
    Store(store::Error),
    /// Neither: what was asked for makes no sense.
    Invalid(ground::Error),
}

impl Error {
    /// What to tell.
    pub fn report(&self) -> &ground::Error {
        match self {
            Self::Registry(error) => &error.report,
            Self::Store(error) => &error.report,
            Self::Invalid(report) => report,
        }
    }

    /// The same failure, said of the whole: `cannot pull alpine` instead of one of its blobs. The
    /// registry's failures say so already.
    fn said_of(mut self, what: &str) -> Self {
        if let Self::Store(error) = &mut self {
            let report = &mut error.report;
            let detail = std::mem::replace(&mut report.what, what.to_owned());
            report.why = Some(match report.why.take() {
                Some(why) => format!("{detail}: {why}"),
                None => detail,
            });
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report().fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Self {
        Self::Registry(error)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<oci::Invalid> for Error {
    fn from(invalid: oci::Invalid) -> Self {
        let report = ground::Error::new(invalid.what).why(invalid.why);
        Self::Invalid(match invalid.fix {
            Some(fix) => report.fix(fix),
            None => report,
        })
    }
}

impl From<Error> for ground::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Registry(error) => error.report,
            Error::Store(error) => error.report,
            Error::Invalid(report) => report,
        }
    }
}
