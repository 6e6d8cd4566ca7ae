//! Masked and read-only paths: the parts of /proc and /sys that show or change the host.
//!
//! Source: runtime specification, config-linux.md, "Masked Paths", "Readonly Paths".

use ground::Result;
use rootfs::{FileSystem, c_path};
use volumes::{Cover, Inside, MaskInside, ReadOnlyInside};

use super::{Context, Steps};

/// # Errors
/// A path with a NUL byte.
pub(super) fn steps(context: &Context<'_>, steps: &mut Steps) -> Result<()> {
    for path in &context.linux.readonly_paths {
        steps.add("lab-06", ReadOnlyInside::new(Inside::here(path)?));
    }
    let mut empty = FileSystem::new(c"tmpfs");
    if let Some(label) = context.linux.mount_label.as_deref().filter(|it| !it.is_empty()) {
        empty = empty.parameter(c"context", Some(c_path(label)?));
    }
    let cover = Cover::new(empty);
    for path in &context.linux.masked_paths {
        steps.add("lab-06", MaskInside::new(Inside::here(path)?, &cover));
    }
    Ok(())
}
