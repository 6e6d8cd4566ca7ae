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

/// Walls on one kind of machine, in the order in which the labs build them, and the ways that are tried behind each.
#[derive(Debug, Clone, Copy)]
pub struct Arcade {
    place: Place,
    /// Its walls.
    pub walls: &'static [Wall],
    ways: &'static [&'static str],
}

/// Root, on cgroup v1.
pub const ROOT: Arcade = Arcade {
    place: Place::Root,
    walls: &[
        ("none", "no wall: the attacker is started as it is"),
        ("lab-01", "lab 01: all namespaces but the user's"),
        ("lab-02", "lab 02: limits for memory and processes"),
        ("chroot", "lab 03: chroot"),
        ("pivot", "lab 03: pivot_root, with a mount and a PID namespace"),
        ("lab-04", "lab 04: pivot_root to an overlay"),
        ("lab-05", "lab 05: a visitor in a container of lab 06"),
        ("lab-06", "lab 06: namespaces, overlay, pivot_root, limits, a volume"),
        ("privileged", "lab 07: mini-docker run --privileged"),
        ("lab-07", "lab 07: mini-docker run"),
    ],
    ways: &[
        "climb",
        "descriptor",
        "proc",
        "kill",
        "hostname",
        "mount",
        "image",
        "volume",
        "dots",
        "links",
        "setuid",
        "device",
        "sysctl",
        "processes",
        "memory",
        "group",
        "userns",
    ],
};

/// An ordinary user, whose own files and processes are the host. What needs root of the machine is not tried.
pub const USER: Arcade = Arcade {
    place: Place::Root,
    walls: &[
        ("user", "no wall: the attacker is started as the user"),
        ("user-01", "lab 01: all namespaces, the user's too"),
        ("user-06", "lab 06: namespaces, overlay, pivot_root, a volume"),
        ("user-07", "lab 07: mini-docker run"),
    ],
    ways: &["climb", "descriptor", "proc", "kill", "image", "volume", "dots", "links", "userns"],
};

/// A machine with cgroup v2 alone, and what control groups are for. The user has a delegated group.
pub const V2: Arcade = Arcade {
    place: Place::V2,
    walls: &[
        ("none", "no wall: the attacker is started as it is"),
        ("lab-01", "lab 01: all namespaces but the user's"),
        ("lab-02", "lab 02: limits for memory and processes"),
        ("lab-06", "lab 06: namespaces, overlay, pivot_root, limits, a volume"),
        ("privileged", "lab 07: mini-docker run --privileged"),
        ("lab-07", "lab 07: mini-docker run"),
        ("user", "no wall: the attacker is started as an ordinary user"),
        ("user-06", "lab 06, as an ordinary user"),
        ("user-07", "lab 07, as an ordinary user"),
    ],
    ways: &["device", "processes", "memory", "group", "agent"],
};

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

impl Arcade {
    /// Plays everything, two walls at a time.
    ///
    /// # Panics
    /// When a stage breaks down, or says something else.
    pub fn play(&self) -> Vec<Try> {
        let ready = Ready::make();
        let next = AtomicUsize::new(0);
        let tried = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(wall) = self.walls.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let tries = self.behind(wall.0, &ready);
                        tried.lock().expect("nobody panics here").extend(tries);
                    }
                });
            }
        });
        let mut tried = tried.into_inner().expect("nobody panics here");
        tried.sort_by_key(|it| self.walls.iter().position(|(wall, _)| *wall == it.wall));
        tried
    }

    /// All ways out behind one wall.
    fn behind(&self, wall: &'static str, ready: &Ready) -> Vec<Try> {
        // Of no use to anybody, but nobody inside can guess it.
        let secret = format!("{:016x}", rand(wall));
        // In a guest the scripts lie where they are.
        let script = if self.place.is_guest() {
            stage::script("arcade.sh")
        } else {
            "/run/stage/arcade.sh".into()
        };
        let step = format!("bash {script} {wall} {secret} {}", self.ways.join(" "));
        let said = stage::play(self.place, &[step], ready.path()).remove(0).0;
        said.lines().map(|line| parse(wall, line)).collect()
    }

    /// The table as it is kept: the walls, an empty line, and a line a try.
    pub fn table(&self, tried: &[Try]) -> String {
        let walls = self.walls.iter().map(|(wall, what)| format!("{wall} | {what}\n"));
        let tries = tried.iter().map(|Try { wall, way, out, answer }| {
            format!("{wall} | {way} | {} | {answer}\n", if *out { "out" } else { "held" })
        });
        walls.chain(["\n".to_owned()]).chain(tries).collect()
    }
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
