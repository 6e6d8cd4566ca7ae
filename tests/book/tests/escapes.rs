//! Every way out, tried behind every wall that the labs build.
#![allow(missing_docs, reason = "a test's name is its sentence")]

use std::sync::LazyLock;

use book::arcade::{self, Arcade, Try};
use testbed::{Host, Place, needs, snapshot};

/// It is played, and the host is the same afterwards. A wall that could not be built holds nobody; only a layer may be
/// refused whole.
fn played(arcade: Arcade) -> Vec<Try> {
    let before = Host::now();
    let tried = arcade.play();
    before.assert_unchanged();
    let not_built = |it: &&Try| it.answer.starts_with("error: ") && it.way != "dots";
    assert_eq!(tried.iter().find(not_built), None);
    tried
}

/// Once for all tests.
static ROOT: LazyLock<Vec<Try>> = LazyLock::new(|| played(arcade::ROOT));

fn ways<'a>(tried: &'a [Try], wall: &str, out: bool) -> Vec<&'a str> {
    let tries = tried.iter().filter(|it| it.wall == wall && it.out == out);
    tries.map(|it| it.way.as_str()).collect()
}

/// An attack that leads nowhere without a wall would say nothing about the walls.
#[test]
fn without_a_wall_every_way_leads_out() {
    needs!(Root, Program("busybox"), CgroupV1("pids"));
    assert_eq!(ways(&ROOT, "none", false), [""; 0]);
}

#[test]
fn no_way_leads_out_of_mini_docker() {
    needs!(Root, Program("busybox"), CgroupV1("pids"));
    assert_eq!(ways(&ROOT, "lab-07", true), [""; 0]);
}

#[test]
fn what_came_of_each_is_known() {
    needs!(Root, Program("busybox"), CgroupV1("pids"));
    snapshot!(Place::Root, "escapes", arcade::ROOT.table(&ROOT));
}

/// A user without a wall cannot chroot; with a user namespace the user can, so each way leads out somewhere.
#[test]
fn an_ordinary_user_is_held_by_mini_docker() {
    needs!(Root, Program("busybox"), CgroupV1("pids"));
    let tried = played(arcade::USER);
    let somewhere = |it: &&Try| tried.iter().any(|other| other.way == it.way && other.out);
    let held: Vec<_> = tried.iter().filter(|it| !somewhere(it)).collect();
    assert_eq!(held, [&tried[0]; 0]);
    assert_eq!(ways(&tried, "user-07", true), [""; 0]);
    snapshot!(Place::Root, "escapes_user", arcade::USER.table(&tried));
}

#[test]
fn control_groups_of_version_2_hold_as_well() {
    needs!(In(Place::GuestRoot), Program("busybox"));
    let tried = played(arcade::V2);
    assert_eq!(ways(&tried, "none", false), [""; 0]);
    for wall in ["lab-07", "user-07"] {
        assert_eq!(ways(&tried, wall, true), [""; 0]);
    }
    snapshot!(Place::GuestRoot, "escapes", arcade::V2.table(&tried));
}
