//! For build scripts: links single programs statically.
//!
//! `-C target-feature=+crt-static` would do so for the whole workspace, procedural macros included;
//! Cargo has no such switch for one program. What a build script may add are arguments for the
//! linker, behind those of rustc, which name the C library with `-Bdynamic`. A name means the first
//! library found along `-L`: so a directory goes in front, where each name stands for an archive.
//! A machine that has no such archives gets the dynamic program.
//!
//! Source: ld(1), "-l" and "Implicit Linker Scripts"; the Cargo book, "Build Scripts".

use std::{env, fs, io, path::Path, process::Command};

/// The libraries that rustc names, and the archives that they stand for here.
const LIBRARIES: [(&str, &[&str]); 3] = [
    ("c", &["libc.a", "libgcc_eh.a", "libgcc.a"]),
    ("gcc_s", &["libgcc_eh.a", "libgcc.a", "libc.a"]),
    ("m", &["libm.a", "libc.a"]),
];

/// What the linker is to be told; nothing where this machine cannot link statically.
pub fn arguments() -> io::Result<Vec<String>> {
    let gnu = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    let Some(out) = env::var_os("OUT_DIR").filter(|_| gnu) else { return Ok(Vec::new()) };
    let out = Path::new(&out);
    for (library, archives) in LIBRARIES {
        let found: Option<Vec<String>> = archives.iter().map(|name| archive(name)).collect();
        let Some(found) = found else { return Ok(Vec::new()) };
        let script = format!("GROUP({})\n", found.join(" "));
        fs::write(out.join(format!("lib{library}.a")), script)?;
    }
    // No place is chosen at random for the program: nothing needs to be relocated when it starts.
    Ok(vec![format!("-L{}", out.display()), "-static".into(), "-no-pie".into()])
}

/// Where a runtime begins, if not in the C library: mini-runc's src/main/sys/first.rs.
pub fn runtime_entry() -> Option<&'static str> {
    let written_for = |arch| arch == "x86_64";
    let arch = env::var("CARGO_CFG_TARGET_ARCH");
    arch.is_ok_and(written_for).then_some("-Wl,--entry=mini_runc_begin")
}

/// Where the compiler has this archive; one that it does not have it calls by the bare name.
fn archive(name: &str) -> Option<String> {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or("cc".into());
    let said = Command::new(linker).arg(format!("-print-file-name={name}")).output().ok()?;
    let path = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    Path::new(&path).is_absolute().then_some(path)
}
