//! From the start of a container to its end, and over again.

use testbed::{Place, needs};

use crate::{BIN, places::in_places, world};

#[track_caller]
fn says(place: Place, script: &str, expected: &str) {
    world::says(place, &format!("{HELPERS}\n{script}"), expected);
}

/// `until_says WORDS CMD..` waits until a command prints these words; `state NAME` is a container's.
const HELPERS: &str = r#"
    until_says() { words=$1; shift; until "$@" 2>&1 | grep -q "$words"; do sleep 0.05; done; }
    state() { md ps -a --format json | grep "\"Names\":\"$1\"" | grep -o '"State":"[a-z]*"'; }
    status() { md ps -a --format json | grep "\"Names\":\"$1\"" | sed 's/.*"Status":"\([^"]*\)".*/\1/; s/[0-9]* seconds\?\|Less than a second/TIME/'; }
    monitor() { md inspect $1 | sed -n 's/.*"MonitorPid": \([0-9]*\).*/\1/p'; }
    actions() { sed 's/.*"Action":"\([^"]*\)".*/\1/' data/events.json; }
    md pull -q $I > /dev/null
"#;

in_places! {
    [as_root: Root, as_user_with_subids: UserWithSubids]

    a_policy_starts_again_and_stop_ends_it(place) {
        says(place, r#"
            md run -d --name fails --restart on-failure:2 $I sh -c 'echo run; exit 3' > /dev/null
            md run -d --name always --restart always $I sh -c 'exit 4' > /dev/null
            until_says Restarting status always
            until md exec always true 2>&1 | grep -o 'is restarting, wait until.*'; do :; done
            md wait always
            md stop always; state always
            until_says Exited status fails
            md inspect fails | grep -o '"RestartCount": [0-9]*'
            md logs fails
            fails md run --rm --restart always $I true 2>&1 | head -1
            md run -d --name again --restart always $I sleep 1000 > /dev/null
            old=$(monitor again); md exec again sh -c 'kill -9 1' || true
            md restart -t 0 again; md rm -f again
            md run -d --rm --name kept $I sleep 1000 > /dev/null
            md restart -t 0 kept; state kept; md rm -f kept
        "#, r#"
            is restarting, wait until the container is running
            4
            always
            "State":"exited"
            "RestartCount": 2
            run
            run
            run
            error: conflicting options: cannot specify both --restart and --rm
            again
            again
            kept
            "State":"running"
            kept
        "#);
    }

    a_client_that_takes_nothing_holds_up_no_policy(place) {
        says(place, r#"
            md run -d --name box --restart always $I sh -c 'sleep 1; busybox head -c 900000 /dev/zero; exit 3' > /dev/null
            "$BIN" --root "$home/data" attach --no-stdin box > taken & slow=$!
            "$BIN" --root "$home/data" attach --no-stdin box > other & other=$!
            until [ "$(actions | grep -c attach)" = 2 ]; do sleep 0.02; done
            kill -STOP $slow
            fails wait $other
            tries=0
            until [ "$(md inspect -f '{{.RestartCount}}' box)" -ge 2 ]; do
                tries=$((tries + 1)); [ $tries -lt 300 ] || { echo "not started again"; break; }
                sleep 0.05
            done
            kill -CONT $slow
            fails wait $slow
            stat -c '%n %s' taken other
            md rm -f box
        "#, r#"
            = 3
            = 3
            taken 900000
            other 900000
            box
        "#);
    }

    an_init_reaps_and_passes_signals_on(place) {
        says(place, r#"
            md run -d --name box --init $I sleep 1000 > /dev/null
            md exec box sh -c 'orphan=$(sh -c "sleep 0.1 > /dev/null & echo \$!"); while [ -d /proc/$orphan ]; do sleep 0.05; done; echo reaped'
            md exec box cat /proc/1/cmdline | sed 's/\x0/ /g'; echo
            md stop box; status box
            fails md run --rm --init $I sh -c 'exit 9'
            fails md run --rm --init $I nowhere 2>&1
        "#, "
            reaped
            /sbin/docker-init -- sleep 1000
            box
            Exited (143) TIME ago
            = 9
            docker-init: exec nowhere failed: No such file or directory
            = 127
        ");
    }

    health_is_checked_while_it_runs(place) {
        says(place, r#"
            md run -d --name box --health-cmd 'echo looked; test -e /up' --health-interval 100ms --health-retries 2 $I sleep 1000 > /dev/null
            status box | grep -c starting
            until_says unhealthy status box
            md exec box touch /up
            until_says '(healthy)' status box
            md inspect box | grep -m1 -o '"Output": "[a-z]*'
            actions | grep health_status
            md rm -f box
            md run -d --name slow --health-cmd 'sleep 1000' --health-interval 100ms --health-timeout 200ms --health-retries 1 $I sleep 999 > /dev/null
            until_says unhealthy status slow
            md inspect slow | grep -m1 -o '"Output": ".*"'
            md rm -f slow
            md run -d --name none --no-healthcheck $I sleep 1000 > /dev/null; status none; md rm -f none
        "#, r#"
            1
            "Output": "looked
            health_status: unhealthy
            health_status: healthy
            box
            "Output": "Health check exceeded timeout (0.2s)"
            slow
            Up TIME
            none
        "#);
    }

    others_attach_and_the_log_is_rotated(place) {
        says(place, r#"
            md run -d -i --name box --log-opt max-size=300 --log-opt max-file=2 $I sh -c 'while read line; do echo got $line; [ $line != end ] || exit 5; done' > /dev/null
            md attach --no-stdin box > one & one=$!
            md attach --no-stdin box > two & two=$!
            until [ "$(actions | grep -c attach)" = 2 ]; do sleep 0.02; done
            printf '1\n2\n3\n4\n5\n6\nend\n' | md attach box > three || echo = $?
            for pid in $one $two; do wait $pid || echo = $?; done
            cat one; cmp one two; cmp one three
            ls data/containers/*/ | grep -c '^log'
            md logs -n 2 box
            fails md attach box 2>&1 | head -1
            md rm box
            fails md run --rm --log-driver syslog $I true 2>&1 | head -1
            md run -d --name none --log-driver none $I echo hi > /dev/null
            fails md logs none 2>&1 | head -1; md rm -f none
        "#, "
            = 5
            = 5
            = 5
            got 1
            got 2
            got 3
            got 4
            got 5
            got 6
            got end
            2
            got 6
            got end
            error: You cannot attach to a stopped container, start it first
            box
            error: error looking up logging plugin syslog: plugin \"syslog\" not found
            error: configured logging driver does not support reading
            none
        ");
    }
}

#[test]
fn a_container_is_paused_renamed_updated_and_pruned() {
    needs!(In(Place::Root), CgroupV1("memory"));
    says(
        Place::Root,
        r#"
            md run -d --name box $I sleep 1000 > /dev/null
            md pause box; state box; status box
            for verb in 'exec box true' 'attach box' 'pause box' 'start box'; do fails md $verb 2>&1 | head -1 | sed 's/[0-9a-f]\{64\}/ID/'; done
            md unpause box; state box; fails md unpause box 2>&1 | head -1 | sed 's/[0-9a-f]\{64\}/ID/'
            md pause box; md stop -t 0 box; state box; md start box
            md rename box other; fails md rename other other 2>&1 | head -1
            md update -m 64m --memory-swap 128m --pids-limit 20 --cpus 0.5 --restart unless-stopped other
            md exec other sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us'
            md inspect other | grep -o '"unless-stopped"'
            md kill -s KILL other; md wait --condition not-running other; state other
            md container prune -f | grep -c '^[0-9a-f]\{64\}$'
            md container ls -aq
            actions | grep -v '^exec\|^pull\|^untag'
        "#,
        r#"
            box
            "State":"paused"
            Up TIME (Paused)
            error: Container box is paused, unpause the container before exec
            error: You cannot attach to a paused container, unpause it first
            error: Container ID is already paused
            box
            box
            "State":"running"
            error: Container ID is not paused
            box
            box
            "State":"exited"
            box
            error: Renaming a container with the same name as its current name
            other
            67108864
            20
            50000
            "unless-stopped"
            other
            137
            "State":"exited"
            1
            create
            connect
            start
            pause
            unpause
            pause
            kill
            kill
            die
            disconnect
            stop
            connect
            start
            rename
            update
            kill
            die
            disconnect
            destroy
        "#,
    );
}

#[test]
fn what_ran_before_a_reboot_runs_again() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            for policy in no always unless-stopped; do
                md run -d --name $policy --restart $policy $I sleep 1000 > /dev/null
                md run -d --name $policy-stopped --restart $policy $I sleep 1000 > /dev/null
                md stop -t 0 $policy-stopped > /dev/null
            done
            md run -d --rm --name removed $I sleep 1000 > /dev/null
            # As a machine that is switched off: nobody sees the end.
            for name in no always unless-stopped removed; do kill -9 $(monitor $name); done
            md resume | sort
            md ps -a --format json | sed 's/.*"Names":"\([^"]*\)".*"State":"\([^"]*\)".*/\1 \2/' | sort
            md resume
            for id in $(md ps -aq); do md rm -f $id > /dev/null; done
        "#,
        "
            always
            always-stopped
            unless-stopped
            always running
            always-stopped running
            no exited
            no-stopped exited
            unless-stopped running
            unless-stopped-stopped exited
        ",
    );
}

#[test]
fn every_state_survives_the_death_of_its_monitor() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            # A signal is sent before it is felt.
            dies() { kill -9 $1; until [ ! -d /proc/$1 ] || grep -q 'State:.[ZX]' /proc/$1/status; do sleep 0.01; done; }
            md run -d --name paused $I sleep 1000 > /dev/null; md pause paused > /dev/null
            dies $(monitor paused); status paused; md start paused; state paused; md rm -f paused
            md run -d --name waits --restart always $I sh -c 'exit 6' > /dev/null
            # The fifth pause lasts long enough for a signal.
            until_says '"RestartCount": [5-9]' md inspect waits; until_says Restarting status waits
            dies $(monitor waits); status waits; md rm waits
            md run -d --name checked --health-cmd 'sleep 1000' --health-interval 50ms $I sleep 999 > /dev/null
            sleep 0.3; dies $(monitor checked); state checked; md rm -f checked
            md run -d -i --name watched $I cat > /dev/null
            md attach --no-stdin watched 2> said & one=$!
            md wait watched > code & two=$!
            md exec -d watched sleep 998
            until grep -q attach data/events.json; do sleep 0.02; done; sleep 0.2
            dies $(monitor watched); wait $one || echo = $?; wait $two; cat code
            head -1 said; state watched; md rm -f watched
            md run -d --name held $I sleep 1000 > /dev/null; md exec -d held sleep 997
            # It becomes the small program when the client has its answer.
            own=$(monitor held); id=$(md inspect -f '{{.Id}}' held); keeper=
            until [ "$keeper" ]; do keeper=$(pgrep -f "[m]ini-docker-monitor $id" | grep -vx $own | head -1); done
            dies $keeper; state held; md rm -f held
        "#,
        r#"
            Exited (255) TIME ago
            paused
            "State":"running"
            paused
            Exited (6) TIME ago
            waits
            "State":"exited"
            checked
            = 1
            255
            error: the container's monitor went away without a word
            "State":"exited"
            watched
            "State":"running"
            held
        "#,
    );
}

/// Somebody starts a container while somebody else is about to remove it: between their look at it and
/// what they do to it.
#[test]
fn a_container_that_is_started_meanwhile_is_not_removed() {
    needs!(In(Place::Root), Program("strace"));
    says(
        Place::Root,
        r#"
        md create --name box $I sleep 1000 > /dev/null
        strace -qq -o /dev/null -e inject=flock:delay_enter=1000000 \
            "$BIN" --root "$home/data" rm box > said 2>&1 & removes=$!
        sleep 0.5; md start box; wait $removes || head -1 said
        md exec box echo still there; md rm -f box
        "#,
        "
        box
        error: cannot remove container \"/box\": container is running
        still there
        box
        ",
    );
}

#[test]
fn who_waits_says_what_for() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
        waiting() { sleep 0.3; kill -0 $1 && echo waits; }
        md create --name box $I sh -c 'exit 3' > /dev/null
        md wait box
        md wait --condition next-exit box > next & waiter=$!
        waiting $waiter; md start box; wait $waiter; cat next
        md wait --condition removed box > gone & waiter=$!
        waiting $waiter; md rm box; wait $waiter; cat gone
        "#,
        "
        0
        waits
        box
        3
        waits
        box
        3
        ",
    );
}

#[test]
fn somebody_lets_go_of_a_terminal_and_comes_back() {
    needs!(In(Place::Root), Program("script"));
    says(
        Place::Root,
        r#"
            # A terminal that types what comes from a pipe.
            terminal() { script -qefc "$BIN --root $home/data $1" /dev/null; }
            # Types a line as soon as somebody is there, and more when the line has been done.
            types() { # MORE WORD
                until md exec box true 2> /dev/null; do sleep 0.05; done
                printf 'echo %s > /note%s\n' "$2" "$3"
                until md exec box grep -q "$2" /note 2> /dev/null; do sleep 0.05; done
                printf "$1"
            }
            detached() { until [ "$(actions | grep -c detach)" = $1 ]; do sleep 0.05; done; }
            (types '\020\021' one; detached 1) | (fails terminal "run --network none -it --name box $I sh") > said || true
            tail -1 said | sed 's/.*=/=/'; state box; md exec box cat /note
            (types ab two; detached 2) | (fails terminal "attach --detach-keys a,b box") > said || true
            grep -o 'read escape sequence' said; tail -1 said | sed 's/.*=/=/'; md exec box cat /note
            (types '\020\021' three '; sleep 1000'; while pgrep -f 'data [e]xec -it box' > /dev/null; do sleep 0.05; done) | (fails terminal "exec -it box sh") > said || true
            tail -1 said | sed 's/.*=/=/'; md exec box cat /note
            (printf 'exit 7\n'; until_says exited state box) | (fails terminal "attach box") > said || true
            tail -1 said | sed 's/.*=/=/'; state box
            actions | grep 'attach\|detach'
            md rm box
        "#,
        r#"
            = 0
            "State":"running"
            one
            read escape sequence
            = 1
            two
            = 1
            three
            = 7
            "State":"exited"
            detach
            attach
            detach
            attach
            box
        "#,
    );
}

/// The monitor of the last run tidies up after the record says that it ended; what it takes away is
/// not to be the next run's. An exec that comes too late is told so.
/// Numbers of descriptors that somebody makes up are no way to get at those of the program.
#[test]
fn the_small_monitor_takes_only_what_was_left_to_it() {
    let place = Place::unprivileged();
    needs!(In(place));
    let script = r#"
        task='{"back":[],"wait_ms":0,"is_terminal":false,"input_once":false,"log":null,"check":null,"note":""}'
        for number in 0 2 9 99; do
            MINI_DOCKER_WATCH='{"program":'$number',"task":'$task',"process":null,"input":2,"output":1,"errors":2,"listener":null,"clients":[]}' \
                "$(dirname "$BIN")/mini-docker-monitor" 2>&1 9> /dev/full && code=0 || code=$?
            echo "$number $code"
        done
    "#;
    assert_eq!(place.shell(BIN, script).success(), "0 125\n2 125\n9 1\n99 125\n");
}

#[test]
fn a_container_that_has_just_ended_is_started_again() {
    needs!(In(Place::Root));
    says(
        Place::Root,
        r#"
            md run -d --name box $I sleep 1000 > /dev/null
            ended() { until [ $(md inspect -f '{{.State.Status}}' box) = exited ]; do :; done; }
            for round in 1 2 3 4 5 6 7 8; do
                md kill box > /dev/null; ended; md start box > /dev/null; md exec box echo round $round
            done
            md kill box > /dev/null; ended
            fails md exec box true 2>&1 | sed 's/[0-9a-f]\{64\}/ID/'
        "#,
        "
            round 1
            round 2
            round 3
            round 4
            round 5
            round 6
            round 7
            round 8
            error: container ID is not running
            why: a program needs namespaces to join, and those end with the container
            fix: start it first: mini-docker start box
            = 1
        ",
    );
}
