//! Seccomp: a profile of rules, compiled to the small program that judges every system call.
//!
//! The kernel runs the filter before each call, on a struct of number, architecture, address and
//! six arguments (seccomp(2)). The language is classic BPF: load a word, compare, jump forward,
//! return. That is all a compiler has to write, so here is one, without libseccomp.
//!
//! | file | what it is |
//! |---|---|
//! | `compile.rs` | profile -> program |
//! | `bpf.rs` | the instructions, and jumps that are filled in later |
//! | `listener.rs` | the program that answers calls, and how it gets to know of them |
//! | `numbers.rs` | names -> numbers, for each architecture |
//! | `profile.rs` | Docker's default profile |
//!
//! Source: runtime specification, config-linux.md, "Seccomp"; the kernel's
//! userspace-api/seccomp_filter.rst.

mod bpf;
mod compile;
pub(crate) mod listener;
mod numbers;
pub(crate) mod profile;

pub(crate) use bpf::to_bytes;
pub(crate) use compile::{compile, flags};

/// What can be done with a call, for `features`.
pub(crate) const ACTIONS: [&str; 9] = [
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
];

/// How arguments can be compared.
pub(crate) const OPERATORS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

/// The architectures that there are tables for.
pub(crate) const ARCHITECTURES: [&str; 4] =
    ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"];

/// The flags that are understood.
pub(crate) const FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];
