//! The escape arcade: every way out of `bin/escape`, tried behind every wall that the labs build.
//!
//! A wall has a stage of its own, on which `stage/arcade.sh` plays the attacks and looks at the host after each. What comes
//! of it is one table, the snapshot from which the book's page is made.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{page::Place, ready::Ready, stage};

/// A wall: its name, and what it is.
pub type Wall = (&'static str, &'static str);

/// The walls, in the order in which the labs build them.
pub const WALLS: [Wall; 11] = [
    ("none", "no wall: the attacker is started as it is"),
    ("lab-01", "lab 01: all namespaces but the user's"),
    ("user", "lab 01: a user namespace too, made by an ordinary user"),
    ("lab-02", "lab 02: limits for memory and processes"),
    ("chroot", "lab 03: chroot"),
    ("pivot", "lab 03: pivot_root, with a mount and a PID namespace"),
    ("lab-04", "lab 04: pivot_root to an overlay"),
    ("lab-05", "lab 05: a visitor in a container of lab 06"),
    ("lab-06", "lab 06: namespaces, overlay, pivot_root, limits, a volume"),
    ("privileged", "lab 07: mini-docker run --privileged"),
    ("lab-07", "lab 07: mini-docker run"),
];

/// What came of one way out behind one wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// The wall.
    pub wall: &'static str,
    /// The way out.
    pub way: String,
    /// Whether it led out, as the host saw it.
    pub out: bool,
    /// What the kernel said to the call that decided.
    pub answer: String,
}

/// Plays everything, two walls at a time.
///
/// # Panics
/// When a stage breaks down, or says something else.
pub fn play() -> Vec<Try> {
    let ready = Ready::make();
    let next = AtomicUsize::new(0);
    let tried = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(wall) = WALLS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tries = behind(wall.0, &ready);
                    tried.lock().expect("nobody panics here").extend(tries);
                }
            });
        }
    });
    let mut tried = tried.into_inner().expect("nobody panics here");
    tried.sort_by_key(|it| WALLS.iter().position(|(wall, _)| *wall == it.wall));
    tried
}

/// All ways out behind one wall.
fn behind(wall: &'static str, ready: &Ready) -> Vec<Try> {
    // Of no use to anybody, but nobody inside can guess it.
    let secret = format!("{:016x}", rand(wall));
    let step = format!("bash /run/stage/arcade.sh {wall} {secret}");
    let said = stage::play(Place::Root, &[step], ready.path()).remove(0).0;
    said.lines().map(|line| parse(wall, line)).collect()
}

/// A number that differs in every run.
fn rand(wall: &str) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(wall)
}

fn parse(wall: &'static str, line: &str) -> Try {
    match *line.split('\t').collect::<Vec<_>>() {
        [way, verdict @ ("out" | "held"), answer] => {
            let (way, out, answer) = (way.to_owned(), verdict == "out", answer.to_owned());
            Try { wall, way, out, answer }
        }
        _ => panic!("behind {wall}: {line}"),
    }
}

/// The table as it is kept: the walls, an empty line, and a line a try.
pub fn table(tried: &[Try]) -> String {
    let walls = WALLS.iter().map(|(wall, what)| format!("{wall} | {what}\n"));
    let tries = tried.iter().map(|Try { wall, way, out, answer }| {
        format!("{wall} | {way} | {} | {answer}\n", if *out { "out" } else { "held" })
    });
    walls.chain(["\n".to_owned()]).chain(tries).collect()
}
