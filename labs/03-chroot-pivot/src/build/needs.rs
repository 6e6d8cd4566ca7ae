//! What has to be copied so that some programs run.
//!
//! A program needs itself, the loader that its header names, the libraries, every symbolic link on
//! the way to them, and for a script its interpreter. What a header does not tell is not here:
//! files opened by name (locales, terminfo, plug-ins loaded by dlopen(3)).

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use ground::Result;

use super::{
    elf::{Machine, Object},
    loader::{self, Cache, FoundBy, Loaded},
    plan::{BASE, DEFAULT_PATH, Entry, Plan, Program, What},
    refusal::{
        cannot_copy, no_library, no_loader, not_a_program, not_found, unreadable, wrong_machine,
    },
    walk::walk,
};

pub(super) const CACHE: &str = "/etc/ld.so.cache";

/// How many interpreters may interpret interpreters: the kernel gives up after as many.
const MAX_INTERPRETERS: usize = 5;

/// The directories that many distributions made links into /usr.
const MERGED: [&str; 6] = ["/bin", "/lib", "/lib64", "/sbin", "/usr/bin", "/usr/sbin"];

/// Decides what `programs` need. `search_path` is where to look for names, as in PATH. Reads the
/// host's files and writes nothing.
///
/// # Errors
/// A program or library that cannot be found (which, and who wants it), a file that is no program,
/// one for another machine.
pub fn plan(programs: &[Program], search_path: &OsStr) -> Result<Plan> {
    let mut planner = Planner {
        plan: Plan::default(),
        search_path: search_path.to_owned(),
        cache: Cache::read(Path::new(CACHE)),
        own: Machine::of(Path::new("/proc/self/exe")).ok(),
    };
    for path in MERGED.map(Path::new) {
        if fs::symlink_metadata(path).is_ok_and(|it| it.is_symlink()) {
            planner.add(path, "as on the host").map_err(|error| unreadable(path, &error))?;
        }
    }
    for (path, what, why) in BASE {
        planner.put(Path::new(path), what, why);
    }
    for program in programs {
        planner.program(program)?;
    }
    Ok(planner.plan)
}

struct Planner {
    plan: Plan,
    search_path: OsString,
    cache: Cache,
    own: Option<Machine>,
}

impl Planner {
    fn program(&mut self, program: &Program) -> Result<()> {
        match program {
            Program::Named(name) => {
                let path = self.find(name)?;
                self.executable(&path, &path, "asked for", MAX_INTERPRETERS)?;
                self.link_into_path(&path);
                Ok(())
            }
            Program::File { source, at } => {
                self.put(at, What::Copy(source.clone()), "asked for");
                self.needs_of(source, at, MAX_INTERPRETERS)
            }
            Program::Link { name, to } => {
                let path = self.find(to)?;
                self.executable(&path, &path, "asked for", MAX_INTERPRETERS)?;
                self.put(&usr_bin(name), What::Link(path), "asked for");
                Ok(())
            }
        }
    }

    /// Where the program `name` is: in the search path, or where the name itself says.
    fn find(&self, name: &OsStr) -> Result<PathBuf> {
        let is_program = |path: &Path| {
            fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        };
        if name.as_bytes().contains(&b'/') {
            let path = std::path::absolute(name).unwrap_or_else(|_| PathBuf::from(name));
            return is_program(&path).then_some(path).ok_or_else(|| not_found(name, None));
        }
        std::env::split_paths(&self.search_path)
            .filter(|directory| directory.is_absolute() && !name.is_empty())
            .map(|directory| directory.join(name))
            .find(|path| is_program(path))
            .ok_or_else(|| not_found(name, Some(&self.search_path)))
    }

    /// Adds the program at `path` and all it needs.
    fn executable(&mut self, path: &Path, asked: &Path, why: &str, depth: usize) -> Result<()> {
        let end = self.add(path, why).map_err(|error| unreadable(asked, &error))?;
        self.needs_of(&end, &end, depth)
    }

    fn needs_of(&mut self, source: &Path, at: &Path, depth: usize) -> Result<()> {
        match first_line(source).map_err(|error| unreadable(at, &error))? {
            Some(line) => self.interpreters(&line, at, depth),
            None => self.loader_and_libraries(source, at),
        }
    }

