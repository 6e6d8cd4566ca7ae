//! Namespaces: a container is a process that was given some of the kernel's tables for itself.
//!
//! clone3(2) makes a process and its namespaces in one call, one flag a kind (namespaces(7)).
//! Nothing else makes a container; all that follows in the labs only furnishes it.
//!
//! | file | what it is |
//! |---|---|
//! | [`Kind`], [`Kinds`] | the eight kinds: flag, manual page, kernel since |
//! | [`Id`] | which namespace: device and inode of a file under `/proc/PID/ns` |
//! | [`Spawn`] | a process in new namespaces: clone3, then prepared steps, then exec |
//! | [`Child`] | that process, held by a pidfd |
//! | [`Signals`] | what a waiting parent passes on to its child |
//! | [`IdMaps`] | which ids of a user namespace are which ids outside |
//! | [`steps`] | what a child does before exec |
//! | [`time`] | the clocks of a time namespace |
//! | [`rootless`] | how an ordinary user becomes root, of something |
//! | [`walls`] | why the kernel said no |
//! | [`Terminal`] | who is in its foreground |
//! | [`witness`] | a process that says what it sees inside |
//! | [`census`] | all namespaces of the machine |

pub mod census;
mod child;
mod exec;
mod id;
mod id_map;
mod kind;
pub mod pidfd;
pub mod rootless;
mod signals;
mod spawn;
pub mod steps;
mod sys;
mod terminal;
pub mod time;
pub mod walls;
pub mod witness;

pub use child::{Child, Exit};
pub use exec::Exec;
pub use id::Id;
pub use id_map::{IdMaps, Range};
pub use kind::{Kind, Kinds};
pub use signals::Signals;
pub use spawn::{Moment, Spawn};
pub use terminal::{TakeTerminal, Terminal};
