//! Free play: a command a verb.

use std::{
    fs,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use ground::{Error, Explanation, Narrator, Result, Step, Table};
use namespaces::{Exec, Kind, Kinds, rootless};
use overlay::{Change, Marks, Stack, diff as diff_above, diff_alone, layers, whiteout};

use crate::{Diff, Mount, marks};

/// `mount --lower A:B --upper C --work W DIR -- CMD`
pub fn mount(narrator: &mut Narrator<'_>, args: &Mount) -> Result<ExitCode> {
    let kinds = Kinds::of([Kind::Mount]);
    let overlay = args.overlay();
    let exec = Exec::with_own_environment(&args.command)?;
    if narrator.plans_only() {
        let mut calls = rootless::explain(kinds);
        calls.extend([overlay.step(&args.dir)?.explain(), exec.explain()]);
        return told(narrator.plan(&calls));
    }
    overlay.check(&args.dir)?;
    rootless::enter(kinds)?;
    overlay.mount(&args.dir)?;
    match exec.run() {
        Err(errno) => Err(exec.failed(errno)),
        Ok(()) => Err(Error::new("execve(2) returned without an error")),
    }
}

/// `diff UPPER [--lower A:B]`
pub fn diff(narrator: &mut Narrator<'_>, args: &Diff, json: bool) -> Result<ExitCode> {
    if narrator.plans_only() {
        return told(narrator.plan(&diff_explained()));
    }
    let changes = changes(args)?;
    if json {
        return told(narrator.table(&changes_table(&changes)));
    }
    let mut lines = Vec::new();
    for Change { kind, path, metadata_only } in &changes {
        lines.extend_from_slice(format!("{kind} ").as_bytes());
        lines.extend_from_slice(path.as_os_str().as_bytes());
        lines.extend_from_slice(if *metadata_only { b" (metadata only)\n" } else { b"\n" });
    }
    told(io::stdout().write_all(&lines))
}

fn changes(args: &Diff) -> Result<Vec<Change>> {
    let marks = if args.userxattr { Marks::User } else { marks() };
    match (&args.lower, Stack::writing_to(&args.upper)?) {
        (Some(lower), _) => diff_above(&args.upper, &layers::split(lower.as_bytes()), marks),
        (None, Some(stack)) => diff_above(&args.upper, &stack.lower, stack.marks),
        (None, None) => {
            let changes = diff_alone(&args.upper, marks)?;
            // The list itself is for pipes. A reader that went away cannot be told.
            let _ = writeln!(io::stderr(), "note: {}", from_marks_alone(&args.upper));
            Ok(changes)
        }
    }
}

/// What the reader should not believe of such a list.
fn from_marks_alone(upper: &Path) -> Error {
    let upper = upper.display();
    Error::new(format!("this is what the marks in {upper} tell, without the lower layers"))
        .why(
            "a file without the mark `origin` is listed as added, although it may cover one below; \
             what an opaque directory hides is not listed as deleted; nor is a directory of which \
             only the mode, owner or time is another",
        )
        .fix(format!("name the layers below, topmost first: lab-04 diff {upper} --lower A:B"))
}

/// The changes for a program to read.
fn changes_table(changes: &[Change]) -> Table {
    let mut table = Table::new(["kind", "path", "metadata only"]);
    for Change { kind, path, metadata_only } in changes {
        let metadata_only = if *metadata_only { "yes" } else { "no" };
        table.push([kind.to_string(), path.display().to_string(), metadata_only.to_owned()]);
    }
    table
}

fn diff_explained() -> [Explanation; 3] {
    [
        Explanation::new(
            "openat2(upper, .., {O_DIRECTORY, RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS|RESOLVE_NO_XDEV})",
            "only what is in the upper directory can have changed, so only that is read",
            "2 openat2",
        ),
        Explanation::new(
            "lstat(..)",
            "in upper, a character device 0:0 is a deletion; in the lower layers, a name that is \
             there tells a change from an addition",
            "2 lstat",
        ),
        Explanation::new(
            "lgetxattr(.., \"trusted.overlay.opaque\")",
            "y: the directory hides what lower layers have in it",
            "2 lgetxattr",
        ),
    ]
}

/// `layers DIR`
pub fn layers(narrator: &mut Narrator<'_>, dir: &Path) -> Result<ExitCode> {
    if narrator.plans_only() {
        let call = "read(\"/proc/self/mountinfo\")";
        let why = "the options of an overlay's mount name its layers";
        return told(narrator.plan(&[Explanation::new(call, why, "5 proc_pid_mountinfo")]));
    }
    let stack = Stack::containing(dir)?;
    let real = fs::canonicalize(dir).map_err(|error| {
        Error::new("cannot see the layers").io(format_args!("realpath {}", dir.display()), &error)
    })?;
    let inside = real.strip_prefix(&stack.mount_point).unwrap_or(Path::new(""));
    told(narrator.table(&layers_table(&stack, inside)))
}

/// A row a layer, and whether it has the path `inside`.
fn layers_table(stack: &Stack, inside: &Path) -> Table {
    let has = format!("has /{}", inside.display());
    let columns = ["layer", "directory", "directories", "files", "whiteouts", "opaque", &has];
    let mut table =
        Table::new(columns).title(format!("overlay on {}", stack.mount_point.display()));
    let upper = usize::from(stack.upper.is_some());
    for (number, layer) in stack.layers().enumerate() {
        let role =
            if number < upper { "upper".into() } else { format!("lower {}", number + 1 - upper) };
        let mut row = vec![role, layer.display().to_string()];
        match layers::count(layer, stack.marks) {
            Ok(count) => {
                let layers::Count { directories, files, whiteouts, opaque } = count;
                row.extend([directories, files, whiteouts, opaque].map(|count| count.to_string()));
                row.push(presence(&layer.join(inside)));
            }
            // Named relative to a directory that the mount table does not tell, or not for us.
            Err(_) => row.extend(["not to be seen from here", "", "", "", ""].map(str::to_owned)),
        }
        table.push(row);
    }
    table
}

fn presence(path: &PathBuf) -> String {
    match fs::symlink_metadata(path) {
        Err(_) => "no".to_owned(),
        Ok(file) if whiteout::is_whiteout(&file) => "deleted".to_owned(),
        Ok(file) if file.is_dir() => "directory".to_owned(),
        Ok(_) => "file".to_owned(),
    }
}

/// The end of a command that only tells something; a reader that went away is no failure.
fn told(written: io::Result<()>) -> Result<ExitCode> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new("cannot tell the result").io("write", &error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
