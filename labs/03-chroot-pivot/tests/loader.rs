//! What the headers say, compared with what ldd(1) prints: the loader itself is the oracle.
#![allow(clippy::unwrap_used, reason = "a test that cannot prepare itself has failed")]

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rootfs::{
    elf::Object,
    loader::{Cache, libraries},
};

/// The libraries that ldd(1) names; none when it cannot say.
fn ldd(program: &Path) -> Option<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").arg(program).env_clear().output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    if !output.status.success() || text.contains("not found") {
        return None;
    }
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    // ldd prints the loader by its own name, which PT_INTERP gives us separately.
    let paths = paths.map(PathBuf::from).filter(|path| !is_loader(path));
    Some(paths.map(|path| fs::canonicalize(path).unwrap()).collect())
}

fn is_loader(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-"))
}

fn ours(program: &Path) -> Option<BTreeSet<PathBuf>> {
    let program = fs::canonicalize(program).unwrap();
    let object = Object::read(&program).ok()?;
    let found = libraries(&program, object, &Cache::read(Path::new("/etc/ld.so.cache"))).ok()?;
    let paths = found[1..].iter().map(|it| it.path.clone()).filter(|path| !is_loader(path));
    Some(paths.map(|path| fs::canonicalize(path).unwrap()).collect())
}

fn programs() -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir("/usr/bin").unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn the_headers_name_the_libraries_that_ldd_names() {
    if Command::new("ldd").arg("--version").output().is_err() {
        return eprintln!("skipped: no ldd here");
    }
    // Enough for every kind of rpath a distribution has, few enough for a test.
    let limit = std::env::var("LABS_LDD_LIMIT").ok().and_then(|it| it.parse().ok()).unwrap_or(80);
    let mut compared = 0;
    let mut wrong = Vec::new();
    for program in programs() {
        let (Some(expected), true) = (ldd(&program), compared < limit) else { continue };
        let Ok(_) = Object::read(&program) else { continue };
        compared += 1;
        let found = ours(&program);
        if found.as_ref() != Some(&expected) {
            wrong.push(format!("{}: ldd {expected:?}, we {found:?}", program.display()));
        }
    }
    assert!(compared >= 20, "only {compared} programs could be compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_text_file_is_no_object() {
    let error = Object::read(Path::new("/etc/passwd")).unwrap_err();
    assert_eq!(error.to_string(), "it does not begin with \\x7fELF");
}

#[test]
fn a_cut_off_object_is_an_error_at_every_length() {
    let whole = fs::read("/proc/self/exe").unwrap();
    let dir = std::env::temp_dir().join(format!("lab-03-cut-{}", std::process::id()));
    for length in [0, 1, 4, 15, 16, 17, 40, 63, 64, 100, 500, 1000] {
        fs::write(&dir, &whole[..length]).unwrap();
        assert!(Object::read(&dir).is_err(), "cut at {length}");
    }
    fs::remove_file(&dir).unwrap();
}

#[test]
fn a_damaged_object_never_ends_the_reader() {
    let whole = fs::read("/bin/ls").unwrap();
    let path = std::env::temp_dir().join(format!("lab-03-damaged-{}", std::process::id()));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..4 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // The headers are at the front, and what they point to is anywhere.
            let range = if random & 1 == 0 { 1024 } else { bytes.len() as u64 };
            bytes[((random >> 8) % range) as usize] = random as u8;
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(object) = Object::read(&path) {
            let _ = libraries(&path, object, &Cache::default());
        }
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn an_own_path_is_remembered_with_its_links() {
    let walk = rootfs::walk(Path::new("/"), Path::new("/proc/../proc/self/../version")).unwrap();
    // /proc/self is a link to our PID, so ".." leads back to /proc.
    assert_eq!(walk.end, Path::new("/proc/version"));
    assert_eq!(walk.links.len(), 1);
    assert_eq!(walk.links[0].0.as_os_str(), OsStr::new("/proc/self"));
}
