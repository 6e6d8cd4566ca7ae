//! The network of an ordinary user's container, which a program of the user's carries through a TAP
//! device (man 4 tun, /dev/net/tun).

use testbed::{Place, needs};

use crate::{
    networks::WORLD,
    world::{agree, on_own_host},
};

/// `as_user WITHOUT SCRIPT`: a script of a user, where one of the two programs is not installed. What is
/// mounted for it is seen by nobody else.
const AS_USER: &str = r#"
    chmod 711 "$home"; mkdir bin own www; chown 4242:4242 own
    as_user() {
        unshare -m sh -euc '
            mount --bind /dev/null "$(command -v $1)"; mount --bind "$(dirname "$BIN")" "$3/bin"; cd "$3/own"
            exec setpriv --reuid 4242 --regid 4242 --clear-groups --inh-caps=-all \
                env HOME="$3/own" BIN="$3/bin/mini-docker" sh -euc "$2"' sh "$1" "$2" "$home"
    }
    echo from outside > www/index.html
    nsenter -t $world -n busybox httpd -f -p 99 -h "$home/www" & serving=$!
    until outside busybox wget -qO /dev/null http://127.0.0.1:99/ 2> /dev/null; do sleep 0.05; done
    export I
"#;

/// What works for a user as it does for root, and what does not.
const SCRIPT: &str = r#"
    md() { "$BIN" --root "$HOME/data" "$@"; }
    md pull -q $I > /dev/null
    md run --rm --network bridge $I sh -c "busybox ip route | grep -c ^default; busybox wget -qO- http://203.0.113.2:99/"
    md run -d --name web --network bridge -p 8080:80 $I sh -c "mkdir /www; echo from inside > /www/index.html; exec busybox httpd -f -p 80 -h /www" > /dev/null
    until md exec web busybox wget -qO /dev/null http://127.0.0.1/ 2> /dev/null; do sleep 0.05; done
    busybox wget -qO- http://127.0.0.1:8080/
    md rm -f web
    code=0; md network create shop 2>&1 || code=$?; echo "= $code"
    md rmi $I > /dev/null
"#;

#[track_caller]
fn carries(without: &str) {
    let script = format!(
        "{WORLD}\n ip route add default via 203.0.113.2\n {AS_USER}\n as_user {without} '{SCRIPT}'\n \
         kill $serving; wait $serving 2> /dev/null || true; end_of_world"
    );
    agree(
        Place::Root,
        || on_own_host(&script),
        "
        1
        from outside
        from inside
        web
        error: cannot use the network shop as an ordinary user
        why: a bridge is plugged into the host's network namespace, and that is root's
        fix: run it as root, or without --network: the default network works for users as well
        = 1
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
