//! Where the tests stand: a test names the places it must hold in, and the host is the same afterwards.
//!
//! A lab's kernel tests run its *binary*, because the test harness has threads and the kernel
//! refuses `CLONE_NEWUSER` to a process with threads (unshare(2)). `tests/demo.rs` of a lab is one
//! line, `tests/kernel.rs` has tests of this shape:
//!
//! ```ignore
//! // tests/demo.rs: demo_as_root, demo_as_user, demo_as_user_with_subids, demo_in_v2_guest,
//! // demo_in_v2_guest_as_user, explain, json; snapshots in tests/snapshots/demo@PLACE.snap
//! testbed::demo_tests!("lab-01");
//!
//! // tests/kernel.rs
//! use testbed::{Host, Place, needs, snapshot};
//! const LAB: &str = env!("CARGO_BIN_EXE_lab-01");
//!
//! #[test]
//! fn a_new_pid_namespace_starts_with_pid_1() {
//!     needs!(UserNs, Program("ps"));                  // else: SKIP and the reason, return
//!     let place = Place::User;                        // or Root, UserWithSubids, GuestRoot, GuestUser
//!     needs!(In(place));
//!     let before = Host::now();
//!     let output = place.run(LAB, &["run", "--pid", "--", "ps"], &[]);    // at most 120 s
//!     assert_eq!(output.code, 0, "{output}");
//!     before.assert_unchanged();                      // mounts, cgroups, links, processes, files
//!     snapshot!(place, "ps_inside", output.text());   // ps_inside@user-v1.snap, redacted
//!     snapshot!("the_same_everywhere", output.stderr);            // without a place
//! }
//! ```
//!
//! More: [`Place::shell`] runs a script with `$BIN`; [`Run`] gives standard input, another time
//! limit and words for a guest's kernel; [`killed_at_random`] kills a command at random moments; [`redact`] says what a snapshot
//! does not show. Environment of the tests: `LABS_MUST_RUN=1` makes a skip fail, `UNBOXED_SKIPS`
//! names a file that collects the skips, `UNBOXED_SEED` repeats random moments.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "this library is part of tests, and a test fails by panicking"
)]

mod advice;
mod demo;
mod host;
mod killed;
mod need;
mod output;
mod place;
mod process;
mod redact;
mod run;
mod table;

pub use advice::{Advised, advice};
pub use demo::{check_events, demo, event, explain, json, paused};
pub use host::Host;
pub use insta;
pub use killed::killed_at_random;
pub use need::{Need, skip};
pub use output::Output;
pub use place::Place;
pub use process::{MARK, own_mark};
pub use redact::redact;
pub use run::Run;

/// An entry of [`advice`]: `advised!(Type, step, "which", EPERM EINVAL)`.
#[macro_export]
macro_rules! advised {
    ($name:ident, $step:expr, $which:literal, $($errno:ident)+) => {
        $crate::Advised {
            step: stringify!($name),
            which: $which,
            errnos: &[$(::ground::Errno::$errno),+],
            fix: &|errno| {
                ::ground::Step::fix(&$step, errno).or_else(|| ::ground::advice::everywhere(errno))
            },
        }
    };
}

/// A program for python3(1): `ERRNO-OF-CLONE3 ERRNO-OF-UNSHARE COMMAND ..` puts a seccomp filter on itself
/// that answers the two calls so, and becomes the command.
pub const REFUSING: &str = include_str!("refusing.py");

/// Returns from the test, with a `SKIP` line that names the reason, unless all of these are met.
///
/// Takes variants of [`Need`]: `needs!(Root, CgroupV1("memory"), Program("runc"))`.
#[macro_export]
macro_rules! needs {
    ($($need:ident $(($what:expr))?),+ $(,)?) => {
        $(if let Some(reason) = $crate::Need::$need $(($what))?.missing() {
            $crate::skip(&reason);
            return;
        })+
    };
}

/// Compares a text with its stored snapshot, after [`redact`].
///
/// `snapshot!(place, "name", text)` is stored as `snapshots/name@PLACE.snap` beside the test, and
/// compared on machines like the one it was taken on ([`Need::SnapshotsOf`]); elsewhere that is a
/// named skip. `snapshot!("name", text)` is stored as `snapshots/name.snap`, for what is the same
/// on all machines. Further arguments are pairs of a regular
/// expression and its replacement, applied first: `[(r"port \d+", "port [PORT]")]`.
#[macro_export]
macro_rules! snapshot {
    ($name:literal, $text:expr $(, [$($filter:expr),* $(,)?])? $(,)?) => {
        $crate::snapshot!(@ None, $name, $text, [$($($filter),*)?])
    };
    ($place:expr, $name:literal, $text:expr $(, [$($filter:expr),* $(,)?])? $(,)?) => {
        $crate::snapshot!(@ Some($place), $name, $text, [$($($filter),*)?])
    };
    (@ $place:expr, $name:literal, $text:expr, [$($filter:expr),*]) => {{
        let place: Option<$crate::Place> = $place;
        let text = $crate::redact(&$text, &[$($filter),*]);
        match place.and_then(|place| $crate::Need::SnapshotsOf(place).missing()) {
            Some(reason) => $crate::skip(&reason),
            None => {
                $crate::settings(place).bind(|| $crate::insta::assert_snapshot!($name, text));
            }
        }
    }};
}

/// The settings every snapshot shares: short names, and the place as a suffix.
pub fn settings(place: Option<Place>) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    if let Some(place) = place {
        settings.set_snapshot_suffix(place.name());
    }
    settings
}

/// The tests of a lab's demonstration in every place, of `--explain` and of `--json`.
///
/// Stands alone in `tests/demo.rs`; takes the name of the binary. Further arguments are filters as
/// in [`snapshot!`].
#[macro_export]
macro_rules! demo_tests {
    ($bin:literal $(, [$($filter:expr),* $(,)?])? $(,)?) => {
        $crate::demo_tests!(@ $bin, [$($($filter),*)?],
            demo_as_root Root,
            demo_as_user User,
            demo_as_user_with_subids UserWithSubids,
            demo_in_v2_guest GuestRoot,
            demo_in_v2_guest_as_user GuestUser,
        );

        /// The plan needs no privilege.
        #[test]
        fn explain() {
            let place = $crate::Place::unprivileged();
            $crate::needs!(In(place));
            let text = $crate::explain(place, env!(concat!("CARGO_BIN_EXE_", $bin)));
            $crate::snapshot!(place, "explain", text $(, [$($filter),*])?);
        }

        /// Every line is an event, and they come in order.
        #[test]
        fn json() {
            let place = $crate::Place::unprivileged();
            $crate::needs!(In(place));
            $crate::json(place, env!(concat!("CARGO_BIN_EXE_", $bin)));
        }
    };
    (@ $bin:literal, $filters:tt, $($test:ident $place:ident,)+) => {
        $($crate::demo_tests!(# $bin, $filters, $test $place);)+
    };
    (# $bin:literal, $filters:tt, $test:ident $place:ident) => {
        #[test]
        fn $test() {
            let place = $crate::Place::$place;
            $crate::needs!(In(place));
            let text = $crate::demo(place, env!(concat!("CARGO_BIN_EXE_", $bin)));
            $crate::snapshot!(place, "demo", text, $filters);
        }
    };
}
