//! The tracer sees every process as it was at its end. A program of its own, because it waits for all children.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, process::Command, time::Duration};

use workbook::trace::trace;

/// Its children do nothing but go to `/proc`, for which each is looked at. They are killed, each a little later.
const KILLER: &str = "
    cd /
    for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        while cd /proc; do :; done &
        later=\"$later .\"
        until [ /proc/$!/cwd -ef /proc ]; do :; done
        for wait in $later; do [ -e /proc ]; done
        kill -KILL $!
        wait
    done";

#[test]
fn who_is_killed_while_we_look_is_seen_at_its_end() {
    let mut killer = Command::new("sh");
    killer.args(["-c", "kill -STOP $$; exec sh -c \"$1\"", "sh", KILLER]);
    let trace = trace(&mut killer, Duration::from_secs(60), |_| Ok(())).unwrap();
    assert!(!trace.timed_out, "{}", trace.said);
    let ends: Vec<_> = trace.processes[1..].iter().map(|it| (it.code, &*it.last.cwd)).collect();
    assert_eq!(ends, [(Some(128 + libc::SIGKILL), Path::new("/proc")); 20], "{}", trace.said);
}
