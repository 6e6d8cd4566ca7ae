//! The filter step: the compiled program goes to the kernel as late as it can.
//!
//! With no_new_privs anybody may install a filter, so it is the very last thing before exec.
//! Without, it takes CAP_SYS_ADMIN, and comes before the capabilities go.

use ground::{Errno, Explanation, Result, Step};

use super::Context;
use crate::{seccomp, sys};

/// A compiled filter.
#[derive(Debug)]
pub(crate) struct Filter {
    program: Vec<libc::sock_filter>,
    flags: u64,
}

impl Filter {
    /// # Errors
    /// A profile without meaning; see [`seccomp::compile`].
    pub(crate) fn new(profile: &oci::runtime::Seccomp) -> Result<Self> {
        Ok(Self { program: seccomp::compile(profile)?, flags: seccomp::flags(profile)? })
    }
}

/// The filter for before the change of ids, and the filter for after the gate: one of them.
///
/// # Errors
/// A profile without meaning.
pub(super) fn steps(context: &Context<'_>) -> Result<(Option<Filter>, Option<Filter>)> {
    let filter = context.linux.seccomp.as_ref().map(Filter::new).transpose()?;
    Ok(if context.process.no_new_privileges { (None, filter) } else { (filter, None) })
}

impl Step for Filter {
    fn run(&self) -> std::result::Result<(), Errno> {
        sys::seccomp_filter(&self.program, self.flags)
    }

    fn explain(&self) -> Explanation {
        Explanation::new(
            format!(
                "seccomp(SECCOMP_SET_MODE_FILTER, {:#x}, {} instructions)",
                self.flags,
                self.program.len()
            ),
            "from here on a small program judges every system call",
            "2 seccomp",
        )
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        match errno {
            Errno::EACCES => Some("set process.noNewPrivileges, or run as root"),
            Errno::EINVAL => {
                Some("this kernel has no seccomp filters, or not one of the flags asked for")
            }
            _ => None,
        }
    }
}
