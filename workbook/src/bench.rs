//! The bench: the learner's own crates, one an exercise, and a text file with the progress.
//!
//! ```text
//! bench/Cargo.toml        a workspace of its own, so that the repository's stays as it is
//! bench/01.2/src/main.rs  an exercise; `reset` keeps it as main.rs.1, main.rs.2, ..
//! bench/progress.txt      a line an event: `01.2 started`, `01.2 hint 1`, `01.2 passed`
//! ```

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use ground::{Error, Result};

use crate::exercise::{Exercise, Id};

/// A learner's bench.
#[derive(Debug, Clone)]
pub struct Bench {
    dir: PathBuf,
    root: PathBuf,
}

impl Bench {
    /// The bench in `dir`, for the exercises of the repository at `root`. Nothing is made yet.
    pub fn at(dir: PathBuf, root: PathBuf) -> Self {
        Self { dir, root }
    }

    /// The file that a learner writes in.
    pub fn file(&self, id: Id) -> PathBuf {
        self.dir.join(id.to_string()).join("src/main.rs")
    }

    /// Lays an exercise on the bench. One that lies there already stays as it is.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn start(&self, exercise: &Exercise) -> Result<PathBuf> {
        let file = self.file(exercise.id);
        if !file.exists() {
            self.lay_out(exercise, &exercise.unsolved())?;
            self.note(exercise.id, "started")?;
        }
        Ok(file)
    }

    /// Puts the exercise back as it was; what was written is kept beside it.
    ///
    /// # Errors
    /// When it was never started, or nothing can be written.
    pub fn reset(&self, exercise: &Exercise) -> Result<PathBuf> {
        let file = self.file(exercise.id);
        let free = (1..).map(|number| file.with_extension(format!("rs.{number}")));
        let backup = free.into_iter().find(|path| !path.exists()).unwrap_or_default();
        fs::rename(&file, &backup).map_err(|error| self.cannot("rename", &file, &error))?;
        self.lay_out(exercise, &exercise.unsolved())?;
        self.note(exercise.id, "reset")?;
        Ok(backup)
    }

    /// Compiles what was written; the program, or what the compiler says.
    ///
    /// # Errors
    /// When it was never started, or cargo(1) cannot be run.
    pub fn compile(&self, id: Id) -> Result<std::result::Result<PathBuf, String>> {
        let file = self.file(id);
        if !file.exists() {
            return Err(Error::new(format!("exercise {id} is not on your bench"))
                .why(format!("there is no {}", file.display()))
                .fix(format!("cargo workbook start {id}")));
        }
        // The labs may have moved since, or have got other dependencies.
        self.lay_workspace()?;
        write(&self.dir.join(id.to_string()).join("Cargo.toml"), &manifest(&name(id), &self.root))?;
        compile(&self.dir.join(id.to_string()), &name(id), &target_directory(&self.root))
    }

    /// Notes an event.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn note(&self, id: Id, event: &str) -> Result<()> {
        let path = self.dir.join("progress.txt");
        let mut progress = fs::read_to_string(&path).unwrap_or_default();
        progress += &format!("{id} {event}\n");
        write(&path, &progress)
    }

    /// The events of an exercise, in their order.
    pub fn events(&self, id: Id) -> Vec<String> {
        let all = self.progress().into_iter();
        all.filter(|(of, _)| *of == id).map(|(_, event)| event).collect()
    }

    /// The exercise that something was noted of last.
    pub fn current(&self) -> Option<Id> {
        self.progress().pop().map(|(id, _)| id)
    }

    /// Whether it was ever passed.
    pub fn passed(&self, id: Id) -> bool {
        self.events(id).iter().any(|event| event == "passed")
    }

    fn progress(&self) -> Vec<(Id, String)> {
        let text = fs::read_to_string(self.dir.join("progress.txt")).unwrap_or_default();
        let event = |line: &str| {
            let (id, event) = line.split_once(' ')?;
            Some((id.parse().ok()?, event.to_owned()))
        };
        text.lines().filter_map(event).collect()
    }

    fn lay_out(&self, exercise: &Exercise, program: &str) -> Result<()> {
        self.lay_workspace()?;
        let dir = self.dir.join(exercise.id.to_string());
        write(&dir.join("Cargo.toml"), &manifest(&name(exercise.id), &self.root))?;
        write(
            &dir.join("TASK.md"),
            &format!("# {} {}\n\n{}\n", exercise.id, exercise.title, exercise.task),
        )?;
        write(&self.file(exercise.id), program)
    }

    fn lay_workspace(&self) -> Result<()> {
        write(&self.dir.join("Cargo.toml"), WORKSPACE)?;
        lock(&self.dir, &self.root)
    }

    fn cannot(&self, call: &str, path: &Path, error: &io::Error) -> Error {
        Error::new("cannot write on the bench").io(format_args!("{call} {}", path.display()), error)
    }
}

