//! What a person looks at: lists, documents, processes, numbers, events.

use std::collections::BTreeSet;

use testbed::{Place, needs, snapshot};

use crate::world::{said, turn, with_image};

/// Fields of Docker's documents that are not in ours, each with its reason.
const NOT_OURS: [(&str, &str); 10] = [
    ("container HostConfig.KernelMemory", "gone since Docker 23"),
    ("container HostConfig.KernelMemoryTCP", "gone since Docker 23"),
    ("image Container", "gone since Docker 26"),
    ("image ContainerConfig", "gone since Docker 26"),
    ("image VirtualSize", "gone since Docker 25"),
    ("image GraphDriver.Data.MergedDir", "an image of ours is mounted nowhere"),
    ("image GraphDriver.Data.WorkDir", "an image of ours is mounted nowhere"),
    ("container State.Health", "only for a container with checks"),
    ("container Config.ExposedPorts", "only where there are some"),
    ("container HostConfig.Tmpfs", "only where there are some"),
];

/// The paths of a document's fields, as in docker-keys.txt.
fn keys(kind: &str, value: &serde_json::Value, path: &str, all: &mut BTreeSet<String>) {
    const MAPS: [&str; 6] = ["Ports", "PortBindings", "Labels", "ExposedPorts", "Tmpfs", "Volumes"];
    match value {
        serde_json::Value::Object(fields) => {
            let last = path.rsplit('.').next().unwrap_or_default();
            if MAPS.contains(&last) || path.ends_with("LogConfig.Config") {
                return;
            }
            for (name, value) in fields {
                let name = if last == "Networks" { "*" } else { name };
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                all.insert(format!("{kind} {path}"));
                keys(kind, value, &path, all);
            }
        }
        serde_json::Value::Array(list) => {
            list.iter().for_each(|value| keys(kind, value, path, all));
        }
        _ => {}
    }
}

