//! x-rays: what the kernel says of a container, against what the container says of itself.

use std::collections::BTreeSet;

use serde_json::Value;
use testbed::{Output, Place, needs, snapshot};

use crate::{
    BIN,
    world::{turn, with_image},
};

macro_rules! seen {
    ($($name:ident: $place:expr;)+) => {
        $(#[test]
        fn $name() {
            needs!(In($place));
            compare($place);
        })+
    };
}

seen! {
    an_xray_is_what_a_container_of_root_sees: Place::Root;
    an_xray_is_what_a_container_of_a_user_sees: Place::User;
    an_xray_is_what_a_container_of_a_user_with_subordinate_ids_sees: Place::UserWithSubids;
    an_xray_is_what_a_container_in_the_v2_guest_sees: Place::GuestRoot;
}

/// The x-ray as JSON, and what the same container says, cut at lines of dashes.
#[track_caller]
fn compare(place: Place) {
    let _turn = turn(place);
    let output = with_image(
        place,
        r#"
        md run -d --name box --cap-drop KILL -v data:/data --tmpfs /scratch $I sh -c 'sleep 1000 & exec sleep 2000' > /dev/null 2>&1
        until md top box -o pid,args | grep -q 'sleep 2000'; do sleep 0.05; done
        md xray --json box
        echo ---
        md exec box readlink /proc/1/ns/mnt /proc/1/ns/uts /proc/1/ns/ipc /proc/1/ns/pid /proc/1/ns/net /proc/1/ns/user
        echo ---
        md exec box grep -E '^(CapEff|CapBnd|Seccomp|NoNewPrivs)' /proc/1/status
        echo ---
        md exec box cat /proc/1/mountinfo
        echo ---
        md exec box sh -c 'for it in /proc/[0-9]*; do echo "${it#/proc/} $(cat $it/comm)"; done'
        echo ---
        md exec box cat /proc/1/uid_map
        md rm -fv box > /dev/null
        "#,
    );
    let parts: Vec<&str> = output.success().split("---\n").collect();
    let xray: Value = serde_json::from_str(parts[0]).unwrap_or_else(|_| panic!("{output}"));
    assert!(!xray.to_string().contains("\"hidden\":"), "{xray:#}");
    assert_eq!(
        (&xray["container"]["name"], &xray["container"]["engine"]),
        (&"box".into(), &"mini-docker".into())
    );
    namespaces(&xray, parts[1]);
    privileges(&xray, parts[2]);
    mounts(&xray, parts[3]);
    processes(&xray, parts[4]);
    let map = xray["privileges"]["user_namespace"]["uid_map"].as_array().unwrap();
    assert_eq!(map.len(), parts[5].lines().count(), "{}", parts[5]);
}

#[track_caller]
fn namespaces(xray: &Value, said: &str) {
    let kinds = xray["namespaces"]["kinds"].as_array().unwrap();
    for line in said.lines() {
        let (kind, inode) = line.trim_end_matches(']').split_once(":[").unwrap();
        let found = kinds.iter().find(|it| it["kind"] == kind).unwrap();
        assert_eq!(found["inode"], inode.parse::<u64>().unwrap(), "{line}");
        // A user's monitor is in the user namespace too; no container is.
        let mut others = found["shared_with"].as_array().unwrap().iter();
        assert!(others.all(|it| it["container"].is_null() && kind == "user"), "{found}");
        assert_eq!(
            found["ours"] == true,
            kind == "user" && found["shared_with"] == serde_json::json!([]),
            "{found}"
        );
    }
    assert_eq!(said.lines().count(), 6);
}

#[track_caller]
fn privileges(xray: &Value, said: &str) {
    let value = |name: &str| {
        said.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(":\t")).unwrap()
    };
    let mask = |name: &str| u64::from_str_radix(value(name), 16).unwrap();
    let found = &xray["privileges"];
    for (name, set) in [("CapEff", "effective"), ("CapBnd", "bounding")] {
        let names = found["capabilities"][set].as_array().unwrap();
        assert_eq!(names.len(), mask(name).count_ones() as usize, "{names:?}");
    }
    // CAP_KILL is number 5, and Docker gives it.
    assert_eq!(mask("CapBnd") & (1 << 5), 0);
    assert!(found["less_than_docker"].as_array().unwrap().contains(&"CAP_KILL".into()), "{found}");
    assert_eq!(found["no_new_privs"] == true, value("NoNewPrivs") == "1");
    assert_eq!(found["seccomp"]["mode"], if value("Seccomp") == "2" { "filter" } else { "none" });
    assert_eq!(found["ids_inside"]["uid"], 0);
}

