//! Seccomp: the system calls that a container may make, as Docker allows them.
//!
//! A list of what is allowed; everything else is EPERM. What is missing from it reaches beyond the
//! container: modules, mounts, keys, the clock, tracing of others, namespaces. A call that only a
//! capability makes dangerous is allowed with that capability, which already says so. clone3(2)
//! answers ENOSYS and not EPERM, because its flags are in memory, where a filter cannot look: the C
//! library then falls back to clone(2), whose flags it can see (seccomp(2)).

use oci::runtime::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompRule};

/// Allowed for everybody, by what they are about.
const ALLOWED: [&str; 13] = [
    // files
    "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 \
     faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown \
     fchown32 fchownat fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs fstatfs64 \
     fsync ftruncate ftruncate64 getcwd getdents getdents64 lchown lchown32 link linkat _llseek \
     lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat \
     openat2 readahead readlink readlinkat rename renameat renameat2 rmdir stat stat64 statfs \
     statfs64 statx symlink symlinkat sync sync_file_range syncfs truncate truncate64 umask unlink \
     unlinkat fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch",
    // bytes
    "ioctl pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readv sendfile sendfile64 splice \
     tee vmsplice write writev pipe pipe2 memfd_create memfd_secret",
    // attributes and times of files
    "fgetxattr flistxattr fremovexattr fsetxattr futimesat getxattr getxattrat lgetxattr listxattr \
     listxattrat llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat \
     utime utimensat utimensat_time64 utimes",
    // waiting for files
    "_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 \
     epoll_wait epoll_wait_old eventfd eventfd2 poll ppoll ppoll_time64 pselect6 pselect6_time64 \
     select",
    // asynchronous I/O
    "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit",
    // sockets
    "accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg \
     recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair",
    // memory
    "brk cachestat madvise map_shadow_stack membarrier mincore mlock mlock2 mlockall mmap mmap2 \
     mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect \
     process_mrelease remap_file_pages",
    // processes
    "capget capset execve execveat exit exit_group fork getpgid getpgrp getpid getppid getpriority \
     getrlimit getrusage getsid gettid kill pidfd_open pidfd_send_signal prctl prlimit64 setpgid \
     setpriority setrlimit setsid tgkill times tkill ugetrlimit uname vfork wait4 waitid waitpid \
     sysinfo getcpu ioprio_get ioprio_set",
    // users and groups
    "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid \
     getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 \
     setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid \
     setresuid32 setreuid setreuid32 setuid setuid32",
    // signals
    "pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn \
     rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack signalfd \
     signalfd4 sigprocmask sigreturn sigsuspend",
    // clocks, which may be read
    "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime \
     clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep \
     setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 \
     timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 \
     timerfd_settime timerfd_settime64",
    // threads
    "futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list \
     get_thread_area getrandom rseq sched_get_priority_max sched_get_priority_min \
     sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval \
     sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam \
     sched_setscheduler sched_yield set_robust_list set_thread_area set_tid_address",
    // System V and POSIX IPC; a process that restricts itself; what 4.8 made safe
    "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
     mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop \
     semtimedop_time64 shmat shmctl shmdt shmget landlock_add_rule landlock_create_ruleset \
     landlock_restrict_self seccomp process_vm_readv process_vm_writev ptrace",
];

