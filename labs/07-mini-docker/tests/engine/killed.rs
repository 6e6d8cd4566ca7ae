//! SIGKILL at any moment, for the command and for the monitor: the next command sees the truth, and
//! can clean up.

use testbed::{Host, Place, needs};

use crate::{
    places::in_places,
    world::{turn, with_image},
};

/// Moments within the time that a command takes: `lasts CMD..` measures it, `moment` waits for a random
/// part of it. A kill that came too late is none: `struck PID` counts those that hit, and `hits N` wants
/// so many of them.
const MOMENTS: &str = r#"
    seed=${UNBOXED_SEED:-$$}; whole=0; hits=0
    now() { echo $(( $(date +%s%N) / 1000000 )); }
    lasts() { begin=$(now); "$@"; whole=$(( $(now) - begin )); }
    moment() {
        seed=$(( (seed * 1103515245 + 12345) % 2147483648 ))
        part=$(( seed / 8 % (whole + 1) ))
        sleep $(( part / 1000 )).$(printf %03d $(( part % 1000 )))
    }
    struck() { code=0; wait $1 2> /dev/null || code=$?; [ $code != 137 ] || hits=$((hits + 1)); }
    hits() { [ $hits -ge $1 ] || { echo "only $hits kills hit, and $1 were to" >&2; exit 1; }; }
"#;

#[track_caller]
fn survives(place: Place, script: &str) {
    let _turn = turn(place);
    let before = Host::now();
    let output = with_image(place, &format!("{MOMENTS}\n{script}"));
    output.success();
    before.assert_unchanged();
}

/// Kills the command that starts containers after a random time, many times.
const COMMAND: &str = r#"
    md pull -q $I > /dev/null
    lasts md run -d $I sleep 1000 > /dev/null
    for trial in $(seq 1 40); do
        "$BIN" --root "$home/data" run -d --network none $I sleep 1000 > /dev/null 2>&1 &
        victim=$!
        moment
        kill -9 $victim 2> /dev/null || true
        struck $victim
        md ps -a > /dev/null
    done
    hits 10
    for id in $(md ps -aq); do md rm -f $id > /dev/null; done
    [ -z "$(md ps -aq)" ]
    md run --rm $I true
"#;

/// Kills the monitor of a running container: it is told as exited, and can be started again.
const MONITOR: &str = r#"
    md pull -q $I > /dev/null
    for trial in $(seq 1 15); do
        md run -d --name box $I sleep 1000 > /dev/null
        monitor=$(md inspect box | sed -n 's/.*"MonitorPid": \([0-9]*\).*/\1/p')
        pid=$(md inspect box | sed -n 's/.*"Pid": \([0-9]*\).*/\1/p')
        kill -9 $monitor
        until md ps -a | grep -q 'Exited (255)'; do sleep 0.02; done
        [ -z "$(md ps -q)" ]
        ! kill -0 $pid 2> /dev/null
        [ $(md wait box) = 255 ]
        md start box > /dev/null
        md exec box true
        md rm -f box > /dev/null
    done
"#;

/// Kills the monitor at random moments of its start.
const STARTING: &str = r#"
    md pull -q $I > /dev/null
    md create --name box $I sleep 1000 > /dev/null
    lasts md start box > /dev/null
    md stop -t 0 box > /dev/null
    for trial in $(seq 1 30); do
        "$BIN" --root "$home/data" start box > /dev/null 2>&1 &
        start=$!
        moment
        monitor=$(md inspect box | sed -n 's/.*"MonitorPid": \([0-9]*\).*/\1/p')
        [ -z "$monitor" ] || ! kill -9 $monitor 2> /dev/null || hits=$((hits + 1))
        wait $start 2> /dev/null || true
        md ps -a > /dev/null
        md stop -t 0 box > /dev/null
        md ps -a | grep -Eq 'Created|Exited'
    done
    hits 10
    md start box > /dev/null
    md exec box true
    md rm -f box > /dev/null
"#;

/// Kills the monitor at random moments between one run and the next, whichever program it is then.
const AGAIN: &str = r#"
    md pull -q $I > /dev/null
    whole=500
    for trial in $(seq 1 12); do
        md run -d --name box --restart always $I sh -c 'exit 6' > /dev/null
        sleep 0.1; moment
        monitor=$(md inspect box | sed -n 's/.*"MonitorPid": \([0-9]*\).*/\1/p')
        kill -9 $monitor
        until md ps -a | grep -Eq 'Exited \((6|255)\)'; do sleep 0.02; done
        [ -z "$(md ps -q)" ]
        md start box > /dev/null
        md rm -f box > /dev/null
    done
"#;

/// Kills a pull at random moments: what is visible is whole, and the next one works.
const PULL: &str = r#"
    lasts md pull -q $I > /dev/null
    md rmi $I > /dev/null
    for trial in $(seq 1 40); do
        "$BIN" --root "$home/data" pull -q $I > /dev/null 2>&1 &
        victim=$!
        moment
        kill -9 $victim 2> /dev/null || true
        struck $victim
        # Both names, the tag and the digest, come in one step.
        [ -z "$(md images -q)" ] || md rmi $I > /dev/null
    done
    hits 10
    md pull -q $I > /dev/null
    [ "$(ls data/layers/unfinished | wc -l)" = 0 ]
    md run --rm $I true
"#;

/// Kills `create` at each call by which it makes something: there is a whole container, or none.
const MAKING: &str = r#"
    md pull -q $I > /dev/null
    hits=0
    for call in mkdir openat rename chmod; do
        n=1
        until strace -f -qq -o /dev/null -e inject=$call:signal=KILL:when=$n \
            "$BIN" --root "$home/data" create --name box -v /srv/own $I > /dev/null 2>&1; do
            [ $n -lt 500 ] || { echo "$call never succeeds"; exit 1; }
            md system check --repair > said || true
            ! grep -E '^container .* (has no directory|uses the volume)' said || exit 1
            [ -z "$(md ps -aq)" ] || md rm -f box > /dev/null
            n=$((n + 1)); hits=$((hits + 1))
        done
        md rm -v box > /dev/null
    done
    [ $hits -gt 20 ] || { echo "only $hits kills"; exit 1; }
    echo "create was killed at $hits calls" >&2
    md volume prune -f > /dev/null
"#;

#[test]
fn a_create_may_be_killed_at_each_of_its_calls() {
    needs!(In(Place::Root), Program("strace"));
    survives(Place::Root, MAKING);
}

in_places! {
    [as_root: Root, as_user: User, as_user_with_subids: UserWithSubids]

    a_command_may_be_killed(place) { survives(place, COMMAND); }
    a_monitor_may_be_killed(place) { survives(place, MONITOR); }
    a_start_may_be_killed(place) { survives(place, STARTING); }
    a_monitor_may_be_killed_between_two_runs(place) { survives(place, AGAIN); }
    a_pull_may_be_killed(place) { survives(place, PULL); }
}
