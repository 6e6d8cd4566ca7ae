//! Why a program cannot be copied, and what helps.

use std::{ffi::OsStr, io, path::Path};

use ground::Error;

use super::{elf::Machine, loader::Missing, needs::CACHE};

pub(super) fn cannot_copy(program: &Path) -> Error {
    Error::new(format!("cannot copy {}", program.display()))
}

pub(super) fn not_found(name: &OsStr, search_path: Option<&OsStr>) -> Error {
    let error = cannot_copy(Path::new(name));
    match search_path {
        Some(path) => error
            .why(format!("no program of this name is in {}", path.to_string_lossy()))
            .fix("install it, or give its path"),
        None => error.why("there is no executable file").fix("check the path, and chmod +x"),
    }
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    cannot_copy(path)
        .io(format_args!("read {}", path.display()), error)
        .fix("a copy needs read permission; some set-user-ID programs have none for users")
}

pub(super) fn not_a_program(path: &Path, error: &io::Error) -> Error {
    cannot_copy(path)
        .why(format!("it is neither an ELF file nor a script with #!: {error}"))
        .see("5 elf")
        .fix("see what it is: file, head")
}

pub(super) fn wrong_machine(path: &Path, machine: Machine, own: Machine) -> Error {
    cannot_copy(path)
        .why(format!("it is for {machine}, and this machine is {own}"))
        .see("5 elf")
        .fix("take the program of this machine's own architecture")
}

pub(super) fn no_loader(program: &Path, loader: &Path, error: &io::Error) -> Error {
    cannot_copy(program)
        .io(format_args!("{}, its loader (PT_INTERP)", loader.display()), error)
        .see("8 ld.so")
        .fix("it does not run on this host either: install the C library it was linked with")
}

pub(super) fn no_library(missing: &Missing) -> Error {
    let directories: Vec<_> = missing.searched.iter().map(|it| it.display().to_string()).collect();
    cannot_copy(&missing.wanted_by)
        .why(format!(
            "it needs {}, which is neither in {CACHE} nor in {}",
            missing.name.to_string_lossy(),
            directories.join(":")
        ))
        .see("8 ld.so")
        .fix("install the package that has this library, and run ldconfig")
}
