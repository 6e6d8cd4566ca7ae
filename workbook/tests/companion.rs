//! A learner's way through one exercise: start, check, hint, solution, reset, next; and a program that hangs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use testbed::{Host, Place, needs, snapshot};

const WORKBOOK: &str = env!("CARGO_BIN_EXE_workbook");

/// A bench of its own. Programs of one name share a place in the target directory, so that no two
/// tests may work on the same exercise.
struct Learner(TempDir);

impl Learner {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("bench.").tempdir().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let target = Path::new(WORKBOOK).parent().unwrap().parent().unwrap();
        let mut command = Command::new(WORKBOOK);
        command.args(arguments).env("UNBOXED_BENCH", self.0.path());
        command.env("CARGO_TARGET_DIR", target).env("NO_COLOR", "1");
        command
    }

    /// What it says, and whether it ended well.
    fn says(&self, arguments: &[&str]) -> (String, bool) {
        let output = self.command(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).replace(self.0.path().to_str().unwrap(), "BENCH");
        (said, output.status.success())
    }

    fn file(&self, exercise: &str) -> PathBuf {
        self.0.path().join(exercise).join("src/main.rs")
    }

    fn write(&self, exercise: &str, answer: &str) {
        let file = self.file(exercise);
        let program = fs::read_to_string(&file).unwrap();
        let (before, rest) = program.split_once("// ---- your part ----").unwrap();
        let (_, after) = rest.split_once("// ---- end of your part ----").unwrap();
        fs::write(
            file,
            format!(
                "{before}// ---- your part ----\n{answer}\n// ---- end of your part ----{after}"
            ),
        )
        .unwrap();
    }
}

const RIGHT: &str = "mount(None::<&CStr>, c\"/\", None::<&CStr>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&CStr>)";
const WRONG: &str =
    "mount(None::<&CStr>, c\"/\", None::<&CStr>, MsFlags::MS_PRIVATE, None::<&CStr>)";

const WATCHED: &str =
    "let spawn = Spawn::new(Kinds::of([Kind::Pid, Kind::Mount])).step(PrivateMounts);
    Ok(spawn.step(MountProc).step(Exec::with_own_environment(&[\"true\"])?))";
const HANGS: &str =
    "for _ in 0..20 { Command::new(\"setsid\").args([\"sleep\", \"300\"]).spawn()?; }
    loop { std::thread::sleep(std::time::Duration::from_secs(1)) }";

#[test]
fn a_learner_goes_through_an_exercise() {
    needs!(In(Place::Root));
    let before = Host::now();
    let learner = Learner::new();
    let mut session = String::new();
    let mut say = |arguments: &[&str]| {
        let (said, good) = learner.says(arguments);
        session +=
            &format!("$ cargo workbook {}\n{said}[{}]\n\n", arguments.join(" "), u8::from(!good));
        good
    };
    assert!(!say(&["check"]));
    assert!(say(&["start", "01.3"]));
    assert!(!say(&["check"]));
    assert!(!say(&["solution"]));
    for _ in 0..4 {
        assert!(say(&["hint"]));
    }
    learner.write("01.3", "mount(");
    assert!(!say(&["check"]));
    learner.write("01.3", WRONG);
    assert!(!say(&["check"]));
    learner.write("01.3", RIGHT);
    assert!(say(&["check"]));
    assert!(say(&["solution", "01.3"]));
    assert!(say(&["reset"]));
    assert!(say(&["next"]));
    assert!(!say(&["start", "09.1"]));
    session += &fs::read_to_string(learner.0.path().join("progress.txt")).unwrap();
    let kept = fs::read_to_string(learner.file("01.3").with_extension("rs.1")).unwrap();
    assert!(kept.contains(RIGHT));
    snapshot!(
        "session",
        session,
        [(r"/tmp/x[a-z]{6}", "/tmp/WORD"), (r" +Compiling [^\n]*\n", "")]
    );
    before.assert_unchanged();
}

#[test]
fn a_watched_exercise_is_checked_when_it_is_saved() {
    needs!(In(Place::Root));
    let learner = Learner::new();
    assert!(learner.says(&["start", "01.5"]).1);
    let mut watch = learner.command(&["check", "--watch"]);
    let mut watch = watch.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    learner.write("01.5", WATCHED);
    let started = Instant::now();
    while watch.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(110) {
            watch.kill().unwrap();
            panic!("not checked again");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(watch.wait().unwrap().success());
}

#[test]
fn a_program_that_hangs_is_killed_with_all_that_it_made() {
    needs!(In(Place::Root));
    let before = Host::now();
    let learner = Learner::new();
    assert!(learner.says(&["start", "01.6"]).1);
    learner.write("01.6", HANGS);
    let (said, good) = learner.says(&["check"]);
    assert!(!good && said.contains("no end after"), "{said}");
    before.assert_unchanged();
}

#[test]
fn the_museum_shows_a_mistake_with_its_thread() {
    let learner = Learner::new();
    let (list, _) = learner.says(&["museum"]);
    let line = list.lines().find(|it| it.contains("MS_PRIVATE without MS_REC")).unwrap();
    let number = line.split_whitespace().next().unwrap();
    snapshot!("museum_exhibit", learner.says(&["museum", number]).0);
    snapshot!("list", learner.says(&["list"]).0);
    snapshot!("museum", learner.says(&["museum", "--pages"]).0);
}
