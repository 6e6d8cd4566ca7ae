//! How long a container's life takes, and how far that is from the least that it can take.
//!
//! `cargo bench -p mini-runc` prints the tables of the book's performance page. The contenders take
//! turns, so that whatever else the machine does meets all of them; numbers are medians. Needs root.
//!
//! Executed by itself this program is two more things: with `floor` the calls without a runtime, and
//! with `true` or `pause` the program in the measured container.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to its user")]

mod bundle;
mod contender;
mod floor;
mod machine;
mod numbers;
mod sys;
mod tables;

use std::{env, io, process::ExitCode, thread};

use bundle::{Bundle, PAUSE, Stage, TRUE};
use contender::{Contender, Life, Took};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [TRUE] => ExitCode::SUCCESS,
        [PAUSE] => loop {
            nix::unistd::pause();
        },
        ["floor", ..] => floor::main(&args[1..]),
        words => match measure(rounds(words)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// `--rounds N`; Cargo itself adds `--bench`.
fn rounds(words: &[&str]) -> usize {
    let mut after = words.iter().skip_while(|word| **word != "--rounds").skip(1);
    after.next().and_then(|number| number.parse().ok()).unwrap_or(200)
}

/// What was measured of one contender, a value a round.
#[derive(Debug, Default)]
pub struct Measured {
    /// The program itself.
    pub start_up: Vec<Took>,
    /// Create, start, wait and delete; without and with Docker's filter, as all pairs here.
    pub life: [Vec<Life>; 2],
    /// The same in one command.
    pub run: [Vec<Took>; 2],
    /// A further program in a container that runs.
    pub exec: [Vec<Took>; 2],
    /// So many lives at once, until the last is over.
    pub at_once: Vec<Took>,
}

/// So many containers live at once for [`Measured::at_once`].
const AT_ONCE: usize = 50;

fn measure(rounds: usize) -> io::Result<()> {
    machine::prepare()?;
    let stage = Stage::new()?;
    let filter = mini_runc::defaults::filter(&mini_runc::defaults::CAPABILITIES);
    std::fs::write(stage.path("filter"), filter.map_err(|it| io::Error::other(it.to_string()))?)?;
    let (contenders, absent) = able(&stage)?;
    let mut measured: Vec<_> = contenders.iter().map(|_| Measured::default()).collect();
    for round in 0..rounds {
        eprint!("\rround {} of {rounds} ", round + 1);
        one_round(&mut turns(round, &contenders, &mut measured), &stage)?;
    }
    at_once(&contenders, &stage, rounds.div_ceil(20), &mut measured)?;
    let parts = parts(&contenders[0], &stage, rounds)?;
    let endurance = endurance(&contenders[1], &stage, rounds)?;
    eprintln!();
    print!("{}", machine::facts(&contenders, &absent));
    print!("{}", tables::all(&contenders, &measured, &parts, rounds));
    print!("{endurance}");
    Ok(())
}

/// Those that can make the container here, and in words why the others cannot.
fn able(stage: &Stage) -> io::Result<(Vec<Contender>, Vec<String>)> {
    let (mut able, mut absent) = (Vec::new(), Vec::new());
    for contender in Contender::all()? {
        match contender.life(&stage.bundle("box", TRUE, true)?) {
            Ok(_) => able.push(contender),
            Err(error) if able.len() < 2 => return Err(error),
            Err(error) => absent.push(format!("{}: {error}", contender.name)),
        }
    }
    for peer in contender::PEERS.into_iter().filter(|peer| contender::find(peer).is_none()) {
        absent.push(format!("{peer}: not installed"));
    }
    Ok((able, absent))
}

/// The contenders of a round in another order each time: who comes after a slow one finds caches
/// cold, and who comes after a pause pays for the kernel's first grace period.
fn turns<'a>(
    round: usize,
    contenders: &'a [Contender],
    measured: &'a mut [Measured],
) -> Vec<(&'a Contender, &'a mut Measured)> {
    let mut turns: Vec<_> = contenders.iter().zip(measured).collect();
    if round % 2 == 1 {
        turns.reverse();
    }
    let first = round / 2 % turns.len();
    turns.rotate_left(first);
    turns
}

