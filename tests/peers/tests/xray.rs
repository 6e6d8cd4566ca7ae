//! X-rays of what other engines have made: the same as they say themselves, and nobody was asked.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use peers::stage::{Machine, Scene, Stage};
use serde_json::Value;
use testbed::{Host, needs};

fn stage(engine: &'static str, runtime: &str, machine: Machine) -> Stage {
    Stage::new(&Scene { engine, runtime: runtime.into(), machine })
}

#[track_caller]
fn said(stage: &mut Stage, step: &str) -> String {
    let (said, status) = stage.step(step);
    assert_eq!(status, 0, "{step}\n{said}");
    said.trim().to_owned()
}

#[track_caller]
fn xray(stage: &mut Stage, name: &str) -> Value {
    let json = said(stage, &format!("mini-docker xray --json {name}"));
    let xray: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert!(!json.contains("\"hidden\":"), "{json}");
    xray
}

fn numbers(text: &str) -> BTreeSet<u64> {
    text.split_whitespace().filter_map(|it| it.parse().ok()).collect()
}

fn pids(xray: &Value) -> BTreeSet<u64> {
    let list = xray["processes"]["list"].as_array().unwrap();
    list.iter().map(|it| it["pid"].as_u64().unwrap()).collect()
}

/// The names of those who share a namespace of this kind.
fn sharers(xray: &Value, kind: &str) -> BTreeSet<String> {
    let kinds = xray["namespaces"]["kinds"].as_array().unwrap();
    let found = kinds.iter().find(|it| it["kind"] == kind).unwrap();
    let who = found["shared_with"].as_array().unwrap().iter();
    who.map(|it| it["who"].as_str().unwrap().split(' ').next().unwrap().to_owned()).collect()
}

fn mount<'a>(xray: &'a Value, point: &str) -> &'a Value {
    let list = xray["mounts"]["list"].as_array().unwrap();
    list.iter().find(|it| it["point"] == point).unwrap_or_else(|| panic!("{point}: {list:?}"))
}

/// What the x-ray says of limits, the root and the volume that each engine was told of.
#[track_caller]
fn check(xray: &Value, engine: &str, id: &str) {
    assert_eq!(xray["container"]["engine"], engine);
    assert_eq!(xray["container"]["id"], id);
    assert_eq!(xray["container"]["name"], "one");
    assert_eq!(xray["cgroup"]["memory"]["limit"], 67_108_864);
    assert_eq!(xray["cgroup"]["cpu"]["quota_us"], 50_000);
    assert_eq!(xray["cgroup"]["pids"]["limit"], 20);
    let volume = mount(xray, "/data");
    assert_eq!((&volume["kind"], &volume["name"]), (&"volume".into(), &"data".into()), "{volume}");
    assert_eq!((&volume["engine"], &volume["read_only"]), (&engine.into(), &false.into()));
    let bound = mount(xray, "/mnt");
    assert_eq!((&bound["kind"], &bound["read_only"]), (&"bind".into(), &true.into()), "{bound}");
    assert_eq!(mount(xray, "/etc/hosts")["kind"], "engine");
    let layers = xray["mounts"]["root"]["layers"].as_array().unwrap();
    let image =
        layers.iter().find_map(|it| it["image"].as_array()).unwrap_or_else(|| panic!("{layers:?}"));
    assert!(image[0].as_str().unwrap().contains("box") && image[1] == 1, "{layers:?}");
    let capabilities = xray["privileges"]["capabilities"]["effective"].as_array().unwrap();
    assert!(!capabilities.contains(&"CAP_CHOWN".into()), "{capabilities:?}");
    assert_eq!(xray["privileges"]["seccomp"]["mode"], "filter");
    assert_eq!(xray["namespaces"]["kinds"].as_array().unwrap().len(), 8);
}

const RUN: &str = "run -d --name one -m 64m --cpus 0.5 --pids-limit 20 --cap-drop CHOWN -v data:/data -v /srv:/mnt:ro \
    box sh -c 'sleep 1000 & httpd -p 7000; exec sleep 2000'";

