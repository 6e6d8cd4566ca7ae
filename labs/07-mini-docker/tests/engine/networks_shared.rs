//! Networks that somebody else is at as well: a command that was killed, another store, whoever
//! listens to what happens.

use testbed::{Place, needs};

use crate::{
    networks::WORLD,
    world::{agree, on_own_host},
};

/// As in `networks`: a network of its own stands for the host, and nothing may be left of the script.
#[track_caller]
fn says(script: &str, expected: &str) {
    agree(Place::Root, || on_own_host(script), expected);
}

/// Kills `network connect` and `network disconnect` after a random time. What the next command says of
/// the network is what is in the container and on the host; and what was asked for can be asked again.
const KILLED: &str = r#"
    md pull -q $I > /dev/null
    md network create back > /dev/null
    md run -d --name box --network bridge $I sleep 1000 > /dev/null
    pid=$(md inspect -f '{{.State.Pid}}' box)
    inside() { nsenter -t $pid -n ls /proc/sys/net/ipv4/conf | grep -c '^eth1$' || true; }
    cables() { ls /proc/sys/net/ipv4/conf | grep -c '^veth' || true; }
    wished() { md inspect -f '{{len .NetworkSettings.Networks}}' box; }
    # By whatever is the first command after the kill: what the container reads is what is so.
    box_id=$(md inspect -f '{{.Id}}' box | cut -c1-12)
    names() {
        case $(( trial % 3 )) in 0) md ps ;; 1) md network inspect back; md inspect box ;; 2) md exec box true ;; esac > /dev/null
        own=$(md exec box grep -c "$box_id" /etc/hosts); members=$(md network inspect -f '{{len .Containers}}' back)
        [ "$own" = $((members + 1)) ] || { echo "after $1: $members in the network, $own own names"; md exec box cat /etc/hosts; exit 1; }
        [ $members = 0 ] || md exec box busybox nslookup box 2>&1 | grep -q '^Address.*172.18.0.2' ||
            { echo "after $1: nobody answers for names"; md exec box cat /etc/resolv.conf; exit 1; }
    }
    resolvers() { for it in /proc/[0-9]*/cmdline; do tr '\0' ' ' < $it 2> /dev/null; echo; done | grep -c '^mini-docker resolver $' || true; }
    truth() {
        names $1
        md ps > /dev/null
        members=$(md network inspect -f '{{len .Containers}}' back)
        [ "$(inside) $(cables)" = "$members $((members + 1))" ] ||
            { echo "after $1: $members in the network, $(inside) inside, $(cables) cables"; exit 1; }
    }
    before=$(resolvers)
    seed=${UNBOXED_SEED:-$$}
    for trial in $(seq 1 15); do
        for verb in connect disconnect; do
            seed=$(( (seed * 1103515245 + 12345) % 2147483648 ))
            "$BIN" --root "$home/data" network $verb back box > /dev/null 2>&1 &
            victim=$!
            sleep 0.0$(( seed % 80 + 10 ))
            kill -9 $victim 2> /dev/null || true
            wait $victim 2> /dev/null || true
            truth $verb
            case $verb$members in
                connect0) md network connect back box ;;
                disconnect1) md network disconnect back box ;;
                # All but the wish for it may be gone.
                disconnect0) [ $(wished) = 1 ] || md network disconnect back box ;;
            esac
            truth again
            [ $verb$members$(wished) = connect12 ] || [ $verb$members$(wished) = disconnect01 ]
        done
    done
    # One, and perhaps one whose maker was killed before it was there.
    [ $(resolvers) -le $((before + 2)) ] || { echo "$(resolvers) resolvers"; exit 1; }
    md rm -f box > /dev/null
    md network rm back
"#;

#[test]
fn connect_and_disconnect_may_be_killed() {
    needs!(Root, Program("nft"), Program("nsenter"));
    says(KILLED, "back");
}

/// A `network connect` is killed when the resolver that it has started asks for its rule, and later that
/// resolver itself.
const RESOLVERS: &str = r##"
    md pull -q $I > /dev/null
    md network create back > /dev/null
    md run -d --name box --network bridge $I sleep 1000 > /dev/null
    pid=$(md inspect -f '{{.State.Pid}}' box)
    name() { md exec box busybox nslookup box 2>&1 | grep -o 'Address.*172.18.0.2' || md exec box busybox nslookup box; }
    # The one on this host: other tests have theirs.
    here() { [ "$(readlink /proc/$1/ns/net)" = "$(readlink /proc/self/ns/net)" ]; }
    resolver() { for it in $(grep -lz '^resolver$' /proc/[0-9]*/cmdline 2> /dev/null | cut -d / -f 3); do ! here $it || echo $it; done; }
    # In the place of nft one that keeps whoever asks for that rule waiting.
    nft=$(command -v nft); cp $nft nft.real
    { echo "#!/bin/sh"; echo "cd $PWD"; cat << 'END'; } > nft.slow
