//! Every unsolved exercise fails, every solution passes, every mistake is refused with its note, no cheat passes.
//!
//! All that can stand in the holes of a lab is compiled as one program with many parts, so that a
//! run costs a fork and not a build; `WORKBOOK_VARIANT` says which part is meant.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::{fmt::Write, path::PathBuf, process::Command, sync::OnceLock, time::Duration};

use testbed::{Host, Place, Run, needs, snapshot};
use workbook::{
    bench,
    exercise::{self, Exercise, Kind},
    stage::VARIANT,
    verdict::{Finding, Refusal, Verdict, from_json},
};

const WORKBOOK: &str = env!("CARGO_BIN_EXE_workbook");

/// All parts of a lab may take so long in one place: a guest has one CPU, and each of its calls is traced twice.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the grader is to say.
#[derive(Debug, Clone)]
enum Expected {
    Passed,
    Refused(Option<String>),
}

/// One thing that stands in a hole.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    source: String,
    expected: Expected,
}

fn parts(exercise: &Exercise) -> Vec<Part> {
    let part = |name: &str, source: String, expected| Part {
        name: format!("{} {name}", exercise.id),
        source,
        expected,
    };
    let refused = |note: &str| Expected::Refused(Some(note.to_owned()).filter(|it| !it.is_empty()));
    let mut parts = vec![
        part("unsolved", exercise.unsolved(), Expected::Refused(None)),
        part("solution", exercise.with(&exercise.solution), Expected::Passed),
    ];
    for right in &exercise.rights {
        let name = format!("right {}", right.name);
        parts.push(part(&name, exercise.with(&right.code), Expected::Passed));
    }
    for mistake in &exercise.mistakes {
        let name = format!("mistake {}", mistake.name);
        parts.push(part(&name, exercise.with(&mistake.code), refused(mistake.fact("note"))));
    }
    for cheat in &exercise.cheats {
        let name = format!("cheat {}", cheat.name);
        parts.push(part(&name, exercise.with(&cheat.code), refused(cheat.fact("note"))));
    }
    parts
}

fn exercises() -> &'static [Exercise] {
    static EXERCISES: OnceLock<Vec<Exercise>> = OnceLock::new();
    EXERCISES.get_or_init(|| exercise::all(&workbook::root()).unwrap())
}

/// Compiles all parts of a lab into one program.
fn program(lab: u8, parts: &[Part]) -> PathBuf {
    let name = format!("variants-{lab:02}");
    let root = workbook::root();
    let target = PathBuf::from(WORKBOOK).parent().unwrap().parent().unwrap().to_owned();
    let dir = target.join("workbook").join(&name);
    let mut main = String::from(
        "fn main() {\n    let wanted = std::env::var(\"WORKBOOK_VARIANT\");\n    match wanted.as_deref().unwrap_or_default() {\n",
    );
    let mut modules = String::new();
    for (at, part) in parts.iter().enumerate() {
        let file = dir.join(format!("src/part_{at}.rs"));
        bench::write(&file, &part.source).unwrap();
        writeln!(modules, "mod part_{at};").unwrap();
        writeln!(main, "        {:?} => part_{at}::main(),", part.name).unwrap();
    }
    main += "        other => panic!(\"no part {other}\"),\n    }\n}\n";
    bench::write(&dir.join("src/main.rs"), &format!("#![allow(warnings)]\n{modules}{main}"))
        .unwrap();
    let manifest = bench::manifest(&name, &root);
    let profile = "\n[workspace]\n\n[profile.dev]\ndebug = \"line-tables-only\"\nincremental = false\n\n\
                   [profile.dev.package.memchr]\nopt-level = 3\n";
    bench::write(&dir.join("Cargo.toml"), &(manifest + profile)).unwrap();
    bench::lock(&dir, &root).unwrap();
    bench::compile(&dir, &name, &target).unwrap().unwrap_or_else(|said| panic!("{said}"))
}

