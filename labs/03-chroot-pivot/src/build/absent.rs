//! "No such file or directory" for a file that is there: what execve(2) did not find.
//!
//! execve gives ENOENT in three cases: there is no such program, there is no such loader, there is
//! no such interpreter. Only the first is what its words say. See execve(2), ERRORS.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use ground::Error;

use super::{
    elf::Object,
    needs::first_line,
    walk::{below, walk},
};

/// Explains why execve(2) said ENOENT for `program` in the root file system `root`, where programs
/// are looked for in `search_path`; the exit status of the error is 127.
///
/// None when nothing is missing: then the reason is another.
pub fn why_not_found(root: &Path, program: &OsStr, search_path: &str) -> Option<Error> {
    let report = Error::new(format!("cannot run {program:?}")).see("2 execve").exit_code(127);
    let Some(path) = find(root, program, search_path) else {
        let places = match program.as_bytes().contains(&b'/') {
            true => "there is no such file in the new root".to_owned(),
            false => format!("it is in none of {search_path} in the new root"),
        };
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
        let fix = format!(
            "copy it there with its libraries, or build the directory anew with all the programs \
             that it should have: lab-03 rootfs DIR --with {name},.."
        );
        return Some(report.why(places).fix(fix));
    };
    let (kind, wanted) = wants(&below(root, &path))?;
    let absent = walk(root, &wanted).is_err();
    absent.then(|| {
        let (path, wanted) = (path.display(), wanted.display());
        report
            .why(format!(
                "{path} is there, but {wanted}, {kind}, is not: execve(2) reports that with the \
                 same ENOENT"
            ))
            .fix(format!("copy {wanted} to the same path inside, with what it needs itself"))
    })
}

/// Where the program is, links resolved.
fn find(root: &Path, program: &OsStr, search_path: &str) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return walk(root, Path::new(program)).ok().map(|walk| walk.end);
    }
    let mut candidates = search_path.split(':').map(|directory| Path::new(directory).join(program));
    candidates.find_map(|path| walk(root, &path).ok()).map(|walk| walk.end)
}

/// The other file that the kernel opens in order to run this one.
fn wants(file: &Path) -> Option<(&'static str, PathBuf)> {
    if let Some(line) = first_line(file).ok()? {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let interpreter = PathBuf::from(OsStr::from_bytes(words.next()?));
        return Some(("the interpreter that it names after #!", interpreter));
    }
    let interpreter = Object::read(file).ok()?.interpreter?;
    Some(("the loader that its header names (PT_INTERP)", interpreter))
}
