//! The walls: what a machine that keeps user namespaces from its users says, and what lab-01 makes of it.

use std::path::Path;

use testbed::{Output, Place, REFUSING, Run, needs, snapshot};

const LAB: &str = env!("CARGO_BIN_EXE_lab-01");

/// A machine may be told what it refuses only where it is nobody else's: in a guest. There AppArmor
/// is awake as on Ubuntu; an ordinary user has subordinate ids.
const MACHINE: &str = r#"
    getent passwd 1000 > /dev/null || echo learner:x:1000:1000::/:/bin/sh >> /etc/passwd
    echo 1000:100000:65536 | tee /etc/subuid > /etc/subgid
    mount -t securityfs securityfs /sys/kernel/security
    apparmor_parser --replace --skip-cache "$PROFILE"
    try() {
        echo "\$ lab-01${*:+ $*}"
        setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all $CONFINED "$BIN" "$@" 2>&1
        echo "[$?]"; echo
    }
"#;

#[track_caller]
fn on_a_machine(script: &str) -> Output {
    let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guest/apparmor-userns.profile");
    Run {
        script: Some(&format!("{MACHINE}\n{script}")),
        env: &[("PROFILE", profile)],
        kernel: "security=apparmor",
        ..Run::of(Path::new(LAB))
    }
    .run_in(Place::GuestRoot)
}

#[test]
fn without_a_wall_the_machine_has_what_the_tests_of_walls_need() {
    needs!(In(Place::GuestRoot), Program("apparmor_parser"), Program("newuidmap"));
    let output = on_a_machine("try run --map-root -- id -u; try run --map-auto --pid -- id -u");
    let expected = "$ lab-01 run --map-root -- id -u\n0\n[0]\n\n\
                    $ lab-01 run --map-auto --pid -- id -u\n0\n[0]\n\n";
    assert_eq!(output.success(), expected, "{output}");
}

#[test]
fn apparmor_as_on_ubuntu_is_named_with_its_cure() {
    needs!(In(Place::GuestRoot), Program("apparmor_parser"), Program("newuidmap"));
    let output = on_a_machine(
        "CONFINED='aa-exec -p unboxed-userns --'
        try run --user -- id -u; try run --map-root -- id -u; try run --pid --mount -- ps
        try run --map-auto -- id -u; try run --map-auto --uts -- id -u; try",
    );
    snapshot!("wall_apparmor", output.success());
}

#[test]
fn a_switch_of_the_machine_is_named_with_its_cure() {
    needs!(In(Place::GuestRoot), Program("apparmor_parser"));
    let output = on_a_machine(
        "echo 0 > /proc/sys/kernel/unprivileged_userns_clone
        try run --user -- id -u; try
        echo 1 > /proc/sys/kernel/unprivileged_userns_clone
        echo 0 > /proc/sys/user/max_user_namespaces
        try run --user -- id -u; try",
    );
    snapshot!("wall_switches", output.success());
}

#[track_caller]
fn below_a_filter(place: Place, script: &str) -> Output {
    let start = format!(
        r#"cat > filter.py <<'EOF'
{REFUSING}EOF
        try() {{ echo "\$ lab-01${{*:+ $*}}"; python3 filter.py $FILTER "$BIN" "$@" 2>&1; echo "[$?]"; echo; }}"#
    );
    place.shell(LAB, &format!("{start}\n{script}"))
}

#[test]
fn a_seccomp_filter_is_named_with_its_cure() {
    needs!(In(Place::User), Program("python3"));
    let output = below_a_filter(
        Place::User,
        "FILTER='38 1' # as Docker's: clone3 seems too new for the kernel, unshare is refused
        try run --user -- id -u; try
        FILTER='1 1'
        try run --user -- id -u",
    );
    snapshot!("wall_seccomp", output.success());
}

#[test]
fn root_of_a_container_is_told_before_the_story_begins() {
    needs!(In(Place::Root), Program("python3"));
    let output = below_a_filter(Place::Root, "FILTER='38 1'; try");
    let said = output.success();
    assert!(said.starts_with("$ lab-01\nerror: ") && said.ends_with("[125]\n\n"), "{output}");
}