/// Puts all parts of a lab before the grader, in this place; returns what its mistakes look like.
fn judge(lab: u8, place: Place) -> String {
    let exercises: Vec<_> = exercises().iter().filter(|it| it.id.lab == lab).collect();
    let only = std::env::var("WORKBOOK_ONLY").unwrap_or_default();
    let parts: Vec<Part> = exercises.iter().flat_map(|it| parts(it)).collect();
    let program = program(lab, &parts);
    let before = Host::now();
    let wanted: Vec<_> = parts.iter().filter(|it| it.name.contains(&only)).collect();
    let script: String = wanted.iter().fold(String::new(), |mut script, part| {
        let id = part.name.split(' ').next().unwrap();
        writeln!(script, "{VARIANT}='{}' \"$BIN\" judge {id} \"$PROGRAM\"", part.name).unwrap();
        script
    });
    let said = match place {
        Place::Root => Command::new("sh")
            .args(["-c", &script])
            .env("BIN", WORKBOOK)
            .env("PROGRAM", &program)
            .output()
            .map(|it| String::from_utf8_lossy(&it.stdout).into_owned())
            .unwrap(),
        place => {
            let name = program.file_name().unwrap().to_str().unwrap();
            let script = format!("PROGRAM=${{BIN%/*}}/{name}\n{script}");
            let run = Run { script: Some(&script), limit: PATIENCE, ..Run::of(WORKBOOK.as_ref()) };
            // What hangs is killed, and so are the memory-hungry.
            run.run_killing_in(place).success().to_owned()
        }
    };
    let verdicts: Vec<_> = said.lines().collect();
    assert_eq!(verdicts.len(), wanted.len(), "{said}");
    let verdicts = verdicts.into_iter().map(|it| from_json(&serde_json::from_str(it).unwrap()));
    let judged: Vec<_> = wanted.into_iter().zip(verdicts).collect();
    let wrong: Vec<_> = judged.iter().filter_map(|(it, verdict)| wrong(it, verdict)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    before.assert_unchanged();
    symptoms(&judged)
}

/// What people see who make these mistakes; the museum shows it.
fn symptoms(judged: &[(&Part, Verdict)]) -> String {
    let mistakes = judged.iter().filter(|(part, _)| part.name.contains(" mistake "));
    let symptom = |(part, verdict): &(&Part, Verdict)| {
        let Err(Refusal::Mistake(finding)) = verdict else { panic!("{}", part.name) };
        let Finding { saw, expected, symptom, .. } = finding;
        let name = part.name.replace(" mistake ", " ");
        // The riddle is another one in every run.
        let (saw, expected) = match saw.starts_with("predicted '") {
            true => {
                ("the kernel said something else".into(), "what it said in the same run".into())
            }
            false => (without_numbers(saw), without_numbers(expected)),
        };
        format!("== {name}\n{symptom}saw      {saw}\nexpected {expected}\n")
    };
    mistakes.map(symptom).collect()
}

/// A text without the numbers that vary: not the sections of manuals, nor what a call or a program returned.
fn without_numbers(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (number, after) = from.split_at(end);
        out += before;
        let says = ["= ", "status ", "\\", ".", "-", "_"].iter().any(|it| out.ends_with(it));
        let section = out.ends_with('(') && after.starts_with(')');
        let of_a_name = out.ends_with(char::is_alphanumeric);
        out += if says || section || of_a_name { number } else { "[N]" };
        rest = after;
    }
    out + rest
}

/// What is wrong with a verdict.
fn wrong(part: &Part, verdict: &Verdict) -> Option<String> {
    match (&part.expected, verdict) {
        (Expected::Passed, Ok(())) | (Expected::Refused(None), Err(Refusal::Mistake(_))) => None,
        (Expected::Refused(Some(note)), Err(Refusal::Mistake(Finding { note: got, .. })))
            if note == got =>
        {
            None
        }
        (expected, verdict) => {
            Some(format!("{}: expected {expected:?}, got {verdict:?}", part.name))
        }
    }
}

