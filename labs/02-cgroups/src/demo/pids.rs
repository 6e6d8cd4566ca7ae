//! Tasks: a fork bomb that only hurts itself.

use cgroups::{Bound, Controller, Group, Limits, Site};
use ground::{Errno, Evidence, Result, Scene, Table};
use namespaces::Exit;

use super::stage::{self, Stage, Worker, contradiction};

const LIMIT: u64 = 8;
const TRIES: u64 = 20;

fn limits() -> Limits {
    Limits { pids: Some(Bound::At(LIMIT)), ..Limits::default() }
}

/// 20 forks, 8 tasks.
pub fn fork_bomb(site: &Site) -> Result<Scene<Stage>> {
    let calls = stage::set(site, "bomb", &limits())?;
    Ok(Scene::new("A small fork bomb in a group of at most 8 tasks", calls, |stage| {
        stage.in_group("bomb", &[Controller::Pids], bounded)
    }))
}

fn bounded(group: &Group) -> Result<Evidence> {
    group.apply(&limits())?;
    let mut worker = Worker::start(Some(group), &["fork-bomb", &TRIES.to_string()])?;
    let [born, refused, errno] = worker.numbers()?;
    // While the bomb is at its limit.
    let outside = Worker::start(None, &["idle", "0"])?.child.wait()?;
    let pids = group.stat().pids;
    worker.child.wait()?;
    let errno = Errno::from_raw(i32::try_from(errno).unwrap_or_default());
    let table = Table::new(["tried", "born", "refused", "errno", "pids.max", "pids.events"]).row([
        TRIES.to_string(),
        born.to_string(),
        refused.to_string(),
        format!("{errno:?}"),
        pids.limit.map_or("-".to_owned(), |it| it.to_string()),
        pids.refused.map_or("-".to_owned(), |it| format!("max {it}")),
    ]);
    let counted = pids.refused.is_none_or(|it| it == refused);
    if born + 1 != LIMIT || errno != Errno::EAGAIN || !counted || outside != Exit::Code(0) {
        let seen = format!("{born} and {errno:?}, {:?} counted, {outside:?}", pids.refused);
        return Err(contradiction("7 children, EAGAIN, and a fork outside that works", seen));
    }
    Ok(Evidence::new(format!(
        "The bomb itself and its {born} children fill the group; every further fork(2) is refused \
         with EAGAIN. A process outside was started at the same moment without trouble."
    ))
    .table(table))
}
