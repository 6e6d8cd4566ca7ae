//! Real peers: Debian's docker-registry for our client, skopeo for our server.
//!
//! Both are started here on loopback with a directory of their own, and end with the test. Without
//! them a test says that it was skipped; with `LABS_MUST_RUN=1` that is a failure.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::world::{client, image, pull, push, reference, serve, shelf, weight};
use mini_docker::registry::client::Kind;

/// Whether a program is installed; says so if not.
pub fn have(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    assert!(found || std::env::var_os("LABS_MUST_RUN").is_none(), "{program} is not installed");
    if !found {
        println!("skipped: {program} is not installed (apt-get install {program})");
    }
    found
}

/// Debian's registry; killed when dropped.
pub struct DockerRegistry {
    child: Child,
    pub domain: String,
    _dir: tempfile::TempDir,
}

impl DockerRegistry {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines in the `http` section of its configuration.
    pub fn start_with(http: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A port that was free a moment ago.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let domain = listener.local_addr().unwrap().to_string();
        drop(listener);
        let config = dir.path().join("config.yml");
        let root = dir.path().join("root");
        let yaml = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: \"{domain}\"\n{http}",
            root.display()
        );
        std::fs::write(&config, yaml).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let up = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(&domain).is_ok()
        });
        assert!(up, "docker-registry did not start");
        Self { child, domain, _dir: dir }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn skopeo(arguments: &[&str]) -> String {
    let policy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(policy.path(), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
    let output =
        Command::new("skopeo").arg("--policy").arg(policy.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The digest of the manifest that skopeo wrote to a `dir:`.
fn digest_in(dir: &Path) -> String {
    let bytes = std::fs::read(dir.join("manifest.json")).unwrap();
    mini_docker::store::sha256(&bytes).to_string()
}

#[test]
fn we_push_to_docker_registry_and_pull_back() {
    if !have("docker-registry") {
        return;
    }
    let registry = DockerRegistry::start();
    for (number, chunk) in [None, Some(1_000_000)].into_iter().enumerate() {
        let (ours, other) = (shelf(), shelf());
        let name = reference(&registry.domain, &format!("team/app{number}:1"));
        let image = image(&ours.store, &name, &[4_000_000 + number, 50_000 + number]);
        let client = client(|options| options.chunk_size = chunk);
        let (pushed, _) = push(&client, &ours, (&image, &name)).unwrap();
        assert_eq!(pushed.moved, weight(&ours.store, &image.manifest));
        let (pulled, _) = pull(&client, &other, &name).unwrap();
        assert_eq!(pulled.manifest.digest, image.manifest.digest);
        assert_eq!(push(&client, &ours, (&image, &name)).unwrap().0.moved, 0);
        assert_eq!(pull(&client, &other, &name).unwrap().0.moved, 0);

        let elsewhere = reference(&registry.domain, &format!("mounted{number}:1"));
        assert_eq!(push(&client, &ours, (&image, &elsewhere)).unwrap().0.moved, 0, "mounted");
        assert_eq!(client.tags(&elsewhere).unwrap(), ["1"]);
        assert!(client.catalog(&registry.domain).unwrap().contains(&format!("mounted{number}")));
        client.delete_manifest(&elsewhere.at(image.manifest.digest)).unwrap();
        let gone = client.manifest(&elsewhere).unwrap_err();
        assert_eq!(gone.kind, Kind::NotFound, "{gone}");
    }
}

#[test]
fn docker_registry_is_resumed_in_the_middle() {
    if !have("docker-registry") {
        return;
    }
    let registry = DockerRegistry::start();
    let (ours, other) = (shelf(), shelf());
    let name = reference(&registry.domain, "app:1");
    let image = image(&ours.store, &name, &[600_000]);
    let client = client(|_| {});
    push(&client, &ours, (&image, &name)).unwrap();
    let layer = ours.store.image_manifest(&image.manifest).unwrap().layers[0].clone();
    let mut part = other.store.ingest(&layer).unwrap().unwrap();
    let half = std::io::Read::take(ours.store.blob(&layer.digest).unwrap(), 300_000);
    std::io::copy(&mut { half }, &mut part).unwrap();
    drop(part);
    let (pulled, _) = pull(&client, &other, &name).unwrap();
    assert_eq!(pulled.moved, weight(&ours.store, &image.manifest) - 300_000);
}

#[test]
fn skopeo_and_docker_registry_agree_with_us_on_every_digest() {
    if !have("skopeo") || !have("docker-registry") {
        return;
    }
    let registry = DockerRegistry::start();
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let name = reference(&registry.domain, "app:1");
    let image = image(&ours.store, &name, &[1_200_000, 3000]);
    push(&client(|_| {}), &ours, (&image, &name)).unwrap();
    // docker-registry -> skopeo -> our server -> skopeo -> a directory
    let from = format!("docker://{}/app:1", registry.domain);
    let to = format!("docker://{domain}/copied/app:1");
    skopeo(&["copy", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to]);
    let pulled = pull(&client(|_| {}), &shelf(), &reference(&domain, "copied/app:1")).unwrap().0;
    assert_eq!(pulled.manifest.digest, image.manifest.digest);
    let dir = tempfile::tempdir().unwrap();
    skopeo(&["copy", "--src-tls-verify=false", &to, &format!("dir:{}", dir.path().display())]);
    assert_eq!(digest_in(dir.path()), image.manifest.digest.to_string());
    let listed =
        skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{domain}/copied/app")]);
    assert!(listed.contains("\"1\""), "{listed}");
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &to]);
    assert_eq!(mini_docker::store::sha256(raw.as_bytes()), image.manifest.digest);
}

#[test]
fn skopeo_writes_docker_schema_2_which_we_read() {
    if !have("skopeo") {
        return;
    }
    let (ours, theirs, other) = (shelf(), shelf(), shelf());
    let domain = serve(&theirs.store, |options| options.allow_delete = true);
    let name = reference(&domain, "app:oci");
    let image = image(&ours.store, &name, &[2_000_000]);
    push(&client(|_| {}), &ours, (&image, &name)).unwrap();
    let (from, to) =
        (format!("docker://{domain}/app:oci"), format!("docker://{domain}/app:docker"));
    skopeo(&[
        "copy",
        "--format=v2s2",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &from,
        &to,
    ]);
    let (pulled, _) = pull(&client(|_| {}), &other, &reference(&domain, "app:docker")).unwrap();
    assert_eq!(pulled.manifest.media_type, oci::MediaType::DockerManifest);
    skopeo(&["delete", "--tls-verify=false", &to]);
    assert_eq!(client(|_| {}).tags(&name).unwrap(), ["oci"]);
}
