//! Run: create and start in one; in the foreground also wait, and delete at the end.

use ground::{Error, Result};
use namespaces::Exit;
use nix::sys::signal::Signal;

use crate::{
    Warn,
    console::{self, Session},
    create::{self, Console, Created, Options},
    delete,
    record::Root,
    signals::Signals,
    start,
};

/// Creates and starts a container, and leaves it.
///
/// # Errors
/// As create and start. Nothing is left then.
pub(crate) fn detached(root: &Root, id: &str, options: Options, warn: Warn<'_>) -> Result<()> {
    let Created { container, mut child, .. } = create::create(root, id, options, warn)?;
    start::start(&container).map_err(|failure| {
        // The error that is reported is the first one.
        let _ = child.kill(Signal::SIGKILL);
        let _ = child.wait();
        let _ = delete::destroy(&container, warn);
        failure.into()
    })
}

/// Creates and starts a container, hands signals on to it, waits for its end, and deletes it unless
/// it is to be kept.
///
/// # Errors
/// As create and start. Nothing is left then.
pub(crate) fn foreground(
    root: &Root,
    id: &str,
    mut options: Options,
    keep: bool,
    warn: Warn<'_>,
) -> Result<Exit> {
    // From before the clone on: a signal that comes early is for the container as well.
    let signals = Signals::block()?;
    let own = match options.console {
        Console::None => {
            let (theirs, ours) = console::pair()?;
            options.console = Console::Own(theirs);
            Some(ours)
        }
        _ => None,
    };
    let Created { container, mut child, terminal } = create::create(root, id, options, warn)?;
    let ended = start::start(&container).map_err(Error::from).and_then(|()| {
        match own.filter(|_| terminal) {
            Some(socket) => Session::accept(socket)?.until_end(&signals, &mut child),
            None => signals.forward_until_end(&mut child),
        }
    });
    if ended.is_err() {
        // Reaped by us: delete only sees a zombie, which still counts as a member of its group.
        child.kill(Signal::SIGKILL)?;
        child.wait()?;
        delete::destroy(&container, warn)?;
    } else if !keep {
        delete::delete(root, id, true, warn)?;
    }
    ended
}
