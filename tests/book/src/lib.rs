//! The book's transcripts are true: each console block is typed into a shell, and what comes is what is printed.
//!
//! ````text
//! ```console,user
//! $ lab-01 run --user -- id -u
//! 65534
//! $ lab-01 run --pid -- sh
//! # echo $$; exit 7
//! 1
//! [7]
//! ```
//! ````
//!
//! | in a block | is |
//! |---|---|
//! | `$ command` | a step, typed into bash; `> ` continues it |
//! | `# words` | typed into the program that the step has started |
//! | `[7]`, last | the exit status, unless it is 0 |
//! | `...` alone | lines that vary, any number |
//! | `[..]` in a line | words that vary |
//! | anything else | what is said, standard error included, after [`said::shown`] |
//!
//! After `console` may stand a [`page::Place`] (`user`, `subids`, `v2`, `v2user`; root on this machine if none
//! does), `list` (commands to try: each must succeed, what they say is not shown) and `norun` (not
//! run; an HTML comment above says why). All blocks of a page for one place share a [`stage`], in their order.
//! A session in a block of another kind (`text`, `sh`) is an error: it would escape all this.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "this library is part of tests, and a test fails by panicking"
)]

pub mod arcade;
pub mod page;
pub mod pattern;
pub mod play;
pub mod ready;
pub mod said;
pub mod stage;
