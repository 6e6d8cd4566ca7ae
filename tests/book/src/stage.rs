//! A stage: a machine for the blocks of one page, on which one step follows another.
//!
//! ```text
//! here:  unshare(1) --- stage/machine.sh (root) --- stage/steps.sh (the place's user) --- steps
//! guest: tests/guest/run ---------------------------- stage/steps.sh -------------------- steps
//! ```
//!
//! Here it is made of namespaces: whatever a page mounts, starts, writes or configures is gone with
//! the stage. Control groups are the exception, and [`Groups`] has them.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use peers::{Engine, groups::Groups};
use tempfile::TempDir;

use crate::{page::Place, said::Raw};

/// All steps of a page together may take this long.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs these steps one after the other in a place; returns what each said, and its exit status.
///
/// # Panics
/// When the stage breaks down before the last step.
pub fn play(place: Place, steps: &[String], ready: &Path) -> Vec<Raw> {
    let name = format!("unboxed-stage.{}.", std::process::id());
    let directory = TempDir::with_prefix(name).expect("a temporary directory");
    let script = directory.path().join("steps");
    fs::write(&script, format!("{}\0", steps.join("\0"))).expect("a file of ours");
    let variables = variables(&script, steps, ready);
    let said = if place.is_guest() {
        in_guest(place, &variables)
    } else {
        here(place, variables, directory.path())
    };
    let words: Vec<_> = said.split('\0').collect();
    let (last, all) = (words.len() / 2, steps.len());
    let step = steps.get(last).map_or("", String::as_str);
    assert_eq!(last, all, "the stage broke down at: {step}\n{}", said.replace('\0', "\n"));
    let status = |word: &str| word.parse().unwrap_or_else(|_| panic!("no status: {word}"));
    words.chunks_exact(2).map(|it| (it[0].to_owned(), status(it[1]))).collect()
}

/// A script of ours, where a guest sees it.
pub(crate) fn script(name: &str) -> String {
    scripts().join(name).display().to_string()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stage")
}

/// The variables of the scripts.
fn variables(steps: &Path, said: &[String], ready: &Path) -> Vec<(&'static str, OsString)> {
    let programs = Engine::program();
    let asked = |what| if said.iter().any(|step| step.contains(what)) { "yes" } else { "" };
    vec![
        ("PROGRAMS", programs.parent().expect("a directory").into()),
        ("STAGE", scripts().into()),
        ("STEPS", steps.into()),
        ("READY", ready.into()),
        ("REGISTRY", asked("127.0.0.1:5000").into()),
        ("UNPACK", asked("mini-docker").into()),
    ]
}

const UNSHARE: &str = "unshare --mount --propagation private --net --ipc --uts --pid \
    --fork --kill-child --mount-proc --cgroup";

fn here(place: Place, variables: Vec<(&'static str, OsString)>, directory: &Path) -> String {
    // It waits until we have put it into its control groups.
    let enter = format!("read -r _; exec setpriv --pdeathsig KILL {UNSHARE} bash \"$0\"");
    let out = directory.join("said");
    let file = || fs::File::options().create(true).append(true).open(&out).expect("a file of ours");
    let mut command = Command::new("sh");
    command.args(["-euc", &enter]).arg(scripts().join("machine.sh")).env_clear();
    command.envs(variables).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("WHO", format!("{place:?}")).env(testbed::MARK, testbed::own_mark());
    let mut stage =
        command.stdin(Stdio::piped()).stdout(file()).stderr(file()).spawn().expect("sh");
    let _groups = Groups::around(stage.id());
    drop(stage.stdin.take().map(|mut stdin| std::io::Write::write_all(&mut stdin, b"\n")));
    wait(&mut stage);
    String::from_utf8_lossy(&fs::read(&out).expect("a file of ours")).into_owned()
}

/// Until it has ended, or for as long as there is patience.
fn wait(stage: &mut Child) {
    let started = Instant::now();
    while stage.try_wait().expect("our own child").is_none() {
        if started.elapsed() > PATIENCE {
            let _ = stage.kill();
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn in_guest(place: Place, variables: &[(&str, OsString)]) -> String {
    let mut guest = Command::new(scripts().join("../../guest/run"));
    let seconds = PATIENCE.as_secs().to_string();
    guest.args(["-t", &seconds, "-w", "/"]).env(testbed::MARK, testbed::own_mark());
    if place == Place::V2User {
        guest.arg("-u");
    }
    for (name, value) in variables {
        guest.arg("-e").arg(format!("{name}={}", value.display()));
        let path = Path::new(value);
        if path.is_absolute() {
            guest.arg("-b").arg(if path.is_dir() {
                path
            } else {
                path.parent().expect("a directory")
            });
        }
    }
    let said = peers::run(guest.args(["--", "bash"]).arg(scripts().join("steps.sh")));
    said.stdout + &said.stderr
}
