//! The same mounts in every place: as root and as an ordinary user, with v1 and with v2.

use testbed::{Place, needs};

use super::Runtime;

/// A bundle that asks for something of everything.
const BUNDLE: &str = r##"
    cd "$(mktemp -d)"; trap 'rm -rf "$PWD"' EXIT
    chmod 755 .
    mkdir -p b/rootfs/bin b/rootfs/proc b/rootfs/dev b/rootfs/sys b/rootfs/copy b/shown
    cp /bin/busybox b/rootfs/bin/
    for it in sh cat grep head ls touch wc; do ln -s busybox b/rootfs/bin/$it; done
    echo copied > b/rootfs/copy/file; echo shown > b/shown/file; echo file > b/file
    if [ "$(id -u)" = 0 ]; then "$BIN" spec --bundle b; else "$BIN" spec --rootless --bundle b; fi
    change() { sed "$1" b/config.json > new; mv new b/config.json; }
    change 's/"terminal": true/"terminal": false/'
    change 's#"sh"#"sh", "/script"#'
    program() { echo "$1" > b/rootfs/script; }
    run() { "$BIN" --root state run --bundle b box 2>&1 || echo "exit status $?"; }
    # In front: all others are below other places.
    change 's#"mounts": \[#"mounts": [\
        {"destination": "/copy", "type": "tmpfs", "options": ["tmpcopyup", "ro", "nosuid"]},\
        {"destination": "/shown", "source": "shown", "options": ["rbind", "rro", "rprivate"]},\
        {"destination": "/made/file", "source": "file", "options": ["bind", "noexec"]},#'
"##;

#[track_caller]
fn mounts(place: Place) {
    let script = "cat /copy/file /shown/file /made/file; touch /copy/x 2>&1 | grep -o Read-only; \
                  touch /shown/x 2>&1 | grep -o Read-only; touch /proc/sys/x || echo refused; \
                  cat /proc/timer_list /proc/keys | wc -c; head -c 2 /dev/zero | wc -c; \
                  ls -d /sys/kernel /sys/fs/cgroup /dev/pts/ptmx";
    let run = format!(
        "{BUNDLE} program '{script}'; run 2>/dev/null | grep -v -e touch: -e warning -e '^  '"
    );
    let output = place.shell(Runtime::MiniRunc.name(), &run);
    let expected = "copied\nshown\nfile\nRead-only\nRead-only\nrefused\n0\n2\n/dev/pts/ptmx\n\
                    /sys/fs/cgroup\n/sys/kernel\n";
    assert_eq!(output.stdout, expected, "{output}");
}

#[test]
fn mounts_as_root() {
    needs!(In(Place::Root), Program("busybox"));
    mounts(Place::Root);
}

#[test]
fn mounts_as_an_ordinary_user() {
    needs!(In(Place::User), Program("busybox"));
    mounts(Place::User);
}

#[test]
fn mounts_as_a_user_with_subordinate_ids() {
    needs!(In(Place::UserWithSubids), Program("busybox"));
    mounts(Place::UserWithSubids);
}

#[test]
fn mounts_as_root_of_a_v2_machine() {
    needs!(In(Place::GuestRoot), Program("busybox"));
    mounts(Place::GuestRoot);
}

#[test]
fn mounts_as_a_user_of_a_v2_machine() {
    needs!(In(Place::GuestUser), Program("busybox"));
    mounts(Place::GuestUser);
}

#[test]
fn a_v2_group_is_seen_from_its_namespace_or_from_the_machines() {
    needs!(In(Place::GuestRoot), Program("busybox"));
    let script = "grep ^0: /proc/self/cgroup; ls -d /sys/fs/cgroup/memory.max /sys/fs/cgroup/box/memory.max \
                  2>/dev/null; touch /sys/fs/cgroup/x 2>&1 | grep -o Read-only";
    let both = format!(
        "{BUNDLE} change 's#\"linux\": {{#\"linux\": {{\"cgroupsPath\": \"/box\",#'; program '{script}'; \
         run; change '/\"type\": \"cgroup\"$/s#\"cgroup\"#\"cgroup\", \"path\": \"/proc/self/ns/cgroup\"#'; run"
    );
    let output = Place::GuestRoot.shell(Runtime::MiniRunc.name(), &both);
    let expected = "0::/\n/sys/fs/cgroup/memory.max\nRead-only\n\
                    0::/box\n/sys/fs/cgroup/box/memory.max\nRead-only\n";
    assert_eq!(output.stdout, expected, "{output}");
}
