//! Building a root file system: what programs need, found in their headers, copied as it is.
//!
//! ```text
//! names --needs--> Plan --copy--> directory        needs asks elf, loader and walk
//! ```
//!
//! Nothing here makes a system call worth a lesson or needs privilege: it is reading and copying.

mod absent;
mod copy;
pub mod elf;
pub mod loader;
mod needs;
mod plan;
mod refusal;
mod walk;

pub use absent::why_not_found;
pub use copy::{build, remove, write};
pub use needs::plan;
pub use plan::{DEFAULT_PATH, Entry, Plan, Program, What};
pub use walk::{Walk, walk};
