//! What the kernel says about processes that lab-01 made, and what other tools say about the same.

use testbed::{Host, Output, Place, killed_at_random, needs};

const LAB: &str = env!("CARGO_BIN_EXE_lab-01");

/// Runs a script with `$BIN` and expects that nothing is left of it.
#[track_caller]
fn shell(place: Place, script: &str) -> Output {
    let before = Host::now();
    let output = place.shell(LAB, script);
    before.assert_unchanged();
    output
}

#[track_caller]
fn check(place: Place, script: &str, expected: &str) {
    let output = shell(place, script);
    assert_eq!(output.success().trim(), expected, "{output}");
}

const HERE: [Place; 3] = [Place::Root, Place::User, Place::UserWithSubids];

#[test]
fn the_command_is_pid_1_and_sees_only_itself() {
    for place in HERE {
        needs!(In(place));
        check(
            place,
            "$BIN run --pid --mount --map-root -- sh -c 'echo $$ /proc/[0-9]*'",
            "1 /proc/1",
        );
    }
}

#[test]
fn exit_status_and_signal_are_passed_on() {
    for place in HERE {
        needs!(In(place));
        check(place, "$BIN run --map-root -- sh -c 'exit 7'; echo $?", "7");
        check(place, "$BIN run --map-root -- sh -c 'kill -9 $$'; echo $?", "137");
        check(
            place,
            "$BIN run --pid --map-root --time --boottime 9 -- sh -c 'exit 7'; echo $?",
            "7",
        );
    }
}

#[test]
fn an_ordinary_user_is_told_of_the_user_namespace_it_gets() {
    needs!(In(Place::User));
    let output = shell(Place::User, "$BIN run --uts -- id -u");
    assert_eq!(output.success().trim(), "0");
    assert!(output.stderr.contains("added --user --map-root"), "{output}");
}

#[test]
fn without_a_map_everybody_is_nobody() {
    for place in HERE {
        needs!(In(place));
        check(place, "$BIN run --user -- id -u", "65534");
    }
}

#[test]
fn subordinate_ids_are_mapped_from_1_on() {
    needs!(In(Place::UserWithSubids));
    let map = "0 54321 1\n1 100000 65536";
    check(
        Place::UserWithSubids,
        "$BIN run --map-auto -- sed 's/  */ /g;s/^ //' /proc/self/uid_map",
        map,
    );
}

#[test]
fn the_host_keeps_its_name() {
    for place in HERE {
        needs!(In(place));
        let script = "a=$(uname -n); $BIN run --hostname box --map-root -- uname -n; [ \"$a\" = \"$(uname -n)\" ]";
        check(place, script, "box");
    }
}

#[test]
fn a_shifted_clock_reaches_uptime() {
    for place in HERE {
        needs!(In(place));
        let script = "a=$(cut -d. -f1 /proc/uptime)
            b=$($BIN run --map-root --boottime 864000 -- cut -d. -f1 /proc/uptime)
            echo $(( (b - a) / 864000 ))";
        check(place, script, "1");
    }
}

#[test]
fn a_shell_inside_can_return_the_terminal() {
    needs!(Program("script"));
    for place in HERE {
        needs!(In(place));
        // As PID 1 it gives the terminal back to a group that must have a number in there.
        let script = "printf 'echo inside is $$\nexit 3\n' | script -qec \"$BIN run --pid --map-root\" /dev/null
            echo status $?";
        let output = shell(place, script);
        assert!(
            output.stdout.contains("inside is 1") && output.stdout.contains("status 3"),
            "{output}"
        );
        assert!(!output.stdout.contains("Cannot set tty"), "{output}");
    }
}

/// Starts a command on a terminal of its own; `$P` is the process of lab-01, once it says ready. No signal is
/// ignored, as nohup(1) and a shell's `&` would have it.
const ON_A_TERMINAL: &str = r#"
    start() {
        echo "echo \$\$ > $HOME/pid; exec $*" > $HOME/line
        env --default-signal script -qec "sh $HOME/line" /dev/null < /dev/null > $HOME/said & S=$!
        until grep -q ready $HOME/said; do sleep 0.02; done; P=$(cat $HOME/pid)
    }"#;

#[test]
fn a_signal_reaches_the_command_on_a_terminal_too() {
    needs!(Program("script"));
    for place in HERE {
        needs!(In(place));
        let script = r#"
            echo 'trap "echo heard; exit 7" TERM; echo ready; while :; do sleep 0.05; done' > $HOME/inside
            start $BIN run --pid --map-root -- sh $HOME/inside
            kill -TERM $P; wait $S; echo $?; grep -c heard $HOME/said"#;
        check(place, &format!("{ON_A_TERMINAL}\n{script}"), "7\n1");
    }
}

#[test]
fn a_terminal_that_hangs_up_ends_the_command() {
    needs!(Program("script"));
    for place in HERE {
        needs!(In(place));
        let script = r#"
            echo 'trap "echo heard > $HOME/heard; exit" HUP; echo ready; while :; do sleep 0.05; done' > $HOME/inside
            start $BIN run --pid --map-root -- sh $HOME/inside
            kill -KILL $S; wait $S 2>/dev/null
            for i in $(seq 1000); do [ -e /proc/$P ] || break; sleep 0.02; done
            ls /proc/$P 2>/dev/null; cat $HOME/heard"#;
        check(place, &format!("{ON_A_TERMINAL}\n{script}"), "heard");
    }
}

