//! Failed: which system call the kernel refused, and what helps against that.

use std::path::Path;

use ground::{Errno, Error};

/// A system call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    call: &'static str,
    errno: Errno,
}

/// This call it was, for `map_err`.
pub fn by(call: &'static str) -> impl Fn(Errno) -> Failed {
    move |errno| Failed { call, errno }
}

impl Failed {
    /// The report, for the entry of this path.
    pub fn on(self, path: &Path) -> Error {
        let Self { call, errno } = self;
        let mut error = Error::new(format!("cannot unpack {path:?}")).call(call, errno);
        if let (Some(why), Some(meaning)) = (&mut error.why, self.meaning()) {
            *why += &format!(": {meaning}");
        }
        match self.fix() {
            Some(fix) => error.fix(fix),
            None => error,
        }
    }

    /// What the errno means here, where that is more than it says.
    fn meaning(self) -> Option<&'static str> {
        match (self.call, self.errno) {
            (_, Errno::ENOTDIR | Errno::ELOOP) => {
                Some("something on the way is no directory inside of the layer")
            }
            // A missing directory of the way was to be made, and its name is there: a link.
            ("mkdirat", Errno::EEXIST) => {
                Some("a link on the way leads to nothing inside of the layer")
            }
            _ => None,
        }
    }

    fn fix(self) -> Option<&'static str> {
        match (self.call, self.errno) {
            (_, Errno::ENOSPC | Errno::EDQUOT) => {
                Some("free some space (mini-docker rmi, rm), or choose another disk with --root")
            }
            (_, Errno::ENOTDIR | Errno::ELOOP) | ("mkdirat", Errno::EEXIST) => {
                Some("do not trust this image; whoever made it knows more about it")
            }
            (_, Errno::ENAMETOOLONG) => {
                Some("this file system has shorter names: choose another with --root")
            }
            (_, Errno::EPERM | Errno::EACCES) => {
                Some("run as the owner of the store, or as root; some file systems refuse owners")
            }
            _ => None,
        }
    }
}
