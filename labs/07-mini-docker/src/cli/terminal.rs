//! Terminal: its habits, changed for a while.
//!
//! A terminal shows what is typed, hands it on by the line, and makes signals of some keys. Who wants
//! it otherwise changes that (man 3 termios), and puts it back whatever ends the need.

use std::io;

use ground::{Error, Result};
use mini_docker::sys;
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use oci::runtime::ConsoleSize;

/// How large the terminal is where our output goes, if that is one and knows anything of it.
pub fn size() -> Option<ConsoleSize> {
    let (height, width) = sys::window_size(io::stdout()).ok()?;
    (height != 0 || width != 0).then_some(ConsoleSize { height, width })
}

/// How wide it is.
pub fn columns() -> Option<usize> {
    size().map(|size| size.width.into()).filter(|columns| *columns != 0)
}

/// The terminal on standard input with other habits. Given back on drop.
#[derive(Debug)]
pub struct Changed(Termios);

impl Changed {
    /// Changes them.
    ///
    /// # Errors
    /// Standard input is no terminal.
    pub fn by(change: impl FnOnce(&mut Termios)) -> Result<Self> {
        let failed =
            |errno| Error::new("cannot use the terminal").call("tcsetattr", errno).see("3 termios");
        let before = tcgetattr(io::stdin()).map_err(failed)?;
        let mut wanted = before.clone();
        change(&mut wanted);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &wanted).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        // A terminal that is gone need not be put into order.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}
