//! Which namespaces are shared: compared by device and inode.

use ground::{Evidence, Outcome, Result, Scene, Table};
use namespaces::{Id, Kind};

use super::{
    check,
    stage::{self, Stage},
};

/// Claim S01.
pub fn scene() -> Result<Scene<Stage>> {
    let what = "A target is made, with namespaces of its own; its files under /proc/PID/ns are compared with ours.";
    Ok(Scene::new(what, stage::target()?.explain(), act))
}

fn act(stage: &mut Stage) -> Result<Outcome> {
    let mut table = Table::new(["kind", "we are in", "dev", "the target is in", "dev", "the same"])
        .title("stat of /proc/self/ns and /proc/PID/ns");
    for kind in Kind::ALL {
        let Ok(ours) = Id::own(kind) else { continue };
        let theirs = Id::of(stage.target.pid(), kind)?;
        let same = ours == theirs;
        check(
            same != stage::kinds().contains(kind),
            "what was asked for differs, the rest is shared",
        )?;
        check(ours.dev == theirs.dev, "all namespaces are files of one file system")?;
        let same = if same { "yes" } else { "no" };
        let (our_dev, their_dev) = (ours.dev.to_string(), theirs.dev.to_string());
        table.push([
            kind.name(),
            &ours.to_string(),
            &our_dev,
            &theirs.to_string(),
            &their_dev,
            same,
        ]);
    }
    let follows = "Every namespace is a file. Equal device and inode: the same namespace. To open the file is to \
                   have a handle on it, and setns(2) takes that handle.";
    Ok(Evidence::new(follows).table(table).into())
}
