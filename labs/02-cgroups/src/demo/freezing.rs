//! Freezing: a counter that stands still without knowing it.

use std::{
    io::BufRead,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use cgroups::{Controller, Group, Site};
use ground::{Errno, Error, Evidence, Result, Scene, Table};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::stage::{self, Stage, Worker, contradiction};
use crate::commands::{freeze, limit::own_program, tree};

const LOOK: Duration = Duration::from_millis(300);

/// A counting process, frozen and thawed.
pub fn a_counter(site: &Site) -> Result<Scene<Stage>> {
    let group = stage::on_paper(site, "count", &[Controller::Freezer])?;
    let calls = [true, false].into_iter().filter_map(|it| freeze::explain(&group, it));
    Ok(Scene::new("Freeze a process that counts, and let it go on", calls, |stage| {
        stage.in_group("count", &[Controller::Freezer], counted)
    }))
}

fn counted(group: &Group) -> Result<Evidence> {
    let mut worker = Worker::start(Some(group), &["count"])?;
    worker.line()?;
    let flags = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
    fcntl(worker.says.get_ref(), flags)
        .map_err(|errno| Error::new("cannot watch the counter").call("fcntl(F_SETFL)", errno))?;
    let guardian = Guardian::of(group)?;
    let mut table = Table::new(["the group", "the counter"]);
    let mut counts = Vec::new();
    for frozen in [false, true, false] {
        if frozen {
            group.freeze()?
        } else {
            group.thaw()?
        }
        new_lines(&mut worker)?;
        thread::sleep(LOOK);
        let more = new_lines(&mut worker)?;
        let moves = if more > 0 { "counts" } else { "stands still" };
        table.push([
            tree::state(group),
            format!("{moves} ({more} more in {} ms)", LOOK.as_millis()),
        ]);
        counts.push(more);
    }
    drop(guardian);
    match counts.as_slice() {
        [before, 0, after] if *before > 0 && *after > 0 => Ok(Evidence::new(
            "It lost nothing and noticed nothing: no signal was sent, it was only not scheduled.",
        )
        .table(table)),
        _ => Err(contradiction("counting, standing, counting", format!("{counts:?}"))),
    }
}

/// Somebody outside who thaws the group if we are killed while it is frozen: on v1 nothing in it
/// could die then. On v2 SIGKILL reaches the frozen too.
struct Guardian(Option<std::process::Child>);

impl Guardian {
    fn of(group: &Group) -> Result<Self> {
        let state = stage::file(group, Controller::Freezer, "freezer.state");
        if !state.exists() {
            return Ok(Self(None));
        }
        let mut command = Command::new(own_program()?);
        let command = command.arg("thaw-at-the-end").arg(state).stdin(Stdio::piped());
        let started = command.spawn().map_err(|error| {
            Error::new("cannot start the guardian of the frozen group").io("clone", &error)
        });
        Ok(Self(Some(started?)))
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Closes its standard input first; then it thaws once more and ends.
            let _ = child.wait();
        }
    }
}

/// How often it counted since the last look.
fn new_lines(worker: &mut Worker) -> Result<usize> {
    let mut lines = 0;
    loop {
        match worker.says.fill_buf() {
            Ok([]) => return Ok(lines),
            Ok(buffer) => {
                lines += buffer.iter().filter(|it| **it == b'\n').count();
                let read = buffer.len();
                worker.says.consume(read);
            }
            Err(error) if error.raw_os_error() == Some(Errno::EAGAIN as i32) => return Ok(lines),
            Err(error) => return Err(Error::new("cannot watch the counter").io("read", &error)),
        }
    }
}
