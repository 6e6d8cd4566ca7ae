//! What is printed: the library decides, these tell.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, SystemTime},
};

use ground::{Error, Result};
use workbook::{
    bench::Bench,
    doctor,
    exercise::{self, Exercise, Id},
    grade, museum, stage,
    verdict::{Finding, Refusal, Verdict},
};

/// How often a watched file is looked at.
const PULSE: Duration = Duration::from_millis(200);

/// A line for the reader; one who went away ends us in peace.
pub fn say(text: &str) -> Result<ExitCode> {
    match writeln!(io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot write to standard output").io("write", &error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn bench() -> Bench {
    let root = workbook::root();
    let dir = std::env::var_os("UNBOXED_BENCH").map_or_else(|| root.join("bench"), PathBuf::from);
    Bench::at(dir, root)
}

fn exercises() -> Result<Vec<Exercise>> {
    exercise::all(&workbook::root())
}

fn find(id: Id) -> Result<Exercise> {
    let found = exercises()?.into_iter().find(|exercise| exercise.id == id);
    found.ok_or_else(|| Error::new(format!("there is no exercise {id}")).fix("cargo workbook list"))
}

/// The exercise that was named, or the one that was worked on last.
fn meant(named: Option<Id>) -> Result<Exercise> {
    let id = named.or_else(|| bench().current()).ok_or_else(|| {
        Error::new("no exercise is on your bench").fix("cargo workbook start 01.1")
    })?;
    find(id)
}

pub fn doctor(json: bool, no_build: bool) -> Result<ExitCode> {
    if !no_build {
        workbook::bench::build_labs(&workbook::root())?;
    }
    let cells = doctor::examine(&doctor::programs()?);
    if json {
        return say(&doctor::to_json(&cells).to_string());
    }
    say(&doctor::table(&cells).to_text())?;
    for (places, error) in doctor::reasons(&cells) {
        say(&format!("\n{places}: {error}"))?;
    }
    if cells.iter().any(|cell| cell.answer == doctor::Answer::NotTried) {
        say("\n?: only root can try both; sudo runs this with the other column as well")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub fn list() -> Result<ExitCode> {
    let (bench, exercises) = (bench(), exercises()?);
    let mut text = String::new();
    let mut lab = 0;
    for exercise in &exercises {
        if exercise.id.lab != lab {
            lab = exercise.id.lab;
            text += &format!("Lab {lab:02}\n");
        }
        let mark = match bench.events(exercise.id) {
            events if events.iter().any(|it| it == "passed") => "passed",
            events if events.is_empty() => "",
            _ => "begun",
        };
        let (id, kind) = (exercise.id.to_string(), exercise.kind.word());
        text += &format!("  {id:5}  {kind:7}  {mark:6}  {}\n", exercise.title);
    }
    let passed = exercises.iter().filter(|it| bench.passed(it.id)).count();
    say(&format!("{text}\n{passed} of {} passed", exercises.len()))
}

pub fn start(named: Option<Id>) -> Result<ExitCode> {
    let bench = bench();
    let exercise = match named {
        Some(id) => find(id)?,
        None => match exercises()?.into_iter().find(|it| !bench.passed(it.id)) {
            Some(exercise) => exercise,
            None => return say("All exercises are passed."),
        },
    };
    let file = bench.start(&exercise)?;
    let Exercise { id, title, task, .. } = &exercise;
    say(&format!(
        "{id} {title}\n\n{task}\n\nWrite in  {}\nThen      cargo workbook check {id}",
        file.display()
    ))
}

pub fn check(named: Option<Id>) -> Result<ExitCode> {
    let exercise = meant(named)?;
    let program = match bench().compile(exercise.id)? {
        Ok(program) => program,
        Err(said) => {
            say(&format!("{said}\n{} does not compile yet.", exercise.id))?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let verdict = stage::check(exercise.id, &program, "")?;
    judged(&exercise, &verdict)
}

fn judged(exercise: &Exercise, verdict: &Verdict) -> Result<ExitCode> {
    let id = exercise.id;
    match verdict {
        Ok(()) => {
            bench().note(id, "passed")?;
            say(&format!("{id} passed: the kernel agrees.\n\nThen      cargo workbook next"))
        }
        Err(Refusal::NotHere(error)) => Err(error.clone()),
        Err(Refusal::Mistake(Finding { note, saw, expected, .. })) => {
            let because = grade::note(exercise, note);
            say(&format!(
                "{id} is not passed yet.\n  saw:      {}\n  expected: {}\n\n{because}\n\n\
                 Stuck?    cargo workbook hint {id}",
                saw.replace('\n', "\n            "),
                expected.replace('\n', "\n            "),
            ))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

pub fn watch(named: Option<Id>) -> Result<ExitCode> {
    let exercise = meant(named)?;
    let file = bench().file(exercise.id);
    let mut seen: Option<SystemTime> = None;
    loop {
        let changed = fs::metadata(&file).and_then(|it| it.modified()).ok();
        if changed.is_some() && changed != seen {
            seen = changed;
            let ended = check(Some(exercise.id))?;
            if ended == ExitCode::SUCCESS {
                return Ok(ended);
            }
            say("\n.. until it is saved again; Ctrl-C ends it")?;
        }
        thread::sleep(PULSE);
    }
}

pub fn hint(named: Option<Id>) -> Result<ExitCode> {
    let exercise = meant(named)?;
    let bench = bench();
    let shown = bench.events(exercise.id).iter().filter(|it| it.starts_with("hint ")).count();
    let level = (shown + 1).min(exercise.hints.len());
    bench.note(exercise.id, &format!("hint {level}"))?;
    say(&format!("Hint {level} of {}:\n\n{}", exercise.hints.len(), exercise.hints[level - 1]))
}

pub fn solution(named: Option<Id>, give_up: bool) -> Result<ExitCode> {
    let exercise = meant(named)?;
    let bench = bench();
    if !give_up && !bench.passed(exercise.id) {
        return Err(Error::new("the solution comes after yours")
            .why(format!("{} is not passed yet", exercise.id))
            .fix(format!("cargo workbook hint {0}, or solution {0} --give-up", exercise.id)));
    }
    if give_up {
        bench.note(exercise.id, "given up")?;
    }
    let from = exercise.anchor.as_ref().map(|it| format!("// {it}\n")).unwrap_or_default();
    say(&format!("{from}{}", exercise.solution))
}

pub fn reset(named: Option<Id>) -> Result<ExitCode> {
    let exercise = meant(named)?;
    let backup = bench().reset(&exercise)?;
    say(&format!("{} begins anew; yours is {}", exercise.id, backup.display()))
}

pub fn museum(number: Option<usize>) -> Result<ExitCode> {
    let exercises = exercises()?;
    let exhibits = museum::exhibits(&exercises);
    let Some(number) = number else {
        let line = |it: &museum::Exhibit<'_>| {
            format!("{:3}  {}  {}\n", it.number, it.exercise.id, it.mistake.fact("title"))
        };
        let lines: String = exhibits.iter().map(line).collect();
        return say(&format!("{lines}\ncargo workbook museum N shows one"));
    };
    let exhibit = exhibits.iter().find(|it| it.number == number).ok_or_else(|| {
        Error::new(format!("the museum has no number {number}"))
            .fix(format!("choose one from 1 to {}", exhibits.len()))
    })?;
    let museum::Exhibit { exercise, mistake, .. } = exhibit;
    let seen = match mistake.fact("thread") {
        "" => String::new(),
        thread => format!("; seen in {thread}"),
    };
    say(&format!(
        "{number}. {}\n\n{}\n\n{}\nWhat came of it:\n\n{}\n\n\
         What the workbook says of it:\n\n{}\n\nExercise {}{seen}",
        mistake.fact("title"),
        mistake.text,
        exhibit.patch(),
        exhibit.symptom(&workbook::root())?,
        exhibit.note(),
        exercise.id,
    ))
}

pub fn museum_pages() -> Result<ExitCode> {
    say(&museum::pages(&exercises()?, &workbook::root())?)
}
