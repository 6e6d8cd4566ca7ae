//! Errors: what, why and how to mend it, for people and for engines.

use std::fs;

use serde_json::{Value, json};
use testbed::{needs, snapshot};

use crate::{
    bundle::{Runtime, Stage},
    plain, stage,
};

fn error_of(stage: &Stage) -> String {
    let output = stage.run();
    assert_ne!(output.code, 0);
    assert!(!stage.state_root().join(&stage.id).exists(), "nothing is left");
    format!("{}exit status {}\n", plain(stage, &output.stderr), output.code)
}

/// An error of config.json, by what is changed in it.
type Broken = (&'static str, fn(&mut Value));

const BROKEN: [Broken; 16] = [
    ("no program", |it| it["process"]["args"] = json!([])),
    ("a program that is nowhere", |it| it["process"]["args"] = json!(["nowhere"])),
    ("a path that is nowhere", |it| it["process"]["args"] = json!(["/bin/nowhere"])),
    ("a program that cannot be run", |it| it["process"]["args"] = json!(["/etc"])),
    ("no root file system", |it| it["root"]["path"] = json!("elsewhere")),
    ("a type that does not fit", |it| it["process"]["user"] = json!({"uid": "root"})),
    ("a version of the future", |it| it["ociVersion"] = json!("2.0.0")),
    ("a relative directory", |it| it["process"]["cwd"] = json!("tmp")),
    ("an rlimit that is none", |it| {
        it["process"]["rlimits"] = json!([{"type": "RLIMIT_X", "soft": 1, "hard": 1}]);
    }),
    ("a bind source that is not there", |it| {
        let mount = json!({"destination": "/x", "source": "/nowhere", "options": ["bind"]});
        it["mounts"].as_array_mut().unwrap().push(mount);
    }),
    ("a file system that is none", |it| {
        let mount = json!({"destination": "/x", "type": "nofs", "source": "x"});
        it["mounts"].as_array_mut().unwrap().push(mount);
    }),
    ("a parameter of the whole machine", |it| {
        it["linux"]["sysctl"] = json!({"kernel.panic": "1"});
    }),
    ("no mount namespace", |it| {
        it["linux"]["namespaces"].as_array_mut().unwrap().retain(|it| it["type"] != "mount");
    }),
    ("a value that the kernel refuses", |it| {
        it["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "many"});
    }),
    ("a hook without a whole path", |it| {
        it["hooks"] = json!({"poststop": [{"path": "/bin/true"}, {"path": "true"}]});
    }),
    ("a hook that fails", |it| {
        it["hooks"] = json!({"createRuntime": [{"path": "/bin/false"}]});
    }),
];

#[test]
fn errors_say_what_why_and_how_to_mend_it() {
    needs!(Root, CgroupV1("memory"), Program("busybox"));
    let mut told = String::new();
    for (name, change) in BROKEN {
        let stage = stage();
        stage.configure(change);
        told += &format!("# {name}\n{}\n", error_of(&stage));
    }
    let stage = stage();
    fs::write(stage.bundle().join("config.json"), "{\"ociVersion\": \"1.0.2\",\n \"process\": 7}")
        .unwrap();
    told += &format!("# JSON of another kind\n{}\n", error_of(&stage));
    fs::remove_file(stage.bundle().join("config.json")).unwrap();
    told += &format!("# no config.json\n{}\n", error_of(&stage));
    for args in [&["state", "absent"][..], &["start", "a/b"], &["kill", "absent", "NOPE"]] {
        let output = stage.call(args);
        told += &format!("# {}\n{}\n", args.join(" "), plain(&stage, &output.stderr));
    }
    // The column depends on how long the name of the container is.
    snapshot!("errors", told, [(r"column \d+", "column [N]")]);
}

#[test]
fn engines_read_errors_as_json_lines() {
    needs!(Root, Program("busybox"));
    let stage = stage();
    stage.configure(|config| config["process"]["args"] = json!(["nowhere"]));
    let log = stage.dir.path().join("log.json");
    let (log, bundle) = (log.to_str().unwrap(), stage.bundle());
    let bundle = bundle.to_str().unwrap();
    let args = ["--log", log, "--log-format", "json", "run", "-b", bundle, &stage.id];
    assert_eq!(stage.call(&args).code, 127);
    let line: Value = serde_json::from_str(fs::read_to_string(log).unwrap().trim()).unwrap();
    assert_eq!(line["level"], "error");
    assert!(line["msg"].as_str().unwrap().contains("executable file not found in $PATH"));
    for field in ["time", "what", "why", "see", "fix"] {
        assert!(line[field].is_string(), "{line}");
    }
}

#[test]
fn what_is_wrong_in_a_file_of_its_own_is_told_by_its_place() {
    needs!(Root, Program("busybox"));
    let stage = Stage::with_script(Runtime::MiniRunc, "sleep 1000");
    stage.create().ok();
    stage.on("start", &[]).ok();
    let file = stage.dir.path().join("part.json");
    let path = file.to_str().unwrap();
    let mut told = String::new();
    let wrong = [
        ("exec", r#"{"args": ["true"], "cwd": "/", "user": {"uid": "root"}}"#),
        ("exec", r#"{"args": ["true", "a\u0000b"], "cwd": "/"}"#),
        (
            "exec",
            r#"{"args": ["true"], "cwd": "/", "rlimits": [{"type": "RLIMIT_CPU", "soft": 1}]}"#,
        ),
        ("update", r#"{"memory": {"limit": "64m"}}"#),
        ("update", r#"{"blockIO": {"weight": 70000}}"#),
        ("update", "{\"pids\": {"),
    ];
    for (verb, text) in wrong {
        fs::write(&file, text).unwrap();
        let output = match verb {
            "exec" => stage.call(&["exec", "--process", path, &stage.id]),
            _ => stage.call(&["update", "-r", path, &stage.id]),
        };
        assert_ne!(output.code, 0, "{text}");
        told += &format!("# {verb} {text}\n{}\n", plain(&stage, &output.stderr));
    }
    snapshot!("errors_of_parts", told, [(r"column \d+", "column [N]")]);
}
