//! Which namespaces are shared: compared by device and inode.

use ground::{Evidence, Outcome, Result, Scene, Table};
use namespaces::{Id, Kind};

use super::{
    check,
    stage::{self, Stage},
};

/// Claim S01.
pub fn scene() -> Result<Scene<Stage>> {
    let what = "A target is made; its files under /proc/PID/ns are compared with ours.";
    Ok(Scene::new(what, stage::target()?.explain(), act))
}

fn act(stage: &mut Stage) -> Result<Outcome> {
    let columns = ["kind", "our dev", "our inode", "its dev", "its inode", "the same"];
    let mut table = Table::new(columns).title("stat of /proc/self/ns and /proc/PID/ns");
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
        let [our_dev, our_inode, its_dev, its_inode] =
            [ours.dev, ours.ino, theirs.dev, theirs.ino].map(|number| number.to_string());
        table.push([kind.name(), &our_dev, &our_inode, &its_dev, &its_inode, same]);
    }
    let follows = "Every namespace is a file. Where device and inode are equal, it is the same namespace. To open \
                   the file is to have a handle on it, and setns(2) takes that handle.";
    Ok(Evidence::new(follows).table(table).into())
}
