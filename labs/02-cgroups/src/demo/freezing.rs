//! Freezing: a counter that stands still without knowing it.

use std::{io::BufRead, thread, time::Duration};

use cgroups::{Controller, Group, Site};
use ground::{Errno, Error, Evidence, Result, Scene, Table};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::stage::{self, Stage, Worker, contradiction};
use crate::commands::{freeze, tree};

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
    let mut heard: Vec<u64> = worker.line()?.parse().into_iter().collect();
    let flags = FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
    fcntl(worker.says.get_ref(), flags)
        .map_err(|errno| Error::new("cannot watch the counter").call("fcntl(F_SETFL)", errno))?;
    let mut table = Table::new(["the group", "the counter"]);
    let mut looks = Vec::new();
    for frozen in [false, true, false] {
        if frozen {
            group.freeze()?
        } else {
            group.thaw()?
        }
        let missed = new_numbers(&mut worker)?;
        let before = used(group)?;
        thread::sleep(LOOK);
        let (numbers, used) = (new_numbers(&mut worker)?, used(group)? - before);
        let moves = if numbers.is_empty() { "stands still" } else { "counts" };
        table.push([
            tree::state(group),
            format!("{moves} ({} more in {} ms)", numbers.len(), LOOK.as_millis()),
        ]);
        looks.push(Look { frozen, counts: !numbers.is_empty(), runs: used > 0 });
        heard.extend(missed.into_iter().chain(numbers));
    }
    conclude(&looks, &heard).map(|it| it.table(table))
}

/// What happened between two looks.
#[derive(Debug, PartialEq)]
struct Look {
    frozen: bool,
    counts: bool,
    runs: bool,
}

fn conclude(looks: &[Look], heard: &[u64]) -> Result<Evidence> {
    // A kernel that counts in ticks may miss the little that counting takes.
    let fits = |it: &Look| it.counts != it.frozen && !(it.frozen && it.runs);
    if !looks.iter().all(fits) {
        return Err(contradiction("counting, standing, counting", format!("{looks:?}")));
    }
    if !heard.is_sorted_by(|before, next| before + 1 == *next) {
        return Err(contradiction("every number once, in order", format!("{heard:?}")));
    }
    Ok(Evidence::new(
        "It was not given a moment of CPU time, and lost nothing: the number after the thaw follows \
         the one before.",
    ))
}

fn used(group: &Group) -> Result<u64> {
    let used = group.stat().cpu.usage_us;
    used.ok_or_else(|| contradiction("an account of CPU time", "none"))
}

/// The numbers it said since the last look. It writes each in one piece.
fn new_numbers(worker: &mut Worker) -> Result<Vec<u64>> {
    let mut text = Vec::new();
    loop {
        match worker.says.fill_buf() {
            Ok([]) => break,
            Ok(buffer) => {
                text.extend_from_slice(buffer);
                let read = buffer.len();
                worker.says.consume(read);
            }
            Err(error) if error.raw_os_error() == Some(Errno::EAGAIN as i32) => break,
            Err(error) => return Err(Error::new("cannot watch the counter").io("read", &error)),
        }
    }
    Ok(String::from_utf8_lossy(&text).lines().filter_map(|it| it.parse().ok()).collect())
}