rules=$(cat)
case $rules in *mini-docker-names*) : > asked; until [ -e killed ]; do sleep 0.02; done ;; esac
echo "$rules" | ./nft.real -f -
END
    chmod +x nft.slow
    mount --bind nft.slow $nft
    "$BIN" --root "$home/data" network connect back box > /dev/null 2>&1 & maker=$!
    until [ -e asked ]; do sleep 0.02; done
    kill -9 $maker; wait $maker || true
    umount -l $nft
    : > killed
    until nsenter -t $pid -n busybox nslookup box 127.0.0.11 2> /dev/null | grep -q '172.18.0.2'; do sleep 0.02; done
    md ps > /dev/null
    name
    kill -9 $(resolver)
    md network disconnect back box
    md network connect back box
    name
    md rm -f box > /dev/null
    md network rm back
"##;

#[test]
fn a_resolver_outlives_its_maker_and_follows_a_killed_one() {
    needs!(Root, Program("nft"), Program("nsenter"));
    says(
        RESOLVERS,
        "
        Address: 172.18.0.2
        Address: 172.18.0.2
        back",
    );
}

#[test]
fn two_stores_share_a_machine() {
    needs!(Root, Program("nft"), Program("ip"));
    says(
        r#"
        other() { "$BIN" --root "$home/other" "$@"; }
        md pull -q $I > /dev/null; other pull -q $I > /dev/null
        address() { busybox ip -4 -o address show $1 | grep -o 'inet [0-9./]*'; }
        md run -d --name box --network bridge $I sleep 1000 > /dev/null
        other run -d --name box --network bridge $I sleep 1000 > /dev/null
        address mini0; address mini1
        other exec box busybox ping -c 1 -q 172.18.0.1 | grep -o '0% packet loss'
        echo the same subnet:
        md network create --subnet 10.9.0.0/24 shop > /dev/null
        other network create --subnet 10.9.0.0/16 shop > /dev/null
        md run -d --name one --network shop $I sleep 1000 > /dev/null
        fails other run --rm --network shop $I true 2>&1 | sed "s,br-[0-9a-f]*,br-ID,"
        md exec one busybox ping -c 1 -q 10.9.0.1 | grep -o '0% packet loss'
        md rm -f one > /dev/null
        other run --rm --network shop $I echo now
        echo the same bridge:
        md network create -o com.docker.network.bridge.name=wire a > /dev/null
        other network create -o com.docker.network.bridge.name=wire a > /dev/null
        md run -d --name one --network a $I sleep 1000 > /dev/null
        fails other run --rm --network a $I true 2>&1
        md rm -f one > /dev/null
        other run --rm --network a $I echo now
        other rm -f box > /dev/null; other rmi -f $I > /dev/null
        "#,
        r#"
        inet 172.17.0.1/16
        inet 172.18.0.1/16
        0% packet loss
        the same subnet:
        error: cannot make the bridge br-ID
        why: 10.9.0.0/16 has addresses of 10.9.0.0/24, and this machine is in that already
        fix: see whose it is (ip route), or make the network again with another --subnet
        = 125
        0% packet loss
        now
        the same bridge:
        error: cannot make the bridge wire
        why: an interface of that name is there, and it is not ours
        fix: remove the network and make it again, with another name for its bridge
        = 125
        now
        "#,
    );
}

