//! TLS: who may do without, and whom to believe. With real certificates, made here by openssl.

use std::{
    net::{TcpListener, ToSocketAddrs},
    path::Path,
    process::Command,
};

use crate::{
    peers::{DockerRegistry, have},
    world::{client, image, pull, push, reference, serve_on, shelf},
};
use mini_docker::registry::client::Kind;

/// The machine's own name, if it leads back to it: an address that does not look like loopback.
fn own_name() -> Option<(String, TcpListener)> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let address = (name.as_str(), 0).to_socket_addrs().ok()?.find(|a| a.ip().is_loopback())?;
    let listener = TcpListener::bind(address).unwrap();
    Some((format!("{name}:{}", listener.local_addr().unwrap().port()), listener))
}

#[test]
fn a_registry_without_tls_is_refused_unless_it_is_here_or_named() {
    let Some((domain, listener)) = own_name() else {
        println!("skipped: this machine's name does not lead to a loopback address");
        return;
    };
    let (ours, theirs) = (shelf(), shelf());
    serve_on(listener, &theirs.store, |_| {});
    let wanted = reference(&domain, "app:1");
    let image = image(&ours.store, &wanted, &[1000]);
    let error = push(&client(|_| {}), &ours, (&image, &wanted)).map(drop).unwrap_err();
    let port = domain.rsplit(':').next().unwrap().to_owned();
    let name = domain.trim_end_matches(&format!(":{port}")).to_owned();
    let said = error.to_string().replace(&domain, "REGISTRY").replace(&name, "REGISTRY");
    insta::assert_snapshot!("plain_http_refused", said);
    push(&client(|o| o.insecure = vec![domain.clone()]), &ours, (&image, &wanted)).unwrap();
    pull(&client(|o| o.insecure = vec![name]), &shelf(), &wanted).unwrap();
}

/// A key and a certificate for 127.0.0.1 that only vouches for itself.
pub fn certificate(dir: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args([
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=lab",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "ca.crt"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_certificate_is_believed_only_where_it_was_put() {
    if !have("docker-registry") || !have("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let at = dir.path().display();
    let registry = DockerRegistry::start_with(&format!(
        "  tls: {{certificate: {at}/ca.crt, key: {at}/key.pem}}\n"
    ));
    let ours = shelf();
    let name = reference(&registry.domain, "app:1");
    let image = image(&ours.store, &name, &[1_500_000]);

    let error = push(&client(|_| {}), &ours, (&image, &name)).map(drop).unwrap_err();
    let mini_docker::transfer::Error::Registry(failure) = &error else { panic!("{error}") };
    assert_eq!(failure.kind, Kind::Insecure);
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "REGISTRY")]}, {
        insta::assert_snapshot!("certificate_unknown", error);
    });

    let certs = dir.path().join("certs.d");
    std::fs::create_dir_all(certs.join(&registry.domain)).unwrap();
    std::fs::copy(dir.path().join("ca.crt"), certs.join(&registry.domain).join("ca.crt")).unwrap();
    let client = client(|options| options.certs_dirs = vec![certs]);
    push(&client, &ours, (&image, &name)).unwrap();
    let pulled = pull(&client, &shelf(), &name).unwrap().0;
    assert_eq!(pulled.manifest.digest, image.manifest.digest);
}
