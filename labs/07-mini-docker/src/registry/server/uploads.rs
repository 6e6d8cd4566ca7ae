//! Uploads: blobs on their way in.
//!
//! An upload is a [`BlobWriter`]: a temporary file that is hashed while it grows. It lives as long
//! as this process; a client whose upload is gone begins again.
//!
//! Source: distribution specification, "Pushing blobs".

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    thread,
    time::{Duration, Instant},
};

use axum::{
    extract::Query,
    http::{HeaderName, header, request::Parts},
};
use oci::Digest;

use super::{
    Registry,
    bridge::Incoming,
    manifests::CONTENT_DIGEST,
    reply::{Code, Refusal, Reply},
    route::{checked_name, digest},
};
use crate::store::BlobWriter;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// How long to wait for the request before to let go of an upload, and how often to look.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// An upload in progress; `None` once it is finished.
type Upload = Arc<Mutex<Option<BlobWriter>>>;

/// All uploads in progress, by ID.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Upload>>);

impl Uploads {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        // Insertions and removals are whole or not at all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: &str) -> Result<Upload, Refusal> {
        self.all().get(id).cloned().ok_or_else(unknown)
    }
}

/// `POST uploads/`: begins an upload, mounts a blob (`?mount=&from=`), or takes one whole
/// (`?digest=`).
pub(super) fn start(
    registry: &Registry,
    request: &Parts,
    name: &str,
    body: &mut Incoming,
) -> Result<Reply, Refusal> {
    let query = query(request)?;
    if let (Some(mount), Some(from)) = (query.get("mount"), query.get("from")) {
        let (mount, from) = (digest(mount)?, checked_name(from)?);
        if registry.repositories.has_blob(&from, &mount) && registry.store.has(&mount) {
            return created(registry, name, &mount);
        }
        // Otherwise the client uploads it after all.
    }
    let mut writer = registry.store.writer()?;
    if let Some(claimed) = query.get("digest") {
        let claimed = digest(claimed)?;
        receive(body, &mut writer)?;
        writer.commit_as(&claimed)?;
        return created(registry, name, &claimed);
    }
    let id = fresh_id();
    registry.uploads.all().insert(id.clone(), Arc::new(Mutex::new(Some(writer))));
    Ok(accepted(202, name, &id, 0))
}

/// `GET uploads/ID`: how much is here.
pub(super) fn status(registry: &Registry, name: &str, id: &str) -> Result<Reply, Refusal> {
    let upload = registry.uploads.get(id)?;
    let guard = ours(&upload)?;
    let writer = guard.as_ref().ok_or_else(unknown)?;
    Ok(accepted(204, name, id, writer.written()))
}

/// `PATCH uploads/ID`: the next bytes. What arrived before a cut is kept.
pub(super) fn append(
    registry: &Registry,
    request: &Parts,
    (name, id): (&str, &str),
    body: &mut Incoming,
) -> Result<Reply, Refusal> {
    let upload = registry.uploads.get(id)?;
    let mut guard = ours(&upload)?;
    let writer = guard.as_mut().ok_or_else(unknown)?;
    check_range(request, (name, id), writer.written())?;
    receive(body, writer)?;
    Ok(accepted(202, name, id, writer.written()))
}

/// `PUT uploads/ID?digest=`: the last bytes, if any, and the claim that must hold.
pub(super) fn finish(
    registry: &Registry,
    request: &Parts,
    (name, id): (&str, &str),
    body: &mut Incoming,
) -> Result<Reply, Refusal> {
    let query = query(request)?;
    let claimed = query.get("digest").map_or("", String::as_str);
    let claimed = digest(claimed)?;
    let upload = registry.uploads.get(id)?;
    let mut guard = ours(&upload)?;
    let writer = guard.as_mut().ok_or_else(unknown)?;
    check_range(request, (name, id), writer.written())?;
    receive(body, writer)?;
    let writer = guard.take().ok_or_else(unknown)?;
    registry.uploads.all().remove(id);
    writer.commit_as(&claimed)?;
    created(registry, name, &claimed)
}

/// `DELETE uploads/ID`: forgets it, bytes and all.
pub(super) fn cancel(registry: &Registry, id: &str) -> Result<Reply, Refusal> {
    registry.uploads.all().remove(id).map(|_| Reply::empty(204)).ok_or_else(unknown)
}

fn created(registry: &Registry, name: &str, digest: &Digest) -> Result<Reply, Refusal> {
    registry.repositories.add_blob(name, digest)?;
    Ok(Reply::empty(201)
        .header(header::LOCATION, format!("/v2/{name}/blobs/{digest}"))
        .header(CONTENT_DIGEST, digest))
}

/// Where to go on, and how many bytes are here.
fn accepted(status: u16, name: &str, id: &str, written: u64) -> Reply {
    let last = written.saturating_sub(1);
    Reply::empty(status)
        .header(header::LOCATION, format!("/v2/{name}/blobs/uploads/{id}"))
        .header(header::RANGE, format!("0-{last}"))
        .header(UPLOAD_ID, id)
}

/// A chunk must begin where the last one ended: `Content-Range: 100-199`.
fn check_range(request: &Parts, (name, id): (&str, &str), written: u64) -> Result<(), Refusal> {
    let range = request.headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let Some(range) = range else { return Ok(()) };
    let start = range.trim_start_matches("bytes ").split('-').next();
    if start.and_then(|start| start.parse().ok()) == Some(written) {
        return Ok(());
    }
    let message = format!("the chunk is {range}, and the next byte is {written}");
    let mut refusal = Refusal::new(416, Code::BlobUploadInvalid, message);
    refusal.headers = accepted(416, name, id, written).headers;
    Err(refusal)
}

/// Writes what arrives. The two sides fail for different reasons, and only one is our fault.
fn receive(body: &mut Incoming, writer: &mut BlobWriter) -> Result<(), Refusal> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = body.read(&mut buffer).map_err(|error: io::Error| {
            Refusal::new(400, Code::BlobUploadInvalid, format!("the body broke off: {error}"))
        })?;
        if count == 0 {
            return Ok(());
        }
        writer.write_all(&buffer[..count])?;
    }
}

/// An upload belongs to one request at a time. A client whose line broke is back before the thread
/// that served it has noticed, so it is given a moment.
fn ours(upload: &Upload) -> Result<MutexGuard<'_, Option<BlobWriter>>, Refusal> {
    let since = Instant::now();
    loop {
        match upload.try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(_)) => return Err(unknown()),
            Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let message = "another request is writing to this upload";
                return Err(Refusal::new(409, Code::BlobUploadInvalid, message));
            }
        }
    }
}

fn unknown() -> Refusal {
    Refusal::new(404, Code::BlobUploadUnknown, "unknown upload; begin again")
}

pub(super) fn query(request: &Parts) -> Result<HashMap<String, String>, Refusal> {
    let parsed = Query::<HashMap<String, String>>::try_from_uri(&request.uri);
    parsed.map(|Query(query)| query).map_err(|error| {
        Refusal::new(400, Code::Unsupported, format!("the query makes no sense: {error}"))
    })
}

/// An ID that nobody can guess: the standard library seeds each `RandomState` from the kernel.
fn fresh_id() -> String {
    let word = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", word(), word())
}