/// As the repository's own, so that what is compiled already need not be compiled again.
const WORKSPACE: &str = "[workspace]\nresolver = \"3\"\nmembers = [\"[0-9]*\"]\n\n\
                         [profile.dev]\ndebug = \"line-tables-only\"\n\n\
                         [profile.dev.package.memchr]\nopt-level = 3\n";

fn name(id: Id) -> String {
    format!("exercise-{:02}-{}", id.lab, id.number)
}

/// The Cargo.toml of a program that uses the labs.
pub fn manifest(name: &str, root: &Path) -> String {
    let labs = [
        ("lab-00", "labs/00-ground"),
        ("lab-01", "labs/01-namespaces"),
        ("lab-02", "labs/02-cgroups"),
        ("lab-03", "labs/03-chroot-pivot"),
        ("lab-04", "labs/04-overlay"),
        ("lab-05", "labs/05-setns"),
        ("lab-06", "labs/06-bind-volume"),
    ];
    let labs = labs.map(|(lab, dir)| format!("{lab} = {{ path = {:?} }}\n", root.join(dir)));
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         [dependencies]\n{}libc = \"0.2\"\nnix = {{ version = \"0.31\", default-features = false, \
         features = [\"ptrace\"] }}\n",
        labs.concat()
    )
}

/// The versions of the repository: nothing is downloaded.
///
/// # Errors
/// When nothing can be written.
pub fn lock(dir: &Path, root: &Path) -> Result<()> {
    let to = dir.join("Cargo.lock");
    let text = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    if to.exists() { Ok(()) } else { write(&to, &text) }
}

/// Where the repository's programs are compiled.
pub fn target_directory(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Compiles the crate in `dir`; its program, or what the compiler says.
///
/// # Errors
/// When cargo(1) cannot be run.
pub fn compile(
    dir: &Path,
    name: &str,
    target: &Path,
) -> Result<std::result::Result<PathBuf, String>> {
    let target_dir = [OsStr::new("--target-dir"), target.as_os_str()];
    match cargo(dir, target_dir.map(OsStr::to_owned))? {
        Ok(()) => Ok(Ok(target.join("debug").join(name))),
        Err(said) => Ok(Err(said)),
    }
}

/// Builds the programs of the labs.
///
/// # Errors
/// When cargo(1) cannot be run, or what the compiler says.
pub fn build_labs(root: &Path) -> Result<()> {
    let labs = (1..=6).flat_map(|lab| ["-p".to_owned(), format!("lab-0{lab}")]);
    let built = cargo(root, labs.map(OsString::from))?;
    built.map_err(|said| Error::new("cannot build the labs").why(said))
}

fn cargo(
    dir: &Path,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<std::result::Result<(), String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--offline", "--manifest-path"]).arg(dir.join("Cargo.toml"));
    command.args(arguments);
    // What cargo tells the program that it runs is not for the cargo that this program runs.
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(|it| it.starts_with("CARGO_PKG_")) {
            command.env_remove(variable);
        }
    }
    let output = command.output().map_err(|error| {
        Error::new("cannot compile").io("execve cargo", &error).fix("https://rustup.rs installs it")
    })?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Writes a file whose directories may be missing; one that says so already is left alone, so that
/// nothing is compiled again.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(|error| {
        Error::new("cannot write on the bench")
            .io(format_args!("write {}", path.display()), &error)
            .fix("UNBOXED_BENCH=DIR names another directory for it")
    })
}
