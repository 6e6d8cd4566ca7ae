//! Certificates: whom to believe, and how to prove who we are without a password.
//!
//! ```text
//! /etc/docker/certs.d/HOST:PORT/
//! ├── ca.crt         an authority to believe, for this registry alone; may hold several
//! ├── client.cert    our own certificate,
//! └── client.key     and the key that goes with it
//! ```
//!
//! Source: docs.docker.com, "Verify repository client with certificates".

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::{
    Options, Result,
    error::{Error, Kind},
    network::{is_loopback, is_one_of},
};

/// How to speak TLS with `domain`.
pub(super) fn tls(domain: &str, options: &Options) -> Result<TlsConfig> {
    let mut files: Vec<PathBuf> = Vec::new();
    for dir in &options.certs_dirs {
        let entries = fs::read_dir(dir.join(domain)).into_iter().flatten().flatten();
        files.extend(entries.map(|entry| entry.path()));
    }
    // The first pair is taken, so the order must not be the file system's.
    files.sort();
    Ok(TlsConfig::builder()
        .root_certs(roots(domain, &files)?)
        .client_cert(client(&files)?)
        // As Docker: who is called insecure need not prove anything.
        .disable_verification(is_one_of(domain, &options.insecure))
        .build())
}

/// The machine's own certificates, else Mozilla's, and those put beside the registry's name.
fn roots(domain: &str, files: &[PathBuf]) -> Result<RootCerts> {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for path in files.iter().filter(|path| is(path, "crt")) {
        roots.extend(certificates(path)?);
    }
    // Reading the machine's certificates takes milliseconds that plain HTTP should not pay.
    if roots.is_empty() && is_loopback(domain) {
        return Ok(RootCerts::WebPki);
    }
    let machine = rustls_native_certs::load_native_certs().certs;
    if roots.is_empty() && machine.is_empty() {
        return Ok(RootCerts::WebPki);
    }
    roots.extend(machine.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()));
    Ok(RootCerts::Specific(Arc::new(roots)))
}

/// Our certificate, from the first `NAME.cert` with its `NAME.key`.
fn client(files: &[PathBuf]) -> Result<Option<ClientCert>> {
    let Some(path) = files.iter().find(|path| is(path, "cert")) else { return Ok(None) };
    let key = path.with_extension("key");
    if !files.contains(&key) {
        return Err(unreadable(
            path,
            &format!("{} is missing", key.display()),
            "put the key beside it; an authority's certificate ends in .crt",
        ));
    }
    let pem = fs::read(&key).map_err(|error| unreadable(&key, &error.to_string(), READABLE))?;
    let key = PrivateKey::from_pem(&pem).map_err(|e| unreadable(&key, &e.to_string(), READABLE))?;
    Ok(Some(ClientCert::new_with_certs(&certificates(path)?, key)))
}

const READABLE: &str = "it must be in PEM form, and readable for you";

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let pem = fs::read(path).map_err(|error| unreadable(path, &error.to_string(), READABLE))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        let item = item.map_err(|error| unreadable(path, &error.to_string(), READABLE))?;
        if let PemItem::Certificate(certificate) = item {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err(unreadable(path, "there is no certificate in it", READABLE)),
        false => Ok(found),
    }
}

fn is(path: &Path, kind: &str) -> bool {
    path.extension().is_some_and(|extension| extension == kind)
}

fn unreadable(path: &Path, why: &str, fix: &str) -> Error {
    let report = ground::Error::new("cannot read a registry's certificate")
        .why(format!("{}: {why}", path.display()))
        .fix(fix);
    Error::new(Kind::Insecure, report)
}
