//! A server that holds an image and can be told to fail: sixty lines of HTTP over a std socket.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use mini_docker::store::Store;
use oci::Reference;

use crate::world::{image, reference, shelf};

/// A request, and how often it came before.
pub struct Asked {
    pub line: String,
    pub headers: Vec<String>,
    pub before: usize,
    /// What an honest server would send.
    pub honest: Option<(String, Vec<u8>)>,
}

impl Asked {
    pub fn is_blob(&self) -> bool {
        self.line.contains("/blobs/")
    }

    pub fn is_manifest(&self) -> bool {
        self.line.contains("/manifests/")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// An answer in bytes, sent as they are; then the connection closes, at once or after a silence.
pub type Fault = dyn Fn(&Asked) -> Option<Vec<u8>> + Send + Sync;

pub struct FaultServer {
    pub name: Reference,
    pub log: Arc<Mutex<Vec<String>>>,
}

/// Serves an image with one layer of half a megabyte; `fault` may answer first.
pub fn start(fault: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) -> FaultServer {
    start_silent(Duration::ZERO, fault)
}

/// The same, and after a faulty answer nothing is heard for so long.
pub fn start_silent(
    silence: Duration,
    fault: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> FaultServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = reference(&listener.local_addr().unwrap().to_string(), "app:1");
    let source = shelf();
    let image = image(&source.store, &name, &[500_000]);
    let mut honest = HashMap::new();
    let manifest = source.store.image_manifest(&image.manifest).unwrap();
    let digests = manifest.blobs().map(|blob| ("blobs", blob.clone()));
    for (kind, what) in digests.chain([("manifests", image.manifest.clone())]) {
        let answer = (what.media_type.to_string(), read(&source.store, &what.digest));
        honest.insert(format!("/v2/app/{kind}/{}", what.digest), answer.clone());
        if kind == "manifests" {
            honest.insert("/v2/app/manifests/1".into(), answer);
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let server = FaultServer { name, log: Arc::clone(&log) };
    let shared = Arc::new((honest, fault, log));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                answer(stream.unwrap(), &shared.0, (&shared.1, silence), &shared.2)
            });
        }
    });
    server
}

fn read(store: &Store, digest: &oci::Digest) -> Vec<u8> {
    std::fs::read(store.layout().blob(digest)).unwrap()
}

fn answer(
    stream: TcpStream,
    honest: &HashMap<String, (String, Vec<u8>)>,
    (fault, silence): (&Fault, Duration),
    log: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let Some(line) = lines.next() else { return };
    let headers: Vec<String> =
        lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|known| **known == line).count();
        log.push(line.clone());
        before
    };
    let asked = Asked { line, headers, before, honest: honest.get(&path).cloned() };
    let faulty = fault(&asked);
    // A client that has heard enough may be gone.
    let _ = (&stream).write_all(&faulty.clone().unwrap_or_else(|| truth(&asked)));
    faulty.inspect(|_| std::thread::sleep(silence));
}

fn truth(asked: &Asked) -> Vec<u8> {
    match &asked.honest {
        _ if asked.line.contains(" /v2/ ") => http("200 OK", "", b"{}"),
        Some((media_type, body)) => from(asked, media_type, body),
        None => {
            http("404 Not Found", "", br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}"#)
        }
    }
}

/// The body, from where the client asked for it.
fn from(asked: &Asked, media_type: &str, body: &[u8]) -> Vec<u8> {
    let kind = format!("Content-Type: {media_type}\r\n");
    let start = asked
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match start {
        Some(start) => {
            let range =
                format!("{kind}Content-Range: bytes {start}-{}/{}\r\n", body.len() - 1, body.len());
            http("206 Partial Content", &range, &body[start..])
        }
        None => http("200 OK", &kind, body),
    }
}

/// An answer with its true length.
pub fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    with_length(status, headers, body, body.len())
}

/// An answer that announces `length` bytes, whatever it has.
pub fn with_length(status: &str, headers: &str, body: &[u8], length: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}
