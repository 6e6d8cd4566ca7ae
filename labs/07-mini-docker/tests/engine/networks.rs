//! Networks, in a network namespace that stands for the host: bridges, ports, names, and that
//! nothing of them stays.

use testbed::{Place, needs};

use crate::world::{agree, on_own_host};

/// Runs a script in a network of its own and compares what it says, line by line; nothing may be
/// left of it, neither there nor here.
#[track_caller]
fn says(script: &str, expected: &str) {
    agree(Place::Root, || on_own_host(script), expected);
}

/// A web server that says who it is.
const WEB: &str = r#"
    web() {
        name=$1; shift
        md run -d --name $name "$@" $I sh -c "mkdir -p /www; echo I am $name > /www/index.html; exec busybox httpd -f -p 80 -h /www" > /dev/null
        until md exec $name busybox wget -qO /dev/null http://127.0.0.1/ 2> /dev/null; do sleep 0.05; done
    }
    # Answers each datagram with the same.
    ECHO='
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 5300)); print("ready", flush=True)
while True:
    data, who = s.recvfrom(999); s.sendto(data, who)'
    pid() { md inspect $1 | sed -n 's/.*"Pid": \([0-9]*\).*/\1/p'; }
    get() { busybox wget -qO- "$@" 2>&1; }
    md pull -q $I > /dev/null
"#;

#[test]
fn daemon_json_says_whom_to_ask_for_names_unless_a_flag_does() {
    needs!(Root, Program("nft"));
    says(
        r#"
        md pull -q $I > /dev/null
        mkdir -p settings/mini-docker; export XDG_CONFIG_HOME=$PWD/settings
        echo '{"dns": ["192.0.2.53"], "dns-search": ["lab.example"], "dns-opts": ["attempts:7"]}' > settings/mini-docker/daemon.json
        md run --rm --net bridge $I cat /etc/resolv.conf
        echo; md run --rm --net bridge --dns 192.0.2.99 --dns-search . $I cat /etc/resolv.conf
        # With another's network come its names.
        unset XDG_CONFIG_HOME
        md run -d --name other --net bridge --dns 192.0.2.1 --dns-search . --dns-option attempts:1 $I sleep 1000 > /dev/null
        export XDG_CONFIG_HOME=$PWD/settings
        echo; md run --rm --net container:other $I cat /etc/resolv.conf
        # Something that is no address is nobody to ask.
        echo '{"dns": ["a name"]}' > settings/mini-docker/daemon.json
        fails md run $I true 2>&1 | sed "s,$PWD,HERE,"
        unset XDG_CONFIG_HOME
        "#,
        "
        nameserver 192.0.2.53
        search lab.example
        options attempts:7
        nameserver 192.0.2.99
        options attempts:7
        nameserver 192.0.2.1
        options attempts:1
        error: cannot read the settings
        why: HERE/settings/mini-docker/daemon.json: invalid IP address syntax at line 1 column 17
        fix: correct the file, or move it away
        = 125
        ",
    );
}

