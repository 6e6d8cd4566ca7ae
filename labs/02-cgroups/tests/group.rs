//! The library on this machine's own kernel, as root.

use std::path::Path;

use cgroups::{
    Bound, Controller, Cpu, FreezeState, Group, Limits, Memory, Site, Temporary, Version,
};
use testbed::{Host, needs};

fn memory(limit: u64, swap: Option<Bound>) -> Limits {
    let memory = Memory { limit: Some(Bound::At(limit)), swap, ..Memory::default() };
    Limits { memory, ..Limits::default() }
}

#[test]
fn memory_and_swap_can_be_raised_and_lowered() {
    needs!(Root);
    let before = Host::now();
    let site = Site::find().unwrap();
    let group = Temporary::create(&site, "raise", &[Controller::Memory].into()).unwrap();
    let dir = group.dir_of(Controller::Memory).unwrap();
    let swap = ["memory.memsw.limit_in_bytes", "memory.swap.max"];
    let swap = swap.iter().any(|it| dir.join(it).exists());
    for megabytes in [64, 128, 32, 32] {
        let limit = megabytes << 20;
        group.apply(&memory(limit, swap.then_some(Bound::At(limit)))).unwrap();
        assert_eq!(group.stat().memory.limit, Some(Bound::At(limit)));
        assert!(!swap || group.stat().memory.swap_limit == Some(Bound::At(0)));
    }
    if swap {
        group.apply(&memory(64 << 20, Some(Bound::Unlimited))).unwrap();
        assert_eq!(group.stat().memory.swap_limit, Some(Bound::Unlimited));
    }
    group.remove().unwrap();
    before.assert_unchanged();
}

#[test]
fn what_is_written_is_read_back() {
    needs!(Root);
    let site = Site::find().unwrap();
    let limits = Limits {
        cpu: Cpu { quota_us: Some(Bound::At(30_000)), period_us: Some(60_000), ..Cpu::default() },
        pids: Some(Bound::At(17)),
        ..memory(16 << 20, None)
    };
    let group = Temporary::create(&site, "back", &limits.controllers()).unwrap();
    group.apply(&limits).unwrap();
    let stat = group.stat();
    assert_eq!(stat.cpu.quota_us, Some(Bound::At(30_000)));
    assert_eq!(stat.cpu.period_us, Some(60_000));
    assert_eq!(stat.pids.limit, Some(Bound::At(17)));
    assert_eq!(stat.memory.limit, Some(Bound::At(16 << 20)));
    let again = Group::open(&site, &group.name).unwrap().unwrap();
    assert_eq!(again.stat().pids.limit, Some(Bound::At(17)));
    group.remove().unwrap();
    assert_eq!(Group::open(&site, &again.name).unwrap(), None);
}

#[test]
fn a_group_in_a_group_goes_with_it() {
    needs!(Root);
    let before = Host::now();
    let site = Site::find().unwrap();
    let name = Temporary::name("nested");
    let needed = [Controller::Cpuset, Controller::Pids, Controller::Freezer];
    let needed = needed.into_iter().filter(|it| site.place_of(*it).is_some()).collect();
    let inner = Group::create(&site, Path::new(&name).join("a/b"), &needed).unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    inner.add(pid).unwrap();
    let outer = Group::open(&site, &name).unwrap().unwrap();
    assert_eq!(outer.procs(), [pid]);
    outer.freeze().unwrap();
    assert_eq!(outer.freeze_state(), Some(FreezeState::Frozen));
    // Frozen on purpose: SIGKILL must reach it all the same.
    outer.kill_all().unwrap();
    child.wait().unwrap();
    outer.remove().unwrap();
    outer.remove().unwrap();
    let alone = Group::create(&site, Path::new(&name).join("c"), &needed).unwrap();
    alone.remove().unwrap();
    alone.remove_empty_parents();
    before.assert_unchanged();
}

#[test]
fn the_root_cannot_be_ended() {
    needs!(Root);
    let group = Group::of_process(nix::unistd::getpid()).unwrap();
    if group.directories().any(|(dir, ..)| dir.ends_with("pids")) {
        let error = group.kill_all().unwrap_err();
        assert!(error.why.unwrap().contains("it is the root"), "{}", error.what);
    }
}

#[test]
fn a_name_does_not_lead_out() {
    needs!(Root);
    let site = Site::find().unwrap();
    for name in ["", "/", "..", "a/../../b", "./a"] {
        assert!(Group::plan(&site, name, &[Controller::Pids].into()).is_err(), "{name}");
    }
    let group = Group::plan(&site, "/mini/x", &[Controller::Pids].into()).unwrap();
    assert_eq!(group.name, Path::new("mini/x"));
    assert!(group.directories().all(|(dir, version, _)| {
        dir.ends_with("mini/x") && matches!(version, Version::V1 | Version::V2)
    }));
}