/// Two stores and the machine's one switch: whoever came first or leaves last, and whoever is killed.
const SWITCH: &str = r#"
    other() { "$BIN" --root "$home/other" "$@"; }
    md pull -q $I > /dev/null; other pull -q $I > /dev/null
    switch() { echo "$*: $(cat /proc/sys/net/ipv4/ip_forward)"; }
    box() { $1 run -d --name box --network bridge $I sleep 1000 > /dev/null; }
    pings() { for store in "$@"; do $store exec box busybox ping -c 1 -W 5 -q 203.0.113.2 > /dev/null && echo "one pings"; done; }
    # Somebody else's network behind this machine: what is forwarded from it was never ours to allow.
    ip link add else0 type veth peer name far; ip address add 198.51.100.1/24 dev else0; ip link set else0 up
    unshare -n sleep 1000 & elsewhere=$!
    until [ "$(readlink /proc/$elsewhere/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
    ip link set far netns $elsewhere
    far() { nsenter -t $elsewhere -n "$@"; }
    far ip address add 198.51.100.2/24 dev far; far ip link set far up; far ip route add default via 198.51.100.1
    outside ip route add 198.51.100.0/24 via 203.0.113.1
    passes() { far busybox ping -c 1 -W 1 -q 203.0.113.2 > /dev/null && echo "$* passes" || echo "$* does not pass"; }
    for last in other md; do
        first=md; [ $last = other ] || first=other
        switch nobody
        box md; switch one; box other; switch both
        pings md other; passes else
        $first rm -f box > /dev/null; switch one left
        pings $last; passes else
        # Of the same store: what it knew is not forgotten.
        box $first; pings $first $last; passes else
        $first rm -f box > /dev/null; $last rm -f box > /dev/null; switch nobody
    done
    echo killed:
    box md; box other
    kill -9 $(md inspect box | sed -n 's/.*"MonitorPid": \([0-9]*\).*/\1/p')
    other rm -f box > /dev/null; switch nobody has looked
    until md ps -a | grep -q 'Exited (255)'; do sleep 0.02; done
    switch somebody has
    md rm box > /dev/null
    echo on before:
    echo 1 > /proc/sys/net/ipv4/ip_forward
    box md; box other; passes else; md rm -f box > /dev/null; other rm -f box > /dev/null; switch after
    echo 0 > /proc/sys/net/ipv4/ip_forward
    echo at once:
    for store in md other; do
        (for n in 1 2 3 4 5 6; do $store run --rm --network bridge $I busybox ping -c 1 -W 5 -q 203.0.113.2 > /dev/null && echo "one pings"; done > from-$store) &
        eval "of_$store=$!"
    done
    wait $of_md; wait $of_other; cat from-md from-other | sort | uniq -c
    switch after
    other rmi -f $I > /dev/null
    ip link del else0; kill $elsewhere; wait $elsewhere 2> /dev/null || true
"#;

const SWITCHED: &str = "
    nobody: 0
    one: 1
    both: 1
    one pings
    one pings
    else does not pass
    one left: 1
    one pings
    else does not pass
    one pings
    one pings
    else does not pass
    nobody: 0
";

#[track_caller]
fn share_the_switch(before: &str, after: &str) {
    let script = format!("{WORLD}\n{before}\n{SWITCH}\n{after}\n end_of_world");
    let rest = "
        killed:
        nobody has looked: 1
        somebody has: 0
        on before:
        else passes
        after: 1
        at once:
        12 one pings
        after: 0
    ";
    says(&script, &format!("{SWITCHED}{SWITCHED}{rest}"));
}

#[test]
fn two_stores_share_the_switch_for_forwarding() {
    needs!(Root, Program("nft"), Program("ip"));
    share_the_switch("", "");
}

#[test]
fn two_stores_share_the_switch_for_forwarding_with_iptables() {
    needs!(Root, Program("iptables"), Program("ip"));
    let nft = "nft=$(readlink -f $(command -v nft))";
    // iptables(8) leaves its tables behind, empty.
    let tables = "for it in iptables ip6tables; do $it -S FORWARD > /dev/null; $it -t nat -S > /dev/null; done";
    share_the_switch(&format!("{nft}; mount --bind /dev/null $nft; {tables}"), "umount $nft");
}

#[test]
fn what_happens_to_networks_is_written_down_as_docker_does() {
    needs!(Root, Program("nft"));
    says(
        r#"
        md pull -q $I > /dev/null
        id=$(md network create shop)
        box=$(md run -d --name box --network bridge $I sleep 1000)
        bridge=$(md network inspect -f '{{.Id}}' bridge)
        md network connect shop box
        md network disconnect shop box
        md network connect shop box
        md rm -f box > /dev/null
        md network rm shop > /dev/null
        md events --since 1h --until 0s --filter type=network --format '{{.Action}} {{.Actor.ID}} {{json .Actor.Attributes}}' |
            sed "s/$id/SHOP/; s/$bridge/BRIDGE/; s/$box/BOX/"
        md events --since 1h --until 0s --filter network=shop --filter event=connect --format '{{.Type}}' | uniq -c
        echo no bridge:
        host=$(md network inspect -f '{{.Id}}' host); none=$(md network inspect -f '{{.Id}}' none)
        md run --rm --network host $I true; box=$(md run -d --network none $I sleep 1000)
        md run --rm --network container:$box $I true; md restart -t 0 $box > /dev/null; md rm -f $box > /dev/null
        md run --rm --network none $I nothing 2> /dev/null || true
        md rm $(md create --network host $I true) > /dev/null
        md events --since 1h --until 0s --filter network=host --filter network=none --format '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.type}} {{len .Actor.Attributes.container}}' |
            sed "s/$host/HOST/; s/$none/NONE/"
        "#,
        r#"
        create SHOP {"name":"shop","type":"bridge"}
        connect BRIDGE {"container":"BOX","name":"bridge","type":"bridge"}
        connect SHOP {"container":"BOX","name":"shop","type":"bridge"}
        disconnect SHOP {"container":"BOX","name":"shop","type":"bridge"}
        connect SHOP {"container":"BOX","name":"shop","type":"bridge"}
        disconnect BRIDGE {"container":"BOX","name":"bridge","type":"bridge"}
        disconnect SHOP {"container":"BOX","name":"shop","type":"bridge"}
        destroy SHOP {"name":"shop","type":"bridge"}
        2 network
        no bridge:
        connect HOST host 64
        disconnect HOST host 64
        connect NONE null 64
        disconnect NONE null 64
        connect NONE null 64
        disconnect NONE null 64
        "#,
    );
}

#[test]
fn networks_are_listed_by_what_dockers_filters_say() {
    needs!(Root, Program("nft"));
    says(
        r#"
        md pull -q $I > /dev/null
        md network create --label tier=front shop > /dev/null; md network create --internal back > /dev/null
        md create --name box --network shop $I true > /dev/null
        names() { md network ls --format '{{.Name}}' "$@" | tr '\n' ' '; echo; }
        names; names --filter dangling=true; names --filter dangling=false
        names --filter type=builtin; names --filter type=custom --filter name=ho
        names --filter label=tier=front --filter driver=bridge; names --filter driver=null
        md network ls --filter name=back --format '{{.Driver}} {{.Scope}} {{.IPv6}} {{.Internal}} {{.Labels}}'
        md network ls --filter name=shop --format '{{.Label "tier"}} {{len .ID}}'
        names --filter type=builtin --filter type=custom
        fails md network ls --filter dangling=perhaps 2>&1
        fails md network ls --filter type=builtin --filter type=mine 2>&1
        fails md network ls --filter type=mine --filter colour=red 2>&1
        md network inspect -f '{{.Name}} {{.Driver}} {{.ConfigOnly}} {{(index .IPAM.Config 0).Subnet}}' shop back
        md network inspect -f '{{json .ConfigFrom}}' bridge
        md rm box > /dev/null; md network prune -f > /dev/null
        "#,
        r#"
        back bridge host none shop
        back
        bridge host none shop
        bridge host none
        shop
        shop
        none
        bridge local false true
        front 12
        back bridge host none shop
        error: Invalid filter 'dangling=perhaps'
        fix: it can be true or false
        = 1
        error: invalid filter: 'type'='mine'
        why: a network is there before anybody makes one, or somebody has made it
        fix: it can be builtin or custom
        = 1
        error: Invalid filter 'colour'
        fix: there are: dangling, driver, id, label, name, scope, type
        = 1
        shop bridge false 172.18.0.0/16
        back bridge false 172.19.0.0/16
        {"Network":""}
        "#,
    );
}

#[test]
fn rules_of_ours_that_nobody_knows_of_are_replaced() {
    needs!(Root, Program("nft"));
    says(
        r#"
        md pull -q $I > /dev/null
        run() { md run -d --name box --network bridge $I sleep 1000 > /dev/null; }
        run; table=$(nft list tables | grep -o 'mini-docker-.*')
        nft list table inet $table > ours
        md rm -f box > /dev/null
        nft add table inet $table; nft add chain inet $table forward; nft add chain inet $table left
        run; nft list table inet $table | diff ours - && echo the same
        md rm -f box > /dev/null
        "#,
        "
        the same
        ",
    );
}

#[test]
fn where_somebody_drops_what_they_do_not_know_our_rules_are_in_their_chain() {
    needs!(Root, Program("nft"), Program("iptables"));
    says(
        r#"
        md pull -q $I > /dev/null
        ours() { iptables -S FORWARD | grep -c MD- || true; nft list tables | grep -c mini-docker || true; }
        for policy in DROP ACCEPT; do
            iptables -P FORWARD $policy
            md run -d --name box --network bridge $I sleep 1000 > /dev/null
            echo $policy: $(ours)
            md rm -f box > /dev/null
            echo $policy: $(ours)
        done
        links > before
        "#,
        "
        DROP: 2 0
        DROP: 0 0
        ACCEPT: 0 1
        ACCEPT: 0 0
        ",
    );
}
