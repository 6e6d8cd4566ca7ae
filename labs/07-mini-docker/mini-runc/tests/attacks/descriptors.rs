//! Descriptors that lead outside: a directory of the host that whoever calls the runtime has left open,
//! and a working directory that is named by its number (CVE-2024-21626).

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Stdio},
};

use serde_json::json;
use testbed::needs;

use super::{Stage, bundle::Runtime};

/// Numbers that a descriptor may have: the caller's, and those that a runtime opens itself.
const NUMBERS: std::ops::Range<u32> = 3..16;

/// Left open by whoever calls: a directory of the host under two numbers.
const CARELESS: &str = "exec 7</ 9</; exec \"$@\"";

/// What a process says that looks for the host from its working directory.
const LOOK: &str = "for up in . .. ../.. ../../../..; do cat $up$0/secret 2>/dev/null; done; \
                    for fd in /proc/self/fd/*; do cat $fd$0/secret 2>/dev/null; done; echo end";

/// Runs a command of the runtime the careless way; what it said on standard output, if it went well.
fn carelessly(stage: &Stage, args: &[&str]) -> Option<String> {
    let runtime = stage.command(args);
    let mut shell = Command::new("sh");
    shell.args(["-c", CARELESS, "sh"]).arg(runtime.get_program()).args(runtime.get_args());
    let output = shell.stdin(Stdio::null()).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The same without a runtime.
fn naive(stage: &Stage) -> String {
    let rootfs = stage.bundle().join("rootfs");
    let enter = "mount -t proc proc \"$1/proc\" && exec chroot \"$1\" sh -c \
                 'cd /proc/self/fd/7 && cat .$0/secret' \"$2\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", CARELESS, "sh", "unshare", "-m", "sh", "-c", enter, "sh"]);
    let output = shell.arg(rootfs).arg(stage.dir.path()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Working directories of the image that mean a number: by itself, and through a link.
fn directories(stage: &Stage, number: u32) -> [String; 3] {
    let link = format!("work-{number}");
    symlink(format!("/proc/self/fd/{number}"), stage.bundle().join("rootfs").join(&link)).unwrap();
    [format!("/proc/self/fd/{number}"), format!("/proc/self/fd/{number}/../.."), format!("/{link}")]
}

fn look(stage: &Stage) -> [String; 4] {
    let dir = stage.dir.path().to_str().unwrap().to_owned();
    ["sh".to_owned(), "-c".to_owned(), LOOK.to_owned(), dir]
}

fn stage(runtime: Runtime) -> Stage {
    let stage = Stage::new(runtime);
    fs::write(stage.dir.path().join("secret"), "of the host\n").unwrap();
    stage
}

/// What became of many attempts.
#[derive(Debug, Default)]
struct Tried {
    tried: usize,
    refused: usize,
    outside: Vec<String>,
}

impl Tried {
    fn note(&mut self, case: &str, said: Option<String>) {
        self.tried += 1;
        match said {
            None => self.refused += 1,
            Some(said) if said == "end\n" => {}
            Some(_) => self.outside.push(case.to_owned()),
        }
    }
}

/// Containers whose working directory is a number.
fn runs(runtime: Runtime, tried: &mut Tried) {
    for number in NUMBERS {
        let stage = stage(runtime);
        for cwd in directories(&stage, number) {
            stage.configure(|config| {
                config["process"]["args"] = json!(look(&stage));
                config["process"]["cwd"] = json!(cwd);
            });
            let bundle = stage.bundle();
            let said = carelessly(&stage, &["run", "-b", bundle.to_str().unwrap(), &stage.id]);
            stage.on("delete", &["--force"]);
            tried.note(&format!("run in {cwd}"), said);
        }
    }
}

/// The same for a process that joins.
fn joins(runtime: Runtime, tried: &mut Tried) {
    let stage = stage(runtime);
    stage.configure(|_| {});
    stage.create().ok();
    stage.on("start", &[]).ok();
    let look = look(&stage);
    for number in NUMBERS {
        for cwd in directories(&stage, number) {
            let exec = ["exec", "--cwd", &cwd, &stage.id];
            let args: Vec<&str> = exec.into_iter().chain(look.iter().map(String::as_str)).collect();
            tried.note(&format!("exec in {cwd}"), carelessly(&stage, &args));
        }
    }
}

#[test]
fn a_directory_that_was_left_open_leads_nobody_out() {
    needs!(Root, Program("busybox"), Program("unshare"));
    let naive = naive(&stage(Runtime::MiniRunc));
    assert_eq!(naive, "of the host\n", "the attack must be able to succeed");
    for runtime in Runtime::all() {
        let mut tried = Tried::default();
        runs(runtime, &mut tried);
        joins(runtime, &mut tried);
        let Tried { tried, refused, outside } = tried;
        println!(
            "{runtime:?}: {tried} directories by number, {refused} refused, outside: {outside:?}"
        );
        // Debian's crun lets a careless caller's descriptors through.
        assert!(runtime == Runtime::Crun || outside.is_empty(), "{runtime:?}: {outside:?}");
    }
}
