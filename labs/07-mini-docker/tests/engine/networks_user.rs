//! Networks of an ordinary user: what a program of the user's carries through a TAP device (man 4 tun,
//! /dev/net/tun), and networks of one's own in the namespace that a holder keeps.
//!
//! podman makes the same as an ordinary user by netavark, and names by aardvark-dns; where the second
//! is not packaged there is no peer to ask.

use testbed::{Place, needs};

use crate::{
    networks::WORLD,
    world::{agree, on_own_host},
};

/// `as_user WITHOUT IDS SCRIPT`: a script of a user with one ID or `many`, where programs are not
/// installed. What is mounted for it is seen by nobody else: a TAP device for everybody, too, as udev(7)
/// makes it.
const AS_USER: &str = r#"
    ip route add default via 203.0.113.2
    chmod 711 "$home"; mkdir bin own www; chown 4242:4242 own
    cp /etc/passwd passwd; echo "ada:x:4242:4242::/:/bin/sh" >> passwd
    as_user() {
        : > ids; [ $2 = one ] || echo "ada:100000:65536" > ids
        unshare -m sh -euc '
            for it in $1; do mount --bind /dev/null "$(command -v $it)"; done
            mount --bind "$3/passwd" /etc/passwd
            for it in /etc/subuid /etc/subgid; do [ ! -e $it ] || mount --bind "$3/ids" $it; done
            mount --bind "$(dirname "$BIN")" "$3/bin"; cd "$3/own"
            mount -t tmpfs -o mode=755 net /dev/net; mknod -m 666 /dev/net/tun c 10 200
            exec setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps=-all \
                env HOME="$3/own" BIN="$3/bin/mini-docker" sh -euc "$4"' sh "$1" "$2" "$home" "$3"
    }
    echo from outside > www/index.html
    nsenter -t $world -n busybox httpd -f -p 99 -h "$home/www" & serving=$!
    until outside busybox wget -qO /dev/null http://127.0.0.1:99/ 2> /dev/null; do sleep 0.05; done
    export I
"#;

