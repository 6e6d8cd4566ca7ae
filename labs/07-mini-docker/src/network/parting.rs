//! Parting: what the kernel takes its time for goes on beside us.
//!
//! An interface or a table that is removed is out of everybody's sight at once. But the kernel answers
//! only when no packet can be on its way through it any more: it waits for each CPU to have been
//! elsewhere (RCU, `Documentation/RCU/whatisRCU.rst`), tens of milliseconds. A thread waits for that.
//! A process that ends meanwhile is ended when its thread has come back from the kernel.

use std::{
    fmt,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use ground::{Error, Result};

/// How often it is looked whether something is out of sight.
const LOOK: Duration = Duration::from_micros(500);

/// Something that goes.
pub(super) struct Parting {
    thread: thread::JoinHandle<()>,
    told: Receiver<Result<()>>,
    is_gone: Box<dyn Fn() -> bool + Send>,
}

impl fmt::Debug for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parting").finish_non_exhaustive()
    }
}

impl Parting {
    /// Begins: `part` asks the kernel and says how it went, as soon as it knows; `is_gone` looks
    /// whether it is out of sight before that.
    ///
    /// # Errors
    /// EAGAIN: no thread can be made.
    pub(super) fn begin(
        part: impl FnOnce(&dyn Fn(Result<()>)) + Send + 'static,
        is_gone: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self> {
        let (tell, told) = channel();
        // Nobody listens any more when it was out of sight before.
        let part = move || part(&|done| drop(tell.send(done)));
        let thread = thread::Builder::new().spawn(part).map_err(|error| {
            Error::new("cannot take something out of the network").io("clone3", &error)
        })?;
        Ok(Self { thread, told, is_gone: Box::new(is_gone) })
    }

    /// Waits until nobody finds it any more.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn out_of_sight(&self) -> Result<()> {
        loop {
            match self.told.recv_timeout(LOOK) {
                Ok(done) => return done,
                Err(RecvTimeoutError::Timeout) if !(self.is_gone)() => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// Waits until the kernel has done with it. Who wants to change their own namespaces afterwards
    /// has to: that is for processes of one thread.
    pub(super) fn over(self) {
        let _ = self.thread.join();
    }
}
