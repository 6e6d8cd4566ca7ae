//! How long the commands of every day take, beside podman and docker, and what an idle container costs.
//!
//! `cargo bench -p lab-07 --bench everyday` prints the table of the book's performance page. Each engine
//! has a stage of its own (`tests/peers`): namespaces without a way out, its files in memory, all of it
//! gone at the end. The engines take turns, so that whatever else the machine does meets all of them;
//! numbers are medians. Needs root; a peer that is not installed is left out, with the reason.
//!
//! `--rounds N` for other than 21 (a row that takes seconds has fewer), `--small` for a tenth of the
//! containers and a hundredth of the output, which only says that it runs, `--only ROW` for the rows
//! with such a word in their names, `--program PATH` for a `mini-docker` of another build. `--starts`
//! counts page faults instead, of `mini-docker` alone.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    reason = "a benchmark talks to its user, and has no use for half a measurement"
)]

mod contender;
#[path = "../../mini-runc/benches/life/numbers.rs"]
mod numbers;
mod scenes;
mod starts;
mod tables;

use std::{path::PathBuf, process::ExitCode};

use contender::Contender;
use scenes::{Kind, Row, Scene, Sizes};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wanted = Wanted::read(&words);
    if words.iter().any(|word| word == "--starts") {
        let counted = starts::all(&wanted.program);
        print!("{}", counted.unwrap_or_else(|error| panic!("cannot count: {error}")));
        return ExitCode::SUCCESS;
    }
    let scenes = wanted.scenes();
    if scenes.is_empty() {
        eprintln!(
            "error: no row is called like that\nfix: see benches/everyday/scenes.rs for their names"
        );
        return ExitCode::FAILURE;
    }
    let (mut contenders, absent) = Contender::all(&wanted.program);
    let mut measured = Vec::new();
    for scene in &scenes {
        measured.extend(play(scene, &mut contenders, wanted.rounds));
    }
    eprintln!();
    print!("{}", tables::all(&contenders, &absent, &measured));
    ExitCode::SUCCESS
}

/// What the flags say; Cargo itself adds `--bench`.
struct Wanted {
    program: PathBuf,
    rounds: usize,
    sizes: Sizes,
    only: Option<String>,
}

impl Wanted {
    fn read(words: &[String]) -> Self {
        let after = |flag: &str| {
            let at = words.iter().position(|word| word == flag)?;
            words.get(at + 1).map(String::as_str)
        };
        let is_small = words.iter().any(|word| word == "--small");
        Self {
            program: after("--program").unwrap_or(env!("CARGO_BIN_EXE_mini-docker")).into(),
            rounds: after("--rounds").and_then(|number| number.parse().ok()).unwrap_or(21),
            sizes: if is_small { Sizes::SMALL } else { Sizes::USUAL },
            only: after("--only").map(str::to_owned),
        }
    }

    /// The scenes with the rows that are asked for.
    fn scenes(&self) -> Vec<Scene> {
        let is_asked_for =
            |row: &Row| self.only.as_ref().is_none_or(|word| row.name.contains(word.as_str()));
        let mut scenes = scenes::all(&self.sizes);
        scenes.iter_mut().for_each(|scene| scene.rows.retain(is_asked_for));
        scenes.retain(|scene| !scene.rows.is_empty());
        scenes
    }
}

/// What was measured of a row: a value a round, for each contender. Times are in ms, memory in KiB.
#[derive(Debug)]
pub struct Measured {
    /// What was done.
    pub row: Row,
    /// By contender, then by round.
    pub values: Vec<Vec<f64>>,
}

fn play(scene: &Scene, contenders: &mut [Contender], rounds: usize) -> Vec<Measured> {
    for contender in &mut *contenders {
        scene.before.iter().for_each(|step| drop(contender.does(step)));
    }
    let measured = scene.rows.iter().map(|row| measure(row, contenders, rounds)).collect();
    for contender in contenders {
        scene.after.iter().for_each(|step| drop(contender.does(step)));
    }
    measured
}

fn measure(row: &Row, contenders: &mut [Contender], rounds: usize) -> Measured {
    let rounds = rounds.div_ceil(row.rarely);
    let mut values = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        eprint!("\r\x1b[K{}: round {} of {rounds} ", row.name, round + 1);
        for index in turns(round, contenders.len()) {
            let contender = &mut contenders[index];
            row.ready.iter().for_each(|step| drop(contender.does(step)));
            values[index].push(match row.kind {
                Kind::Time => contender.timed(&row.step).as_secs_f64() * 1e3,
                Kind::Memory => contender.says(&row.step),
            });
            row.tidy.iter().for_each(|step| drop(contender.does(step)));
        }
    }
    Measured { row: row.clone(), values }
}

/// Another order each round: who comes after a slow one finds caches cold.
fn turns(round: usize, count: usize) -> Vec<usize> {
    let mut turns: Vec<usize> = (0..count).collect();
    if round % 2 == 1 {
        turns.reverse();
    }
    turns.rotate_left(round / 2 % count);
    turns
}
