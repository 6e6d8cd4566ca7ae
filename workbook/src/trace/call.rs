//! A system call that was made: its name, its arguments in words, and the answer.

use std::{fs::File, os::unix::fs::FileExt, path::PathBuf};

use ground::Errno;
use nix::unistd::Pid;
use syscalls::Sysno;

use crate::photo::Photo;

/// A string of a call is read up to this length.
const LONGEST: usize = 4096;

/// A call and what came of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who made it: a place in the list of processes.
    pub process: usize,
    /// Its name.
    pub name: Sysno,
    /// Its arguments, as numbers.
    pub arguments: [u64; 6],
    /// Those arguments that are strings, by their position.
    pub texts: [Option<String>; 6],
    /// The file that the first argument is a descriptor of.
    pub file: PathBuf,
    /// What the process saw before; only of calls that change what it sees.
    pub before: Option<Box<Photo>>,
    /// What the kernel said: a result, or an errno.
    pub answer: Result<i64, Errno>,
    /// Where its process was afterwards, in bytes of a file: only of calls that join.
    pub after: Option<Box<Photo>>,
}

impl Call {
    /// The call that a stopped process is about to make; `None` for a number without a name.
    pub(super) fn about_to(
        pid: Pid,
        process: usize,
        number: u64,
        arguments: [u64; 6],
    ) -> Option<Self> {
        let name = Sysno::new(number as usize)?;
        let mut call = Self {
            process,
            name,
            arguments,
            texts: Default::default(),
            file: PathBuf::new(),
            before: None,
            answer: Ok(0),
            after: None,
        };
        if !has_words(name) {
            return Some(call);
        }
        let link = std::fs::read_link(format!("/proc/{pid}/fd/{}", arguments[0]));
        call.file = link.unwrap_or_default();
        let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
        for (position, length) in strings(name, &arguments) {
            call.texts[position] = text(&memory, arguments[position], length);
        }
        call.before = changes_the_view(name).then(|| Box::new(Photo::of(pid)));
        Some(call)
    }

    pub(super) fn answered(mut self, pid: Pid, answer: i64) -> Self {
        let failed = (-4095..0).contains(&answer);
        self.answer = if failed { Err(Errno::from_raw(-answer as i32)) } else { Ok(answer) };
        self.after = self.before.is_some().then(|| Box::new(Photo::of(pid)));
        self
    }

    /// Whether it succeeded.
    pub fn succeeded(&self) -> bool {
        self.answer.is_ok()
    }

    /// A string argument; empty where there is none.
    pub fn text(&self, position: usize) -> &str {
        self.texts[position].as_deref().unwrap_or_default()
    }

    /// The photo before it; an empty one where none was taken.
    pub fn before(&self) -> Photo {
        self.before.as_deref().cloned().unwrap_or_default()
    }

    /// The photo after it; an empty one where none was taken.
    pub fn after(&self) -> Photo {
        self.after.as_deref().cloned().unwrap_or_default()
    }

    /// Whether these bits are set in an argument.
    pub fn has(&self, position: usize, flags: u64) -> bool {
        self.arguments[position] & flags == flags
    }

    /// As strace(1) shows it, in short: `mount("proc", "/proc") = 0`.
    pub fn shown(&self) -> String {
        let texts = self.texts.iter().flatten().map(|text| format!("{text:?}"));
        let texts = texts.collect::<Vec<_>>().join(", ");
        match self.answer {
            Ok(answer) => format!("{}({texts}) = {answer}", self.name),
            Err(errno) => format!("{}({texts}) = {errno:?}", self.name),
        }
    }
}

