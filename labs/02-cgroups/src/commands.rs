//! The commands for free play, one a file; and the workers of the demonstration.

pub mod freeze;
pub mod limit;
mod options;
pub mod repair;
pub mod spawn;
pub mod top;
pub mod tree;
pub mod worker;
