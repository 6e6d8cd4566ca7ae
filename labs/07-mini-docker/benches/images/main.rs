//! How long images take to come and to go, beside docker, podman and containerd.
//!
//! `cargo bench -p lab-07 --bench images` prints the table of the book's performance page: cold pulls
//! from a registry on loopback, pushes to an empty one, and a commit. The contenders take turns, and the numbers
//! are medians. Needs root and docker-registry; a peer that is missing is left out, with the reason.
//! `--rounds N` for other than five rounds, `--small` for images of a hundredth, which only says that
//! it runs, `--dir DIR` for files on a disk.
//!
//! Without `--dir` all files are in memory. On ext4 an inode that was given free less than a minute
//! ago is not used again, and the search for others takes longer than everything that is measured:
//! each pull follows the removal of what the one before has made.
//!
//! All of it happens in namespaces of its own, without a way out: daemons go with them. What outlives
//! namespaces, control groups and files, is made below a group and a directory of ours, which the
//! program outside removes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to its user")]

mod contender;
mod image;
#[allow(dead_code, reason = "the other benchmark has more kinds of numbers")]
#[path = "../../mini-runc/benches/life/numbers.rs"]
mod numbers;
mod registry;
mod tables;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use contender::Contender;
use image::Shape;
use peers::{
    groups::Groups,
    stage::{UNSHARE, cgroups_script},
};
use registry::Registry;

/// The word by which the program knows that it is in its own namespaces.
const INSIDE: &str = "inside";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some(INSIDE) => measure(Path::new(&args[1]), &Wanted::read(&args[2..])),
        _ => enter(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Executes this program once more where nothing of the host can be changed.
fn enter(args: &[String]) -> io::Result<ExitCode> {
    let disk = Wanted::read(args).disk;
    let dir = disk.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let scratch = tempfile::Builder::new().prefix("images-").tempdir_in(dir)?;
    // It waits until we have put it into its control groups.
    let enter =
        format!("read -r _; exec setpriv --pdeathsig KILL {UNSHARE} --cgroup \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-euc", &enter]).arg(std::env::current_exe()?).arg(INSIDE);
    command.arg(scratch.path()).args(args).stdin(Stdio::piped());
    let mut inside = command.spawn()?;
    let groups = Groups::around(inside.id());
    inside.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(b"\n"))?;
    let code = inside.wait()?.code().and_then(|code| u8::try_from(code).ok());
    drop(groups);
    scratch.close()?;
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What the flags say; Cargo itself adds `--bench`.
struct Wanted {
    rounds: usize,
    /// All images are this many times smaller.
    divisor: usize,
    /// Where files are; none for memory.
    disk: Option<PathBuf>,
}

impl Wanted {
    fn read(args: &[String]) -> Self {
        let after = |flag: &str| {
            let at = args.iter().position(|word| word == flag)?;
            args.get(at + 1).map(String::as_str)
        };
        Self {
            rounds: after("--rounds").and_then(|number| number.parse().ok()).unwrap_or(5),
            divisor: if args.iter().any(|word| word == "--small") { 100 } else { 1 },
            disk: after("--dir").map(PathBuf::from),
        }
    }
}

/// The times of one row, by contender.
#[derive(Debug)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// A time a round.
    pub times: Vec<Vec<Duration>>,
}

