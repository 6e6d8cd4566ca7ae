//! The learner's companion: what this machine can do, and exercises that the kernel grades.
//!
//! | file | what it is |
//! |---|---|
//! | `exercise.rs`, `source.rs` | an exercise is a page; its program is cut from the labs' sources |
//! | `bench.rs` | the learner's own crates, with progress and backups |
//! | `stage.rs` | where a learner's program runs: namespaces of its own, which take it away |
//! | `trace.rs`, `photo.rs` | what it asks the kernel for, and what the kernel says of it |
//! | `grade/` | what that should have been, exercise by exercise |
//! | `verdict.rs` | what was seen, what was expected, and the note that belongs to it |
//! | `museum.rs` | mistakes that people made |
//! | `doctor.rs` | what this machine can do |
//! | `show.rs` | a lab before a class |

pub mod bench;
pub mod doctor;
pub mod exercise;
pub mod grade;
pub mod museum;
pub mod photo;
pub mod show;
pub mod source;
pub mod stage;
mod sys;
pub mod trace;
pub mod verdict;

use std::path::PathBuf;

/// The repository that this was built in: the exercises and the labs' sources are read from there.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
