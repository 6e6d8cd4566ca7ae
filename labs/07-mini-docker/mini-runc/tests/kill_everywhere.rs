//! SIGKILL after each system call of create, start, exec and delete: `delete --force` always
//! succeeds afterwards, and the machine is as before.
//!
//! Calls that change nothing outside of their process (memory, reading, looking) are left out:
//! dying after one of them is dying after the call before it.
#![cfg(target_arch = "x86_64")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says how many cases it tried"
)]

mod bundle;
mod scene;
mod tracer;

use scene::{Moment, Said, Scene};
use syscalls::Sysno;
use testbed::{Host, needs};
use tracer::{Call, Then};

/// Every how many-th case is tried; 1 tries all.
const EVERY: &str = "UNBOXED_KILL_EVERY";

/// Calls that leave everything but their own process as it was.
const HARMLESS: [Sysno; 36] = [
    Sysno::access,
    Sysno::arch_prctl,
    Sysno::brk,
    Sysno::close,
    Sysno::fcntl,
    Sysno::fstat,
    Sysno::fstatfs,
    Sysno::futex,
    Sysno::getcwd,
    Sysno::getdents64,
    Sysno::getegid,
    Sysno::geteuid,
    Sysno::getgid,
    Sysno::getpid,
    Sysno::getrandom,
    Sysno::getuid,
    Sysno::lseek,
    Sysno::madvise,
    Sysno::mmap,
    Sysno::mprotect,
    Sysno::munmap,
    Sysno::newfstatat,
    Sysno::poll,
    Sysno::pread64,
    Sysno::prlimit64,
    Sysno::read,
    Sysno::readlink,
    Sysno::rseq,
    Sysno::rt_sigaction,
    Sysno::rt_sigprocmask,
    Sysno::set_robust_list,
    Sysno::set_tid_address,
    Sysno::sigaltstack,
    Sysno::statfs,
    Sysno::statx,
    Sysno::uname,
];

/// The calls of a command that can be the last of their process.
fn calls(moment: Moment) -> Vec<Call> {
    let scene = Scene::before(moment);
    let mut calls = Vec::new();
    let ended = scene.trace(&mut |call| {
        if !HARMLESS.contains(&call.name) {
            calls.push(call.clone());
        }
        Then::Go
    });
    assert_eq!(ended.code, 0, "{moment:?}: {:?}", Said::last(&scene));
    scene.delete_force();
    calls
}

fn kill_after(moment: Moment, last: &Call, before: &Host) -> bool {
    let scene = Scene::before(moment);
    let ended = scene.trace(&mut |call| if call.is(last) { Then::Kill } else { Then::Go });
    let case = format!("{moment:?}, killed after {last}");
    let said = Said::last(&scene);
    let told = said.starts_with("error: ") && said.contains("\n  why: ");
    // `exec` ends as its program does.
    let quiet = last.process == 0 || moment == Moment::Exec || ended.code == 0;
    assert!(quiet || told, "{case}: exit status {}, {said}", ended.code);
    scene.leaves_nothing(&case, before);
    ended.disturbed
}

#[test]
fn killed_after_any_call_delete_cleans_up() {
    needs!(Root, Program("busybox"));
    let every = std::env::var(EVERY).ok().and_then(|it| it.parse().ok()).unwrap_or(1);
    let (mut tried, mut all) = (0, 0);
    for moment in Moment::ALL {
        let before = Host::now();
        let calls = calls(moment);
        let sample: Vec<_> = calls.iter().step_by(every).collect();
        let killed = sample.iter().filter(|call| kill_after(moment, call, &before)).count();
        println!(
            "{moment:?}: killed {killed} times, after {} of {} calls",
            sample.len(),
            calls.len()
        );
        tried += killed;
        all += calls.len();
    }
    println!("kill everywhere: {tried} cases of {all}");
}
