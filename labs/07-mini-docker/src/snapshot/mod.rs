//! Snapshots: a stack of unpacked layers, and on top of it a directory that a container may write.
//!
//! ```text
//! blobs --unpack--> layers/CHAIN/diff   read only, shared by every container of the image
//!                   containers/ID/upper the container's own: all it wrote, and nothing else
//!                   containers/ID/merged = overlay(upper over diff over diff ..)    (lab 04)
//! upper --diff--> blob                  the way back: `commit`
//! ```
//!
//! A layer is named by its chain ID, because the same archive on another base is another file
//! system. Nothing here knows a registry.
//!
//! | file | what it knows |
//! |---|---|
//! | `unpack` | an archive that may be hostile -> a directory |
//! | `pack` | a directory -> an archive that is the same every time |
//! | `copy` | files into a container and out of it |
//! | `ownership` | owners that could not be set, beside the files |
//! | `layers` | the layers of an image, unpacked side by side while they arrive |
//! | `scratch` | what is not finished, and who may unpack a layer |
//! | `verify` | whether a layer still is what its archive says |
//! | `prepare` | the layers of an image; upper, work and merged of a container |

mod copy;
mod layers;
mod ownership;
mod pack;
mod prepare;
mod scratch;
mod unpack;
mod verify;

pub use copy::{Copied, Copy, Named, Owner, Side, copy, receive, send, sweep_below};
pub use layers::{OnLayer, Stage, ensure_layers};
pub use ownership::{Kept, Mapped, Ownership};
pub use pack::{Packed, explain as explain_pack, export, pack};
pub use prepare::{Snapshot, chain_ids, is_unpacked, layers_here, remove_layer};
pub use unpack::{explain as explain_unpack, unpack};
pub use verify::Unpacked;
