//! User namespaces: without a map you are nobody, with one you are root of something.

use std::fs;

use ground::{Evidence, Outcome, Result, Scene, Table};
use namespaces::{IdMaps, Kind, Kinds, Spawn, witness::Witness};

use super::{
    Stage, check, with,
    witness::{look, status},
};

/// Claim N08.
pub fn scene() -> Result<Scene<Stage>> {
    let calls = [nobody().explain(), root().explain()].concat();
    let what = "Two children get user ids of their own; the first goes without a map.";
    Ok(Scene::new(what, calls, act))
}

fn nobody() -> Spawn<'static> {
    Spawn::new(Kinds::of([Kind::User]))
}

fn root() -> Spawn<'static> {
    nobody().id_maps(IdMaps::only_root())
}

fn act(_: &mut Stage) -> Result<Outcome> {
    with(look(nobody()), |nobody| with(look(root()), |root| compare(nobody, root)))
}

fn compare(nobody: &Witness, root: &Witness) -> Result<Outcome> {
    let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").unwrap_or_default();
    let overflow = overflow.trim();
    check(nobody.fact("uid") == overflow, "without a map everybody is the overflow user")?;
    check(root.fact("uid") == "0", "the map makes us 0")?;
    let columns = [
        "uid_map",
        "getuid() inside",
        "Uid of the same process, outside",
        "capabilities after exec",
    ];
    let mut table = Table::new(columns).title("getuid(2), /proc/PID/status, /proc/PID/uid_map");
    for witness in [nobody, root] {
        let map =
            fs::read_to_string(format!("/proc/{}/uid_map", witness.pid())).unwrap_or_default();
        let map = map.split_whitespace().collect::<Vec<_>>().join(" ");
        let outside = status(witness.pid(), "Uid")?;
        let outside = outside.split_whitespace().next().unwrap_or_default().to_owned();
        let map = if map.is_empty() { "none".to_owned() } else { map };
        table.push([map, witness.fact("uid").to_owned(), outside, capabilities(witness)?]);
    }
    let follows = format!(
        "The user did not change, only its name inside: {overflow} (/proc/sys/kernel/overflowuid) means \
         \"no name here\". Root inside holds every capability, over what its user namespace owns and \
         nothing else; without a map they are lost at exec."
    );
    Ok(Evidence::new(follows).table(table).into())
}

fn capabilities(witness: &Witness) -> Result<String> {
    let (effective, all) = (status(witness.pid(), "CapEff")?, status(witness.pid(), "CapBnd")?);
    let none = effective.chars().all(|digit| digit == '0');
    Ok(if effective == all {
        "all".to_owned()
    } else if none {
        "none".to_owned()
    } else {
        effective
    })
}
