//! Volumes: a bind mount shows one directory in two places, and that is all a volume is.
//!
//! Not a copy and not a link: the mount table says "when a path gets here, go on there" (mount(2),
//! MS_BIND). So both paths lead to the same inode, what is below is covered and comes back on
//! umount(2), read-only belongs to the mount and not to the files, and who else sees the mount is
//! a question of propagation (mount_namespaces(7)).
//!
//! | file | what it is |
//! |---|---|
//! | [`Spec`] | `SRC:DST[:ro]`, parsed once, at the door |
//! | [`Bind`], [`SetReadOnly`] | a directory in two places; read-only is a second call |
//! | [`Inside`] | a path below a root that strangers have written |
//! | [`MountInside`] | any mount at such a path: made, changed and attached by descriptor |
//! | [`volume`] | a volume, which is one of those |
//! | [`MaskInside`], [`ReadOnlyInside`] | what is hidden, and what can no longer be written |
//! | [`NodeInside`], [`LinkInside`], [`DirectoryInside`] | files at such paths |
//! | [`fill()`] | a new volume begins with what the image has at its place |
//! | [`Detached`] | a copy of a mount: how a running container gets a volume |
//! | [`table`] | what the kernel says is mounted, and with whom it is shared |

mod bind;
mod copy_up;
mod cover;
mod detached;
mod fill;
mod inode_inside;
mod inside;
mod make;
mod mount_inside;
mod resolve;
mod spec;
mod sys;
pub mod table;
mod volume;

pub use bind::{Bind, RemountReadOnly, SetReadOnly};
pub use cover::{Cover, MaskInside, ReadOnlyInside};
pub use detached::{Attach, Detached};
pub use fill::{fill, fill_explained};
pub use inode_inside::{DirectoryInside, LinkInside, NodeInside};
pub use inside::Inside;
pub use make::Wanted;
pub use mount_inside::{ChangeInside, Judge, MountInside, Taken, What};
pub use spec::{Access, Source, Spec};
pub use volume::{volume, volume_explained};
