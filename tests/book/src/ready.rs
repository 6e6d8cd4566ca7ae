//! What every stage finds: the image `unboxed:1`, made of this machine's busybox, and a registry that has it.
//!
//! It is made once a run, and copied to each stage: a store with the image, and the store of a
//! registry to which it was pushed. Its one layer is a root file system as lab 03 builds it.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use mini_docker::{layout::Layout, snapshot, store::Store};
use oci::{Config, History, ImageConfig, Manifest, MediaType, Platform};
use peers::Engine;
use tempfile::TempDir;

/// Programs that are busybox by another name; the image has no others.
const APPLETS: &str = "sh ash cat chmod chown cp date df dmesg echo env expr false find free grep head hostname id \
    ifconfig ip kill ln ls md5sum mkdir mknod mount mv nc nproc nslookup ping printenv ps pwd readlink rm rmdir route \
    sed seq sha256sum sleep sort stat su tail tar test top touch tr trap true umount uname uptime vi wc wget whoami \
    xargs yes";

/// The directory that is copied.
#[derive(Debug)]
pub struct Ready(TempDir);

impl Ready {
    /// Makes image and registry.
    ///
    /// # Panics
    /// When something of it fails.
    pub fn make() -> Self {
        // The name by which tests beside us know that it is no leak.
        let name = format!("unboxed-stage.{}.", std::process::id());
        let ready = Self(TempDir::with_prefix(name).expect("a temporary directory"));
        let store = ready.path().join("store");
        image(&store);
        ready.push(&store);
        // A store keeps other users out; these are copied by them.
        for root in [&store, &ready.path().join("registry")] {
            fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("our own");
        }
        ready
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn push(&self, store: &Path) {
        let registry = Registry::start(&self.path().join("registry"));
        let there = format!("{}/unboxed:1", registry.address);
        for args in [&["tag", "unboxed:1", &there][..], &["push", &there], &["rmi", &there]] {
            let mut command = Command::new(Engine::program());
            peers::run(command.arg("--root").arg(store).args(args)).success();
        }
    }
}

/// Makes the image in a store.
fn image(root: &Path) {
    let files = root.with_file_name("files");
    let sh = ["busybox".to_owned()].into_iter();
    let names = sh.chain(APPLETS.split_whitespace().map(|name| format!("{name}=busybox")));
    let programs: Vec<_> = names.map(|name| rootfs::Program::from(&*name)).collect();
    rootfs::build(&files, &programs, "/bin:/usr/bin".as_ref()).expect("a root file system");
    for directory in ["home", "mnt", "opt", "srv", "var"] {
        fs::create_dir(files.join(directory)).expect("a directory of ours");
    }
    fs::write(files.join("etc/hello"), "from the image\n").expect("a file of ours");
    let store = Store::open(Layout::new(root)).expect("a store");
    let layer = snapshot::pack(&store, &files, &|_| None).expect("a layer");
    store.record_layer(&layer.diff_id, &layer.blob).expect("a store of ours");
    let json = serde_json::to_vec(&config(&layer)).expect("a document");
    let config = store.put_bytes(MediaType::OciConfig, &json).expect("a store of ours");
    let json = serde_json::to_vec(&Manifest::new(config, vec![layer.blob])).expect("a document");
    let manifest = store.put_bytes(MediaType::OciManifest, &json).expect("a store of ours");
    let reference = "unboxed:1".parse().expect("a name");
    store.tag(&reference, &manifest).expect("a store of ours");
    fs::remove_dir_all(files).expect("a directory of ours");
}

fn config(layer: &snapshot::Packed) -> ImageConfig {
    let mut image = ImageConfig::new(&Platform::host());
    image.config = Some(Config {
        cmd: Some(vec!["sh".into()]),
        env: Some(vec![format!("PATH={}", rootfs::DEFAULT_PATH)]),
        ..Config::default()
    });
    image.rootfs.diff_ids.push(layer.diff_id.clone());
    let created_by = Some("copied from the host".into());
    image.history.push(History { created_by, ..History::default() });
    image
}

/// A registry on this machine, while the image is pushed to it.
struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start(root: &Path) -> Self {
        let mut command = Command::new(Engine::program());
        command.arg("--root").arg(root).args(["registry", "serve", "--listen", "127.0.0.1:0"]);
        command.arg("--dies-with-parent").stdout(Stdio::piped());
        let mut process = command.spawn().expect("mini-docker");
        let mut said = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        stdout.read_line(&mut said).expect("a line");
        let address = said.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Self { process, address }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
