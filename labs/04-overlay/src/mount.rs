//! The mount: a stack of directories becomes one.
//!
//! Where a name is in several layers the topmost wins, and directories are merged. Only the upper
//! directory is ever written. The kernel takes the whole stack as one line of text, and cuts that
//! line after one page without a word; so we count, and then shorten the names (chdir(2) to the
//! directory they share) or give the layers one by one (fsconfig(2), Linux 6.7+). See mount(8),
//! Documentation/filesystems/overlayfs.rst.

use std::{
    ffi::{CStr, CString, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use ground::{Errno, Error, Explanation, Result, Step};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::{SysconfVar, chdir, fchdir, sysconf},
};
use rootfs::{FileSystem, Mount, MsFlags, c_path};

use crate::{Options, advice};

/// The most lower layers that the kernel takes (OVL_MAX_STACK in fs/overlayfs).
pub const MAX_LOWER: usize = 500;

/// An overlay file system, not mounted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The layers that are only read, topmost first, as in `lowerdir=A:B`.
    pub lower: Vec<PathBuf>,
    /// Where changes go; without it the overlay is read-only.
    pub upper: Option<Upper>,
    /// Everything else.
    pub options: Options,
}

/// The layer that is written, and the kernel's bench beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upper {
    /// `upperdir`: holds every change after the overlay is gone.
    pub dir: PathBuf,
    /// `workdir`: an empty directory on the same mount, where the kernel prepares what it then
    /// renames into `dir`. Its content is nobody's business.
    pub work: PathBuf,
}

impl Overlay {
    /// Checks what the kernel would only answer with EINVAL, and mounts on `target`.
    ///
    /// Not idempotent: a second call stacks a second mount. Ends with umount2(2) or with the last
    /// process of the mount namespace.
    ///
    /// # Errors
    /// As [`Overlay::check`] and [`Overlay::step`]; then every errno of mount(2), with its advice.
    pub fn mount(&self, target: &Path) -> Result<()> {
        self.check(target)?;
        let step = self.step(target)?;
        step.run().map_err(|errno| step.failed(errno))
    }

    /// The mount on `target` as a step, prepared but not checked. Paths must lead there in the
    /// process, and from the working directory, that runs the step.
    ///
    /// # Errors
    /// A path with a NUL byte; a stack that the kernel cannot be told at all.
    pub fn step(&self, target: &Path) -> Result<MountOverlay> {
        let text = self.text(&self.lower);
        if text.len() < page_size() {
            return Ok(MountOverlay::Text { store: None, mount: mount(target, text, self.why())? });
        }
        // From here on the working directory changes under a relative name, or names are long.
        let target = absolute(target)?;
        match self.relative_to_store(&target)? {
            Some(step) => Ok(step),
            None => self.one_by_one(&target),
        }
    }

    // ANCHOR: text
    /// The line of options, with `:`, `,` and `\` in names escaped.
    fn text(&self, lower: &[PathBuf]) -> Vec<u8> {
        let lower: Vec<_> = lower.iter().map(|path| escaped(path)).collect();
        let mut fields = vec![[b"lowerdir=".as_slice(), &lower.join(&b':')].concat()];
        if let Some(Upper { dir, work }) = &self.upper {
            fields.push([b"upperdir=".as_slice(), &escaped(dir)].concat());
            fields.push([b"workdir=".as_slice(), &escaped(work)].concat());
        }
        fields.extend(self.options.parameters().into_iter().map(|(key, value)| match value {
            Some(value) => format!("{key}={value}").into_bytes(),
            None => key.into(),
        }));
        fields.join(&b',')
    }
    // ANCHOR_END: text

    /// Short names, relative to the directory that all layers are in.
    fn relative_to_store(&self, target: &Path) -> Result<Option<MountOverlay>> {
        let lower: Vec<_> = self.lower.iter().map(|path| absolute(path)).collect::<Result<_>>()?;
        let Some(store) = shared_parent(&lower) else { return Ok(None) };
        let short: Vec<_> =
            lower.iter().flat_map(|path| path.strip_prefix(&store)).map(Path::to_owned).collect();
        let text = Self { upper: self.absolute_upper()?, ..self.clone() }.text(&short);
        if text.len() >= page_size() {
            return Ok(None);
        }
        let mount =
            mount(target, text, "mount(2) takes one page of options and cuts off the rest")?;
        Ok(Some(MountOverlay::Text { store: Some(c_path(store)?), mount }))
    }

