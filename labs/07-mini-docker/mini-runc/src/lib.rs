//! The low-level runtime: a bundle directory in, a process out.
//!
//! A bundle is a root file system and config.json (the OCI runtime specification). Nothing is known
//! here of images or networks: that is the engine's side of the wall. What the labs teach, this
//! crate puts in order:
//!
//! | room | what it is |
//! |---|---|
//! | `cli` | runc's command line |
//! | `bundle` | config.json, read and checked |
//! | `plan` | config.json -> an ordered list of steps; **start here** |
//! | `seccomp` | a profile -> the filter's program |
//! | `cgroup` | config.json's limits in lab 02's words; systemd's scopes |
//! | `create`, `start`, `run`, `exec`, `kill`, `update`, `events`, `delete` | one operation each |
//! | `record` | what is known of a container between two commands |
//! | `remarks` | where it gets less than it asks for |
//! | `intel_rdt` | its share of cache and memory bandwidth |
//! | `net_devices` | devices of the host that move inside |
//! | `console` | our side of a container's terminal |
//! | `signals` | those of a command in the foreground, handed on |
//! | `seal` | why no container can overwrite this program |
//! | [`defaults`] | what Docker gives a container unless told otherwise |
//!
//! Left out on purpose, for now: checkpointing.

mod bundle;
mod caller;
mod cgroup;
mod cli;
mod console;
mod create;
pub mod defaults;
mod delete;
mod events;
mod exec;
mod intel_rdt;
mod kill;
mod net_devices;
mod plan;
mod record;
mod remarks;
mod run;
mod seal;
mod seccomp;
mod signals;
mod start;
mod sys;
mod update;

use std::path::Path;

pub use cli::main;
pub use seal::ENTERING;

/// The plan of a container in the bundle directory `dir`, were this text its config.json: each call
/// in words, with the lab that teaches it. Nothing is made; what `create --explain` does.
///
/// # Errors
/// What the text asks for and cannot be had, with the place in it.
pub fn explain(
    dir: &Path,
    config: Vec<u8>,
) -> ground::Result<Vec<(&'static str, ground::Explanation)>> {
    let bundle = bundle::Bundle::parse(dir.to_owned(), config)?;
    let caller = caller::Caller::look()?;
    create::explain_bundle(&bundle, &caller, "box", create::Options::default(), &mut drop)
}

/// The names of a mask of capabilities, in the kernel's order (man 7 capabilities).
pub fn capability_names(mask: u64) -> Vec<String> {
    plan::names_of(mask)
}

/// Where warnings go.
type Warn<'a> = &'a mut dyn FnMut(String);