/// Which arguments are strings, and how long they are where that is said.
fn strings(name: Sysno, arguments: &[u64; 6]) -> Vec<(usize, Option<usize>)> {
    let to_zero = |places: &[usize]| places.iter().map(|place| (*place, None)).collect();
    match name {
        Sysno::mount => to_zero(&[0, 1, 2, 4]),
        Sysno::pivot_root | Sysno::rename | Sysno::link | Sysno::symlink => to_zero(&[0, 1]),
        Sysno::umount2 | Sysno::chroot | Sysno::chdir | Sysno::execve | Sysno::fsopen => {
            to_zero(&[0])
        }
        Sysno::mkdir | Sysno::rmdir | Sysno::unlink | Sysno::mknod | Sysno::open => to_zero(&[0]),
        Sysno::openat | Sysno::openat2 | Sysno::mkdirat | Sysno::mknodat | Sysno::unlinkat => {
            to_zero(&[1])
        }
        Sysno::open_tree | Sysno::mount_setattr => to_zero(&[1]),
        Sysno::move_mount | Sysno::renameat2 | Sysno::renameat | Sysno::linkat => to_zero(&[1, 3]),
        Sysno::symlinkat => to_zero(&[0, 2]),
        Sysno::fsconfig => to_zero(&[2, 3]),
        Sysno::sethostname => vec![(0, Some(arguments[1] as usize))],
        Sysno::write => vec![(1, Some(arguments[2] as usize))],
        _ => Vec::new(),
    }
}

/// Calls of which more than the number is noted.
fn has_words(name: Sysno) -> bool {
    let of_a_file = matches!(name, Sysno::fchdir | Sysno::fsync | Sysno::fdatasync);
    changes_the_view(name) || !strings(name, &[0; 6]).is_empty() || of_a_file
}

/// Calls before and after which a photo is taken.
fn changes_the_view(name: Sysno) -> bool {
    matches!(
        name,
        Sysno::mount
            | Sysno::umount2
            | Sysno::pivot_root
            | Sysno::chroot
            | Sysno::chdir
            | Sysno::fchdir
            | Sysno::unshare
            | Sysno::setns
            | Sysno::move_mount
            | Sysno::mount_setattr
            | Sysno::sethostname
            | Sysno::execve
            | Sysno::kill
            | Sysno::mkdir
            | Sysno::mknod
            | Sysno::mknodat
    )
}

/// Calls that end others. None of them waits for anything.
pub(super) fn may_kill(name: Sysno) -> bool {
    matches!(
        name,
        Sysno::kill
            | Sysno::tkill
            | Sysno::tgkill
            | Sysno::pidfd_send_signal
            | Sysno::rt_sigqueueinfo
            | Sysno::rt_tgsigqueueinfo
    )
}

/// Calls whose refusal says something about a container.
pub(super) fn is_telling(name: Sysno) -> bool {
    changes_the_view(name)
        || matches!(
            name,
            Sysno::clone
                | Sysno::clone3
                | Sysno::fork
                | Sysno::vfork
                | Sysno::write
                | Sysno::rmdir
                | Sysno::unlinkat
                | Sysno::link
                | Sysno::rename
                | Sysno::openat2
                | Sysno::setgroups
                | Sysno::setresuid
                | Sysno::setresgid
        )
}

fn text(memory: &File, address: u64, length: Option<usize>) -> Option<String> {
    let mut bytes = vec![0; length.unwrap_or(LONGEST).min(LONGEST)];
    let mut read = 0;
    // A page at a time: the one after the end of a string may not be there.
    while address != 0 && read < bytes.len() {
        let at = address + read as u64;
        let page = (4096 - at % 4096) as usize;
        let end = (read + page).min(bytes.len());
        let Ok(n @ 1..) = memory.read_at(&mut bytes[read..end], at) else { break };
        let done = length.is_none() && bytes[read..read + n].contains(&0);
        read += n;
        if done {
            break;
        }
    }
    let bytes = &bytes[..read];
    let bytes = if length.is_none() { bytes.split(|it| *it == 0).next()? } else { bytes };
    (address != 0).then(|| String::from_utf8_lossy(bytes).into_owned())
}