    fn absolute_upper(&self) -> Result<Option<Upper>> {
        let Some(Upper { dir, work }) = &self.upper else { return Ok(None) };
        Ok(Some(Upper { dir: absolute(dir)?, work: absolute(work)? }))
    }

    /// One fsconfig(2) a layer, the topmost first.
    fn one_by_one(&self, target: &Path) -> Result<MountOverlay> {
        let mut file_system = FileSystem::new(c"overlay");
        for path in &self.lower {
            file_system = with_path(file_system, c"lowerdir+", path)?;
        }
        if let Some(Upper { dir, work }) = &self.upper {
            // Unlike `lowerdir+`, these two are unescaped by the kernel here as well.
            for (key, path) in [(c"upperdir", dir), (c"workdir", work)] {
                let escaped = OsString::from_vec(escaped(&absolute(path)?));
                file_system = with_path(file_system, key, Path::new(&escaped))?;
            }
        }
        for (key, value) in self.options.parameters() {
            file_system = file_system.parameter(c_path(key)?, value.map(c_path).transpose()?);
        }
        let target = c_path(target)?;
        Ok(MountOverlay::OneByOne { target, file_system, layers: self.lower.len() })
    }

    fn why(&self) -> &'static str {
        match self.upper {
            Some(_) => {
                "the stack becomes one directory: the first lower layer is the topmost of them, and \
                 every change goes to the upper one"
            }
            None => {
                "the stack becomes one directory: the first layer is the topmost; without an upper \
                 one nothing can be written"
            }
        }
    }
}

/// The mount of an overlay, prepared.
#[derive(Debug)]
pub enum MountOverlay {
    /// One mount(2) with all options in one line; names are relative to `store` if given, and the
    /// working directory is the old one again afterwards.
    Text {
        /// The directory to go to for the call.
        store: Option<CString>,
        /// The call.
        mount: Mount,
    },
    /// fsopen(2), and one fsconfig(2) a parameter.
    OneByOne {
        /// Where it is mounted.
        target: CString,
        /// The file system, with a parameter a layer.
        file_system: FileSystem,
        /// How many of them are lower layers.
        layers: usize,
    },
}

impl Step for MountOverlay {
    fn run(&self) -> std::result::Result<(), Errno> {
        match self {
            Self::Text { store: None, mount } => mount.run(),
            Self::Text { store: Some(store), mount } => {
                let here = open(c".", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
                chdir(store.as_c_str())?;
                let mounted = mount.run();
                fchdir(here)?;
                mounted
            }
            Self::OneByOne { target, file_system, .. } => {
                let place = OFlag::O_PATH | OFlag::O_CLOEXEC;
                let target = open(target.as_c_str(), place, Mode::empty())?;
                file_system.mount()?.attach(target)
            }
        }
    }

    fn explain(&self) -> Explanation {
        match self {
            Self::Text { store, mount } => {
                let Explanation { call, why, man } = mount.explain();
                let call = without_middle(&call);
                let call = match store {
                    Some(store) => format!("chdir({:?}), {call}", store.to_string_lossy()),
                    None => call,
                };
                Explanation { call, why, man }
            }
            Self::OneByOne { target, layers, .. } => Explanation::new(
                format!(
                    "fsopen(\"overlay\"), fsconfig(.., \"lowerdir+\", ..) x {layers}, fsmount(..), \
                     move_mount(.., {:?})",
                    target.to_string_lossy()
                ),
                "the stack is too long for the one page of options that mount(2) takes",
                "2 fsconfig",
            ),
        }
    }

    fn fix(&self, errno: Errno) -> Option<&'static str> {
        advice::mount(errno)
    }

    fn failed(&self, errno: Errno) -> Error {
        let Explanation { call, man, .. } = self.explain();
        let error = Error::new("cannot mount the overlay").call(&call, errno).see(man);
        match self.fix(errno) {
            Some(fix) => error.fix(fix),
            None => error,
        }
    }
}

fn mount(target: &Path, text: Vec<u8>, why: &'static str) -> Result<Mount> {
    let text = c_path(OsString::from_vec(text))?;
    let target = c_path(target)?;
    Ok(Mount::filesystem(c"overlay", c"overlay", target, MsFlags::empty(), text).why(why))
}

