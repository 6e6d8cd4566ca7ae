//! Holds the floors and the nevers of ARCHITECTURE.md: who may know whom is tested, not remembered.
//!
//! Sources are read as text: comments, strings and `mod tests` are blanked out
//! ([`source::code`]), then every path that a file names is spelled in full ([`paths::of`]) and
//! held against the tables of [`rules`]. That sees `use`, nested groups and inline paths; it does
//! not expand macros. Every complaint names the file and the reason for the rule.

pub mod packages;
pub mod paths;
pub mod rules;
pub mod source;
