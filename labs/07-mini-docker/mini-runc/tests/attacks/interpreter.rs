//! A program whose interpreter is /proc/self/exe: the kernel loads the *runtime's* file beside it.
//!
//! The other way to CVE-2019-5736. execve(2) looks the interpreter up while /proc/self/exe still leads
//! to whoever calls it. The runtime is then mapped in a process whose program is the image's, so that
//! nothing keeps it from being written any more: no ETXTBSY, nothing to wait for.

use std::{
    fs::{self, File},
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
    process::Command,
};

use nix::{errno::Errno, unistd::Pid};
use testbed::needs;

use super::{
    Stage,
    exe::copy,
    stage,
    tracer::{self, Then},
};

/// An ELF file of x86-64 that consists of its headers and the name of its interpreter (man 5 elf).
fn asks_for(interpreter: &str) -> Vec<u8> {
    const HEADER: usize = 64;
    const PROGRAM_HEADER: usize = 56;
    let name = HEADER + 2 * PROGRAM_HEADER;
    let length = interpreter.len() + 1;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |number: u16| number.to_le_bytes().to_vec();
    let word = |number: u32| number.to_le_bytes().to_vec();
    let long = |number: usize| (number as u64).to_le_bytes().to_vec();
    // ET_DYN, EM_X86_64, EV_CURRENT; no entry of its own, two program headers and no section.
    file.extend([half(3), half(62), word(1), long(0), long(HEADER), long(0), word(0)].concat());
    file.extend([HEADER as u16, PROGRAM_HEADER as u16, 2, 0, 0, 0].map(half).concat());
    // PT_INTERP is the name; PT_LOAD is the whole file, readable.
    for (kind, offset, size, align) in [(3, name, length, 1), (1, 0, name + length, 4096)] {
        let places = [offset, offset, offset, size, size, align].map(long).concat();
        file.extend([word(kind), word(4), places].concat());
    }
    file.extend(interpreter.bytes().chain([0]));
    file
}

/// The file, held open through the memory of a process that has it mapped and is another program
/// itself; `None` when it has not.
fn hold(pid: Pid, file: &Path) -> Option<File> {
    let inode = fs::metadata(file).unwrap().ino();
    let exe = fs::metadata(format!("/proc/{pid}/exe")).ok()?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let of_file = |line: &&str| line.split_whitespace().nth(4) == Some(&inode.to_string());
    // Here an address has its leading zeros, there it has none.
    let (begin, end) = maps.lines().find(of_file)?.split_whitespace().next()?.split_once('-')?;
    let area = [begin, end].map(|it| it.trim_start_matches('0')).join("-");
    let another = exe.ino() != inode;
    another.then(|| File::open(format!("/proc/{pid}/map_files/{area}")).unwrap())
}

/// Puts the program into the image.
fn furnish(stage: &Stage) {
    let program = stage.bundle().join("rootfs/program");
    fs::write(&program, asks_for("/proc/self/exe")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What somebody with all powers gets who holds this file while the command runs, and opens what he
/// holds for writing when nobody runs it any more.
fn answers(command: &Command, file: &Path) -> Vec<Result<(), Errno>> {
    let mut held = Vec::new();
    tracer::trace(command, None, &mut |call| {
        held.extend(hold(call.pid, file));
        Then::Go
    });
    let again = |file: &File| {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let opened = fs::OpenOptions::new().write(true).open(path);
        opened.map(drop).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))
    };
    held.iter().map(again).collect()
}

#[test]
fn nobody_overwrites_the_runtime_as_an_interpreter() {
    needs!(Root, Program("busybox"), Program("unshare"));
    let stage = stage();
    furnish(&stage);
    let rootfs = stage.bundle().join("rootfs");
    let naive = copy(&stage, "/bin/busybox");
    let mut enters = Command::new("env");
    enters.arg("-C").arg(&rootfs).args(["unshare", "-m", "sh", "-c"]);
    enters.arg("mount -t proc proc proc && exec \"$0\" chroot . /program").arg(&naive);
    let naive = answers(&enters, &naive);
    assert!(naive.contains(&Ok(())), "the attack must be able to succeed: {naive:?}");

    // A copy, which no other test runs: a file that is run is not written either.
    let runtime = copy(&stage, stage.runtime.name());
    let command = |args: &[&str]| {
        let mut command = Command::new(&runtime);
        command.arg("--root").arg(stage.state_root()).args(args);
        command
    };
    stage.configure(|_| {});
    stage.create().ok();
    stage.on("start", &[]).ok();
    let joined = answers(&command(&["exec", &stage.id, "/program"]), &runtime);
    stage.on("delete", &["--force"]).ok();
    stage.configure(|config| config["process"]["args"] = serde_json::json!(["/program"]));
    let bundle = stage.bundle();
    let run = ["run", "-b", bundle.to_str().unwrap(), &stage.id];
    let made = answers(&command(&run), &runtime);
    for (how, answers) in [("exec", joined), ("run", made)] {
        assert!(!answers.is_empty(), "{how}: it was never an interpreter");
        assert!(answers.iter().all(|it| *it == Err(Errno::EROFS)), "{how}: {answers:?}");
        println!("the runtime as an interpreter, {how}: read-only at {} moments", answers.len());
    }
}