#[test]
fn the_default_network_gives_an_address_and_goes_with_its_last_container() {
    needs!(Root, Program("nft"), Program("ip"));
    says(
        &format!(
            r#"{WEB}
            md run --rm --network bridge $I sh -c 'busybox ip -4 -o address show eth0; busybox ip route; cat /etc/resolv.conf; hostname > /h; grep -c "172.17.0.2.$(cat /h)" /etc/hosts' | sed 's/ brd.*//; /^nameserver/d; /^options/d; /^search/d'
            md network ls -q --filter name=bridge | wc -l
            md run --rm --network none $I busybox ip -o link | cut -d: -f2
            web ann --network bridge; web bob --net bridge
            md exec ann busybox wget -qO- http://172.17.0.3/
            md inspect bob | grep -oE '"(IPAddress|Gateway|MacAddress|IPPrefixLen)".*' | sort -u
            ip -br link | grep -c veth
            md stop -t 0 ann > /dev/null
            ip -br link | grep -c veth
            md start ann > /dev/null; md exec ann busybox ip -4 -o address show eth0 | grep -o 'inet [0-9.]*'
            md run --rm --network container:bob $I busybox wget -qO- http://127.0.0.1/
            md run --rm --network container:bob $I cat /etc/hosts | grep -c 172.17.0.3
            md run --rm --network host $I busybox ip -br link 2>&1 | grep -c mini0 || true
            "#
        ),
        r#"
        2: eth0    inet 172.17.0.2/16
        default via 172.17.0.1 dev eth0
        172.17.0.0/16 dev eth0 scope link  src 172.17.0.2
        1
        1
        lo
        I am bob
        "Gateway": "172.17.0.1",
        "IPAddress": "172.17.0.3",
        "IPPrefixLen": 16,
        "MacAddress": "02:42:ac:11:00:03",
        2
        1
        inet 172.17.0.2
        I am bob
        1
        0
        "#,
    );
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    needs!(Root, Program("nft"), Program("ip"));
    says(
        &format!(
            r#"{WEB}
            web ann --network bridge -p 8080:80 -p 127.0.0.1::80/tcp -p 5300-5301:5300-5301/udp --expose 99
            md port ann | sed 's/:[0-9]*$/:N/' | grep -v '530[01]/udp -> .::' | grep -v 5301 | sort -u
            md port ann 80 | sed -n 's/0.0.0.0:\(.*\)/\1/p'
            fails md port ann 81 2>&1 | grep -E 'error|='
            md ps --format json | grep -o '99/tcp'
            get http://127.0.0.1:8080/; get http://[::1]:8080/; get http://172.17.0.1:8080/
            get http://127.0.0.1:$(md port ann 80 | sed -n 's/127.0.0.1://p')/
            md exec ann busybox wget -qO- http://172.17.0.1:8080/
            web bob --network bridge; md exec bob busybox wget -qO- http://172.17.0.1:8080/
            nsenter -t $(pid ann) -n python3 -c "$ECHO" > echoing & echo=$!; until grep -q . echoing 2> /dev/null; do sleep 0.05; done
            for ip in 127.0.0.1 ::1 172.17.0.1; do
                timeout 5 bash -c "exec 3<> /dev/udp/$ip/5300; echo from $ip >&3; head -n 1 <&3"
            done
            fails md run --rm --network bridge -p 8080:80 --name cid $I true 2>&1 | grep -v ' see'
            busybox nc -l -p 8081 & until grep -q ':1F91 .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.05; done
            fails md run --rm --network bridge -p 8081:80 --name cid $I true 2>&1 | grep -v ' see'
            kill $!
            md rm -f ann > /dev/null; kill $echo
            md run --rm --network bridge -p 8080:80 --name cid $I echo free again
            md run -d --name dan --network bridge -P --expose 7 $I sleep 100 > /dev/null; md port dan | grep -c '^7/tcp -> .*:[0-9]'
            "#
        ),
        r#"
        5300/udp -> 0.0.0.0:N
        80/tcp -> 0.0.0.0:N
        80/tcp -> 127.0.0.1:N
        80/tcp -> [::]:N
        8080
        error: No public port '81/tcp' published for ann
        = 1
        99/tcp
        I am ann
        I am ann
        I am ann
        I am ann
        I am ann
        I am ann
        from 127.0.0.1
        from ::1
        from 172.17.0.1
        error: driver failed programming external connectivity on endpoint cid: Bind for 0.0.0.0:8080 failed: port is already allocated
        why: the container ann has it
        fix: stop that one (mini-docker stop ann), or publish another port of the host
        = 125
        error: driver failed programming external connectivity on endpoint cid: failed to bind port 0.0.0.0:8081/tcp
        why: bind(0.0.0.0:8081) = EADDRINUSE (Address already in use)
        fix: find out who listens there (ss -lnp sport = :8081), or publish another port
        = 125
        free again
        2
        "#,
    );
}

