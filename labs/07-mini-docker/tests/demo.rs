//! The demonstration, in every place: it succeeds, tells only what it has seen, and leaves nothing.

use testbed::{Host, Place, check_events, killed_at_random, needs, snapshot};

const BIN: &str = env!("CARGO_BIN_EXE_mini-docker");

/// The port is the kernel's choice; so are numbers of processes, of which there are few in a PID
/// namespace of its own.
const FILTERS: [(&str, &str); 2] = [
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"(│ (?:monitor|container) +│ )\d+( +)", "$1[PID]$2"),
];

#[track_caller]
fn check(place: Place) {
    let before = Host::now();
    let output = place.run(BIN, &["demo"], &[]);
    let story = output.success().to_owned();
    assert_eq!(output.stderr, "", "a demonstration has nothing to complain about");
    before.assert_unchanged();
    let [port, pid] = FILTERS;
    snapshot!(place, "demo", story, [port, pid]);
}

#[test]
fn demo_as_root() {
    needs!(In(Place::Root));
    check(Place::Root);
}

#[test]
fn demo_as_user() {
    needs!(In(Place::User));
    check(Place::User);
}

#[test]
fn demo_as_user_with_subids() {
    needs!(In(Place::UserWithSubids));
    check(Place::UserWithSubids);
}

#[test]
fn demo_in_v2_guest() {
    needs!(In(Place::GuestRoot));
    check(Place::GuestRoot);
}

#[test]
fn demo_in_v2_guest_as_user() {
    needs!(In(Place::GuestUser));
    check(Place::GuestUser);
}

#[test]
fn the_plan_of_the_demonstration_needs_no_privilege() {
    let place = Place::unprivileged();
    needs!(In(place));
    let output = place.run(BIN, &["demo", "--explain"], &[]);
    snapshot!("demo_explain", output.success());
}

#[test]
fn the_demonstration_is_told_as_events() {
    let place = Place::unprivileged();
    needs!(In(place));
    let output = place.run(BIN, &["demo", "--json"], &[]);
    check_events(output.success()).unwrap_or_else(|why| panic!("{why}\n{output}"));
}

#[test]
fn a_demonstration_that_is_killed_leaves_nothing() {
    needs!(In(Place::Root));
    killed_at_random(Place::Root, BIN, &["demo"], 20);
}

/// At a terminal, one Enter a scene: each time all that is to be read is there before the next one is
/// typed, and the last scene waits for nobody.
#[test]
fn the_demonstration_waits_for_a_key_between_scenes() {
    needs!(In(Place::Root), Program("script"));
    let script = r#"
        scenes=$("$BIN" demo --explain --json | grep -c '"event":"scene"')
        home=$(mktemp -d); cd "$home"; mkfifo keys
        script -qefc "$BIN demo --pause" /dev/null < keys > said & terminal=$!
        exec 3> keys
        asked() { grep -o '\[Enter\]' said | wc -l; }
        is_up() { kill -0 $terminal 2> /dev/null; }
        typed=0
        while [ $typed -lt $((scenes - 1)) ]; do
            until [ $(asked) -gt $typed ]; do is_up || break 2; sleep 0.02; done
            [ $(asked) = $((typed + 1)) ] || { echo "it did not wait at $typed"; break; }
            echo >&3; typed=$((typed + 1))
        done
        wait $terminal; code=$?
        [ $typed = $((scenes - 1)) ] && [ $(asked) = $typed ] && echo "waited between all scenes"
        grep -c 'error' said
        exec 3>&-; cd /; rm -r "$home"; exit $code
    "#;
    let output = Place::Root.shell(BIN, script);
    assert_eq!(output.success(), "waited between all scenes\n0\n");
}