/// Allowed together with a capability.
const WITH: [(&str, &str); 14] = [
    ("DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount \
         mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname \
         sethostname setns syslog umount umount2 unshare",
    ),
    ("SYS_BOOT", "reboot"),
    ("SYS_CHROOT", "chroot"),
    ("SYS_MODULE", "delete_module init_module finit_module"),
    ("SYS_PACCT", "acct"),
    ("SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("SYS_RAWIO", "iopl ioperm"),
    ("SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("SYS_TTY_CONFIG", "vhangup"),
    ("SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("SYSLOG", "syslog"),
    ("BPF", "bpf"),
    ("PERFMON", "perf_event_open"),
];

/// The namespace flags of clone(2), all but CLONE_NEWTIME, which clone(2) does not know.
const NAMESPACE_FLAGS: u64 = 0x7E02_0000;

/// The personalities that are harmless: Linux, Linux with the old memory layout, and asking
/// (personality(2)).
const PERSONALITIES: [u64; 5] = [0x0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// AF_VSOCK talks to the hypervisor, past every network namespace.
const AF_VSOCK: u64 = 40;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The filter for a container with these capabilities (`CAP_..`).
pub fn profile(bounding: &[String]) -> Seccomp {
    let has = |name: &str| bounding.iter().any(|cap| cap.strip_prefix("CAP_") == Some(name));
    let mut rules = vec![allow(&ALLOWED.join(" "), Vec::new())];
    let unlike = arg(0, AF_VSOCK, None, SeccompOperator::NotEqual);
    rules.push(allow("socket", vec![unlike]));
    for persona in PERSONALITIES {
        rules.push(allow("personality", vec![arg(0, persona, None, SeccompOperator::Equal)]));
    }
    rules.extend(own_architecture().map(|names| allow(names, Vec::new())));
    rules
        .extend(WITH.iter().filter(|(cap, _)| has(cap)).map(|(_, names)| allow(names, Vec::new())));
    if !has("SYS_ADMIN") {
        // s390 has the flags of clone(2) in its second argument.
        let index = u32::from(cfg!(target_arch = "s390x"));
        let none = arg(index, NAMESPACE_FLAGS, Some(0), SeccompOperator::MaskedEqual);
        rules.push(allow("clone", vec![none]));
        rules.push(SeccompRule {
            names: vec!["clone3".into()],
            action: SeccompAction::Errno,
            errno_ret: Some(ENOSYS),
            args: Vec::new(),
        });
    }
    Seccomp {
        default_action: SeccompAction::Errno,
        default_errno_ret: Some(EPERM),
        architectures: architectures(),
        flags: Vec::new(),
        listener_path: None,
        listener_metadata: None,
        syscalls: rules,
    }
}

fn allow(names: &str, args: Vec<SeccompArg>) -> SeccompRule {
    SeccompRule {
        names: names.split_ascii_whitespace().map(str::to_owned).collect(),
        action: SeccompAction::Allow,
        errno_ret: None,
        args,
    }
}

fn arg(index: u32, value: u64, value_two: Option<u64>, op: SeccompOperator) -> SeccompArg {
    SeccompArg { index, value, value_two, op }
}

/// Calls that only this architecture has.
fn own_architecture() -> Option<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("arch_prctl modify_ldt"),
        "aarch64" | "arm" => Some(
            "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
        ),
        "powerpc64" => Some("sync_file_range2 swapcontext"),
        "s390x" => Some("s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"),
        "riscv64" => Some("riscv_flush_icache riscv_hwprobe"),
        _ => None,
    }
}

/// This architecture and the older ones whose calls its kernel answers as well.
fn architectures() -> Vec<String> {
    let names: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "aarch64" => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        "riscv64" => &["SCMP_ARCH_RISCV64"],
        "powerpc64" => &["SCMP_ARCH_PPC64LE"],
        "s390x" => &["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
        _ => &[],
    };
    names.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(bounding: &[&str], call: &str) -> bool {
        let bounding: Vec<String> = bounding.iter().map(ToString::to_string).collect();
        profile(&bounding).syscalls.iter().any(|rule| {
            rule.action == SeccompAction::Allow
                && rule.args.is_empty()
                && rule.names.iter().any(|name| name == call)
        })
    }

    #[test]
    fn what_reaches_beyond_the_container_needs_its_capability() {
        for call in
            ["mount", "unshare", "setns", "bpf", "reboot", "init_module", "keyctl", "swapon"]
        {
            assert!(!allows(&[], call), "{call}");
        }
        assert!(allows(&["CAP_SYS_ADMIN"], "mount"));
        assert!(allows(&["CAP_SYS_CHROOT"], "chroot"));
        assert!(allows(&[], "openat") && allows(&[], "execve"));
        assert!(!allows(&["CAP_SYS_ADMIN"], "keyctl"));
    }

    #[test]
    fn no_call_is_named_twice() {
        let mut names: Vec<&str> =
            ALLOWED.iter().flat_map(|names| names.split_whitespace()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
