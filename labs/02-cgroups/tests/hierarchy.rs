//! Where the controllers are, from the two texts of /proc: no kernel needed.

use std::path::Path;

use cgroups::{Candidate, Controller, Delegation, Hierarchies, Mode};

/// Controllers, mount point, our own group: one line a tree.
#[track_caller]
fn check(mountinfo: &str, cgroup: &str, v2: &str, mode: Mode, expected: &[&str]) {
    let here = Hierarchies::parse(mountinfo, cgroup, |_| v2.to_owned());
    let lines: Vec<String> = here
        .mounted
        .iter()
        .map(|it| {
            let names: Vec<&str> =
                it.controllers.iter().map(|name| name.name(it.version)).collect();
            let own = it.own.as_deref().map_or("-".to_owned(), |own| own.display().to_string());
            format!("{:?} {} {} {own}", it.version, names.join(","), it.mount_point.display())
        })
        .collect();
    assert_eq!(lines, expected);
    assert_eq!(here.mode(), mode);
}

#[test]
fn systemd_hybrid_has_joint_and_named_trees() {
    check(
        "32 31 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n\
         33 31 0:29 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd\n\
         36 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct\n\
         39 31 0:35 / /sys/fs/cgroup/memory rw,nosuid shared:18 - cgroup cgroup rw,memory\n\
         22 27 0:21 / /proc rw,relatime - proc proc rw\n",
        "5:memory:/user.slice/user-1000.slice\n\
         3:cpu,cpuacct:/user.slice\n\
         1:name=systemd:/user.slice/user-1000.slice/session-1.scope\n\
         0::/user.slice/user-1000.slice/session-1.scope\n",
        "",
        Mode::Hybrid,
        &[
            "V2  /sys/fs/cgroup/unified \
             /sys/fs/cgroup/unified/user.slice/user-1000.slice/session-1.scope",
            "V1  /sys/fs/cgroup/systemd \
             /sys/fs/cgroup/systemd/user.slice/user-1000.slice/session-1.scope",
            "V1 cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct/user.slice",
            "V1 memory /sys/fs/cgroup/memory /sys/fs/cgroup/memory/user.slice/user-1000.slice",
        ],
    );
}

#[test]
fn pure_v2_is_one_tree() {
    check(
        "26 23 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope\n",
        "cpuset cpu io memory hugetlb pids rdma misc\n",
        Mode::V2,
        &["V2 cpu,cpuset,memory,pids,io,hugetlb,rdma,misc /sys/fs/cgroup \
           /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope"],
    );
}

#[test]
fn a_v2_tree_with_few_controllers_is_hybrid() {
    check(
        "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
         38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio\n\
         41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
        "7:blkio:/\n1:cpu:/\n0::/\n",
        "hugetlb\n",
        Mode::Hybrid,
        &[
            "V1 cpu /sys/fs/cgroup/cpu /sys/fs/cgroup/cpu",
            "V1 blkio /sys/fs/cgroup/blkio /sys/fs/cgroup/blkio",
            "V2 hugetlb /sys/fs/cgroup/unified /sys/fs/cgroup/unified",
        ],
    );
}

#[test]
fn a_container_sees_its_own_group_as_the_mount_point() {
    check(
        "40 31 0:35 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n",
        "4:memory:/docker/abc\n",
        "",
        Mode::V1,
        &["V1 memory /sys/fs/cgroup/memory /sys/fs/cgroup/memory"],
    );
}

#[test]
fn a_mount_made_outside_the_cgroup_namespace_does_not_show_our_group() {
    check(
        "40 31 0:35 /.. /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
         41 31 0:38 /../.. /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        "4:memory:/\n0::/\n",
        "",
        Mode::Hybrid,
        &["V1 memory /sys/fs/cgroup/memory -", "V2  /sys/fs/cgroup/unified -"],
    );
}

#[test]
fn our_group_may_lie_outside_the_namespace_and_have_a_colon() {
    check(
        "40 31 0:35 / /cg rw - cgroup cgroup rw,memory\n41 31 0:38 / /u rw - cgroup2 none rw\n",
        "4:memory:/../other\n0::/a:b\n",
        "",
        Mode::Hybrid,
        &["V1 memory /cg -", "V2  /u /u/a:b"],
    );
}

#[test]
fn what_is_core_in_v2_needs_no_controller() {
    let here = Hierarchies::parse(
        "26 23 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "0::/\n",
        |_| "memory".to_owned(),
    );
    assert!(here.of(Controller::Freezer).is_some());
    assert!(here.of(Controller::Memory).is_some());
    assert!(here.of(Controller::Cpu).is_none());
}

/// `name` with r: root, w: writable, i: inhabited.
#[track_caller]
fn chosen(chain: &[(&str, &str)], expected: Option<Delegation>) {
    let candidates: Vec<Candidate> = chain
        .iter()
        .map(|(dir, is)| Candidate {
            dir: Path::new(dir).to_owned(),
            is_root: is.contains('r'),
            writable: is.contains('w'),
            inhabited: is.contains('i'),
        })
        .collect();
    assert_eq!(Delegation::choose(&candidates), expected);
}

#[test]
fn the_place_is_the_root_or_the_nearest_empty_group_that_is_ours() {
    let root = Some(Delegation::Root("/".into()));
    chosen(&[("/user/shell", "wi"), ("/user", "w"), ("/", "rwi")], root);
    let app = || Some(Delegation::Empty("/user/app".into()));
    chosen(&[("/user/app/x", "wi"), ("/user/app", "w"), ("/user", ""), ("/", "r")], app());
    // From below an ancestor that is not ours nobody gets to one that is.
    chosen(&[("/a/b", ""), ("/a", "w"), ("/", "r")], None);
    let own = Some(Delegation::Inhabited("/box".into()));
    chosen(&[("/box", "wi"), ("/", "r")], own);
}