#[test]
fn a_stopped_command_stops_us_and_both_go_on() {
    needs!(Program("script"), Program("pgrep"));
    for place in HERE {
        needs!(In(place));
        let script = r#"
            state() { for i in $(seq 1000); do
                s=$(cut -d' ' -f3 /proc/$1/stat); case $s in $2) echo $2; return;; esac; sleep 0.02; done; echo $s; }
            echo 'echo ready; while ! [ -e $HOME/enough ]; do sleep 0.05; done; exit 3' > $HOME/inside
            start $BIN run --pid --map-root -- sh $HOME/inside
            C=$(pgrep -P $P); kill -STOP $C; state $C T; state $P T
            kill -CONT $P; state $C S; touch $HOME/enough; wait $S; echo $?"#;
        check(place, &format!("{ON_A_TERMINAL}\n{script}"), "T\nT\nS\n3");
    }
}

#[test]
fn no_flag_means_every_namespace() {
    for place in HERE {
        needs!(In(place));
        // A line a kind that is still shared; none is.
        let script = "ls -l /proc/self/ns | sed -n 's/.*-> //p' | sort -u > $HOME/ours
            $BIN run -- sh -c 'ls -l /proc/self/ns' | sed -n 's/.*-> //p' | sort -u | comm -12 - $HOME/ours";
        check(place, script, "");
    }
}

#[test]
fn unshare_of_util_linux_gives_the_same_view() {
    needs!(Program("unshare"));
    for place in HERE {
        needs!(In(place));
        // Namespaces differ by inode in every run; what is inside must not.
        let script = r#"
            look='id -u; cat /proc/self/uid_map; echo $$ /proc/[0-9]*; cat /proc/self/setgroups
                  sed 1,2d /proc/net/dev | wc -l; grep -c . /proc/self/cgroup; grep Cap /proc/self/status'
            $BIN run --pid --mount --net --uts --ipc --cgroup --map-root -- sh -c "$look" > $HOME/ours
            unshare --pid --fork --mount --mount-proc --net --uts --ipc --cgroup --map-root-user -- sh -c "$look" > $HOME/theirs
            diff $HOME/ours $HOME/theirs; true"#;
        let output = shell(place, script);
        // Root may keep setgroups(2); unshare(1) denies it all the same.
        let lines = output.stdout.trim().lines();
        let differences: Vec<&str> = lines.filter(|line| line.starts_with(['<', '>'])).collect();
        assert!(matches!(differences.as_slice(), [] | ["< allow", "> deny"]), "{output}");
    }
}

#[test]
fn ls_counts_what_lsns_counts() {
    needs!(In(Place::Root), Program("lsns"));
    // In a PID namespace of its own nobody comes and goes but the two that look.
    let script = r#"
        cat > $HOME/compare <<'EOF'
        sleep 50 & unshare -u -i sleep 50 & until grep -q sleep /proc/$!/comm; do sleep 0.02; done
        lsns -n -o NS,TYPE,NPROCS > $HOME/theirs
        $BIN ls --json > $HOME/ours
EOF
        $BIN run --pid --mount -- sh $HOME/compare
        python3 - <<'EOF'
import json, os
home = os.environ["HOME"]
ours = {(r[0], r[1], r[2]) for r in json.load(open(home + "/ours"))["rows"]}
theirs = {tuple(line.split()) for line in open(home + "/theirs")}
print("same" if ours == theirs else f"{ours ^ theirs}")
EOF"#;
    needs!(Program("python3"));
    check(Place::Root, script, "same");
}

#[test]
fn a_hidden_process_is_counted_in_words() {
    needs!(In(Place::User));
    let output = shell(Place::User, "$BIN ls");
    assert!(output.success().contains("hidden from us"), "{output}");
}

/// What a program reads of the census is whole: a person gets the beginning of a command.
#[test]
fn json_has_whole_commands_and_text_the_beginning() {
    needs!(In(Place::User));
    let script = r#"
        $BIN run --uts --pid --map-root -- sh -c 'sleep 60; true' a-long-word-that-no-table-shows & S=$!
        until $BIN ls -t uts --json | grep -q ',"sh -c sleep'; do sleep 0.05; done
        $BIN ls -t uts --json > $HOME/json; $BIN ls -t uts > $HOME/text
        kill -9 $S; wait $S 2>/dev/null
        grep -c '"sh -c sleep 60; true a-long-word-that-no-table-shows"' $HOME/json
        grep -c 'sh -c sleep 60; true a-…' $HOME/text"#;
    check(Place::User, script, "1\n1");
}

#[test]
fn the_tree_puts_a_child_below_its_parent() {
    for place in HERE {
        needs!(In(place));
        // Inside, the PID namespace around is out of reach: the tree begins with our own.
        let script = r#"
            cat > $HOME/inside <<'EOF'
            $BIN run --pid --mount --user --map-root -- sleep 60 &
            until $BIN tree --json | grep -q '"sleep 60"'; do sleep 0.05; done
            readlink /proc/self/ns/pid; $BIN tree; $BIN tree --json
EOF
            $BIN run --user --map-root --pid --mount -- sh $HOME/inside"#;
        let output = shell(place, script);
        let lines: Vec<&str> = output.success().lines().collect();
        let (ours, json) = (lines[0], lines[lines.len() - 2]);
        let below = lines.iter().filter(|line| line.contains("│ └─ ")).count();
        assert_eq!(below, 2, "a pid and a user namespace\n{output}");
        assert!(json.contains(&format!(r#"["{ours}","-","#)), "the top lies in nothing\n{output}");
        assert_eq!(json.matches(&format!(r#","{ours}","#)).count(), 1, "{output}");
        assert!(!json.contains('└') && json.starts_with(r#"{"columns""#), "{output}");
    }
}

#[test]
fn killed_at_any_moment_nothing_is_left() {
    for place in [Place::Root, Place::User] {
        needs!(In(place));
        killed_at_random(place, LAB, &[], 15);
    }
}