fn measure(scratch: &Path, wanted: &Wanted) -> io::Result<ExitCode> {
    furnish()?;
    if wanted.disk.is_none() {
        in_memory(scratch)?;
    }
    let Some(registry) = Registry::start(&scratch.join("registry"))? else {
        println!("docker-registry is not installed: nothing to pull from");
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("making images");
    let shapes = Shape::all(wanted.divisor);
    for shape in &shapes {
        image::publish(shape, &registry.name(&shape.name), &scratch.join("made"))?;
    }
    let (contenders, absent) = Contender::all(scratch);
    let mut rows = Vec::new();
    for shape in &shapes {
        rows.push(pulls(wanted.rounds, shape, &registry, &contenders)?);
    }
    for shape in &shapes {
        rows.push(pushes(wanted.rounds, shape, &registry, &contenders)?);
    }
    rows.push(commits(wanted, &registry, &contenders)?);
    print!("{}", tables::all(&contenders, &absent, &rows, wanted.rounds));
    Ok(ExitCode::SUCCESS)
}

/// What daemons want to have to themselves. A cgroup v2 beside v1 is out of sight: Debian's crun
/// refuses a machine that is both.
fn furnish() -> io::Result<()> {
    run(Command::new("bash").arg("-e").arg(cgroups_script()).env("HIDE_V2", "yes"))?;
    ["/run", "/tmp"].into_iter().try_for_each(|dir| in_memory(Path::new(dir)))?;
    run(Command::new("ip").args(["link", "set", "lo", "up"]))
}

fn in_memory(dir: &Path) -> io::Result<()> {
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=1777", "tmpfs"]).arg(dir))
}

/// Runs a command to its end; its failure is ours.
pub fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io::Error::other(format!("{command:?}: {}", said.trim())))
        }
    }
}

/// Who begins a round is another one each time.
fn turns(round: usize, contenders: &[Contender]) -> Vec<usize> {
    let mut turns: Vec<usize> = (0..contenders.len()).collect();
    turns.rotate_left(round % contenders.len());
    turns
}

fn pulls(
    rounds: usize,
    shape: &Shape,
    registry: &Registry,
    contenders: &[Contender],
) -> io::Result<Row> {
    let name = registry.name(&shape.name);
    let mut times = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        for index in turns(round, contenders) {
            eprint!("\rpull {}, round {}, {}      ", shape.name, round + 1, contenders[index].name);
            let who = &contenders[index];
            times[index].push(with_patience(who, || who.pull(&name))?);
            who.forget(&name)?;
            settle();
        }
    }
    Ok(Row { name: format!("pull {}", shape.words), times })
}

/// A peer that fails is asked once more: ctr(8) now and then loses what its daemon answers ("unexpected
/// EOF"). Our own failure is one.
fn with_patience(
    who: &Contender,
    mut work: impl FnMut() -> io::Result<Duration>,
) -> io::Result<Duration> {
    match work() {
        Err(error) if who.name != contender::OURS => {
            eprintln!("\nonce more: {error}");
            work()
        }
        done => done,
    }
}

/// What one contender left to the disk must not be written while the next one is measured.
fn settle() {
    nix::unistd::sync();
}

fn pushes(
    rounds: usize,
    shape: &Shape,
    registry: &Registry,
    contenders: &[Contender],
) -> io::Result<Row> {
    let from = registry.name(&shape.name);
    let mut times = vec![Vec::new(); contenders.len()];
    for contender in contenders {
        contender.pull(&from)?;
    }
    for round in 0..rounds {
        for index in turns(round, contenders) {
            let who = &contenders[index];
            eprint!("\rpush {}, round {}, {}      ", shape.name, round + 1, who.name);
            times[index].push(with_patience(who, || {
                // Another registry each time: nothing is there, and nothing can be mounted.
                let empty = registry.another()?;
                who.push(&from, &empty.name(&shape.name))
            })?);
            settle();
        }
    }
    for contender in contenders {
        contender.forget(&from)?;
    }
    Ok(Row { name: format!("push {} to an empty registry", shape.words), times })
}

fn commits(wanted: &Wanted, registry: &Registry, contenders: &[Contender]) -> io::Result<Row> {
    let files = 20_000 / wanted.divisor;
    let name = registry.name("busybox");
    let mut times = vec![Vec::new(); contenders.len()];
    image::publish_busybox(&name, Path::new("/tmp/busybox"))?;
    for round in 0..wanted.rounds {
        for index in turns(round, contenders) {
            let who = &contenders[index];
            eprint!("\rcommit, round {}, {}              ", round + 1, who.name);
            times[index].extend(who.commit(&name, files)?);
            settle();
        }
    }
    eprintln!();
    Ok(Row { name: format!("commit with {files} new files"), times })
}
