//! Real engines over mini-runc: each session is played to a peer first, and both must say the same.

use peers::session::{Peer, play, play_in_guest};
use testbed::{Host, needs};

#[test]
fn podman_does_not_notice() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play("podman", "podman", Peer::Crun);
    before.assert_unchanged();
}

#[test]
fn podmans_pods_do_not_notice() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play("pod", "podman", Peer::Crun);
    before.assert_unchanged();
}

#[test]
fn containerd_does_not_notice() {
    needs!(Root, Program("containerd"), Program("runc"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play("containerd", "containerd", Peer::Runc);
    before.assert_unchanged();
}

#[test]
fn docker_does_not_notice() {
    needs!(Root, Program("dockerd"), Program("runc"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play("docker", "docker", Peer::Runc);
    before.assert_unchanged();
}

#[test]
fn dockers_build_does_not_notice() {
    needs!(Root, Program("dockerd"), Program("runc"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play("build", "docker", Peer::Runc);
    before.assert_unchanged();
}

#[test]
fn a_swarm_of_one_does_not_notice() {
    needs!(Root, Program("dockerd"), Program("runc"), Program("busybox"), CgroupV1("memory"));
    let before = Host::now();
    play("swarm", "docker", Peer::Runc);
    before.assert_unchanged();
}

#[test]
fn an_ordinary_users_podman_does_not_notice() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), CgroupV1("memory"));
    needs!(NewUidMap, Program("slirp4netns"));
    let before = Host::now();
    play("rootless", "rootless", Peer::Crun);
    before.assert_unchanged();
}

#[test]
fn podman_does_not_notice_where_cgroups_are_v2_only() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), Guest);
    let before = Host::now();
    play_in_guest("podman-v2", "podman", Peer::Crun);
    before.assert_unchanged();
}

#[test]
fn containerd_does_not_notice_where_cgroups_are_v2_only() {
    needs!(Root, Program("containerd"), Program("runc"), Program("busybox"), Guest);
    let before = Host::now();
    play_in_guest("containerd-v2", "containerd", Peer::Runc);
    before.assert_unchanged();
}

#[test]
fn docker_does_not_notice_where_cgroups_are_v2_only() {
    needs!(Root, Program("dockerd"), Program("runc"), Program("busybox"), Guest);
    needs!(Program("iptables-legacy"));
    let before = Host::now();
    play_in_guest("docker-v2", "docker", Peer::Runc);
    before.assert_unchanged();
}

#[test]
fn podman_does_not_notice_where_systemd_makes_the_groups() {
    needs!(Root, Program("podman"), Program("runc"), Program("busybox"), CgroupV1("memory"));
    needs!(Program("busctl"), Program("dbus-daemon"));
    let before = Host::now();
    play("systemd", "systemd", Peer::Runc);
    before.assert_unchanged();
}

#[test]
fn podman_does_not_notice_where_systemd_makes_the_groups_of_v2() {
    needs!(Root, Program("podman"), Program("crun"), Program("busybox"), Guest);
    needs!(Program("busctl"), Program("dbus-daemon"));
    let before = Host::now();
    play_in_guest("systemd-v2", "systemd", Peer::Crun);
    before.assert_unchanged();
}
