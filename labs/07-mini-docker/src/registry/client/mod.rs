//! The client: speaks the distribution API to one or many registries.
//!
//! A registry is a small HTTP API around a content store: manifests by tag or digest, blobs by
//! digest. What makes a client long is everything around it, and each has its own file here:
//!
//! | file | what it knows |
//! |---|---|
//! | `host` | which scheme, which address a name like `docker.io` means |
//! | `certs`, `proxy`, `network` | whom to believe, what lies on the way, which machine is meant |
//! | `mirrors` | who else may answer for docker.io |
//! | `request` | sending: authorisation, redirects, trying again |
//! | `challenge`, `auth` | what a registry asks for with a 401, and getting it |
//! | `credentials`, `keep`, `helper` | Docker's `config.json`, read and written, and its helper programs |
//! | `manifests`, `blobs`, `upload`, `listing`, `search` | the API itself |
//! | `download` | any file of the web, for `import` |
//! | `explain` | the requests in words, for a plan |
//! | `error` | a registry's answer in words with a fix |
//!
//! Everything blocks, and a [`Client`] may be used by many threads at once: a pull is as many
//! threads as it has layers on the way. It verifies what a digest promises for manifests; blobs
//! are streams, which whoever stores them verifies. It never touches the store.
//!
//! Source: OCI distribution specification; Docker's "Registry token authentication".

mod auth;
mod blobs;
mod certs;
mod challenge;
mod credentials;
mod download;
mod error;
pub mod explain;
mod helper;
mod host;
mod keep;
mod listing;
mod login;
mod manifests;
mod mirrors;
mod network;
mod proxy;
mod request;
mod search;
mod upload;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

pub use blobs::BlobBody;
pub use credentials::Credentials;
pub use error::{Error, Kind, Result};
pub use keep::{ConfigFile, Kept};
pub use login::Login;
pub use manifests::Fetched;
pub use proxy::Proxies;
pub use search::Found;

use host::Host;

/// What a client needs to know beforehand.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who we are, by registry.
    pub credentials: Credentials,
    /// Registries, as `host`, `host:port` or a network of theirs (10.0.0.0/8), that may be spoken
    /// to without TLS, or by anybody's certificate. Those on this very machine always may.
    pub insecure: Vec<String>,
    /// URLs of registries that are asked first for what is at docker.io.
    pub mirrors: Vec<String>,
    /// Directories with additional certificates, as /etc/docker/certs.d: `HOST:PORT/*.crt`.
    pub certs_dirs: Vec<PathBuf>,
    /// What lies on the way.
    pub proxies: Proxies,
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
    /// a time gets it, if it is no more than a minute: nobody waits for hours before a terminal.
    pub fn wait(&self, attempt: u32, error: &Error) -> Option<Duration> {
        let Kind::Unavailable { retry_after } = error.kind else { return None };
        if retry_after > Some(Duration::from_secs(60)) {
            return None;
        }
        let doubled = self.first_wait.saturating_mul(1 << (attempt - 1).min(16));
        let wait = retry_after.unwrap_or(doubled.min(Duration::from_secs(8)));
        (attempt < self.attempts).then_some(wait)
    }
}

impl Options {
    /// No credentials, TLS everywhere but on this machine, five tries, a minute of silence.
    pub fn anonymous() -> Self {
        Self {
            credentials: Credentials::default(),
            insecure: Vec::new(),
            mirrors: Vec::new(),
            certs_dirs: Vec::new(),
            proxies: Proxies::default(),
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
    mirrors: OnceLock<Vec<Result<Host>>>,
}

impl Client {
    /// A client that has spoken to nobody yet.
    pub fn new(options: Options) -> Self {
        Self { options, hosts: Mutex::default(), mirrors: OnceLock::new() }
    }

    /// Asks whether `domain` takes this login, without keeping it.
    ///
    /// # Errors
    /// [`Kind::Unauthorized`] if not; otherwise why there is no answer.
    pub fn try_login(&self, domain: &str, login: Login) -> Result<()> {
        let mut options = self.options.clone();
        options.credentials = options.credentials.with(domain, login);
        Self::new(options).ping(domain)
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
