//! The server: a store, and the distribution API in front of it.
//!
//! Everything that a registry has to know is whether a blob is whole and which names may see it;
//! the first is the store's, the second is `repositories`. Each request is answered by a plain
//! blocking function on a thread of its own, and `bridge` is the one file that is async.
//!
//! | file | what it knows |
//! |---|---|
//! | `route` | paths: names have slashes, so a table of patterns cannot split them |
//! | `bridge` | from HTTP to a blocking function and back, as streams |
//! | `repositories` | which names may see which blobs |
//! | `manifests`, `blobs`, `uploads`, `listing` | the API itself |
//! | `reply` | answers, and refusals with the specification's codes |
//!
//! Source: OCI distribution specification.

mod blobs;
mod bridge;
mod listing;
mod manifests;
mod reply;
mod repositories;
mod route;
mod uploads;

use std::{net::TcpListener, sync::Arc};

use axum::http::{Method, header, request::Parts};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::store::{self, Freed, Store};
use bridge::Incoming;
use reply::{Code, Refusal, Reply};
use repositories::Repositories;
use route::Route;
use uploads::Uploads;

/// What a registry needs to know beforehand.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its content lies; better not the one that containers run from.
    pub store: Store,
    /// Whether anything may be deleted. Docker's registry refuses until it is told otherwise.
    pub allow_delete: bool,
    /// The one name and password to ask for; everybody may do everything if `None`.
    pub login: Option<(String, String)>,
}

/// The state that all requests share.
#[derive(Debug)]
struct Registry {
    store: Store,
    repositories: Repositories,
    uploads: Uploads,
    allow_delete: bool,
    authorization: Option<String>,
}

/// Answers requests on `listener` until the process ends; returns only if it cannot.
pub fn serve(listener: TcpListener, options: Options) -> ground::Error {
    let cannot = |why: std::io::Error| {
        ground::Error::new("cannot serve the registry")
            .io("listen", &why)
            .fix("choose another address or port")
    };
    let registry = Arc::new(Registry {
        repositories: Repositories::new(&options.store),
        uploads: Uploads::default(),
        allow_delete: options.allow_delete,
        authorization: options.login.map(|(name, password)| {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
        }),
        store: options.store,
    });
    match bridge::run(listener, registry) {
        Err(error) => cannot(error),
        Ok(()) => ground::Error::new("cannot serve the registry").why("the listener was closed"),
    }
}

/// Removes what no manifest of any repository points to; only while nobody pushes.
///
/// Deleting a manifest frees nothing by itself, since its layers may belong to others.
///
/// # Errors
/// [`store::Kind::Busy`] while somebody holds a lease on the store.
pub fn collect(store: &Store) -> store::Result<Freed> {
    let _alone = store.alone()?;
    let repositories = Repositories::new(store);
    let roots = repositories.all_manifests()?;
    let marked = store::reachable(store, roots);
    let freed = store::sweep(store, &marked)?;
    repositories.forget_missing(store)?;
    Ok(freed)
}

/// The blocking function behind every request.
fn answer(registry: &Registry, request: &Parts, body: &mut Incoming) -> Result<Reply, Refusal> {
    registry.check_login(request)?;
    let route = Route::parse(request.uri.path())?;
    match (&request.method, route) {
        (&Method::GET | &Method::HEAD, Route::Base) => Ok(Reply::json(200, &serde_json::json!({}))),
        (&Method::GET, Route::Catalog) => listing::catalog(registry, request),
        (&Method::GET, Route::Tags { name }) => listing::tags(registry, request, &name),
        (&Method::GET, Route::Referrers { name, digest }) => {
            listing::referrers(registry, &name, &digest)
        }
        (method, Route::Manifest { name, reference }) => match *method {
            Method::GET | Method::HEAD => manifests::get(registry, &name, &reference),
            Method::PUT => manifests::put(registry, request, (&name, &reference), body),
            Method::DELETE => manifests::delete(registry, &name, &reference),
            _ => Err(Refusal::method()),
        },
        (method, Route::Blob { name, digest }) => match *method {
            Method::GET | Method::HEAD => blobs::get(registry, request, &name, &digest),
            Method::DELETE => blobs::delete(registry, &name, &digest),
            _ => Err(Refusal::method()),
        },
        (&Method::POST, Route::Uploads { name }) => uploads::start(registry, request, &name, body),
        (method, Route::Upload { name, id }) => match *method {
            Method::GET => uploads::status(registry, &name, &id),
            Method::PATCH => uploads::append(registry, request, (&name, &id), body),
            Method::PUT => uploads::finish(registry, request, (&name, &id), body),
            Method::DELETE => uploads::cancel(registry, &id),
            _ => Err(Refusal::method()),
        },
        _ => Err(Refusal::method()),
    }
}

impl Registry {
    fn check_login(&self, request: &Parts) -> Result<(), Refusal> {
        let Some(expected) = &self.authorization else { return Ok(()) };
        let given = request.headers.get(header::AUTHORIZATION);
        if given.is_some_and(|given| given.as_bytes() == expected.as_bytes()) {
            return Ok(());
        }
        Err(Refusal::new(401, Code::Unauthorized, "authentication required")
            .header(header::WWW_AUTHENTICATE, "Basic realm=\"mini-docker registry\""))
    }

    fn check_delete(&self) -> Result<(), Refusal> {
        match self.allow_delete {
            true => Ok(()),
            false => Err(Refusal::new(405, Code::Unsupported, "deletion is not enabled here")),
        }
    }
}
