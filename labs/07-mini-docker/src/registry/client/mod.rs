//! The client: speaks the distribution API to one or many registries.
//!
//! A registry is a small HTTP API around a content store: manifests by tag or digest, blobs by
//! digest. What makes a client long is everything around it, and each has its own file here:
//!
//! | file | what it knows |
//! |---|---|
//! | `host` | which scheme, which certificates, which address a name like `docker.io` means |
//! | `request` | sending: authorisation, redirects, trying again |
//! | `challenge`, `auth` | what a registry asks for with a 401, and getting it |
//! | `credentials` | Docker's `config.json` and its helper programs |
//! | `manifests`, `blobs`, `upload`, `listing` | the API itself |
//! | `download` | any file of the web, for `import` |
//! | `error` | a registry's answer in words with a fix |
//!
//! Everything blocks, and a [`Client`] may be used by many threads at once: a pull is as many
//! threads as it has layers on the way. It verifies what a digest promises for manifests; blobs
//! are streams, which whoever stores them verifies. It never touches the store.
//!
//! Source: OCI distribution specification; Docker's "Registry token authentication".

mod auth;
mod blobs;
mod challenge;
mod credentials;
mod download;
mod error;
mod host;
mod listing;
mod manifests;
mod request;
mod upload;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use blobs::BlobBody;
pub use credentials::{Credentials, Login};
pub use error::{Error, Kind, Result};
pub use manifests::Fetched;

use host::Host;

/// What a client needs to know beforehand.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who we are, by registry.
    pub credentials: Credentials,
    /// Registries, as `host` or `host:port`, that may be spoken to without TLS. Those on this very
    /// machine always may.
    pub insecure: Vec<String>,
    /// Directories with additional certificates, as /etc/docker/certs.d: `HOST:PORT/*.crt`.
    pub certs_dirs: Vec<PathBuf>,
    /// The proxy's URL; never used for registries on this machine.
    pub proxy: Option<String>,
    /// How long a registry may be silent before the connection counts as cut.
    pub silence_max: Duration,
    /// When to try again.
    pub retry: Retry,
    /// How many bytes to upload in one request; everything at once if `None`, as Docker does.
    pub chunk_size: Option<u64>,
}

/// When to try again after a failure that may pass.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// How often to try in all.
    pub attempts: u32,
    /// The wait before the second try; it doubles each time, up to 8 s.
    pub first_wait: Duration,
}

impl Retry {
    /// How long to wait after the try `attempt`, from 1; `None` to give up. A registry that names
    /// a time gets it, up to a minute.
    pub fn wait(&self, attempt: u32, error: &Error) -> Option<Duration> {
        let Kind::Unavailable { retry_after } = error.kind else { return None };
        let doubled = self.first_wait.saturating_mul(1 << (attempt - 1).min(16));
        let wait = retry_after.unwrap_or(doubled.min(Duration::from_secs(8)));
        (attempt < self.attempts).then_some(wait.min(Duration::from_secs(60)))
    }
}

impl Options {
    /// No credentials, TLS everywhere but on this machine, five tries, a minute of silence.
    pub fn anonymous() -> Self {
        Self {
            credentials: Credentials::default(),
            insecure: Vec::new(),
            certs_dirs: Vec::new(),
            proxy: None,
            silence_max: Duration::from_secs(60),
            retry: Retry { attempts: 5, first_wait: Duration::from_millis(500) },
            chunk_size: None,
        }
    }
}

/// Speaks to registries; remembers connections and tokens.
#[derive(Debug)]
pub struct Client {
    options: Options,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

impl Client {
    /// A client that has spoken to nobody yet.
    pub fn new(options: Options) -> Self {
        Self { options, hosts: Mutex::default() }
    }

    /// When this client tries again.
    pub fn retry(&self) -> Retry {
        self.options.retry
    }

    /// The registry called `domain`, found out about on first use.
    fn host(&self, domain: &str) -> Result<Arc<Host>> {
        // A panic elsewhere cannot leave a map of Arcs half-changed.
        let hosts = || self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts().get(domain) {
            return Ok(Arc::clone(host));
        }
        // Not under the lock: a registry that does not answer must not stop the others.
        let host = Arc::new(Host::find(domain, &self.options)?);
        Ok(Arc::clone(hosts().entry(domain.to_owned()).or_insert(host)))
    }
}
