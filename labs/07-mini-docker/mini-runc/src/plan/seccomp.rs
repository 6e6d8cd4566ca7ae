//! The filter step: the compiled program goes to the kernel as late as it can.
//!
//! | process.noNewPrivileges | a listener | where | because |
//! |---|---|---|---|
//! | true | no | right before exec | anybody may install it: it judges only what the program does |
//! | true | yes | before "created" | whoever creates hands the descriptor to the listener |
//! | false | either | before the capabilities go | it takes CAP_SYS_ADMIN |

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

/// The filter, at the place where it belongs; one of them at most.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    /// Right before the capabilities go.
    pub(crate) with_power: Option<Filter>,
    /// The last step before the container is created.
    pub(crate) when_created: Option<Filter>,
    /// The last step before exec.
    pub(crate) at_start: Option<Filter>,
}

impl Filters {
    /// # Errors
    /// A profile without meaning.
    pub(super) fn of(context: &Context<'_>) -> Result<Self> {
        let Some(profile) = &context.linux.seccomp else { return Ok(Self::default()) };
        let no_new_privileges = context.process.no_new_privileges;
        seccomp::listener::check(profile, no_new_privileges)?;
        let filter = Some(Filter::new(profile)?);
        Ok(match (no_new_privileges, seccomp::listener::is_wanted(profile)) {
            (false, _) => Self { with_power: filter, ..Self::default() },
            (true, true) => Self { when_created: filter, ..Self::default() },
            (true, false) => Self { at_start: filter, ..Self::default() },
        })
    }
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
