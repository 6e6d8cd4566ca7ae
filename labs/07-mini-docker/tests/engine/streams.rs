//! Streams: what goes both ways between whoever is attached and the program.

use testbed::{Place, needs};

use crate::world;

/// `within VERB..`: mini-docker, for as long as nobody could take for waiting; `much BYTES` of text.
const HELPERS: &str = r#"
    within() { timeout 60 "$BIN" --root "$home/data" "$@"; }
    much() { yes 0123456789abcdef | head -c $1; }
    md pull -q $I > /dev/null
"#;

#[track_caller]
fn says(script: &str, expected: &str) {
    world::says(Place::Root, &format!("{HELPERS}\n{script}"), expected);
}

#[test]
fn both_directions_wait_for_nobody() {
    needs!(In(Place::Root));
    says(
        r#"
        echo as much as came:
        much 20000000 | within run --network none -i --rm $I cat | wc -c
        md run -d --name box $I sleep 1000 > /dev/null
        much 20000000 | within exec -i box cat | wc -c
        md run -di --name taken $I busybox head -c 20000000 > /dev/null
        much 20000000 | within attach taken | wc -c
        echo more than came:
        many="busybox sed s/.*/&&&&&&&&&&/"
        much 1700000 | within run --network none -i --rm $I $many | wc -c
        much 1700000 | within exec -i box $many | wc -c
        md run -di --name amplified -e "many=$many" $I sh -c 'busybox head -c 1700000 | $many' > /dev/null
        much 1700000 | within attach amplified | wc -c
        echo before anybody reads:
        mkfifo in out
        within run --network none -i --rm $I sh -c 'busybox yes | busybox head -c 300000; cat > /dev/null; echo took all' > out < in & run=$!
        exec 3< out
        much 5000000 > in
        tail -n 1 <&3; wait $run
        echo a signal:
        mkfifo more
        within run --network none -i --name deaf $I sh -c 'trap "exit 3" INT; while :; do sleep 0.05; done' < more & run=$!
        much 3000000 > more 2> /dev/null & much=$!
        until md ps --format '{{.Names}}' | grep -q deaf; do sleep 0.05; done; sleep 0.5
        kill -INT $(pgrep -P $run); wait $run || echo "= $?"
        wait $much || true
        "#,
        "
        as much as came:
        20000000
        20000000
        20000000
        more than came:
        16100000
        16100000
        16100000
        before anybody reads:
        took all
        a signal:
        = 3
        ",
    );
}

#[test]
fn a_terminal_has_the_size_of_ours_also_when_that_changes() {
    needs!(In(Place::Root), Program("script"));
    says(
        r#"
        cat > inside << 'END'
trap 'told=yes' WINCH
busybox stty size; echo the first size
told=no; until [ "$(busybox stty size)" = "40 120" ]; do sleep 0.05; done; echo the next one
until [ $told = yes ]; do sleep 0.05; done; echo and told so
END
        shows() {
            timeout 60 script -qefc "tty > terminal; stty cols 91 rows 33; exec $BIN --root $home/data $* sh /inside" /dev/null > said < /dev/null & shown=$!
            until grep -q first said; do sleep 0.05; done
            stty -F $(cat terminal) cols 120 rows 40
            wait $shown || echo "= $?"
            tr -d '\r' < said | sed 's/^^@//'
        }
        shows run --network none --rm -v $home/inside:/inside -it $I
        md run -d --name box -v $home/inside:/inside $I sleep 1000 > /dev/null
        shows exec -it box
        said() { script -qec "stty cols 91 rows 33; exec $BIN --root $home/data $*" /dev/null < /dev/null | tr -d '\r'; }
        said create -t --name sized $I > /dev/null
        md inspect -f '{{.HostConfig.ConsoleSize}}' sized
        said run --explain -t $I | tr '\n' ' ' | tr -s ' ' | grep -o 'ioctl(slave, TIOCSWINSZ[^)]*)'
        "#,
        "
        33 91
        the first size
        the next one
        and told so
        33 91
        the first size
        the next one
        and told so
        [33 91]
        ioctl(slave, TIOCSWINSZ, 33 rows, 91 columns)
        ",
    );
}
