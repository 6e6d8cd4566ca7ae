//! Overlay: a stack of directories looks like one, and only the topmost is ever written.
//!
//! That is all there is to images and containers on disk: an image is a stack of directories that
//! are only read, shared by everyone; a container adds one empty directory on top. overlayfs in
//! the kernel shows the stack as one tree, copies a file up when it is first written, and keeps
//! deletions as marks (Documentation/filesystems/overlayfs.rst, mount(8)).
//!
//! | file | what it is |
//! |---|---|
//! | [`Overlay`] | the mount: layers and options as text, checked and made |
//! | [`Options`], [`Marks`] | what the overlay may leave out, and where it keeps its marks |
//! | [`whiteout`] | "gone" and "nothing from below": in the kernel and in an image layer |
//! | [`diff()`] | what an upper directory changed, from the directories alone |
//! | [`Stack`], [`layers`] | a stack read back from the mount table |

mod advice;
mod alone;
mod check;
mod diff;
pub mod layers;
mod merged;
mod mount;
mod options;
pub mod whiteout;

pub use alone::diff_alone;
pub use diff::{Change, ChangeKind, diff};
pub use layers::Stack;
pub use mount::{MAX_LOWER, MountOverlay, Overlay, Upper};
pub use options::Options;
pub use whiteout::Marks;
