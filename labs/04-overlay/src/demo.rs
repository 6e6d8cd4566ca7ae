//! The demonstration: two lower layers, one upper, and what every kind of change leaves where.

mod after;
mod copy_up;
mod cost;
mod deletion;
mod look;
mod rename;
mod stack;

use std::{
    fs::{self, File, FileTimes},
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use ground::{Error, Evidence, Explanation, Lesson, Narrator, Outcome, Result, Step, Table};
use namespaces::{Kind, Kinds, rootless};
use nix::sys::stat::{Mode, umask};
use overlay::{Marks, Options, Overlay, Upper, whiteout};
use rootfs::Mount;

/// Plays the lesson.
pub fn play(narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    let lesson = Lesson {
        lab: "lab-04",
        title: "overlay",
        point: "An image is a stack of directories that nobody writes; a container is one more on top.",
        scenes: [
            stack::scenes()?,
            copy_up::scenes(),
            cost::scenes(),
            deletion::scenes(),
            rename::scenes(),
            after::scenes()?,
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    lesson.play(narrator, Stage::open)?;
    Ok(ExitCode::SUCCESS)
}

/// The files of the layers, as `(path, text)`.
const FILES: [(&str, &str); 19] = [
    ("A/a.txt", "from A"),
    ("B/a.txt", "from B"),
    ("B/b.txt", "from B"),
    ("C/b.txt", "from C"),
    ("A/c.txt", "from A"),
    ("C/c.txt", "from C"),
    ("A/x.txt", "from A"),
    ("B/x.txt", "from B"),
    ("B/open.txt", "from B"),
    ("B/write.txt", "from B"),
    ("B/mode.txt", "from B"),
    ("B/cut.txt", "from B"),
    ("B/time.txt", "from B"),
    ("B/linked.txt", "from B"),
    ("B/one.txt", "from B"),
    ("B/dir/old.txt", "from B"),
    ("B/gone/old.txt", "from B"),
    ("A/moving/a.txt", "from A"),
    ("B/moving/b.txt", "from B"),
];

/// When the layers were built, in seconds since 1970: in September 2001.
const BUILT: u64 = 1_000_000_000;

/// What the scenes share. All of it is in a tmpfs of a private mount namespace and ends with the
/// process; the paths are relative to it.
#[derive(Debug)]
struct Stage {
    marks: Marks,
    /// Why directories cannot be marked as opaque here, if so.
    unmarkable: Option<Error>,
    /// The digest of each lower layer before the first mount.
    untouched: [String; 2],
    /// After each scene, by its subject: the digests again.
    afterwards: Vec<(&'static str, [String; 2])>,
}

impl Stage {
    fn open() -> Result<Self> {
        rootless::enter(Kinds::of([Kind::Mount]))?;
        let tmpfs = Mount::tmpfs(c"/tmp", c"mode=755");
        tmpfs.run().map_err(|errno| tmpfs.failed(errno))?;
        done("chdir /tmp", std::env::set_current_dir("/tmp"))?;
        // Modes in the tables are those of the story, not of the reader's shell.
        umask(Mode::from_bits_truncate(0o022));
        for (path, text) in FILES {
            write(path, text)?;
        }
        done("link B/two.txt", fs::hard_link("B/one.txt", "B/two.txt"))?;
        for directory in ["C", "work", "merged"] {
            done(directory, fs::create_dir_all(directory))?;
        }
        ["A", "B"].into_iter().try_for_each(|layer| set_times(Path::new(layer)))?;
        let marks = Marks::here();
        let unmarkable = whiteout::make_opaque(Path::new("."), marks).err().map(|error| {
            error.fix(
                "user attributes need a file system that has them: tmpfs does since Linux 6.6, \
                 ext4, xfs and btrfs always did",
            )
        });
        Ok(Self { marks, unmarkable, untouched: digests()?, afterwards: Vec::new() })
    }

    /// Ends a scene: notes what has become of the lower layers.
    fn shown(&mut self, scene: &'static str, evidence: Evidence) -> Result<Outcome> {
        self.afterwards.push((scene, digests()?));
        Ok(evidence.into())
    }
}

/// The overlay of the story.
fn story(marks: Marks) -> Overlay {
    Overlay {
        lower: vec!["A".into(), "B".into()],
        upper: Some(Upper { dir: "C".into(), work: "work".into() }),
        options: Options::with_marks(marks),
    }
}

/// Gives everything in a layer the same time of change, as in an image that is built again: the
/// digests are those of every other run.
fn set_times(path: &Path) -> Result<()> {
    if path.is_dir() {
        for name in done("readdir", look::names(path))? {
            set_times(&path.join(name))?;
        }
    }
    let built = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(BUILT));
    done("futimens", File::open(path).and_then(|file| file.set_times(built)))
}

fn digests() -> Result<[String; 2]> {
    Ok([look::digest(Path::new("A"))?, look::digest(Path::new("B"))?])
}

/// An overlay for a single scene, in a directory of its own.
fn aside(name: &str, options: Options) -> Result<(Overlay, PathBuf)> {
    let place = |part: &str| PathBuf::from(format!("{name}/{part}"));
    for part in ["lower", "upper", "work", "merged"] {
        done(name, fs::create_dir_all(place(part)))?;
    }
    let upper = Some(Upper { dir: place("upper"), work: place("work") });
    Ok((Overlay { lower: vec![place("lower")], upper, options }, place("merged")))
}

/// Unmounts what a scene mounted for itself.
fn unmount(target: &Path) -> Result<()> {
    let step = rootfs::Umount::now(rootfs::c_path(target)?);
    step.run().map_err(|errno| step.failed(errno))
}

/// Writes a file, with the directories that lead to it.
fn write(path: &str, text: &str) -> Result<()> {
    if let Some(parent) = Path::new(path).parent() {
        done(path, fs::create_dir_all(parent))?;
    }
    done(path, fs::write(path, text))
}

/// A call of the story that must not fail.
fn done<T>(call: &str, result: io::Result<T>) -> Result<T> {
    result.map_err(|error| Error::new("the demonstration cannot go on").io(call, &error))
}

/// The demonstration does not go on when the kernel contradicts it.
fn expect(holds: bool, claim: &str) -> Result<()> {
    holds.then_some(()).ok_or_else(|| {
        Error::new("the kernel did not do what this lesson says").why(format!("expected: {claim}"))
    })
}

/// A call in words, for scenes whose calls are no steps.
fn call(call: &str, why: &str, man: &'static str) -> Explanation {
    Explanation::new(call, why, man)
}

/// The names of `paths` in both lower layers together, in upper and in merged.
fn three_views(names: &[&str]) -> Table {
    let mut table = Table::new(["name", "lower (A over B)", "upper (C)", "merged"]);
    for name in names {
        table.push([
            (*name).to_owned(),
            look::lower(name),
            look::look(format!("C/{name}")),
            look::look(format!("merged/{name}")),
        ]);
    }
    table
}
