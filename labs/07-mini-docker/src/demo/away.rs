//! Scene 11: nothing is left.

use std::fs;

use cgroups::{Group, Site};
use ground::{Evidence, Explanation, Outcome, Result, Scene, Table};
use mini_docker::engine::Stop;
use nix::unistd::Pid;

use super::{
    expect,
    look::{count, entries},
    stage::Stage,
};

pub fn scenes() -> Vec<Scene<Stage>> {
    vec![Scene::new(
        "Everything is stopped and removed, and nothing is left behind.",
        [
            Explanation::new(
                "kill(PID, SIGTERM), waitid(P_PIDFD, ..)",
                "the program gets a chance; ten seconds later it would get SIGKILL",
                "2 waitid",
            ),
            Explanation::new(
                "unlinkat(\"containers/ID\", ..)",
                "the upper directory was all the container had; the image stays as it was",
                "2 unlinkat",
            ),
        ],
        away,
    )]
}

fn away(stage: &mut Stage) -> Result<Outcome> {
    let layout = stage.engine.layout().clone();
    let mut table = Table::new(["what is there", "before", "after"]);
    let before = look(stage)?;
    let record = stage.engine.container(&Stage::made(&stage.container)?.id)?;
    stage.engine.stop(&record, &Stop::default())?;
    let record = stage.engine.container(&record.id)?;
    let code = record.state.exit_code;
    stage.engine.rm(&record, true)?;
    for tag in ["2", "1"] {
        stage.engine.rmi(&stage.reference(tag)?.familiar(), false)?;
    }
    stage.stop_registry();
    let after = look(stage)?;
    for ((what, before), (_, after)) in before.into_iter().zip(&after) {
        table.push([what.to_owned(), before.to_string(), after.to_string()]);
    }
    expect(after.iter().all(|(_, count)| *count == 0), "nothing is left")?;
    expect(entries(&layout.containers()) == 0, "no container's directory is left")?;
    let follows = format!(
        "The program heard SIGTERM and exited with {code}. What is left of the demonstration is a \
         tmpfs, and that goes with this process."
    );
    Ok(Evidence::new(follows).table(table).into())
}

/// What there is to be counted.
fn look(stage: &Stage) -> Result<Vec<(&'static str, usize)>> {
    let layout = stage.engine.layout();
    Ok(vec![
        ("processes of ours", processes(stage)),
        ("containers", stage.engine.ps(true)?.len()),
        ("control groups", groups(stage)),
        ("images", stage.engine.images()?.len()),
        ("blobs", count(&layout.blobs()).0),
        ("unpacked layers", entries(&layout.layers().join("sha256"))),
    ])
}

/// We are the first process of a PID namespace: every other one in it we have started. A zombie
/// has nothing any more and waits to be counted out.
fn processes(_stage: &Stage) -> usize {
    let ourselves = Pid::this().as_raw();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != ourselves && is_alive(*pid))
        .count()
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// The container's control groups, below the demonstration's.
fn groups(stage: &Stage) -> usize {
    let (Some(parent), Ok(site)) = (&stage.cgroup, Site::find()) else { return 0 };
    let Ok(Some(parent)) = Group::open(&site, parent) else { return 0 };
    let children = |dir: &std::path::Path| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    parent.directories().map(|(dir, ..)| children(dir)).max().unwrap_or(0)
}