#[test]
fn documents_have_all_fields_of_dockers() {
    needs!(In(Place::Root));
    let _turn = turn(Place::Root);
    let output = with_image(
        Place::Root,
        r#"
        md run -d --name box -l app=web -v data:/data -v /tmp:/host:ro -m 64m $I sleep 1000 > /dev/null 2>&1
        for kind in container image volume; do
            case $kind in container) name=box ;; image) name=$I ;; volume) name=data ;; esac
            echo "$kind $(md inspect --type $kind -f '{{json .}}' $name)"
        done
        md rm -f box > /dev/null
        "#,
    );
    let mut ours = BTreeSet::new();
    for line in output.success().lines() {
        let (kind, json) = line.split_once(' ').unwrap();
        keys(kind, &serde_json::from_str(json).unwrap(), "", &mut ours);
    }
    let excused = |key: &str| {
        NOT_OURS.iter().any(|(name, _)| {
            key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let missing: Vec<&str> = include_str!("docker-keys.txt")
        .lines()
        .filter(|key| !ours.contains(*key) && !excused(key))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn lists_are_dockers() {
    needs!(In(Place::Root));
    let text = said(
        r#"
        md tag $I box:latest; md rmi $I > /dev/null
        md create --name web -l app=web -l com.example.some-tier=front -v data:/data -v /srv:/host:ro box sleep 1000 > /dev/null
        md run --name job box sh -c 'exit 3' || true
        try ps
        try ps -a --format 'table {{.Names}}\t{{.Image}}\t{{.Command}}\t{{.State}}\t{{.Labels}}'
        try ps -a --format 'table {{.Names}}\t{{.Label "com.example.some-tier"}}\t{{.Mounts}}\t{{.LocalVolumes}}\t{{.Networks}}'
        try ps -a --no-trunc --filter status=exited --format '{{.Names}} {{.Command}}'
        try ps -a --filter exited=3 --filter exited=4 --format '{{.Names}}'
        try ps -a --filter label=app=web --filter label=com.example.some-tier --format '{{.Names}}'
        try ps -a --filter name=^w --filter volume=data --filter ancestor=box --format '{{upper .Names}}'
        try ps -a --filter since=web --format '{{.Names}}'
        try ps -n 1 --format '{{.Names}}'
        try ps -as --filter name=web --format '{{.Names}} {{.Size}}'
        try ps -a --format '{{.Foo}}'
        try ps -a --format '{{.ID'
        try ps --filter foo=bar
        try ps --filter bar
        try ps --filter status=wrong
        try ps --filter before=nobody
        try images --format 'table {{.Repository}}\t{{.Tag}}\t{{.CreatedAt}}\t{{.Containers}}'
        try images --filter reference='b*:l*' --format '{{.Repository}}'
        try images nothing
        try images --filter dangling=maybe
        try volume ls
        try volume ls --filter dangling=true -q
        try volume ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
        try volume inspect nothing
        try history --format '{{.CreatedBy}} {{.Size}}' --human=false box
        try inspect nobody
        try inspect -f '{{.Name}} {{.State.ExitCode}} {{.Config.Labels}} {{.HostConfig.RestartPolicy}}' web job
        try inspect -f '{{.Name.Foo}}' web
        try inspect -f '{{.Name' web
        try inspect -f '{{.Foo}}' web
        try inspect --type thing web
        try inspect --type image web
        try container ls -aq --filter name=nobody
        try container inspect -f '{{.Name}}' job
        try image ls --format '{{.Repository}}'
        try top web
        try stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.NetIO}} {{.PIDs}}' web
        try stats --no-stream nobody
        try events --since wrong
        try version --format '{{.Foo}}'
        "#,
    );
    snapshot!(
        "look_lists",
        text,
        [(r"\d\d:\d\d:\d\d \+\d{4} \S+", "[TIME]"), (r"machine \d{7}", "machine [SIZE]")]
    );
}

#[test]
fn usage_is_told_in_dockers_words() {
    let place = Place::unprivileged();
    needs!(In(place));
    let output = place.shell(
        crate::BIN,
        r#"
        exec 2>&1
        try() { echo "\$ mini-docker $*"; "$BIN" "$@" || echo "= $?"; echo; }
        try run
        try run --nope
        try run --nam x box
        try ps -x
        try ps extra
        try stop
        try exec one
        try logs
        try logs one two
        try tag box
        try commit
        try foo
        try volume foo
        try volume rm
        try container foo
        try ps --filter bad
        try stop -t soon box
        try completion tcsh
        try container
        "#,
    );
    snapshot!("usage", output.success());
}

/// What the kernel counts, in each place.
#[test]
fn tables_fit_the_terminal() {
    needs!(In(Place::Root), Program("script"));
    let text = said(
        r#"
        # On a terminal of so many columns: whether a table fits, and whether something was cut for that.
        fits() {
            columns=$1; shift
            script -qec "stty cols $columns; $BIN --root $home/data $*" /dev/null < /dev/null | tr -d '\r' > shown
            case $(LC_ALL=C.UTF-8 wc -L < shown) in 0) echo "$*: nothing" ;; *)
                [ $(LC_ALL=C.UTF-8 wc -L < shown) -le $columns ] && echo "$*: fits" || { echo "$*:"; cat shown; }
            esac
            grep -c '…' shown || true
        }
        long=a-name-that-is-longer-than-most-terminals-would-want-it-to-be
        md network create $long > /dev/null
        md volume create $long-and-longer > /dev/null
        md run -d --name $long $I sh -c 'sleep 1000; echo and much more after that' > /dev/null
        fits 60 network ls
        fits 90 network ls --no-trunc | tail -n 1
        fits 90 ps
        fits 60 history $I | sed 's,127[^ ]*,IMAGE,'
        fits 80 images
        fits 60 system df
        fits 120 system df -v
        fits 110 stats --no-stream
        fits 60 search ${I%%/*}/test | sed 's,127[^ ]*,TERM,'
        # Nothing but its name says which volume it is.
        fits 60 volume ls | tail -n 2
        "#,
    );
    let expected = "network ls: fits\n1\n0\nps: fits\n1\nhistory IMAGE fits\n1\nimages: fits\n0\n\
                    system df: fits\n0\nsystem df -v: fits\n1\nstats --no-stream: fits\n1\n\
                    search TERM fits\n0\nlocal     \
                    a-name-that-is-longer-than-most-terminals-would-want-it-to-be-and-longer\n0\n";
    assert_eq!(text, expected);
}

macro_rules! running {
    ($($name:ident: $place:expr;)+) => {
        $(#[test]
        fn $name() {
            needs!(In($place));
            look_at_a_running_one($place);
        })+
    };
}

running! {
    a_running_container_is_looked_at_as_root: Place::Root;
    a_running_container_is_looked_at_as_user: Place::User;
    a_running_container_is_looked_at_in_the_v2_guest: Place::GuestRoot;
}

#[track_caller]
fn look_at_a_running_one(place: Place) {
    let _turn = turn(place);
    let output = with_image(
        place,
        r#"
        md run -d --name box $I sh -c 'sleep 1000 & exec sleep 2000' > /dev/null 2>&1
        until md top box -o pid,args | grep -q 'sleep 2000'; do sleep 0.05; done
        md top box -o pid,args | tail -n +2 | sed 's/^[0-9]* *//' | sort
        # -ef, which is the default, asks the guest's kernel for a time that it does not tell.
        md top box -o pid,ppid,args | head -1 | sed 's/  */ /g'
        md stats --no-stream --format '{{.Name}} {{.PIDs}}'
        # Live, until nobody reads any more.
        md stats --format '{{.Name}}' box | head -n 2
        md stats --no-stream --format json box | grep -c '"MemUsage":"[0-9.]*[KM]*i*B / [0-9.]*[GM]*i*B"'
        md events --since 10m --filter container=box --format '{{.Action}} {{.Actor.Attributes.name}}' |
            while read -r event; do echo "$event"; [ "$event" != 'die box' ] || break; done > happened &
        watcher=$!
        # What was before is told first: from then on it watches.
        until grep -q '^start box' happened; do sleep 0.05; done
        md kill box > /dev/null
        # It ends when nobody reads any more.
        wait $watcher
        grep -e kill -e die happened | sort
        md events --since 10m --until 0s --filter container=box --filter event=create --format '{{.Type}} {{.From}}' | sed "s,$I,IMAGE,"
        md events --since 10m --until 0s --filter event=die --format json | grep -c '"exitCode":"137"'
        "#,
    );
    let expected = "sleep 1000\nsleep 2000\nPID PPID COMMAND\nbox 2\nbox\nbox\n1\n\
                    die box\nkill box\ncontainer IMAGE\n1\n";
    assert_eq!(output.success(), expected, "{output}");
}
