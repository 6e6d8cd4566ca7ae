//! Seal: a container must not be able to overwrite the program that makes it.
//!
//! Until exec the process of a container runs *our* program, and `/proc/self/exe` leads from inside
//! to our file on the host. An image whose program is a script with `#!/proc/self/exe` has it run
//! once more inside, opens that link for reading, waits until nobody executes the file any longer,
//! and opens what it holds again, for writing (CVE-2019-5736): the host's next container, and all
//! that root does with this program, is then the image's.
//!
//! ```text
//! open_tree("/proc/self/exe", OPEN_TREE_CLONE)     a mount of that one file, attached nowhere
//! mount_setattr(.., MOUNT_ATTR_RDONLY)             what is opened through it is never writable
//! execveat(mount, "", argv, envp, AT_EMPTY_PATH)   and /proc/self/exe leads to it from now on
//! ```
//!
//! The program does this before the C library has begun (`main/sys/first.rs`); here it is done where
//! that did not go smoothly, and by whoever has this crate in a program of their own.
//!
//! Where no mount may be copied (an ordinary user), a copy of the file in memory is executed, with
//! seals that no root can take off. Where nobody inside can write the file (a read-only file system,
//! another's program), nothing is done: that is also how the second time ends.
//!
//! Source: open_tree(2), mount_setattr(2), execveat(2), memfd_create(2), F_ADD_SEALS(2const).

use std::{
    ffi::{CString, OsStr, OsString},
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            ffi::{OsStrExt, OsStringExt},
            fs::MetadataExt,
        },
    },
    path::Path,
};

use ground::{Errno, Error, Result};
use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        prctl,
    },
    unistd::{AccessFlags, access, geteuid},
};
use volumes::Detached;

use crate::sys;

/// Our own program.
const OURSELVES: &str = "/proc/self/exe";

/// The commands after which a process of a container runs our program.
pub const ENTERING: [&str; 3] = ["create", "run", "exec"];

/// The uid that is shown for one that has no number here (man 7 user_namespaces).
const OVERFLOW_UID: u32 = 65534;

/// Goes on as a program that no container can write to, if these arguments may enter one. Begins
/// the program anew if it must, so it comes before anything else.
///
/// A word that only looks like a command costs the time of an exec.
///
/// # Errors
/// There is no way to do it: then no container may be made.
pub(crate) fn seal(args: &[OsString]) -> Result<()> {
    let enters = |word: &OsString| ENTERING.iter().any(|command| word == command);
    if !args.iter().skip(1).any(enters) || is_sealed() {
        keep_name(args);
        return Ok(());
    }
    // A mount costs 20 microseconds, a copy in memory a thousand.
    let sealed = match read_only_mount() {
        Ok(mount) => mount,
        Err(_) => sealed_copy()?,
    };
    Err(begin_anew(&sealed, args))
}

/// Whether nobody can write to the file that we run from, whoever they become inside.
fn is_sealed() -> bool {
    match access(OURSELVES, AccessFlags::W_OK) {
        Err(Errno::EROFS) => true,
        // Not ours to write. It must not be ours to chmod(2) either, nor anybody's inside: an owner
        // that has no number here, or the machine's root, is nobody there.
        Err(Errno::EACCES) => fs::metadata(OURSELVES).is_ok_and(|file| {
            file.uid() != geteuid().as_raw() && matches!(file.uid(), 0 | OVERFLOW_UID)
        }),
        _ => has_seals(),
    }
}

/// Whether it is the copy that [`sealed_copy`] made.
fn has_seals() -> bool {
    let seals = File::open(OURSELVES).ok().and_then(|file| fcntl(file, FcntlArg::F_GET_SEALS).ok());
    seals.is_some_and(|seals| SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE))
}

/// Our file through a read-only mount that is attached nowhere, and gone with the last who runs it.
fn read_only_mount() -> Result<OwnedFd> {
    let mount = Detached::open(c"/proc/self/exe")?.read_only()?;
    mount.as_fd().try_clone_to_owned().map_err(|error| cannot().io("dup", &error))
}

/// Our file in memory.
fn sealed_copy() -> Result<OwnedFd> {
    let copied = File::open(OURSELVES).and_then(|mut file| {
        let mut copy = File::from(memory_file()?);
        io::copy(&mut file, &mut copy)?;
        fcntl(&copy, FcntlArg::F_ADD_SEALS(SealFlag::all()))?;
        Ok(copy)
    });
    copied.map(OwnedFd::from).map_err(|error| {
        cannot()
            .io(format_args!("copy {OURSELVES} to a sealed memfd"), &error)
            .see("2 memfd_create")
            .fix("let a file system that is mounted read-only, or another user, own the program")
    })
}

/// Before Linux 6.3 the flag is unknown, and every such file can be executed.
fn memory_file() -> nix::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    match memfd_create(c"mini-runc", flags | MFdFlags::from_bits_retain(libc::MFD_EXEC)) {
        Err(Errno::EINVAL) => memfd_create(c"mini-runc", flags),
        made => made,
    }
}

/// Returns only when that failed.
fn begin_anew(program: &OwnedFd, args: &[OsString]) -> Error {
    // Strings that came from the kernel have no NUL byte inside.
    let args = args.iter().cloned().map(|it| CString::new(it.into_vec()));
    match args.collect::<std::result::Result<Vec<_>, _>>() {
        Ok(args) => {
            let errno = sys::become_open(program.as_fd(), &args);
            cannot().call("execveat(program, \"\", .., AT_EMPTY_PATH)", errno).see("2 execveat")
        }
        Err(error) => cannot().why(error.to_string()),
    }
}

/// A program that was executed by descriptor is called by that descriptor's number in ps(1).
fn keep_name(args: &[OsString]) {
    let name = args.first().map(Path::new).and_then(Path::file_name).map(OsStr::as_bytes);
    if let Some(name) = name.and_then(|name| CString::new(name).ok()) {
        let _ = prctl::set_name(&name);
    }
}

fn cannot() -> Error {
    Error::new("cannot protect this program from the container")
}