/// Everything once, in turns.
fn one_round(turns: &mut [(&Contender, &mut Measured)], stage: &Stage) -> io::Result<()> {
    for (who, measured) in &mut *turns {
        measured.start_up.push(who.start_up()?);
    }
    for (index, filtered) in [false, true].into_iter().enumerate() {
        let bundle = stage.bundle("box", TRUE, filtered)?;
        for (who, measured) in &mut *turns {
            measured.life[index].push(who.life(&bundle)?);
        }
        for (who, measured) in &mut *turns {
            measured.run[index].push(who.call("run", &bundle)?);
        }
        let bundle = stage.bundle("box", PAUSE, filtered)?;
        for (who, measured) in &mut *turns {
            measured.exec[index].push(exec(who, &bundle)?);
        }
    }
    Ok(())
}

/// A program in a container that runs.
fn exec(who: &Contender, bundle: &Bundle<'_>) -> io::Result<Took> {
    who.call("create", bundle)?;
    who.call("start", bundle)?;
    let exec = who.call("exec", bundle);
    who.end(bundle)?;
    exec
}

fn bundles(stage: &Stage, count: usize) -> io::Result<Vec<Bundle<'_>>> {
    (0..count).map(|number| stage.bundle(&number.to_string(), TRUE, true)).collect()
}

/// All of these lives side by side; how many failed.
fn together(who: &Contender, bundles: &[Bundle<'_>]) -> usize {
    let failed = |bundle| who.life(bundle).inspect_err(|error| eprintln!("\n{error}")).is_err();
    thread::scope(|scope| {
        let lives: Vec<_> = bundles.iter().map(|it| scope.spawn(move || failed(it))).collect();
        lives.into_iter().filter_map(|life| life.join().ok()).filter(|failed| *failed).count()
    })
}

fn at_once(
    contenders: &[Contender],
    stage: &Stage,
    rounds: usize,
    measured: &mut [Measured],
) -> io::Result<()> {
    let bundles = bundles(stage, AT_ONCE)?;
    for round in 0..rounds {
        for (who, measured) in turns(round, contenders, measured) {
            let begin = std::time::Instant::now();
            if together(who, &bundles) > 0 {
                return Err(io::Error::other(format!("{} failed at {AT_ONCE} at once", who.name)));
            }
            measured.at_once.push(Took { time: begin.elapsed(), memory_kib: 0 });
        }
    }
    Ok(())
}

/// The floor's parts with the median of each, in the order in which they come.
fn parts(floor: &Contender, stage: &Stage, rounds: usize) -> io::Result<Vec<(String, u64)>> {
    let bundle = stage.bundle("box", TRUE, true)?;
    let runs: Vec<_> = (0..rounds).map(|_| floor.parts(&bundle)).collect::<io::Result<_>>()?;
    let times = |part: usize| runs.iter().filter_map(move |run| run.get(part)).map(|it| it.1);
    let names = runs.first().map(Vec::as_slice).unwrap_or_default().iter().enumerate();
    let medians = names
        .map(|(part, (name, _))| (name.clone(), numbers::median(&times(part).collect::<Vec<_>>())));
    Ok(medians.collect())
}

/// Many containers of mini-runc one after the other, and many at once: all of them end well, and
/// nothing is left.
fn endurance(ours: &Contender, stage: &Stage, rounds: usize) -> io::Result<String> {
    let (sequence, crowd) = (5 * rounds, rounds.min(200));
    let host = testbed::Host::now();
    let bundle = stage.bundle("box", TRUE, true)?;
    let failed = (0..sequence).filter(|_| ours.life(&bundle).is_err()).count();
    let failed_at_once = together(ours, &bundles(stage, crowd)?);
    let left = host.changes();
    let words = format!(
        "\n{sequence} containers of mini-runc one after the other: {failed} errors. {crowd} at once: \
         {failed_at_once} errors. Left afterwards of mounts, groups, links, files and processes: {}.\n",
        if left.is_empty() { "nothing".to_owned() } else { left.join(", ") }
    );
    match failed + failed_at_once + left.len() {
        0 => Ok(words),
        _ => Err(io::Error::other(words)),
    }
}
