//! Containers: a directory, a record in it, and one small process that watches while it runs.
//!
//! There is no daemon. What a container is stands in its record; while it runs, its monitor holds
//! the mounts, writes the log and waits for the end. The monitor may be killed at any time: its
//! mounts die with its mount namespace, and the next command sees by the identity in the record
//! that nobody watches any more.
//!
//! | file | what it knows |
//! |---|---|
//! | `state` | where a container may go from where it is (pure) |
//! | `options` | what was asked for (pure) |
//! | `connection` | how it is reached, and reaches others (pure) |
//! | `identity` | whether a process of the record still lives |
//! | `record` | the JSON file, replaced in one step under a lock |
//! | `names` | IDs and names |
//! | `logs` | what the program wrote, line by line |
//! | `restart` | when it is started again, and after how long (pure) |
//! | `health` | what its checks have found (pure) |
//! | `socket` | the place at which its monitor listens |
//! | `frame` | what monitor and client say to each other |
//! | `monitor` | the process that watches |

mod connection;
mod frame;
mod health;
mod identity;
pub mod logs;
pub mod monitor;
mod names;
mod options;
mod record;
mod restart;
pub mod socket;
mod state;

pub use connection::{Connection, ExtraHost};
pub use frame::Frame;
pub use health::{Health, Plan as HealthPlan, Probe, Verdict};
pub use identity::Identity;
pub use names::{Found, NotAdded, add, find, fresh_id, rename};
pub use options::{
    BlockIo, DeviceAccess, DeviceRate, DeviceUse, IpcMode, Limits, LogDriver, LogOptions, Mount,
    NamespaceOptions, Network, Options, Overrides, PidMode, SeccompMode, Security, Source, Ulimit,
};
pub use record::{ImageUse, NOBODY_SAW, Record, State, now};
pub use restart::Restart;
pub use state::Status;
