//! What people type every day goes the same way with docker, with podman and with mini-docker.

use peers::everyday::{Engine, play};
use testbed::{Host, needs};

#[test]
fn docker_passes_the_everyday_sessions() {
    needs!(Root, Program("dockerd"), Program("runc"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play(Engine::Docker);
    before.assert_unchanged();
}

#[test]
fn podman_passes_the_everyday_sessions() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play(Engine::Podman);
    before.assert_unchanged();
}

#[test]
fn mini_docker_passes_the_everyday_sessions() {
    needs!(Root, Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play(Engine::MiniDocker);
    before.assert_unchanged();
}
