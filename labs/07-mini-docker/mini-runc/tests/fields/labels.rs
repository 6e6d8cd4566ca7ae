//! Labels: a profile of AppArmor's, on a kernel that has it awake; the machine is a guest.

use std::path::Path;

use testbed::{Place, Run, needs};

use crate::{bundle::Runtime, covers};

/// A bundle whose program and hooks tell their profile, and a profile that forbids one file.
const SCRIPT: &str = r##"
    mount -t tmpfs tmpfs /tmp; cd /tmp
    mount -t securityfs securityfs /sys/kernel/security
    apparmor_parser --replace --skip-cache <<'EOF'
profile unboxed-box flags=(attach_disconnected,mediate_deleted) {
  file,
  signal,
  capability,
  deny /tmp/secret rw,
}
EOF
    mkdir -p b/rootfs/bin b/rootfs/tmp b/rootfs/proc b/rootfs/dev b/rootfs/sys
    cp /bin/busybox b/rootfs/bin/
    for it in sh cat mv sleep; do ln -s busybox b/rootfs/bin/$it; done
    echo x > b/rootfs/tmp/secret
    cat > edit.py <<'EOF'
import json
config = json.load(open("b/config.json"))
config["root"]["readonly"] = False
process = config["process"]
process["terminal"] = False
process["apparmorProfile"] = "unboxed-box"
tell = "cat /proc/self/attr/current; cat /tmp/secret 2>/dev/null || echo refused"
process["args"] = ["sh", "-c", "(" + tell + ") > /tmp/told; mv /tmp/told /tmp/program; sleep 1000"]
hook = lambda path: [{"path": "/bin/sh", "args": ["sh", "-c", "/bin/cat /proc/self/attr/current > " + path]}]
config["hooks"] = {"createContainer": hook("/tmp/create"), "startContainer": hook("/tmp/start")}
json.dump(config, open("b/config.json", "w"))
EOF
    for BIN in $RUNTIMES; do
        "$BIN" spec --bundle b; python3 edit.py
        "$BIN" --root state create --bundle b box < /dev/null > said 2>&1 && "$BIN" --root state start box || cat said
        for try in $(seq 100); do test -e b/rootfs/tmp/program && break; sleep 0.1; done
        echo "createContainer: $(cat create)"
        echo "startContainer: $(cat b/rootfs/tmp/start)"
        cat b/rootfs/tmp/program
        "$BIN" --root state exec box cat /proc/self/attr/current
        "$BIN" --root state delete --force box
        rm -f create b/rootfs/tmp/program b/rootfs/tmp/start b/config.json
        echo
    done
"##;

#[test]
fn a_profile_holds_for_the_program_and_not_for_the_hooks_of_the_host() {
    let place = Place::GuestRoot;
    needs!(In(place), Program("busybox"), Program("apparmor_parser"), Program("python3"));
    covers!("process.apparmorProfile");
    let ours = Runtime::MiniRunc.name();
    let runtimes = format!("runc {ours}");
    let run = Run {
        script: Some(SCRIPT),
        env: &[("RUNTIMES", &runtimes)],
        kernel: "security=apparmor",
        ..Run::of(Path::new(ours))
    };
    let output = run.run_killing_in(place);
    let confined = "unboxed-box (enforce)\n";
    let expected = format!(
        "createContainer: unconfined\nstartContainer: {confined}{confined}refused\n{confined}\n"
    );
    assert_eq!(output.stdout, expected.repeat(2), "{output}");
}
