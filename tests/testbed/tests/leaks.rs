//! What is left behind is seen. One test, because a leak makes the watchmen of others wait.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, panic::catch_unwind};

use testbed::{Host, Place, needs};

/// What the watchman sees at once; he complains when it stays.
fn complaint(before: &Host) -> String {
    before.changes().join("\n")
}

#[test]
fn what_is_left_behind_is_seen() {
    a_process();
    needs!(Root, CgroupV1("pids"));
    a_mount();
    a_cgroup();
    a_link();
    a_file();
}

fn a_process() {
    let before = Host::now();
    Place::unprivileged().shell("/bin/sh", "setsid sleep 5 >/dev/null 2>&1 &").success();
    let complaint = catch_unwind(|| before.assert_unchanged()).unwrap_err();
    let complaint = complaint.downcast::<String>().unwrap();
    assert!(complaint.contains("the host is not as it was:\n  + process sleep"), "{complaint}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    before.assert_unchanged();
}

fn a_mount() {
    let before = Host::now();
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().display();
    Place::Root.shell("/bin/sh", &format!("mount -t tmpfs unboxed {dir}")).success();
    let complaint = complaint(&before);
    Place::Root.shell("/bin/sh", &format!("umount {dir}")).success();
    assert!(complaint.contains(&format!("+ mount {dir} tmpfs")), "{complaint}");
    before.assert_unchanged();
}

/// Its name has the maker's pid, who is dead when it is looked at.
fn a_cgroup() {
    let before = Host::now();
    let make = "d=/sys/fs/cgroup/pids/lab-99-$$-testbed; mkdir $d; echo $d";
    let group = Place::Root.shell("/bin/sh", make).success().trim().to_owned();
    let complaint = complaint(&before);
    fs::remove_dir(&group).unwrap();
    assert!(complaint.contains(&format!("+ cgroup {group}")), "{complaint}");
    before.assert_unchanged();
}

fn a_link() {
    let before = Host::now();
    Place::Root.shell("/bin/sh", "ip link add ub-a type veth peer name ub-b").success();
    let complaint = complaint(&before);
    Place::Root.shell("/bin/sh", "ip link del ub-a").success();
    assert!(complaint.contains("+ link ub-a"), "{complaint}");
    before.assert_unchanged();
}

fn a_file() {
    let before = Host::now();
    let make = "f=/tmp/unboxed-left.$$; : > $f; echo $f";
    let file = Place::Root.shell("/bin/sh", make).success().trim().to_owned();
    let complaint = complaint(&before);
    fs::remove_file(&file).unwrap();
    assert!(complaint.contains(&format!("+ file {file}")), "{complaint}");
    before.assert_unchanged();
}