#[test]
fn a_killed_porter_is_followed_by_another() {
    needs!(Root, Program("nft"), Program("ip"));
    says(
        &format!(
            r#"{WEB}
            here() {{ [ "$(readlink /proc/$1/ns/net)" = "$(readlink /proc/self/ns/net)" ]; }}
            porter() {{ for it in $(grep -lz '^porter$' /proc/[0-9]*/cmdline 2> /dev/null | cut -d / -f 3); do ! here $it || echo $it; done; }}
            slay() {{ kill -9 $1; while grep -qs 'State:.[RSD]' /proc/$1/status; do sleep 0.02; done; }}
            web ann --network bridge -p 8080:80
            slay $(porter)
            md ps -q | wc -l; get http://127.0.0.1:8080/; get http://[::1]:8080/
            slay $(porter)
            md port ann 80/tcp | head -n 1; get http://127.0.0.1:8080/
            slay $(porter)
            fails md run --rm --network bridge -p 8080:80 --name bob $I true 2>&1 | grep -o 'port is already allocated\|^= .*'
            get http://127.0.0.1:8080/
            # It goes with the container, as the first one did.
            md stop -t 0 ann; porter
            md run --rm --network bridge -p 8080:80 $I echo free again
            md start ann; porter | wc -l
            "#
        ),
        "
        1
        I am ann
        I am ann
        0.0.0.0:8080
        I am ann
        port is already allocated
        = 125
        I am ann
        ann
        free again
        ann
        1
        ",
    );
}

#[test]
fn a_killed_monitor_leaves_what_the_next_command_sweeps() {
    needs!(Root, Program("nft"), Program("ip"));
    says(
        &format!(
            r#"{WEB}
            for trial in 1 2; do
                web ann --network bridge -p 8080:80
                kill -9 $(md inspect ann | sed -n 's/.*"MonitorPid": \([0-9]*\).*/\1/p')
                until md ps -a | grep -q 'Exited (255)'; do sleep 0.02; done
                links | diff before - && echo swept
                until md start ann 2> /dev/null; do sleep 0.02; done
                md rm -f ann > /dev/null
            done
            "#
        ),
        "
        swept
        ann
        swept
        ann
        ",
    );
}

