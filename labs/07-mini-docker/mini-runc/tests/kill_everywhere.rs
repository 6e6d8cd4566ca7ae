//! SIGKILL after each system call of create, start, exec and delete: `delete --force` always
//! succeeds afterwards, and the machine is as before.
//!
//! The plain container is killed everywhere, one with a terminal, hooks or a user namespace at a
//! sample of places that a seed picks.
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

use scene::{Act, Moment, Said, Scene, Setting};
use syscalls::Sysno;
use testbed::{Host, Place, needs};
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
fn calls(act: Act) -> Vec<Call> {
    let scene = Scene::before(act);
    let mut calls = Vec::new();
    let ended = scene.trace(&mut |call| {
        // A hook's own calls are its business.
        let hooks = act.setting == Setting::Hooks && call.process > 0 && call.executed;
        if !HARMLESS.contains(&call.name) && !hooks {
            calls.push(call.clone());
        }
        Then::Go
    });
    assert_eq!(ended.code, 0, "{act:?}: {:?}", Said::last(&scene));
    scene.delete_force();
    calls
}

fn kill_after(act: Act, last: &Call, before: &Host) -> bool {
    let scene = Scene::before(act);
    let ended = scene.trace(&mut |call| if call.is(last) { Then::Kill } else { Then::Go });
    let case = format!("{act:?}, killed after {last}");
    let said = Said::last(&scene);
    let told = said.starts_with("error: ") && said.contains("\n  why: ");
    // `exec` ends as its program does.
    let quiet = last.process == 0 || act.moment == Moment::Exec || ended.code == 0;
    assert!(quiet || told, "{case}: exit status {}, {said}", ended.code);
    scene.leaves_nothing(&case, before);
    ended.disturbed
}

#[test]
fn killed_after_any_call_delete_cleans_up() {
    needs!(Root, Program("busybox"));
    let (mut tried, mut all) = (0, 0);
    for act in Act::tried() {
        let before = Host::now();
        let calls = calls(act);
        let sample = act.sample(&calls, (1, 9), EVERY);
        let killed = sample.iter().filter(|call| kill_after(act, call, &before)).count();
        println!("{act:?}: killed {killed} times, after {} of {} calls", sample.len(), calls.len());
        tried += killed;
        all += calls.len();
    }
    println!("kill everywhere: {tried} cases of {all}");
}

#[test]
fn on_cgroup_v2_it_does_so_as_well() {
    needs!(In(Place::GuestRoot), Program("busybox"));
    scene::in_guest("killed_after_any_call_delete_cleans_up", EVERY);
}
