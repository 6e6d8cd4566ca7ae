//! Bar of the whole project: a real Debian is pulled, run, changed, committed and pushed by us, then
//! pulled and run by others; nobody moves a byte twice, and all agree on every digest.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use peers::{Engine, apart, debian, docker_registry::DockerRegistry, run};
use tempfile::TempDir;
use testbed::needs;

/// The digest that a registry has under a reference, by skopeo.
#[track_caller]
fn digest(reference: &str) -> String {
    let mut skopeo = std::process::Command::new("skopeo");
    skopeo.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"]);
    run(skopeo.arg(format!("docker://{reference}"))).success().trim().to_owned()
}

#[test]
fn a_real_debian_goes_through_everybodys_hands() {
    needs!(Root, Program("docker-registry"), Program("mmdebstrap"), Program("umoci"));
    needs!(Program("skopeo"), Program("podman"), Program("runc"), Program("crun"));
    let scratch = TempDir::with_prefix("unboxed-debian.").unwrap();
    let registry = DockerRegistry::start();
    let debian = debian::push(&registry, "debian:12", scratch.path());
    let engine = Engine::new();

    pulled_once(&engine, &registry, &debian);
    run_by_every_runtime(&engine, &debian);
    let changed = registry.reference("debian:changed");
    committed_and_pushed_once(&engine, &registry, &debian, &changed);
    agreed_by_podman(&changed);
    run_by_runc(&changed, scratch.path());
}

/// A second pull asks for the manifest and moves no layer.
#[track_caller]
fn pulled_once(engine: &Engine, registry: &DockerRegistry, debian: &str) {
    let before = registry.requests("GET", "/blobs/");
    engine.run(&["pull", debian]).success();
    let after = registry.requests("GET", "/blobs/");
    assert_eq!(after - before, 2, "one layer and one config");
    let again = engine.run(&["pull", debian]).success();
    assert_eq!(registry.requests("GET", "/blobs/"), after, "the second pull moved blobs: {again}");
    let listed = engine.run(&["images", "--digests"]).success();
    assert!(listed.contains(&digest(debian)), "{listed}");
}

/// Our own runtime, and two others in its place.
#[track_caller]
fn run_by_every_runtime(engine: &Engine, debian: &str) {
    let script = "dpkg --version >/dev/null && . /etc/os-release && echo $ID $$";
    let said = |runtime: &[&str]| {
        let args = [&["run", "--rm"], runtime, &[debian, "sh", "-c", script]].concat();
        match runtime {
            [_, "crun"] => engine.run_without_hybrid(&args).success(),
            _ => engine.run(&args).success(),
        }
    };
    for runtime in [&["--runtime", "runc"][..], &["--runtime", "crun"], &[]] {
        assert_eq!(said(runtime), "debian 1\n", "{runtime:?}");
    }
}

/// A commit adds one layer, and a push sends that one only.
#[track_caller]
fn committed_and_pushed_once(
    engine: &Engine,
    registry: &DockerRegistry,
    debian: &str,
    changed: &str,
) {
    let script = "echo changed > /etc/unboxed && rm /etc/debian_version && ln -s unboxed /etc/link \
                  && mkdir /srv/new && chown 1000:1000 /srv/new && chmod 2750 /srv/new";
    let args = ["run", "--name", "change", debian, "sh", "-c", script];
    engine.run(&args).success();
    let diff = engine.run(&["diff", "change"]).success();
    for line in ["A /etc/unboxed", "D /etc/debian_version", "A /etc/link", "A /srv/new"] {
        assert!(diff.lines().any(|found| found == line), "{line} is missing:\n{diff}");
    }
    engine.run(&["commit", "change", changed]).success();
    engine.run(&["rm", "change"]).success();

    let before = registry.requests("PUT", "/blobs/uploads/");
    engine.run(&["push", changed]).success();
    let after = registry.requests("PUT", "/blobs/uploads/");
    assert_eq!(after - before, 2, "the new layer and the new config");
    engine.run(&["push", changed]).success();
    assert_eq!(registry.requests("PUT", "/blobs/uploads/"), after, "the second push moved blobs");
}

/// podman pulls it, calls it by the same digest, and finds the changes in it.
#[track_caller]
fn agreed_by_podman(changed: &str) {
    let script = r#"
        podman() { command podman --root /run/store --runroot /run/podman --cgroup-manager=cgroupfs "$@"; }
        podman pull -q --tls-verify=false "$REFERENCE" >&2
        podman inspect --format '{{.Digest}}' "$REFERENCE"
        podman run --rm --network=none --cgroups=disabled --security-opt seccomp=unconfined \
            "$REFERENCE" sh -c 'cat /etc/unboxed; cat /etc/link; test -e /etc/debian_version || echo gone;
                                stat -c "%a %u:%g" /srv/new; dpkg -l apt | tail -1 | cut -c-2'
    "#;
    let said = apart(script, &[("REFERENCE", Path::new(changed))]).success();
    let expected = format!("{}\nchanged\nchanged\ngone\n2750 1000:1000\nii\n", digest(changed));
    assert_eq!(said, expected);
}

/// umoci unpacks it and runc runs the bundle.
#[track_caller]
fn run_by_runc(changed: &str, scratch: &Path) {
    let script = r#"
        exec 3>&1 >/dev/null
        skopeo copy --quiet --src-tls-verify=false "docker://$REFERENCE" "oci:$DIR/pulled:changed"
        umoci config --image "$DIR/pulled:changed" --config.cmd cat --config.cmd /etc/unboxed
        umoci unpack --image "$DIR/pulled:changed" "$DIR/bundle"
        sed -i 's/"terminal": true/"terminal": false/' "$DIR/bundle/config.json"
        runc --root /run/runc run --bundle "$DIR/bundle" "unboxed-peer-$$" >&3
    "#;
    let said = apart(script, &[("REFERENCE", Path::new(changed)), ("DIR", scratch)]).success();
    assert_eq!(said, "changed\n");
}
