//! The first instructions of the program, before those of the C library.
//!
//! A command that enters a container is begun twice, the second time sealed (`seal.rs` of the
//! library). What the first beginning sets up is thrown away, and it is the larger part of starting a
//! static program: the C library asks the processor 67 times what it can do and what caches it has,
//! and a virtual machine must leave itself for each answer (CPUID always traps: Intel's manual,
//! volume 3, "Instructions That Cause VM Exits Unconditionally"). So the second beginning is asked for
//! here, with three calls and nothing set up.
//!
//! What does not go smoothly is left to the seal, which does it again in the ordinary way, or another
//! way, and has words for it; it also judges whether the second beginning is sealed.
//!
//! # Safety
//! There is no C library yet: no thread-local variable, and no memcpy or strlen, which are chosen by
//! what the processor can do. So a byte is read at a time, and volatile, because the compiler knows a
//! loop over bytes when it sees one.

use std::{
    arch::{asm, naked_asm},
    ffi::{CStr, c_char},
    ptr, slice,
};

use mini_runc::ENTERING;

/// Our own program.
const OURSELVES: &CStr = c"/proc/self/exe";

/// Where the kernel begins (`build.rs` says so to the linker), with `argc`, `argv` and the
/// environment on the stack, and in rdx what the C library is to call at the end (System V ABI,
/// AMD64, "Process Initialization").
// SAFETY: there is no other symbol of this name; it returns nowhere, and leaves the stack and rdx to
// `_start` as they were.
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn mini_runc_begin() -> ! {
    naked_asm!(
        "mov r12, rdx",
        "mov rdi, rsp",
        "call {seal}",
        "mov rdx, r12",
        "jmp _start",
        seal = sym seal,
    )
}

/// Becomes the sealed program, if these arguments may enter a container and it is not sealed yet.
/// Returns otherwise, and when that failed.
extern "C" fn seal(stack: *const usize) {
    // SAFETY: the kernel put the number of arguments here.
    let count = unsafe { *stack };
    // SAFETY: and behind it so many pointers to strings, and null.
    let argv: *const *const c_char = unsafe { stack.add(1) }.cast();
    // SAFETY: and behind those the environment.
    let environment = unsafe { argv.add(count + 1) };
    // SAFETY: `argv` has `count` strings, and none of them changes.
    let words = unsafe { slice::from_raw_parts(argv, count) };
    let enters = words.iter().skip(1).any(|word| is_entering(*word));
    let writable = enters && call([libc::SYS_access, address(OURSELVES), libc::W_OK.into()]) == 0;
    if !writable {
        return;
    }
    let flags = i64::from(libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC);
    let here = libc::AT_FDCWD.into();
    let mount = call([libc::SYS_open_tree, here, address(OURSELVES), flags]);
    if mount < 0 {
        return;
    }
    let read_only = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let (attributes, size) = (&raw const read_only as i64, size_of_val(&read_only) as i64);
    let (itself, empty) = (address(c""), libc::AT_EMPTY_PATH.into());
    if call([libc::SYS_mount_setattr, mount, itself, empty, attributes, size]) == 0 {
        call([libc::SYS_execveat, mount, itself, argv as i64, environment as i64, empty]);
    }
    call([libc::SYS_close, mount]);
}

fn address(text: &CStr) -> i64 {
    text.as_ptr() as i64
}

/// Whether a word is one of the commands after which our program runs inside.
fn is_entering(word: *const c_char) -> bool {
    let byte = |nth: usize| {
        // SAFETY: bytes are read up to the first that differs, and so not beyond the NUL byte.
        let place = unsafe { word.add(nth) };
        // SAFETY: as above.
        unsafe { ptr::read_volatile(place.cast::<u8>()) }
    };
    ENTERING.iter().any(|command| {
        let same = command.bytes().enumerate().all(|(nth, letter)| byte(nth) == letter);
        same && byte(command.len()) == 0
    })
}

/// A system call: its number and its arguments. What comes back is below zero when it failed.
fn call<const N: usize>(words: [i64; N]) -> i64 {
    let word = |nth: usize| words.get(nth).copied().unwrap_or(0);
    let mut answer = word(0);
    // SAFETY: all of `seal`'s calls read strings that end, arrays that end with null, or the struct
    // whose size they are told; the kernel writes to none of our memory.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") answer,
            in("rdi") word(1),
            in("rsi") word(2),
            in("rdx") word(3),
            in("r10") word(4),
            in("r8") word(5),
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        )
    }
    answer
}
