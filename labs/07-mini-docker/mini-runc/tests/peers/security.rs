//! The filter: what happens to a call, and how its arguments are compared.

use serde_json::{Value, json};
use testbed::needs;

use crate::{bundle::Stage, covers, each, says};

fn rule(names: &[&str], action: &str) -> Value {
    json!({"names": names, "action": action})
}

/// A filter that allows all but what these rules name.
fn filter(rules: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": rules})
}

#[test]
fn a_call_ends_as_its_action_says() {
    needs!(Root, Program("busybox"));
    covers!(
        "linux.seccomp.syscalls[].action=SCMP_ACT_KILL",
        "linux.seccomp.syscalls[].action=SCMP_ACT_KILL_PROCESS",
        "linux.seccomp.syscalls[].action=SCMP_ACT_KILL_THREAD",
        "linux.seccomp.syscalls[].action=SCMP_ACT_TRAP",
        "linux.seccomp.syscalls[].action=SCMP_ACT_TRACE",
        "linux.seccomp.syscalls[].action=SCMP_ACT_LOG",
    );
    // 159 is 128 and SIGSYS; without a tracer there is no such call; a logged call is made.
    let ends = [
        ("SCMP_ACT_KILL", "159"),
        ("SCMP_ACT_KILL_PROCESS", "159"),
        ("SCMP_ACT_KILL_THREAD", "159"),
        ("SCMP_ACT_TRAP", "159"),
        ("SCMP_ACT_TRACE", "1"),
        ("SCMP_ACT_LOG", "0"),
        ("SCMP_ACT_ALLOW", "0"),
    ];
    for (action, code) in ends {
        says(
            "mkdir /tmp/x 2>/dev/null; echo $?",
            |config| config["linux"]["seccomp"] = filter(json!([rule(&["mkdir"], action)])),
            code,
        );
    }
}

#[test]
fn arguments_are_compared_in_seven_ways() {
    needs!(Root, Program("busybox"));
    covers!("linux.seccomp.syscalls[].args*");
    let signals =
        "for it in 17 18 23 28; do kill -$it $$ 2>/dev/null && printf y || printf n; done";
    let compared = |op: &str, value: u64, second: u64| json!({"index": 1, "value": value, "valueTwo": second, "op": op});
    let ways = [
        (compared("SCMP_CMP_NE", 18, 0), "nynn"),
        (compared("SCMP_CMP_LT", 18, 0), "nyyy"),
        (compared("SCMP_CMP_LE", 18, 0), "nnyy"),
        (compared("SCMP_CMP_EQ", 18, 0), "ynyy"),
        (compared("SCMP_CMP_GE", 18, 0), "ynnn"),
        (compared("SCMP_CMP_GT", 18, 0), "yynn"),
        (compared("SCMP_CMP_MASKED_EQ", 1, 1), "nyny"),
    ];
    for (condition, expected) in ways {
        let with = |args: Value| {
            let mut refused = rule(&["kill"], "SCMP_ACT_ERRNO");
            refused["args"] = args;
            filter(json!([refused]))
        };
        let alone = json!([condition]);
        says(signals, |config| config["linux"]["seccomp"] = with(alone.clone()), expected);
        // All conditions of a rule must hold, and the process that is signalled is number 1.
        let pid = |number: u64| json!({"index": 0, "value": number, "op": "SCMP_CMP_EQ"});
        let both = json!([condition, pid(1)]);
        says(signals, |config| config["linux"]["seccomp"] = with(both.clone()), expected);
        let never = json!([condition, pid(7)]);
        says(signals, |config| config["linux"]["seccomp"] = with(never.clone()), "yyyy");
    }
}

#[test]
fn a_call_that_no_rule_names_gets_the_errno_asked_for() {
    needs!(Root, Program("busybox"));
    covers!("linux.seccomp.defaultErrnoRet");
    says(
        "unshare -m true 2>&1 | grep -o 'No space'",
        |config| {
            let filter = mini_runc::defaults::seccomp(&mini_runc::defaults::CAPABILITIES);
            config["linux"]["seccomp"] = serde_json::to_value(filter).unwrap();
            config["linux"]["seccomp"]["defaultErrnoRet"] = json!(28);
        },
        "No space",
    );
}

#[test]
fn a_filter_without_no_new_privileges_stands_for_any_user() {
    needs!(Root, Program("busybox"));
    each(|runtime| {
        for uid in [0, 1000] {
            let stage = Stage::with_script(runtime, "");
            stage.configure(|config| {
                config["process"]["args"] =
                    json!(["sh", "-c", "mkdir /tmp/x; grep -c CapEff:.0*$ /proc/self/status"]);
                config["process"]["noNewPrivileges"] = json!(false);
                config["process"]["user"]["uid"] = json!(uid);
                config["process"]["capabilities"] = json!({});
                config["linux"]["seccomp"] =
                    filter(json!([rule(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO")]));
            });
            let output = stage.run();
            assert!(output.stderr.contains("not permitted"), "{output:?}");
            assert_eq!(output.ok().trim(), "1");
        }
    });
}
