//! Places: which trees this machine has, what is bound to them, and where we may make groups.

mod census;
mod controller;
mod delegation;
mod hierarchy;

pub use controller::{Controller, Controllers};
pub(crate) use delegation::absent;
pub use delegation::{Candidate, Delegation, Refusal, Site};
pub use hierarchy::{Hierarchies, Hierarchy, Mode, Version};