/// A network beside the host, with a machine in it that is reached through it: `outside CMD`. It has
/// the address 203.0.113.2, the host 203.0.113.1.
pub const WORLD: &str = r#"
    unshare -n sleep 1000 & world=$!
    until [ "$(readlink /proc/$world/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
    ip link add up0 type veth peer name eth0 netns $world
    ip address add 203.0.113.1/24 dev up0; ip link set up0 up
    outside() { nsenter -t $world -n "$@"; }
    outside ip link set lo up; outside ip address add 203.0.113.2/24 dev eth0; outside ip link set eth0 up
    links > before
    end_of_world() { ip link del up0; kill $world; wait $world 2> /dev/null || true; links > before; }
"#;

#[test]
fn the_world_is_reached_by_masquerade_and_comes_in_only_by_published_ports() {
    needs!(Root, Program("nft"), Program("ip"), Program("python3"));
    says(
        &format!(
            r#"{WEB}{WORLD}
            # Says whom it is asked by.
            nsenter -t $world -n python3 -c '
import socket
s = socket.create_server(("", 99)); print("ready", flush=True)
while True:
    c, who = s.accept(); c.sendall((who[0] + "\n").encode()); c.close()' > asked & asked=$!
            until grep -q . asked 2> /dev/null; do sleep 0.05; done
            cat /proc/sys/net/ipv4/ip_forward
            web ann --network bridge -p 8080:80
            cat /proc/sys/net/ipv4/ip_forward
            echo masqueraded:
            md exec ann busybox nc 203.0.113.2 99 < /dev/null
            echo published:
            outside busybox wget -qO- http://203.0.113.1:8080/
            echo not otherwise:
            outside ip route add 172.17.0.0/16 via 203.0.113.1
            outside timeout 1 busybox wget -qO- http://172.17.0.2/ || echo refused
            echo internal:
            md network create --internal back > /dev/null
            web bob --network back
            md exec bob busybox ip route | cut -d' ' -f1,3
            fails md exec bob busybox nc -w 1 203.0.113.2 99 < /dev/null 2> /dev/null
            echo apart:
            fails md exec ann busybox nc -w 1 172.18.0.2 80 < /dev/null 2> /dev/null
            kill $asked; md rm -f ann bob > /dev/null
            cat /proc/sys/net/ipv4/ip_forward
            end_of_world
            "#
        ),
        "
        0
        1
        masqueraded:
        203.0.113.1
        published:
        I am ann
        not otherwise:
        refused
        internal:
        172.18.0.0/16 eth0
        = 1
        apart:
        = 1
        0
        ",
    );
}

#[test]
fn iptables_does_it_where_there_is_no_nft() {
    needs!(Root, Program("iptables"), Program("ip"));
    says(
        &format!(
            r#"{WEB}
            mount --bind /dev/null $(readlink -f $(command -v nft))
            both() {{ iptables "$@"; ip6tables "$@"; }}
            for table in filter nat; do both -t $table -N seen; both -t $table -X seen; done
            for chain in PREROUTING OUTPUT POSTROUTING; do both -t nat -A $chain -j ACCEPT; both -t nat -F $chain; done
            both -P FORWARD DROP
            rules() {{ saved | grep -v '^#' | sed 's/\[.*//'; }}
            saved() {{ iptables-save; ip6tables-save; }}
            rules > rules.before
            web ann --network bridge -p 8080:80
            iptables -S FORWARD | wc -l
            get http://127.0.0.1:8080/; get http://172.17.0.1:8080/
            web bob --network bridge
            md exec bob busybox wget -qO- http://172.17.0.2/; md exec ann busybox wget -qO- http://172.17.0.1:8080/
            md network create shop > /dev/null; md network connect shop ann; md network connect shop bob
            md exec bob busybox nslookup ann | grep -c 172.18.0.2
            md rm -f ann bob > /dev/null
            rules | diff rules.before - && echo as before
            umount $(readlink -f $(command -v nft)); links > before
            "#
        ),
        "
        3
        I am ann
        I am ann
        I am ann
        I am ann
        1
        as before
        ",
    );
}

#[test]
fn containers_find_each_other_by_name_in_a_network_of_their_own() {
    needs!(Root, Program("nft"), Program("ip"));
    says(
        &format!(
            r#"{WEB}
            ask() {{ md exec $1 busybox nslookup $2 2>&1 | sed -n '/^Name/,$s/^Address[ 0-9]*: //p' | sort | tr '\n' ' '; echo; }}
            md network create --subnet 10.9.0.0/24 --ipv6 --subnet fd00:9::/64 shop | wc -c
            web ann --network shop --network-alias www --ip 10.9.0.9
            md run -d --name bob --network shop --network-alias www --link ann:db $I sleep 1000 > /dev/null
            grep -h nameserver data/containers/*/bundle/resolv.conf | sort -u
            ask bob ann; ask bob www; ask bob db; ask ann bob.shop; ask ann db
            md exec bob busybox nslookup 10.9.0.9 | grep -o 'name = .*'
            md exec bob busybox wget -qO- http://www/ > /dev/null 2>&1 || true
            md exec bob busybox wget -qO- http://ann/
            md exec bob busybox ping6 -c 1 -q ann | grep -o '0% packet loss'
            echo moved:
            md network create back > /dev/null
            md network connect --alias inner back ann
            fails md network connect back ann 2>&1 | head -1
            md run --rm --network back $I busybox wget -qO- http://inner/
            md exec ann busybox ip -o link | cut -d: -f2 | cut -d@ -f1 | tr -d '\n'; echo
            fails md network rm back 2>&1 | grep -o 'has active endpoints (name:"ann"'
            md network disconnect shop ann
            ask bob ann
            md exec bob busybox nslookup ann > /dev/null 2>&1 || echo unknown
            md exec ann busybox ip route | head -1 | cut -d' ' -f1-2
            fails md network disconnect shop ann 2>&1 | grep -o 'is not connected to network shop'
            echo kept over a start:
            md stop -t 0 ann > /dev/null; md start ann > /dev/null
            md exec ann busybox ip -o link | cut -d: -f2 | cut -d@ -f1 | tr -d '\n'; echo
            md rm -f ann bob > /dev/null
            md network prune -f; md network ls -q | wc -l
            "#
        ),
        r#"
        65
        nameserver 127.0.0.11
        10.9.0.9 fd00:9::2
        10.9.0.2 10.9.0.9 fd00:9::2 fd00:9::3
        10.9.0.9 fd00:9::2
        10.9.0.2 fd00:9::3

        name = ann.shop
        I am ann
        0% packet loss
        moved:
        error: endpoint with name ann already exists in network back
        I am ann
        lo eth0 eth1
        has active endpoints (name:"ann"

        unknown
        default via
        is not connected to network shop
        kept over a start:
        lo eth0
        Deleted Networks:
        shop
        back
        3
        "#,
    );
}
