//! The options of an overlay: what it believes, and what it may leave out.

use crate::Marks;

/// Mount options beside the directories (Documentation/filesystems/overlayfs.rst). `None` leaves
/// the choice to the kernel, whose defaults differ between distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// `user.overlay.*` instead of `trusted.overlay.*` attributes ([`Marks::User`] is
    /// `userxattr`).
    pub marks: Marks,
    /// Whether renaming a directory of a lower layer leaves a pointer to it in the upper one;
    /// without, rename(2) of such a directory is EXDEV.
    pub redirect_dir: Option<bool>,
    /// Whether chmod(2) and the like copy only a file's metadata, and its data with the first
    /// write.
    pub metacopy: Option<bool>,
    /// Whether hard links survive copy-up. Ties the upper directory to these very lower ones:
    /// mounting it above others is then ESTALE.
    pub index: Option<bool>,
    /// Whether inode numbers stay unique and constant when layers are on several file systems.
    pub xino: Option<bool>,
    /// Never sync the upper directory: fast, and worthless after a crash. Leaves
    /// `work/incompat/volatile` behind, which forbids the next mount.
    pub volatile: bool,
}

impl Options {
    /// The kernel's own choice in everything, with these marks.
    pub fn kernel_default(marks: Marks) -> Self {
        Self { marks, redirect_dir: None, metacopy: None, index: None, xino: None, volatile: false }
    }

    /// [`Options::with_marks`], with the marks that this process can set.
    pub fn for_containers() -> Self {
        Self::with_marks(Marks::here())
    }

    /// What Docker's overlay2 counts on: an upper directory that can be read without its overlay
    /// (no redirects, no metacopy) and can be moved (no index).
    ///
    /// With [`Marks::User`] the kernel forbids redirects and metacopy by itself, and does not want
    /// to be told so.
    pub fn with_marks(marks: Marks) -> Self {
        let off = if marks == Marks::Trusted { Some(false) } else { None };
        Self { redirect_dir: off, metacopy: off, index: Some(false), ..Self::kernel_default(marks) }
    }

    /// The options as `(key, value)` for fsconfig(2); a flag has no value.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, Option<&'static str>)> {
        let switches = [
            ("redirect_dir", self.redirect_dir),
            ("metacopy", self.metacopy),
            ("index", self.index),
            ("xino", self.xino),
        ];
        let switched = switches.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let flags = [("userxattr", self.marks == Marks::User), ("volatile", self.volatile)];
        switched
            .map(|(key, on)| (key, Some(if on { "on" } else { "off" })))
            .chain(flags.into_iter().filter(|(_, set)| *set).map(|(key, _)| (key, None)))
            .collect()
    }
}