/// What the mistakes of a lab look like; words and numbers are others in every run.
macro_rules! symptoms {
    ($place:expr, $name:literal, $lab:literal) => {
        let symptoms = judge($lab, $place);
        if std::env::var_os("WORKBOOK_ONLY").is_none() {
            snapshot!(
                $place,
                $name,
                symptoms,
                [
                    (r"\bx[a-z]{6}\b", "WORD"),
                    (r"src/part_\d+\.rs:\d+:\d+", "src/main.rs:[N]"),
                    (r"thread 'main' \(\d+\)", "thread 'main'"),
                    (r"lab-\d+-workbook", "lab-[RUN]-workbook"),
                    (r"/proc/\d+/", "/proc/[PID]/"),
                    (r"Pid\(\d+\)", "Pid([PID])"),
                    (r"(namespaces of the child:) \w+, \w+", "$1 [KINDS]"),
                    (r"(in the container's|in new namespaces:) [a-z, ]+", "$1 [KINDS]"),
                    (r"not shown: \[[^\]]*\]", "not shown: [..]"),
                    (r"program  predicted: .*", "program  predicted: .."),
                    (r#"write "-?\d+( \d+)?""#, "write \"[N]\""),
                    // It may have forked more often before, or less often.
                    (r"(== 02.2 begun-before\n)kernel   clone3\(\) = EAGAIN\n", "$1"),
                    (r"\[(\[N\](, )?)+\]", "[..]"),
                    // The profile's errno is another one in every run.
                    (r#"(chdir\("/tmp/WORD"\) = )E\w+( \([^)]*\))?"#, "$1[ERRNO]"),
                ]
            );
        }
    };
}

macro_rules! labs {
    ($($as_root:ident $as_user:ident $lab:literal $name:literal;)+) => {
        $(
            #[test]
            fn $as_root() {
                needs!(In(Place::Root));
                symptoms!(Place::Root, $name, $lab);
            }

            #[test]
            fn $as_user() {
                needs!(In(Place::User));
                judge($lab, Place::User);
            }
        )+
    };
}

labs! {
    lab_01_as_root lab_01_as_user 1 "symptoms_01";
    lab_03_as_root lab_03_as_user 3 "symptoms_03";
    lab_04_as_root lab_04_as_user 4 "symptoms_04";
    lab_05_as_root lab_05_as_user 5 "symptoms_05";
    lab_06_as_root lab_06_as_user 6 "symptoms_06";
    lab_07_as_root lab_07_as_user 7 "symptoms_07";
}

/// Ordinary users have no group of their own on cgroup v1.
#[test]
fn lab_02_as_root() {
    needs!(In(Place::Root));
    symptoms!(Place::Root, "symptoms_02", 2);
}

#[test]
fn lab_02_on_cgroup_v2() {
    needs!(In(Place::GuestRoot));
    symptoms!(Place::GuestRoot, "symptoms_02", 2);
}

#[test]
fn lab_02_in_a_delegated_group() {
    needs!(In(Place::GuestUser));
    judge(2, Place::GuestUser);
}

/// An exercise cannot drift away from a lab that it is cut from: at least so many of each lab have a region of its sources as
/// their answer, or around the hole.
#[test]
fn exercises_are_cut_from_the_labs() {
    let directory = workbook::root().join("workbook/exercises");
    for (lab, least) in [(1, 6), (2, 8), (3, 2), (4, 2), (5, 3), (6, 1), (7, 6)] {
        let of_lab = exercises().iter().filter(|it| it.id.lab == lab);
        let pages = of_lab
            .map(|it| std::fs::read_to_string(directory.join(format!("{}.md", it.id))).unwrap());
        let marks = ["// @answer labs/", "// @include labs/"];
        let cut = pages.filter(|page| marks.iter().any(|mark| page.contains(mark))).count();
        assert!(cut >= least, "{cut} exercises of lab {lab} are cut from it");
    }
}

/// The counts that the course promises.
#[test]
fn there_is_enough_of_everything() {
    let exercises = exercises();
    let sum = |count: fn(&Exercise) -> usize| exercises.iter().map(count).sum::<usize>();
    let threads =
        |it: &Exercise| it.mistakes.iter().filter(|it| !it.fact("thread").is_empty()).count();
    println!(
        "{} exercises, {} right solutions besides, {} mistakes ({} with a thread), {} cheats",
        exercises.len(),
        sum(|it| it.rights.len()),
        sum(|it| it.mistakes.len()),
        sum(threads),
        sum(|it| it.cheats.len()),
    );
    assert!(exercises.len() >= 48 && sum(threads) >= 40 && sum(|it| it.cheats.len()) >= 70);
    for kind in Kind::ALL {
        let of_it = exercises.iter().filter(|it| it.kind == kind);
        let rights: usize = of_it.clone().map(|it| it.rights.len()).sum();
        println!("{}: {} exercises, {rights} right solutions", kind.word(), of_it.count());
        assert!(rights >= 3, "{}", kind.word());
    }
    for lab in exercises.iter().map(|it| it.id.lab) {
        assert!(exercises.iter().filter(|it| it.id.lab == lab).count() >= 8, "lab {lab}");
    }
    for exercise in exercises {
        for mistake in exercise.mistakes.iter().chain(&exercise.cheats) {
            let note = mistake.fact("note");
            let common = ["", "failed", "leak", "left", "hangs", "todo"].contains(&note);
            assert!(common || exercise.notes.contains_key(note), "{}: {note}", exercise.id);
        }
    }
}
