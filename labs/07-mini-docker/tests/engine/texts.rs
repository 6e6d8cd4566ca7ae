//! What a person reads: help, plans, mistakes.

use testbed::{Place, needs, snapshot};

use crate::{
    BIN,
    world::{on_own_host, said, turn},
};

#[test]
fn help_is_dockers() {
    let place = Place::unprivileged();
    needs!(In(place));
    for (name, args) in [("help", vec!["--help"]), ("help_run", vec!["run", "--help"])] {
        let output = place.run(BIN, &args, &[]);
        match name {
            "help" => snapshot!("help", output.success()),
            _ => snapshot!("help_run", output.success()),
        }
    }
}

#[test]
fn the_plan_of_a_run_needs_neither_privilege_nor_image() {
    let place = Place::unprivileged();
    needs!(In(place));
    let args =
        ["--root", "/nowhere-to-be-written", "run", "--explain", "-m", "64m", "alpine", "sh"];
    place.run(BIN, &args, &[]).success();
    let output = place
        .shell(BIN, "\"$BIN\" --root ./data run --explain -v ./src:/dst:ro alpine sh -c 'echo hi'");
    snapshot!(
        place,
        "run_explain",
        output.success(),
        [
            (r"/[^ \x22]*/data/", "/DATA/"),
            (r"/[^ \x22]*/data\x22", "/DATA\""),
            (r"/[^ \x22]*/src", "/SRC"),
            (r"execve\(\x22/[^ \x22]*/(mini-docker[a-z-]*)\x22", "execve(\"/BIN/$1\"")
        ]
    );
    // Limits are told too, to a user who could not make the group.
    let limited =
        place.shell(BIN, "\"$BIN\" --root ./data run --explain -m 64m alpine sh 2>/dev/null");
    assert!(limited.success().contains("67108864"), "{limited}");
}

/// Neither the root directory nor anything in it is made, and its mode stays, which is closed for
/// others as soon as something is kept there.
#[test]
fn the_plan_of_a_run_changes_nothing() {
    let place = Place::unprivileged();
    needs!(In(place));
    let script = r#"
        plan() { "$BIN" --root "$1" run --explain --network bridge alpine sh > /dev/null || echo failed; }
        mkdir open; chmod 755 open
        plan ./open; stat -c '%n %a' open; find open
        plan ./absent; ls
    "#;
    assert_eq!(place.shell(BIN, script).success(), "open 755\nopen\nopen\n");
}

#[test]
fn the_plan_of_a_run_is_events_too() {
    let place = Place::unprivileged();
    needs!(In(place));
    let plan = |verb: &str| {
        let script = format!(
            "mkdir -p 'a \"b\"'; \"$BIN\" --root './a \"b\"/data' {verb} -v ./src:/dst:ro alpine sh -c 'echo hi'"
        );
        place.shell(BIN, &script).success().to_owned()
    };
    let events: Vec<serde_json::Value> = plan("run --explain --json")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(events.iter().all(|event| event["event"] == "plan"), "{events:?}");
    let calls: Vec<&serde_json::Value> =
        events.iter().flat_map(|event| event["calls"].as_array().unwrap()).collect();
    // The engine's part, then the runtime's, whose calls name their labs: all that the text has.
    let text = plan("run --explain");
    let numbered = |line: &&str| {
        line.trim_start().split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
    };
    assert_eq!(calls.len(), text.lines().filter(numbered).count(), "{text}");
    assert_eq!(events.len(), 2);
    assert!(calls.iter().any(|call| call["lab"] == "lab-03"));
    assert!(calls.iter().all(|call| call["man"].is_string() && call["why"].is_string()));
    assert!(
        !text.contains("stand-in") && !events.iter().any(|it| it.to_string().contains("stand-in"))
    );
}

#[test]
fn mistakes_are_told_with_their_fix() {
    needs!(In(Place::Root));
    let text = said(
        r#"
        try run nowhere-to-be-found.invalid/x
        try run --rm --pull never alpine
        try run --rm $I nowhere
        try run --rm $I /etc/passwd
        try run --rm -m 1k $I true
        try run --rm --memory-swap 1m $I true
        try run --rm -v relative:path $I true
        try run --rm --network nowhere $I true
        try run --rm --cap-add FLY $I true
        try run --rm -w not/absolute $I true
        try run --rm -u nobody $I true
        try run --rm --name 'a b' $I true
        try run --rm --runtime nowhere $I true
        try run --rm Upper/Case
        try run --rm --platform linux/riscv64 $I true
        try pull --platform linux/riscv64 $I
        md run -d --name box $I sleep 100 > /dev/null
        try create --name box $I
        try rm box
        try rmi $I
        try exec nobody true
        try kill -s NOPE box
        md kill box > /dev/null; md wait box > /dev/null
        try kill box
        try exec box true
        try push nobody/nothing
        try volume rm nothing
        try logs --tail some box
        "#,
    );
    // Without any network the resolver only says that it cannot know.
    let unresolved = r"Temporary failure in name resolution";
    snapshot!(
        "mistakes",
        text,
        [(r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"), (unresolved, "Name or service not known"),]
    );
}

#[test]
fn a_port_that_is_taken_is_told_with_its_fix() {
    needs!(In(Place::Root), Program("nft"));
    let _turn = turn(Place::Root);
    let output = on_own_host(
        r#"
        exec 3>&1 > said 2>&1
        try() { echo "\$ mini-docker $*"; "$BIN" --root "$home/data" "$@" || echo "= $?"; echo; }
        md pull -q $I > /dev/null
        md run -d --net bridge -p 8080:80 --name one $I sleep 100 > /dev/null
        try run -d -p 8080:80 --name two $I sleep 100
        # Our registry is a program of the host.
        try run --rm -p ${I%/*}:80 --name three $I true
        md ps -a --format "{{.Names}} {{.State}}"
        md rm -f one two > /dev/null
        exec >&3 2>&1
        cat said
        "#,
    );
    snapshot!(
        "port_taken",
        output.success(),
        [(r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"), (r"sport = :\d+", "sport = :[PORT]")]
    );
}

#[test]
fn what_is_roots_is_told_to_an_ordinary_user() {
    needs!(In(Place::Root), Program("setpriv"));
    let text = said(
        r#"
        md create --name box $I > /dev/null
        # mini-docker has closed its directory; whoever runs it may open it to be looked at.
        chmod 755 "$home" "$home/data"
        try() {
            echo "\$ mini-docker $*"
            setpriv --reuid 54321 --regid 54321 --clear-groups "$BIN" --root "$home/data" "$@" ||
                echo "= $?"
            echo
        }
        # Looking is allowed where the directory's modes allow it.
        try ps -a --format "{{.Names}} {{.State}}"
        try rm box
        try run --rm $I true
        chmod 700 "$home/data/containers"
        try ps
        "#,
    );
    snapshot!(
        "not_yours",
        text,
        [(r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"), (r"/[^ ]*/data", "ROOT")]
    );
}
