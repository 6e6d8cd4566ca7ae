//! The demonstration, in every place: it succeeds, tells only what it has seen, and leaves nothing.

use testbed::{Host, Place, check_events, killed_at_random, needs, snapshot};

const BIN: &str = env!("CARGO_BIN_EXE_mini-docker");

/// The port is the kernel's choice; so are numbers of processes, of which there are few in a PID
/// namespace of its own.
const FILTERS: [(&str, &str); 3] = [
    (r#"execve\("/[^ "]*/(mini-docker[a-z-]*)""#, "execve(\"/BIN/$1\""),
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
    let [program, port, pid] = FILTERS;
    snapshot!(place, "demo", story, [program, port, pid]);
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
    snapshot!("demo_explain", output.success(), [FILTERS[0]]);
}

/// What it states of programs, mounts and requests is what the kernel is asked for in the same run.
#[test]
fn the_demonstration_makes_the_calls_that_it_states() {
    needs!(In(Place::Root), Program("strace"));
    let script = r#"
        home=$(mktemp -d); cd "$home"
        strace -f -qq -s 999 -o trace -e trace=execve,mount,sendto "$BIN" demo > story || { tail story; exit 1; }
        # As the demonstration has it: without the root directory, and words for what nobody knows beforehand.
        sed -i 's|sha256:[0-9a-f]\{64\}|DIGEST|g; s|sha256/[0-9a-f]\{64\}|CHAIN|g; s|[0-9a-f]\{64\}|ID|g
            s|uploads/[0-9a-f]\{32\}|uploads/LOCATION|; s|/tmp/mini-docker/||g; s|sendto([0-9]*, |send(registry, |' trace
        # A send(2) has more in it than the first line of a request.
        sed -n 's/^       \(execve("\|mount("overlay"\|send(registry\)/\1/p' story | sed 's/\.\.")$//; s/)$//' > stated
        # A program inside is found by its path there.
        grep -v '^execve("sh"' stated | sort -u | while read -r call; do
            grep -qF -- "$call" trace || echo "never called: $call"
        done
        grep -c . stated
        cd /; rm -r "$home"
    "#;
    let output = Place::Root.shell(BIN, script);
    let count: usize = output.success().trim().parse().unwrap_or_else(|_| panic!("{output}"));
    assert!(count >= 10, "{output}");
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
    let killed = killed_at_random(Place::Root, BIN, &["demo"], 20);
    assert!(killed >= 10, "only {killed} of 20 were still there to be killed");
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
