//! The library on this machine's own kernel, as root.

use std::path::Path;

use cgroups::{
    Bound, Controller, Cpu, FreezeState, Group, Limits, Memory, Site, Temporary, Version,
    devices::{ANY, Access, Kind, List, Rule},
};
use nix::sys::{
    signal::{Signal, kill},
    wait::{WaitPidFlag, waitpid},
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
fn limits_that_depend_on_each_other_can_be_changed_in_any_direction() {
    needs!(Root, CgroupV1("cpu"));
    let site = Site::find().unwrap();
    let group = Temporary::create(&site, "turns", &[Controller::Cpu].into()).unwrap();
    for (quota, period, burst) in [
        (50_000, 100_000, 40_000),
        (5000, 10_000, 4000),
        (90_000, 100_000, 90_000),
        (2000, 4000, 0),
    ] {
        let cpu = Cpu {
            quota_us: Some(Bound::At(quota)),
            period_us: Some(period),
            burst_us: Some(burst),
            ..Cpu::default()
        };
        group.apply(&Limits { cpu, ..Limits::default() }).unwrap();
        let stat = group.stat().cpu;
        assert_eq!((stat.quota_us, stat.period_us), (Some(Bound::At(quota)), Some(period)));
    }
}

#[test]
fn an_update_that_is_refused_leaves_the_old_limits() {
    needs!(Root);
    let site = Site::find().unwrap();
    let pids = |most| Limits { pids: Some(Bound::At(most)), ..Limits::default() };
    let old = Limits { memory: memory(64 << 20, None).memory, ..pids(9) };
    let group = Temporary::create(&site, "back", &old.controllers()).unwrap();
    group.apply(&old).unwrap();
    let refused = Limits { memory: memory(32 << 20, None).memory, ..pids(99_999_999_999) };
    let error = group.update(&old, &old.updated(&refused)).unwrap_err();
    assert_eq!(error.what, "cannot set the pids limit");
    let stat = group.stat();
    assert_eq!(stat.memory.limit, Some(Bound::At(64 << 20)));
    assert_eq!(stat.pids.limit, Some(Bound::At(9)));
    group.update(&old, &old.updated(&pids(7))).unwrap();
    assert_eq!(group.stat().pids.limit, Some(Bound::At(7)));
}

#[test]
fn the_account_agrees_with_the_quick_look() {
    needs!(Root);
    let site = Site::find().unwrap();
    let needed = Controller::accounting().into_iter().chain([Controller::Io]).collect();
    let group = Temporary::create(&site, "account", &needed).unwrap();
    let mut child =
        std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    group.add(pid).unwrap();
    let used = |group: &Temporary| group.stat().cpu.usage_us.unwrap();
    while used(&group) < 300_000 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // Nothing runs between two readings.
    kill(pid, Signal::SIGSTOP).unwrap();
    waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    let account = group.account();
    assert_eq!(account.stat.pids.current, Some(1));
    assert!(!account.memory_stat.is_empty());
    assert_eq!(account.stat.cpu.usage_us.unwrap(), used(&group));
    let v1 = group
        .directories()
        .any(|(_, version, all)| version == Version::V1 && all.contains(&Controller::Cpuacct));
    if v1 {
        // The total is measured, the parts are counted at the clock's ticks.
        let by_cpu: u64 = account.per_cpu.iter().map(|it| it.user_ns + it.system_ns).sum();
        let share = by_cpu as f64 / (used(&group) * 1000) as f64;
        assert!((0.5..2.0).contains(&share), "{share}: {account:?}");
    }
    group.remove().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_device_that_is_denied_cannot_be_opened() {
    needs!(Root, CgroupV1("devices"));
    let site = Site::find().unwrap();
    let group = Temporary::create(&site, "devices", &[Controller::Devices].into()).unwrap();
    let rule = |allow, kind, major, minor| Rule { allow, kind, major, minor, access: Access::ALL };
    // null is 1:3, zero 1:5: the later rule wins.
    let rules = [rule(false, Kind::All, ANY, ANY), rule(true, Kind::Char, Some(1), Some(3))];
    group.control_devices(&List::of(&rules).unwrap()).unwrap();
    let procs = group.dir_of(Controller::Devices).unwrap().join("cgroup.procs");
    let script = "echo $$ > $0; cat /dev/null && echo null; cat /dev/zero | head -c 1 || true";
    let mut sh = std::process::Command::new("sh");
    let output = sh.args(["-c", script]).arg(procs).output().unwrap();
    assert_eq!(output.stdout, b"null\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Operation not permitted"));
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