/// Words for scripts of the user. There is no apostrophe in such a script.
const WORDS: &str = r#"
    md() { "$BIN" --root "$HOME/data" "$@"; }
    fails() { code=0; "$@" || code=$?; echo "= $code"; }
    soon() { until "$@" > /dev/null 2>&1; do sleep 0.05; done; }
    serves() { soon md exec $1 busybox wget -qO /dev/null http://127.0.0.1/; }
    web() {
        name=$1; shift
        md run -d --name $name --dns 127.0.0.1 "$@" $I sh -c "mkdir -p /www; echo I am $name > /www/index.html; exec busybox httpd -f -p 80 -h /www" > /dev/null
        serves $name
    }
    get() { md exec $1 busybox wget -qO- http://$2/ 2> /dev/null || echo "$1 finds nobody at $2"; }
    links() { md exec $1 busybox ip -o link | cut -d: -f2 | cut -d@ -f1 | tr -d "\n"; echo; }
    holders() {
        for it in /proc/[0-9]*; do
            [ "$(tr "\0" " " < $it/cmdline)" != "mini-docker holder " ] || [ "$(stat -c %u $it)" != 4242 ] || echo ${it#/proc/}
        done 2> /dev/null
    }
    porters() {
        for it in $(grep -lz "^porter$" /proc/[0-9]*/cmdline 2> /dev/null | cut -d / -f 3); do
            [ "$(stat -c %u /proc/$it)" != 4242 ] || echo $it
        done
    }
    # Until the kernel has taken all from them.
    slay() { kill -9 "$@"; for it in "$@"; do until [ -z "$(ls /proc/$it/fd 2> /dev/null)" ]; do sleep 0.02; done; done; }
    ended() { until [ -z "$(holders)" ]; do sleep 0.02; done; }
    monitors() { md inspect "$@" | sed -n "s/.*\"MonitorPid\": \([0-9]*\).*/\1/p"; }
    md pull -q $I > /dev/null
"#;

#[track_caller]
fn says(without: &str, ids: &str, script: &str, expected: &str) {
    let script = format!(
        "{WORLD}\n {AS_USER}\n as_user '{without}' {ids} '{WORDS}\n{script}\n md rmi $I > /dev/null'\n \
         kill $serving; wait $serving 2> /dev/null || true; end_of_world"
    );
    agree(Place::Root, || on_own_host(&script), expected);
}

/// The default network works for a user as it does for root.
#[track_caller]
fn carries(without: &str) {
    says(
        without,
        "one",
        r#"
        md run --rm --network bridge $I sh -c "busybox ip route | grep -c ^default; busybox wget -qO- http://203.0.113.2:99/"
        md run -d --name web --network bridge -p 8080:80 $I sh -c "mkdir /www; echo from inside > /www/index.html; exec busybox httpd -f -p 80 -h /www" > /dev/null
        serves web
        busybox wget -qO- http://127.0.0.1:8080/
        slay $(porters); md ps -q | wc -l
        busybox wget -qO- http://127.0.0.1:8080/
        md rm -f web; porters
        "#,
        "
        1
        from outside
        from inside
        1
        from inside
        web
        ",
    );
}

#[test]
fn slirp4netns_carries_the_network_of_a_user() {
    needs!(Root, Program("ip"), Program("setpriv"), Program("slirp4netns"), Program("pasta"));
    carries("pasta");
}

#[test]
fn pasta_carries_the_network_of_a_user() {
    needs!(Root, Program("ip"), Program("setpriv"), Program("slirp4netns"), Program("pasta"));
    carries("slirp4netns");
}

/// What a network of one's own is good for.
const NETWORKS: &str = r#"
    md network create --subnet 10.9.0.0/24 shop | wc -c
    web ann --network shop --network-alias www -p 8080:80
    web bob --network shop --ip 10.9.0.9 --link ann:db
    echo names:
    get bob ann; get bob www; get bob db; get ann bob.shop; get ann db
    md exec ann busybox nslookup 10.9.0.9 | grep -o "name = .*"
    md exec bob grep nameserver /etc/resolv.conf
    md network inspect -f "{{len .Containers}}" shop
    echo out and in:
    md exec bob busybox wget -qO- http://203.0.113.2:99/
    busybox wget -qO- http://127.0.0.1:8080/; slay $(porters); md ps > /dev/null; busybox wget -qO- "http://[::1]:8080/"
    md port ann 80
    fails md network rm shop 2>&1 | grep -oE "network shop has active endpoints|= 1"
    echo moved:
    md network create --internal back > /dev/null
    md network connect --alias inner back ann
    md run --rm --network back $I busybox wget -qO- http://inner/
    links ann
    md run --rm --network back $I busybox wget -T 2 -qO- http://203.0.113.2:99/ 2> /dev/null || echo no way out
    md network disconnect shop ann
    get bob ann
    md network connect shop ann
    get bob ann
    busybox wget -qO- http://127.0.0.1:8080/
    echo kept over a start:
    md restart -t 0 bob > /dev/null; serves bob; get bob ann; get ann bob
    echo from a network of its own:
    md run -d --name solo --network bridge -p 8081:80 $I sh -c "mkdir -p /www; echo I am solo > /www/index.html; exec busybox httpd -f -p 80 -h /www" > /dev/null; serves solo
    md network connect shop solo; get solo ann; get ann solo; links solo
    fails md network connect bridge solo 2>&1 | head -n 1
    busybox wget -qO- http://127.0.0.1:8081/
    md network disconnect bridge solo; links solo
    md exec solo busybox wget -qO- http://203.0.113.2:99/; busybox wget -qO- http://127.0.0.1:8081/
    echo shared:
    md run --rm --network container:ann $I busybox wget -qO- http://127.0.0.1/
    md cp ann:/www/index.html copied > /dev/null 2>&1; cat copied
    md run -d --name memory --network none --ipc shareable $I sleep 1000 > /dev/null
    md run --rm --network shop --ipc container:memory $I busybox wget -qO- http://ann/
    md rm -f ann bob solo memory > /dev/null
    md network prune -f; ended
"#;

#[track_caller]
fn has_networks(without: &str, ids: &str) {
    says(
        without,
        ids,
        NETWORKS,
        "
        65
        names:
        I am ann
        I am ann
        I am ann
        I am bob
        ann finds nobody at db
        name = bob.shop
        nameserver 127.0.0.11
        2
        out and in:
        from outside
        I am ann
        I am ann
        0.0.0.0:8080
        [::]:8080
        network shop has active endpoints
        = 1
        moved:
        I am ann
        lo eth0 eth1
        no way out
        bob finds nobody at ann
        I am ann
        I am ann
        kept over a start:
        I am ann
        I am bob
        from a network of its own:
        I am ann
        I am solo
        lo eth0 eth1
        error: endpoint with name solo already exists in network bridge
        I am solo
        lo eth1
        from outside
        I am solo
        shared:
        I am ann
        I am ann
        I am ann
        Deleted Networks:
        shop
        back
        ",
    );
}

#[test]
fn a_user_with_one_id_has_networks_of_their_own_by_slirp4netns() {
    needs!(Root, Program("nft"), Program("setpriv"), Program("slirp4netns"), Program("pasta"));
    has_networks("pasta", "one");
}

#[test]
fn a_user_with_one_id_has_networks_of_their_own_by_pasta() {
    needs!(Root, Program("nft"), Program("setpriv"), Program("slirp4netns"), Program("pasta"));
    has_networks("slirp4netns", "one");
}

#[test]
fn a_user_with_subordinate_ids_has_networks_of_their_own() {
    needs!(Root, NewUidMap, Program("nft"), Program("setpriv"), Program("slirp4netns"));
    has_networks("", "many");
}

#[test]
fn where_no_program_leads_out_a_network_of_a_user_has_no_way_out_and_run_says_so() {
    needs!(Root, Program("nft"), Program("setpriv"), Program("slirp4netns"), Program("pasta"));
    says(
        "slirp4netns pasta",
        "one",
        r#"
        md network create shop > /dev/null; md network create --internal back > /dev/null
        web ann --network shop -p 8080:80 2>&1
        md run --rm --name bob --network back $I echo not meant to lead out
        md network connect back ann
        md run --rm --network back $I busybox wget -qO- http://ann/
        busybox wget -qO- http://127.0.0.1:8080/
        md exec ann busybox wget -T 2 -qO- http://203.0.113.2:99/ 2> /dev/null || echo no way out
        md rm -f ann; md network prune -f > /dev/null; ended
        "#,
        "
        WARNING: ann gets nowhere but into its networks: only root may plug anything into the host, and neither slirp4netns nor pasta is installed
        not meant to lead out
        I am ann
        I am ann
        no way out
        ann
        ",
    );
}

/// SIGKILL for the holder, for a monitor, for all at once, and a store that vanishes.
const KILLED: &str = r#"
    md network create shop > /dev/null
    web ann --network shop -p 8080:80; web bob --network shop
    works() { get bob ann; busybox wget -qO- http://127.0.0.1:8080/; md exec bob busybox wget -qO- http://203.0.113.2:99/; }
    echo the holder:
    slay $(holders); md ps > /dev/null; works
    slay $(holders); md run --rm --network shop $I busybox wget -qO- http://ann/; works
    holders | wc -l
    echo who mends:
    for n in 1 2 3 4 5 6; do
        slay $(holders)
        "$BIN" --root "$HOME/data" mend & victim=$!
        sleep 0.0$(( n * 15 )); kill -9 $victim 2> /dev/null || true; wait $victim 2> /dev/null || true
        md ps > /dev/null; get bob ann
    done | uniq
    echo a monitor:
    slay $(monitors ann)
    until md ps -a | grep -q "Exited (255)"; do sleep 0.02; done
    get bob ann; md network inspect -f "{{len .Containers}}" shop
    until md start ann 2> /dev/null; do sleep 0.02; done
    serves ann; works
    echo all of them:
    slay $(monitors ann bob) $(holders)
    until [ "$(md ps -aq --filter status=exited | wc -l)" = 2 ]; do sleep 0.02; done
    holders | wc -l; md network inspect -f "{{len .Containers}}" shop
    until md start ann bob 2> /dev/null > /dev/null; do sleep 0.02; done
    serves ann; works
    echo the store:
    all="$(monitors ann bob) $(md inspect -f "{{.State.Pid}}" ann bob)"
    mv data gone; slay $all; ended; mv gone data
    md ps -a | grep -c "Exited (255)"
    md rm -f ann bob; md network rm shop
"#;

#[test]
fn whatever_of_a_users_networks_is_killed_the_next_command_mends() {
    needs!(Root, Program("nft"), Program("setpriv"), Program("slirp4netns"), Program("pasta"));
    for without in ["pasta", "slirp4netns"] {
        says(
            without,
            "one",
            KILLED,
            "
            the holder:
            I am ann
            I am ann
            from outside
            I am ann
            I am ann
            I am ann
            from outside
            1
            who mends:
            I am ann
            a monitor:
            bob finds nobody at ann
            1
            ann
            I am ann
            I am ann
            from outside
            all of them:
            0
            0
            I am ann
            I am ann
            from outside
            the store:
            2
            ann
            bob
            shop
            ",
        );
    }
}

#[test]
fn commands_of_a_user_at_the_same_moment_and_several_stores() {
    needs!(Root, NewUidMap, Program("nft"), Program("setpriv"), Program("slirp4netns"));
    says(
        "",
        "many",
        r#"
        other() { "$BIN" --root "$HOME/other" "$@"; }
        other pull -q $I > /dev/null
        md network create shop > /dev/null; other network create shop > /dev/null
        for n in 1 2 3 4; do
            md run -d --name box$n --network shop --dns 127.0.0.1 $I sleep 1000 > box$n & eval "run$n=$!"
        done
        other run -d --name else --network shop $I sleep 1000 > /dev/null
        for pid in $run1 $run2 $run3 $run4; do wait $pid; done
        holders | wc -l
        for n in 1 2 3 4; do readlink /proc/$(md inspect -f "{{.State.Pid}}" box$n)/ns/user; done | sort -u | wc -l
        for n in 1 2 3; do md exec box$n busybox ping -c 1 -q box$((n + 1)) | grep -o "0% packet loss"; done
        md exec box1 busybox nslookup else > /dev/null 2>&1 || echo nobody of another store
        for n in 1 2 3 4; do md rm -f box$n > /dev/null & eval "run$n=$!"; done
        for pid in $run1 $run2 $run3 $run4; do wait $pid; done
        until [ "$(holders | wc -l)" = 1 ]; do sleep 0.02; done
        other rm -f else > /dev/null; ended
        for n in 1 2 3; do md run --rm --network shop $I echo again & eval "run$n=$!"; done
        for pid in $run1 $run2 $run3; do wait $pid; done
        ended; other rmi $I > /dev/null
        "#,
        "
        2
        1
        0% packet loss
        0% packet loss
        0% packet loss
        nobody of another store
        again
        again
        again
        ",
    );
}

#[test]
fn a_users_connect_and_disconnect_may_be_killed() {
    needs!(Root, Program("nft"), Program("setpriv"), Program("slirp4netns"));
    says(
        "",
        "one",
        r#"
        md network create shop > /dev/null; md network create back > /dev/null
        web ann --network back; md run -d --name box --network shop $I sleep 1000 > /dev/null
        box=$(md inspect -f "{{.Id}}" box | cut -c1-12)
        seed=${UNBOXED_SEED:-$$}
        for trial in 1 2 3 4 5; do
            for verb in connect disconnect; do
                seed=$(( (seed * 1103515245 + 12345) % 2147483648 ))
                "$BIN" --root "$HOME/data" network $verb back box > /dev/null 2>&1 & victim=$!
                sleep 0.0$(( seed % 80 + 10 )); kill -9 $victim 2> /dev/null || true; wait $victim 2> /dev/null || true
                md ps > /dev/null
                has=$(md inspect -f "{{range .NetworkSettings.Networks}}{{if .IPAddress}}in {{end}}{{end}}" box | wc -w)
                inside=$(md exec box ls /proc/sys/net/ipv4/conf | grep -c "^eth"); names=$(md exec box grep -c $box /etc/hosts)
                [ "$has $has" = "$inside $names" ] || { echo "after $verb: in $has, $inside inside, $names names"; exit 1; }
                [ $has = 1 ] || [ "$(get box ann)" = "I am ann" ]
                case $verb$has in connect1) md network connect back box ;; disconnect2) md network disconnect back box ;; esac
                [ $verb != disconnect ] || md network disconnect back box 2> /dev/null || true
            done
        done
        md rm -f ann box > /dev/null; md network rm shop back; ended
        "#,
        "
        shop
        back
        ",
    );
}
