//! The last step of every child: it becomes the program.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    sys::{
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        stat::{SFlag, stat},
    },
    unistd::{AccessFlags, access},
};

use crate::sys::{self, Vector};

/// Where a program is looked for when its environment has no PATH, as runc and Docker do.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// execve(2), with the search of PATH that execvp(3) does, prepared before the clone.
///
/// The search happens in the child, in the root file system that it has by then.
#[derive(Debug)]
pub struct Exec {
    name: String,
    candidates: Vec<CString>,
    argv: Vector,
    envp: Vector,
}

impl Exec {
    /// Prepares to become `argv[0]` with the environment `envp` of `NAME=VALUE` strings.
    ///
    /// # Errors
    /// An empty command, or a string with a NUL byte in it.
    pub fn new<A: AsRef<OsStr>, E: AsRef<OsStr>>(argv: &[A], envp: &[E]) -> Result<Self> {
        let argv = c_strings(argv)?;
        let envp = c_strings(envp)?;
        let Some(program) = argv.first().filter(|program| !program.is_empty()) else {
            return Err(Error::new("there is no command to run").fix("name one after --"));
        };
        let path = envp.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
        let candidates = candidates(program, path.unwrap_or(DEFAULT_PATH.as_bytes()))?;
        let name = program.to_string_lossy().into_owned();
        Ok(Self { name, candidates, argv: Vector::new(argv), envp: Vector::new(envp) })
    }

    /// Prepares to become the file `program`, whatever `argv[0]` calls it, as hooks of a container
    /// are run; PATH is not searched.
    ///
    /// # Errors
    /// A string with a NUL byte in it.
    pub fn of<A: AsRef<OsStr>, E: AsRef<OsStr>>(
        program: &str,
        argv: &[A],
        envp: &[E],
    ) -> Result<Self> {
        Ok(Self {
            name: program.to_owned(),
            candidates: c_strings(&[program])?,
            argv: Vector::new(c_strings(argv)?),
            envp: Vector::new(c_strings(envp)?),
        })
    }

    /// Looks for the program as [`Exec`] will when it runs, without becoming it; for a step that
    /// wants to know earlier.
    ///
    /// # Errors
    /// ENOENT when it is nowhere, EACCES when it cannot be executed, as execve(2).
    pub fn look_up(&self) -> std::result::Result<(), Errno> {
        let mut telling = Errno::ENOENT;
        for candidate in &self.candidates {
            match can_be_executed(candidate) {
                Ok(()) => return Ok(()),
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(errno) => telling = errno,
            }
        }
        Err(telling)
    }

    /// execve(2) and nothing else: for whoever has a filter that judges every call by now, and has
    /// seen to the signals before. Returns
    /// only when no candidate could be executed, with the most telling errno.
    pub fn execute(&self) -> Errno {
        let mut telling = Errno::ENOENT;
        for candidate in &self.candidates {
            match sys::execve(candidate, &self.argv, &self.envp) {
                Errno::ENOENT | Errno::ENOTDIR => {}
                // Another directory of PATH may have one that can be run (man 3 execvp).
                Errno::EACCES => telling = Errno::EACCES,
                other => return other,
            }
        }
        telling
    }

    /// Prepares to become `argv[0]` with the environment that we have ourselves.
    ///
    /// # Errors
    /// As [`Exec::new`].
    pub fn with_own_environment<A: AsRef<OsStr>>(argv: &[A]) -> Result<Self> {
        let envp: Vec<OsString> = std::env::vars_os()
            .map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                name
            })
            .collect();
        Self::new(argv, &envp)
    }
}

/// execve(2) refuses directories and files without an x with one errno.
fn can_be_executed(file: &CString) -> std::result::Result<(), Errno> {
    let kind = SFlag::from_bits_truncate(stat(file.as_c_str())?.st_mode) & SFlag::S_IFMT;
    if kind != SFlag::S_IFREG {
        return Err(Errno::EACCES);
    }
    access(file.as_c_str(), AccessFlags::X_OK)
}

