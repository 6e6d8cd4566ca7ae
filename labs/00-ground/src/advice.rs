//! What an errno means wherever it comes from, and what mends it.
//!
//! Most errnos mean what the call makes of them, and its step has the words ([`crate::Step::fix`]).
//! These few come from below every call: a table of the machine or of the process is full, a disk
//! is, a seccomp filter answers. They stand here once; a step that knows better says so.
//!
//! Source: errno(3), and the ERRORS sections that name them.

use crate::Errno;

/// The errnos that have an advice here.
pub const EVERYWHERE: [Errno; 11] = [
    Errno::EBADF,
    Errno::EDQUOT,
    Errno::EFAULT,
    Errno::EINTR,
    Errno::EIO,
    Errno::ELOOP,
    Errno::EMFILE,
    Errno::ENAMETOOLONG,
    Errno::ENFILE,
    Errno::ENOMEM,
    Errno::ENOSPC,
];

/// What a person can do about `errno`, whatever the call was.
pub fn everywhere(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EBADF | Errno::EFAULT => {
            "this is a mistake of the program: please report it, with the line above"
        }
        Errno::EDQUOT => "this user's quota is used up: remove something, or ask for more (quota)",
        Errno::EINTR => "a signal came in between: do it again",
        Errno::EIO => "the device below does not answer as it should: see dmesg",
        Errno::ELOOP => {
            "symbolic links lead in a circle, or one was refused: name what it leads to"
        }
        Errno::EMFILE => "this process has too many files open: raise its limit (ulimit -n)",
        Errno::ENAMETOOLONG => "a name has at most 255 bytes, a path 4095: shorten it",
        Errno::ENFILE => "the machine has too many files open: raise sysctl fs.file-max",
        Errno::ENOMEM => {
            "memory ran out: end something, or raise the limit of the control group (memory.max)"
        }
        Errno::ENOSPC => "the file system is full: see df -h and df -i",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_them_has_an_advice() {
        assert!(EVERYWHERE.iter().all(|it| everywhere(*it).is_some()));
        assert_eq!(everywhere(Errno::EPERM), None);
    }
}
