//! A new file system, by fsopen(2): one call a parameter, and a mount that is nowhere yet.
//!
//! mount(2) takes all parameters as one line of text, cut off after a page. Here each is a call of
//! its own, so that a value may hold a comma and the one that is refused is known. See fsopen(2),
//! fsconfig(2), fsmount(2), since Linux 5.2.

use std::{
    ffi::{CStr, CString},
    os::fd::AsFd,
};

use ground::Errno;

use crate::{Tree, attributes::attribute_names, sys};

/// A file system to be made.
#[derive(Debug, Clone)]
pub struct FileSystem {
    fstype: CString,
    parameters: Vec<(CString, Option<CString>)>,
    attributes: u64,
}

impl FileSystem {
    /// fsconfig(2) takes no longer string.
    pub const VALUE_MAX: usize = 255;

    /// One of this type, as in /proc/filesystems.
    pub fn new(fstype: impl Into<CString>) -> Self {
        Self { fstype: fstype.into(), parameters: Vec::new(), attributes: 0 }
    }

    /// With a parameter: a string, or a flag without one.
    pub fn parameter(mut self, key: impl Into<CString>, value: Option<CString>) -> Self {
        self.parameters.push((key.into(), value));
        self
    }

    /// Mounted with these MOUNT_ATTR_*.
    pub fn attributes(self, attributes: u64) -> Self {
        Self { attributes, ..self }
    }

    /// Makes it and mounts it nowhere.
    ///
    /// # Errors
    /// ENODEV for a type that the kernel does not have, EINVAL for a parameter that it does not
    /// know; else as mount(2).
    pub fn mount(&self) -> Result<Tree, Errno> {
        self.mount_with(None)
    }

    /// The same with one parameter that is only known now.
    ///
    /// # Errors
    /// As [`FileSystem::mount`].
    pub fn mount_with(&self, late: Option<(&CStr, &CStr)>) -> Result<Tree, Errno> {
        let context = sys::fsopen(&self.fstype)?;
        if let Some((key, value)) = late {
            sys::fsconfig(context.as_fd(), key, Some(value))?;
        }
        for (key, value) in &self.parameters {
            sys::fsconfig(context.as_fd(), key, value.as_deref())?;
        }
        sys::fsconfig_create(context.as_fd())?;
        sys::fsmount(context.as_fd(), self.attributes).map(Tree)
    }

    /// Its type.
    pub fn fstype(&self) -> &CStr {
        &self.fstype
    }
}

/// `fsopen("tmpfs"); fsconfig(mode=755); fsmount(MOUNT_ATTR_NOSUID)`
impl std::fmt::Display for FileSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fsopen({:?}); ", self.fstype.to_string_lossy())?;
        // A source that says no more than the type does is left out.
        let said = |key: &CStr, value: &Option<CString>| {
            key != c"source" || value.as_deref() != Some(self.fstype.as_c_str())
        };
        let shown = self.parameters.iter().filter(|(key, value)| said(key, value));
        let words: Vec<_> = shown
            .map(|(key, value)| match value {
                Some(value) => format!("{}={}", key.to_string_lossy(), value.to_string_lossy()),
                None => key.to_string_lossy().into_owned(),
            })
            .collect();
        if !words.is_empty() {
            write!(f, "fsconfig({}); ", words.join(", "))?;
        }
        write!(f, "fsmount({})", attribute_names(self.attributes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_reads_as_the_calls_it_takes() {
        let shm = FileSystem::new(c"tmpfs")
            .parameter(c"source", Some(c"shm".to_owned()))
            .parameter(c"mode", Some(c"1777".to_owned()))
            .attributes(libc::MOUNT_ATTR_NOSUID);
        assert_eq!(
            shm.to_string(),
            "fsopen(\"tmpfs\"); fsconfig(source=shm, mode=1777); fsmount(MOUNT_ATTR_NOSUID)"
        );
    }
}