/// `\`, `:` and `,` mean something to the kernel; a backslash takes that away.
fn escaped(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    let mut escaped = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if matches!(byte, b'\\' | b':' | b',') {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

fn shared_parent(paths: &[PathBuf]) -> Option<PathBuf> {
    let mut shared = paths.first()?.parent()?.to_owned();
    for path in paths {
        while !path.parent()?.starts_with(&shared) {
            shared.pop();
        }
    }
    Some(shared)
}

fn page_size() -> usize {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(4096)
}

fn with_path(file_system: FileSystem, key: &CStr, path: &Path) -> Result<FileSystem> {
    const MAX: usize = FileSystem::VALUE_MAX;
    let path = absolute(path)?;
    if path.as_os_str().len() > MAX {
        return Err(Error::new("the stack of layers is too long for the kernel")
            .why(format!(
                "mount(2) takes {} bytes of options, and fsconfig(2) {MAX} bytes a layer: {}",
                page_size() - 1,
                path.display()
            ))
            .see("2 fsconfig")
            .fix("keep the layers in one directory, under short names"));
    }
    Ok(file_system.parameter(key, Some(c_path(path)?)))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::new("cannot find the working directory").io("getcwd", &error))
}

/// Both ends of a long call.
fn without_middle(call: &str) -> String {
    const END: usize = 90;
    let head = call.char_indices().nth(END).map(|(at, _)| at);
    let tail = call.char_indices().rev().nth(END).map(|(at, _)| at);
    match (head, tail) {
        (Some(head), Some(tail)) if tail > head + END => {
            format!("{} .. {}", &call[..head], &call[tail..])
        }
        _ => call.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Marks;

    fn overlay(lower: &[&str]) -> Overlay {
        Overlay {
            lower: lower.iter().map(PathBuf::from).collect(),
            upper: None,
            options: Options::kernel_default(Marks::Trusted),
        }
    }

    #[track_caller]
    fn check(overlay: &Overlay, expected: &str) {
        assert_eq!(String::from_utf8(overlay.text(&overlay.lower)).unwrap(), expected);
    }

    #[test]
    fn the_text_is_what_mount_8_shows() {
        let mut stack = overlay(&["/a", "/b"]);
        check(&stack, "lowerdir=/a:/b");
        stack.upper = Some(Upper { dir: "/c".into(), work: "/w".into() });
        check(&stack, "lowerdir=/a:/b,upperdir=/c,workdir=/w");
        stack.options.index = Some(false);
        stack.options.marks = Marks::User;
        stack.options.volatile = true;
        check(&stack, "lowerdir=/a:/b,upperdir=/c,workdir=/w,index=off,userxattr,volatile");
    }

    #[test]
    fn names_with_a_meaning_are_escaped() {
        check(&overlay(&["/a:b", "/c,d", r"/e\f"]), r"lowerdir=/a\:b:/c\,d:/e\\f");
    }

    #[test]
    fn a_long_stack_is_named_from_its_store() {
        let names: Vec<String> = (0..200).map(|n| format!("/var/lib/layers/{n:030}")).collect();
        let stack = overlay(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let step = stack.step(Path::new("m")).unwrap();
        assert!(matches!(step, MountOverlay::OneByOne { layers: 200, .. }));
        let names: Vec<String> = (0..500).map(|n| format!("/var/lib/layers/{n}")).collect();
        let stack = overlay(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let step = stack.step(Path::new("m")).unwrap();
        let MountOverlay::Text { store: Some(store), mount } = &step else { panic!("{step:?}") };
        assert_eq!(store.to_str(), Ok("/var/lib/layers"));
        assert!(mount.target().to_bytes().starts_with(b"/"));
        let call = step.explain().call;
        assert!(call.contains("\"lowerdir=0:1:2:") && call.ends_with(":498:499\")"), "{call}");
        assert!(call.len() < 300, "{call}");
    }

    #[test]
    fn a_stack_that_cannot_be_told_is_an_error() {
        let names: Vec<String> = (0..20).map(|n| format!("/{}/{n}", "x/".repeat(150))).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.push("/elsewhere");
        let error = overlay(&names).step(Path::new("/m")).unwrap_err();
        assert_eq!(error.what, "the stack of layers is too long for the kernel");
    }
}