    /// What the `#!` line of the script `at` asks for.
    fn interpreters(&mut self, line: &[u8], at: &Path, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(|| {
            cannot_copy(at).why("scripts interpret scripts without end").see("2 execve")
        })?;
        let mut words = line.split(u8::is_ascii_whitespace).filter(|it| !it.is_empty());
        let Some(interpreter) = words.next().map(OsStr::from_bytes) else {
            return Err(cannot_copy(at).why("nothing follows its #!").see("2 execve"));
        };
        let why = format!("runs the script {}", name_of(at));
        let path = self.find(interpreter)?;
        self.executable(&path, at, &why, depth)?;
        if path.file_name() != Some(OsStr::new("env")) {
            return Ok(());
        }
        // env(1) looks its argument up in PATH: the interpreter proper.
        match words.find(|word| !word.starts_with(b"-") && !word.contains(&b'=')) {
            Some(name) => {
                let path = self.find(OsStr::from_bytes(name))?;
                self.executable(&path, at, &why, depth)?;
                self.link_into_path(&path);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn loader_and_libraries(&mut self, source: &Path, at: &Path) -> Result<()> {
        let object = Object::read(source).map_err(|error| not_a_program(at, &error))?;
        if let Some(own) = self.own.filter(|own| !own.runs(object.machine)) {
            return Err(wrong_machine(at, object.machine, own));
        }
        if let Some(interpreter) = object.interpreter.clone() {
            let why = format!("the loader that {} names (PT_INTERP)", name_of(at));
            self.add(&interpreter, &why).map_err(|error| no_loader(at, &interpreter, &error))?;
        }
        let defaults = loader::default_directories(&object);
        let loaded = loader::libraries(at, object, &self.cache).map_err(|it| no_library(&it))?;
        for library in &loaded[1..] {
            self.library(library, &loaded, &defaults)?;
        }
        Ok(())
    }

    fn library(&mut self, library: &Loaded, loaded: &[Loaded], defaults: &[PathBuf]) -> Result<()> {
        let wanting = library.wanted_by.and_then(|index| loaded.get(index));
        let wanting = wanting.map_or_else(String::new, |it| name_of(&it.path));
        let path = &library.path;
        self.add(path, &format!("needed by {wanting}")).map_err(|it| unreadable(path, &it))?;
        let known = path.parent().is_some_and(|it| defaults.iter().any(|known| known == it));
        if library.found_by == FoundBy::Cache && !known {
            // Inside, the loader would not look there by itself.
            let why = format!("tells the loader where {} is", name_of(path));
            self.add(Path::new(CACHE), &why).map_err(|it| unreadable(path, &it))?;
        }
        Ok(())
    }

    /// A program that the fixed PATH inside would not find gets a link where it does.
    fn link_into_path(&mut self, path: &Path) {
        let directories = DEFAULT_PATH.split(':').map(Path::new);
        let found = path.parent().is_some_and(|it| directories.into_iter().any(|d| d == it));
        if let (false, Some(name)) = (found, path.file_name()) {
            self.put(&usr_bin(name), What::Link(path.to_owned()), "PATH inside does not go there");
        }
    }

    /// Adds the file or directory at `path` with every link on the way; returns where it ends.
    fn add(&mut self, path: &Path, why: &str) -> io::Result<PathBuf> {
        let walk = walk(Path::new("/"), path)?;
        for (at, target) in walk.links {
            let lead = format!("on the way to {}", path.display());
            let why = if at == path { why } else { &lead };
            self.put(&at, What::Link(target), why);
        }
        let what = match fs::metadata(&walk.end)?.is_dir() {
            true => What::Directory(0o755),
            false => What::Copy(walk.end.clone()),
        };
        self.put(&walk.end, what, why);
        Ok(walk.end)
    }

    /// Puts an entry, and the directories above it, unless something is there already: what was
    /// asked for first stays.
    fn put(&mut self, path: &Path, what: What, why: &str) {
        for parent in path.ancestors().skip(1).filter(|it| it.parent().is_some()) {
            let above = Entry { what: What::Directory(0o755), why: "on the way".to_owned() };
            self.plan.entries.entry(parent.to_owned()).or_insert(above);
        }
        let entry = Entry { what, why: why.to_owned() };
        self.plan.entries.entry(path.to_owned()).or_insert(entry);
    }
}

fn usr_bin(name: &OsStr) -> PathBuf {
    let usr_bin = walk(Path::new("/"), Path::new("/usr/bin"));
    usr_bin.map_or_else(|_| PathBuf::from("/usr/bin"), |walk| walk.end).join(name)
}

/// What follows `#!` in a script; none for other files. The kernel reads 256 bytes (man 2 execve).
pub(crate) fn first_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut start = Vec::new();
    File::open(path)?.take(256).read_to_end(&mut start)?;
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(line.strip_prefix(b"#!").map(<[u8]>::to_vec))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