/// A container that the engine has made is seen as the engine sees it.
#[track_caller]
fn is_seen_as_by(engine: &str, shown: &str, stage: &mut Stage) {
    let id = said(stage, &format!("{engine} {RUN} 2> /dev/null"));
    let fetch = "one wget -qO- http://127.0.0.1:7000/etc/passwd > /dev/null";
    said(stage, &format!("soon {engine} exec {fetch}"));
    let xray = xray(stage, "one");
    check(&xray, shown, &id);
    let column = if engine == "podman" { "hpid" } else { "-o pid" };
    let theirs = said(stage, &format!("{engine} top one {column} | tail -n +2"));
    assert_eq!(pids(&xray), numbers(&theirs));
    let mut inspect = |field| said(stage, &format!("{engine} inspect -f '{{{{{field}}}}}' one"));
    assert_eq!(xray["pid"].to_string(), inspect(".State.Pid"));
    networked(&xray, &inspect(".NetworkSettings.IPAddress"));
    // By ID, by the beginning of it, and by any process.
    for name in [&id, &id[..12], &xray["pid"].to_string()] {
        assert_eq!(self::xray(stage, name)["container"]["id"], id);
    }
    said(stage, &format!("{engine} rm -f one"));
    let (said, status) = stage.step("mini-docker xray one");
    assert!(status == 1 && said.contains("No such container: one"), "{said}");
}

#[test]
fn a_container_of_podman_is_seen_as_podman_sees_it() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    is_seen_as_by(
        "podman",
        "Podman",
        &mut stage("podman", "/usr/bin/crun", Machine::HereWithoutV2),
    );
    before.assert_unchanged();
}

#[test]
fn a_container_of_docker_is_seen_as_docker_sees_it() {
    needs!(Root, Program("dockerd"), Program("runc"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    is_seen_as_by("docker", "Docker", &mut stage("docker", "/usr/sbin/runc", Machine::Here));
    before.assert_unchanged();
}

/// Its address, its cable to a bridge here, its way out, and who listens.
#[track_caller]
fn networked(xray: &Value, address: &str) {
    let links = &xray["network"]["links"];
    let text = links["interfaces"].to_string();
    assert!(text.contains(&format!("\"{address}/")), "{address}: {text}");
    assert!(links["peers"][0]["bridge"].is_string(), "{links}");
    let routes = links["routes"].as_array().unwrap();
    assert!(routes.iter().any(|it| it["to"].is_null() && it["gateway"].is_string()), "{routes:?}");
    let listening = xray["network"]["listening"].as_array().unwrap();
    let web =
        listening.iter().find(|it| it["address"].as_str().unwrap().ends_with(":7000")).unwrap();
    assert!(pids(xray).contains(&web["pid"].as_u64().unwrap()), "{web}");
}

#[test]
fn the_containers_of_a_pod_are_seen_to_share() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    {
        let mut stage = stage("podman", "/usr/bin/crun", Machine::HereWithoutV2);
        said(&mut stage, "podman kube play /run/sessions/pod.yaml 2> /dev/null");
        let web = xray(&mut stage, "shop-web");
        for kind in ["net", "ipc", "uts"] {
            assert!(sharers(&web, kind).contains("shop-client"), "{kind}: {:#}", web["namespaces"]);
        }
        for kind in ["mnt", "pid"] {
            assert!(sharers(&web, kind).is_empty(), "{kind}: {:#}", web["namespaces"]);
        }
        assert_eq!(web["cgroup"]["memory"]["limit"], 50_331_648);
        let theirs = said(&mut stage, "podman top shop-web hpid | tail -n +2");
        assert_eq!(pids(&web), numbers(&theirs));
        let words = said(&mut stage, "mini-docker xray shop-client | grep '^=> shop-web'");
        assert!(words.ends_with("shares uts, ipc, net with it"), "{words}");
        let client = xray(&mut stage, "shop-client");
        assert_eq!(
            (&client["privileges"]["ids"]["uid"], &client["mounts"]["root"]["read_only"]),
            (&1000.into(), &true.into())
        );
        said(&mut stage, "podman kube down /run/sessions/pod.yaml > /dev/null 2>&1");
    }
    before.assert_unchanged();
}
