//! The words every lab speaks: a kernel action is data, and a demonstration is a list of it.
//!
//! A [`Step`] is a system call that has not happened yet. Four readers share it: the executor runs
//! it, the narrator prints it (`--explain` needs no privilege), an [`Error`] quotes the step that
//! failed, and the tests snapshot it. A [`Lesson`] is a list of [`Scene`]s; each announces its
//! calls, performs them, and shows as [`Evidence`] what the kernel says afterwards.
//!
//! There is no system call in this crate: whoever wants to know *how* something is done reads the
//! lab that teaches it.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "Unboxed takes the Linux kernel apart, so it needs one. On macOS or Windows start a Linux \
     machine first (WSL 2, Lima, multipass, any virtual machine) and run the labs inside."
);

pub mod advice;
pub mod cli;
mod error;
mod lesson;
mod narrator;
mod step;
mod table;

pub use error::{Error, Result};
pub use lesson::{Evidence, Lesson, Outcome, Scene};
pub use narrator::{Look, Narrator};
pub use nix::errno::Errno;
pub use step::{Explanation, Step};
pub use table::Table;
