//! Every way out, tried behind every wall that the labs build.
#![allow(missing_docs, reason = "a test's name is its sentence")]

use std::sync::LazyLock;

use book::arcade::{self, Try};
use testbed::{Host, Place, needs, snapshot};

/// It is played once, and the host is the same afterwards.
fn tried() -> &'static [Try] {
    static TRIED: LazyLock<Vec<Try>> = LazyLock::new(|| {
        let before = Host::now();
        let tried = arcade::play();
        before.assert_unchanged();
        tried
    });
    &TRIED
}

fn ways(wall: &str, out: bool) -> Vec<&'static str> {
    let tries = tried().iter().filter(|it| it.wall == wall && it.out == out);
    tries.map(|it| it.way.as_str()).collect()
}

/// An attack that leads nowhere without a wall would say nothing about the walls.
#[test]
fn without_a_wall_every_way_leads_out() {
    needs!(Root, Program("busybox"), CgroupV1("pids"));
    assert_eq!(ways("none", false), [""; 0]);
}

#[test]
fn no_way_leads_out_of_mini_docker() {
    needs!(Root, Program("busybox"), CgroupV1("pids"));
    assert_eq!(ways("lab-07", true), [""; 0]);
}

#[test]
fn what_came_of_each_is_known() {
    needs!(Root, Program("busybox"), CgroupV1("pids"));
    snapshot!(Place::Root, "escapes", arcade::table(tried()));
}
