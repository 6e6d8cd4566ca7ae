//! The graders: what each exercise is about, as statements about the kernel.
//!
//! A grader runs the learner's program with words and numbers that nobody can know beforehand, and
//! reads the answer from the trace and the photos. What the program prints counts only where a
//! prediction is asked for, and there the kernel's own answer of the same run is beside it.

mod lab_01;
mod lab_02;
mod lab_03;
mod lab_04;
mod lab_05;
mod lab_06;
mod lab_07;

use std::path::Path;

use ground::Error;

use crate::{
    exercise::{Exercise, Id},
    stage::{Ring, Trial},
    verdict::{Refusal, Verdict},
};

type Grader = fn(&mut Ring) -> Verdict;

/// Sets the stage, and judges the program there.
///
/// # Errors
/// The mistake that was seen, or why this machine cannot play it.
pub fn grade(exercise: Id, program: &Path) -> Verdict {
    let mut ring = Ring::open(program)?;
    let mut verdict = judged(exercise, &mut ring);
    if let Err(Refusal::Mistake(finding)) = &mut verdict {
        finding.symptom = ring.symptom;
    }
    verdict
}

fn judged(exercise: Id, ring: &mut Ring) -> Verdict {
    let graders: &[Grader] = match exercise.lab {
        1 => &lab_01::GRADERS,
        2 => &lab_02::GRADERS,
        3 => &lab_03::GRADERS,
        4 => &lab_04::GRADERS,
        5 => &lab_05::GRADERS,
        6 => &lab_06::GRADERS,
        7 => &lab_07::GRADERS,
        _ => &[],
    };
    match graders.get(usize::from(exercise.number).wrapping_sub(1)) {
        Some(grader) => grader(ring),
        None => Err(Error::new(format!("nobody can judge {exercise}")).into()),
    }
}

/// What a program predicts: its line `predicted: ..`, the only one of its lines that counts. One that
/// hedges predicts nothing.
fn prediction(trial: &Trial) -> String {
    let lines = trial.trace.said.lines();
    let mut said = lines.filter_map(|line| line.strip_prefix("predicted: "));
    match (said.next(), said.next()) {
        (Some(said), None) => said.to_owned(),
        _ => String::new(),
    }
}

/// What a note says: the exercise's own, or what holds for all of them.
pub fn note<'a>(exercise: &'a Exercise, name: &str) -> &'a str {
    exercise.notes.get(name).map_or_else(|| common(name), String::as_str)
}

fn common(name: &str) -> &'static str {
    match name {
        "todo" => "Nothing stands in your part yet.",
        "hangs" => {
            "A program that waits for ever usually waits for a process that waits for it, or reads \
             from a pipe whose write end somebody still holds."
        }
        "failed" => "Your program ended with an error of its own; what it said is above.",
        "leak" => {
            "A mount that your program made is still there when it has ended: it was made in the \
             host's mount namespace, or reached it by propagation (man 7 mount_namespaces)."
        }
        "left" => "A process of yours outlived your program. Kill it, or wait for it.",
        _ => "",
    }
}