/// The files that a name without a slash may mean; a name with one means itself.
fn candidates(program: &CString, path: &[u8]) -> Result<Vec<CString>> {
    if program.to_bytes().contains(&b'/') {
        return Ok(vec![program.clone()]);
    }
    let in_directory = |directory: &[u8]| {
        // An empty entry of PATH means the working directory (man 7 environ).
        let directory = if directory.is_empty() { b"." } else { directory };
        OsString::from_vec([directory, b"/", program.to_bytes()].concat())
    };
    c_strings(&path.split(|byte| *byte == b':').map(in_directory).collect::<Vec<_>>())
}

fn c_strings<S: AsRef<OsStr>>(strings: &[S]) -> Result<Vec<CString>> {
    strings
        .iter()
        .map(|string| {
            CString::new(string.as_ref().as_bytes()).map_err(|_| {
                Error::new("cannot pass an argument with a NUL byte in it")
                    .why(format!("{:?}", string.as_ref()))
                    .see("2 execve")
            })
        })
        .collect()
}

impl Step for Exec {
    /// Returns only when it failed.
    fn run(&self) -> std::result::Result<(), Errno> {
        // What we ignore and block for ourselves; what nohup(1) had us ignore the program ignores as well.
        sys::default_action(Signal::SIGPIPE);
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Err(self.execute())
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!("execve({:?}, ..)", self.name),
            "the process stays, the program in it is replaced",
            "2 execve",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::ENOENT => Some(
                "check the name and PATH inside; if the file is there, what is missing is its \
                 loader or the interpreter after #!",
            ),
            Errno::EACCES => Some(
                "make it executable (chmod +x), and check every directory above it and noexec \
                 mounts",
            ),
            Errno::ENOEXEC => Some("it is no program for this machine: see `file` on it"),
            Errno::E2BIG => Some("shorten the arguments or the environment"),
            Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG => Some("correct the path"),
            Errno::ETXTBSY => Some("somebody still writes to the file: close it first"),
            Errno::ENOMEM => Some("raise the memory limit"),
            Errno::EISDIR => Some("its loader, or the interpreter after #!, is a directory"),
            Errno::EINVAL | Errno::ELIBBAD => {
                Some("its loader is not for this machine: see `file` on it, and on what it names")
            }
            Errno::EPERM => Some(
                "a set-user-ID program, or one with capabilities, cannot be run under a tracer or \
                 a security module here: take one without (getcap shows them)",
            ),
            Errno::EAGAIN => Some(
                "this user has more processes than RLIMIT_NPROC allows: end some, or raise it \
                 (ulimit -u)",
            ),
            _ => None,
        }
    }

    /// 127 for a program that was not found and 126 for one that cannot be run, as every shell and
    /// Docker have it.
    fn failed(&self, errno: Errno) -> Error {
        let Explanation { call, man, .. } = self.explain();
        let found = errno != Errno::ENOENT;
        let error = Error::new(format!("cannot run {:?}", self.name))
            .call(&call, errno)
            .see(man)
            .exit_code(if found { 126 } else { 127 });
        match self.fix(errno) {
            Some(fix) => error.fix(fix),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(program: &str, path: &str, expected: &[&str]) {
        let program = CString::new(program).unwrap();
        let found = candidates(&program, path.as_bytes()).unwrap();
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_bare_name_is_looked_for_in_path() {
        check("sh", "/usr/bin:/bin", &["/usr/bin/sh", "/bin/sh"]);
        check("sh", "/usr/bin:", &["/usr/bin/sh", "./sh"]);
        check("./sh", "/usr/bin", &["./sh"]);
        check("/bin/sh", "/usr/bin", &["/bin/sh"]);
    }

    #[test]
    fn a_missing_program_is_127_and_a_forbidden_one_126() {
        let exec = Exec::new(&["nowhere"], &["PATH=/bin"]).unwrap();
        assert_eq!(exec.failed(Errno::ENOENT).exit_code, 127);
        assert_eq!(exec.failed(Errno::EACCES).exit_code, 126);
    }
}
