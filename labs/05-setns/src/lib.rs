//! setns: a second process enters the namespaces of the first, and `docker exec` is born.
//!
//! setns(2) moves its caller into namespaces that exist. They are named by a pidfd of a process
//! that lives there (one call for all of them, since Linux 5.8), or by a file each: a link under
//! `/proc/PID/ns`, or a bind mount of one. Namespaces are not all that a container's process has:
//! its control group (by the steps of lab 02), its root and working directory, its ids and its
//! environment are joined one by one.
//!
//! | file | what it is |
//! |---|---|
//! | [`Target`] | the process to follow, held so that it cannot be mistaken for another |
//! | [`JoinProcess`], [`JoinFile`] | setns(2), by pidfd and by file |
//! | [`Way`] | which of the two, and in which order the files |
//! | [`Surroundings`] | root and working directory, as theirs |
//! | [`BecomeRoot`] | ids that exist in a joined user namespace |
//! | [`enter`] | all of it, as the plan of a process |
//! | [`pin`], [`unpin`] | a namespace that outlives its processes |

mod become_root;
mod enter;
mod join;
mod pin;
mod surroundings;
mod target;

pub use become_root::BecomeRoot;
pub use enter::{Enter, enter};
pub use join::{JoinFile, JoinProcess, Way};
pub use pin::{pin, pin_explained, unpin, unpin_explained};
pub use surroundings::Surroundings;
pub use target::Target;