#[track_caller]
fn mounts(xray: &Value, said: &str) {
    let theirs: Vec<&str> = said.lines().map(|it| it.split(' ').nth(4).unwrap()).collect();
    let list = xray["mounts"]["list"].as_array().unwrap();
    let ours: Vec<&str> = list.iter().map(|it| it["point"].as_str().unwrap()).collect();
    assert_eq!(ours, theirs);
    let at = |point: &str| list.iter().find(|it| it["point"] == point).unwrap();
    assert_eq!((&at("/data")["kind"], &at("/data")["name"]), (&"volume".into(), &"data".into()));
    assert_eq!(at("/scratch")["kind"], "memory");
    assert_eq!(at("/proc")["kind"], "kernel");
    let layers = xray["mounts"]["root"]["layers"].as_array().unwrap();
    assert_eq!(layers[0]["role"], "upper");
    let image = layers.last().unwrap()["image"].as_array().unwrap();
    assert!(image[0].as_str().unwrap().ends_with("/test:1") && image[1] == 1, "{layers:?}");
}

#[track_caller]
fn processes(xray: &Value, said: &str) {
    let inside: BTreeSet<u64> =
        said.lines().filter_map(|it| it.strip_suffix(" sleep")?.parse().ok()).collect();
    let list = xray["processes"]["list"].as_array().unwrap();
    let found: BTreeSet<u64> = list.iter().map(|it| it["pid_inside"].as_u64().unwrap()).collect();
    assert_eq!(found, inside, "{list:?}");
    assert_eq!((&list[0]["pid_inside"], &list[0]["command"]), (&1.into(), &"sleep 2000".into()));
    assert_eq!((&list[1]["depth"], &list[1]["command"]), (&1.into(), &"sleep 1000".into()));
    assert_eq!(list[0]["pid"], xray["pid"]);
}

/// What is said, without the tables, whose numbers are another machine's, and without the processes
/// that this machine keeps from us.
#[track_caller]
fn in_words(place: Place, script: &str) -> Output {
    let _turn = turn(place);
    with_image(
        place,
        &format!(
            "exec 2>&1\nwords() {{ md xray \"$@\" | grep -v -e '^[╭│├╰]' -e '^cgroups here' -e 'more power than we' || true; }}\n{script}"
        ),
    )
}

const SHORT_IDS: (&str, &str) = (r"mini-docker-[0-9a-f]{12}…", "mini-docker-[ID]…");

#[test]
fn an_xray_says_what_follows() {
    needs!(In(Place::Root), CgroupV1("memory"));
    let output = in_words(
        Place::Root,
        r#"
        md run -d --name one -m 64m --read-only --security-opt no-new-privileges --cap-add SYS_TIME $I sleep 1000 > /dev/null 2>&1
        md run -d --name two --network container:one --pid host --privileged $I sleep 1000 > /dev/null 2>&1
        words one
        md pause one > /dev/null
        words two
        words one | grep frozen
        md unpause one > /dev/null
        "#,
    );
    snapshot!(
        "xray_words",
        output.success(),
        [SHORT_IDS, (r"process \d+", "process [PID]"), (r"\d+ of them", "[N] of them")]
    );
}

#[test]
fn what_cannot_be_xrayed_is_told_with_its_fix() {
    needs!(In(Place::Root));
    let output = in_words(
        Place::Root,
        r#"
        try() { echo "\$ mini-docker $*"; md "$@" || echo "= $?"; echo; }
        md run --name done $I true 2> /dev/null
        try xray done
        try xray nobody
        try xray 4194305
        # One that has ended, and whose parent does not ask how.
        sh -c 'sh -c "until grep -q sleep /proc/\$PPID/comm; do :; done" & echo $! > ended; exec sleep 1000' &
        until grep -q '^State:.Z' /proc/$(cat ended 2> /dev/null)/status 2> /dev/null; do sleep 0.02; done
        md xray $(cat ended) || echo "= $?"
        kill $!
        "#,
    );
    snapshot!(
        "xray_refused",
        output.success(),
        [(r"process \d+", "process [PID]"), (r"Container [0-9a-f]{64}", "Container [ID]")]
    );
}

#[test]
fn a_user_is_told_why_something_is_hidden() {
    let place = Place::unprivileged();
    needs!(In(place), Root);
    // A process of root: that of this test.
    let pid = std::process::id().to_string();
    let json = place.run(BIN, &["xray", "--json", &pid], &[]);
    let xray: Value = serde_json::from_str(json.success()).unwrap();
    for hidden in [&xray["namespaces"]["hidden"], &xray["network"]["links"]["hidden"]] {
        assert!(hidden["why"].as_str().unwrap().contains("EACCES (Permission denied)"), "{hidden}");
        assert!(hidden["fix"].as_str().unwrap().contains("root"), "{hidden}");
    }
    // What everybody may see.
    assert_eq!(xray["processes"]["list"][0]["uid"], 0);
    assert_eq!(xray["privileges"]["seccomp"]["mode"], "none");
    assert!(xray["cgroup"]["trees"].is_array());
    assert!(xray["network"]["listening"].is_array());
    let text = place.run(BIN, &["xray", &pid], &[]);
    assert!(text.success().contains("=> hidden: cannot see the namespaces of process"), "{text}");
}
