//! Settings, as the program itself finds them: certificates, mirrors and proxies, by the files and
//! variables that Docker has for them.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
    sync::{Arc, Mutex},
};

use testbed::needs;

use crate::{
    commands::{is_whole, mini_docker, succeeded},
    fault_server::start,
    peers::{DockerRegistry, have},
    tls::certificate,
    world::{client, image, push, reference, serve, shelf},
};

/// Puts a file among the settings of a user whose home is where `mini-docker` keeps its images.
fn set(home: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = home.join(".config").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[track_caller]
fn refused(output: &Output, domain: &str) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).replace(domain, "REGISTRY")
}

/// What a registry asks of its visitors is put into one directory, and believed from there.
#[test]
fn certificates_of_both_sides_lie_beside_the_name_of_the_registry() {
    needs!(Root);
    if !have("docker-registry") || !have("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    let at = dir.path().display();
    let registry = DockerRegistry::start_with(&format!(
        "  tls: {{certificate: {at}/ca.crt, key: {at}/key.pem, clientcas: [{at}/ca.crt]}}\n"
    ));
    let domain = &registry.domain;
    let ours = shelf();
    let name = reference(domain, "app:1");
    let image = image(&ours.store, &name, &[1000]);

    let home = tempfile::tempdir().unwrap();
    let beside = |file: &str, content: &str| {
        set(home.path(), &format!("docker/certs.d/{domain}/{file}"), read(content));
    };
    let pull = || mini_docker(home.path(), &["pull", "-q", &name.to_string()]).output().unwrap();
    let mut told = refused(&pull(), domain);
    beside("ca.crt", "ca.crt");
    told += &refused(&pull(), domain);
    insta::assert_snapshot!("certificates_missing", told);

    beside("client.cert", "ca.crt");
    beside("client.key", "key.pem");
    let certs = home.path().join(".config/docker/certs.d");
    let client = client(|options| options.certs_dirs = vec![certs]);
    push(&client, &ours, (&image, &name)).unwrap();
    succeeded(&pull());
}

#[test]
fn a_mirror_of_daemon_json_is_asked_for_images_of_docker_io() {
    needs!(Root);
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let there = reference(&domain, "library/app:1");
    push(&client(|_| {}), &ours, (&image(&ours.store, &there, &[1000]), &there)).unwrap();
    let home = tempfile::tempdir().unwrap();
    let mirrors = format!(r#"{{"registry-mirrors": ["http://{domain}"]}}"#);
    set(home.path(), "mini-docker/daemon.json", mirrors);
    let say = |words: &[&str]| mini_docker(home.path(), words).output().unwrap();
    succeeded(&say(&["pull", "-q", "app:1"]));
    let names = say(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert_eq!(String::from_utf8_lossy(&names.stdout), "app:1\n");
}

/// Whoever is asked for by whatever name, `to` answers. Returns the proxy's address and what it heard.
fn proxy(to: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (to, log) = (to.to_owned(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&log);
    std::thread::spawn(move || {
        for visitor in listener.incoming() {
            let (to, heard) = (to.clone(), Arc::clone(&heard));
            std::thread::spawn(move || pass_on(visitor.unwrap(), &to, &heard));
        }
    });
    (address, log)
}

/// A tunnel by CONNECT (RFC 9110, section 9.3.6), or one request with the whole address in its line.
fn pass_on(visitor: TcpStream, to: &str, heard: &Mutex<Vec<String>>) {
    let mut from_visitor = BufReader::new(visitor.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from_visitor.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    heard.lock().unwrap().push(head.lines().next().unwrap().to_owned());
    let server = TcpStream::connect(to).unwrap();
    if head.starts_with("CONNECT ") {
        (&visitor).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    } else {
        let (method, rest) = head.split_once(' ').unwrap();
        let path = rest.split_once("://").and_then(|(_, rest)| rest.split_once('/')).unwrap().1;
        (&server).write_all(format!("{method} /{path}").as_bytes()).unwrap();
    }
    let back = (server.try_clone().unwrap(), visitor);
    let way_back = std::thread::spawn(move || copy(&back.0, &back.1));
    copy(from_visitor, &server);
    way_back.join().unwrap();
}

/// Until the one side ends; then the other one hears of it.
fn copy(mut from: impl Read, to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut &*to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// A name that nobody has: only the proxy can find it (RFC 2606).
const FAR_AWAY: &str = "registry.invalid:5000";

#[test]
fn a_registry_behind_a_proxy_is_found_by_the_proxy_alone() {
    needs!(Root);
    let server = start(|_| None);
    let insecure = format!(r#"{{"insecure-registries": ["{FAR_AWAY}"]}}"#);
    for by_file in [false, true] {
        let (address, heard) = proxy(server.name.domain());
        let home = tempfile::tempdir().unwrap();
        let proxies = format!(
            r#"{{"insecure-registries": ["{FAR_AWAY}"],
                "proxies": {{"http-proxy": "http://{address}", "https-proxy": "http://{address}"}}}}"#
        );
        set(home.path(), "mini-docker/daemon.json", if by_file { &proxies } else { &insecure });
        let mut pull = mini_docker(home.path(), &["pull", "-q", &format!("{FAR_AWAY}/app:1")]);
        if !by_file {
            pull.env("HTTP_PROXY", format!("http://{address}"));
            pull.env("HTTPS_PROXY", format!("http://{address}"));
        }
        succeeded(&pull.output().unwrap());
        let heard = heard.lock().unwrap();
        assert!(heard.iter().all(|line| line.contains(FAR_AWAY)), "{heard:#?}");
        is_whole(home.path());
    }
}
