//! The demonstration: the same inode twice, and everything that follows from it.
//!
//! All of it happens in a mount namespace of its own, on a tmpfs over its `/tmp`: what a scene
//! leaves there is gone with the process, even a killed one.

mod container;
mod first_content;
mod propagation;
mod same_inode;

use ground::{Errno, Error, Lesson, Narrator, Result, Step};
use namespaces::{Child, Kind, Kinds, rootless};
use rootfs::{Mount, MsFlags};

/// What the scenes make and share.
#[derive(Debug)]
pub struct Stage {
    /// Whether we are root of a user namespace only.
    rootless: bool,
    /// The container of the later scenes; it is killed with the stage.
    container: Option<Child>,
}

/// The host's directory that becomes a volume.
const DATA: &str = "/tmp/data";
/// Where it is shown.
const VOLUME: &str = "/tmp/volume";

/// The whole demonstration.
pub fn lesson() -> Result<Lesson<Stage>> {
    let mut scenes = same_inode::scenes();
    scenes.extend(propagation::scenes());
    scenes.extend(first_content::scenes());
    scenes.extend(container::scenes()?);
    Ok(Lesson {
        lab: "lab-06",
        title: "bind mounts and volumes",
        point: "A volume is a line in the mount table: when a path gets here, go on there.",
        scenes,
    })
}

/// The scenes about propagation alone.
pub fn propagation_lesson() -> Lesson<Stage> {
    Lesson {
        lab: "lab-06",
        title: "propagation",
        point: "A copied mount table goes on sharing events until somebody makes it private.",
        scenes: propagation::scenes(),
    }
}

/// Plays a lesson on a stage of its own.
pub fn play(narrator: &mut Narrator<'_>, lesson: Lesson<Stage>) -> Result<()> {
    lesson.play(narrator, open)
}

fn open() -> Result<Stage> {
    let standing = rootless::enter(Kinds::of([Kind::Mount]))?;
    perform(&Mount::tmpfs(c"/tmp", c"mode=755,size=16m"))?;
    for directory in [DATA, VOLUME] {
        make_directory(directory)?;
    }
    write_file(&format!("{DATA}/greeting"), "hello from the host\n")?;
    write_file(&format!("{VOLUME}/covered"), "I was here first\n")?;
    Ok(Stage { rootless: standing.is_rootless(), container: None })
}

/// Runs a step here and now, in the parent.
fn perform(step: &dyn Step) -> Result<()> {
    step.run().map_err(|errno| step.failed(errno))
}

fn make_directory(path: &str) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|error| {
        Error::new("cannot prepare the stage").io(format_args!("mkdir {path}"), &error)
    })
}

fn write_file(path: &str, text: &str) -> Result<()> {
    try_to_write(path, text).map_err(|errno| {
        Error::new("cannot write").call(&format!("open({path:?}, O_WRONLY)"), errno)
    })
}

/// Writes a file, and gives back the errno where that is the point.
fn try_to_write(path: &str, text: &str) -> std::result::Result<(), Errno> {
    std::fs::write(path, text).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

fn read_file(path: &str) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::new("cannot read").io(format_args!("open {path}"), &error))?;
    Ok(text.trim_end().to_owned())
}

/// The names in a directory, sorted.
fn names(path: &str) -> Result<String> {
    let cannot = |error| Error::new("cannot list").io(format_args!("open {path}"), &error);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(cannot)? {
        names.push(entry.map_err(cannot)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(if names.is_empty() { "(nothing)".to_owned() } else { names.join(" ") })
}

/// What a write said, for a table.
fn outcome(written: std::result::Result<(), Errno>) -> String {
    match written {
        Ok(()) => "written".to_owned(),
        Err(errno) => format!("{errno:?}"),
    }
}

/// The error of a kernel that contradicts the lesson.
fn contradicted(what: &str) -> Error {
    Error::new("the kernel contradicts the lesson").why(what.to_owned())
}

/// Fails unless the kernel did what the scene is about.
fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(contradicted(what)) }
}

/// `MS_BIND` alone: the first call of every read-only volume.
const BIND: MsFlags = MsFlags::MS_BIND;
