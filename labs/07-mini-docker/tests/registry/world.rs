//! A small world for the tests: stores in temporary directories, registries on loopback, images.

use std::{io::Write, net::TcpListener, sync::Mutex, time::Duration};

use flate2::{Compression, write::GzEncoder};
use mini_docker::{
    event::Event,
    layout::Layout,
    registry::{
        client::{Client, Options, Retry},
        server,
    },
    store::{Image, Store, sha256},
    transfer,
};
use oci::{Descriptor, Digest, ImageConfig, Manifest, MediaType, Platform, Reference};
use tempfile::TempDir;

/// A store that vanishes with the value.
pub struct Shelf {
    pub store: Store,
    pub dir: TempDir,
}

pub fn shelf() -> Shelf {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Layout::new(dir.path())).unwrap();
    Shelf { store, dir }
}

impl Shelf {
    /// Everything in the store's directories of content, relative to its root.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for dir in ["blobs/sha256", "ingest"] {
            let Ok(entries) = std::fs::read_dir(self.dir.path().join(dir)) else { continue };
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            files.extend(names.map(|name| format!("{dir}/{name}")));
        }
        files.sort();
        files
    }

    pub fn blobs(&self) -> usize {
        self.files().iter().filter(|file| file.starts_with("blobs/")).count()
    }
}

/// Our own registry on a free port, until the process ends.
pub fn serve(store: &Store, change: impl FnOnce(&mut server::Options)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let domain = listener.local_addr().unwrap().to_string();
    serve_on(listener, store, change);
    domain
}

/// The same on a socket of the caller's choice.
pub fn serve_on(listener: TcpListener, store: &Store, change: impl FnOnce(&mut server::Options)) {
    let mut options = server::Options { store: store.clone(), allow_delete: false, login: None };
    change(&mut options);
    std::thread::spawn(move || panic!("{}", server::serve(listener, options)));
}

/// A client that does not make us wait.
pub fn client(change: impl FnOnce(&mut Options)) -> Client {
    let mut options = Options::anonymous();
    options.retry = Retry { attempts: 3, first_wait: Duration::from_millis(10) };
    options.silence_max = Duration::from_secs(5);
    change(&mut options);
    Client::new(options)
}

pub fn reference(domain: &str, rest: &str) -> Reference {
    format!("{domain}/{rest}").parse().unwrap()
}

/// Bytes that do not compress and are the same each time.
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(size);
    bytes
}

/// A gzipped tar archive with one file, and the digest of the archive inside.
pub fn layer(seed: u64, size: usize) -> (Vec<u8>, Digest) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, format!("file-{seed}"), &noise(seed, size)[..]).unwrap();
    let archive = archive.into_inner().unwrap();
    let diff_id = sha256(&archive);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&archive).unwrap();
    (gzip.finish().unwrap(), diff_id)
}

/// Puts an image with layers of these sizes into the store; the same sizes give the same image.
pub fn image(store: &Store, name: &Reference, sizes: &[usize]) -> Image {
    let mut config = ImageConfig::new(&Platform::host());
    let mut layers = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let (bytes, diff_id) = layer(*size as u64 + number as u64, *size);
        layers.push(store.put_bytes(MediaType::OciLayerGzip, &bytes).unwrap());
        config.rootfs.diff_ids.push(diff_id);
    }
    let config = store.put_bytes(MediaType::OciConfig, &serde_json::to_vec(&config).unwrap());
    let manifest = Manifest::new(config.unwrap(), layers);
    let json = serde_json::to_vec_pretty(&manifest).unwrap();
    let manifest = store.put_bytes(MediaType::OciManifest, &json).unwrap();
    store.tag(name, &manifest).unwrap();
    store.find(name).unwrap().unwrap()
}

/// Remembers what happened.
#[derive(Default)]
pub struct Journal(Mutex<Vec<Event>>);

impl Journal {
    pub fn note(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.0.lock().unwrap().iter().filter(|event| wanted(event)).count()
    }
}

pub fn push(
    client: &Client,
    shelf: &Shelf,
    (image, to): (&Image, &Reference),
) -> Result<(transfer::Pushed, Journal), transfer::Error> {
    let journal = Journal::default();
    let pushed =
        transfer::push_image(client, &shelf.store, (image, to), &|event| journal.note(event));
    Ok((pushed?, journal))
}

pub fn pull(
    client: &Client,
    shelf: &Shelf,
    from: &Reference,
) -> Result<(transfer::Pulled, Journal), transfer::Error> {
    let journal = Journal::default();
    let wanted = (from, &Platform::host());
    let note = |event| journal.note(event);
    let _lease = shelf.store.lease()?;
    let pulled = transfer::pull_manifest_tree(client, &shelf.store, wanted, &note)?;
    pulled.name(&shelf.store, &note)?;
    Ok((pulled, journal))
}

/// The bytes of all blobs of an image together.
pub fn weight(store: &Store, manifest: &Descriptor) -> u64 {
    store.image_manifest(manifest).unwrap().blobs().map(|blob| blob.size).sum()
}

/// Runs an ignored test of this program alone in a process of its own.
pub fn alone(test: &str, path: Option<&str>) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", test, "--ignored", "--nocapture"]);
    child.envs(path.map(|path| ("PATH", path)));
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let ran = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(ran, "there is no test called {test}");
}
