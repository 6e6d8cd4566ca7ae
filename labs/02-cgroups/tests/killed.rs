//! A maker that is killed: its groups go at once, without anybody coming to sweep.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use testbed::{Host, Need, Place, Run};

const LAB: &str = env!("CARGO_BIN_EXE_lab-02");

/// Runs the command once to know how long it takes, then kills it at every moment of `$moments`
/// (thousandths of that time), in turns alone and with its whole process group, and waits as long
/// as the testbed for its groups and its guardian to be gone.
const KILL: &str = r#"
left() { find /sys/fs/cgroup -type d -name "lab-$pid-*"; pgrep -af "^lab-guardian lab-$pid-"; }
begun=$(date +%s%N); $BIN "$@" >/dev/null 2>&1 || exit 9
whole=$(( ($(date +%s%N) - begun) / 1000000 ))
killed=0 trial=0
for moment in $moments; do
  setsid $BIN "$@" >/dev/null 2>&1 & pid=$!
  after=$(( whole * moment / 1000 )); trial=$((trial + 1)) group=
  [ $((trial % 2)) = 0 ] && group=-
  sleep $((after / 1000)).$(printf %03d $((after % 1000)))
  kill -KILL $group$pid 2>/dev/null
  wait $pid 2>/dev/null; [ $? = 137 ] && killed=$((killed + 1))
  looks=0
  while [ -n "$(left)" ]; do
    looks=$((looks + 1))
    [ $looks = 60 ] && { echo "left by trial $trial, killed after $after of $whole ms:"; left; exit 1; }
    sleep 0.05
  done
done
echo "killed $killed"
"#;

/// So many trials are made before a guest is started anew: its kernel does not stand killing for ever,
/// and a run in which it spins is made again.
const IN_A_GUEST: usize = 5;

/// Kills the command in each of the places so often, and sees its groups go.
#[track_caller]
fn killed(args: &[&str], times: [(Place, usize); 3]) {
    for (place, times) in times {
        if let Some(reason) = Need::In(place).missing() {
            testbed::skip(&reason);
            continue;
        }
        let before = Host::now();
        let at_once = if place.is_guest() { IN_A_GUEST } else { times };
        let killed: usize = (0..times / at_once).map(|_| run(place, args, at_once)).sum();
        assert!(killed * 3 > times, "{place:?}: {killed} of {times} were killed in time");
        before.assert_unchanged();
    }
}

#[track_caller]
fn run(place: Place, args: &[&str], times: usize) -> usize {
    let moments = moments(times);
    let env = [("moments", moments.as_str())];
    let limit = Duration::from_secs(if place.is_guest() { 60 } else { 600 });
    let run = Run { args, script: Some(KILL), env: &env, limit, ..Run::of(Path::new(LAB)) };
    let output = run.run_killing_in(place);
    let killed = output.success().trim().strip_prefix("killed ").map(str::to_owned);
    killed.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// Thousandths, all of them about as often; from another start each time.
fn moments(times: usize) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let moment = |trial: usize| (now as usize % 997 + trial * 617) % 1000;
    (0..times).map(|trial| moment(trial).to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_limited_command_killed_at_any_moment_leaves_no_group() {
    let args = ["limit", "--pids", "20", "-m", "64m", "--", "sh", "-c", "sleep 9 & sleep 0.1"];
    killed(&args, [(Place::Root, 200), (Place::GuestRoot, 20), (Place::GuestUser, 20)]);
}

#[test]
fn a_demonstration_killed_at_any_moment_leaves_no_group() {
    killed(&[], [(Place::Root, 40), (Place::GuestRoot, 5), (Place::GuestUser, 5)]);
}
